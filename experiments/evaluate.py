"""A model on a folder of labelled pictures, without dropout: how many right, and which are not. Not in the paper.

    python -m experiments.evaluate MODEL FOLDER [--trim]

FOLDER has the form of dataset/: FOLDER/<label>/img<class>-<number>.png. Every picture of it is used: nothing is split.
"""

import os

import numpy as np

import cnn
from experiments.shared import counted
from model import parts_of, read_model
from support.commandline import Parser, run, share
from support.files import InputError
from support.pictures import find_pictures, has_pictures

LISTED = 20  # wrong pictures
PAIRS = 10  # of labels mixed up


def main():
    parser = Parser("Try a model on a folder of labelled pictures, without dropout.")
    parser.add_argument("model", metavar="MODEL", help="such as model.doc")
    parser.add_argument("folder", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    parser.add_argument("--trim", action="store_true", help="cut each picture to its ink first, scaled to 24 pixels")
    options = parser.parse_args()

    network = read_model(options.model)
    parts = parts_of(network)
    labels = parts.labels
    tried, others = split_folders(options.folder, labels)
    paths, true = find_all(options.folder, labels, tried)
    softmax = np.array([cnn.cnn(cnn.read_pixels(path, options.trim), network) for path in counted(paths, "pictures")])
    entropy = np.mean([*map(cnn.cross_entropy, softmax, np.eye(len(labels))[true])])
    counts = np.zeros((len(labels), len(labels)), int)  # [true label, answer]
    np.add.at(counts, (true, softmax.argmax(axis=1)), 1)

    print(f"{options.model} on {options.folder}: every picture of {' '.join(labels[i] for i in tried)}, no dropout")
    print_shares(labels, counts)
    print(f"mean cross entropy: {entropy:.4f}, at an output sum of {parts.output_sum:g}")
    if others:
        print(f"passed over, since the model has no such label: {' '.join(others)}")
    print(f"\n{confusion_table(labels, counts, tried)}")
    print_wrong(labels, counts, paths, true, softmax)


def split_folders(folder, labels):
    """The model's labels that have a folder of pictures, as their indexes; and the names of the other folders.

    On some disks A and a are one folder, which is listed under one of the two names.
    """
    names = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    tried = [index for index, label in enumerate(labels) if label in names or has_pictures(folder, label)]
    if not tried:
        found = " ".join(names) or "none"
        raise InputError(f"{folder}: expected a folder for a label, {' '.join(labels)}, found {found}")
    return tried, [name for name in names if name not in labels]


def find_all(folder, labels, tried):
    """The paths of all pictures of the labels tried, and the index of each one's label."""
    pictures = [(path, index) for index in tried for path in find_pictures(folder, labels[index])]
    paths, true = zip(*pictures)
    return paths, list(true)


def print_shares(labels, counts):
    """Print how many are right; where labels differ only in their case, also with these as one."""
    print(f"right: {share(np.trace(counts), counts.sum())}")
    folded = [label.casefold() for label in labels]
    if len(set(folded)) < len(labels):
        as_one = counts[np.equal.outer(folded, folded)].sum()
        print(f"right, both cases of a letter counting as one: {share(as_one, counts.sum())}")


def confusion_table(labels, counts, tried):
    """How often each label got each answer, as lines of text; a dot is none. counts: (n, n), [true label, answer]."""
    rows = [["true", *labels, "right"]]
    for true in tried:
        shown = [f"{count:,}" if count else "." for count in counts[true]]
        rows.append([labels[true], *shown, f"{100 * counts[true, true] / counts[true].sum():.1f}%"])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths)) for row in rows]
    return "\n".join([f"{'':{widths[0]}}  answer", *lines])


def mixed_up(labels, counts):
    """The pairs of labels that were taken for each other most often, in words. counts: (n, n), [true label, answer]."""
    both = counts + counts.T
    found = sorted((-both[a, b], a, b) for a in range(len(labels)) for b in range(a) if both[a, b])
    return ", ".join(f"{labels[b]} and {labels[a]} {-times:,}" for times, a, b in found[:PAIRS])


def print_wrong(labels, counts, paths, true, softmax):
    """Print the labels mixed up most, and the pictures whose answer is wrong, the surest first."""
    given, surest = softmax.argmax(axis=1), softmax.max(axis=1)
    wrong = sorted(np.flatnonzero(given != true), key=lambda index: -surest[index])
    if wrong:
        print(f"\nmixed up most: {mixed_up(labels, counts)}\n\nwrong, the surest first:")
    for index in wrong[:LISTED]:
        print(f"{paths[index]}: {labels[true[index]]} -> {labels[given[index]]}, {surest[index]:.1%}")
    if len(wrong) > LISTED:
        print(f"and {len(wrong) - LISTED:,} more")


if __name__ == "__main__":
    run(main)
