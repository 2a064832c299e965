"""How many pictures of a folder does a model get right, and which are mixed up? Is it as sure as it is right?

    python -m experiments.evaluate MODEL FOLDER... [--trim] [--vary] [--list] [--calibrate] [--confusion FILE.png]

FOLDER has the form of dataset/: FOLDER/<label>/img<class>-<number>.png. Dropout is off. --calibrate chooses the output
sum with which the model is as sure as it is right on these pictures, and writes it into MODEL.
"""

import sys
from typing import NamedTuple

import numpy as np

import cnn
from experiments.shared import pictures_of
from model import parts_of, read_model, write_model
from preprocessing import distorted
from support.commandline import Parser, progress_line, run, share
from support.figures import new_figure, save_figure
from support.files import back_up, check_writable

LOOK_ALIKES = "oO0", "lIi1", "zZ2", "9gq", "sS5"  # nobody can tell them apart in a single character cut to its ink
BINS = 15  # of equal width, from probability 0 to 1, for the calibration error
SUMS = [float(f"{total:.3g}") for total in np.geomspace(1, 100_000, 400)]  # --calibrate chooses one of these
LISTED = 20  # pairs of labels that were mixed up, and wrong pictures


class Answers(NamedTuple):
    """What a model made of the pictures of a folder."""

    paths: list  # one for each picture
    true: np.ndarray  # (pictures,): the right label's index
    outputs: np.ndarray  # (pictures, labels), before they are scaled
    softmax: np.ndarray  # (pictures, labels)
    best: np.ndarray  # (pictures,): the answer's index
    confidence: np.ndarray  # (pictures,): its probability
    right: np.ndarray  # (pictures,): whether it is right


