"""What does the mountain of the paper's theory chapter look like? Draw it from the real network, seen from above.

    python -m experiments.landscape [--output mountain.png]

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
from support.commandline import Parser, Silent, progress_line, run
from support.figures import new_figure, save_figure
from training import load_pictures, train

ALL_LAYERS = {"alpha": 0.003, "generations": 20_000, "train_kernels": True, "kernels": (6, 6)}
LAST_LAYER = {"alpha": 0.000000005, "generations": 60_000, "output_sum": 10}
CASES = [("all layers, two far starts", ALL_LAYERS, 1), ("all layers, two close starts", ALL_LAYERS, 0.05),
         ("last layer, two close starts", LAST_LAYER, 0.05)]  # fmt: skip
STAGES = 40  # a way is drawn through so many points and its start
SIDE = 41  # the cross entropy is computed at SIDE x SIDE points of the plane
MARGIN = 0.3  # of the ways' size, around them
SCALES = 255, 1, 1  # kernels 1 are counted times 255, so that the numbers of all layers are of one size
LOWEST = 0.001  # a lower cross entropy has the same colour


def main():
    parser = Parser("Draw the cross entropy on a plane through the weights, and the ways that trainings take on it.")
    parser.add_argument("--output", default="mountain.png", metavar="FILE", help="(default: mountain.png)")
    path, show = parser.parse_args().output, progress_line(sys.stderr)
    figure, pictures = new_figure(18, 6.6), load_pictures("dataset", ("0", "1"), Silent())
    rows = [["trainings", "between the starts", "between the ends", "of the ways in the plane",
             "cross entropy at the ends", "halfway between the ends"]]  # fmt: skip
    for panel, (title, settings, apart) in zip(figure.subplots(1, len(CASES)), CASES):
        show(f"{title}: training")
        ways, model = two_ways(settings, apart)
        origin, axes = plane_of(ways)
        drawn = (ways - origin) @ axes.T  # (2, points, 2)
        low, high = drawn.min((0, 1)), drawn.max((0, 1))
        steps = np.linspace(-0.5 - MARGIN, 0.5 + MARGIN, SIDE) * (high - low).max()
        heights = np.empty((SIDE, SIDE))
        for row, column in np.ndindex(heights.shape):
            place = (low + high) / 2 + (steps[column], steps[row])
            heights[row, column] = height(model_at(origin + place @ axes, model), pictures)
            show(f"{title}: {row * SIDE + column + 1:,} of {SIDE**2:,} points")
        draw(panel, title, *((low + high) / 2 + steps[:, np.newaxis]).T, heights, drawn)
        starts, ends = ways[:, 0], ways[:, -1]
        lows = [f"{height(model_at(end, model), pictures):.4f}" for end in (*ends, ends.mean(0))]
        shares = [f"{share:.0%}" for share in shares_of(ways, axes)]
        distances = [f"{np.linalg.norm(one - other):.2f}" for one, other in (starts, ends)]
        rows.append([title, *distances, ", ".join(shares), ", ".join(lows[:2]), lows[2]])
    show(last=True)
    figure.tight_layout()
    save_figure(figure, path)
    print(markdown(rows))


def two_ways(settings, apart):
    """Train with seed 1 and with seed 2. Return the weights along both ways (2, points, weights), and the last model.

    apart: the second start stands at this share of the line from the start of seed 1 to the start of seed 2.
    """
    ways = []
    for seed in (1, 2):
        points = []
        with tempfile.TemporaryDirectory() as folder:
            files = {"model_file": os.path.join(folder, "m.doc"), "metadata_file": os.path.join(folder, "m.log")}
            for stage in range(STAGES + 1):
                generations = stage * settings["generations"] // STAGES
                model = train(**{**settings, **files, "generations": generations}, seed=seed, resume=stage > 0)
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
    return np.concatenate([np.ravel(array) * float(scale) for array, scale in zip(model, SCALES)])


def model_at(line, model):
    """Return a line of numbers as a model of the same shapes, types and labels as another one."""
    parts = np.split(line, np.cumsum([array.size for array in model[:3]])[:-1])
    arrays = [(part / scale).reshape(array.shape).astype(array.dtype)
              for part, scale, array in zip(parts, SCALES, model)]  # fmt: skip
    return [*arrays, *model[3:]]


def plane_of(ways):
    """Return a point of the plane (weights,) and its two directions (2, weights), which are perpendicular.

    The plane goes through both ends and the middle of the two starts. The first direction leads from end to end.
    """
    origin, (first, second) = ways[:, 0].mean(0), ways[:, -1]
    across = (second - first) / np.linalg.norm(second - first)
    up = origin - first - (origin - first) @ across * across
    return origin, np.array([across, up / np.linalg.norm(up)])


def shares_of(ways, axes):
    """Return for each way how much of it lies in the plane, by Pythagoras: the squared distances from its start."""
    moved = ways - ways[:, :1]
    return ((moved @ axes.T) ** 2).sum((1, 2)) / (moved**2).sum((1, 2))


def height(model, pictures):
    """Return the mean cross entropy of all pictures, without dropout."""
    return np.mean([cross_entropy(forward(pixels, model).softmax, label) for pixels, label in pictures])


def draw(panel, title, across, up, heights, ways):
    """Draw the heights as colours and lines, and both ways. The lines stand for heights that grow by equal factors."""
    heights = np.log10(np.maximum(heights, LOWEST))
    panel.contourf(across, up, heights, 20, cmap="turbo")
    lines = panel.contour(across, up, heights, 10, colors="black", linewidths=0.6)
    panel.clabel(lines, fmt=lambda level: f"{10**level:.2g}", fontsize=9)
    for way, colour in zip(ways, ("black", "white")):
        panel.plot(*way.T, color=colour, linewidth=2.5)
        panel.plot(*way[0], "o", color=colour, markeredgecolor="black", markersize=11)
        panel.plot(*way[-1], "*", color=colour, markeredgecolor="black", markersize=22)
    panel.set(title=title, aspect="equal", xticks=[], yticks=[])
    panel.title.set_fontsize(18)


if __name__ == "__main__":
    run(main)
