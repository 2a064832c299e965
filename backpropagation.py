"""The backward pass: how much each weight of the network changes the loss (the paper's theory chapter).

The paper's program trains the last layer alone. Its theory chapter ("Backpropagation", "The calculation for earlier
weights") says how to go on: if we know how the loss changes when the result of a step changes, the chain rule tells how
the loss changes when the inputs of that step change. So the steps of cnn.forward() have functions here under the same
names: each takes the gradient of the step's result and returns the gradient of its input. (Softmax and cross entropy
are one, and a convolution has two: one for its kernels, one for its maps.) gradients() calls them in reverse order. The
loss is -ln(probability of the right label): see oddity 7.

>>> import backpropagation, cnn, model
>>> read = model.read_model("models/shipped.doc")
>>> steps = cnn.forward(cnn.read_pixels("dataset/0/img001-00001.png"), read)
>>> kernels_1, kernels_2, weights = backpropagation.gradients(steps, read, [1, 0])
"""

import numpy as np

import cnn
from model import KERNEL, parts_of

NEGLIGIBLE = 1e-20  # a smaller gradient moves no weight; computing with numbers near the smallest possible is slow


def gradients(steps, model, label):
    """Return the derivatives of the loss: (kernels_1, kernels_2, weights), shaped as in the model.

    steps: the result of cnn.forward(pixels, model). label: one-hot (n,). It runs every step backward. The shapes in the
    comments are those of 6 and 6 kernels.
    """
    _, kernels_2, weights, _, _ = parts_of(model)
    scaled = cross_entropy(steps.softmax, label)  # (n,)
    outputs = scale_outputs(scaled, steps.outputs, steps.scaled)
    sums = absolute(outputs, steps.sums)
    to_weights, flattened = fully_connected(sums, steps.flattened, weights)  # (n,) -> (n, 151), (151,)
    dropped_2 = flatten(flattened, steps.dropped_2)  # (151,) -> (6, 5, 5)
    pooled_2 = drop_out(dropped_2, steps.dropped_2)
    maps_2 = relu(max_pool(pooled_2, steps.maps_2, steps.pooled_2), steps.maps_2)  # (6, 5, 5) -> (6, 10, 10)
    to_kernels_2 = convolve_to_kernels(maps_2, steps.dropped_1)  # (6, 10, 10) -> (6, 150)
    dropped_1 = convolve_to_maps(maps_2, kernels_2)  # (6, 10, 10) -> (6, 14, 14)
    pooled_1 = drop_out(dropped_1, steps.dropped_1)
    maps_1 = relu(max_pool(pooled_1, steps.maps_1, steps.pooled_1), steps.maps_1)  # (6, 14, 14) -> (6, 28, 28)
    to_kernels_1 = convolve_to_kernels(maps_1, steps.pixels[np.newaxis])  # (6, 28, 28) -> (6, 25)
    return to_kernels_1, to_kernels_2, to_weights.reshape(1, -1)


def cross_entropy(softmax, label):
    """Return the gradient of the softmax's inputs, (n,): the probability of each label, minus 1 for the right one.

    Softmax and logarithm are one step here, because their derivatives together are that simple.
    """
    gradient = np.subtract(softmax, label)
    gradient[np.abs(gradient) < NEGLIGIBLE] = 0
    return gradient


def scale_outputs(gradient, outputs, scaled):
    """Return the gradient of the outputs before scaling, (n,). Each output changes the total, so it changes all others.

    With the total t and the output sum s, the scaled output i is output i * s / t. By the quotient rule, output j
    changes it by -output i * s / t^2, and, if i is j, by s / t in addition.
    """
    total = sum(outputs)
    if total <= cnn.THRESHOLD:
        return gradient
    return (gradient - gradient @ np.array(outputs) / total) * (sum(scaled) / total)


def absolute(gradient, sums):
    """Return the gradient of the sums, (n,): its sign changes where the sum was negative."""
    return gradient * np.sign(sums)


def fully_connected(gradient, flattened, weights):
    """Return the gradients of the weights, (n, 151), and of the inputs, (151,)."""
    gradient = gradient.astype(weights.dtype)
    return np.outer(gradient, flattened), gradient @ weights


def flatten(gradient, maps):
    """Put the gradient back into the shape of the maps: (151,) -> (6, 5, 5). The bias has no input."""
    return gradient[:-1].reshape(maps.shape)


def drop_out(gradient, dropped):
    """Return the gradient before dropout: 0 for each value that was dropped.

    A value that is 0 for another reason was made 0 by ReLU, which stops its gradient in any case.
    """
    return gradient * (dropped != 0)


def max_pool(gradient, maps, pooled):
    """Give each gradient to the largest of the four values, to the first of equal ones: (6, 14, 14) -> (6, 28, 28)."""
    back = np.empty(maps.shape, gradient.dtype)
    for row, column in (0, 0), (0, 1), (1, 0), (1, 1):  # of each 2x2 square
        rest = gradient * (maps[:, row::2, column::2] < pooled)  # what is left for the next corners
        back[:, row::2, column::2] = gradient - rest
        gradient = rest
    return back


def relu(gradient, maps):
    """Return the gradient before ReLU: 0 where ReLU made a 0."""
    return gradient * (maps > 0)


def convolve_to_kernels(gradient, maps):
    """Return the gradient of the kernels: (k, h, w), (m, h + 4, w + 4) -> (k, m * 25).

    A weight of a kernel was multiplied by one value of each window. So its gradient is the sum, over all windows, of
    that value times the gradient of the window's result.
    """
    return gradient.reshape(len(gradient), -1) @ cnn.windows(maps).T


def convolve_to_maps(gradient, kernels):
    """Return the gradient of the maps that the kernels slid over: (k, h, w), (k, m * 25) -> (m, h + 4, w + 4).

    Each value was multiplied by weights of every kernel. The sum of these is itself a convolution: of the
    gradient, with a margin of four zeros, and the kernels turned by half a circle.
    """
    count, height, width = gradient.shape
    padded = np.zeros((count, height + 2 * cnn.EDGE, width + 2 * cnn.EDGE), np.float32)
    padded[:, cnn.EDGE : -cnn.EDGE, cnn.EDGE : -cnn.EDGE] = gradient
    turned = kernels.reshape(count, -1, KERNEL**2)[:, :, ::-1].swapaxes(0, 1)  # (m, k, 25)
    return cnn.convolve(padded, turned.reshape(len(turned), -1))
