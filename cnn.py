"""The network of the paper: each layer is a small function, and forward() calls them in the paper's order.

    python cnn.py PICTURE... [--model models/shipped.doc] [--trim]

prints the label of each picture and its probability. Training runs the same functions. "Oddity N" marks something that
the paper does and a textbook would not; docs/reproduction.md explains each by its number. The paper's worked examples
stand in the docstrings of the functions they belong to. To classify in a Python shell, from the project's folder:

>>> import cnn, model, numpy as np
>>> cnn.classify("dataset/0/img001-00001.png", model.read_model("models/shipped.doc"))
"""

import os
import sys
from math import exp, log10
from typing import NamedTuple

import numpy as np
from PIL import Image

from model import KERNEL, labels_of, parts_of, read_model
from preprocessing import SIZE, fit, fit_ink, open_picture, without_dark_ink
from support.commandline import Parser, command, expanded, explain, ours, run
from support.files import InputError
from support.ink import find_ink

DROPOUT_1 = 0.15  # share of values that become 0 while training (paper, "Het convolutioneel neuraal netwerk")
DROPOUT_2 = 0.20  # the same for dropout 2
EDGE = KERNEL - 1  # pixels by which a convolution makes maps lower and narrower
THRESHOLD = 100  # outputs that add up to more than this are scaled
BIAS = np.ones(1, np.float32)
SMALLEST = 1e-300  # a smaller probability counts as this one, so that the cross entropy is never infinite
PHOTO = 64  # pixels; a picture with a longer side than this is probably a photo or a drawing


class Steps(NamedTuple):
    """The result of each step, in the paper's order. The shapes are those of 6 and 6 kernels and n labels."""

    pixels: np.ndarray  # (32, 32)
    maps_1: np.ndarray  # (6, 28, 28), after convolution 1 and ReLU
    pooled_1: np.ndarray  # (6, 14, 14)
    dropped_1: np.ndarray  # (6, 14, 14)
    maps_2: np.ndarray  # (6, 10, 10), after convolution 2 and ReLU
    pooled_2: np.ndarray  # (6, 5, 5)
    dropped_2: np.ndarray  # (6, 5, 5)
    flattened: np.ndarray  # (151,)
    sums: list  # n numbers
    outputs: list  # n numbers
    scaled: list  # n numbers
    softmax: np.ndarray  # (n,)


class Trained(NamedTuple):
    """The values that cnn() returns while training, in the paper's order."""

    cross_entropy: float
    label: np.ndarray  # (n,), one-hot
    softmax: np.ndarray  # (n,)
    flattened: np.ndarray  # (151,), the inputs of the fully connected layer


def cnn(image_path, model, label=None, training=False, *, output_sum=None, rng=None, dropout=True):
    """Run the whole network on one picture. This is the paper's cnn(), which its training calls in every generation.

    image_path: a path or a PIL image of any size and mode, which is fitted to 32x32 in memory; or an array (32, 32) or
    (32, 32, 3) of 0 to 255. model: a list as read_model() returns it, or the listing of the paper's appendix.
    output_sum: None means the model's own. Not training, it returns the softmax (n,): a probability for each label.
    While training, label is the one-hot vector (n,), a single 1 for the right label, and Trained is returned.
    Dropout is drawn from rng, a numpy Generator (None: from a new one); dropout=False leaves it out. Raises
    InputError for a picture or model that cannot be used and for a label of another length, OSError for a path that
    cannot be opened.
    """
    pixels = read_pixels(image_path)
    if not training:
        return forward(pixels, model, output_sum).softmax
    if rng is None:
        rng = np.random.default_rng()
    steps = forward(pixels, model, output_sum, rng if dropout else None)
    if np.shape(label) != steps.softmax.shape:
        count = len(steps.softmax)
        raise InputError(f"training needs a one-hot label of {count} numbers, such as [1, 0], found {label}")
    return trained(steps, label)


def trained(steps, label):
    """Return as Trained what training needs of the steps and of the one-hot label (n,)."""
    return Trained(cross_entropy(steps.softmax, label), label, steps.softmax, steps.flattened)


