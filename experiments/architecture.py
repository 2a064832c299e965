"""Are six and six kernels the best numbers? The paper's second open question.

    python -m experiments.architecture FOLDER --test DIR [--labels 0 1] [--kernels 3,3 6,6 8,16 12,24 16,48]
                                       [--generations 180834] [--alpha A] [--seeds 3] [--graph FILE.png]

trains all layers with each pair of numbers, from random kernels, without dropout, alpha falling to 0, and prints how
many pictures of DIR are right, how many weights there are, and what a generation and a classification take.
"""

import functools
import timeit

import numpy as np

from cnn import forward
from experiments.shared import count_right, markdown, one_or_more, pictures_of, train_all, written
from model import parts_of
from support.commandline import Parser, run
from support.figures import new_figure, save_figure
from training import GENERATIONS, KERNELS_ALPHA, LABELS


def main():
    parser = Parser("Train networks with several numbers of kernels, and compare them.")
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="training pictures")
    add("--test", required=True, metavar="DIR", help="pictures to count the right answers on")
    add("--labels", nargs="+", default=list(LABELS), metavar="L", help="(default: 0 1)")
    add("--kernels", nargs="+", type=pair, default=[(3, 3), (6, 6), (8, 16), (12, 24), (16, 48)], metavar="K1,K2",
        help="(default: 3,3 6,6 8,16 12,24 16,48)")  # fmt: skip
    add("--generations", type=one_or_more, default=GENERATIONS, metavar="N", help="(default: 180834)")
    add("--alpha", type=float, default=KERNELS_ALPHA, metavar="A", help=f"(default: {KERNELS_ALPHA})")
    add("--output-sum", type=float, default=100, metavar="S", help="(default: 100)")
    add("--jitter", action="store_true", help="jitter and bend the training pictures")
    add("--seeds", type=one_or_more, default=3, metavar="N", help="seeds 1 to N (default: 3)")
    add("--graph", metavar="FILE.png", help="draw right against weights (matplotlib)")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("labels", "generations", "alpha", "output_sum", "jitter")}
    settings.update(dataset=options.folder, bend=options.jitter, train_kernels=True, random_kernels=True,
                    alpha_decay=True, dropout=False)  # fmt: skip
    cases = [{**settings, "kernels": kernels} for kernels in options.kernels]
    found = train_all(cases, options.seeds, functools.partial(measure, options.test))
    rows = [["kernels", "weights", f"right in {options.test}", "classifying a picture"]]
    for kernels, of_seeds in zip(options.kernels, found):
        weights, right, seconds = zip(*of_seeds)
        rows.append([f"{kernels[0]}, {kernels[1]}", f"{weights[0]:,}", written(right, "{:.2f}%"),
                     f"{np.median(seconds) * 1e6:.0f} us"])  # fmt: skip
    print(f"{len(options.labels)} labels, {options.generations:,} generations, alpha {options.alpha} falling to 0, "
          f"seeds 1 to {options.seeds}\n\n{markdown(rows)}")  # fmt: skip
    if options.graph:
        figure = new_figure(5, 3.2)
        axes = figure.add_axes((0.14, 0.15, 0.82, 0.78))
        means = [(of_seeds[0][0], np.mean([right for _, right, _ in of_seeds])) for of_seeds in found]
        axes.plot(*zip(*means), "o-", color="blue")
        for kernels, place in zip(options.kernels, means):
            axes.annotate(f"{kernels[0]}, {kernels[1]}", place, (4, -10), textcoords="offset points", size=8)
        axes.set(xscale="log", xlabel="weights", ylabel=f"right in {options.test} (%)")
        axes.grid(color="0.9")
        save_figure(figure, options.graph)


def pair(text):
    """Return two whole numbers, as the type of an option."""
    first, second = text.split(",")
    return int(first), int(second)


def measure(test, model, rows):
    """Return the number of weights, the percentage right in `test`, and the seconds of classifying a picture."""
    parts, (right, total) = parts_of(model), count_right(model, test)
    _, pixels, _ = next(pictures_of(model, test))
    seconds = min(timeit.repeat(lambda: forward(pixels, parts), number=20)) / 20
    return sum(array.size for array in parts[:3]), 100 * right / total, seconds


if __name__ == "__main__":
    run(main)
