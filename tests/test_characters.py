"""experiments/characters.py: its table and calibration error against plain loops, the output sum, the pictures."""

import os

import numpy as np
import pytest
from conftest import MATPLOTLIB, ROOT
from PIL import Image

import cnn
import model
import preprocessing
from experiments import characters, shared

PAPER = ROOT / "models" / "paper.doc"
LABELS = ["0", "1", "b", "B"]


@pytest.fixture
def folder(dataset):
    """Eight pictures: of 0, 1, b and B two each."""
    for true, (old, number) in {"b": "01", "B": "12"}.items():
        (dataset / true).mkdir()
        for index in (3, 4):
            name = dataset / old / f"img00{int(old) + 1}-0000{index}.png"
            name.rename(dataset / true / f"img0{12 if true == 'B' else 38}-0000{number}{index}.png")
    return dataset


@pytest.fixture
def random_model(tmp_path, rng):
    """The path of a model of LABELS with random weights, which also answers wrongly."""
    made = model.start_model(LABELS, rng, 10)
    made[2] -= 0.5
    model.write_model(made, tmp_path / "random.doc")
    return tmp_path / "random.doc"


def softmaxes(path, folder, trim):
    """The true label and the softmax of each picture of a folder, one by one."""
    network = model.read_model(path)
    pictures = [(true, picture) for true in LABELS for picture in sorted((folder / true).iterdir())]
    return [(true, cnn.cnn(preprocessing.fit(Image.open(picture), trim), network)) for true, picture in pictures]


def plain_error(pairs):
    """The expected calibration error of (probability of the answer, whether it is right), in plain loops."""
    error = 0
    for place in range(15):
        inside = [(p, right) for p, right in pairs if place <= p * 15 < place + 1 or (place == 14 and p == 1)]
        error += abs(sum(p for p, _ in inside) - sum(right for _, right in inside)) / len(pairs)
    return error


@pytest.mark.parametrize("trim", [False, True])
def test_a_row_is_that_of_a_plain_loop(folder, random_model, run_script, trim):
    right = as_one = any_answer = a_digit = 0
    pairs = []
    for true, softmax in softmaxes(random_model, folder, trim):
        given = LABELS[softmax.argmax()]
        pairs.append((softmax.max(), given == true))
        right += given == true
        as_one += given.lower() == true.lower()
        any_answer += given == true and true in "01"
        a_digit += true == "01"[softmax[:2].argmax()]
    done = run_script("experiments.characters", random_model, *["--trim"] * trim, folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{random_model}, output sum 10, on the pictures of its 4 labels, without dropout"
    assert lines[2] == (
        "| folder | pictures | right | cases as one | digits, any answer | digits, a digit as answer "
        "| calibration error |"
    )
    shares = [f"{n} of {of}, {100 * n / of:.1f}%" for n, of in ((right, 8), (as_one, 8), (any_answer, 4), (a_digit, 4))]
    assert lines[4] == f"| dataset{', trimmed' * trim} | 8 | {' | '.join(shares)} | {100 * plain_error(pairs):.1f}% |"
    assert lines[6].startswith(f"dataset{', trimmed' * trim}: mixed up most: ")


def test_folders_trimmed_and_not_have_a_row_each(dataset, run_script, tmp_path):
    (tmp_path / "one").mkdir()
    (dataset / "1").rename(tmp_path / "one" / "1")
    done = run_script("experiments.characters", PAPER, dataset, "--trim", dataset, tmp_path / "one")
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines() if line.startswith("|")]
    assert [row[1] for row in rows[2:]] == ["4", "4", "4"]
    assert [row[0] for row in rows[2:]] == ["| dataset", "| dataset, trimmed", "| one, trimmed"]


def test_a_model_of_digits_has_no_columns_for_letters(dataset, run_script):
    lines = run_script("experiments.characters", PAPER, dataset).stdout.splitlines()
    assert lines[2] == "| folder | pictures | right | calibration error |"


def tried_on(labels, outputs, true, softmax=None):
    """A shared.Tried of pictures whose outputs are known."""
    outputs, true = np.array(outputs, float), np.array(true)
    counts = np.zeros((len(labels), len(labels)), int)
    for index, answer in zip(true, outputs.argmax(axis=1)):
        counts[index, answer] += 1
    return shared.Tried(labels, [], [""] * len(true), true, outputs, softmax, counts)


def test_digits_are_counted_with_any_answer_and_with_a_digit_as_answer():
    tried = tried_on(["a", "0", "1"], [[9, 5, 1], [1, 5, 9], [9, 5, 1], [9, 1, 5]], [1, 2, 0, 1])
    assert characters.figures_of(tried) == {
        "right": (2, 4),
        "digits, any answer": (1, 3),
        "digits, a digit as answer": (2, 3),
    }
    none = tried_on(["a", "0", "1"], [[9, 5, 1]], [0])
    assert characters.figures_of(none)["digits, any answer"] == (0, 0)


@pytest.mark.parametrize("output_sum", [1, 12.5, 100, 3000])
def test_confidences_are_those_of_the_network(rng, output_sum):
    outputs = np.concatenate([rng.random((20, 5)) * 1e6, rng.random((20, 5)) * 30, [[20] * 5, [0] * 5, [21] * 5]])
    expected = [max(cnn.softmax(cnn.scale_outputs(row, output_sum))) for row in outputs.tolist()]
    np.testing.assert_allclose(characters.confidences(outputs, output_sum), expected, rtol=1e-12)


