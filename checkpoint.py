"""What --resume needs, kept beside the log as metadata.doc.resume: the settings, the generation and its weights.

No random state is kept: every generation draws equally many random numbers, so seed and generation tell it. Everything
is in one file, written whole, so that settings, generation and weights always belong together. Not part of the paper.
"""

import json

import numpy as np

from common import InputError, write_whole


def path_of(metadata_file):
    """Where the checkpoint of a training stands, given its log's path."""
    return f"{metadata_file}.resume"


def write_checkpoint(metadata_file, settings, generation, weights):
    """Keep a training's settings (a dict of plain values), its generation, and its weights (1, n * 151)."""
    text = json.dumps({**settings, "generation": generation, "weights": weights[0].tolist()}, indent=0)
    write_whole(path_of(metadata_file), text.encode("utf-8"))


def read_checkpoint(metadata_file):
    """The settings, the generation and the weights (1, n * 151). Raises InputError, or OSError where there is none."""
    path = path_of(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        generation, weights = int(kept.pop("generation")), np.array([kept.pop("weights")], float)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: expected what a training left for --resume ({error}); train from the start") from None
    return kept, generation, weights


def read_settings(metadata_file):
    """The settings of the training that wrote a log, as a dict; empty where they are not known."""
    try:
        return read_checkpoint(metadata_file)[0]
    except (InputError, OSError):
        return {}
