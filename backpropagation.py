"""The chain rule through every layer: how kernels are trained (the paper's theory chapter, and what it left open).

The paper's program stops at the last layer (training.update); its theory chapter goes on ("Backpropagation", "The
calculation for earlier weights"): what the loss does when a layer's result grows a little, its gradient, tells what it
does when that layer's input grows a little, and its weights. So each step of cnn.steps() has a function here, named
after it, which takes the gradient of the step's result and gives those of what went into it: "To the sums" says whose
it gives. gradients() calls them in reverse order. The loss is minus the natural logarithm of the right label's
probability (oddity 7). It stands on cnn.py; training.py and experiments/ import it.

>>> import backpropagation, model
>>> read = model.read_model("models/shipped.doc")
>>> kernels_1, kernels_2, weights = backpropagation.gradients("dataset/0/img001-00001.png", read, [1, 0], 100)
"""

from math import log10
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import cnn
from model import parts_of

PIXEL_SCALE = 1 / 255**2  # times alpha, for kernels 1: a step as if pixels went from 0 to 1, with kernels to fit
NOTHING = 1e-20  # a gradient below this moves no weight; processors take long over numbers near the smallest they have
ONE, ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)


def gradients(picture, model, label, output_sum=None, keep=cnn.KEEP_ALL):
    """How the loss on a picture changes with each weight: (kernels_1, kernels_2, weights), shaped as in the model.

    picture, model, label (one-hot), output_sum: as cnn.cnn() takes them; keep: a pair of cnn.dropout_masks().
    """
    kernels_1, kernels_2, weights, labels, own_sum = parts_of(model)
    output_sum = own_sum if output_sum is None else output_sum
    cnn.check_label(label, len(labels))
    step = cnn.steps(cnn.read_pixels(picture), model, output_sum, keep)

    scaled = cross_entropy(step.softmax, label)  # n
    outputs = scale_outputs(scaled, step.outputs, output_sum)
    sums = absolute(outputs, step.sums)
    weights, flattened = fully_connected(sums, step.flattened, weights)  # n -> (n, 151), (151,)
    dropped_2 = flatten(flattened, step.dropped_2)  # (151,) -> (6, 5, 5)
    pooled_2 = dropout(dropped_2, keep[1])
    maps_2 = relu(max_pool(pooled_2, step.maps_2), step.maps_2)  # (6, 5, 5) -> (6, 10, 10)
    kernels_2, dropped_1 = convolve(maps_2, step.dropped_1, kernels_2)  # (6, 10, 10) -> (6, 150), (6, 14, 14)
    pooled_1 = dropout(dropped_1, keep[0])
    maps_1 = relu(max_pool(pooled_1, step.maps_1), step.maps_1)  # (6, 14, 14) -> (6, 28, 28)
    kernels_1, _ = convolve(maps_1, step.pixels[np.newaxis], kernels_1)  # (6, 28, 28) -> (6, 25)
    return kernels_1, kernels_2, weights.reshape(1, -1)


def cross_entropy(softmax, label):
    """To the softmax's inputs, n -> n: the probability of each label, less 1 for the right one.

    The softmax and the logarithm after it are one step here, since together they come out so simple.
    """
    return np.subtract(softmax, label)


def scale_outputs(gradient, outputs, output_sum):
    """To the outputs before scaling, n -> n. Each output is part of the total, so each changes all the others.

    By the quotient rule output i x output_sum / total grows with output j by output_sum / total (where i is j), less
    output i x output_sum / total^2 (for every i).
    """
    outputs = np.array(outputs)
    total = outputs.sum()
    if total <= cnn.THRESHOLD:
        return gradient
    return (gradient - gradient @ outputs / total) * (output_sum / total)


def absolute(gradient, sums):
    """To the sums, n -> n: turned round where the sum was negative."""
    return gradient * np.sign(sums)


def fully_connected(gradient, flattened, weights):
    """To the weights, n -> (n, 151), each by its input; and to the inputs, n -> (151,), each by all its weights."""
    return np.outer(gradient, flattened), gradient @ weights


def flatten(gradient, maps):
    """To the maps, (151,) -> (6, 5, 5); the bias has no layer before it."""
    return gradient[:-1].reshape(maps.shape)


def dropout(gradient, keep):
    """To the values before dropout, (6, h, w) -> (6, h, w): none to those that were dropped."""
    return gradient * keep


