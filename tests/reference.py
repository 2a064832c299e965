"""The whole network in plain Python loops over plain lists, written from the paper's description alone.

The tests hold cnn.py against it.
"""

import itertools
import math


def convolve(maps, kernels):
    """maps[m][y][x], kernels[k][m * 25 + row * 5 + column] -> [k][y][x]."""
    height, width = len(maps[0]) - 4, len(maps[0][0]) - 4
    result = [[[0] * width for _ in range(height)] for _ in kernels]
    for k, y, x in itertools.product(range(len(kernels)), range(height), range(width)):
        for m, i, j in itertools.product(range(len(maps)), range(5), range(5)):
            result[k][y][x] += maps[m][y + i][x + j] * kernels[k][m * 25 + i * 5 + j]
    return result


def relu(maps):
    return [[[value if value > 0 else 0 for value in row] for row in plane] for plane in maps]


def max_pool(maps):
    return [[[max(*above[x : x + 2], *below[x : x + 2]) for x in range(0, len(above), 2)]
             for above, below in zip(plane[::2], plane[1::2])] for plane in maps]  # fmt: skip


def dropout(maps, probability, random):
    return [[[0 if random() < probability else value for value in row] for row in plane] for plane in maps]


def flatten(maps):
    return [value for plane in maps for row in plane for value in row] + [1]


def fully_connected(flattened, weights):
    outputs = [0.0] * (len(weights) // len(flattened))
    for i, weight in enumerate(weights):
        outputs[i // len(flattened)] += weight * flattened[i % len(flattened)]
    return [abs(output) for output in outputs]


def scale_outputs(outputs, output_sum):
    total = sum(outputs)
    return [output * output_sum / total for output in outputs] if total > 100 else outputs


def softmax(outputs):
    exponentials = [math.exp(output - max(outputs)) for output in outputs]
    return [value / sum(exponentials) for value in exponentials]


def cross_entropy(probabilities, label):
    return -sum(share * math.log10(probability) for share, probability in zip(label, probabilities) if share)


def flattened_of(pixels, kernels_1, kernels_2, random=None):
    """The fully connected layer's inputs for pixels[y][x]; with a source of random numbers, with dropout."""
    maps = max_pool(relu(convolve([pixels], kernels_1)))
    if random:
        maps = dropout(maps, 0.15, random)
    maps = max_pool(relu(convolve(maps, kernels_2)))
    if random:
        maps = dropout(maps, 0.20, random)
    return flatten(maps)


def train_once(pixels, kernels_1, kernels_2, weights, label, alpha, random, output_sum=100):
    """One generation: changes the list `weights`, returns the cross entropy and the softmax."""
    flattened = flattened_of(pixels, kernels_1, kernels_2, random)
    probabilities = softmax(scale_outputs(fully_connected(flattened, weights), output_sum))
    for i in range(len(weights)):
        derivative = (probabilities[i // 151] - label[i // 151]) * flattened[i % 151]
        weights[i] -= alpha * derivative
    return cross_entropy(probabilities, label), probabilities
