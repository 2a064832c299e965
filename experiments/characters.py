"""A model on any folders of labelled pictures, a row each; and the output sum with which it is as sure as it is right.

    python -m experiments.characters MODEL FOLDER... [--trim FOLDER...] [--output DIR] [--calibrate]

Each FOLDER has the form of dataset/, and every picture of it is used, as by experiments.evaluate. Those after --trim
are cut to their ink first, as photos and drawings need it. --output draws what was taken for what. Not in the paper.

--calibrate chooses the model's output sum, the temperature of its softmax, and writes it into MODEL: the one whose
probabilities are nearest to how often it is right on the FOLDERs before --trim, pictures that it never learned from.
"""

import contextlib
import os

import numpy as np

from cnn import THRESHOLD
from experiments.shared import markdown, mixed_up, right_as_one, save, split_folders, try_folder
from model import labels_of, parts_of, read_model, write_model
from support.commandline import Parser, run, share
from support.figures import new_figure
from support.files import back_up, locked

BINS = 15  # of equal width, from probability 0 to 1
FEW = 10  # pictures; a bin with fewer of them is not drawn
SUMS = [float(f"{total:.3g}") for total in np.geomspace(1, 100_000, 400)]  # that --calibrate chooses from
CELL, MARGIN = 0.17, 0.6  # inches, of a confusion picture: two digits fit into a cell; labels and titles around all


def main():
    parser = Parser("Try a model on folders of labelled pictures, without dropout; choose its output sum.")
    parser.add_argument("model", metavar="MODEL", help="such as models/characters.doc")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    parser.add_argument("--trim", nargs="+", default=[], metavar="FOLDER", help="the same, each cut to its ink first")
    parser.add_argument("--output", metavar="DIR", help="draw there which labels were taken for which (matplotlib)")
    parser.add_argument("--calibrate", action="store_true", help="choose the output sum, and write it into MODEL")
    options = parser.parse_intermixed_args()
    folders = [(path, False) for path in options.folders] + [(path, True) for path in options.trim]
    jobs = {os.path.basename(os.path.abspath(path)) + ", trimmed" * trim: (path, trim) for path, trim in folders}
    if not folders or (options.calibrate and not options.folders):
        parser.error("expected a FOLDER" + " before --trim, to calibrate on" * options.calibrate)
    if len(jobs) < len(folders):
        parser.error("two folders of one name would have one picture; do them one by one")
    with locked(options.model) if options.calibrate else contextlib.nullcontext():
        try_all(options.model, jobs, options.output, options.calibrate)


def try_all(path, jobs, output, calibrated):
    """Try the model at `path` on `jobs`, {name: (folder, trim)}; print the table; draw, calibrate, as it is told."""
    model = read_model(path)
    for folder, _ in jobs.values():
        split_folders(folder, labels_of(model))  # a mistake is said before any picture is read
    found = {name: try_folder(model, *job) for name, job in jobs.items()}
    print(report(path, model, found))
    if output:
        for name, tried in found.items():
            save(draw_confusion(name, tried), output, f"confusion-{name.replace(', ', '-')}.png")
    if calibrated:
        calibrate(path, model, [found[name] for name, (_, trim) in jobs.items() if not trim], output)


def report(path, model, found):
    """A table, a row for each of the Tried in `found`, by its name; and what each mixed up most."""
    labels, output_sum = parts_of(model)[3:]
    columns, pairs = {}, []
    for name, tried in found.items():
        error = calibration_error(tried.softmax.max(axis=1), tried.softmax.argmax(axis=1) == tried.true)
        figures = {what: share(*figure) if figure[1] else "-" for what, figure in figures_of(tried).items()}
        row = {"folder": name, "pictures": f"{len(tried.true):,}", **figures, "calibration error": f"{error:.1%}"}
        for what, text in row.items():
            columns.setdefault(what, [what]).append(text)
        pairs.append(f"{name}: mixed up most: {mixed_up(labels, tried.counts) or 'none'}")
    head = f"{path}, output sum {output_sum:g}, on the pictures of its {len(labels)} labels, without dropout"
    return "\n\n".join([head, markdown(list(zip(*columns.values()))), *pairs])


def figures_of(tried):
    """How many pictures of a Tried are right, and of how many, by what counts: {what counts: (right, of)}."""
    labels, counts, total = tried.labels, tried.counts, len(tried.true)
    figures, as_one = {"right": (np.trace(counts), total)}, right_as_one(labels, counts)
    if as_one is not None:
        figures["cases as one"] = as_one, total
    digits = np.array([index for index, label in enumerate(labels) if label in tuple("0123456789")], int)
    if 0 < len(digits) < len(labels):
        of_digits = np.isin(tried.true, digits)
        answers = digits[tried.outputs[of_digits][:, digits].argmax(axis=1)]
        figures["digits, any answer"] = counts[digits, digits].sum(), of_digits.sum()
        figures["digits, a digit as answer"] = (answers == tried.true[of_digits]).sum(), of_digits.sum()
    return figures


