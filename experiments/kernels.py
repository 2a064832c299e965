"""All layers learn, beside the last alone: what the paper could not find out. Not in the paper.

    python -m experiments.kernels [--dataset dataset] [--test DIR] [--seeds 5] [--generations 180834] [--output DIR]

The table is Markdown, on stdout; how far it is, on stderr. kernels.png shows the first seed's twelve kernels before and
after, kernels_curves.png the cross entropy of each way of training as it falls, the mean of all seeds. They need
matplotlib (requirements-graphs.txt).
"""

import os
import tempfile

import numpy as np

import cnn
import network
import results
from controller import KERNELS_ALPHA
from experiments.reproduction import STEADY, SUMS, written
from experiments.shared import markdown, on_all_cores, one_or_more
from metadata import read_metadata
from model import start_model
from support.commandline import Parser, run
from support.figures import new_figure, save_figure
from training import ALPHA, GENERATIONS, LABELS, generators, load_dataset, train

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
    parser = Parser("Train all layers beside the last alone, print a table, draw the curves and the kernels.")
    parser.add_argument("--dataset", default="dataset", metavar="DIR", help="training pictures (default: dataset)")
    parser.add_argument("--test", metavar="DIR", help="pictures to try the models on, too")
    parser.add_argument("--seeds", type=one_or_more, default=5, metavar="N", help="seeds 1 to N (default: 5)")
    parser.add_argument("--generations", type=one_or_more, default=GENERATIONS, metavar="N", help="of each training "
        "(default: 180834, the paper's)")  # fmt: skip
    parser.add_argument("--output", default=".", metavar="DIR", help="where the pictures go (default: this folder)")
    options = parser.parse_args()
    folders = [options.dataset, *([options.test] if options.test else [])]
    counts = [len(load_dataset(folder, LABELS)) for folder in folders]  # before training: a mistake is said at once
    new_figure(1, 1)
    os.makedirs(options.output, exist_ok=True)

    found = train_all(folders, options.generations, options.seeds)
    print(f"{options.generations:,} generations, seeds 1 to {options.seeds}; alpha {results.plain(ALPHA)} for the last "
          f"layer alone, {KERNELS_ALPHA} falling to 0 for all.")  # fmt: skip
    print("Right without dropout, on the pictures of " + " and ".join(
        f"{folder} ({count:,})" for folder, count in zip(folders, counts)) + ".\n")  # fmt: skip
    print(table(found, folders, counts, options.generations) + "\n")
    pictures = {
        "kernels.png": draw_kernels(start_model(LABELS, generators(1)[0], train_kernels=True), found[SHOWN, SUMS[0]]),
        "kernels_curves.png": draw_curves(found, options.generations),
    }
    for name, figure in pictures.items():
        save_figure(figure, os.path.join(options.output, name))
        print(f"written: {os.path.join(options.output, name)}")


def train_all(folders, generations, seeds):
    """Train in each way, at each output sum, with each seed: {(way, output sum): what measure() gives, a seed each}."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [(way, total) for way in WAYS for total in SUMS]
        jobs = [(folder, folders, generations, *case, seed) for case in cases for seed in range(1, seeds + 1)]
        found = on_all_cores(measure, jobs, "trainings")
    return {case: found[index * seeds : (index + 1) * seeds] for index, case in enumerate(cases)}


def measure(folder, folders, generations, way, output_sum, seed):
    """Train once: (cross entropy of the last generations, number right in each of `folders`, curve, model)."""
    files = [os.path.join(folder, f"{way}-{output_sum}-{seed}-{name}") for name in ("model.doc", "metadata.doc")]
    model = train(generations=generations, model_file=files[0], metadata_file=files[1], labels=LABELS,
                  dataset=folders[0], output_sum=output_sum, seed=seed, **WAYS[way])  # fmt: skip
    entropy = read_metadata(files[1])["cross_entropy"]
    shown = points(generations)
    return entropy[-STEADY:].mean(), [right(model, each) for each in folders], means(entropy)[shown], model


def right(model, folder):
    """How many of a folder's pictures a model gets right, without dropout."""
    pictures = load_dataset(folder, LABELS, kept=np.uint8)
    return sum(int(cnn.steps(pixels, model).softmax.argmax() == true) for pixels, true in pictures)


def means(entropy):
    """The mean cross entropy of each generation and those before it, WINDOW in all: (n,) -> (n,)."""
    return results.rolling_mean(entropy, WINDOW - 1)


def points(generations):
    """The generations, counted from 0, at which a curve is drawn: as many on each stretch of a logarithmic axis."""
    first = min(WINDOW // 10, generations)  # before, the mean is that of very few
    return np.unique(np.geomspace(first, generations, POINTS).round().astype(int)) - 1


def table(found, folders, counts, generations):
    """A row for each way of training and output sum: mean ± standard deviation over the seeds."""
    head = ["trained", "output sum", f"cross entropy, last {min(STEADY, generations):,} generations"]
    rows = [[*head, *(f"right in {folder}" for folder in folders)]]
    for (way, output_sum), of_seeds in found.items():
        cells = [written(np.array([one[0] for one in of_seeds]), "{:.5f}")]
        for index, count in enumerate(counts):
            cells.append(written(np.array([100 * one[1][index] / count for one in of_seeds]), "{:.2f}%"))
        rows.append([way, str(output_sum), *cells])
    return markdown(rows)


def draw_curves(found, generations):
    """The cross entropy of each way of training against the generation, the mean of all seeds, as a figure."""
    figure, shown = new_figure(6.3, 2.9), points(generations)
    for number, output_sum in enumerate(SUMS):
        axes = figure.add_axes((0.105 + number * 0.455, 0.15, 0.43, 0.68))
        for way in WAYS:
            curve = np.mean([one[2] for one in found[way, output_sum]], axis=0)
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


def draw_kernels(start, of_seeds):
    """The twelve kernels before the first seed's training and after it, as a figure."""
    figure, trained, top = new_figure(6.15, 4.27), of_seeds[0][3], 0.15
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
