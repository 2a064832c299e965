"""training.py: the paper's loop and its rule, what each setting does, and what is refused."""

import re
import shutil

import numpy as np
import pytest
import reference
from conftest import ROOT, screen_of
from PIL import Image

import backpropagation
import cnn
import metadata
import model
import training
from support.files import InputError


def train(folder, dataset, generations=100, alpha=5e-9, **settings):
    screen = screen_of(**{name: settings.pop(name) for name in ("say", "progress") if name in settings})
    settings = {"seed": 3, "dataset": dataset, "screen": screen, **settings}
    return training.train(alpha, generations, folder / "model.doc", folder / "metadata.doc", **settings)


@pytest.mark.parametrize("settings", [{}, {"dropout": False}])
def test_a_training_agrees_with_plain_loops(dataset, tmp_path, settings):
    trained = train(tmp_path, dataset, 20, alpha=1e-6, **settings)
    rng = np.random.default_rng(3)
    kernels_1, kernels_2, weights, labels, _ = model.start_model(["0", "1"], rng)
    kernels, weights = (kernels_1.tolist(), kernels_2.tolist()), weights[0].tolist()
    random = (lambda: 1.0) if settings else (lambda: rng.random(dtype=np.float32))  # below 0.15 or 0.2 it drops
    pictures = [(path, int(label)) for label in labels for path in sorted((dataset / label).iterdir())]
    for row in metadata.read_metadata(tmp_path / "metadata.doc"):
        path, correct = pictures[int(rng.random() * len(pictures))]
        pixels = np.asarray(Image.open(path)).max(axis=2).tolist()
        cross_entropy, softmax = reference.train_once(pixels, *kernels, weights, np.eye(2)[correct], 1e-6, random)
        assert (row["label"], row["predicted"]) == (labels[correct], labels[int(np.argmax(softmax))])
        assert row["cross_entropy"] == pytest.approx(cross_entropy, abs=1e-9)
        assert row["softmax"] == pytest.approx(softmax[0], abs=1e-9)
    np.testing.assert_allclose(trained[2][0], weights, rtol=0, atol=1e-9)
    assert np.array_equal(trained[0], kernels_1)
    assert np.array_equal(trained[1], kernels_2)


@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("more", [{}, {"kernels": (3, 4)}])
def test_all_layers_learn_by_the_gradients(dataset, tmp_path, dropout, more):
    trained = train(tmp_path, dataset, 1, 0.003, train_kernels=True, dropout=dropout, **more)
    rng = np.random.default_rng(3)
    start = model.start_model("01", rng, train_kernels=True, **more)
    paths = [path for label in "01" for path in sorted((dataset / label).iterdir())]
    path = paths[int(rng.random() * len(paths))]
    steps = cnn.forward(cnn.read_pixels(path), start, rng=rng if dropout else None)
    changes = backpropagation.gradients(steps, start, np.eye(2)[int(path.parent.name)])
    for array, before, change, scale in zip(trained, start, changes, (1 / 255**2, 1, 1)):
        np.testing.assert_allclose(array, before - 0.003 * scale * change, rtol=1e-5, atol=1e-9)
        assert (array != before).mean() > 0.3


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


@pytest.mark.parametrize(("generations", "average"), [(0, False), (100, False), (100, True)])
def test_the_model_returned_is_the_model_written(dataset, tmp_path, generations, average):
    numpys = {"labels": np.array(["1", "0"]), "output_sum": np.float32(10), "average": np.bool_(average)}
    trained = train(tmp_path, dataset, np.int64(generations), np.float64(5e-9), seed=np.int64(3), **numpys)
    read = model.read_model(tmp_path / "model.doc")
    assert all(np.array_equal(a, b) for a, b in zip(trained, read))
    assert read[3:] == [["1", "0"], 10]
    assert len(metadata.read_metadata(tmp_path / "metadata.doc")) == generations
    start = model.start_model("10", np.random.default_rng(3))
    assert np.array_equal(read[2], start[2]) is (generations == 0)


def test_the_number_of_pictures_is_said_and_no_file_is_passed_over_in_silence(dataset, tmp_path):
    folder = dataset / "0"
    (folder / "img001-00004.png").rename(folder / "img001-00004.PNG")
    (folder / "img001-00003.png").rename(folder / "img001-00003.jpg")
    said = []
    train(tmp_path, dataset, 5, say=said.append)
    assert f"{folder}: passed over 1 of 4 files, expected names like img001-00001.png" in said
    assert "7 pictures: 3 of 0, 4 of 1" in said


