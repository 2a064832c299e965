"""What --resume needs, kept beside the log as metadata.doc.resume. Not part of the paper.

No random state is kept: every generation draws equally many random numbers, so seed and generation tell it. Everything
is in one file, written whole, so that settings, generation and weights always belong together.
"""

import hashlib
import json
import math
import numbers
import operator
import os
from dataclasses import dataclass, field

import numpy as np

from support.commandline import command, ours
from support.files import InputError, write_whole


def number(value):
    """A number, NumPy's too, as Python's; none that is infinite, or nan."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("a number")
    return float(value)


def whole(value):
    """A whole number, NumPy's too, as Python's."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError("a whole number") from None


def flag(value):
    """Yes or no, NumPy's too, as Python's."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError("True or False")
    return bool(value)


def texts(value):
    """Some words, each as text."""
    try:
        return [str(word) for word in value]
    except TypeError:
        raise ValueError("a list of labels") from None


SETTINGS = {  # of a training: what each has to be; a function that gives it as what JSON knows, or raises ValueError
    "alpha": number,
    "generations": whole,
    "labels": texts,
    "dataset": os.fspath,
    "output_sum": number,
    "seed": whole,
    "alpha_decay": flag,
    "average": flag,
    "trim": flag,
    "dropout": flag,
    "train_kernels": flag,
    "jitter": flag,
}
BEFORE = {"dropout": True, "train_kernels": False, "jitter": False, "models": []}  # in a checkpoint that does not say


@dataclass
class State:
    """Where a training stands."""

    settings: dict  # see SETTINGS
    generation: int
    trained: np.ndarray  # the last of all the numbers that are trained, one after another
    total: np.ndarray  # with `average`: the same, added up over the generations since half of them
    models: list = field(default_factory=list)  # marks of the models written last, and of those before them
    pictures: str = ""  # a mark of what they are


def path_of(metadata_file):
    """Where the checkpoint of a training stands, given its log's path."""
    return f"{metadata_file}.resume"


def mark(data):
    """What tells bytes from others."""
    return hashlib.sha256(data).hexdigest()


def write_checkpoint(metadata_file, state):
    """Keep where a training stands."""
    kept = {**state.settings, "pictures": state.pictures, "generation": state.generation, "models": state.models}
    kept["weights"] = state.trained.tolist()
    if state.settings["average"]:
        kept["weights_sum"] = state.total.tolist()
    write_whole(path_of(metadata_file), json.dumps(kept, indent=0).encode("utf-8"))


def read_checkpoint(metadata_file):
    """Where a training stood, as a State. Raises InputError, also where there is none."""
    path = path_of(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            kept = {**BEFORE, **json.load(file)}
        settings = {name: kind(kept[name]) for name, kind in SETTINGS.items()}
        trained = np.array(kept["weights"], float)
        total = np.array(kept["weights_sum"], float) if settings["average"] else np.zeros_like(trained)
        state = State(settings, whole(kept["generation"]), trained, total, texts(kept["models"]), str(kept["pictures"]))
        finite = np.isfinite(trained).all() and np.isfinite(total).all()
        if trained.ndim != 1 or trained.shape != total.shape or state.generation < 0 or not finite:
            raise ValueError
        return state
    except FileNotFoundError:
        start = command(ours("controller.py"), "--metadata", metadata_file)
        raise InputError(f"{path}: not there, nothing to go on with; to start a training: {start}") from None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InputError(f"{path}: expected what a training left for --resume; train from the start") from None


def read_settings(metadata_file):
    """The settings of the training that wrote a log, as a dict; empty where they are not known."""
    try:
        return read_checkpoint(metadata_file).settings
    except (InputError, OSError):
        return {}