def forward(pixels, model, output_sum=None, rng=None):
    """Run every step of the network on the pixels (32, 32) and return the result of each step.

    model, output_sum: as for cnn(). rng: a numpy Generator from which dropout is drawn; None leaves dropout out.
    """
    kernels_1, kernels_2, weights, _, own_sum = parts_of(model)
    maps_1 = relu(convolve(pixels[np.newaxis], kernels_1))  # (1, 32, 32) -> (6, 28, 28)
    pooled_1 = max_pool(maps_1)  # (6, 28, 28) -> (6, 14, 14)
    dropped_1 = drop_out(pooled_1, DROPOUT_1, rng)
    maps_2 = relu(convolve(dropped_1, kernels_2))  # (6, 14, 14) -> (6, 10, 10)
    pooled_2 = max_pool(maps_2)  # (6, 10, 10) -> (6, 5, 5)
    dropped_2 = drop_out(pooled_2, DROPOUT_2, rng)
    flattened = flatten(dropped_2)  # (6, 5, 5) -> (151,)
    sums = fully_connected(flattened, weights)  # (151,) -> n
    outputs = absolute(sums)
    scaled = scale_outputs(outputs, own_sum if output_sum is None else output_sum)
    probabilities = np.array(softmax(scaled))
    return Steps(pixels, maps_1, pooled_1, dropped_1, maps_2, pooled_2, dropped_2, flattened,
                 sums, outputs, scaled, probabilities)  # fmt: skip


def classify(picture, model, trim=False):
    """Return {label: probability}, the most probable label first. picture and model: as for cnn().

    trim: cut the picture to its ink first, which photos and drawings need.
    """
    probabilities = forward(read_pixels(picture, trim), model).softmax.tolist()
    return dict(sorted(zip(labels_of(model), probabilities), key=lambda pair: -pair[1]))


def read_pixels(picture, trim=False):
    """Return the network's input (32, 32): the largest of R, G and B of each pixel, from 0 to 255.

    picture and trim: as for classify().
    Oddity 1: the values are not scaled to 0..1, and white paper, not the ink, has the large values.
    """
    if isinstance(picture, np.ndarray):
        check_pixels(picture)
        if not trim:
            return picture.max(axis=2) if picture.ndim == 3 else picture
        picture = Image.fromarray(picture.astype(np.uint8))
    elif isinstance(picture, (str, os.PathLike)):
        picture, _ = open_picture(picture)
    elif not isinstance(picture, Image.Image):
        raise InputError(f"expected a path, a PIL image or an array as picture, found {type(picture).__name__}")
    return np.asarray(fit(picture, trim)).max(axis=2)


def check_pixels(array):
    """Raise InputError unless an array is a picture: (32, 32) or (32, 32, 3), numbers from 0 to 255."""
    if array.shape not in ((SIZE, SIZE), (SIZE, SIZE, 3)):
        raise InputError(f"expected a picture's array of shape (32, 32) or (32, 32, 3), found {array.shape}; "
                         "if it is larger, give PIL.Image.fromarray() of it")  # fmt: skip
    if array.dtype.kind not in "iuf":
        raise InputError(f"expected a picture's array of numbers, found {array.dtype}")
    low, high = 0 if array.dtype.kind == "u" else array.min(), array.max()
    if low < 0 or not high <= 255 or 0 < high <= 1:
        raise InputError(f"expected a picture's array of 0 to 255, white paper being 255, found {low:g} to {high:g}")


def convolve(maps, kernels):
    """Slide each kernel over the maps: stride 1, no padding, no bias. (m, h, w), (k, m * 25) -> (k, h - 4, w - 4).

    It works in single precision. The whole numbers of the paper's kernels are exact in it.
    Oddity 2: in mathematics, a convolution turns the kernel by 180 degrees first. The paper's does not.

    >>> values = np.pad([[40, 42, 46], [46, 50, 55], [52, 56, 58]], 1)  # the paper's example, with zeros around it
    >>> kernel = np.pad([[0, 1, 0], [0, 0, 0], [0, 0, 0]], 1)
    >>> cnn.convolve(values.reshape(1, 5, 5), kernel.reshape(1, 25)).tolist()
    [[[42.0]]]
    """
    _, height, width = maps.shape
    products = np.asarray(kernels, np.float32) @ windows(maps)  # each kernel times each window, added up: (k, places)
    return products.reshape(-1, height - EDGE, width - EDGE)


def windows(maps):
    """Return every 5x5 window of the maps as a column: (m, h, w) -> (m * 25, (h - 4) * (w - 4)).

    The view has an index for each row and column of a window, and for each row and column of the places where a window
    can lie. Neighbouring windows share most of their numbers: the view reads a number again for each window it lies in.
    """
    maps = np.ascontiguousarray(maps, np.float32)
    (count, height, width), (to_map, to_row, to_column) = maps.shape, maps.strides
    shape = count, KERNEL, KERNEL, height - EDGE, width - EDGE
    view = np.ndarray(shape, maps.dtype, maps, 0, (to_map, to_row, to_column, to_row, to_column))
    return view.reshape(count * KERNEL**2, -1)  # the numbers are copied here


def relu(maps):
    """Replace negative values by 0."""
    return np.maximum(maps, 0)