@pytest.mark.parametrize(("how", "share"), [("jitter", 1), ("bend", 0.7)])
def test_training_takes_distorted_pictures(dataset, tmp_path, monkeypatch, how, share):
    seen, real = [], cnn.cnn
    monkeypatch.setattr(cnn, "cnn", lambda picture, *rest, **more: seen.append(picture) or real(picture, *rest, **more))
    train(tmp_path, dataset, 1000, **{how: True})
    originals = np.array([cnn.read_pixels(path) for path in dataset.rglob("*.png")], int)
    moved = np.array([np.abs(originals - picture).mean(axis=(1, 2)).min() for picture in seen])
    assert (moved > 0).mean() == pytest.approx(share, abs=0.05)
    assert 5 < moved[moved > 0].mean() < 30
    assert np.mean(seen) == pytest.approx(originals.mean(), rel=0.05)


def test_alpha_decay_falls_linearly_to_zero(dataset, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(training, "update", lambda weights, alpha, result: rates.append(alpha))
    train(tmp_path, dataset, 100, alpha=1e-7, alpha_decay=True)
    np.testing.assert_allclose(rates, 1e-7 * (1 - np.arange(100) / 100), rtol=1e-12)


@pytest.mark.parametrize("generations", [10, 11])
def test_average_gives_the_mean_of_the_last_half(dataset, tmp_path, generations):
    last_half = [train(tmp_path, dataset, count, 1e-7)[2] for count in range(generations // 2 + 1, generations + 1)]
    average = train(tmp_path, dataset, generations, 1e-7, average=True)[2]
    np.testing.assert_allclose(average, np.mean(last_half, axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("alpha", [-1, float("nan"), "x"], "alpha: expected a learning rate from 0 to 1 .*, found"),
        ("generations", [-1, 1e3], "generations: expected a whole number, 0 or more, found"),
        ("output_sum", [0, float("inf")], "output sum: expected a number above 0"),
        ("seed", [-1, "1"], "seed: expected a whole number, 0 or more, found"),
        ("kernels", [(12,), (0, 6), (6, 101)], "kernels: expected two whole numbers from 1 to 100"),
        ("kernels", [(12, 24), (6, 6)], "kernels: the paper's 6 and 6 are set by hand"),
        ("labels", [["0"], ["0", "0"]], "labels: expected two"),
        ("labels", [["0", ".."], ["0", "a/b"]], "labels: '.*' cannot be the name of a folder"),
        ("labels", [["0", "\udce9"]], "is not UTF-8 text; set the terminal to UTF-8"),
        ("labels", [["0", "2"]], "expected a folder of pictures of a '2'"),
        ("dataset", ["broken"], r"img002-00009\.png: expected a picture"),
    ],
)
def test_what_cannot_be_used_is_refused_and_touches_nothing(dataset, tmp_path, monkeypatch, name, values, message):
    shutil.copytree(dataset, tmp_path / "broken")
    (tmp_path / "broken" / "1" / "img002-00009.png").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    for value in values:
        with pytest.raises(InputError, match=message):
            train(tmp_path, **{"dataset": "dataset", name: value})
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"} == {"dataset", "broken"}


def test_both_files_keep_up_while_training(dataset, tmp_path):
    seen = []

    def progress(generation, recent):
        rows = metadata.read_metadata(tmp_path / "metadata.doc")
        assert metadata.read_header(tmp_path / "metadata.doc")[1] == generation == len(rows)
        assert len(model.read_model(tmp_path / "model.doc")) == 5
        assert [pair[0] for pair in recent] == rows["cross_entropy"][-100:].tolist()
        seen.append(generation)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, dataset, 10**9, progress=progress)
    assert seen == sorted(set(seen))


def test_real_zeros_and_ones_are_told_apart_by_the_shipped_model(real_pictures):
    shipped = model.read_model(ROOT / "models" / "shipped.doc")
    right = sum(int(cnn.cnn(path, shipped).argmax()) == int(label) for path, label in real_pictures)
    assert right >= 0.95 * 520
