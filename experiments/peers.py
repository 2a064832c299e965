"""A generation in PyTorch's eager mode and in JAX, compiled, as experiments.speed measures it. Not in the paper.

Each function prepares a network and gives a function without arguments: the seconds of a generation. The last layer
alone goes with dropout, as in the paper; all layers without: forward, backward, update.
"""

import timeit

import numpy as np

import cnn
from backpropagation import PIXEL_SCALE
from model import OUTPUT_SUM, parts_of, start_model
from support.commandline import ROOT
from training import ALPHA, LABELS

PICTURE = f"{ROOT}/dataset/0/img001-00001.png"
STILL = 1e-12  # a learning rate at which what is measured stays the same
ALPHAS = STILL * PIXEL_SCALE, STILL, STILL


def per_call(function, times):
    """Seconds of one call."""
    return timeit.timeit(function, number=times) / times


def example(train_kernels=False):
    """A picture (32, 32), the model's three arrays, and a one-hot label."""
    start = start_model(LABELS, np.random.default_rng(0), train_kernels=train_kernels)
    kernels_1, kernels_2, weights, *_ = parts_of(start)
    return cnn.read_pixels(PICTURE), kernels_1, kernels_2, weights, np.array([1, 0])


def pytorch_forward(pixels, trained, shares):
    """The inputs of the fully connected layer (151,) and the scaled outputs (n,); shares: what each dropout drops."""
    import torch  # noqa: PLC0415, an extra

    kernels_1, kernels_2, weights = trained
    maps = pixels[None, None]
    for kernels, share in zip((kernels_1.reshape(6, 1, 5, 5), kernels_2.reshape(6, 6, 5, 5)), shares):
        maps = torch.max_pool2d(torch.relu(torch.conv2d(maps, kernels)), 2)
        if share:
            maps = maps * (torch.rand(maps.shape) >= share)
    flattened = torch.cat((maps.reshape(-1), torch.ones(1, dtype=maps.dtype)))
    outputs = (weights @ flattened).abs()
    total = outputs.sum()
    return flattened, outputs * (OUTPUT_SUM / total) if total > cnn.THRESHOLD else outputs


def pytorch_last_layer():
    import torch  # noqa: PLC0415, an extra

    torch.set_num_threads(1)
    pixels, *trained, label = (torch.tensor(array, dtype=torch.float32) for array in example())

    def generation():
        flattened, scaled = pytorch_forward(pixels, trained, (cnn.DROPOUT_1, cnn.DROPOUT_2))
        softmax = torch.softmax(scaled, 0)
        trained[2].sub_(torch.outer(ALPHA * (softmax - label), flattened))
        return float(-(label * torch.log10(softmax)).sum())

    return lambda: per_call(generation, 300)


def pytorch_all_layers():
    import torch  # noqa: PLC0415, an extra

    torch.set_num_threads(1)
    pixels, *trained, label = (torch.tensor(array, dtype=torch.float32) for array in example(train_kernels=True))
    for array in trained:
        array.requires_grad_()

    def generation():
        loss = -(label * torch.log_softmax(pytorch_forward(pixels, trained, (0, 0))[1], 0)).sum()
        gradients = torch.autograd.grad(loss, trained)
        with torch.no_grad():
            for array, alpha, gradient in zip(trained, ALPHAS, gradients):
                array.sub_(gradient, alpha=alpha)
        return loss.item()

    return lambda: per_call(generation, 300)


def jax_convolve(maps, kernels, by_hand):
    """(m, h, w) -> (k, h - 4, w - 4); by_hand: made of slices and one product, which JAX compiles to faster code."""
    import jax  # noqa: PLC0415, an extra

    count, height, width = maps.shape
    if not by_hand:
        return jax.lax.conv_general_dilated(maps[None], kernels.reshape(-1, count, 5, 5), (1, 1), "VALID")[0]
    slices = [maps[:, i : height - 4 + i, j : width - 4 + j] for i in range(5) for j in range(5)]
    windows = jax.numpy.stack(slices, 1).reshape(25 * count, -1)
    return (kernels @ windows).reshape(-1, height - 4, width - 4)


def jax_forward(pixels, trained, keys=(None, None), by_hand=False):
    """The inputs of the fully connected layer (151,) and the scaled outputs (n,); with keys, with dropout."""
    import jax  # noqa: PLC0415, an extra

    maps = pixels[None]
    for kernels, share, key in zip(trained, (cnn.DROPOUT_1, cnn.DROPOUT_2), keys):
        maps = jax.nn.relu(jax_convolve(maps, kernels, by_hand))
        count, height, width = maps.shape
        maps = maps.reshape(count, height // 2, 2, width // 2, 2).max((2, 4))
        if key is not None:
            maps = maps * (jax.random.uniform(key, maps.shape) >= share)
    flattened = jax.numpy.concatenate((maps.reshape(-1), jax.numpy.ones(1)))
    outputs = jax.numpy.abs(trained[2] @ flattened)
    total = outputs.sum()
    return flattened, jax.numpy.where(total > cnn.THRESHOLD, outputs * (OUTPUT_SUM / total), outputs)


def jax_last_layer():
    import jax  # noqa: PLC0415, an extra

    pixels, *trained, label = (jax.numpy.asarray(array, jax.numpy.float32) for array in example())

    def step(state):
        trained, key = state
        *keys, key = jax.random.split(key, 3)
        flattened, scaled = jax_forward(pixels, trained, keys)
        error = jax.nn.softmax(scaled) - label
        loss = -label @ jax.nn.log_softmax(scaled) / jax.numpy.log(10)
        return loss, ([*trained[:2], trained[2] - jax.numpy.outer(ALPHA * error, flattened)], key)

    return compiled(step, (trained, jax.random.key(0)))


def jax_all_layers(by_hand=False):
    import jax  # noqa: PLC0415, an extra

    pixels, *trained, label = (jax.numpy.asarray(array, jax.numpy.float32) for array in example(train_kernels=True))

    def loss(trained):
        return -label @ jax.nn.log_softmax(jax_forward(pixels, trained, by_hand=by_hand)[1])

    def step(trained):
        value, gradients = jax.value_and_grad(loss)(trained)
        return value, [array - alpha * gradient for array, alpha, gradient in zip(trained, ALPHAS, gradients)]

    return compiled(step, trained)


def compiled(step, state):
    """What measures step(state), compiled as a whole by JAX, each time with the state that the last one left."""
    import jax  # noqa: PLC0415, an extra

    step = jax.jit(step)

    def generation():
        nonlocal state
        loss, state = step(state)
        return float(loss)

    generation()  # this compiles it
    return lambda: per_call(generation, 300)
