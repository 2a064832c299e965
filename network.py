"""Pictures of the network: one picture on its way through it, its kernels and its weights, on one page (the paper's
explanation of a convolutional network).

    python network.py PICTURE [--model model.doc] [--trim] [--output network.png]

Needs matplotlib (requirements-graphs.txt). Only experiments/ imports it.
"""

from support.commandline import Parser, run  # isort: skip, it is to be first

import os

import numpy as np

from cnn import read_pixels, steps
from model import parts_of, read_model
from support.figures import new_figure, save_figure

PAGE = (11.0, 8.15)  # inches: a page, lying
SIDE, PITCH = 0.87, 0.95  # inches: of a map, and from one of a row's six maps to the next
LEFT, RIGHT = 0.3, 6.35  # inches: where the picture's way starts, and where the answer and the weights do
WIDTH = PAGE[0] - RIGHT - 0.3  # inches, of the answer and of the weights
MOSAIC = 11 / 17  # height to width: six maps of 5x5 as two rows of three, with lines between them
SIGNED, SIZES = "RdBu", "viridis"  # matplotlib's colours: blue above 0, red below it; dark is 0, yellow the largest


def main():
    parser = Parser("Draw what the network makes of a picture, its kernels and its weights.")
    parser.add_argument("picture", metavar="PICTURE")
    parser.add_argument("--model", default="model.doc", metavar="FILE", help="(default: model.doc)")
    parser.add_argument("--trim", action="store_true", help="cut the picture to its ink first, scaled to 24 pixels")
    parser.add_argument("--output", default="network.png", metavar="FILE.png", help="(default: network.png)")
    options = parser.parse_args()
    if not options.output.lower().endswith(".png"):
        parser.error(f"--output: expected a name that ends in .png, found {options.output}")
    model = read_model(options.model)
    pixels = read_pixels(options.picture, options.trim)
    names = [os.path.basename(path) for path in (options.picture, options.model)]
    save_figure(draw(pixels, model, "picture: {}\nmodel: {}".format(*names)), options.output)
    print(f"written: {options.output}")


def draw(pixels, model, about):
    """The page, as a matplotlib figure: left the picture's way down; right the answer and the weights."""
    figure, step = new_figure(*PAGE), steps(pixels, model)
    kernels_1, kernels_2, weights, labels, output_sum = parts_of(model)
    about = f"{about}\noutput sum: {output_sum:g}"
    softmax = step.softmax
    answer = f"answer: {labels[softmax.argmax()]}, with a probability of {softmax.max():.1%}"
    say(figure, LEFT + PITCH, 0.45, f"{about}\n{answer}", linespacing=1.6)

    kernels, mosaics = kernels_1.reshape(6, 5, 5), [mosaic(kernel.reshape(6, 5, 5)) for kernel in kernels_2]
    short = all(len(f"{number:.2g}") <= 4 for number in kernels.flat)  # trained ones would not fit into their squares
    top = 0.15
    for row in (
        ("input: 32x32 pixels", [pixels], "gray", (0, 255)),
        ("convolution 1: six kernels of 5x5", kernels, SIGNED, around_0(kernels), short),
        ("what they make of the input, after ReLU: six maps of 28x28 (dark is 0)", step.maps_1, SIZES),
        ("max pooling 1: six maps of 14x14", step.pooled_1, SIZES),
        ("convolution 2: six kernels, each of 5x5 for each of the six maps", mosaics, SIGNED, around_0(kernels_2)),
        ("what they make of those maps, after ReLU: six maps of 10x10", step.maps_2, SIZES),
        ("max pooling 2: six maps of 5x5, the inputs of the fully connected layer", step.pooled_2, SIZES),
    ):
        top = draw_row(figure, top, *row)

    draw_answer(figure, 0.15, softmax, labels)
    draw_weights(figure, 2.3, weights, labels)
    return figure


