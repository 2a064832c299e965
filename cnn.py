"""The network: each of its layers as one small function; steps() and cnn() read as the paper's list of them.

    python cnn.py PICTURE... [--model models/shipped.doc] [--trim]

prints each picture's label and its probability. Oddities of the paper that are kept on purpose are marked "Oddity N";
docs/reproduction.md lists them by that number. The paper's worked examples stand at their functions, to be tried so:

>>> import cnn, model, numpy as np
>>> cnn.classify("my_digit.png", model.read_model("models/shipped.doc"))  # in a Python shell, from the project's folder

It stands on preprocessing.py and model.py; what trains, shows or measures imports it.
"""

from support.commandline import Parser, explain, run  # isort: skip, it is to be first

import os
import sys
from math import exp, log10
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from model import labels_of, parts_of, read_model
from preprocessing import SIZE, fit, is_blank, open_picture
from support.files import InputError

DROPOUT_1 = 0.15  # the share of values that training sets to 0 after max pooling 1
DROPOUT_2 = 0.20  # the same after max pooling 2
THRESHOLD = 100  # outputs that add up to more than this are scaled
BIAS = np.ones(1)
KEEP_ALL = 1, 1  # instead of a pair of dropout_masks()
SMALLEST = 1e-300  # a probability below this counts as this: a cross entropy is at most 300, never infinite


class Steps(NamedTuple):
    """What each step of the network makes of a picture, in the paper's order; n is the number of labels."""

    pixels: np.ndarray  # (32, 32)
    maps_1: np.ndarray  # (6, 28, 28), convolution 1 after ReLU
    pooled_1: np.ndarray  # (6, 14, 14)
    dropped_1: np.ndarray  # (6, 14, 14)
    maps_2: np.ndarray  # (6, 10, 10), convolution 2 after ReLU
    pooled_2: np.ndarray  # (6, 5, 5)
    dropped_2: np.ndarray  # (6, 5, 5)
    flattened: np.ndarray  # (151,)
    sums: list  # n
    outputs: list  # n
    scaled: list  # n
    softmax: np.ndarray  # (n,)


class Trained(NamedTuple):
    """What cnn() returns while training, in the paper's order."""

    cross_entropy: float
    label: np.ndarray  # one-hot, (n,)
    softmax: np.ndarray  # (n,)
    flattened: np.ndarray  # (151,), the inputs of the fully connected layer


def cnn(image_path, model, label=None, training=False, *, output_sum=None, rng=None):
    """The whole network on one picture: its softmax (n,), a probability for each label.

    image_path: the path of a picture, or a PIL image, of any size and mode, which is fitted in memory; or an array
    (32, 32) or (32, 32, 3) of 0 to 255. model: what read_model() returns, or the listing of the paper's appendix.
    output_sum: the model's own, unless it is given. While training, `label` is the one-hot vector (n,), a 1 for the
    right label and a 0 for each other, `rng` a numpy.random.Generator, from which dropout is drawn (without one chance
    decides), and Trained is returned. Raises InputError for a picture, model, label or rng that is something else,
    OSError for a path that cannot be opened.
    """
    pixels = read_pixels(image_path)
    if not training:
        return steps(pixels, model, output_sum).softmax
    check_label(label, len(labels_of(model)))
    step = steps(pixels, model, output_sum, draw_masks(rng))
    return Trained(cross_entropy(step.softmax, label), label, step.softmax, step.flattened)


def steps(pixels, model, output_sum=None, keep=KEEP_ALL):
    """The result of every step on a picture's pixels (32, 32), as Steps; keep: a pair of dropout_masks()."""
    kernels_1, kernels_2, weights, _, own_sum = parts_of(model)
    maps_1 = relu(convolve(pixels[np.newaxis], kernels_1))  # (1, 32, 32) -> (6, 28, 28)
    pooled_1 = max_pool(maps_1)  # (6, 28, 28) -> (6, 14, 14)
    dropped_1 = dropout(pooled_1, keep[0])
    maps_2 = relu(convolve(dropped_1, kernels_2))  # (6, 14, 14) -> (6, 10, 10)
    pooled_2 = max_pool(maps_2)  # (6, 10, 10) -> (6, 5, 5)
    dropped_2 = dropout(pooled_2, keep[1])
    flattened = flatten(dropped_2)  # (6, 5, 5) -> (151,)
    sums, outputs, scaled, probabilities = last_steps(flattened, weights, own_sum if output_sum is None else output_sum)
    return Steps(pixels, maps_1, pooled_1, dropped_1, maps_2, pooled_2, dropped_2, flattened, sums, outputs, scaled,
                 np.array(probabilities))  # fmt: skip


