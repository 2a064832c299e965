"""training.py: the paper's loop and its rule, what each setting does, and what is refused."""

import doctest
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

ALL = {"train_kernels": True, "alpha": 0.003}


def train(folder, dataset, generations=100, alpha=5e-9, **settings):
    settings = {"seed": 3, "dataset": dataset, **settings}
    return training.train(alpha, generations, folder / "model.doc", folder / "metadata.doc", **settings)


def rows_of(folder):
    return metadata.read_metadata(folder / "metadata.doc")


def test_update_follows_the_formula(rng):
    weights = rng.normal(size=(2, 151))
    result = cnn.Trained(0.5, np.array([0.0, 1.0]), np.array([0.7, 0.3]), rng.normal(size=151) * 1e5)
    expected = weights.copy()
    for i in range(302):
        expected[i // 151, i % 151] -= 5e-9 * (result.softmax - result.label)[i // 151] * result.flattened[i % 151]
    training.update(weights, 5e-9, result)
    np.testing.assert_allclose(weights, expected, rtol=1e-14)


def test_a_training_agrees_with_plain_loops(dataset, tmp_path):
    trained = train(tmp_path, dataset, 20, alpha=1e-6, dropout=False)
    rng = np.random.default_rng(3)
    kernels_1, kernels_2, weights, labels, _ = model.start_model(["0", "1"], rng)
    weights = weights[0].tolist()
    pictures = [(path, int(label)) for label in labels for path in sorted((dataset / label).iterdir())]
    for row in rows_of(tmp_path):
        path, correct = pictures[int(rng.random() * len(pictures))]
        pixels = np.asarray(Image.open(path)).max(axis=2).tolist()
        cross_entropy, softmax = reference.train_once(
            pixels, kernels_1.tolist(), kernels_2.tolist(), weights, np.eye(2)[correct], 1e-6, lambda: 1.0
        )
        assert (row["label"], row["predicted"]) == (labels[correct], labels[int(np.argmax(softmax))])
        assert row["cross_entropy"] == pytest.approx(cross_entropy, abs=1e-9)
        assert row["softmax"] == pytest.approx(softmax[0], abs=1e-9)
    np.testing.assert_allclose(trained[2][0], weights, rtol=0, atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"dropout": False}, {"jitter": True}])
def test_every_generation_of_the_papers_way_calls_cnn(dataset, tmp_path, monkeypatch, settings):
    calls, real = [], cnn.cnn

    def counted(*arguments, **more):
        calls.append(more["dropout"])
        return real(*arguments, **more)

    monkeypatch.setattr(cnn, "cnn", counted)
    train(tmp_path, dataset, 30, **settings)
    assert calls == [settings.get("dropout", True)] * 30
    train(tmp_path, dataset, 50, resume=True, **settings)
    assert len(calls) == 50


@pytest.mark.parametrize("kind", [tuple, cnn.Trained._make])
def test_what_cnn_returns_is_what_is_logged_and_learned(dataset, tmp_path, monkeypatch, kind):
    flattened = np.arange(151.0)
    monkeypatch.setattr(cnn, "cnn", lambda picture, model, label, training, **_: kind(
        (0.25, label, np.array([0.75, 0.25]), flattened)))  # fmt: skip
    trained = train(tmp_path, dataset, 10, alpha=0.001)
    rows = rows_of(tmp_path)
    assert set(rows["softmax"]) == {0.75}
    assert set(rows["cross_entropy"]) == {0.25}
    assert set(rows["predicted"]) == {"0"}
    weights = model.start_model("01", np.random.default_rng(3))[2].reshape(2, 151)
    for label in rows["label"]:
        weights -= 0.001 * np.outer(np.array([0.75, 0.25]) - (label == np.array(["0", "1"])), flattened)
    np.testing.assert_allclose(trained[2].reshape(2, 151), weights, rtol=1e-12)


def test_dropout_is_used_in_training(dataset, tmp_path, monkeypatch):
    zeros, real = {}, cnn.forward
    for dropout in (True, False):
        zeros[dropout] = []

        def noted(*arguments, found=zeros[dropout], **more):
            steps = real(*arguments, **more)
            found.append((steps.dropped_1 != steps.pooled_1).mean())
            return steps

        monkeypatch.setattr(cnn, "forward", noted)
        for settings in ({}, ALL):
            train(tmp_path, dataset, 20, dropout=dropout, **settings)
    assert min(zeros[True]) > 0.03
    assert max(zeros[False]) == 0


def test_only_the_fully_connected_weights_change_in_the_papers_way(dataset, tmp_path):
    kernels_1, kernels_2, weights, *_ = train(tmp_path, dataset)
    start = model.start_model(["0", "1"], np.random.default_rng(3))
    assert np.array_equal(kernels_1, start[0])
    assert np.array_equal(kernels_2, start[1])
    assert (weights != start[2]).mean() > 0.9


