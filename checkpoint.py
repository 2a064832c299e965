"""What --resume needs, kept beside the log as metadata.doc.resume: the settings, the generation and its weights.

No random state is kept: every generation draws equally many random numbers, so seed and generation tell it. Everything
is in one file, written whole, so that settings, generation and weights always belong together. Not part of the paper.
"""

import json

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
    "pictures": str,  # a mark of what they are, as check_pictures() in training.py makes it
}


def path_of(metadata_file):
    """Where the checkpoint of a training stands, given its log's path."""
    return f"{metadata_file}.resume"


def write_checkpoint(metadata_file, settings, generation, weights):
    """Keep a training's settings (a dict of plain values), its generation, and its weights (1, n * 151)."""
    kept = {name: settings[name] for name in SETTINGS}
    text = json.dumps({**kept, "generation": generation, "weights": weights[0].tolist()}, indent=0)
    write_whole(path_of(metadata_file), text.encode("utf-8"))


def read_checkpoint(metadata_file):
    """The settings, the generation and the weights (1, n * 151). Raises InputError, or OSError where there is none."""
    path = path_of(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        settings = {name: kind(kept[name]) for name, kind in SETTINGS.items()}
        generation, weights = int(kept["generation"]), np.array([kept["weights"]], float)
        fits = generation >= 0 and weights.shape == (1, INPUTS * len(settings["labels"])) and np.isfinite(weights).all()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise InputError(f"{path}: expected what a training left for --resume; train from the start")
    return settings, generation, weights


def read_settings(metadata_file):
    """The settings of the training that wrote a log, as a dict; empty where they are not known."""
    try:
        return read_checkpoint(metadata_file)[0]
    except (InputError, OSError):
        return {}
