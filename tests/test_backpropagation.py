"""backpropagation.py: each derivative, and all together, against differences; the fast way; another library's."""

import numpy as np
import pytest

import backpropagation
import cnn
import model
from experiments import peers

CLOSE = 1e-6  # relative: how near central differences of double precision come
SINGLE = 1e-5  # relative: how near single precision comes, whose numbers are good to 6e-8 each (measured: 5e-6)
SAMPLE = 60  # weights of each array that are tried out, where all of them would take long


def differences(function, numbers, step=1e-6, places=None):
    """How the single number function(numbers) changes with each of the numbers (or of those at some places)."""
    flat = numbers.reshape(-1)
    places = np.arange(flat.size) if places is None else places
    found = []
    for place in places:
        kept, ends = flat[place], []
        for flat[place] in (kept + step, kept - step):
            ends.append(function(numbers))
        found.append((ends[0] - ends[1]) / (2 * step))
        flat[place] = kept
    return np.reshape(found, numbers.shape) if len(places) == flat.size else np.array(found)


def assert_close(found, expected):
    """Each of the numbers, to CLOSE of the largest."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=CLOSE * np.abs(expected).max())


def new_model(rng, outputs=2, counts=(6, 6), scale=1.0):
    """A model of random numbers, pixels being 0 to 255; `scale` makes its sums larger or smaller."""
    kernels_1 = rng.normal(size=(counts[0], 25)) / 255
    kernels_2 = rng.normal(size=(counts[1], 25 * counts[0])) / 5
    weights = rng.normal(size=(1, outputs * (25 * counts[1] + 1))) * scale
    return [kernels_1, kernels_2, weights, [str(number) for number in range(outputs)]]


def loss(pixels, made, label, output_sum, keep):
    """Minus the natural logarithm of the right label's probability: of softmax(), not of its smallest."""
    return -np.log(cnn.steps(pixels, made, output_sum, keep).softmax[np.argmax(label)])


def assert_gradients(pixels, made, label, output_sum, keep=cnn.KEEP_ALL, sample=None):
    """All three gradients of a picture against central differences, of each array at `sample` places, or at all."""
    found = backpropagation.gradients(pixels, made, label, output_sum, keep)
    for array, gradient in zip(made, found):
        assert gradient.shape == array.shape
        places = np.arange(array.size) if sample is None else np.random.default_rng(1).permutation(array.size)[:sample]
        step = 1e-6 * np.abs(array).max()
        expected = differences(lambda _: loss(pixels, made, label, output_sum, keep), array, step, places)
        error = np.abs(gradient.reshape(-1)[places] - expected.reshape(-1)).max() / np.abs(gradient).max()
        print("largest error", error)
        assert error < CLOSE


# Each step


@pytest.mark.parametrize("outputs", [2, 3, 10])
def test_cross_entropy(rng, outputs):
    scaled, label = rng.normal(size=outputs) * 3, np.eye(outputs)[1]
    found = backpropagation.cross_entropy(np.array(cnn.softmax(scaled)), label)
    assert_close(found, differences(lambda scaled: -np.log(cnn.softmax(scaled)[1]), scaled))


@pytest.mark.parametrize("outputs", [2, 3, 10])
@pytest.mark.parametrize("output_sum", [100, 10, 0.5])
@pytest.mark.parametrize("total", [101, 99, 1e6, 1])
def test_scale_outputs(rng, outputs, output_sum, total):
    values, gradient = rng.random(outputs), rng.normal(size=outputs)
    values *= total / values.sum()
    found = backpropagation.scale_outputs(gradient, values.tolist(), output_sum)
    expected = differences(lambda values: gradient @ cnn.scale_outputs(values, output_sum), values, 1e-4 * total / 100)
    assert_close(found, expected)


def test_absolute(rng):
    sums, gradient = np.array([-3.0, 2.0, -0.5, 7.0]), rng.normal(size=4)
    assert_close(backpropagation.absolute(gradient, sums.tolist()),
                 differences(lambda sums: gradient @ cnn.absolute(sums), sums))  # fmt: skip


def test_fully_connected_and_flatten(rng):
    maps, weights, gradient = rng.normal(size=(6, 5, 5)), rng.normal(size=(3, 151)), rng.normal(size=3)

    def result(_):
        return gradient @ cnn.fully_connected(cnn.flatten(maps), weights)

    to_weights, to_inputs = backpropagation.fully_connected(gradient, cnn.flatten(maps), weights)
    assert_close(to_weights, differences(result, weights))
    assert_close(backpropagation.flatten(to_inputs, maps), differences(result, maps))


def test_dropout_and_relu(rng):
    maps, gradient = rng.normal(size=(6, 5, 5)), rng.normal(size=(6, 5, 5))
    keep = rng.random((6, 5, 5)) < 0.8
    assert_close(backpropagation.dropout(gradient, keep),
                 differences(lambda maps: (gradient * cnn.dropout(maps, keep)).sum(), maps))  # fmt: skip
    assert_close(backpropagation.relu(gradient, cnn.relu(maps)),
                 differences(lambda maps: (gradient * cnn.relu(maps)).sum(), maps))  # fmt: skip
    assert backpropagation.relu(np.ones((1, 1, 3)), np.array([[[0.0, 1e-9, 5.0]]])).tolist() == [[[0, 1, 1]]]