def draw_confusion(name, tried):
    """How often each label of a Tried (a row) got each answer (a column), as a matplotlib figure."""
    labels, present = tried.labels, np.unique(tried.true)
    counts = tried.counts[present]
    cell = max(CELL, 3.4 / len(labels))
    down, across = (cell * number for number in counts.shape)  # inches
    width, height = across + 2 * MARGIN, down + 2 * MARGIN
    figure = new_figure(width, height)
    axes = figure.add_axes((MARGIN / width, MARGIN / height, across / width, down / height))  # the margin all around
    shades = np.sqrt(counts / counts.sum(axis=1, keepdims=True))  # of 0 to 1; a few in a hundred can be seen
    axes.pcolormesh(shades, cmap="Blues", vmin=0, vmax=1, edgecolors="0.9", linewidth=0.4)
    for row, column in np.argwhere(counts):
        axes.text(column + 0.5, row + 0.5, counts[row, column], size=29 * cell, ha="center", va="center",
                  color="white" if shades[row, column] > 0.6 else "black")  # fmt: skip
    for axis, shown in ((axes.xaxis, labels), (axes.yaxis, [labels[index] for index in present])):
        axis.set_ticks(np.arange(len(shown)) + 0.5, shown, size=8, parse_math=False)
    axes.tick_params(length=0, labeltop=True, labelright=True)
    axes.set(xlabel="answer", ylabel="true label", ylim=(len(counts), 0))
    axes.set_title(f"{name}: right {share(np.trace(tried.counts), counts.sum())}", size=10)
    return figure


def confidences(outputs, output_sum):
    """The best probability of each picture at an output sum, as cnn.last_steps() has it: (m, n) -> (m,)."""
    totals = outputs.sum(axis=1, keepdims=True)
    scaled = outputs * np.where(totals > THRESHOLD, output_sum / np.maximum(totals, 1), 1)
    return 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)


def bins_of(confidence, right):
    """Of each of BINS that holds any: how many pictures, their mean confidence, the share of them that is right."""
    columns = (None, confidence, right.astype(float))
    counts, sure, correct = (np.histogram(confidence, BINS, (0, 1), weights=values)[0] for values in columns)
    held = counts > 0
    return counts[held], sure[held] / counts[held], correct[held] / counts[held]


def calibration_error(confidence, right):
    """The expected calibration error: how far a bin's mean confidence is from its share right, mean of all pictures."""
    counts, sure, correct = bins_of(confidence, right)
    return (counts * np.abs(sure - correct)).sum() / counts.sum()


def calibrate(path, model, found, output):
    """Choose the output sum of the least calibration error on all pictures of some Tried; write it into the model."""
    *_, labels, own = parts_of(model)
    outputs = np.concatenate([tried.outputs for tried in found])
    right = outputs.argmax(axis=1) == np.concatenate([tried.true for tried in found])
    errors = {total: calibration_error(confidences(outputs, total), right) for total in (own, *SUMS)}
    best = min(errors, key=errors.get)  # its own, where none is better
    print(f"\ncalibration error on {len(right):,} pictures: {errors[own]:.2%} at an output sum of {own:g}, "
          f"the least, {errors[best]:.2%}, at {best:g}")  # fmt: skip
    if best != own:
        back_up(path)
        write_model([*model[:3], labels, best], path)
        print(f"written: {path}, with an output sum of {best:g}; as it was: {path}.bak")
    if output:
        save(draw_reliability(outputs, right, dict.fromkeys((own, best))), output, "reliability.png")


def draw_reliability(outputs, right, sums):
    """How often the model is right in each bin, against its confidence, at output sums, as a matplotlib figure."""
    figure = new_figure(6.3, 4.6)
    axes = figure.add_axes((0.1, 0.11, 0.86, 0.8))
    axes.plot((0, 100), (0, 100), color="0.7", label="as sure as it is right")
    for total, colour in zip(sums, ("orange", "blue")):
        confidence = confidences(outputs, total)
        shown = [values for values in zip(*bins_of(confidence, right)) if values[0] >= FEW]
        label = f"output sum {total:g}: error {calibration_error(confidence, right):.1%}"
        axes.plot([100 * sure for _, sure, _ in shown], [100 * correct for *_, correct in shown], "o-", color=colour,
                  label=label)  # fmt: skip
    for count, sure, correct in shown:
        axes.annotate(f"{count:,.0f}", (100 * sure, 100 * correct), (5, -9), textcoords="offset points", size=7)
    axes.set(xlabel="probability of the answer (%)", ylabel="right (%)", xlim=(0, 107), ylim=(-5, 105))
    title = f"{len(right):,} pictures in {BINS} bins; how many are in each of {FEW} or more, at {total:g}"
    axes.set_title(title, size=10)
    axes.legend(loc="upper left", frameon=False)
    axes.grid(color="0.9")
    return figure


if __name__ == "__main__":
    run(main)
