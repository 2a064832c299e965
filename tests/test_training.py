"""training.py: the update rule, repeatability, what is written, and which pictures are found."""

import json
import re

import numpy as np
import pytest
import reference
from conftest import ROOT
from PIL import Image

import cnn
import metadata
import model
import preprocessing
import training
from support.files import InputError


def train(folder, dataset, generations=200, alpha=5e-9, **settings):
    settings = {"seed": 3, "dataset": dataset, **settings}
    return training.train(alpha, generations, folder / "model.doc", folder / "metadata.doc", **settings)


def files(folder):
    """Both files' bytes, without the line that says when training started."""
    return (folder / "model.doc").read_bytes(), (folder / "metadata.doc").read_bytes().split(b"\n", 1)[1]


def test_update_follows_the_formula(rng):
    weights = rng.normal(size=(2, 151))
    result = cnn.Trained(0.5, np.array([0.0, 1.0]), np.array([0.7, 0.3]), rng.normal(size=151) * 1e5)
    expected = weights.copy()
    for i in range(302):
        expected[i // 151, i % 151] -= 5e-9 * (result.softmax - result.label)[i // 151] * result.flattened[i % 151]
    training.update(weights, 5e-9, result)
    np.testing.assert_allclose(weights, expected, rtol=1e-14)


@pytest.mark.parametrize("dropout", [True, False])
def test_a_run_agrees_with_plain_loops(dataset, tmp_path, dropout):
    trained = train(tmp_path, dataset, 30, alpha=1e-6, dropout=dropout)
    rng, dropout_rng, _ = training.generators(3)
    masks = cnn.dropout_masks(dropout_rng.bit_generator)
    kernels_1, kernels_2, weights, labels, _ = model.start_model(["0", "1"], rng)
    weights = weights[0].tolist()
    pictures = [(path, int(label)) for label in labels for path in sorted((dataset / label).iterdir())]
    for row in metadata.read_metadata(tmp_path / "metadata.doc"):
        path, correct = pictures[int(rng.random() * len(pictures))]
        pixels = np.asarray(Image.open(path)).max(axis=2).tolist()
        draw = numbers_of_dropout(masks).__next__ if dropout else lambda: 1.0
        cross_entropy, softmax = reference.train_once(
            pixels, kernels_1.tolist(), kernels_2.tolist(), weights, np.eye(2)[correct], 1e-6, draw
        )
        assert row["label"] == labels[correct]
        assert row["cross_entropy"] == pytest.approx(cross_entropy, abs=1e-9)
        assert row["softmax"] == pytest.approx(softmax[0], abs=1e-9)
        assert row["predicted"] == labels[int(np.argmax(softmax))]
    np.testing.assert_allclose(trained[2][0], weights, rtol=0, atol=1e-9)


def numbers_of_dropout(masks):
    """Numbers that the plain version drops or keeps the same values for, one after the other."""
    for keep in next(masks):
        yield from np.where(keep, 0.99, 0.0).ravel().tolist()


def test_only_the_fully_connected_weights_change(dataset, tmp_path, rng):
    kernels_1, kernels_2, weights, *_ = train(tmp_path, dataset)
    start = model.start_model(["0", "1"], training.generators(3)[0])
    assert np.array_equal(kernels_1, start[0])
    assert np.array_equal(kernels_2, start[1])
    assert (weights != start[2]).mean() > 0.9


def test_the_model_returned_is_the_model_written(dataset, tmp_path):
    trained = train(tmp_path, dataset)
    read = model.read_model(tmp_path / "model.doc")
    assert all(np.array_equal(a, b) for a, b in zip(trained, read))


def test_the_same_seed_gives_the_same_files_and_another_seed_others(dataset, tmp_path):
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        train(tmp_path / name, dataset, seed=seed)
        runs.append(files(tmp_path / name))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]
    assert runs[0][1] != runs[2][1]


def test_the_fast_way_changes_nothing(dataset, tmp_path, monkeypatch):
    fast = train(tmp_path, dataset)
    paths = [path for label in "01" for path in training.find_pictures(str(dataset), label)]
    numbers = iter(range(8))
    monkeypatch.setattr(cnn, "first_layer", lambda pixels, _: np.array(next(numbers)))
    monkeypatch.setattr(
        cnn, "second_layer", lambda maps, _, keep: cnn.steps(cnn.read_pixels(paths[maps]), fast, keep=keep).flattened
    )
    assert np.array_equal(train(tmp_path, dataset)[2], fast[2])