def test_the_calibration_error_is_that_of_a_plain_loop(rng):
    confidence = np.concatenate([rng.random(300), [0, 1, 1, 1 / 3]])
    right = rng.random(304) < 0.6
    error = characters.calibration_error(confidence, right)
    assert error == pytest.approx(plain_error([*zip(confidence.tolist(), right.tolist())]))
    assert characters.calibration_error(np.array([0.9, 0.9]), np.array([True, False])) == pytest.approx(0.4)


def known_temperature(rng, labels, best):
    """Outputs whose softmax at an output sum of `best` is, drawn so, how often each label is the true one."""
    outputs = rng.random((4000, labels)) ** 2 * 1e6
    shares = np.exp(outputs / outputs.sum(axis=1, keepdims=True) * best)
    shares /= shares.sum(axis=1, keepdims=True)
    true = (shares.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1).clip(0, labels - 1)
    return outputs, true


@pytest.mark.parametrize(("labels", "best"), [(2, 8), (10, 60)])
def test_calibration_finds_the_temperature_and_writes_nothing_else(rng, tmp_path, capsys, labels, best):
    names = [*"0123456789"[:labels]]
    network = model.start_model(names, rng, 300)
    path = tmp_path / "m.doc"
    model.write_model(network, path)
    old = path.read_bytes()
    tried = tried_on(names, *known_temperature(rng, labels, best))
    characters.calibrate(path, model.read_model(path), [tried, tried], None)
    found = model.read_model(path)
    assert best / 1.25 < found[4] < best * 1.25
    right = tried.outputs.argmax(axis=1) == tried.true
    confidences = [characters.confidences(tried.outputs, output_sum) for output_sum in (300, found[4])]
    errors = [characters.calibration_error(confidence, right) for confidence in confidences]
    assert errors[1] < 0.02 < errors[0]
    assert capsys.readouterr().out == (
        f"\ncalibration error on 8,000 pictures: {errors[0]:.2%} at an output sum of 300, "
        f"the least, {errors[1]:.2%}, at {found[4]:g}\n"
        f"written: {path}, with an output sum of {found[4]:g}; as it was: {path}.bak\n"
    )
    assert path.read_text(encoding="utf-8") == old.decode().replace("\n300\n", f"\n{found[4]:g}\n")
    assert (tmp_path / "m.doc.bak").read_bytes() == old

    characters.calibrate(path, found, [tried], None)  # the best already: nothing is written, the .bak stays
    assert (tmp_path / "m.doc.bak").read_bytes() == old
    assert "written" not in capsys.readouterr().out


def test_pictures(folder, random_model, tmp_path, run_script):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "out"
    arguments = [random_model, "--output", out, "--calibrate", folder, "--trim", folder]  # in any order
    done = run_script("experiments.characters", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    names = ["confusion-dataset.png", "confusion-dataset-trimmed.png", "reliability.png"]
    written = [line for line in done.stdout.splitlines() if line.startswith("written: ") and line.endswith(".png")]
    assert written == [f"written: {out / name}" for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    for name, size in zip(names, ((920, 920), (920, 920), (1260, 920))):
        with Image.open(out / name) as picture:
            assert np.abs(np.subtract(picture.size, size)).max() <= 1  # matplotlib rounds in its own way
    assert not (tmp_path / "random.doc.lock").exists()


def test_a_confusion_picture_shows_every_count_and_label():
    pytest.importorskip("matplotlib")
    labels = [*"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[:61], "$x$"]
    tried = tried_on(labels, np.eye(62)[[0, 0, 5, 61]], [0, 5, 5, 61])
    figure = characters.draw_confusion("photos, trimmed", tried)
    axes = figure.axes[0]
    shown = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert shown == {((0.5, 0.5), "1"), ((0.5, 1.5), "1"), ((5.5, 1.5), "1"), ((61.5, 2.5), "1")}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == labels * 2  # below and above
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0", "5", "$x$"] * 2
    assert axes.get_title() == "photos, trimmed: right 3 of 4, 75.0%"
    assert figure.get_size_inches() == pytest.approx((62 * 0.17 + 1.2, 3 * 0.17 + 1.2))


def test_without_matplotlib_the_table_is_printed(dataset, tmp_path, run_script):
    (tmp_path / "matplotlib.py").write_text("raise ImportError", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = run_script("experiments.characters", PAPER, dataset, "--output", tmp_path / "out", env=environment)
    assert done.stdout.startswith(f"{PAPER}, output sum")
    assert (done.returncode, done.stderr) == (1, f"experiments.characters: {MATPLOTLIB}\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        ([PAPER], 2),
        ([PAPER, "--calibrate", "--trim", "dataset"], 2),
        ([PAPER, "dataset", "dataset"], 2),
        ([PAPER, "dataset", "--output-sum", "10"], 2),
        ([PAPER, "dataset", "absent"], 1),
        ([PAPER, "dataset", "--trim", "other"], 1),
        (["absent.doc", "dataset", "--calibrate"], 1),
        (["dataset/0/img001-00001.png", "dataset"], 1),
    ],
)
def test_a_mistake_is_one_line(dataset, tmp_path, run_script, arguments, code):
    (tmp_path / "other" / "x").mkdir(parents=True)
    done = run_script("experiments.characters", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith("experiments.characters: ")
    assert not list(tmp_path.glob("*.lock"))
