"""cnn.py: the paper's examples, agreement with plain loops, dropout, and the pictures that are taken or refused."""

import doctest
import json
import re

import numpy as np
import pytest
import reference
from conftest import ROOT, SHARED
from PIL import Image

import cnn
import model
from support.files import InputError

PICTURE = ROOT / "dataset" / "0" / "img001-00001.png"
SHIPPED = model.read_model(ROOT / "models" / "shipped.doc")
DIGITS = "--model", str(ROOT / "models" / "digits.doc")


def test_the_papers_worked_examples_in_the_docstrings():
    for function in (cnn.convolve, cnn.fully_connected, cnn.softmax, cnn.cross_entropy):
        [example] = doctest.DocTestFinder().find(function, globs={"cnn": cnn, "np": np})
        assert example.examples
        assert doctest.DocTestRunner().run(example).failed == 0, function


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's facts are not on this machine")
def test_the_appendixs_model_gives_the_golden_values():
    golden = json.loads((SHARED / "paper" / "golden.json").read_text(encoding="utf-8"))
    paper = model.read_model(ROOT / "models" / "paper.doc")
    for case in golden["images"]:
        steps = cnn.forward(cnn.read_pixels(SHARED / case["image"]), paper)
        np.testing.assert_allclose(steps.outputs, case["outputs_before_normalising"], rtol=1e-12)
        assert steps.flattened[:5].tolist() == case["flattened_first5"]
        assert steps.flattened.astype(float).sum() == case["flattened_sum"]
        for total in (100, 10):
            softmax = cnn.forward(steps.pixels, paper, total).softmax
            np.testing.assert_allclose(softmax, case[f"softmax_output_sum_{total}"], rtol=1e-9)


@pytest.mark.parametrize("kernels", [None, (3, 4)])
def test_the_network_agrees_with_plain_loops(rng, kernels):
    pixels = cnn.read_pixels(PICTURE)
    made = model.start_model("012", rng, train_kernels=bool(kernels), kernels=kernels)
    steps = cnn.forward(pixels, made)
    lists = [array.tolist() for array in made[:3]]
    flattened = reference.flattened_of(pixels.tolist(), *lists[:2])
    outputs = reference.fully_connected(flattened, lists[2][0])
    softmax = reference.softmax(reference.scale_outputs(outputs, 100))
    exact = kernels is None  # the hand-set kernels make whole numbers
    np.testing.assert_allclose(steps.flattened, flattened, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-5)
    np.testing.assert_allclose(steps.softmax, softmax, atol=1e-12 if exact else 1e-4)
    assert len(steps.flattened) == len(made[1]) * 25 + 1


def test_outputs_are_scaled_if_they_add_up_to_more_than_100():
    assert cnn.scale_outputs([60, 40], 10) == [60, 40]
    assert cnn.scale_outputs([60.5, 40], 10) == pytest.approx([6.02, 3.98], abs=0.001)


def test_large_outputs_do_not_overflow():
    assert cnn.softmax([2000.0, 1000.0]) == [1, 0]
    assert cnn.softmax([-2000.0, -2000.0]) == [0.5, 0.5]


def test_convolve_takes_any_size_and_number_of_maps(rng):
    maps, kernels = rng.integers(-9, 9, (3, 7, 9)), rng.integers(-9, 9, (2, 75))
    assert cnn.convolve(maps, kernels).tolist() == reference.convolve(maps.tolist(), kernels.tolist())


def test_cnn_returns_what_the_paper_returns(rng):
    label = np.array([1.0, 0.0])
    softmax = cnn.cnn(PICTURE, SHIPPED)
    plain = cnn.cnn(PICTURE, SHIPPED, label, training=True, dropout=False)
    cross_entropy, given, found, flattened = plain
    assert np.array_equal(found, softmax)
    assert cross_entropy == pytest.approx(-np.log10(softmax[0]))
    assert given is label
    assert flattened.shape == (151,)
    dropped = cnn.cnn(PICTURE, SHIPPED, label, training=True, rng=rng)
    assert (dropped.flattened == 0).sum() > (flattened == 0).sum() + 10
    again = [cnn.cnn(PICTURE, SHIPPED, label, True, rng=np.random.default_rng(seed)).flattened for seed in (1, 1, 2)]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])
    assert not np.array_equal(*(cnn.cnn(PICTURE, SHIPPED, label, True).flattened for _ in range(2)))  # no rng: chance
    assert cnn.cross_entropy([1.0, 0.0], [0, 1]) == 300


def test_the_output_sum_is_the_models_own_or_100():
    assert not np.array_equal(cnn.cnn(PICTURE, SHIPPED), cnn.cnn(PICTURE, SHIPPED, output_sum=10))
    assert np.array_equal(cnn.cnn(PICTURE, [*SHIPPED[:4], 10]), cnn.cnn(PICTURE, SHIPPED, output_sum=10))
    assert np.array_equal(cnn.cnn(PICTURE, SHIPPED[:3]), cnn.cnn(PICTURE, SHIPPED, output_sum=100))
    listing = [SHIPPED[0].tolist(), SHIPPED[1].tolist(), [SHIPPED[2][0].tolist()]]  # the appendix's, as pasted
    assert np.array_equal(cnn.cnn(PICTURE, listing), cnn.cnn(PICTURE, SHIPPED))