@pytest.mark.parametrize(("kernels", "more"), [((6, 6), {}), ((6, 6), {"random_kernels": True}), ((3, 4), {})])
def test_all_layers_learn_with_any_number_of_kernels(dataset, tmp_path, kernels, more):
    trained = train(tmp_path, dataset, 300, **ALL, kernels=kernels, dropout=False, **more)
    start = model.start_model("01", np.random.default_rng(3), train_kernels=True, kernels=kernels, **more)
    for array, before, shape in zip(trained, start, ((kernels[0], 25), (kernels[1], kernels[0] * 25), None)):
        assert array.shape == (shape or (1, 2 * (25 * kernels[1] + 1)))
        assert (array != before).mean() > 0.5
    read = model.read_model(tmp_path / "model.doc")
    assert next(iter(cnn.classify(dataset / "0" / "img001-00001.png", read))) == "0"
    resumed = train(tmp_path, dataset, 310, **ALL, kernels=kernels, dropout=False, resume=True, **more)
    assert resumed[0].shape == trained[0].shape


def test_all_layers_learn_by_the_gradients(dataset, tmp_path):
    trained = train(tmp_path, dataset, 1, **ALL, dropout=False)
    rng = np.random.default_rng(3)
    start = model.start_model("01", rng, train_kernels=True)
    paths = [path for label in "01" for path in sorted((dataset / label).iterdir())]
    path = paths[int(rng.random() * len(paths))]
    steps = cnn.forward(cnn.read_pixels(path), start)
    changes = training.gradients(steps, start, np.eye(2)[int(path.parent.name)])
    for array, before, change, scale in zip(trained, start, changes, (1 / 255**2, 1, 1)):
        np.testing.assert_allclose(array, before - 0.003 * scale * change, rtol=1e-5, atol=1e-9)


def test_without_a_seed_another_one_is_drawn_each_time_and_said(dataset, tmp_path):
    said, found = [], []
    for _ in range(2):
        train(tmp_path, dataset, seed=None, say=said.append)
        found.append((tmp_path / "model.doc").read_bytes())
    seeds = [int(match[1]) for match in map(re.compile(r"seed (\d+)$").match, said) if match]
    assert len(set(seeds)) == 2
    assert found[0] != found[1]
    train(tmp_path, dataset, seed=seeds[1])
    assert (tmp_path / "model.doc").read_bytes() == found[1]


def test_zero_generations_write_the_start_model(dataset, tmp_path):
    train(tmp_path, dataset, 0)
    start = model.start_model(["0", "1"], np.random.default_rng(3))
    assert np.array_equal(model.read_model(tmp_path / "model.doc")[2], start[2])
    assert len(rows_of(tmp_path)) == 0


def test_the_model_returned_is_the_model_written(dataset, tmp_path):
    trained = train(tmp_path, dataset, labels=["1", "0"], output_sum=10)
    read = model.read_model(tmp_path / "model.doc")
    assert all(np.array_equal(a, b) for a, b in zip(trained, read))
    assert read[3:] == [["1", "0"], 10]


def test_the_number_of_pictures_is_said_and_no_file_is_passed_over_in_silence(dataset, tmp_path):
    folder = dataset / "0"
    (folder / "img001-00004.png").rename(folder / "img001-00004.PNG")
    (folder / "img001-00003.png").rename(folder / "img001-00003.jpg")
    said = []
    train(tmp_path, dataset, 5, say=said.append)
    assert f"{folder}: passed over 1 of 4 files, expected names like img001-00001.png" in said
    assert "7 pictures: 3 of 0, 4 of 1" in said


def test_jitter_turns_by_at_most_12_degrees_and_reaches_it(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "distort", lambda picture, *how: seen.append(how) or picture)
    rng = np.random.default_rng(1)
    for _ in range(2000):
        training.jittered(np.zeros((32, 32), np.uint8), rng)
    limits = np.abs(np.array(seen) - (0, 0, 1, 1, 0, 0)).max(axis=0)
    np.testing.assert_allclose(limits, (12, 0.25, 0.2, 0.2, 1, 1), rtol=0.01)
    assert (limits <= (12, 0.25, 0.2, 0.2, 1, 1)).all()


def test_bending_moves_a_picture_a_little(rng):
    picture = cnn.read_pixels(ROOT / "dataset" / "0" / "img001-00001.png")
    bent = [training.bent(picture, rng) for _ in range(50)]
    assert np.mean([np.abs(other.astype(int) - picture).mean() for other in bent]) > 5
    assert np.mean(bent) == pytest.approx(picture.mean(), rel=0.05)


