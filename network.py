"""A picture of the network: one picture on its way through all steps, the kernels, and the fully connected weights.

    python network.py PICTURE [--model model.doc] [--trim] [--output network.png]

It needs matplotlib (requirements-extras.txt).
"""

import os

import numpy as np

from cnn import forward, read_pixels
from model import KERNEL, LAST_MAP, parts_of, read_model
from support.commandline import Parser, run
from support.figures import new_figure, save_figure

SIGNED, SIZES = "RdBu", "viridis"  # matplotlib's colours: blue above 0 and red below; dark is 0 and yellow the largest


def main():
    parser = Parser("Draw a picture's way through the network, the kernels and the weights.")
    parser.add_argument("picture", metavar="PICTURE")
    parser.add_argument("--model", default="model.doc", metavar="FILE", help="(default: model.doc)")
    parser.add_argument("--trim", action="store_true", help="cut the picture to its ink first")
    parser.add_argument("--output", default="network.png", metavar="FILE.png", help="(default: network.png)")
    options = parser.parse_args()
    if not options.output.lower().endswith(".png"):
        parser.error(f"--output: expected a name that ends in .png, found {options.output}")
    model = read_model(options.model)
    steps = forward(read_pixels(options.picture, options.trim), model)
    names = [os.path.basename(path).encode("utf-8", "replace").decode() for path in (options.picture, options.model)]
    save_figure(draw(steps, parts_of(model), "picture: {}\nmodel: {}".format(*names)), options.output)
    print(f"written: {options.output}")


def draw(steps, model, about):
    """Return the page as a matplotlib figure: on the left the steps from top to bottom, on the right the answer."""
    figure = new_figure(12, 9)  # inches
    figure.set_layout_engine("constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    count_1, count_2 = len(model.kernels_1), len(model.kernels_2)
    kernels_1 = model.kernels_1.reshape(-1, KERNEL, KERNEL)
    kernels_2 = [sheet(kernel.reshape(-1, KERNEL, KERNEL), 1.5) for kernel in model.kernels_2]
    rows = [
        ("the picture, 32x32 pixels", [steps.pixels, *[np.full((32, 32), np.nan)] * 5], "gray"),
        (f"convolution 1: {count_1} kernels of 5x5 (blue: above 0, red: below)", kernels_1, SIGNED),
        (f"their result after ReLU: {count_1} maps of 28x28 (dark: 0, yellow: large)", steps.maps_1, SIZES),
        (f"max pooling 1: {count_1} maps of 14x14", steps.pooled_1, SIZES),
        (f"convolution 2: {count_2} kernels, each 5x5 for each of the {count_1} maps", kernels_2, SIGNED),
        (f"their result after ReLU: {count_2} maps of 10x10", steps.maps_2, SIZES),
        (f"max pooling 2: {count_2} maps of 5x5, the inputs of the last layer", steps.pooled_2, SIZES),
    ]
    images = [sheet(np.array(maps if colours == SIGNED else [map_ / (map_.max() or 1) for map_ in maps]), 6)
              for _, maps, colours in rows]  # fmt: skip
    heights = [image.shape[0] / image.shape[1] + 0.05 for image in images]
    for axes, image, (title, _, colours) in zip(left.subplots(len(rows), 1, height_ratios=heights), images, rows):
        show(axes, image, colours, title)
    best = steps.softmax.argmax()
    answer = f"answer: {model.labels[best]}, with a probability of {steps.softmax[best]:.1%}"
    left.text(0.24, 0.97, f"{about}\noutput sum: {model.output_sum:g}\n\n{answer}", va="top", parse_math=False)
    above, below = right.subplots(2, 1, height_ratios=(1, 3))
    draw_answer(above, steps.softmax, model.labels)
    draw_weights(below, model)
    return figure


def show(axes, image, colours, title):
    """Draw an image into axes: from 0 to 1, or with the colours SIGNED as far below 0 as above it."""
    high = np.nanmax(np.abs(image)) or 1
    axes.imshow(image, cmap=colours, vmin=-high if colours == SIGNED else 0, vmax=high)
    axes.set_title(title, size=9, loc="left", pad=3)
    axes.axis("off")
    axes.set_anchor("W")


def sheet(maps, shape, space=1):
    """Return maps side by side as one image, about `shape` times as many in a row as rows, with empty lines between."""
    count, height, width = np.shape(maps)
    lines = max(1, round(np.sqrt(count / shape)))
    columns = -(-count // lines)
    image = np.full((-(-count // columns) * (height + space) - space, columns * (width + 1) - 1), np.nan)
    for index, values in enumerate(maps):
        row, column = index // columns * (height + space), index % columns * (width + 1)
        image[row : row + height, column : column + width] = values
    return image


def draw_answer(axes, softmax, labels):
    """Draw the probability of each label as a bar. The bar of the answer is dark."""
    colours = ["navy" if probability == softmax.max() else "cornflowerblue" for probability in softmax]
    axes.bar(range(len(labels)), 100 * softmax, min(0.8, 0.1 * len(labels)), color=colours)
    crowded = sum(map(len, labels)) > 62
    axes.set_xticks(range(len(labels)), labels, size=9 if len(labels) < 37 and not crowded else 6,
                    rotation=90 if crowded else 0, parse_math=False)  # fmt: skip
    axes.set(ylim=(0, 100), xlim=(-0.6, len(labels) - 0.4), yticks=(0, 50, 100), axisbelow=True)
    axes.set_title("the probability of each label (%)", size=9, loc="left")
    axes.grid(axis="y", color="0.9")


def draw_weights(axes, model):
    """Draw the fully connected weights of each label, 5x5 for each map, with the label above them."""
    tiles = [sheet(weights[:-1].reshape(-1, LAST_MAP, LAST_MAP), 1.5) for weights in model.weights]
    (height, width), space = tiles[0].shape, max(3, tiles[0].shape[0] // 3)
    image = sheet(tiles, 0.8 * height / width, space)
    image = np.vstack((np.full((space, image.shape[1]), np.nan), image))
    columns = (image.shape[1] + 1) // (width + 1)
    show(axes, image, SIGNED, f"the last layer's weights of each label, 5x5 for each map (strongest: "
         f"{np.abs(model.weights[:, :-1]).max():.2g})")  # fmt: skip
    for index, (label, bias) in enumerate(zip(model.labels, model.weights[:, -1])):
        text = f"{label}   (bias {bias:.2g})" if len(tiles) < 13 else label
        place = index % columns * (width + 1), (index // columns) * (height + space) + space - 1
        axes.text(*place, text, size=8, va="bottom", parse_math=False)


if __name__ == "__main__":
    run(main)