def test_classify_gives_the_best_label_first():
    found = cnn.classify(PICTURE, SHIPPED)
    assert list(found) == ["0", "1"]
    assert list(found.values()) == cnn.cnn(PICTURE, SHIPPED).tolist()
    large = Image.open(PICTURE).resize((300, 200))
    assert next(iter(cnn.classify(large, model.read_model(ROOT / "models" / "digits.doc"), trim=True))) == "0"


def test_pictures_of_every_kind_are_the_same_picture():
    with Image.open(PICTURE) as image:
        expected = cnn.cnn(PICTURE, SHIPPED)
        array = np.asarray(image)
        for picture in (str(PICTURE), image, image.convert("RGBA"), array, array.max(axis=2), array.astype(float)):
            assert np.array_equal(cnn.cnn(picture, SHIPPED), expected)


def test_a_black_array_is_taken_like_the_black_picture():
    expected = cnn.cnn(Image.new("RGB", (32, 32)), SHIPPED)
    assert np.array_equal(cnn.cnn(np.zeros((32, 32), np.uint8), SHIPPED), expected)


@pytest.mark.parametrize("picture", [np.zeros((5, 5)), 7, *(np.full((32, 32), value) for value in
                                     (0.5, 256, np.nan, -1, "a"))])  # fmt: skip
def test_something_else_than_a_picture_is_refused(picture):
    with pytest.raises(InputError, match=r"expected a picture|as picture"):
        cnn.cnn(picture, SHIPPED)


def test_a_wrong_model_or_label_is_refused():
    with pytest.raises(InputError, match=r"found the name 'model\.doc'; use model\.read_model"):
        cnn.classify(PICTURE, "model.doc")
    for wrong in ([1, 2], [SHIPPED[1], SHIPPED[0], SHIPPED[2]], None):
        with pytest.raises(InputError, match="expected"):
            cnn.cnn(PICTURE, wrong)
    for label in (None, 1, [1, 0, 0]):
        with pytest.raises(InputError, match="one-hot label of 2 numbers"):
            cnn.cnn(PICTURE, SHIPPED, label, training=True)


def test_the_command(run_script, tmp_path):
    Image.new("RGB", (40, 40), "white").save(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("no picture")
    paths = [PICTURE, *(tmp_path / name for name in ("empty.png", "text.png", "absent.png"))]
    done = run_script("cnn.py", *paths, "--model", ROOT / "models" / "shipped.doc")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"{PICTURE}: 0, 99.6%", f"{tmp_path}/empty.png: blank, there is nothing to see"]
    lines = done.stderr.splitlines()
    assert "text.png: expected a picture, found something that Pillow cannot read" in lines[0]
    assert "absent.png: No such file" in lines[1]
    assert len(lines) == 2


def test_a_photo_without_trim_gets_a_hint(tmp_path, capsys, monkeypatch):
    Image.open(PICTURE).resize((65, 65)).save(tmp_path / "photo.png")
    for picture, more, hint in ((tmp_path / "photo.png", [], True), (tmp_path / "photo.png", ["--trim"], False),
                                (PICTURE, [], False)):  # fmt: skip
        monkeypatch.setattr("sys.argv", ["cnn.py", str(picture), *DIGITS, *more])
        assert cnn.main() == 0
        assert ("photos and drawings need --trim" in capsys.readouterr().out) is hint


def test_ink_that_is_not_dark_gets_a_hint_on_stderr(tmp_path, run_script):
    picture = Image.new("RGB", (28, 28), "white")
    picture.paste("red", (12, 4, 16, 24))
    picture.save(tmp_path / "red.png")
    done = run_script("cnn.py", "red.png", *DIGITS, cwd=tmp_path)
    assert re.fullmatch(r"red\.png: \d, \d+\.\d%\n", done.stdout)
    assert done.stderr == "red.png: no dark ink on white, which the network expects; use --trim\n"
    assert run_script("cnn.py", "red.png", *DIGITS, "--trim", cwd=tmp_path).stderr == ""


def test_ink_that_is_doubtful_is_said_with_the_command_that_shows_it(tmp_path, run_script):
    Image.open(PICTURE).resize((300, 300)).crop((0, 0, 300, 170)).save(tmp_path / "a.png")  # the ink reaches the border
    done = run_script("cnn.py", "a.png", *DIGITS, "--trim", cwd=tmp_path)
    answer, doubt = done.stdout.splitlines()
    assert re.fullmatch(r"a\.png: \d, \d+\.\d%", answer)
    assert re.fullmatch(r"  not sure what is ink here; to see what was cut out: .*preprocessing\.py a\.png --trim "
                        r"--output cut", doubt)  # fmt: skip
    whole = run_script("cnn.py", PICTURE, *DIGITS, "--trim", cwd=tmp_path)
    assert len(whole.stdout.splitlines()) == 1
