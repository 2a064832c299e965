"""The network: each of its layers as one small function; cnn() and features() read as the paper's list of them.

Oddities of the paper that are kept on purpose are marked "Oddity N"; README.md lists them by that number.

>>> import cnn, model
>>> cnn.cnn("my_digit.png", model.read_model("model.doc"))  # in a Python shell, from the project's folder
"""

import os
from math import exp, log10
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import preprocessing

DROPOUT_1 = 0.15  # the share of values that training sets to 0 after max pooling 1
DROPOUT_2 = 0.20  # the same after max pooling 2
LARGEST_SUM = 100  # outputs that add up to more than this are scaled
OUTPUT_SUM = 100  # ... so that they add up to this; the paper's published figures fit 10 (README.md, "The two sums")
BIAS = np.ones(1)
KEEP_ALL = 1, 1  # instead of a pair of dropout_masks()
RAW_A_GENERATION = 332  # numbers of 64 bits that dropout draws for the (1,176 + 150) values of one picture
SMALLEST = 1e-300  # a probability below this counts as this: a cross entropy is at most 300, never infinite


class Trained(NamedTuple):
    """What cnn() returns while training, in the paper's order."""

    cross_entropy: float
    label: np.ndarray  # one-hot, (n,)
    softmax: np.ndarray  # (n,)
    flattened: np.ndarray  # (151,), the inputs of the fully connected layer


def cnn(image_path, model, label=None, training=False, *, output_sum=OUTPUT_SUM, rng=None):
    """The whole network on one picture: its softmax (n,), a probability for each label.

    image_path: a picture of any size or mode, which is fitted in memory; or a (32, 32) or (32, 32, 3) array of 0 to
    255; or what first_layer() made of one, (6, 14, 14); or what features() did, (151,). model: see model.py, or
    prepare(). While training, `label` is the one-hot vector (n,), `rng` a numpy.random.Generator (or dropout_masks() of
    one; without it chance decides), and Trained is returned.
    """
    kernels_1, kernels_2, weights = model[:3]
    if getattr(image_path, "shape", None) == (151,):
        flattened = image_path
    elif training:
        if rng is None or isinstance(rng, np.random.Generator):
            rng = dropout_masks(rng or np.random.default_rng(), 1)
        flattened = features(image_path, kernels_1, kernels_2, next(rng))
    else:
        flattened = features(image_path, kernels_1, kernels_2)
    outputs = scale_outputs(fully_connected(flattened, weights), output_sum)  # (151,) -> n
    probabilities = softmax(outputs)  # n -> n
    if not training:
        return np.array(probabilities)
    return Trained(cross_entropy(probabilities, label), label, np.array(probabilities), flattened)


def features(image_path, kernels_1, kernels_2, keep=KEEP_ALL):
    """A picture, as cnn() takes it, to the fully connected layer's inputs (151,); keep: a pair of dropout_masks()."""
    if getattr(image_path, "shape", None) == (6, 14, 14):
        maps = image_path
    else:
        maps = first_layer(read_pixels(image_path), kernels_1)  # (32, 32) -> (6, 14, 14)
    maps = dropout(maps, keep[0])
    maps = layer(maps, kernels_2)  # (6, 14, 14) -> (6, 5, 5)
    maps = dropout(maps, keep[1])
    return flatten(maps)  # (6, 5, 5) -> (151,)


def read_pixels(image_path):
    """The network's input (32, 32): per pixel the largest of R, G and B, 0 to 255, white paper being 255.

    Oddity 1: the values are not scaled to 0..1, and it is the white paper, not the ink, that is large.
    """
    is_path = isinstance(image_path, (str, os.PathLike))
    pixels = np.asarray(preprocessing.read_picture(image_path) if is_path else image_path)
    if pixels.shape not in ((32, 32), (32, 32, 3)):
        raise ValueError(f"expected a path or an array of shape (32, 32) or (32, 32, 3), found shape {pixels.shape}")
    return pixels.max(axis=2) if pixels.ndim == 3 else pixels


def first_layer(pixels, kernels_1):
    """Convolution 1, ReLU and max pooling 1: (32, 32) -> (6, 14, 14). Nothing in it is random or ever trained."""
    return layer(pixels[np.newaxis], kernels_1)


def layer(maps, kernels):
    """Convolution, ReLU, max pooling: (m, h, w) -> (k, (h - 4) / 2, (w - 4) / 2)."""
    if kernels.shape[1] == 216:  # laid out by prepare(), for the fast way
        return pooled_convolution(maps, kernels)
    return max_pool(relu(convolve(maps, kernels)))


