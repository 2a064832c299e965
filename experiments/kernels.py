"""All layers learn, beside the last alone: what the paper could not find out. Not in the paper.

    python -m experiments.kernels [--dataset dataset] [--test DIR] [--seeds 5] [--generations 180834] [--output DIR]

The table is Markdown, on stdout; how far it is, on stderr. kernels.png shows the first seed's twelve kernels before and
after, kernels_curves.png the cross entropy of each way of training as it falls, the mean of all seeds. They need
matplotlib (requirements-graphs.txt).
"""

import functools
import os

import numpy as np

import network
import results
from experiments.reproduction import STEADY, SUMS, written
from experiments.shared import count_right, markdown, save, train_all, training_parser
from model import start_model
from support.commandline import run
from support.figures import new_figure
from training import ALPHA, KERNELS_ALPHA, LABELS, generators, load_dataset

ALL = {"alpha": KERNELS_ALPHA, "train_kernels": True, "alpha_decay": True}
WAYS = {  # of training, with what each adds to the paper's settings
    "last layer alone": {"alpha": ALPHA},
    "all layers": ALL,
    "all layers, with jitter": {**ALL, "jitter": True},
    "all layers, without dropout": {**ALL, "dropout": False},
}
SHOWN = "all layers"  # whose kernels are drawn
WINDOW = 1000  # generations that a point of a curve is the mean of
POINTS = 1000  # of a curve
TREND = 15  # points before and after each, whose mean is drawn: towards the end a curve jumps about


def main():
    parser = training_parser("Train all layers beside the last alone, print a table, draw the curves and the kernels.",
                             "pictures to try the models on, too", seeds=5)  # fmt: skip
    parser.add_argument("--output", default=".", metavar="DIR", help="where the pictures go (default: this folder)")
    options = parser.parse_args()
    folders = [folder for folder in (options.dataset, options.test) if folder]
    counts = [len(load_dataset(folder, LABELS)) for folder in folders]  # before training: a mistake is said at once
    new_figure(1, 1)  # and so is that matplotlib is missing
    os.makedirs(options.output, exist_ok=True)

    settings = {"generations": options.generations, "dataset": options.dataset}
    cases = {(way, total): {**settings, **WAYS[way], "output_sum": total} for way in WAYS for total in SUMS}
    found = dict(zip(cases, train_all(cases.values(), options.seeds, functools.partial(measure, folders))))
    print(f"{options.generations:,} generations, seeds 1 to {options.seeds}; alpha {results.plain(ALPHA)} for the last "
          f"layer alone, {KERNELS_ALPHA} falling to 0 for all.")  # fmt: skip
    print("Right without dropout, on the pictures of " + " and ".join(
        f"{folder} ({count:,})" for folder, count in zip(folders, counts)) + ".\n")  # fmt: skip
    print(table(found, folders, options.generations) + "\n")
    start = start_model(LABELS, generators(1)[0], train_kernels=True)
    trained = found[SHOWN, SUMS[0]][0][2]  # with the first seed
    save(draw_kernels(start, trained), options.output, "kernels.png")
    save(draw_curves(found, options.generations), options.output, "kernels_curves.png")


def measure(folders, model, rows):
    """A training's (figures, curve, model), from its model and the rows of its log.

    figures: the mean cross entropy of the last generations, and the percentage right in each of `folders`; curve: the
    mean cross entropy of the last WINDOW generations, at each of points().
    """
    entropy = rows["cross_entropy"]
    figures = [entropy[-STEADY:].mean()]
    for pictures in (load_dataset(folder, LABELS, kept=np.uint8) for folder in folders):
        figures.append(100 * count_right(model, pictures) / len(pictures))
    return figures, results.rolling_mean(entropy, WINDOW - 1)[points(len(rows))], model


def points(generations):
    """The generations, counted from 0, at which a curve is drawn: as many on each stretch of a logarithmic axis."""
    first = min(WINDOW // 10, generations)  # before, the mean is that of very few
    return np.unique(np.geomspace(first, generations, POINTS).round().astype(int)) - 1


def table(found, folders, generations):
    """A row for each way of training and output sum, of {(way, output sum): what measure() gives, a seed each}."""
    head = ["trained", "output sum", f"cross entropy, last {min(STEADY, generations):,} generations"]
    rows = [[*head, *(f"right in {folder}" for folder in folders)]]
    for (way, output_sum), of_seeds in found.items():
        entropy, *right = np.array([figures for figures, _, _ in of_seeds]).T
        cells = [written(entropy, "{:.5f}"), *(written(shares, "{:.2f}%") for shares in right)]
        rows.append([way, str(output_sum), *cells])
    return markdown(rows)


def draw_curves(found, generations):
    """The cross entropy of each way of training against the generation, the mean of all seeds, as a figure."""
    figure, shown = new_figure(6.3, 2.9), points(generations)
    for number, output_sum in enumerate(SUMS):
        axes = figure.add_axes((0.105 + number * 0.455, 0.15, 0.43, 0.68))
        for way in WAYS:
            curve = np.mean([curve for _, curve, _ in found[way, output_sum]], axis=0)
            axes.plot(shown + 1, results.rolling_mean(curve, TREND, TREND), lw=1.3, label=way)
        axes.set(xscale="log", yscale="log", ylim=(1e-5, 1))
        axes.set_xlabel("generation", fontsize=8)
        axes.set_title(f"output sum {output_sum}", fontsize=9)
        axes.tick_params(labelsize=7, labelleft=number == 0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color="0.9")
    figure.axes[0].set_ylabel(f"cross entropy, last {WINDOW:,} generations", fontsize=8)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper center", ncol=len(WAYS), frameon=False, fontsize=7, columnspacing=1)
    return figure


def draw_kernels(start, trained):
    """The twelve kernels of a model before training and after it, as a figure."""
    figure, top = new_figure(6.15, 4.27), 0.15
    for layer, maps in enumerate(("", ", each of 5x5 for each of the six maps")):
        limits = network.around_0(np.concatenate([start[layer], trained[layer]]))
        for model, when in ((start, "before"), (trained, "after")):
            images = [kernel.reshape(-1, 5, 5) for kernel in model[layer]]
            images = [network.mosaic(image) if maps else image[0] for image in images]
            text = f"convolution {layer + 1}, {when} training: six kernels{maps or ' of 5x5'}"
            text += "" if top > 1 else " (blue is above 0, red below it)"
            top = network.draw_row(figure, top, text, images, network.SIGNED, limits)
    return figure


if __name__ == "__main__":
    run(main)