def test_without_a_seed_one_is_drawn_and_said_to_the_caller(dataset, tmp_path, capfd):
    said = []
    train(tmp_path, dataset, seed=None)
    train(tmp_path, dataset, seed=None, say=said.append)
    assert capfd.readouterr() == ("", "")
    drawn = int(re.fullmatch(r"seed (\d+)", said[0]).group(1))
    before = files(tmp_path)
    train(tmp_path, dataset, seed=drawn)
    assert files(tmp_path) == before


def test_numpys_own_numbers_are_taken(dataset, tmp_path):
    plain = train(tmp_path, dataset, 50, average=True, output_sum=10.0, seed=1)
    before = files(tmp_path)
    numpys = {"average": np.True_, "output_sum": np.float32(10), "seed": np.int64(1), "labels": np.array(["0", "1"])}
    assert np.array_equal(train(tmp_path, dataset, np.int64(50), np.float64(5e-9), **numpys)[2], plain[2])
    assert files(tmp_path) == before


@pytest.mark.parametrize("output_sum", [0.5, 1e6])
def test_an_output_sum_may_be_small_or_large(dataset, tmp_path, output_sum):
    assert train(tmp_path, dataset, 10, output_sum=output_sum)[4] == output_sum


def test_zero_generations_write_the_start_model(dataset, tmp_path):
    train(tmp_path, dataset, 0)
    start = model.start_model(["0", "1"], training.generators(3)[0])
    assert np.array_equal(model.read_model(tmp_path / "model.doc")[2], start[2])
    assert len(metadata.read_metadata(tmp_path / "metadata.doc")) == 0


@pytest.mark.parametrize("labels", [["1", "0"], ["7", "a", "é"]])
def test_any_two_or_more_labels_work(dataset, tmp_path, labels):
    for old, label in zip("01", labels):
        (dataset / old).rename(dataset / f"new-{label}")
    for label in labels:
        (dataset / f"new-{label}").mkdir(exist_ok=True)
        (dataset / f"new-{label}").rename(dataset / label)
        Image.new("RGB", (32, 32), "white").save(dataset / label / "img999-1.png")
    trained = train(tmp_path, dataset, labels=labels)
    assert trained[3] == labels
    assert trained[2].shape == (1, 151 * len(labels))
    assert set(metadata.read_metadata(tmp_path / "metadata.doc")["label"]) == set(labels)
    assert cnn.cnn(Image.new("L", (32, 32)), trained).shape == (len(labels),)


