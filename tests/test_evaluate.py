"""evaluate.py: its counts against a plain loop, the confusion table, the contact sheet."""

import re
import shutil

import evaluate
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import cnn
import model
import preprocessing

PAPER = ROOT / "models" / "paper.doc"


@pytest.fixture
def random_model(tmp_path, rng):
    """The path of a model of 0, 1 and 2 with random weights."""
    made = model.start_model(["0", "1", "2"], rng)
    made[2] -= 0.5
    model.write_model(made, tmp_path / "random.doc")
    return tmp_path / "random.doc"


def test_the_figures_are_those_of_a_plain_loop(dataset, tmp_path, random_model, run_script):
    counts, entropies = {}, []
    read = model.read_model(random_model)
    for true in "01":
        for path in sorted((dataset / true).iterdir()):
            softmax = cnn.cnn(str(path), read, output_sum=10)
            entropies.append(-np.log10(softmax[int(true)]))
            counts[true, "012"[softmax.argmax()]] = counts.get((true, "012"[softmax.argmax()]), 0) + 1
    (dataset / "x").mkdir()
    done = run_script("evaluate.py", random_model, dataset, "--output-sum", "10")
    assert (done.returncode, done.stderr) == (0, "")
    right = counts.get(("0", "0"), 0) + counts.get(("1", "1"), 0)
    assert f"on {dataset}: every picture of 0 1, no dropout" in done.stdout
    assert "passed over, since the model has no such label: x" in done.stdout
    assert f"right: {right} of 8, {100 * right / 8:.1f}%" in done.stdout
    assert f"mean cross entropy: {np.mean(entropies):.4f}, at an output sum of 10" in done.stdout
    for true in "01":
        shown = re.search(rf"^ *{true}((?: +(?:\d+|\.)){{3}}) +\d", done.stdout, re.MULTILINE).group(1).split()
        assert shown == [str(counts.get((true, answer), ".")) for answer in "012"]


def test_the_papers_model_on_the_real_pictures(real_pictures, run_script):
    done = run_script("evaluate.py", PAPER, real_pictures[0][0].parent.parent)
    assert "right: 501 of 520, 96.3%" in done.stdout


def test_a_confusion_table():
    text = evaluate.confusion_table(["a", "b", "long"], np.array([[5, 0, 1], [0, 0, 0], [0, 1000, 1000]]), [0, 2])
    assert text.splitlines() == [
        "      answer",
        "true  a      b   long  right",
        "   a  5      .      1  83.3%",
        "long  .  1,000  1,000  50.0%",
    ]


@pytest.mark.parametrize(("count", "size"), [(1, (120, 130)), (10, (1200, 130)), (11, (1200, 260))])
def test_a_contact_sheet(tmp_path, count, size):
    red = Image.new("RGB", (32, 32), "red")
    (tmp_path / "sheet.png").write_bytes(evaluate.contact_sheet([(red, "0 -> \u4e00")] * count))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.size) == ("PNG", size)
        pixels = np.asarray(sheet).astype(int)
    assert (pixels == (255, 0, 0)).all(axis=2).sum() == count * 96 * 96
    captions = pixels[102:128, : min(count, 10) * 120].max(axis=2) < 100
    assert all(captions[:, cell * 120 : cell * 120 + 120].sum() > 10 for cell in range(min(count, 10)))


def test_the_sheet_holds_what_is_wrong(dataset, tmp_path, random_model, run_script):
    path = dataset / "1" / "img002-00001.png"
    shutil.rmtree(dataset / "0")
    for other in sorted((dataset / "1").iterdir())[1:]:
        other.unlink()
    answer = "012"[cnn.cnn(str(path), model.read_model(random_model)).argmax()]
    (dataset / "1").rename(dataset / next(label for label in "012" if label != answer))  # a label that it will not give
    done = run_script("evaluate.py", random_model, dataset, "--sheet", "wrong.png", cwd=tmp_path)
    assert "written: wrong.png, 1 of the 1 it got wrong" in done.stdout
    (dataset / next(label for label in "012" if label != answer)).rename(dataset / answer)
    with Image.open(tmp_path / "wrong.png") as sheet:
        shown = sheet.convert("RGB").crop((12, 6, 108, 102)).resize((32, 32), Image.NEAREST)
    with Image.open(dataset / answer / path.name) as original:
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(original.convert("RGB")))
    done = run_script("evaluate.py", random_model, dataset, "--sheet", "none.png", cwd=tmp_path)
    assert "not written: none.png, since none is wrong" in done.stdout
    assert not (tmp_path / "none.png").exists()


def test_trim_is_what_preprocessing_makes_of_it(dataset, tmp_path, run_script):
    read, entropies = model.read_model(PAPER), []
    for true in "01":
        for path in sorted((dataset / true).iterdir()):
            softmax = cnn.cnn(np.asarray(preprocessing.read_picture(path, trim=True)), read)
            entropies.append(-np.log10(softmax[int(true)]))
    done = run_script("evaluate.py", PAPER, dataset, "--trim")
    assert f"mean cross entropy: {np.mean(entropies):.4f}" in done.stdout
    assert done.stdout != run_script("evaluate.py", PAPER, dataset).stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        ([PAPER], 2),
        ([PAPER, "dataset", "--output-sum", "0"], 2),
        ([PAPER, "dataset", "--output-sum", "nan"], 2),
        ([PAPER, "absent"], 1),
        ([PAPER, "other"], 1),
        ([PAPER, "hollow"], 1),
        ([PAPER, "dataset/0/img001-00001.png"], 1),
        (["absent.doc", "dataset"], 1),
        (["dataset/0/img001-00001.png", "dataset"], 1),
        (["random.doc", "dataset", "--sheet", "absent/sheet.png"], 1),
    ],
)
def test_a_mistake_is_one_line(dataset, tmp_path, random_model, run_script, arguments, code):
    (tmp_path / "other" / "x").mkdir(parents=True)
    (tmp_path / "hollow" / "0").mkdir(parents=True)
    done = run_script("evaluate.py", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert done.stderr.startswith("evaluate.py: ")
    assert "Traceback" not in done.stderr


def test_pairs_that_are_mixed_up_and_cases_counted_as_one(dataset, tmp_path, run_script):
    counts = np.array([[5, 2, 0], [3, 6, 1], [0, 0, 7]])
    assert evaluate.mixed_up(["0", "O", "a"], counts) == "0 and O 5, O and a 1"
    (dataset / "0").rename(dataset / "b")
    (dataset / "1").rename(dataset / "B")
    network = [*model.hand_set_kernels(), np.zeros((1, 302)), ["B", "b"]]
    network[2][0, :151] = 1  # whatever the picture: B
    model.write_model(network, tmp_path / "m.doc")
    done = run_script("evaluate.py", tmp_path / "m.doc", dataset)
    assert "right: 4 of 8, 50.0%" in done.stdout
    assert "right, both cases of a letter counting as one: 8 of 8, 100.0%" in done.stdout
    assert done.stdout.endswith("mixed up most: B and b 4\n")
