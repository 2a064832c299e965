"""experiments/: each prints a table; the counts in it agree with plain counting."""

import multiprocessing
import re
import shutil
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import cnn
import controller
import model
import training
from experiments import evaluate, landscape, pixel, reproduction, shared, speed

DIGITS = ROOT / "models" / "digits.doc"


@pytest.fixture
def all_cores():
    """Skip where the system has no semaphores, as with a /dev/shm that is read-only."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        pytest.skip(f"this system has no semaphores: {error}")


@pytest.fixture
def trained(dataset, tmp_path):
    """A model of x, y and X, that was hardly trained, and pictures of x and X."""
    (dataset / "0").rename(dataset / "x")
    (dataset / "1").rename(dataset / "X")
    model.write_model(model.start_model(["x", "y", "X"], np.random.default_rng(1)), tmp_path / "mine.doc")
    return tmp_path / "mine.doc"


def test_evaluate_counts_every_picture(trained, dataset, run_script, tmp_path):
    read = model.read_model(trained)
    answers = {path: next(iter(cnn.classify(path, read))) for path in dataset.rglob("*.png")}
    right = sum(answer == path.parent.name for path, answer in answers.items())
    as_one = sum(answer.casefold() == "x" for answer in answers.values())
    done = run_script("experiments.evaluate", trained, dataset, "--list", "--confusion", tmp_path / "c.png")
    lines = done.stdout.splitlines()
    assert lines[1] == f"right: {right} of 8, {100 * right / 8:.1f}%"
    assert lines[2] == f"cases as one: {as_one} of 8, {100 * as_one / 8:.1f}%"
    assert len(re.findall(r"\.png: [xX] -> [xyX], \d+\.\d%", done.stdout)) == 8 - right
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_says_which_was_taken_for_which_and_lists_the_surest_mistake_first():
    parts = model.Parts(None, None, None, ["a", "b", "c"], 100)
    true, best = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 1, 2, 2])
    answers = evaluate.Answers(list("vwxyz"), true, None, None, best, np.array([0.9, 0.5, 0.8, 0.7, 1]), true == best)
    assert evaluate.counts_of(parts, answers).tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 1]]
    assert evaluate.mistakes(parts, answers) == ["x: a -> b, 80.0%", "y: b -> c, 70.0%", "w: a -> b, 50.0%"]
    assert evaluate.mixed_up(parts.labels, evaluate.counts_of(parts, answers)) == "a and b 2, b and c 1"
    axes = evaluate.draw_confusion("some", parts.labels, evaluate.counts_of(parts, answers)).axes[0]
    shown = {(text.get_text(), *text.get_position()) for text in axes.texts}
    assert shown == {("1", 0.5, 0.5), ("2", 1.5, 0.5), ("1", 2.5, 1.5), ("1", 2.5, 2.5)}  # count, answer, true label
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_ylim()) == ("answer", "true label", (3, 0))
    assert axes.get_title() == "some: right 2 of 5, 40.0%"


def test_evaluate_trims_and_varies(run_script, tmp_path):
    for label in "37":
        (tmp_path / "photos" / label).mkdir(parents=True)
        picture = Image.open(ROOT / "dataset" / label / f"img00{int(label) + 1}-00002.png").convert("L")
        page = Image.new("L", (400, 300), 230)
        page.paste(picture.resize((64, 64)).point(lambda value: min(value, 230)), (40, 180))
        page.save(tmp_path / "photos" / label / f"img00{int(label) + 1}-1.png")
    done = run_script("experiments.evaluate", DIGITS, tmp_path / "photos", "--trim")
    assert done.stdout.splitlines()[1] == "right: 2 of 2, 100.0%"
    found = [run_script("experiments.evaluate", DIGITS, tmp_path / "photos", *more).stdout for more in ([], ["--vary"])]
    assert found[0] != found[1] == run_script("experiments.evaluate", DIGITS, tmp_path / "photos", "--vary").stdout


def test_look_alikes_count_as_one():
    labels = list("0OolLiI1zZ2S5gq9")
    same = evaluate.as_one(labels, evaluate.LOOK_ALIKES)
    pairs = {a + b for i, a in enumerate(labels) for j, b in enumerate(labels) if i < j and same[i, j]}
    assert {"0O", "lL", "l1", "iI", "z2", "S5", "gq", "q9"} <= pairs
    assert not pairs & {"L1", "0l", "25"}
    assert evaluate.as_one(["a", "b"], ()).tolist() == [[True, False], [False, True]]


def test_the_calibration_error_is_that_of_a_plain_loop(rng):
    confidence, right = rng.random(500), rng.random(500) < 0.7
    expected = 0
    for number in range(evaluate.BINS):
        held = (confidence * evaluate.BINS).astype(int) == number
        if held.any():
            expected += held.sum() / 500 * abs(confidence[held].mean() - right[held].mean())
    assert evaluate.calibration_error(confidence, right) == pytest.approx(expected)


def test_calibrating_writes_the_sum_of_the_least_error(run_script, tmp_path):
    shutil.copy(ROOT / "models" / "shipped.doc", tmp_path / "mine.doc")
    for label in "01":
        (tmp_path / "some" / label).mkdir(parents=True)
        for path in sorted((ROOT / "dataset" / label).iterdir())[:20]:
            shutil.copy(path, tmp_path / "some" / label)
    done = run_script("experiments.evaluate", "mine.doc", "some", "--calibrate", cwd=tmp_path)
    shown = r"calibration error: ([\d.]+)% at an output sum of 100, the least, ([\d.]+)%, at ([\d.]+)"
    before, least, best = map(float, re.search(shown, done.stdout).groups())
    assert least <= before
    assert model.read_model(tmp_path / "mine.doc")[4] == best
    assert (tmp_path / "mine.doc.bak").read_bytes() == (ROOT / "models" / "shipped.doc").read_bytes()
    again = run_script("experiments.evaluate", "mine.doc", "some", cwd=tmp_path)
    assert f"calibration error: {least:.1f}%, at an output sum of {best:g}" in again.stdout


@pytest.mark.usefixtures("all_cores")
def test_reproduction_compares_folders(dataset, run_script):
    done = run_script("experiments.reproduction", dataset, "--test", dataset, "--seeds", 2, "--generations", 120)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    rows = [line for line in done.stdout.splitlines() if line.startswith(f"| {dataset} |")]
    assert len(rows) == 4
    assert "| the paper |  | 0.301 | 1.331 |  | 0.1728 | 85.15% |" in done.stdout


def test_reproduction_measures_the_log_and_the_weights(dataset, tmp_path):
    paper = reproduction.PAPER
    names = [(name, float if name == "cross_entropy" else "U1") for name in ("label", "cross_entropy", "predicted")]
    log = np.array([("0", 0.1, "0"), ("1", 0.3, "0")], names)
    settings = {"seed": 4, "output_sum": 100, "dataset": dataset}
    found = reproduction.measure(None, settings, [None, None, 2 * paper[2]], log)
    start = model.start_model("01", np.random.default_rng(4))
    costs = [-np.log10(cnn.cnn(path, start)[int(path.parent.name)]) for path in sorted(dataset.rglob("*.png"))]
    np.testing.assert_allclose(found, [np.mean(costs), 2 * paper[2].std(), 1, 0.2, 50, 0.2, 50])


@pytest.mark.usefixtures("all_cores")
def test_compare_trains_each_way_as_the_controller_does(dataset, tmp_path, run_script):
    common = ["--dataset", dataset, "--generations", 60]
    ways = [[], ["--train-kernels", "--kernels", 2, 3]]
    done = run_script("experiments.compare", "--test", dataset, "--seeds", 2, *common, "+", *ways[0], "+", *ways[1])
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[4:]
    for way, row, weights in zip(ways, rows, ("1,352", f"{50 + 150 + 2 * 76}")):
        right = []
        for seed in (1, 2):
            files = ["--model", tmp_path / "m.doc", "--metadata", tmp_path / "m.log"]
            options = controller.parse_options([*map(str, [*common, *way, "--seed", seed, *files])])
            right.append(shared.percent_right(training.train(**options), dataset))
        assert f" | {shared.written(right, '{:.2f}%')} | {weights} | " in row
    for wrong in (["--test", tmp_path / "nowhere", *common], ["--test", dataset, *common, "+", "--seed", 1]):
        done = run_script("experiments.compare", *wrong)
        assert (done.returncode > 0, done.stderr.count("\n"), done.stdout) == (True, 1, "")


def test_pixel_counts_the_pixels_that_change_the_answer(dataset, tmp_path, run_script):
    model.write_model(model.start_model("01", np.random.default_rng(1), kernels=(1, 2)), tmp_path / "mine.doc")
    read, changed = model.read_model(tmp_path / "mine.doc"), []
    for path in dataset.rglob("*.png"):
        pixels, right = cnn.read_pixels(path), int(path.parent.name)
        others = [cnn.forward(each, read).softmax.argmax() for each in pixel.inverted(pixels)]
        if cnn.forward(pixels, read).softmax.argmax() == right:
            changed.append(1024 - others.count(right))
    done = run_script("experiments.pixel", tmp_path / "mine.doc", dataset)
    assert 0 < sum(changed) < 1024 * len(changed)
    assert f"pictures that one pixel changes: {np.count_nonzero(changed)} of {len(changed)}, " in done.stdout
    assert f"pixels that do so: {sum(changed):,} of {1024 * len(changed):,}, " in done.stdout


def test_one_pixel_after_the_other_is_inverted(rng):
    picture = rng.integers(256, size=(32, 32)).astype(np.uint8)
    for place, found in zip(np.ndindex(32, 32), pixel.inverted(picture)):
        assert (found != picture).sum() == 1
        assert found[place] == 255 - picture[place]


def test_landscape_draws_the_ways_of_real_trainings(dataset, monkeypatch, capsys):
    monkeypatch.chdir(dataset.parent)
    settings = {"alpha": 0.003, "generations": 8, "train_kernels": True, "kernels": (2, 3)}
    monkeypatch.setattr(landscape, "CASES", [("one", settings, 1), ("two", settings, 0.05)])
    monkeypatch.setattr(landscape, "DATASET", str(dataset))
    monkeypatch.setattr(landscape, "STAGES", 2)
    monkeypatch.setattr(landscape, "SIDE", 3)
    monkeypatch.setattr(sys, "argv", ["landscape", "--output", "m.png"])
    landscape.main()
    assert re.search(r"^\| two \| [\d.]+ \| [\d.]+ \| \d+%, \d+% \| ", capsys.readouterr().out, re.MULTILINE)
    assert (dataset.parent / "m.png").read_bytes().startswith(b"\x89PNG")

    (far, _), (close, last) = (landscape.two_ways(settings, apart, (1, 2)) for apart in (1, 0.05))
    np.testing.assert_allclose(close[1, 0] - close[0, 0], 0.05 * (far[1, 0] - far[0, 0]), atol=1e-6)
    alone = training.train(**settings, model_file="a.doc", metadata_file="a.log", seed=1)
    np.testing.assert_array_equal(landscape.line_of(alone), close[0, -1])
    np.testing.assert_array_equal(landscape.model_at(close[1, -1], alone)[1], last[1])
    assert abs(close[1, -1] - close[1, 0]).max() > 0
    origin, axes = landscape.plane_of(close)
    beside = close[:, -1] - origin
    np.testing.assert_allclose(beside @ axes.T @ axes, beside, atol=1e-9)
    assert landscape.shares_of(np.array([[axes[0], 3 * axes[0]]]), axes) == pytest.approx([1])


def test_speed_measures_what_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(speed, "GENERATIONS", 50)
    monkeypatch.setattr(speed, "CALLS", 3)
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(sys, "argv", ["speed", "--rounds", "2"])
    speed.main()
    shown = capsys.readouterr().out
    assert shown.count("not installed: pip install") == 4
    assert re.search(r"\| last layer: train\(\) \| [\d.,]+ \| \d+\.\d\d \|", shown)