def convolve(maps, kernels):
    """Slide each kernel over the maps: no padding, stride 1, no bias. (m, h, w), (k, m * 25) -> (k, h - 4, w - 4).

    Oddity 2: the kernel is laid on the picture as it is, not flipped (a mathematician's cross-correlation).
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


def dropout_masks(rng, at_once=16):
    """Which values dropout 1 and dropout 2 keep, (6, 14, 14) and (6, 5, 5), one pair after the other without end.

    A value is dropped with probability DROPOUT_1 or DROPOUT_2, to within 1 in 65,536: it has 16 random bits, four
    values sharing 64 bits of the generator's raw stream, which NumPy keeps the same from version to version. Drawing
    many generations' masks at once is faster and gives the same masks.
    """
    threshold_1, threshold_2 = round(DROPOUT_1 * 65536), round(DROPOUT_2 * 65536)
    while True:
        numbers = rng.bit_generator.random_raw(at_once * RAW_A_GENERATION).view(np.uint16).reshape(at_once, 1328)
        keep_1 = (numbers[:, :1176] >= threshold_1).astype(np.int16)  # 1 or 0, of the type of the maps they meet
        keep_2 = (numbers[:, 1176:1326] >= threshold_2).astype(np.float32)  # two numbers of 1,328 are left over
        yield from zip(
            keep_1.reshape(at_once, 14, 14, 6).transpose(0, 3, 1, 2),
            keep_2.reshape(at_once, 6, 5, 5),
        )


def flatten(maps):
    """The maps, one after the other, row by row, and at the end the bias 1: (6, 5, 5) -> (151,)."""
    return np.concatenate((maps.reshape(-1), BIAS))


# From here on there are only n numbers, one a label: plain Python's floats are faster than NumPy's arrays for a few
# numbers, and its exp() and log10() do not depend on which vector instructions a processor has.


def fully_connected(flattened, weights):
    """Each output is the absolute value of the sum of input x weight: (151,), n * 151 weights -> n numbers.

    Oddity 4: the absolute value comes before the softmax, and training's derivative leaves it out.
    Oddity 5: the paper's theory chapter takes the mean; its program, and this, the sum (scale_outputs() evens it out).
    """
    outputs = weights.reshape(-1, flattened.size).dot(flattened)  # the weights stand output by output
    return [abs(output) for output in outputs.tolist()]


def scale_outputs(outputs, output_sum=OUTPUT_SUM):
    """Scale outputs that add up to more than 100 so that they add up to `output_sum`: n numbers -> n numbers.

    Oddity 6: with raw pixels the outputs are millions, so the softmax sees only their shares of `output_sum`.
    """
    total = sum(outputs)
    if total <= LARGEST_SUM:
        return outputs
    return [output / total * output_sum for output in outputs]


def softmax(outputs):
    """exp(output) as a share of their sum: n numbers -> n numbers. The largest is taken off first: no overflow."""
    largest = max(outputs)
    exponentials = [exp(output - largest) for output in outputs]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def cross_entropy(probabilities, label):
    """-sum(label x log10(probability)); 0 is certain and right. A label's 0s add nothing, and are passed over.

    Oddity 7: the logarithm is to base 10, while training's derivative is that of the natural one.
    """
    total = 0.0
    for share, probability in zip(label, probabilities):
        if share:
            total -= share * log10(max(probability, SMALLEST))
    return float(total)


# The fast way through layer 2, for training. 2x2 pooling takes the largest of four neighbouring windows of 5x5, and the
# four together cover one patch of 6x6. So each kernel is laid into the four corners of a patch, and one product of all
# patches with all corners gives what pooling chooses from. All sums are whole numbers far below 2**24, which single
# precision holds exactly: the result is that of max_pool(relu(convolve())), to the last bit. In memory the maps' values
# at one place stand side by side, as convolve() leaves them, and a patch begins at an even column: so one precomputed
# index puts the patches together from blocks of two places, 12 numbers each.

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
BLOCKS = np.arange(14 * 7).reshape(14, 7)  # (14, 14) places, two to a block
PATCHES = sliding_window_view(BLOCKS, (6, 3))[::2].reshape(450)  # the blocks of 5 x 5 patches, 6 x 3 blocks each


def prepare(model):
    """The model as train() hands it to cnn(): the kernels of layer 2 laid out for pooled_convolution()."""
    kernels_1, kernels_2, *rest = model
    spread = np.zeros((4, 6, 6, 6, 6), np.float32)  # corner, kernel, row, column, map
    for corner, (row, column) in zip(spread, CORNERS):
        corner[:, row : row + 5, column : column + 5] = kernels_2.reshape(6, 6, 5, 5).transpose(0, 2, 3, 1)
    return [kernels_1, spread.reshape(24, 216), *rest]


def pooled_convolution(maps, spread):
    """max_pool(relu(convolve(maps, kernels))) for (6, 14, 14), with `spread` (24, 216) from prepare(): (6, 5, 5)."""
    blocks = np.ascontiguousarray(maps.transpose(1, 2, 0), np.float32).reshape(98, 12)  # (6, 14, 14) -> (98, 12)
    patches = blocks.take(PATCHES, axis=0).reshape(25, 216)
    corners = spread.dot(patches.T).reshape(4, 6, 5, 5)  # corner, map, row, column
    return np.maximum.reduce(corners, axis=0, initial=0)  # the largest of the four, and, for ReLU, of 0
