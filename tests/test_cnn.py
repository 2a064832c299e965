"""cnn.py: the paper's worked examples, agreement with plain loops, dropout's rates, and the edges."""

import json

import numpy as np
import pytest
import reference
from conftest import ROOT, SHARED
from PIL import Image

import cnn
import model


@pytest.fixture(scope="module")
def paper():
    return model.read_model(ROOT / "models" / "paper.doc")


def flattened_of(path, network):
    """The inputs of the fully connected layer, without dropout."""
    return cnn.features(path, *network[:2])


def whole_maps(rng, *shape):
    return rng.integers(0, 200, shape).astype(float)


def test_worked_example_of_a_convolution():
    picture = np.zeros((1, 5, 5))
    picture[0, 1:4, 1:4] = [[40, 42, 46], [46, 50, 55], [52, 56, 58]]
    kernel = np.zeros((5, 5))
    kernel[1:4, 1:4] = [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert cnn.convolve(picture, kernel.reshape(1, 25)).tolist() == [[[42]]]


def test_worked_example_of_a_neuron():
    # F(3) + G(5) + H(1) with F = 2x + 1, G = 4x - 3, H = -x: weights 2, 4, -1 and, on an input of 1, the bias 1 - 3
    assert cnn.fully_connected(np.array([3, 5, 1, 1]), np.array([2, 4, -1, -2])) == [23]


def test_worked_example_of_a_fully_connected_layer():
    # The theory chapter takes the mean, and lists the weights input by input; the program sums, output by output.
    inputs, listed = np.array([4, 10]), np.array([0.5, 0.25, 0.4, -0.5])
    by_output = listed.reshape(2, 2).T.ravel()
    assert [output / len(inputs) for output in cnn.fully_connected(inputs, by_output)] == [3, 2]


def test_worked_examples_of_softmax_and_cross_entropy():
    assert np.round(cnn.softmax([2, 5, 3]), 3).tolist() == [0.042, 0.844, 0.114]
    rounded = [0.042, 0.844, 0.114]  # the paper goes on with the rounded values, and cuts off the last digit
    assert cnn.cross_entropy(rounded, [0, 1, 0]) == pytest.approx(0.07365, abs=1e-5)
    assert cnn.cross_entropy([0.1] * 10, np.eye(10)[3]) == pytest.approx(1)


@pytest.mark.parametrize(("maps", "kernels"), [((1, 32, 32), (6, 25)), ((6, 14, 14), (6, 150)), ((2, 7, 9), (3, 50))])
def test_convolve_agrees_with_plain_loops(rng, maps, kernels):
    maps, kernels = whole_maps(rng, *maps), rng.normal(size=kernels)
    np.testing.assert_allclose(
        cnn.convolve(maps, kernels), reference.convolve(maps.tolist(), kernels.tolist()), rtol=1e-9
    )


def test_relu_and_max_pool_agree_with_plain_loops(rng):
    maps = rng.normal(size=(6, 28, 28))
    assert cnn.relu(maps).tolist() == reference.relu(maps.tolist())
    assert cnn.max_pool(maps).tolist() == reference.max_pool(maps.tolist())


def test_flatten_goes_map_by_map_and_ends_with_the_bias(rng):
    maps = whole_maps(rng, 6, 5, 5)
    assert cnn.flatten(maps).tolist() == reference.flatten(maps.tolist())


@pytest.mark.parametrize("labels", [2, 3, 62])
def test_fully_connected_and_softmax_agree_with_plain_loops(rng, labels):
    flattened, weights = rng.normal(size=151) * 1000, rng.normal(size=labels * 151)
    outputs = cnn.fully_connected(flattened, weights)
    np.testing.assert_allclose(outputs, reference.fully_connected(flattened, weights), rtol=1e-9)
    for output_sum in (100, 10):
        scaled = cnn.scale_outputs(outputs, output_sum)
        np.testing.assert_allclose(scaled, reference.scale_outputs(outputs, output_sum), rtol=1e-9)
        assert sum(scaled) == pytest.approx(output_sum)
        np.testing.assert_allclose(cnn.softmax(scaled), reference.softmax(scaled), rtol=1e-9)


def test_outputs_are_scaled_only_above_100():
    assert cnn.scale_outputs([60, 40], 10) == [60, 40]
    assert sum(cnn.scale_outputs([60, 41], 10)) == pytest.approx(10)


@pytest.mark.parametrize("outputs", [[0, 0], [1e300, 1e300], [5000, 0], [1e6, 1e-6]])
def test_softmax_and_cross_entropy_stay_finite(outputs):
    probabilities = cnn.softmax(outputs)
    assert np.isfinite(probabilities).all()
    assert sum(probabilities) == pytest.approx(1)
    for label in np.eye(2):
        assert 0 <= cnn.cross_entropy(probabilities, label) <= 300


def test_cross_entropy_of_a_certain_right_answer_is_plain_zero():
    assert str(cnn.cross_entropy([1.0, 0.0], [1.0, 0.0])) == "0.0"


@pytest.mark.parametrize(("which", "probability"), [(0, 0.15), (1, 0.20)])
def test_dropout_has_its_rate_everywhere_and_no_neighbourhoods(rng, which, probability):
    runs = 4000
    masks = cnn.dropout_masks(rng)
    dropped = np.array([next(masks)[which].ravel() == 0 for _ in range(runs)])
    spread = (probability * (1 - probability) / runs) ** 0.5
    assert dropped.mean() == pytest.approx(probability, abs=5 * spread / dropped.shape[1] ** 0.5 + 1 / 65536)
    assert abs(dropped.mean(axis=0) - probability).max() < 6 * spread
    for both in (dropped[:, 1:] & dropped[:, :-1], dropped[1:] & dropped[:-1]):
        assert both.mean() == pytest.approx(probability**2, rel=0.03)


def test_dropout_does_not_rescale():
    maps, keep = np.array([[[7.0, -3.0], [5.0, 2.0]]]), np.array([[[1, 0], [0, 1]]])
    assert cnn.dropout(maps, keep).tolist() == [[[7, 0], [0, 2]]]


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_masks_drawn_at_once_are_those_drawn_one_by_one(at_once):
    one_by_one, together = (cnn.dropout_masks(np.random.default_rng(5), count) for count in (1, at_once))
    for _ in range(40):
        for one, other in zip(next(one_by_one), next(together)):
            assert np.array_equal(one, other)


def test_the_whole_network_agrees_with_plain_loops_on_every_real_picture(real_pictures, paper):
    kernels_1, kernels_2, weights = (array.tolist() for array in paper[:3])
    assert len(real_pictures) == 520
    for path, _ in real_pictures:
        pixels = np.asarray(Image.open(path)).max(axis=2)
        flattened = reference.flattened_of(pixels.tolist(), kernels_1, kernels_2)
        for output_sum in (100, 10):
            outputs = reference.scale_outputs(reference.fully_connected(flattened, weights[0]), output_sum)
            expected = reference.softmax(outputs)
            np.testing.assert_allclose(cnn.cnn(path, paper, output_sum=output_sum), expected, rtol=0, atol=1e-9)


def test_golden_values(paper):
    golden = SHARED / "paper" / "golden.json"
    if not golden.is_file():
        pytest.skip("the golden values are not on this machine")
    for case in json.loads(golden.read_text())["images"]:
        path = SHARED / case["image"]
        flattened = flattened_of(path, paper)
        assert flattened.sum() == case["flattened_sum"]
        assert flattened[:5].tolist() == case["flattened_first5"]
        outputs = cnn.fully_connected(flattened, paper[2])
        np.testing.assert_allclose(outputs, case["outputs_before_normalising"], rtol=1e-12)
        for output_sum in (100, 10):
            expected = case[f"softmax_output_sum_{output_sum}"]
            np.testing.assert_allclose(cnn.cnn(path, paper, output_sum=output_sum), expected, rtol=0, atol=1e-12)


def test_training_returns_the_four_values_in_the_papers_order(paper, dataset, rng):
    label = np.array([1.0, 0.0])
    result = cnn.cnn(dataset / "0" / "img001-00001.png", paper, label, True, rng=rng)
    cross_entropy, same_label, softmax, flattened = result
    assert cross_entropy == cnn.cross_entropy(softmax, label)
    assert same_label is label
    assert flattened.shape == (151,)
    assert flattened[150] == 1
    np.testing.assert_array_equal(softmax, cnn.softmax(cnn.scale_outputs(cnn.fully_connected(flattened, paper[2]))))


def test_training_takes_a_plain_list_as_label_and_no_rng(paper, dataset):
    result = cnn.cnn(str(dataset / "1" / "img002-00001.png"), paper, [0, 1], True)
    assert result.cross_entropy == pytest.approx(-np.log10(result.softmax[1]))
    assert type(result.cross_entropy) is float


def test_a_path_an_array_and_the_first_layers_maps_are_the_same_picture(paper, dataset):
    path = dataset / "0" / "img001-00002.png"
    pixels = np.asarray(Image.open(path))
    expected = cnn.cnn(path, paper).tolist()
    assert cnn.cnn(str(path), paper).tolist() == expected
    assert cnn.cnn(pixels, paper).tolist() == expected
    assert cnn.cnn(pixels.max(axis=2), paper).tolist() == expected
    assert cnn.cnn(cnn.first_layer(pixels.max(axis=2), paper[0]), paper).tolist() == expected
    assert cnn.cnn(cnn.features(path, *paper[:2]), paper).tolist() == expected


def test_the_input_is_the_largest_of_the_three_colours():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[0, 0], pixels[0, 1] = (10, 200, 30), (1, 2, 3)
    assert cnn.read_pixels(pixels)[0, :2].tolist() == [200, 3]


def test_a_picture_of_another_size_is_fitted_and_its_file_left_alone(paper, tmp_path):
    path = tmp_path / "large.png"
    Image.new("L", (300, 200), 90).save(path)
    before = path.read_bytes()
    assert cnn.cnn(path, paper).shape == (2,)
    assert path.read_bytes() == before


@pytest.mark.parametrize("shape", [(31, 32), (32, 32, 4), (6, 14), (1024,)])
def test_an_array_of_another_shape_is_refused(paper, shape):
    with pytest.raises(ValueError, match=r"expected a path or an array of shape \(32, 32\)"):
        cnn.cnn(np.zeros(shape), paper)


def test_the_fast_way_is_equal_to_the_last_bit(paper, real_pictures):
    fast = cnn.prepare(paper)
    for number, (path, label) in enumerate(real_pictures[::10]):
        slow_way, fast_way = (
            cnn.cnn(path, network, np.eye(2)[int(label)], True, rng=np.random.default_rng(number))
            for network in (paper, fast)
        )
        assert fast_way.flattened.tolist() == slow_way.flattened.tolist()
        assert fast_way.cross_entropy == slow_way.cross_entropy


def test_single_precision_holds_every_sum_that_the_hand_set_kernels_can_make(rng):
    kernels_1, kernels_2, *_ = model.start_model("01", rng)
    largest_pixel = 255
    largest_1 = np.maximum(kernels_1, 0).sum(axis=1).max() * largest_pixel
    assert largest_1 < 2**15  # kept per picture in 16 bits
    assert np.abs(kernels_2).sum(axis=1).max() * largest_1 < 2**24
    assert (kernels_2 == kernels_2.round()).all()
