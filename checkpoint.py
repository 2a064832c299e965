"""What --resume needs, kept beside the log as metadata.doc.resume. Not part of the paper.

No random state is kept: every generation draws equally many random numbers, so seed and generation tell it. Everything
is in one file, written whole, so that settings, generation and weights always belong together.
"""

import json
from dataclasses import dataclass

import numpy as np

from common import InputError, write_whole
from model import INPUTS

SETTINGS = {
    "alpha": float,
    "generations": int,
    "labels": lambda labels: [str(label) for label in labels],
    "dataset": str,
    "output_sum": float,
    "seed": int,
    "alpha_decay": bool,
    "average": bool,
    "trim": bool,
    "dropout": bool,
    "pictures": str,  # a mark of what they are, as check_pictures() in training.py makes it
}


@dataclass
class State:
    """Where a training stands."""

    settings: dict  # see SETTINGS
    generation: int
    weights: np.ndarray  # the last fully connected weights, (1, n * 151)
    weights_sum: np.ndarray  # with `average`: all weights since half of the generations, added up; (1, n * 151)


def path_of(metadata_file):
    """Where the checkpoint of a training stands, given its log's path."""
    return f"{metadata_file}.resume"


def write_checkpoint(metadata_file, state):
    """Keep where a training stands."""
    kept = {name: state.settings[name] for name in SETTINGS}
    kept.update(generation=state.generation, weights=state.weights[0].tolist())
    if state.settings["average"]:
        kept["weights_sum"] = state.weights_sum[0].tolist()
    write_whole(path_of(metadata_file), json.dumps(kept, indent=0).encode("utf-8"))


def read_checkpoint(metadata_file):
    """Where a training stood, as a State. Raises InputError, or OSError where there is no such file."""
    path = path_of(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            kept = {"dropout": True, **json.load(file)}  # which checkpoints did not say when there was no choice
        settings = {name: kind(kept[name]) for name, kind in SETTINGS.items()}
        weights = np.array([kept["weights"]], float)
        weights_sum = np.array([kept["weights_sum"]], float) if settings["average"] else np.zeros_like(weights)
        state = State(settings, int(kept["generation"]), weights, weights_sum)
        fits = weights.shape == weights_sum.shape == (1, INPUTS * len(settings["labels"])) and state.generation >= 0
        fits = fits and np.isfinite(weights).all() and np.isfinite(weights_sum).all()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise InputError(f"{path}: expected what a training left for --resume; train from the start")
    return state


def read_settings(metadata_file):
    """The settings of the training that wrote a log, as a dict; empty where they are not known."""
    try:
        return read_checkpoint(metadata_file).settings
    except (InputError, OSError):
        return {}