def test_max_pool(rng):
    maps, gradient = rng.normal(size=(6, 10, 14)), rng.normal(size=(6, 5, 7))
    assert_close(backpropagation.max_pool(gradient, maps),
                 differences(lambda maps: (gradient * cnn.max_pool(maps)).sum(), maps))  # fmt: skip


def test_of_equal_values_in_a_pool_the_first_gets_all():
    maps = np.array([[[1, 2, 5, 5], [2, 2, 5, 5], [0, 0, 3, 3], [0, 0, 1, 4]]])
    expected = [[[0, 7, 8, 0], [0, 0, 0, 0], [9, 0, 0, 0], [0, 0, 0, 6]]]
    assert backpropagation.max_pool(np.array([[[7, 8], [9, 6]]]), maps).tolist() == expected


@pytest.mark.parametrize(("count", "kernels", "side"), [(1, 6, 12), (6, 6, 8), (3, 2, 7)])
def test_convolve(rng, count, kernels, side):
    maps, weights = rng.normal(size=(count, side, side + 1)), rng.normal(size=(kernels, count * 25))
    gradient = rng.normal(size=(kernels, side - 4, side - 3))

    def result(_):
        return (gradient * cnn.convolve(maps, weights)).sum()

    to_kernels, to_maps = backpropagation.convolve(gradient, maps, weights)
    assert_close(to_kernels, differences(result, weights, 1e-4))
    assert_close(to_maps, differences(result, maps, 1e-4))


# All together


@pytest.mark.parametrize(
    ("outputs", "output_sum", "scale", "scaled"),
    [(2, 100, 100, True), (3, 10, 100, True), (10, 30, 100, True), (2, 100, 0.3, False), (10, 10, 0.3, False)],
)
@pytest.mark.parametrize("dropout", [False, True])
def test_all_together_on_random_models(rng, outputs, output_sum, scale, scaled, dropout):
    made, pixels = new_model(rng, outputs, scale=scale), rng.random((32, 32)) * 255
    keep = cnn.draw_masks(rng) if dropout else cnn.KEEP_ALL
    step = cnn.steps(pixels, made, output_sum, keep)
    made[2].reshape(outputs, -1)[0] *= -np.sign(step.sums[0])  # a sum below 0, of which absolute() turns the sign
    assert (sum(step.outputs) > 100) == scaled
    label = np.eye(outputs)[step.softmax.argsort()[-2]]  # wrong, but not beyond hope: there is something to learn
    assert_gradients(pixels, made, label, output_sum, keep, SAMPLE)


def distance_from_ties(step):
    """How far the two largest of four values in a pool differ at least, where both are above 0, as a share."""
    gaps = []
    for maps in (step.maps_1, step.maps_2):
        count, height, width = maps.shape
        fours = maps.reshape(count, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4)
        fours.sort(axis=1)
        fours = fours[fours[:, 3] > 0]
        gaps.append(((fours[:, 3] - fours[:, 2]) / maps.max()).min())
    return min(gaps)


