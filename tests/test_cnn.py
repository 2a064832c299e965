"""cnn.py: the paper's worked examples, agreement with plain loops, dropout's rates, and the edges."""

import doctest
import json

import numpy as np
import pytest
import reference
from conftest import ROOT, SHARED
from PIL import Image

import cnn
import model
import preprocessing
from support.files import InputError


@pytest.fixture(scope="module")
def paper():
    return model.read_model(ROOT / "models" / "paper.doc")


def flattened_of(path, network):
    """The inputs of the fully connected layer, without dropout."""
    return cnn.steps(cnn.read_pixels(path), network).flattened


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
    assert cnn.fully_connected(np.array([3, 5, 1, 1]), np.array([[2, 4, -1, -2]])) == [23]


def test_worked_example_of_a_fully_connected_layer():
    # The theory chapter takes the mean, and lists the weights input by input; the program sums, output by output.
    inputs, listed = np.array([4, 10]), np.array([0.5, 0.25, 0.4, -0.5])
    sums = cnn.fully_connected(inputs, listed.reshape(2, 2).T)
    assert [output / len(inputs) for output in cnn.absolute(sums)] == [3, 2]
    assert cnn.absolute([-3, 2.5]) == [3, 2.5]


def test_worked_examples_of_softmax_and_cross_entropy():
    assert np.round(cnn.softmax([2, 5, 3]), 3).tolist() == [0.042, 0.844, 0.114]
    rounded = [0.042, 0.844, 0.114]  # the paper goes on with the rounded values, and cuts off the last digit
    assert cnn.cross_entropy(rounded, [0, 1, 0]) == pytest.approx(0.07365, abs=1e-5)
    assert cnn.cross_entropy([0.1] * 10, np.eye(10)[3]) == pytest.approx(1)


def test_the_worked_examples_at_their_functions_print_what_they_say():
    functions = cnn.convolve, cnn.fully_connected, cnn.softmax, cnn.cross_entropy
    tests = [test for function in functions for test in doctest.DocTestFinder().find(function, globs=globals())]
    results = [doctest.DocTestRunner().run(test) for test in tests]
    assert [(result.failed, result.attempted) for result in results] == [(0, 3), (0, 2), (0, 1), (0, 2)]


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
    outputs = cnn.absolute(cnn.fully_connected(flattened, weights.reshape(labels, 151)))
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
    masks = cnn.dropout_masks(rng.bit_generator)
    dropped = np.array([next(masks)[which].ravel() == 0 for _ in range(runs)])
    spread = (probability * (1 - probability) / runs) ** 0.5
    assert dropped.mean() == pytest.approx(probability, abs=5 * spread / dropped.shape[1] ** 0.5 + 1 / 65536)
    assert abs(dropped.mean(axis=0) - probability).max() < 6 * spread
    for both in (dropped[:, 1:] & dropped[:, :-1], dropped[1:] & dropped[:-1]):
        assert both.mean() == pytest.approx(probability**2, rel=0.03)


@pytest.mark.parametrize(("which", "threshold"), [(0, round(0.15 * 65536)), (1, round(0.20 * 65536))])
def test_a_value_is_kept_from_its_threshold_on(which, threshold):
    class Bits:
        """Random bits that are a number of 16 bits again and again."""

        def random_raw(self, count):
            return np.full(count, self.number * 0x0001_0001_0001_0001, np.uint64)

    for Bits.number in (0, threshold - 1, threshold, 65535):
        assert (next(cnn.dropout_masks(Bits(), 1))[which] == (threshold <= Bits.number)).all()


def test_dropout_does_not_rescale():
    maps, keep = np.array([[[7.0, -3.0], [5.0, 2.0]]]), np.array([[[1, 0], [0, 1]]])
    assert cnn.dropout(maps, keep).tolist() == [[[7, 0], [0, 2]]]


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_masks_drawn_at_once_are_those_drawn_one_by_one(at_once):
    one_by_one, together = (cnn.dropout_masks(np.random.PCG64(5), count) for count in (1, at_once))
    for _ in range(40):
        for one, other in zip(next(one_by_one), next(together)):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_the_whole_network_agrees_with_plain_loops_on_real_pictures(real_pictures, paper, every):
    kernels_1, kernels_2, weights = (array.tolist() for array in paper[:3])
    assert len(real_pictures) == 520
    for path, _ in real_pictures[::every]:
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
        outputs = cnn.steps(cnn.read_pixels(path), paper).outputs
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
    np.testing.assert_array_equal(softmax, cnn.last_steps(flattened, paper[2].reshape(2, 151), 10)[-1])


def test_training_takes_a_plain_list_as_label_and_no_rng(paper, dataset):
    result = cnn.cnn(str(dataset / "1" / "img002-00001.png"), paper, [0, 1], True)
    assert result.cross_entropy == pytest.approx(-np.log10(result.softmax[1]))
    assert type(result.cross_entropy) is float


