"""backpropagation.py: every gradient beside the slope that the plain-loop network shows."""

import math

import numpy as np
import pytest
import reference
from conftest import ROOT

import backpropagation
import cnn
import model

PICTURE = ROOT / "dataset" / "1" / "img002-00003.png"


def loss(arrays, right):
    """The loss by plain loops, in double precision."""
    kernels_1, kernels_2, weights, pixels = (array.tolist() for array in arrays)
    flattened = reference.flattened_of(pixels, kernels_1, kernels_2)
    outputs = reference.scale_outputs(reference.fully_connected(flattened, weights[0]), 100)
    return -math.log(reference.softmax(outputs)[right])


@pytest.mark.parametrize(("labels", "kernels", "sign"), [("01", (6, 6), 1), ("0123456789", (3, 4), -1)])
def test_every_gradient_is_the_slope_of_the_loss(labels, kernels, sign):
    rng = np.random.default_rng(5)
    made = model.start_model(labels, rng, train_kernels=True, kernels=kernels)  # no equal values
    made[2] = (made[2] - np.float32(sign < 0) * made[2].mean()) * np.float32(90)  # sums over 100; some below 0
    pixels = 0.9 * cnn.read_pixels(PICTURE) + rng.uniform(0, 20, (32, 32))  # on even paper many values would be equal
    label = np.eye(len(labels))[1]
    steps = cnn.forward(pixels, made)
    assert sum(steps.outputs) > cnn.THRESHOLD
    assert (min(steps.sums) < 0) is (sign < 0)
    found = backpropagation.gradients(steps, made, label)
    arrays = [np.asarray(array, float) for array in (*made[:3], pixels)]
    for number, (array, gradient) in enumerate(zip(arrays, found)):
        assert gradient.shape == array.shape
        for place in rng.choice(array.size, 6, replace=False):
            step = 1e-6 * max(abs(array).max(), 1e-3)
            slopes = []
            for change in (step, -step):
                changed = [other.copy() for other in arrays]
                changed[number].flat[place] += change
                slopes.append(loss(changed, 1))
            slope = (slopes[0] - slopes[1]) / (2 * step)
            assert gradient.flat[place] == pytest.approx(slope, rel=2e-3, abs=2e-4 * float(abs(gradient).max())), (
                number,
                place,
            )


def test_outputs_that_are_not_scaled_have_the_gradient_of_a_softmax():
    assert backpropagation.scale_outputs(np.array([1.0, -1.0]), [3.0, 4.0], [3.0, 4.0]).tolist() == [1, -1]


def test_of_equal_values_the_first_gets_the_gradient():
    maps = np.array([[[5, 5, 1, 7], [5, 5, 7, 7]]], np.float32)
    back = backpropagation.max_pool(np.array([[[2, 3]]], np.float32), maps, cnn.max_pool(maps))
    assert back.tolist() == [[[2, 0, 0, 3], [0, 0, 0, 0]]]


def test_relu_and_dropout_pass_no_gradient_where_they_made_a_0():
    values = np.array([0.0, 2.0])
    assert backpropagation.relu(np.array([3.0, 4.0]), values).tolist() == [0, 4]
    assert backpropagation.drop_out(np.array([3.0, 4.0]), values).tolist() == [0, 4]


def test_all_layers_are_trained_in_single_precision(rng):
    made = model.start_model("01", rng, train_kernels=True)
    found = backpropagation.gradients(cnn.forward(cnn.read_pixels(PICTURE), made, rng=rng), made, np.array([1.0, 0.0]))
    assert {array.dtype for array in (*made[:3], *found)} == {np.dtype(np.float32)}
    plain = model.start_model("01", rng)
    assert cnn.convolve(np.zeros((1, 9, 9)), plain[0]).dtype == np.float32
    assert plain[2].dtype == np.float64
