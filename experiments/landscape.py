"""What does the mountain of the paper's theory chapter look like? Draw it from the real network, seen from above.

    python -m experiments.landscape [--seeds 1 2] [--output mountain.png]

trains two networks of 0 and 1 and draws the cross entropy of all pictures of dataset/ on a plane through the weights,
with the ways that both trainings took: from two starts that are far apart, from two that are close, and for the last
layer alone, which the paper trained. It prints how much of the ways lies in the plane. It takes some minutes.
"""

import json
import os
import sys
import tempfile

import numpy as np

from cnn import cross_entropy, forward
from experiments.shared import markdown
from metadata import resume_path
from support.commandline import ROOT, Parser, Silent, one_or_more, progress_line, run
from support.figures import new_figure, save_figure
from support.files import check_writable
from training import load_pictures, train

DATASET = os.path.join(ROOT, "dataset")
ALL_LAYERS = {"alpha": 0.003, "generations": 20_000, "train_kernels": True, "kernels": (6, 6)}
LAST_LAYER = {"alpha": 0.000000005, "generations": 60_000, "output_sum": 10}
CASES = [("all layers, two far starts", ALL_LAYERS, 1), ("all layers, two close starts", ALL_LAYERS, 0.05),
         ("last layer, two close starts", LAST_LAYER, 0.05)]  # fmt: skip
STAGES = 40  # a way is drawn through so many points and its start
SIDE = 41  # the cross entropy is computed at SIDE x SIDE points of the plane
MARGIN = 0.3  # of the ways' size, around them
SCALES = 255, 1, 1  # kernels 1 are counted times 255, so that the numbers of all layers are of one size
LINES = 0.001, 0.003, 0.01, 0.03, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10  # of equal height; one colour below the first
HEADER = "trainings", "start to start", "end to end", "in the plane", "cross entropy at the ends", "halfway"


def main():
    parser = Parser("Draw the cross entropy on a plane through the weights, and the ways that trainings take on it.")
    parser.add_argument("--output", default="mountain.png", metavar="FILE", help="(default: mountain.png)")
    parser.add_argument("--seeds", nargs=2, type=one_or_more, default=(1, 2), metavar="N", help="(default: 1 2)")
    options = parser.parse_args()
    if options.seeds[0] == options.seeds[1]:
        parser.error("--seeds: expected two that differ")
    check_writable(options.output)
    figure, pictures, rows = new_figure(12, 4.4), load_pictures(DATASET, ("0", "1"), Silent()), [HEADER]
    with progress_line(sys.stderr) as show:
        for panel, (title, settings, apart) in zip(figure.subplots(1, len(CASES)), CASES):
            show(f"{title}: training")
            ways, model = two_ways(settings, apart, options.seeds)
            origin, axes = plane_of(ways)
            drawn = (ways - origin) @ axes.T  # (2, points, 2)
            low, high = drawn.min((0, 1)), drawn.max((0, 1))
            steps = np.linspace(-0.5 - MARGIN, 0.5 + MARGIN, SIDE) * (high - low).max()
            across, up = ((low + high) / 2 + steps[:, np.newaxis]).T
            heights = np.empty((SIDE, SIDE))
            for row, column in np.ndindex(heights.shape):
                heights[row, column] = height(origin + [across[column], up[row]] @ axes, model, pictures)
                show(f"{title}: {row * SIDE + column + 1:,} of {SIDE**2:,} points")
            draw(panel, title, across, up, heights, drawn)
            ends = [f"{height(line, model, pictures):.5f}" for line in (*ways[:, -1], ways[:, -1].mean(0))]
            distances = [f"{np.linalg.norm(ways[0, place] - ways[1, place]):.2f}" for place in (0, -1)]
            shares = ", ".join(f"{share:.0%}" for share in shares_of(ways, axes))
            rows.append([title, *distances, shares, ", ".join(ends[:2]), ends[2]])
    figure.tight_layout()
    print(markdown(rows))
    save_figure(figure, options.output)