def test_a_path_an_image_and_an_array_are_the_same_picture(paper, dataset):
    path = dataset / "0" / "img001-00002.png"
    pixels = np.asarray(Image.open(path))
    expected = cnn.cnn(path, paper).tolist()
    for picture in (str(path), Image.open(path), pixels, pixels.max(axis=2), pixels.astype(float)):
        assert cnn.cnn(picture, paper).tolist() == expected


def test_an_image_of_any_size_and_mode_is_fitted(paper, dataset):
    path = dataset / "0" / "img001-00002.png"
    expected = cnn.cnn(path, paper).tolist()
    image = Image.open(path)
    assert cnn.cnn(image.convert("P"), paper).tolist() == expected
    assert cnn.cnn(image.convert("RGBA"), paper).tolist() == expected
    assert cnn.cnn(image.resize((320, 320), Image.NEAREST), paper).argmax() == np.argmax(expected)
    assert cnn.cnn(Image.new("P", (50, 7)), paper).shape == (2,)


def test_a_model_as_pasted_from_the_appendix(paper, dataset):
    path = dataset / "1" / "img002-00002.png"
    expected = cnn.cnn(path, paper, output_sum=100).tolist()
    pasted = [paper[0], paper[1], [paper[2][0]]]
    assert cnn.cnn(path, pasted).tolist() == expected  # it names no output sum: 100
    assert cnn.cnn(path, [array.tolist() for array in paper[:3]]).tolist() == expected
    assert cnn.cnn(path, paper).tolist() == cnn.cnn(path, pasted, output_sum=10).tolist()  # it names 10


def test_the_steps_are_those_of_plain_loops(paper, real_pictures):
    path, _ = real_pictures[3]
    kernels_1, kernels_2, weights = (array.tolist() for array in paper[:3])
    step = cnn.steps(cnn.read_pixels(path), paper)
    maps_1 = reference.relu(reference.convolve([step.pixels.tolist()], kernels_1))
    pooled_1 = reference.max_pool(maps_1)
    maps_2 = reference.relu(reference.convolve(pooled_1, kernels_2))
    pooled_2 = reference.max_pool(maps_2)
    assert step.maps_1.tolist() == maps_1
    assert step.pooled_1.tolist() == step.dropped_1.tolist() == pooled_1
    assert step.maps_2.tolist() == maps_2
    assert step.pooled_2.tolist() == step.dropped_2.tolist() == pooled_2
    assert step.flattened.tolist() == reference.flatten(pooled_2)
    np.testing.assert_allclose(step.outputs, reference.fully_connected(step.flattened.tolist(), weights[0]))
    assert [abs(value) for value in step.sums] == step.outputs
    assert sum(step.scaled) == pytest.approx(10)


def test_the_input_is_the_largest_of_the_three_colours():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[0, 0], pixels[0, 1] = (10, 200, 30), (1, 2, 3)
    assert cnn.read_pixels(pixels)[0, :2].tolist() == [200, 3]


def test_an_array_that_is_not_trimmed_stays_as_it_is():
    pixels = np.linspace(2, 254.5, 1024).reshape(32, 32)
    assert np.array_equal(cnn.read_pixels(pixels), pixels)


def test_a_picture_of_another_size_is_fitted_and_its_file_left_alone(paper, tmp_path):
    path = tmp_path / "large.png"
    Image.new("L", (300, 200), 90).save(path)
    before = path.read_bytes()
    assert cnn.cnn(path, paper).shape == (2,)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        *((np.full(shape, 200), "expected a picture's array of shape") for shape in [(31, 32), (32, 32, 4), (6, 14)]),
        (np.random.default_rng(1).random((32, 32)), r"numbers from 0 to 255, .* found [\d.e-]+ to 0\.99"),
        (np.ones((32, 32), bool), "found bool"),
        (np.full((32, 32), "x"), "found <U1"),
        (np.full((32, 32), 256), "found 256 to 256"),
        (np.linspace(-1, 255, 1024).reshape(32, 32), "found -1 to 255"),
        (np.full((32, 32), np.nan), "found nan to nan"),
        ([[0, 255]], "expected a path, a PIL image or an array as picture, found list"),
        (None, "found NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_by_a_sentence(paper, picture, message):
    with pytest.raises(InputError, match=message):
        cnn.cnn(picture, paper)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: "models/paper.doc", r"found the name 'models/paper\.doc'; use model\.read_model"),
        (lambda model: ROOT / "model.doc", "found the name"),
        (lambda model: None, "expected a model: kernels"),
        (lambda model: model[:2], "expected a model: kernels"),
        (lambda model: [model[1], model[0], model[2]], "expected a model: kernels"),
        (lambda model: [model[0], model[1], model[2][:, :-1]], "expected a model: kernels"),
        (lambda model: [model[0], model[1], model[2][:, :151]], "expected a model: kernels"),
        (lambda model: [model[0], model[1], model[2] * np.nan], "numbers below 1e"),
        (lambda model: [model[0], model[1] * 1e303, model[2]], "numbers below 1e"),
        (lambda model: [*model[:3], ["0", "1", "2"]], "a label for each of its 2 outputs, found 3"),
    ],
)
def test_what_is_no_model_is_refused_by_a_sentence(paper, dataset, change, message):
    with pytest.raises(InputError, match=message):
        cnn.cnn(dataset / "0" / "img001-00001.png", change(paper))