def main():
    parser = Parser("Try a model on folders of labelled pictures, without dropout.")
    add = parser.add_argument
    add("model", metavar="MODEL", help="such as model.doc")
    add("folders", nargs="+", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    add("--trim", action="store_true", help="cut each picture to its ink first")
    add("--vary", action="store_true", help="jitter and bend each picture, as training does")
    add("--list", action="store_true", help="list the 20 wrong pictures whose answers were surest")
    add("--confusion", metavar="FILE.png", help="draw which labels were taken for which (matplotlib)")
    add("--calibrate", action="store_true", help="choose the output sum, and write it into MODEL")
    options = parser.parse_args()
    if len(options.folders) > 1 and (options.confusion or options.calibrate):
        parser.error("--confusion and --calibrate: expected one folder")
    if options.calibrate:
        check_writable(options.model)

    model = parts_of(read_model(options.model))
    for folder in options.folders:
        answers = ask(model, folder, options.trim, options.vary)
        print(f"{options.model} on {folder}{', trimmed' if options.trim else ''}, without dropout")
        report(model, answers)
        if options.list:
            print(*mistakes(model, answers), sep="\n")
    if options.confusion:
        save_figure(draw_confusion(folder, model.labels, counts_of(model, answers)), options.confusion)
    if options.calibrate:
        calibrate(options.model, model, answers)


def ask(model, folder, trim, vary):
    """Return the Answers of a model to the pictures of its labels in a folder."""
    paths, true, outputs, softmax, rng = [], [], [], [], np.random.default_rng(1)
    with progress_line(sys.stderr) as show:
        for path, found, index in pictures_of(model.labels, folder, trim):
            steps = cnn.forward(distorted(found, rng, True, True) if vary else found, model)
            paths.append(path)
            true.append(index)
            outputs.append(steps.outputs)
            softmax.append(steps.softmax)
            show(f"{len(paths):,} pictures")
    true, softmax = np.array(true), np.array(softmax)
    best = softmax.argmax(axis=1)
    return Answers(paths, true, np.array(outputs), softmax, best, softmax.max(axis=1), best == true)


def mistakes(model, answers):
    """Return a line of text for each of the surest wrong answers, the surest first."""
    wrong = sorted(np.flatnonzero(~answers.right), key=lambda index: -answers.confidence[index])[:LISTED]
    return [f"{answers.paths[index]}: {model.labels[answers.true[index]]} -> {model.labels[answers.best[index]]}, "
            f"{answers.confidence[index]:.1%}" for index in wrong]  # fmt: skip


def counts_of(model, answers):
    """Return how often each label got each answer: [true label, answer]."""
    counts = np.zeros((len(model.labels), len(model.labels)), int)
    np.add.at(counts, (answers.true, answers.best), 1)
    return counts


def report(model, answers):
    """Print how many answers are right, how sure they are, and what is mixed up."""
    labels, true, right = model.labels, answers.true, answers.right
    print(f"right: {share(np.count_nonzero(right), len(right))}")
    for name, groups in (("cases", ()), ("look-alikes", LOOK_ALIKES)):
        same = as_one(labels, groups)
        if same.sum() > len(labels):
            print(f"{name} as one: {share(np.count_nonzero(same[true, answers.best]), len(right))}")
    entropy = np.mean([*map(cnn.cross_entropy, answers.softmax, np.eye(len(labels))[true])])
    print(f"mean cross entropy: {entropy:.4f}; calibration error: {calibration_error(answers.confidence, right):.1%}, "
          f"at an output sum of {model.output_sum:g}")  # fmt: skip
    print(f"mixed up most: {mixed_up(labels, counts_of(model, answers))}")


def as_one(labels, groups):
    """Return for each pair of labels whether they count as one: cases of a letter, or labels of one group. (n, n)."""
    return np.array([[a.casefold() == b.casefold() or any(a in group and b in group for group in groups)
                      for b in labels] for a in labels])  # fmt: skip


def mixed_up(labels, counts):
    """Return in words the pairs of labels that were taken for each other most often. counts: [true label, answer]."""
    both = counts + counts.T
    pairs = sorted((-both[a, b], b, a) for a in range(len(labels)) for b in range(a) if both[a, b])
    return ", ".join(f"{labels[b]} and {labels[a]} {-times:,}" for times, b, a in pairs[:LISTED]) or "none"


def calibration_error(confidence, right):
    """Return the expected calibration error: how far the bins' mean confidence is from their share of right answers."""
    sums = [np.histogram(confidence, BINS, (0, 1), weights=values)[0] for values in (confidence, right.astype(float))]
    return np.abs(sums[0] - sums[1]).sum() / len(right)


def calibrate(path, model, answers):
    """Write the output sum with the least calibration error into the model. The old file is kept as .bak."""
    errors, outputs = {}, answers.outputs.tolist()
    for total in (model.output_sum, *SUMS):
        confidence = np.array([max(cnn.softmax(cnn.scale_outputs(row, total))) for row in outputs])
        errors[total] = calibration_error(confidence, answers.right)
    best = min(errors, key=errors.get)
    print(f"calibration error: {errors[model.output_sum]:.2%} at an output sum of {model.output_sum:g}, the least, "
          f"{errors[best]:.2%}, at {best:g}")  # fmt: skip
    if best != model.output_sum:
        back_up(path)
        write_model([model.kernels_1, model.kernels_2, model.weights.reshape(1, -1), model.labels, best], path)
        print(f"written: {path}; before: {path}.bak")


def draw_confusion(name, labels, counts):
    """Return a matplotlib figure: how often each label (row) got each answer (column)."""
    present = np.flatnonzero(counts.any(axis=1))
    counts, side = counts[present], max(0.17, 3.4 / len(labels))  # inches
    width, height = side * len(labels) + 1.2, side * len(present) + 1.2
    figure = new_figure(width, height)
    axes = figure.add_axes((0.6 / width, 0.6 / height, 1 - 1.2 / width, 1 - 1.2 / height))
    shades = np.sqrt(counts / counts.sum(axis=1, keepdims=True))
    axes.pcolormesh(shades, cmap="Blues", vmin=0, vmax=1, edgecolors="0.9", linewidth=0.4)
    for row, column in np.argwhere(counts):
        colour = "white" if shades[row, column] > 0.6 else "black"
        axes.text(column + 0.5, row + 0.5, counts[row, column], size=29 * side, ha="center", va="center", color=colour)
    for axis, shown in ((axes.xaxis, labels), (axes.yaxis, [labels[index] for index in present])):
        axis.set_ticks(np.arange(len(shown)) + 0.5, shown, size=8, parse_math=False)
    axes.tick_params(length=0, labeltop=True, labelright=True)
    axes.set(xlabel="answer", ylabel="true label", ylim=(len(present), 0))
    axes.set_title(
        f"{name}: right {share(counts[range(len(present)), present].sum(), counts.sum())}", size=10, parse_math=False
    )
    return figure


if __name__ == "__main__":
    run(main)