def test_pictures_are_found_by_sorted_name_and_other_files_left_alone(dataset):
    for name in (
        "img001-0000123.png",
        "img001-7.png",
        "notes.txt",
        "img001-00001.jpg",
        "img001.png",
        "img001-1.png.new",
    ):
        (dataset / "0" / name).write_bytes(b"")
    found = [path.rsplit("/", 1)[1] for path in training.find_pictures(str(dataset), "0")]
    assert found == sorted(
        [*(f"img001-0000{number}.png" for number in (1, 2, 3, 4)), "img001-0000123.png", "img001-7.png"]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, "alpha: expected"),
        ({"alpha": float("nan")}, "alpha: expected"),
        ({"generations": -1}, "generations: expected"),
        ({"generations": 1e3}, "generations: expected a whole number"),
        ({"output_sum": 0}, "output sum: expected"),
        ({"output_sum": float("inf")}, "output sum: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"seed": "1"}, "seed: expected a whole number, found '1'"),
        ({"alpha": "x"}, "alpha: expected a number, found 'x'"),
        ({"labels": None}, "labels: expected a list of labels, found None"),
        ({"dataset": None}, "dataset: expected a path, found None"),
        ({"average": 1}, "average: expected True or False, found 1"),
        ({"labels": ["0"]}, "labels: expected two"),
        ({"labels": ["0 1"]}, "'0 1' is a single label; without quotes it is several: --labels 0 1"),
        ({"labels": ["0", "0"]}, "labels: expected two"),
        ({"labels": ["0", ".."]}, "labels: '..' cannot"),
        ({"labels": ["0", "a/b"]}, "labels: 'a/b' cannot"),
        ({"labels": ["0", "a b"]}, "labels: 'a b' cannot"),
        ({"labels": ["0", "2"]}, "expected a folder of pictures of a '2'"),
        ({"dataset": "absent"}, "expected a folder of pictures"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_touched(dataset, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, **{"dataset": dataset, **settings})
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_broken_picture_is_named_before_anything_is_touched(dataset, tmp_path):
    (dataset / "1" / "img002-00009.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"img002-00009\.png: expected a picture"):
        train(tmp_path, dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_both_files_keep_up_while_training(dataset, tmp_path):
    seen = []

    def progress(generation, recent):
        rows = metadata.read_metadata(tmp_path / "metadata.doc")
        if generation == 0:
            return
        seen.append(generation)
        assert metadata.read_header(tmp_path / "metadata.doc")[1] == generation == len(rows)
        assert len(model.read_model(tmp_path / "model.doc")) == 5
        assert [pair[0] for pair in recent] == rows["cross_entropy"][-100:].tolist()
        assert [pair[1] for pair in recent] == (rows["label"] == rows["predicted"])[-100:].tolist()
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, dataset, 10**9, progress=progress)
    assert seen[:4] == sorted(set(seen[:4]))
    assert training.WRITE_EVERY < 1


def test_real_zeros_and_ones_are_told_apart_by_the_shipped_model(real_pictures):
    shipped = model.read_model(ROOT / "models" / "shipped.doc")
    right = sum(int(cnn.cnn(path, shipped).argmax()) == int(label) for path, label in real_pictures)
    assert right >= 0.95 * 520


def test_alpha_decay_falls_linearly_to_zero(dataset, tmp_path, monkeypatch):
    rates = []
    update = training.update
    monkeypatch.setattr(
        training, "update", lambda weights, alpha, result: rates.append(alpha) or update(weights, alpha, result)
    )
    train(tmp_path, dataset, 100, alpha=1e-7, alpha_decay=True)
    np.testing.assert_allclose(rates, 1e-7 * (1 - np.arange(100) / 100), rtol=1e-12)


@pytest.mark.parametrize("generations", [100, 101])
def test_average_writes_the_mean_of_the_last_half_beside_the_last_weights(dataset, tmp_path, monkeypatch, generations):
    seen = []
    update = training.update

    def note(weights, alpha, result):
        update(weights, alpha, result)
        seen.append(weights.copy())

    monkeypatch.setattr(training, "update", note)
    returned = train(tmp_path, dataset, generations, alpha=1e-7, average=True)
    np.testing.assert_allclose(returned[2][0], np.mean(seen[generations // 2 :], axis=0).ravel(), rtol=1e-12)
    assert np.array_equal(model.read_model(tmp_path / "model.doc")[2], returned[2])
    assert np.array_equal(model.read_model(tmp_path / "model.doc.last")[2][0], seen[-1].ravel())


def test_trim_trains_on_what_fit_makes_of_a_picture_when_it_trims(dataset, tmp_path):
    trimmed = tmp_path / "trimmed"
    for path in dataset.rglob("*.png"):
        (trimmed / path.parent.name).mkdir(parents=True, exist_ok=True)
        preprocessing.preprocess(path, trimmed / path.relative_to(dataset), trim=True)
    expected = train(tmp_path, trimmed)[2]
    assert np.array_equal(train(tmp_path, dataset, trim=True)[2], expected)


@pytest.mark.parametrize("end", [0, 149, 150, 151, 220, 299])
def test_averaging_in_pieces_is_averaging_in_one_go(dataset, tmp_path, monkeypatch, end):
    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    whole = train(tmp_path, dataset, 300, average=True, alpha_decay=True)
    before = files(tmp_path)

    def progress(generation, _):
        if generation == end:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, dataset, 300, average=True, alpha_decay=True, progress=progress)
    assert metadata.read_header(tmp_path / "metadata.doc")[1] == end
    resumed = train(tmp_path, dataset, 300, average=True, alpha_decay=True, resume=True)
    assert np.array_equal(resumed[2], whole[2])
    assert files(tmp_path) == before


@pytest.mark.parametrize("setting", [{"average": True}, {"alpha_decay": True}])
def test_what_depends_on_the_number_of_generations_keeps_it(dataset, tmp_path, setting):
    train(tmp_path, dataset, 100, **setting)
    with pytest.raises(InputError, match="was begun with generations 100, found generations 200"):
        train(tmp_path, dataset, 200, resume=True, **setting)


def test_without_dropout_in_pieces_is_one_run(dataset, tmp_path):
    whole = train(tmp_path, dataset, 300, dropout=False)
    train(tmp_path, dataset, 120, dropout=False)
    with pytest.raises(InputError, match="was begun with dropout False, found dropout True"):
        train(tmp_path, dataset, 300, resume=True)
    assert np.array_equal(train(tmp_path, dataset, 300, dropout=False, resume=True)[2], whole[2])


def test_a_checkpoint_from_before_there_was_a_choice_had_dropout(dataset, tmp_path):
    whole = train(tmp_path, dataset, 300)
    train(tmp_path, dataset, 120)
    path = tmp_path / "metadata.doc.resume"
    kept = json.loads(path.read_text())
    del kept["dropout"]
    path.write_text(json.dumps(kept))
    assert np.array_equal(train(tmp_path, dataset, 300, resume=True)[2], whole[2])
