"""A model on a folder of labelled pictures, without dropout: how many right, and which are not. Not in the paper.

    python -m experiments.evaluate MODEL FOLDER [--trim]

FOLDER has the form of dataset/: FOLDER/<label>/img<class>-<number>.png. Every picture of it is used: nothing is split.
"""

import numpy as np

import cnn
from experiments.shared import mixed_up, right_as_one, try_folder
from model import parts_of, read_model
from support.commandline import Parser, run, share

LISTED = 20  # wrong pictures


def main():
    parser = Parser("Try a model on a folder of labelled pictures, without dropout.")
    parser.add_argument("model", metavar="MODEL", help="such as model.doc")
    parser.add_argument("folder", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    parser.add_argument("--trim", action="store_true", help="cut each picture to its ink first, scaled to 24 pixels")
    options = parser.parse_args()

    model = read_model(options.model)
    tried = try_folder(model, options.folder, options.trim)
    labels, counts = tried.labels, tried.counts
    present = " ".join(labels[index] for index in np.unique(tried.true))
    entropy = np.mean([*map(cnn.cross_entropy, tried.softmax, np.eye(len(labels))[tried.true])])

    print(f"{options.model} on {options.folder}: every picture of {present}, no dropout")
    print(f"right: {share(np.trace(counts), counts.sum())}")
    as_one = right_as_one(labels, counts)
    if as_one is not None:
        print(f"right, both cases of a letter counting as one: {share(as_one, counts.sum())}")
    print(f"mean cross entropy: {entropy:.4f}, at an output sum of {parts_of(model).output_sum:g}")
    if tried.others:
        print(f"passed over, since the model has no such label: {' '.join(tried.others)}")
    print(f"\n{confusion_table(labels, counts)}")
    print_wrong(tried)


def confusion_table(labels, counts):
    """How often each label tried got each answer, as text; a dot is none. counts: (n, n), [true label, answer]."""
    rows = [["true", *labels, "right"]]
    for true in np.flatnonzero(counts.any(axis=1)):
        shown = [f"{count:,}" if count else "." for count in counts[true]]
        rows.append([labels[true], *shown, f"{100 * counts[true, true] / counts[true].sum():.1f}%"])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths)) for row in rows]
    return "\n".join([f"{'':{widths[0]}}  answer", *lines])


def print_wrong(tried):
    """Print the labels of a Tried mixed up most, and the pictures whose answer is wrong, the surest first."""
    labels, true = tried.labels, tried.true
    given, surest = tried.softmax.argmax(axis=1), tried.softmax.max(axis=1)
    wrong = sorted(np.flatnonzero(given != true), key=lambda index: -surest[index])
    if wrong:
        print(f"\nmixed up most: {mixed_up(labels, tried.counts)}\n\nwrong, the surest first:")
    for index in wrong[:LISTED]:
        print(f"{tried.paths[index]}: {labels[true[index]]} -> {labels[given[index]]}, {surest[index]:.1%}")
    if len(wrong) > LISTED:
        print(f"and {len(wrong) - LISTED:,} more")


if __name__ == "__main__":
    run(main)
