"""experiments/evaluate.py: its counts against a plain loop, the confusion table, the wrong pictures."""

import re

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import cnn
import model
import preprocessing
from experiments import evaluate

PAPER = ROOT / "models" / "paper.doc"


@pytest.fixture
def random_model(tmp_path, rng):
    """The path of a model of 0, 1 and 2 with random weights."""
    made = model.start_model(["0", "1", "2"], rng, 10)
    made[2] -= 0.5
    model.write_model(made, tmp_path / "random.doc")
    return tmp_path / "random.doc"


def test_the_figures_are_those_of_a_plain_loop(dataset, tmp_path, random_model, run_script):
    counts, entropies, wrong = {}, [], []
    read = model.read_model(random_model)
    for true in "01":
        for path in sorted((dataset / true).iterdir()):
            softmax = cnn.cnn(path, read, output_sum=10)
            given = "012"[softmax.argmax()]
            entropies.append(-np.log10(softmax[int(true)]))
            counts[true, given] = counts.get((true, given), 0) + 1
            if given != true:
                wrong.append((-softmax.max(), f"{path}: {true} -> {given}, {softmax.max():.1%}"))
    (dataset / "x").mkdir()
    done = run_script("experiments.evaluate", random_model, dataset)
    assert (done.returncode, done.stderr) == (0, "")
    right = counts.get(("0", "0"), 0) + counts.get(("1", "1"), 0)
    lines = done.stdout.splitlines()
    assert lines[0] == f"{random_model} on {dataset}: every picture of 0 1, no dropout"
    assert lines[1] == f"right: {right} of 8, {100 * right / 8:.1f}%"
    assert f"mean cross entropy: {np.mean(entropies):.4f}, at an output sum of 10" in lines
    assert "passed over, since the model has no such label: x" in lines
    for true in "01":
        shown = re.search(rf"^ *{true}((?: +(?:\d+|\.)){{3}}) +\d", done.stdout, re.MULTILINE).group(1).split()
        assert shown == [str(counts.get((true, answer), ".")) for answer in "012"]
    assert wrong
    assert lines[lines.index("wrong, the surest first:") + 1 :] == [line for _, line in sorted(wrong)]


def test_the_papers_model_on_the_real_pictures(real_pictures, run_script):
    done = run_script("experiments.evaluate", PAPER, real_pictures[0][0].parent.parent)
    assert done.stdout.splitlines()[1] == "right: 501 of 520, 96.3%"


def test_a_confusion_table():
    text = evaluate.confusion_table(["a", "b", "long"], np.array([[5, 0, 1], [0, 0, 0], [0, 1000, 1000]]))
    assert text.splitlines() == [
        "      answer",
        "true  a      b   long  right",
        "   a  5      .      1  83.3%",
        "long  .  1,000  1,000  50.0%",
    ]


def one_answer(tmp_path):
    """The path of a model that answers B, whatever the picture, and is nearly sure."""
    network = [*model.hand_set_kernels(), np.zeros((1, 302)), ["B", "b"], 10]
    network[2][0, :151] = 1
    model.write_model(network, tmp_path / "m.doc")
    return tmp_path / "m.doc"


@pytest.mark.parametrize(("count", "listed"), [(1, 1), (20, 20), (23, 20)])
def test_at_most_twenty_wrong_pictures_are_listed(dataset, tmp_path, run_script, count, listed):
    (tmp_path / "many" / "b").mkdir(parents=True)
    paths = [tmp_path / "many" / "b" / f"img038-{number:05d}.png" for number in range(1, count + 1)]
    for path in paths:
        path.write_bytes((dataset / "0" / "img001-00001.png").read_bytes())
    lines = run_script("experiments.evaluate", one_answer(tmp_path), tmp_path / "many").stdout.splitlines()
    found = lines[lines.index("wrong, the surest first:") + 1 :]
    assert found[:listed] == [f"{path}: b -> B, 100.0%" for path in paths[:listed]]
    assert found[listed:] == ([f"and {count - listed} more"] if count > listed else [])


def test_none_is_wrong(dataset, tmp_path, run_script):
    (dataset / "0").rename(dataset / "B")
    done = run_script("experiments.evaluate", one_answer(tmp_path), dataset)
    assert done.stdout.splitlines()[1] == "right: 4 of 4, 100.0%"
    assert "wrong, the surest first" not in done.stdout
    assert "mixed up most" not in done.stdout


def test_trim_is_what_preprocessing_makes_of_it(dataset, tmp_path, run_script):
    read, entropies = model.read_model(PAPER), []
    for true in "01":
        for path in sorted((dataset / true).iterdir()):
            softmax = cnn.cnn(preprocessing.fit(Image.open(path), trim=True), read)
            entropies.append(-np.log10(softmax[int(true)]))
    done = run_script("experiments.evaluate", PAPER, dataset, "--trim")
    assert f"mean cross entropy: {np.mean(entropies):.4f}" in done.stdout
    assert done.stdout != run_script("experiments.evaluate", PAPER, dataset).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        ([PAPER], 2),
        ([PAPER, "dataset", "--output-sum", "10"], 2),
        ([PAPER, "absent"], 1),
        ([PAPER, "other"], 1),
        ([PAPER, "hollow"], 1),
        ([PAPER, "dataset/0/img001-00001.png"], 1),
        (["absent.doc", "dataset"], 1),
        (["dataset/0/img001-00001.png", "dataset"], 1),
        ([PAPER, "broken"], 1),
    ],
)
def test_a_mistake_is_one_line(dataset, tmp_path, run_script, arguments, code):
    (tmp_path / "other" / "x").mkdir(parents=True)
    (tmp_path / "hollow" / "0").mkdir(parents=True)
    (tmp_path / "broken" / "0").mkdir(parents=True)
    (tmp_path / "broken" / "0" / "img001-00001.png").write_text("no picture", encoding="utf-8")
    done = run_script("experiments.evaluate", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert done.stderr.startswith("experiments.evaluate: ")
    assert "Traceback" not in done.stderr


def test_pairs_that_are_mixed_up_and_cases_counted_as_one(dataset, tmp_path, run_script):
    counts = np.array([[5, 2, 0], [3, 6, 1], [0, 0, 7]])
    assert evaluate.mixed_up(["0", "O", "a"], counts) == "0 and O 5, O and a 1"
    (dataset / "0").rename(dataset / "b")
    (dataset / "1").rename(dataset / "B")
    done = run_script("experiments.evaluate", one_answer(tmp_path), dataset)
    assert "right: 4 of 8, 50.0%" in done.stdout
    assert "right, both cases of a letter counting as one: 8 of 8, 100.0%" in done.stdout
    assert "\nmixed up most: B and b 4\n" in done.stdout