def max_pool(gradient, maps):
    """To the maps before pooling, (6, h / 2, w / 2) -> (6, h, w): all of it to the largest of the four, the first of
    equal ones."""
    count, height, width = maps.shape
    fours = maps.reshape(count, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4).reshape(*gradient.shape, 4)
    spread = np.eye(4)[fours.argmax(axis=3)] * gradient[..., np.newaxis]  # (6, h / 2, w / 2, 4)
    return spread.reshape(count, height // 2, width // 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(maps.shape)


def relu(gradient, maps):
    """To the maps before ReLU, (6, h, w) -> (6, h, w), from those after it: none where it made a 0."""
    return gradient * (maps > 0)


def convolve(gradient, maps, kernels):
    """To the kernels, (k, h, w) -> (k, m * 25), and to the maps before, (k, h, w) -> (m, h + 4, w + 4).

    A kernel's weight has met one window of the maps, so its gradient is that window's convolution with the result's.
    A value of the maps has met each weight of each kernel, at a place as far back as the weight lies ahead: that is a
    convolution, too, with the kernel turned by half a circle, over a margin of 4 zeros.
    """
    windows = sliding_window_view(maps, gradient.shape[1:], axis=(1, 2))  # (m, 5, 5, h, w)
    to_kernels = np.einsum("khw,mijhw->kmij", gradient, windows).reshape(kernels.shape)
    turned = kernels.reshape(len(kernels), len(maps), 25)[:, :, ::-1].transpose(1, 0, 2).reshape(len(maps), -1)
    return to_kernels, cnn.convolve(np.pad(gradient, ((0, 0), (4, 4), (4, 4))), turned)


# The fast way, for training all layers: one picture forward, backward, and the update, in single precision. Kernels are
# laid into the corners of patches, as in cnn.py, but in layer 1 too. On the way back, a result's gradient goes to the
# corner that won, and one more product brings it to the corners' weights. Places stand in blocks of 2x2, so that a
# patch of layer 2 is 3x3 whole blocks. What stands where is worked out once.


class Places(NamedTuple):
    """Where the fast way finds what, as indexes."""

    patches_1: np.ndarray  # (196, 36), of a picture's 1,024 pixels, in blocks
    patches_2: np.ndarray  # (225,), of 49 blocks: 3x3 for each of 5x5 patches
    blocks: np.ndarray  # (441,), the other way: of 25 patches 3x3 for each of 7x7 blocks, and 25 where there is none
    corners_1: np.ndarray  # (24, 36), of the kernels' 150 weights, counted from 1, and 0 where there is none
    corners_2: np.ndarray  # (24, 216), the same of 900
    weights_1: np.ndarray  # (4, 150), where each weight stands in corners_1, once a corner
    weights_2: np.ndarray  # (4, 900), the same in corners_2


def places(count_1=6, count_2=6):
    """The Places for so many kernels in each layer."""
    order = in_blocks(np.arange(196).reshape(1, 14, 14)).ravel()
    patches_1 = sliding_window_view(np.arange(1024).reshape(32, 32), (6, 6))[::2, ::2].reshape(196, 36)[order]
    patches_2 = sliding_window_view(np.arange(49).reshape(7, 7), (3, 3)).reshape(225)
    within = np.pad(np.arange(25).reshape(5, 5), 2, constant_values=25)  # a block's nine patches, the last one first
    blocks = sliding_window_view(within, (3, 3))[:, :, ::-1, ::-1].reshape(441)
    corners_1, corners_2 = (
        cnn.lay_out(np.arange(1, count * size + 1).reshape(count, size)).astype(int)
        for count, size in ((count_1, 25), (count_2, count_1 * 25))
    )
    corners_2 = corners_2.reshape(-1, 3, 2, 3, 2, count_1).transpose(0, 1, 3, 2, 4, 5).reshape(corners_2.shape)
    return Places(patches_1, patches_2, blocks, corners_1, corners_2, *map(where_each, (corners_1, corners_2)))


def where_each(corners):
    """Where each weight stands in `corners`, of corner after corner: (4 k, size) -> (4, weights)."""
    flat = corners.reshape(4, -1)
    order = flat.argsort(axis=1)[:, -flat.max() :]  # a corner has each weight once; what is none comes before
    return order + np.arange(4)[:, np.newaxis] * flat.shape[1]


def all_layers(kernels_1, kernels_2, weights, output_sum):
    """A function (pixels, right, alpha, keep) that trains these arrays, in place, on one picture: a generation.

    kernels_1 (6, 25), kernels_2 (6, 150), weights (n, 151): of single precision. pixels (32, 32); right: the index of
    the right label; keep: a pair of cnn.dropout_masks(). It returns the cross entropy and the softmax (n,).
    """
    count_1, count_2 = len(kernels_1), len(kernels_2)
    at = places(count_1, count_2)

    def generation(pixels, right, alpha, keep=cnn.KEEP_ALL):
        spread_1, spread_2 = spread(kernels_1, at.corners_1), spread(kernels_2, at.corners_2)
        keep_1, keep_2 = keep if keep is cnn.KEEP_ALL else (in_blocks(keep[0]), keep[1].reshape(-1))
        patches_1 = pixels.astype(np.float32).take(at.patches_1)  # (32, 32) -> (196, 36)
        corners_1 = spread_1.dot(patches_1.T).reshape(4, -1)
        pooled_1 = np.maximum.reduce(corners_1, axis=0, initial=0)  # the largest of the four, and, for ReLU, of 0
        maps = np.ascontiguousarray(pooled_1.reshape(count_1, 196).T) * keep_1
        patches_2 = maps.reshape(49, -1).take(at.patches_2, axis=0).reshape(25, -1)
        corners_2 = spread_2.dot(patches_2.T).reshape(4, -1)
        pooled_2 = np.maximum.reduce(corners_2, axis=0, initial=0)
        flattened = np.concatenate((pooled_2 * keep_2, ONE))  # (151,)

        loss, probabilities, error = last_error(weights.dot(flattened), right, output_sum)

        back = error.dot(weights)[:-1] * keep_2 * (pooled_2 > 0)
        back_2 = to_winners(back, corners_2, pooled_2).reshape(-1, 25)
        back = from_patches(back_2, spread_2, at.blocks) * keep_1
        back_1 = to_winners(back.T.reshape(-1) * (pooled_1 > 0), corners_1, pooled_1).reshape(-1, 196)
        weights[...] -= np.outer(alpha * error, flattened)
        kernels_2[...] -= alpha * collect(back_2.dot(patches_2), at.weights_2, kernels_2)
        kernels_1[...] -= alpha * PIXEL_SCALE * collect(back_1.dot(patches_1), at.weights_1, kernels_1)
        return loss, probabilities

    return generation


def spread(kernels, corners):
    """Kernels laid into the corners of patches: (k, m * 25) -> (4 k, m * 36)."""
    return np.concatenate((ZERO, kernels.reshape(-1))).take(corners)


def collect(gradient, where, kernels):
    """The gradients of the four corners' weights, added up for each weight: (4 k, m * 36) -> (k, m * 25)."""
    return np.add.reduce(gradient.take(where), axis=0).reshape(kernels.shape)


def in_blocks(maps):
    """Maps with their places in blocks of 2x2: (m, 14, 14) -> (196, m)."""
    return maps.reshape(-1, 7, 2, 7, 2).transpose(1, 3, 2, 4, 0).reshape(196, -1)


def last_error(sums, right, output_sum):
    """From the sums (n,) on, forward and back: the cross entropy, the softmax (n,), the gradient to the sums (n,)."""
    outputs = np.abs(sums.astype(float))
    total = float(outputs.sum())
    factor = output_sum / total if total > cnn.THRESHOLD else 1.0
    exponentials = np.exp(outputs * factor - outputs.max() * factor)
    softmax = exponentials / exponentials.sum()
    gradient = softmax.copy()
    gradient[right] -= 1
    if total > cnn.THRESHOLD:
        gradient = (gradient - gradient.dot(outputs) / total) * factor
    gradient[np.abs(gradient) < NOTHING] = 0
    loss = 0.0 - log10(max(softmax.item(right), cnn.SMALLEST))  # -log10() of 1 would be -0.0
    return loss, softmax, (gradient * np.sign(sums)).astype(np.float32)


def to_winners(gradient, corners, pooled):
    """A gradient at the corner that won, of equal ones the first, 0 at the others: (size,), (4, size) -> (4, size)."""
    won = corners == pooled
    upper = won[0] | won[1]
    np.greater(won[1], won[0], out=won[1])  # won, and the one before it did not
    np.greater(won[3], won[2], out=won[3])
    np.greater(won[2:], upper, out=won[2:])
    return gradient * won


def from_patches(gradient, spread, blocks):
    """The gradient of the 25 patches' corners brought to the 49 blocks: (4 k, 25), (4 k, m * 36) -> (196, m).

    A block stands at nine places of nine patches: so it meets each ninth of `spread` with another patch's gradient.
    """
    corners, ninth = len(gradient), spread.shape[1] // 9
    padded = np.zeros((26, corners), np.float32)  # with a patch of zeros, for blocks at the edge
    padded[:25] = gradient.T
    ninths = spread.reshape(corners, 9, ninth).transpose(1, 0, 2).reshape(-1, ninth)  # (9 * 4 k, m * 4)
    return padded.take(blocks, axis=0).reshape(49, -1).dot(ninths).reshape(196, -1)
