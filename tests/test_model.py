"""model.py: the start model, the file, the forms in which it is read, and what is refused."""

import json
import re

import numpy as np
import pytest
from conftest import ROOT, SHARED, full_disk

import cnn
import model
from support.files import InputError


def example(rng, labels="01", parts=5, kernels=None):
    made = model.start_model(labels, rng, 0.1 + 0.2, train_kernels=bool(kernels), kernels=kernels)
    made[2] = rng.normal(size=made[2].shape) * 10.0 ** rng.integers(-30, 10, made[2].shape)
    return made[:parts]


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other))


def test_the_start_model(rng):
    kernels_1, kernels_2, weights, labels, output_sum = model.start_model(["0", "1", "x"], rng)
    assert (kernels_1.shape, kernels_2.shape, weights.shape) == ((6, 25), (6, 150), (1, 453))
    assert (labels, output_sum) == (["0", "1", "x"], 100)
    assert 0 <= weights.min() < 0.01
    assert 0.99 < weights.max() < 1


@pytest.mark.parametrize("kernels", [None, (6, 6), (12, 24)])
def test_the_start_model_for_training_all_layers(rng, kernels):
    hand_set = model.hand_set_kernels()
    made = model.start_model("01", rng, train_kernels=True, kernels=kernels)
    inputs = (kernels or (6, 6))[1] * 25 + 1
    assert made[2].shape == (1, 2 * inputs)
    assert made[2].max() * inputs == pytest.approx(30, rel=0.01)  # drawn from 0 to 30 / inputs
    for array, paper, length in zip(made, hand_set, (1.4 / 255, 1.4)):
        np.testing.assert_allclose(np.linalg.norm(array, axis=1), length, rtol=1e-5)
        directions = paper / np.linalg.norm(paper, axis=1, keepdims=True)
        papers = array.shape == paper.shape and np.allclose(array / length, directions, atol=1e-6)
        assert papers is (kernels is None)


def test_the_hand_set_kernels_are_those_of_paper_doc(rng):
    paper = model.read_model(ROOT / "models" / "paper.doc")
    assert all(map(np.array_equal, model.start_model("01", rng)[:2], paper))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's appendix is not on this machine")
def test_paper_doc_is_the_appendixs():
    appendix = json.loads((SHARED / "paper" / "appendix_model.json").read_text(encoding="utf-8"))
    paper = model.read_model(ROOT / "models" / "paper.doc")
    expected = [appendix["kernels_1"], appendix["kernels_2"], [appendix["fully_connected"]]]
    assert [array.tolist() for array in paper[:3]] == expected


@pytest.mark.parametrize("labels", ["01", "0123456789", ["null", "één", 'a"b', "\\", "3.", "3.x"]])
@pytest.mark.parametrize("kernels", [None, (3, 10)])
def test_what_is_read_back_is_what_was_written_bit_for_bit(rng, tmp_path, labels, kernels):
    written = example(rng, labels, 5, kernels)
    written[2][0, :4] = [-0.0, 5e-324, 1e14, 0.1 + 0.2]
    model.write_model(written, tmp_path / "model.doc")
    read = model.read_model(tmp_path / "model.doc")
    assert same(read, written)
    assert str(read[2][0, 0]) == "-0.0"
    model.write_model(read, tmp_path / "again.doc")
    assert (tmp_path / "again.doc").read_bytes() == (tmp_path / "model.doc").read_bytes()


def test_a_model_without_labels_is_one_of_0_and_1(rng, tmp_path):
    model.write_model(example(rng, parts=3), tmp_path / "model.doc")
    assert model.labels_of(model.read_model(tmp_path / "model.doc")) == ["0", "1"]
    with pytest.raises(InputError, match=r"three\.doc: expected 302 weights, 151 for each of the 2 labels, found 453"):
        model.write_model(example(rng, "012", parts=3), tmp_path / "three.doc")
    assert not (tmp_path / "three.doc").exists()


def test_each_array_is_followed_by_a_comma_and_a_line_is_a_kernel(rng, tmp_path):
    model.write_model(example(rng), tmp_path / "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    assert text.count("]],\n") == 3
    assert text.endswith('["0", "1"],\n\n0.30000000000000004\n')
    for block, numbers, lines in zip(text.split("]],\n\n"), (25, 25, 5), (6, 36, 61)):
        assert len(block.splitlines()) == lines
        assert {len(re.findall(r"[\d.]+(?:e[-+]\d+)?", line)) for line in block.splitlines()[:-1]} == {numbers}


def test_the_appendixs_listing_and_what_numpy_prints_are_read(rng, tmp_path):
    written = example(rng, parts=3)
    written[2] = rng.normal(size=(1, 302)).round(8)
    with np.printoptions(threshold=10**9):
        printed = [str(written[0]), str(written[1].astype(int)), str(written[2])]
    listed = [str(array.tolist()) for array in written]
    flat = [*listed[:2], str(written[2][0].tolist())]
    for texts in (printed, listed, flat):
        for separator in (",", ",\n", ",\r\n\r\n"):
            (tmp_path / "model.doc").write_bytes((separator.join(texts) + separator).encode("utf-8-sig"))
            assert same(model.read_model(tmp_path / "model.doc"), written)