def two_ways(settings, apart, seeds):
    """Train with both seeds. Return the weights along the two ways (2, points, weights), and the last model.

    apart: the second start stands at this share of the line from the start of the first seed to that of the second.
    """
    ways = []
    for seed in seeds:
        points = []
        with tempfile.TemporaryDirectory() as folder:
            files = {"model_file": os.path.join(folder, "m.doc"), "metadata_file": os.path.join(folder, "m.log")}
            for stage in range(STAGES + 1):
                generations = stage * settings["generations"] // STAGES
                model = train(
                    **{**settings, **files, "generations": generations}, dataset=DATASET, seed=seed, resume=stage > 0
                )
                points.append(line_of(model))
                if ways and stage == 0:
                    points = [ways[0][0] + apart * (points[0] - ways[0][0])]
                    put_start(model_at(points[0], model), files["metadata_file"])
        ways.append(points)
    return np.array(ways), model


def put_start(model, metadata_file):
    """Let a training that has done no generation begin with the weights of a model."""
    with open(resume_path(metadata_file), encoding="utf-8") as file:
        state = json.load(file)
    with open(resume_path(metadata_file), "w", encoding="utf-8") as file:
        json.dump({**state, "model": [array.tolist() for array in model[:3]]}, file)


def line_of(model):
    """Return all weights of a model as one line of numbers."""
    return np.concatenate([np.ravel(array).astype(float) * scale for array, scale in zip(model, SCALES)])


def model_at(line, model):
    """Return a line of numbers as a model of the same shapes, types and labels as another one."""
    parts = np.split(line, np.cumsum([array.size for array in model[:3]])[:-1])
    shaped = zip(parts, SCALES, model)
    return [*((part / scale).reshape(array.shape).astype(array.dtype) for part, scale, array in shaped), *model[3:]]


def plane_of(ways):
    """Return a point of the plane (weights,) and its two directions (2, weights), which are perpendicular.

    The plane goes through both ends and the middle of the two starts. The first direction leads from end to end.
    """
    origin, (first, second) = ways[:, 0].mean(0), ways[:, -1]
    across = (second - first) / np.linalg.norm(second - first)
    up = origin - first - (origin - first) @ across * across
    return origin, np.array([across, up / np.linalg.norm(up)])


def shares_of(ways, axes):
    """Return how much of each way lies in the plane, by Pythagoras: squared distances of its points from its start."""
    moved = ways - ways[:, :1]
    return ((moved @ axes.T) ** 2).sum((1, 2)) / (moved**2).sum((1, 2))


def height(line, model, pictures):
    """Return the mean cross entropy of all pictures, without dropout, at a line of numbers."""
    there = model_at(line, model)
    return np.mean([cross_entropy(forward(pixels, there).softmax, label) for pixels, label in pictures])


def draw(panel, title, across, up, heights, ways):
    """Draw the heights as colours, blue low and red high, the lines of equal height, and both ways on them."""
    heights, lines = np.log10(heights + 1e-9), np.log10(LINES)
    colours = np.linspace(max(heights.min(), lines[0]), heights.max(), 60)
    panel.contourf(across, up, heights, colours, cmap="jet", extend="min")
    drawn = panel.contour(across, up, heights, lines, colors="black", linewidths=0.5, linestyles="solid")
    panel.clabel(drawn, fmt=lambda line: f"{10**line:.3g}", fontsize=8)
    for way, colour, edge in zip(ways, ("black", "white"), ("white", "black")):
        panel.plot(*way.T, color=edge, linewidth=3)
        panel.plot(*way.T, color=colour, linewidth=1.7)
        panel.plot(*way[0], "o", color=colour, markeredgecolor=edge, markersize=8)
        panel.plot(*way[-1], "*", color=colour, markeredgecolor=edge, markersize=15)
    panel.set(aspect="equal", xticks=[], yticks=[])
    panel.set_title(title, fontsize=12)


if __name__ == "__main__":
    run(main)
