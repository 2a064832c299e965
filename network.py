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

PAGE = 11.0, 8.15  # inches
LEFT, ROW_WIDTH, ROW_HEIGHT = 0.3, 5.7, 0.9  # inches: a row holds the maps or the kernels of one step
RIGHT = 6.35  # inches, the left edge of the answer and the weights
WIDTH = PAGE[0] - RIGHT - 0.3  # inches, of the answer and the weights
GAP = 0.08  # inches, between two images
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
    figure, softmax = new_figure(*PAGE), steps.softmax
    answer = f"answer: {model.labels[softmax.argmax()]}, with a probability of {softmax.max():.1%}"
    write(figure, LEFT + 1, 0.45, f"{about}\noutput sum: {model.output_sum:g}\n{answer}", linespacing=1.6)

    count_1, count_2 = len(model.kernels_1), len(model.kernels_2)
    kernels_1 = model.kernels_1.reshape(-1, KERNEL, KERNEL)
    kernels_2 = [sheet(kernel.reshape(-1, KERNEL, KERNEL)) for kernel in model.kernels_2]
    top = 0.15
    for text, images, colours, limits in (
        ("input: 32x32 pixels", [steps.pixels], "gray", (0, 255)),
        (f"convolution 1: {count_1} kernels of 5x5 (blue is above 0, red below it)", kernels_1, SIGNED,
         around_0(kernels_1)),
        (f"their result after ReLU: {count_1} maps of 28x28 (dark is 0)", steps.maps_1, SIZES, (0, None)),
        (f"max pooling 1: {count_1} maps of 14x14", steps.pooled_1, SIZES, (0, None)),
        (f"convolution 2: {count_2} kernels, each with 5x5 weights for each of the {count_1} maps", kernels_2, SIGNED,
         around_0(model.kernels_2)),
        (f"their result after ReLU: {count_2} maps of 10x10", steps.maps_2, SIZES, (0, None)),
        (f"max pooling 2: {count_2} maps of 5x5, the inputs of the fully connected layer", steps.pooled_2, SIZES,
         (0, None)),
    ):  # fmt: skip
        write(figure, LEFT, top, text)
        draw_grid(figure, LEFT, top + 0.2, ROW_WIDTH, ROW_HEIGHT, images, colours, limits)
        top += ROW_HEIGHT + 0.24

    draw_answer(figure, 0.15, softmax, model.labels)
    weights = model.weights[:, :-1].reshape(len(model.labels), -1, LAST_MAP, LAST_MAP)
    low, high = around_0(weights)
    write(figure, RIGHT, 2.3, f"the fully connected weights of each label: 5x5 for each of the {count_2} maps\n"
          f"blue is above 0, red below it; the strongest is {high:.2g} away from 0")  # fmt: skip
    titles = [f"{label}   (bias {bias:.2g})" if len(weights) < 13 else label
              for label, bias in zip(model.labels, model.weights[:, -1])]  # fmt: skip
    sheets = [sheet(maps) for maps in weights]
    draw_grid(figure, RIGHT, 2.75, WIDTH, PAGE[1] - 2.85, sheets, SIGNED, (low, high), titles)
    return figure


def draw_grid(figure, left, top, width, height, images, colours, limits, titles=None):
    """Draw images of one shape as large as they fit into a rectangle (inches), in as many lines as that needs."""
    line = 0.2 if titles else 0  # inches, the height of a title
    shape = images[0].shape[0] / images[0].shape[1]

    def size(lines):
        """Return the width of an image, in inches, if the images stand in so many lines."""
        return min(width / -(-len(images) // lines) - GAP, (height / lines - line - GAP / 2) / shape)

    lines = max(range(1, len(images) + 1), key=size)
    side, columns = min(size(lines), 2.2), -(-len(images) // lines)
    for index, image in enumerate(images):
        x = left + index % columns * (width / columns if titles else side + GAP)
        y = top + index // columns * (side * shape + line + GAP / 2)
        if titles:
            write(figure, x, y, titles[index], size=8)
        axes = panel(figure, x, y + line, side, side * shape)
        axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1])


def draw_answer(figure, top, softmax, labels):
    """Draw the probability of each label as a bar. The bar of the answer is dark."""
    write(figure, RIGHT, top, "output: the probability of each label (%)")
    axes = panel(figure, RIGHT + 0.25, top + 0.25, WIDTH - 0.25, 1.4)
    axes.set_facecolor("white")
    colours = ["navy" if probability == softmax.max() else "cornflowerblue" for probability in softmax]
    axes.bar(range(len(labels)), 100 * softmax, color=colours)
    crowded = sum(map(len, labels)) > 62
    size = 9 if len(labels) <= 36 and not crowded else 6
    axes.set_xticks(range(len(labels)), labels, size=size, rotation=90 if crowded else 0, parse_math=False)
    axes.set_yticks((0, 50, 100), ("0", "50", "100"), size=7)
    axes.set_ylim(0, 100)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def sheet(maps):
    """Return some maps as one image, about 3 columns wide for each 2 rows, with empty lines between them."""
    count, height, width = maps.shape
    columns = min(count, int(np.ceil(np.sqrt(1.5 * count))))
    image = np.full((-(-count // columns) * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for index, values in enumerate(maps):
        row, column = index // columns * (height + 1), index % columns * (width + 1)
        image[row : row + height, column : column + width] = values
    return image


def around_0(numbers):
    """Return limits for the colours, equally far below and above 0."""
    largest = np.abs(numbers).max() or 1
    return -largest, largest


def panel(figure, left, top, width, height):
    """Return axes without ticks. Their place is in inches from the left and the top of the page."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set(xticks=[], yticks=[], facecolor="lightgrey")
    return axes


def write(figure, left, top, text, size=9, **how):
    """Write a text. Its place is in inches from the left and the top of the page."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, size=size, va="top", parse_math=False, **how)


if __name__ == "__main__":
    run(main)