def max_pool(maps):
    """Keep the largest of each 2x2 values, stride 2: (k, h, w) -> (k, h / 2, w / 2)."""
    rows = np.maximum(maps[:, ::2], maps[:, 1::2])
    return np.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def drop_out(maps, share, rng):
    """Set each value to 0 with the probability `share`, drawn from a numpy Generator; without one, change nothing.

    Oddity 3: the other values are not made larger to compensate, so sums are smaller while training than afterwards.
    """
    return maps if rng is None else maps * (rng.random(maps.shape, np.float32) >= share)


def flatten(maps):
    """Put the maps one after the other, row by row, with the bias 1 at the end: (6, 5, 5) -> (151,)."""
    return np.concatenate((maps.reshape(-1), BIAS))


# From here on there are only n numbers, one for each label. Python's own floats are faster than arrays for so few.


def fully_connected(flattened, weights):
    """Add up input times weight, for each output: (151,), (n, 151) -> n numbers.

    Oddity 5: the paper's theory chapter takes the mean of the products. Its program takes the sum, as we do.

    >>> cnn.fully_connected(np.array([4, 10]), np.array([[0.5, 0.4], [0.25, -0.5]]))  # half of each: the means 3 and -2
    [6.0, -4.0]
    >>> cnn.fully_connected(np.array([3, 5, 1, 1]), np.array([[2, 4, -1, -2]]))  # the neuron (2x + 1) + (4x - 3) - x
    [23]
    """
    return (weights @ flattened).tolist()


def absolute(sums):
    """Return the absolute value of each number.

    Oddity 4: this comes before the softmax, and the derivative in training.update() leaves it out.
    """
    return [abs(value) for value in sums]


def scale_outputs(outputs, output_sum):
    """Scale n outputs so that they add up to output_sum, if they add up to more than 100, whatever output_sum is.

    Oddity 6: the paper's outputs are millions, because its pixels are not scaled; the softmax of such numbers is
    exactly 0 and 1. After scaling, only their proportions matter.
    """
    total = sum(outputs)
    if total <= THRESHOLD:
        return outputs
    return [output / total * output_sum for output in outputs]


def softmax(outputs):
    """Turn n numbers into probabilities: exp(number), divided by the sum of all of them.

    The largest number is subtracted from all of them first. That changes no probability, and exp() cannot overflow.

    >>> [round(probability, 3) for probability in cnn.softmax([2, 5, 3])]
    [0.042, 0.844, 0.114]
    """
    largest = max(outputs)
    exponentials = [exp(output - largest) for output in outputs]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def cross_entropy(probabilities, label):
    """Return -log10 of the right label's probability: 0 is certain and right. label: one-hot, n numbers.

    The paper means -sum(label * log10(probability)), in which only the right label's term is not 0. Its printed formula
    lacks the brackets, so that the minus sign belongs to the first term alone.
    Oddity 7: the logarithm has base 10, while the derivative in training.update() is that of the natural logarithm.

    >>> round(cnn.cross_entropy([0.042, 0.844, 0.114], [0, 1, 0]), 6)  # the paper cuts it off: 0.07365
    0.073658
    >>> cnn.cross_entropy([0.1] * 10, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0])  # ten labels, all equally probable
    1.0
    """
    right = float(np.dot(probabilities, label))
    return 0.0 - log10(max(right, SMALLEST))


def main():
    parser = Parser("Say which label each picture shows, and how probable it is.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--model", default="model.doc", metavar="FILE", help="(default: model.doc)")
    parser.add_argument("--trim", action="store_true", help="cut to the ink first; photos and drawings need it")
    options = parser.parse_args()
    model, code, photo = read_model(options.model), 0, False
    for path in expanded(options.pictures):
        try:
            picture, _ = open_picture(path)
        except (InputError, OSError) as error:
            print(f"cnn.py: {explain(error)}", file=sys.stderr)
            code = 1
            continue
        large = max(picture.size) > PHOTO
        photo = photo or large
        ink, doubtful = find_ink(picture)
        if ink is None:
            print(f"{path}: blank, there is nothing to see")
            continue
        label, probability = next(iter(classify(fit_ink(ink) if options.trim else picture, model).items()))
        print(f"{path}: {label}, {probability:.1%}")
        if not (options.trim or large) and without_dark_ink(read_pixels(picture)):
            print(f"{path}: no dark ink on white, which the network expects; use --trim", file=sys.stderr)
        if options.trim and doubtful:
            look = command(ours("preprocessing.py"), path, "--trim", "--output", "cut")
            print(f"  not sure what is ink here; to see what was cut out: {look}")
    if photo and not options.trim:
        print("photos and drawings need --trim: it cuts the picture to its ink first")
    return code


if __name__ == "__main__":
    run(main)
