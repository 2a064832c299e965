"""What does training all layers bring, beside the last layer alone? The paper could not find out.

    python -m experiments.kernels FOLDER --test DIR [--seeds 5] [--generations 180834] [--output DIR]

prints a table and draws kernels_curves.png, the cross entropy of each way of training, and kernels.png, the paper's
kernels before and after training. The pictures need matplotlib.
"""

import functools
import os

import numpy as np

import network
import results
from experiments.reproduction import SUMS
from experiments.shared import count_right, markdown, one_or_more, train_all, written
from model import KERNEL, start_model
from support.commandline import Parser, run
from support.figures import new_figure, save_figure
from training import ALPHA, GENERATIONS, KERNELS_ALPHA, LABELS

ALL = {"alpha": KERNELS_ALPHA, "train_kernels": True, "alpha_decay": True}
WAYS = {"last layer alone": {"alpha": ALPHA}, "all layers": ALL, "all layers, with jitter": {**ALL, "jitter": True},
        "all layers, without dropout": {**ALL, "dropout": False}}  # fmt: skip
WINDOW = 1000  # generations that a point of a curve averages
POINTS = 1000  # points of a curve


def main():
    parser = Parser("Train all layers beside the last alone, print a table, draw the curves and the kernels.")
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="training pictures")
    add("--test", required=True, metavar="DIR", help="pictures to count the right answers on")
    add("--seeds", type=one_or_more, default=5, metavar="N", help="seeds 1 to N (default: 5)")
    add("--generations", type=one_or_more, default=GENERATIONS, metavar="N", help="(default: 180834, the paper's)")
    add("--output", default=".", metavar="DIR", help="where to write the pictures (default: here)")
    options = parser.parse_args()
    new_figure(1, 1)  # if matplotlib is missing, this says so before the trainings
    cases = {(way, total): {"generations": options.generations, "dataset": options.folder, **WAYS[way],
                            "output_sum": total} for way in WAYS for total in SUMS}  # fmt: skip
    found = dict(zip(cases, train_all(cases.values(), options.seeds, functools.partial(measure, options.test))))
    rows = [["trained", "output sum", f"cross entropy, last {results.STEADY:,}", f"right in {options.test}"]]
    for (way, total), of_seeds in found.items():
        entropy, right = zip(*(figures[:2] for figures in of_seeds))
        rows.append([way, str(total), written(entropy, "{:.5f}"), written(right, "{:.2f}%")])
    print(f"{options.generations:,} generations, seeds 1 to {options.seeds}; alpha {results.plain(ALPHA)} for the last "
          f"layer alone, {KERNELS_ALPHA} falling to 0 for all layers\n\n{markdown(rows)}")  # fmt: skip
    os.makedirs(options.output, exist_ok=True)
    save_figure(draw_curves(found, options.generations), os.path.join(options.output, "kernels_curves.png"))
    start = start_model(LABELS, np.random.default_rng(1), train_kernels=True)
    trained = found["all layers", SUMS[0]][0][3]
    save_figure(draw_kernels(start, trained), os.path.join(options.output, "kernels.png"))


def measure(test, model, rows):
    """Return the cross entropy of the last generations, the percentage right in `test`, a curve, and the model."""
    entropy, (right, total) = rows["cross_entropy"], count_right(model, test)
    curve = results.rolling_mean(entropy, WINDOW - 1)[points(len(rows))]
    return entropy[-results.STEADY :].mean(), 100 * right / total, curve, model


def points(generations):
    """Return the generations, counted from 0, of a curve's points: equally many on each stretch of a log axis."""
    first = min(WINDOW // 10, generations)
    return np.unique(np.geomspace(first, generations, POINTS).round().astype(int)) - 1


def draw_curves(found, generations):
    """Return a matplotlib figure: the cross entropy of each way of training against the generation."""
    figure, shown = new_figure(6.3, 2.9), points(generations)
    for number, total in enumerate(SUMS):
        axes = figure.add_axes((0.105 + number * 0.455, 0.15, 0.43, 0.68))
        for way in WAYS:
            curve = np.mean([curve for _, _, curve, _ in found[way, total]], axis=0)
            axes.plot(shown + 1, results.rolling_mean(curve, 15, 15), lw=1.3, label=way)
        axes.set(xscale="log", yscale="log", ylim=(1e-5, 1))
        axes.set_xlabel("generation", fontsize=8)
        axes.set_title(f"output sum {total}", fontsize=9)
        axes.tick_params(labelsize=7, labelleft=number == 0)
        axes.grid(color="0.9")
    figure.axes[0].set_ylabel(f"cross entropy, last {WINDOW:,} generations", fontsize=8)
    figure.legend(*axes.get_legend_handles_labels(), loc="upper center", ncol=len(WAYS), frameon=False, fontsize=6.5)
    return figure


def draw_kernels(start, trained):
    """Return a matplotlib figure: the kernels of a model before training and after it."""
    figure = new_figure(6.15, 4.6)
    for row, (layer, model) in enumerate((layer, model) for layer in (0, 1) for model in (start, trained)):
        images = [network.sheet(kernel.reshape(-1, KERNEL, KERNEL)) for kernel in model[layer]]
        limits = network.around_0(np.concatenate([start[layer], trained[layer]]))
        when = "after" if model is trained else "before"
        top = (0.15, 1.35, 2.55, 3.55)[row]
        network.write(figure, 0.3, top, f"convolution {layer + 1}, {when} training (blue is above 0, red below it)")
        network.draw_grid(figure, 0.3, top + 0.2, 5.7, 0.9, images, network.SIGNED, limits)
    return figure


if __name__ == "__main__":
    run(main)
