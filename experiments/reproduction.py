"""On which pictures did the authors train, and with which output sum? Their published weights tell.

    python -m experiments.reproduction FOLDER... [--test DIR] [--seeds 5] [--generations 180834] [--alpha 0.000000005]

trains as the paper did on each folder, with both output sums and several seeds. It compares the untrained network, the
trained weights and the last generations with the paper's figures and with the weights of its appendix
(models/paper.doc). "Deviations" counts standard deviations, over the seeds, from the paper's figure.
"""

import functools
import os

import numpy as np

import cnn
from experiments.shared import markdown, percent_right, pictures_of, train_all, written
from metadata import find_right
from model import parts_of, read_model, start_model
from results import PAPER_CROSS_ENTROPY, PAPER_WINDOW, STEADY
from support.commandline import ROOT, Parser, one_or_more, run
from training import ALPHA, Settings

SUMS = 100, 10  # the paper's text, and the authors' program
PAPER = read_model(os.path.join(ROOT, "models", "paper.doc"))  # the weights of the appendix
TIMES = 10  # how often the appendix's weights see each picture with dropout
FIGURES = (  # what measure() returns: name, how to write it, the paper's figure
    ("cross entropy, untrained", "{:.3f}", np.log10(2)),  # the theory chapter: -log10(1 / n) for n labels
    ("standard deviation of the weights", "{:.3f}", PAPER[2].std()),
    ("correlation with the appendix's", "{:.3f}", None),
    (f"cross entropy, last {PAPER_WINDOW}", "{:.4f}", PAPER_CROSS_ENTROPY),
    (f"right, last {PAPER_WINDOW}", "{:.2f}%", 100 * 86 / 101),
    (f"cross entropy, last {STEADY:,}", "{:.4f}", None),
    (f"right, last {STEADY:,}", "{:.2f}%", None),
)


def main():
    parser = Parser("Train on folders of pictures as the paper did, and compare with the paper.")
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="training pictures, FOLDER/<label>/img<class>-<number>.png")
    add("--test", metavar="DIR", help="also count the right answers on these pictures, without dropout")
    add("--seeds", type=one_or_more, default=5, metavar="N", help="seeds 1 to N (default: 5)")
    add("--generations", type=one_or_more, default=Settings.generations, metavar="N", help="(default: the paper's)")
    add("--alpha", type=float, default=ALPHA, metavar="A", help="(default: the paper's)")
    options = parser.parse_args()
    for folder in (*options.folders, *filter(None, [options.test])):
        next(pictures_of(Settings.labels, folder))  # a mistake is said before the trainings

    cases = [(folder, total) for folder in options.folders for total in SUMS]
    settings = [{"alpha": options.alpha, "generations": options.generations, "dataset": folder, "output_sum": total}
                for folder, total in cases]  # fmt: skip
    measured = train_all(settings, options.seeds, functools.partial(measure, options.test))
    found = [np.array(of_seeds).T for of_seeds in measured]
    columns = [*FIGURES, (f"right in {options.test}, without dropout", "{:.2f}%", None)][: len(found[0])]
    rows = [["trained on", "sum", *(name for name, _, _ in columns)]]
    for (folder, total), figures in zip(cases, found):
        cells = [cell(values, form, known) for values, (_, form, known) in zip(figures, columns)]
        rows.append([folder, str(total), *cells])
    rows.append(["the paper", "", *("" if known is None else form.format(known) for _, form, known in columns)])
    print(
        f"{options.generations:,} generations, alpha {options.alpha}, seeds 1 to {options.seeds}\n\n{markdown(rows)}\n"
    )

    rows = [["the appendix's weights on", "sum", "cross entropy, with dropout", "right, with dropout", "right without"]]
    for folder, total in cases:
        entropy, dropped, right = own_figures(folder, total)
        rows.append([folder, str(total), f"{entropy:.4f}", f"{dropped:.2f}%", f"{right:.2f}%"])
    print(markdown(rows))


def measure(test, settings, model, rows):
    """Return the figures of a training, in the order of FIGURES, and those of the test pictures, if there are any."""
    entropy, right = rows["cross_entropy"], 100 * find_right(rows)
    figures = [untrained(settings), model[2].std(), np.corrcoef(model[2], PAPER[2])[0, 1]]
    for last in (PAPER_WINDOW, STEADY):
        figures += [entropy[-last:].mean(), right[-last:].mean()]
    if test:
        figures.append(percent_right(model, test))
    return figures


def untrained(settings):
    """Return the mean cross entropy of the network before its first generation, on all pictures, without dropout."""
    start = parts_of(start_model(Settings.labels, np.random.default_rng(settings["seed"]), settings["output_sum"]))
    labels = np.eye(len(start.labels))
    return np.mean([cnn.cross_entropy(cnn.forward(pixels, start).softmax, labels[index])
                    for _, pixels, index in pictures_of(start.labels, settings["dataset"])])  # fmt: skip


def cell(values, form, known):
    """Return the figures of the seeds as text, with the distance from the paper's figure if it is known."""
    spread = np.std(values, ddof=1) if len(values) > 1 else 0
    distance = f" ({(np.mean(values) - known) / spread:+.1f} deviations)" if known is not None and spread else ""
    return written(values, form) + distance


def own_figures(folder, output_sum):
    """Return what the appendix's weights reach: cross entropy and percentage right with dropout, percentage without."""
    model, rng, entropies, dropped, right = parts_of(PAPER), np.random.default_rng(1), [], [], []
    for _, pixels, index in pictures_of(model.labels, folder):
        label = np.eye(len(model.labels))[index]
        right.append(cnn.forward(pixels, model, output_sum).softmax.argmax() == index)
        for _ in range(TIMES):
            result = cnn.cnn(pixels, model, label, training=True, output_sum=output_sum, rng=rng)
            entropies.append(result.cross_entropy)
            dropped.append(result.softmax.argmax() == index)
    return np.mean(entropies), 100 * np.mean(dropped), 100 * np.mean(right)


if __name__ == "__main__":
    run(main)
