"""The chain rule through every layer: how kernels are trained (the paper's theory chapter, and what it left open).

The paper's program stops at the last layer (training.update); its theory chapter goes on ("Backpropagation", "The
calculation for earlier weights"): what the loss does when a layer's result grows a little, its gradient, tells what it
does when that layer's input grows a little, and its weights. So each step of cnn.steps() has a function here, named
after it, which takes the gradient of the step's result and gives those of what went into it; gradients() calls them in
reverse order. The loss is minus the natural logarithm of the right label's probability (oddity 7).

>>> import backpropagation, model
>>> read = model.read_model("models/shipped.doc")
>>> kernels_1, kernels_2, weights = backpropagation.gradients("dataset/0/img001-00001.png", read, [1, 0], 100)
"""

from math import log10

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import cnn
from model import parts_of


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
    """To the outputs before scaling, n -> n. Each output is part of the total, so each changes all the others."""
    outputs = np.array(outputs)
    total = outputs.sum()
    if total <= cnn.LARGEST_SUM:
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