def draw_row(figure, top, text, images, colours, limits=(0, None), numbers=False):
    """A text, and up to six images side by side below it; returns where the next row starts, in inches from the top."""
    say(figure, LEFT, top, text)
    height = SIDE * min(1, images[0].shape[0] / images[0].shape[1])
    for column, image in enumerate(images):
        axes = panel(figure, LEFT + column * PITCH, top + 0.2, SIDE, height)
        axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1])
        if numbers:
            for (row, place), number in np.ndenumerate(image):
                colour = "white" if abs(number) > 0.7 * limits[1] else "black"
                axes.text(place, row, f"{number:.2g}", size=6, ha="center", va="center", color=colour)
    return top + 0.2 + height + 0.1


def draw_answer(figure, top, softmax, labels):
    """The probability of each label, as bars; the answer's is the dark one."""
    say(figure, RIGHT, top, "output: the probability of each label (%)")
    axes = panel(figure, RIGHT + 0.25, top + 0.25, WIDTH - 0.25, 1.4)
    axes.set_facecolor("white")
    axes.bar(
        range(len(labels)), 100 * softmax, color=["navy" if p == softmax.max() else "cornflowerblue" for p in softmax]
    )
    crowded = sum(map(len, labels)) > 62
    size = 9 if len(labels) <= 36 and not crowded else 6
    axes.set_xticks(range(len(labels)), labels, size=size, rotation=90 if crowded else 0, parse_math=False)
    axes.set_yticks((0, 50, 100), ("0", "50", "100"), size=7)
    axes.set_ylim(0, 100)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def draw_weights(figure, top, weights, labels):
    """Each label's 150 weights as six maps, like those of max pooling 2, and its bias. weights: (n, 151)."""
    low, high = around_0(weights[:, :-1])
    say(figure, RIGHT, top, "the fully connected weights of each label, 5x5 for each of the six maps\n"
        f"blue is above 0, red below it; the strongest is {high:.2f} away from 0")  # fmt: skip
    top, height = top + 0.45, PAGE[1] - top - 0.55
    columns = max(range(1, len(labels) + 1), key=lambda columns: mosaic_width(columns, len(labels), height))
    width = mosaic_width(columns, len(labels), height)
    pitch = min(height / -(-len(labels) // columns), width * MOSAIC + 0.35)
    for index, (label, of_label) in enumerate(zip(labels, weights)):
        left, above = RIGHT + index % columns * WIDTH / columns, top + index // columns * pitch
        bias = f"   (bias {of_label[-1]:.2f})" if width > 1 else ""
        say(figure, left, above, f"{label}{bias}", size=8)
        axes = panel(figure, left, above + 0.17, width, width * MOSAIC)
        axes.imshow(mosaic(of_label[:-1].reshape(6, 5, 5)), cmap=SIGNED, vmin=low, vmax=high)


def mosaic_width(columns, count, height):
    """How wide, in inches, each of `count` mosaics can be in so many columns of a place so high."""
    rows = -(-count // columns)
    return min(WIDTH / columns - 0.08, (height / rows - 0.22) / MOSAIC)


def mosaic(maps):
    """Six maps as two rows of three, with lines of no number between them: (6, 5, 5) -> (11, 17)."""
    sheet = np.full((12, 18), np.nan)
    sheet.reshape(2, 6, 3, 6)[:, :5, :, :5] = maps.reshape(2, 3, 5, 5).transpose(0, 2, 1, 3)
    return sheet[:-1, :-1]


def around_0(numbers):
    """Limits for colours that are as far below 0 as above it."""
    largest = np.abs(numbers).max() or 1
    return -largest, largest


def panel(figure, left, top, width, height):
    """Axes without ticks, their place in inches from the page's left and top; grey where nothing is drawn."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set(xticks=[], yticks=[], facecolor="lightgrey")
    return axes


def say(figure, left, top, text, size=9, **how):
    """A text, its place in inches from the page's left and top."""
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, size=size, va="top", parse_math=False, **how)


if __name__ == "__main__":
    run(main)