@pytest.mark.parametrize("label", [None, [1, 0, 0], [1], 1, "01", [0.5, 0.5], [1, 1]])
def test_training_needs_a_one_hot_label(paper, dataset, label):
    with pytest.raises(InputError, match="one-hot label of 2 numbers"):
        cnn.cnn(dataset / "0" / "img001-00001.png", paper, label, True)


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64])
def test_dropout_keeps_its_shares_with_any_generator(bits):
    rng = np.random.Generator(bits(1))
    pairs = [cnn.draw_masks(rng) for _ in range(200)]
    assert np.mean([keep for keep, _ in pairs]) == pytest.approx(0.85, abs=0.01)
    assert np.mean([keep for _, keep in pairs]) == pytest.approx(0.80, abs=0.02)
    for wrong in (1, np.random.RandomState(1), "x"):
        with pytest.raises(InputError, match=r"expected a numpy\.random\.Generator"):
            cnn.draw_masks(wrong)


def test_the_fast_way_is_equal_to_the_last_bit(paper, real_pictures):
    spread, masks = cnn.lay_out(paper[1]), cnn.dropout_masks(np.random.PCG64(3))
    for path, label in real_pictures[::10]:
        pixels, keep = cnn.read_pixels(path), next(masks)
        slow = cnn.steps(pixels, paper, keep=keep)
        flattened = cnn.second_layer(cnn.first_layer(pixels, paper[0]), spread, keep)
        fast = cnn.last_layer(flattened, paper[2].reshape(2, 151), np.eye(2)[int(label)], 10)
        assert fast.flattened.tolist() == slow.flattened.tolist()
        assert fast.softmax.tolist() == slow.softmax.tolist()
        assert (
            cnn.second_layer(cnn.first_layer(pixels, paper[0]), spread).tolist() == flattened_of(path, paper).tolist()
        )


def test_classify_gives_the_best_first(dataset):
    network = model.read_model(ROOT / "models" / "digits.doc")
    path = ROOT / "dataset" / "7" / "img008-00001.png"
    answer = cnn.classify(path, network)
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    assert sum(answer.values()) == pytest.approx(1)
    assert next(iter(answer)) == "7"
    assert [answer[label] for label in network[3]] == cnn.cnn(path, network).tolist()
    trimmed = preprocessing.fit(Image.open(path), trim=True)
    for picture in (path, Image.open(path), np.asarray(Image.open(path))):
        assert cnn.classify(picture, network, trim=True) == cnn.classify(trimmed, network)


def test_the_command(dataset, tmp_path, run_script):
    Image.new("L", (90, 50), 200).save(tmp_path / "grey.png")
    one = dataset / "1" / "img002-00001.png"
    done = run_script("cnn.py", one, "grey.png", "absent.png", "--model", ROOT / "models" / "paper.doc", cwd=tmp_path)
    answer = cnn.classify(one, model.read_model(ROOT / "models" / "paper.doc"))
    label, probability = next(iter(answer.items()))
    assert done.stdout.splitlines() == [f"{one}: {label}, {probability:.1%}", "grey.png: blank, nothing to be seen"]
    assert done.stderr == "cnn.py: absent.png: No such file or directory\n"
    assert done.returncode == 1
    done = run_script("cnn.py", one, "--trim", "--model", ROOT / "models" / "paper.doc")
    assert (
        done.stdout
        == f"{one}: 1, {max(cnn.classify(one, model.read_model(ROOT / 'models' / 'paper.doc'), True).values()):.1%}\n"
    )


def test_single_precision_holds_every_sum_that_the_hand_set_kernels_can_make(rng):
    kernels_1, kernels_2, *_ = model.start_model("01", rng)
    largest_pixel = 255
    largest_1 = np.maximum(kernels_1, 0).sum(axis=1).max() * largest_pixel
    assert largest_1 < 2**15  # kept per picture in 16 bits
    assert np.abs(kernels_2).sum(axis=1).max() * largest_1 < 2**24
    assert (kernels_2 == kernels_2.round()).all()