def test_alpha_decay_falls_linearly_to_zero(dataset, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(training, "update", lambda weights, alpha, result: rates.append(alpha))
    train(tmp_path, dataset, 100, alpha=1e-7, alpha_decay=True)
    np.testing.assert_allclose(rates, 1e-7 * (1 - np.arange(100) / 100), rtol=1e-12)


@pytest.mark.parametrize("generations", [40, 41])
def test_average_writes_the_mean_of_the_last_half(dataset, tmp_path, monkeypatch, generations):
    seen, update = [], training.update

    def note(weights, alpha, result):
        update(weights, alpha, result)
        seen.append(weights.copy())

    monkeypatch.setattr(training, "update", note)
    returned = train(tmp_path, dataset, generations, alpha=1e-7, average=True)
    np.testing.assert_allclose(returned[2][0], np.mean(seen[generations // 2 :], axis=0).ravel(), rtol=1e-12)
    assert np.array_equal(model.read_model(tmp_path / "model.doc")[2], returned[2])


def test_trim_trains_on_what_fit_makes_of_a_picture_when_it_trims(dataset, tmp_path):
    trimmed = tmp_path / "trimmed"
    for path in dataset.rglob("*.png"):
        (trimmed / path.parent.name).mkdir(parents=True, exist_ok=True)
        preprocessing.preprocess(path, trimmed / path.relative_to(dataset), trim=True)
    assert np.array_equal(train(tmp_path, dataset, trim=True)[2], train(tmp_path, trimmed)[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, "alpha: expected"),
        ({"alpha": float("nan")}, "alpha: expected"),
        ({"alpha": "x"}, "alpha: expected .*found 'x'"),
        ({"generations": -1}, "generations: expected"),
        ({"generations": 1e3}, "generations: expected a whole number"),
        ({"output_sum": 0}, "output sum: expected"),
        ({"output_sum": float("inf")}, "output sum: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"seed": "1"}, "seed: expected a whole number, 0 or more, found '1'"),
        ({"kernels": (12, 24)}, "kernels: the paper's 6 and 6 are set by hand"),
        ({"kernels": (12,), "train_kernels": True}, "kernels: expected two whole numbers"),
        ({"kernels": (0, 6), "train_kernels": True}, "kernels: expected two whole numbers"),
        ({"random_kernels": True}, "kernels: the paper's"),
        ({"labels": ["0"]}, "labels: expected two"),
        ({"labels": ["0 1"]}, "'0 1' is one label; without quotes it is several: --labels 0 1"),
        ({"labels": ["0", "0"]}, "labels: expected two"),
        ({"labels": ["0", ".."]}, r"labels: '\.\.' cannot"),
        ({"labels": ["0", "a/b"]}, "labels: 'a/b' cannot"),
        ({"labels": ["0", "a b"]}, "labels: 'a b' cannot"),
        ({"labels": ["0", "2"]}, "expected a folder of pictures of a '2'"),
        ({"dataset": "absent"}, "expected a folder of pictures"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_touched(dataset, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, **{"dataset": dataset, **settings})
    assert {path.name for path in tmp_path.iterdir()} <= {"dataset", "model.doc.lock", "metadata.doc.lock"}


def test_a_broken_picture_is_named_before_anything_is_touched(dataset, tmp_path):
    (dataset / "1" / "img002-00009.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"img002-00009\.png: expected a picture"):
        train(tmp_path, dataset)
    assert not (tmp_path / "model.doc").exists()


def test_both_files_keep_up_while_training(dataset, tmp_path):
    seen = []

    def progress(generation, recent):
        rows = rows_of(tmp_path)
        assert metadata.read_header(tmp_path / "metadata.doc")[1] == generation == len(rows)
        assert len(model.read_model(tmp_path / "model.doc")) == 5
        assert [pair[0] for pair in recent] == rows["cross_entropy"][-100:].tolist()
        seen.append(generation)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, dataset, 10**9, progress=progress)
    assert seen == sorted(set(seen))
    assert training.WRITE_EVERY < 1


def test_numpys_own_numbers_are_taken(dataset, tmp_path):
    plain = train(tmp_path, dataset, 50, average=True, output_sum=10.0, seed=1)
    numpys = {"average": np.True_, "output_sum": np.float32(10), "seed": np.int64(1), "labels": np.array(["0", "1"])}
    assert np.array_equal(train(tmp_path, dataset, np.int64(50), np.float64(5e-9), **numpys)[2], plain[2])


def test_real_zeros_and_ones_are_told_apart_by_the_shipped_model(real_pictures):
    shipped = model.read_model(ROOT / "models" / "shipped.doc")
    right = sum(int(cnn.cnn(path, shipped).argmax()) == int(label) for path, label in real_pictures)
    assert right >= 0.95 * 520


def test_the_example_in_the_docstring_is_one():
    assert doctest.DocTestParser().get_examples(training.__doc__)
