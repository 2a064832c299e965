"""--train-kernels and --jitter: what all layers learn, repeatability, pieces, and who takes such a model."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import cnn
import metadata
import model
import network
import preprocessing
import training
from experiments import architecture, kernels
from support.files import InputError

WAYS = [{}, {"dropout": False}, {"average": True}, {"alpha_decay": True}, {"jitter": True}]
ALL = {"average": True, "alpha_decay": True, "jitter": True}


def train(folder, generations=200, **settings):
    settings = {"seed": 3, "dataset": folder / "dataset", "train_kernels": True, **settings}
    return training.train(0.003, generations, folder / "model.doc", folder / "metadata.doc", **settings)


def files(folder):
    """The bytes of all files, without the line that says when training started."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and ".bak" not in path.name)
    return {name: (folder / name).read_bytes().split(b"\n", name == "metadata.doc")[-1:] for name in names
            if not name.endswith(".lock")}  # fmt: skip


@pytest.mark.parametrize("settings", [*WAYS, ALL, {"train_kernels": False, "jitter": True}])
def test_pieces_are_one_run(dataset, tmp_path, settings):
    whole_model = train(tmp_path, **settings)
    whole = files(tmp_path)

    def stop(generation, _):
        if generation == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, progress=stop, **settings)
    if not {"average", "alpha_decay"} & set(settings):
        train(tmp_path, 70, **settings)
        train(tmp_path, 71, resume=True, **settings)
    trained = train(tmp_path, resume=True, **settings)
    assert all(np.array_equal(a, b) for a, b in zip(trained[:3], whole_model))
    assert files(tmp_path) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_killed_again_and_again_the_run_is_the_same(dataset, tmp_path):
    command = [sys.executable, ROOT / "tests" / "kill_loop.py", tmp_path, "8", "20", "--train-kernels"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert len(done.stdout.split()) == 8
    kept = {"jitter": True, "seed": 6}
    reached = len(metadata.read_metadata(tmp_path / "metadata.doc"))
    pieces = train(tmp_path, reached + 5, resume=True, **kept)
    whole = train(tmp_path, reached + 5, **kept)
    assert all(np.array_equal(a, b) for a, b in zip(pieces[:3], whole))


def test_a_checkpoint_of_another_way_is_refused(dataset, tmp_path):
    train(tmp_path, 20)
    for change in ({"train_kernels": False}, {"jitter": True}):
        with pytest.raises(InputError, match="was begun with"):
            train(tmp_path, 40, resume=True, **change)


@pytest.mark.parametrize("settings", WAYS)
def test_the_same_seed_gives_the_same_files_and_another_seed_others(dataset, tmp_path, settings):
    runs = []
    for seed in (3, 3, 4):
        train(tmp_path, seed=seed, **settings)
        runs.append(files(tmp_path))
    assert runs[0] == runs[1]
    assert all(runs[0][name] != runs[2][name] for name in runs[0])


def test_all_weights_change_the_kernels_to_no_whole_numbers_and_less_is_lost(dataset, tmp_path):
    start = model.start_model(["0", "1"], training.generators(3)[0], train_kernels=True)
    trained = train(tmp_path, 1000)
    for before, after in zip(start[:2], trained):
        assert (before != after).mean() > 0.5
        assert (after != np.round(after)).all()
    entropy = metadata.read_metadata(tmp_path / "metadata.doc")["cross_entropy"]
    assert entropy[-100:].mean() < 0.2 * entropy[:100].mean()


@pytest.mark.parametrize("generations", [100, 101])
def test_average_is_the_mean_of_all_weights(dataset, tmp_path, monkeypatch, generations):
    seen, learning_rate = [], training.learning_rate
    states = []
    begin = training.begin
    monkeypatch.setattr(training, "begin", lambda *settings: states.append(begin(*settings)) or states[-1])

    def note(settings, generation):
        seen.append(states[0].trained.copy())  # before this generation
        return learning_rate(settings, generation)

    monkeypatch.setattr(training, "learning_rate", note)
    averaged = train(tmp_path, generations, average=True)
    last = model.read_model(tmp_path / "model.doc.last")
    seen = [*seen[1:], np.concatenate([array.ravel() for array in last[:3]])]
    found = np.concatenate([array.ravel() for array in averaged[:3]])
    np.testing.assert_allclose(found, np.mean(np.array(seen, float)[generations // 2 :], axis=0), rtol=1e-9)


def test_a_model_is_read_back_bit_for_bit_and_taken_by_all(dataset, tmp_path, run_script):
    trained = train(tmp_path, 50, output_sum=10)
    read = model.read_model(tmp_path / "model.doc")
    assert all(np.array_equal(a, b) for a, b in zip(trained, read))
    picture = dataset / "0" / "img001-00001.png"
    softmax = cnn.cnn(picture, read)
    np.testing.assert_allclose(list(cnn.classify(picture, read).values()), sorted(softmax, reverse=True))
    step = cnn.steps(cnn.read_pixels(picture), read)
    assert step.maps_1.max() > 0
    assert len(network.draw(step.pixels, read, "about").axes) > 30
    done = run_script("experiments.evaluate", "model.doc", "dataset", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("right: ")
    done = run_script("cnn.py", picture, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_command(dataset, tmp_path, run_script):
    options = ("--train-kernels", "--jitter", "--seed", 1, "--alpha-decay")
    done = run_script("controller.py", *options, "--generations", 60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    by_command = model.read_model(tmp_path / "model.doc")
    expected = train(tmp_path, 60, seed=1, jitter=True, alpha_decay=True)
    assert all(np.array_equal(a, b) for a, b in zip(by_command, expected))
    done = run_script("controller.py", "--resume", cwd=tmp_path)
    assert "trained 0 generations" in done.stdout


def test_jitter_draws_no_picture_twice_alike_stays_on_the_page_and_keeps_the_mean_shape(dataset, rng):
    pixels = cnn.read_pixels(dataset / "0" / "img001-00001.png").astype(np.uint8)
    drawn = np.array([training.jittered(pixels, rng) for _ in range(400)])
    assert (drawn.dtype, drawn.shape) == (np.uint8, (400, 32, 32))
    assert len({picture.tobytes() for picture in drawn}) == 400
    borders = np.concatenate((drawn[:, [0, -1], :].ravel(), drawn[:, :, [0, -1]].ravel()))
    assert (borders == 255).mean() > 0.98  # it is 24 pixels high: hardly anything reaches the edge
    ink, inks = 255 - pixels.astype(float), 255 - drawn.astype(float)
    assert inks.sum(axis=(1, 2)).mean() == pytest.approx(ink.sum(), rel=0.02)
    for axis in (0, 1):
        middles = (inks.sum(axis=2 - axis) * np.arange(32)).sum(axis=1) / inks.sum(axis=(1, 2))
        assert middles.mean() == pytest.approx((ink.sum(axis=1 - axis) * np.arange(32)).sum() / ink.sum(), abs=0.2)
        assert 0.4 < middles.std() < 1.2  # of shifts of at most 1 pixel, and of what stretching rounds
    mean = inks.mean(axis=0)
    assert np.corrcoef(mean.ravel(), ink.ravel())[0, 1] > 0.8


def test_distort_does_what_its_names_say():
    picture = Image.new("L", (32, 32), 255)
    picture.putpixel((20, 10), 0)
    assert preprocessing.distort(picture, 0, 0, 1, 1, 0, 0).tobytes() == picture.tobytes()
    shifted = preprocessing.distort(picture, 0, 0, 1, 1, 3, -2)
    assert (shifted.getpixel((23, 8)), shifted.getpixel((20, 10))) == (0, 255)
    box = Image.new("L", (32, 32), 255)
    box.paste(0, (12, 14, 20, 18))  # 8x4
    for numbers, size in (((90, 0, 1, 1), (4, 8)), ((0, 0, 2, 1), (16, 4)), ((0, 0, 1, 2), (8, 8))):
        ink = preprocessing.distort(box, *numbers, 0, 0).point(lambda value: 255 * (value < 128)).getbbox()
        assert (ink[2] - ink[0], ink[3] - ink[1]) == size


def test_without_the_options_nothing_is_jittered_and_kernels_stay(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "jittered", None)
    monkeypatch.setattr(training, "all_layers", None)
    trained = train(tmp_path, 20, train_kernels=False)
    assert np.array_equal(trained[0], model.hand_set_kernels()[0])


# The experiments


def test_the_table_and_the_pictures_of_experiments_kernels(dataset, tmp_path, run_script, monkeypatch):
    options = ("--seeds", 1, "--generations", 150, "--test", "dataset", "--output", "drawn")
    done = run_script("experiments.kernels", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 2 * len(kernels.WAYS)
    assert len({row.count("|") for row in rows}) == 1
    for name in ("kernels.png", "kernels_curves.png"):
        with Image.open(tmp_path / "drawn" / name) as picture:
            assert picture.width > 1000
    monkeypatch.chdir(tmp_path)
    trained = train(tmp_path, 150, output_sum=10, seed=1, alpha_decay=True)
    entropy, right = kernels.measure(["dataset"], trained, metadata.read_metadata("metadata.doc"))[0]
    assert f"| all layers | 10 | {entropy:.5f} | {right:.2f}% |" in done.stdout


def test_experiments_architecture(dataset, tmp_path, run_script):
    done = run_script("experiments.architecture", "--labels", "0", "1", "--generations", 50, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(architecture.COUNTS)
    for mistake in (["--labels", "0"], ["--labels", "0", "7"], ["--test", "absent"]):
        done = run_script("experiments.architecture", *mistake, cwd=tmp_path)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