DAMAGE = {  # which line, what is replaced by what, and the message
    "a weight missing": (-6, r"^ *[^,]+, ", "", r"expected 302 weights, 151 for each of the 2 labels, found 301"),
    "a kernel's number missing": (1, "0, ", "", r"expected arrays of numbers, of one length in each row"),
    "code": (60, "^.*$", "__import__('os').system('touch hacked'),", r"line 61: this is not a model"),
    "nan": (-6, ", ", ", nan, ", r"line 10\d: this is not a model"),
    "NaN": (-6, r"[-\d.e]+, ", "NaN, ", r"expected numbers below 1e\+15, found larger ones or nan"),
    "infinity": (-6, r"[-\d.e]+, ", "1e999, ", r"expected numbers below 1e\+15"),
    "one label too many": (-3, "^.*$", '["0", "1", "2"],', r"expected 453 weights"),
    "labels alike": (-3, "^.*$", '["0", "0"],', r"expected two or more different labels"),
    "labels as numbers": (-3, "^.*$", "[0, 1],", r"expected two or more different labels, each in double quotes"),
    "one label": (-3, "^.*$", '["0"],', r"expected two or more different labels"),
    "a sum of nothing": (-1, "^.*$", "0", r"expected an output sum above 0"),
    "two sums": (-1, "^.*$", "[1, 2]", r"expected an output sum above 0"),
    "an array too many": (-1, "$", ",[[1]]", r"expected two arrays of kernels, .* found 6 parts"),
    "shortened by NumPy": (-6, "^", "..., ", r"line 10\d: this is not a model"),
    "a bracket too many": (-6, "$", "]]]]", r"line 10\d: this is not a model"),
}


@pytest.mark.parametrize("change", [*DAMAGE, "cut off", "empty", "bytes", "brackets", "digits"])
def test_anything_else_is_refused_in_one_line_and_no_code_is_run(rng, tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    model.write_model(model.start_model("01", rng), "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    lines, message = text.splitlines(), "model"
    if change in DAMAGE:
        place, old, new, message = DAMAGE[change]
        lines[place], count = re.subn(old, new, lines[place], count=1)
        assert count
        text = "".join(f"{line}\n" for line in lines)
    content = {"cut off": text[: len(text) // 2], "empty": "", "brackets": "[" * 10**6, "digits": "9" * 10**6}
    (tmp_path / "model.doc").write_text(content.get(change, text), encoding="utf-8")
    if change == "bytes":
        (tmp_path / "model.doc").write_bytes(b"\x89PNG\r\n\xff")
    with pytest.raises(InputError, match=message) as caught:
        model.read_model("model.doc")
    assert str(caught.value).startswith("model.doc")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


def test_decimal_commas_are_refused_with_a_hint(rng, tmp_path):
    for parts in (3, 5):
        model.write_model(model.start_model("01", rng)[:parts], tmp_path / "model.doc")
        text = (tmp_path / "model.doc").read_text(encoding="utf-8").replace(".", ",")
        (tmp_path / "model.doc").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="if it has decimal commas, write decimal points instead"):
            model.read_model(tmp_path / "model.doc")


def test_arrays_that_do_not_fit_together_are_refused(rng, tmp_path):
    made = example(rng)
    for wrong, message in (
        ([made[0][:5], *made[1:]], r"kernels of convolution 2 with 125 numbers each .* found \(6, 150\)"),
        ([made[0][:, :24], *made[1:]], r"kernels of convolution 1 with 25 numbers each, found \(6, 24\)"),
        ([made[0], made[1][:5], *made[2:]], "expected 252 weights, 126 for each of the 2 labels, found 302"),
    ):
        with pytest.raises(InputError, match=message):
            model.write_model(wrong, tmp_path / "model.doc")


def test_a_model_that_cannot_be_written_leaves_the_old_one(rng, tmp_path, monkeypatch):
    model.write_model(example(rng), tmp_path / "model.doc")
    before = (tmp_path / "model.doc").read_bytes()
    monkeypatch.setattr("os.fsync", full_disk())
    with pytest.raises(OSError, match="No space left"):
        model.write_model(example(rng), tmp_path / "model.doc")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"model.doc": before}


@pytest.mark.parametrize(("name", "labels"), [("shipped", "01"), ("paper", "01"), ("digits", "0123456789")])
def test_the_models_in_models_know_their_labels(name, labels):
    read = model.read_model(ROOT / "models" / f"{name}.doc")
    assert model.labels_of(read) == list(labels)
    for label in labels:
        picture = next(iter(sorted((ROOT / "dataset" / label).glob("*.png"))))
        assert next(iter(cnn.classify(picture, read))) == label