def last_steps(flattened, weights, output_sum):
    """The steps from the fully connected layer on: (151,), (n, 151) -> sums, outputs, scaled, softmax, each n."""
    sums = fully_connected(flattened, weights)  # (151,) -> n
    outputs = absolute(sums)
    scaled = scale_outputs(outputs, output_sum)
    return sums, outputs, scaled, softmax(scaled)


def classify(picture, model, trim=False):
    """What a picture shows: {label: probability}, the best first. picture, model: as cnn() takes them.

    trim: the picture is cut to its ink first, as photos and drawings need it.
    """
    probabilities = steps(read_pixels(picture, trim), model).softmax.tolist()
    pairs = zip(labels_of(model), probabilities)
    return dict(sorted(pairs, key=lambda pair: -pair[1]))


def read_pixels(picture, trim=False):
    """The network's input (32, 32): per pixel the largest of R, G and B, 0 to 255, white paper being 255.

    picture, trim: as classify() takes them. Oddity 1: the values are not scaled to 0..1, and it is the white paper, not
    the ink, that is large.
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
    """Raise InputError unless an array is a picture: (32, 32) or (32, 32, 3), 0 to 255."""
    if array.shape not in ((SIZE, SIZE), (SIZE, SIZE, 3)):
        raise InputError(f"expected a picture's array of shape (32, 32) or (32, 32, 3), found {array.shape}")
    if array.dtype.kind not in "iuf" or not ((array >= 0) & (array <= 255)).all() or array.max() <= 1:
        found = array.dtype if array.dtype.kind not in "iuf" else f"{array.min():g} to {array.max():g}"
        raise InputError(f"expected a picture's array of numbers from 0 to 255, white paper being 255, found {found}")


def check_label(label, outputs):
    """Raise InputError unless a label is one-hot, a 1 for one of the outputs and a 0 for each other."""
    if np.shape(label) != (outputs,) or sorted(label) != [0] * (outputs - 1) + [1]:
        raise InputError(f"training needs a one-hot label of {outputs} numbers, such as [1, 0], found {label!r}")


def convolve(maps, kernels):
    """Slide each kernel over the maps: no padding, stride 1, no bias. (m, h, w), (k, m * 25) -> (k, h - 4, w - 4).

    Oddity 2: the kernel is laid on the picture as it is, not flipped (a mathematician's cross-correlation).

    >>> values = np.pad([[40, 42, 46], [46, 50, 55], [52, 56, 58]], 1)  # the paper's, with zeros around
    >>> kernel = np.pad([[0, 1, 0], [0, 0, 0], [0, 0, 0]], 1)
    >>> cnn.convolve(values.reshape(1, 5, 5), kernel.reshape(1, 25))
    array([[[42]]])
    """
    windows = sliding_window_view(maps, (5, 5), axis=(1, 2))  # (m, h - 4, w - 4, 5, 5)
    _, height, width, _, _ = windows.shape
    windows = windows.transpose(1, 2, 0, 3, 4).reshape(height * width, -1)  # (positions, m * 25), map after map
    return (windows @ kernels.T).reshape(height, width, -1).transpose(2, 0, 1)


def relu(maps):
    """Negative values become 0."""
    return np.maximum(maps, 0)


def max_pool(maps):
    """The largest of each 2x2 values, stride 2: (k, h, w) -> (k, h / 2, w / 2)."""
    rows = np.maximum(maps[:, ::2], maps[:, 1::2])
    return np.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def dropout(maps, keep):
    """Each value that is not to be kept becomes 0; keep is as large as maps, 1 or 0 for each value (or 1 for all).

    Oddity 3: the values that stay are not rescaled, so the next layer sees smaller sums while training than after it.
    """
    return maps * keep


def flatten(maps):
    """The maps, one after the other, row by row, and at the end the bias 1: (6, 5, 5) -> (151,)."""
    return np.concatenate((maps.reshape(-1), BIAS))


# From here on there are only n numbers, one a label: plain Python's floats are faster than NumPy's arrays for a few
# numbers, and its exp() and log10() do not depend on which vector instructions a processor has.


def fully_connected(flattened, weights):
    """For each output the sum of input x weight: (151,), (n, 151) -> n numbers.

    Oddity 5: the paper's theory chapter takes the mean; its program, and this, the sum (scale_outputs() evens it out).
    So its outputs 3 and 2, from the inputs 4 and 10, are 6 and 4 here, after absolute(). Its neuron 2x + 1, 4x - 3, -x
    has the weights 2, 4 and -1, and the bias 1 - 3 on a last input of 1.

    >>> cnn.fully_connected(np.array([4, 10]), np.array([[0.5, 0.4], [0.25, -0.5]]))
    [6.0, -4.0]
    >>> cnn.fully_connected(np.array([3, 5, 1, 1]), np.array([[2, 4, -1, -2]]))
    [23]
    """
    return weights.dot(flattened).tolist()


def absolute(sums):
    """The absolute value of each output: n numbers -> n numbers.

    Oddity 4: it comes before the softmax, and training's derivative leaves it out.
    """
    return [abs(value) for value in sums]


def scale_outputs(outputs, output_sum):
    """Scale outputs that add up to more than 100 so that they add up to `output_sum`: n numbers -> n numbers.

    Oddity 6: with raw pixels the outputs are millions, so the softmax sees only their shares of `output_sum`.
    """
    total = sum(outputs)
    if total <= THRESHOLD:
        return outputs
    return [output / total * output_sum for output in outputs]


def softmax(outputs):
    """exp(output) as a share of their sum: n numbers -> n numbers.

    The largest output is taken off all first: the shares stay the same, and exp() of a large one is not too large.

    >>> np.round(cnn.softmax([2, 5, 3]), 3)
    array([0.042, 0.844, 0.114])
    """
    largest = max(outputs)
    exponentials = [exp(output - largest) for output in outputs]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def cross_entropy(probabilities, label):
    """-sum(label x log10(probability)); 0 is certain and right. A label's 0s add nothing, and are passed over.

    Oddity 7: the logarithm is to base 10, while training's derivative is that of the natural one.

    >>> round(cnn.cross_entropy([0.042, 0.844, 0.114], [0, 1, 0]), 6)  # the paper cuts it off: 0.07365
    0.073658
    >>> cnn.cross_entropy([0.1] * 10, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0])  # random weights, ten labels
    1.0
    """
    total = 0.0
    for share, probability in zip(label, probabilities):
        if share:
            total -= share * log10(max(probability, SMALLEST))
    return float(total)


# The fast way, for training: nothing before the first dropout is random or trained, so each picture goes through the
# first layer once; layer 2 goes like this. 2x2 pooling takes the largest of four neighbouring windows of 5x5, and the
# four together cover one patch of 6x6. So each kernel is laid into the four corners of a patch, and one product of all
# patches with all corners gives what pooling chooses from. All sums are whole numbers far below 2**24, which single
# precision holds exactly: the result is that of steps(), to the last bit. In memory the maps' values at one place stand
# side by side, as convolve() leaves them, and a patch begins at an even column: so one precomputed index puts the
# patches together from blocks of two places, 12 numbers each.

BLOCKS = np.arange(14 * 7).reshape(14, 7)  # (14, 14) places, two to a block
PATCHES = sliding_window_view(BLOCKS, (6, 3))[::2].reshape(450)  # the blocks of 5 x 5 patches, 6 x 3 blocks each
RAW_A_GENERATION = 332  # numbers of 64 bits that dropout draws for the (1,176 + 150) values of one picture


def first_layer(pixels, kernels_1):
    """Convolution 1, ReLU and max pooling 1, as 16-bit numbers, which hold them: (32, 32) -> (6, 14, 14)."""
    return max_pool(relu(convolve(pixels[np.newaxis], kernels_1))).astype(np.int16)


def lay_out(kernels):
    """Kernels in the four corners of patches, 0 elsewhere: (k, m * 25) -> (4 k, m * 36), in layer 2 (24, 216)."""
    by_place = kernels.reshape(len(kernels), -1, 5, 5).transpose(0, 2, 3, 1)  # (k, 5, 5, m)
    spread = np.zeros((4, len(kernels), 6, 6, by_place.shape[3]), np.float32)  # corner, kernel, row, column, map
    for corner, (row, column) in zip(spread, np.ndindex(2, 2)):
        corner[:, row : row + 5, column : column + 5] = by_place
    return spread.reshape(4 * len(kernels), -1)


def second_layer(maps, spread, keep=KEEP_ALL):
    """From first_layer()'s maps to the fully connected layer, both dropouts included: (6, 14, 14) -> (151,).

    spread: lay_out() of kernels 2.
    """
    blocks = dropout(maps, keep[0]).transpose(1, 2, 0)  # (6, 14, 14) -> (14, 14, 6)
    blocks = np.ascontiguousarray(blocks, np.float32).reshape(98, 12)
    patches = blocks.take(PATCHES, axis=0).reshape(25, 216)
    corners = spread.dot(patches.T).reshape(4, 6, 5, 5)  # corner, map, row, column
    pooled = np.maximum.reduce(corners, axis=0, initial=0)  # the largest of the four, and, for ReLU, of 0
    return flatten(dropout(pooled, keep[1]))  # (6, 5, 5) -> (151,)


def last_layer(flattened, weights, label, output_sum):
    """From the fully connected layer on: (151,), (n, 151), one-hot (n,) -> what cnn() returns while training."""
    *_, probabilities = last_steps(flattened, weights, output_sum)
    return Trained(cross_entropy(probabilities, label), label, np.array(probabilities), flattened)


def dropout_masks(bits, at_once=16):
    """Which values dropout 1 and dropout 2 keep, (6, 14, 14) and (6, 5, 5), one pair after the other without end.

    bits: a numpy.random.PCG64. A value is dropped with probability DROPOUT_1 or DROPOUT_2, to within 1 in 65,536: it
    has 16 random bits, four values sharing 64 bits of the raw stream, which NumPy keeps the same from version to
    version. Drawing many generations' masks at once is faster and gives the same masks.
    """
    threshold_1, threshold_2 = round(DROPOUT_1 * 65536), round(DROPOUT_2 * 65536)
    while True:
        numbers = bits.random_raw(at_once * RAW_A_GENERATION).view(np.uint16).reshape(at_once, 1328)
        keep_1 = (numbers[:, :1176] >= threshold_1).astype(np.int16)  # 1 or 0, of the type of the maps they meet
        keep_2 = (numbers[:, 1176:1326] >= threshold_2).astype(np.float32)  # two numbers of 1,328 are left over
        yield from zip(
            keep_1.reshape(at_once, 14, 14, 6).transpose(0, 3, 1, 2),
            keep_2.reshape(at_once, 6, 5, 5),
        )


def draw_masks(rng):
    """One pair of dropout_masks(), from any numpy.random.Generator, or from chance where `rng` is None."""
    rng = np.random.default_rng() if rng is None else rng
    if not isinstance(rng, np.random.Generator):
        raise InputError(f"rng: expected a numpy.random.Generator, such as numpy.random.default_rng(1), found {rng!r}")
    return next(dropout_masks(np.random.PCG64(int(rng.integers(2**63))), 1))


def main():
    parser = Parser("Say what pictures show: each one's label, and its probability.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--model", default="model.doc", metavar="FILE", help="(default: model.doc)")
    parser.add_argument("--trim", action="store_true", help="cut to the ink first, as photos and drawings need it")
    options = parser.parse_args()
    model, code = read_model(options.model), 0
    for path in options.pictures:
        try:
            picture, _ = open_picture(path)
        except (InputError, OSError) as error:
            print(f"cnn.py: {explain(error)}", file=sys.stderr)
            code = 1
            continue
        if is_blank(picture):
            print(f"{path}: blank, nothing to be seen")
        else:
            label, probability = next(iter(classify(picture, model, options.trim).items()))
            print(f"{path}: {label}, {probability:.1%}")
    return code


if __name__ == "__main__":
    run(main)