@pytest.mark.parametrize("output_sum", [100, 10])
@pytest.mark.parametrize("dropout", [False, True])
def test_all_together_on_real_pictures(real_pictures, rng, output_sum, dropout):
    start = model.start_model(["0", "1"], rng, train_kernels=True)
    made = [np.array(array, float) for array in start[:3]] + [["0", "1"]]
    for path, label in real_pictures[:: len(real_pictures) // 2]:
        keep = cnn.draw_masks(rng) if dropout else cnn.KEEP_ALL
        pixels = 10 + 0.9 * cnn.read_pixels(path) + rng.normal(size=(32, 32))  # away from ties: white is one value
        assert distance_from_ties(cnn.steps(pixels, made, output_sum, keep)) > 0
        assert_gradients(pixels, made, np.eye(2)[int(label)], output_sum, keep, SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("output_sum", [100, 10])
def test_every_weight_on_many_real_pictures(real_pictures, rng, output_sum):
    start = model.start_model(["0", "1"], rng, train_kernels=True)
    made = [np.array(array, float) for array in start[:3]] + [["0", "1"]]
    for path, label in real_pictures[::52]:
        pixels = 10 + 0.9 * cnn.read_pixels(path) + rng.normal(size=(32, 32))
        for keep in (cnn.KEEP_ALL, cnn.draw_masks(rng)):
            assert_gradients(pixels, made, np.eye(2)[int(label)], output_sum, keep)


def test_what_it_takes_and_gives(dataset, rng):
    made = new_model(rng, 3)
    path = dataset / "0" / "img001-00001.png"
    found = backpropagation.gradients(str(path), made, [0, 1, 0], 10)
    assert [array.shape for array in found] == [(6, 25), (6, 150), (1, 453)]
    for other in (cnn.read_pixels(path), np.stack([cnn.read_pixels(path)] * 3, axis=2)):
        assert all(map(np.array_equal, backpropagation.gradients(other, made, np.eye(3)[1], 10), found))
    assert all(map(np.array_equal, backpropagation.gradients(path, [*made, 10], [0, 1, 0]), found))
    with pytest.raises(cnn.InputError, match="a one-hot label of 3 numbers"):
        backpropagation.gradients(path, made, [0, 1], 10)


# The fast way


def single(made):
    """A model's three arrays as all_layers() takes them."""
    arrays = [np.array(array, np.float32) for array in made[:3]]
    return [*arrays[:2], arrays[2].reshape(len(made[3]), -1)]


def assert_the_fast_way_agrees(pixels, made, right, output_sum, keep):
    """A step of all_layers() against gradients() of the same numbers, which are of single precision."""
    arrays = single(made)
    before = [array.copy() for array in arrays]
    made = [*(array.astype(float) for array in before[:2]), before[2].astype(float).reshape(1, -1), made[3]]
    label = np.eye(len(made[3]))[right]
    expected = backpropagation.gradients(pixels, made, label, output_sum, keep)
    step = cnn.steps(pixels, made, output_sum, keep)

    alpha = 2.0**40  # so large a step that what it starts from no longer counts
    entropy, softmax = backpropagation.all_layers(*arrays, output_sum)(pixels, right, alpha, keep)
    for index, share in enumerate((backpropagation.PIXEL_SCALE, 1, 1)):
        found = (before[index].astype(float) - arrays[index]) / (alpha * share)
        error = np.abs(found.reshape(expected[index].shape) - expected[index]).max() / np.abs(expected[index]).max()
        print("largest error, single precision", error)
        assert error < SINGLE
    assert entropy == pytest.approx(cnn.cross_entropy(step.softmax, label), rel=1e-5)
    np.testing.assert_allclose(softmax, step.softmax, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("counts", [(6, 6), (3, 12), (16, 3), (2, 5)])
@pytest.mark.parametrize(("outputs", "output_sum", "scale"), [(2, 10, 100), (10, 10, 100), (3, 100, 0.3)])
@pytest.mark.parametrize("dropout", [False, True])
def test_the_fast_way_agrees_with_the_clear_one(rng, counts, outputs, output_sum, scale, dropout):
    made, pixels = new_model(rng, outputs, counts, scale), np.round(rng.random((32, 32)) * 255)
    keep = cnn.KEEP_ALL
    if dropout:
        keep = [(rng.random(shape) < 0.8).astype(np.float32) for shape in ((counts[0], 14, 14), (counts[1], 5, 5))]
    right = cnn.steps(pixels, made, output_sum, keep).softmax.argsort().tolist()[-2]
    assert_the_fast_way_agrees(pixels, made, right, output_sum, keep)


@pytest.mark.parametrize("dropout", [False, True])
def test_the_fast_way_agrees_on_pictures_with_ties(dataset, rng, dropout):
    """On white paper all windows are the same, to the last bit with whole numbers: both ways take the first."""
    made = model.start_model(["0", "1"], rng)
    for path in sorted(dataset.rglob("*.png")):
        keep = cnn.draw_masks(rng) if dropout else cnn.KEEP_ALL
        assert_the_fast_way_agrees(cnn.read_pixels(path), made, int(path.parent.name), 10, keep)


def test_a_picture_that_is_certain_moves_nothing(rng):
    """Softmax gives the other label e^-100, which single precision can only hold in its slow numbers near 0."""
    made, pixels = new_model(rng, 2, scale=100), rng.random((32, 32)) * 255
    arrays = single(made)
    arrays[2][1] = arrays[2][0] * 1e-6
    before = [array.copy() for array in arrays]
    entropy, softmax = backpropagation.all_layers(*arrays, 100)(pixels, 0, 2.0**40)
    assert (entropy, 0 < softmax[1] < 1e-40) == (0, True)
    assert all(map(np.array_equal, arrays, before))


# Another library


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [2, 10])
@pytest.mark.parametrize("scale", [100, 0.3])
def test_pytorch_finds_the_same(rng, outputs, scale):
    """In double precision, on random pictures: without ties, of which each library chooses in its own way."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    for _ in range(5):
        made, pixels = new_model(rng, outputs, scale=scale), rng.random((32, 32)) * 255
        label = np.eye(outputs)[cnn.cnn(pixels, made).argsort()[-2]]
        found = backpropagation.gradients(pixels, made, label, 100)
        trained = [torch.tensor(array, requires_grad=True) for array in made[:3]]
        shaped = [*trained[:2], trained[2].reshape(outputs, 151)]
        _, scaled = peers.pytorch_forward(torch.tensor(pixels), shaped, (0, 0))
        expected = torch.autograd.grad(-torch.log_softmax(scaled, 0) @ torch.tensor(label), trained)
        for ours, theirs in zip(found, expected):
            error = np.abs(ours - theirs.numpy()).max() / np.abs(ours).max()
            print("largest error, PyTorch", error)
            assert error < 1e-9


def test_the_cross_entropy_of_a_certain_right_answer_is_plain_zero():
    loss, softmax, _ = backpropagation.last_error(np.array([1000, 0], np.float32), 0, 100)
    assert softmax[0] == 1
    assert str(loss) == "0.0"
