"""model.py: the hand-set kernels, round trips, the authors' formats, and what is refused."""

import contextlib
import json
import re

import numpy as np
import pytest
from conftest import ROOT, SHARED

import model
from support.files import InputError


def example(rng, labels="01", parts=5):
    made = model.start_model(labels, rng, 0.1 + 0.2)
    made[2] = rng.normal(size=made[2].shape) * 10.0 ** rng.integers(-30, 30, made[2].shape)
    return made[:parts]


def same(one, other):
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in zip(one, other))


def test_start_model(rng):
    kernels_1, kernels_2, weights, labels, output_sum = model.start_model(["0", "1", "x"], rng)
    assert (kernels_1.shape, kernels_2.shape, weights.shape) == ((6, 25), (6, 150), (1, 453))
    assert (labels, output_sum) == (["0", "1", "x"], 100)
    assert weights.min() >= 0
    assert weights.max() < 1
    assert weights.mean() == pytest.approx(0.5, abs=0.1)


def test_start_model_for_training_all_layers(rng):
    plain = model.start_model("01", np.random.default_rng(1))
    made = model.start_model("01", np.random.default_rng(1), train_kernels=True)
    assert {array.dtype for array in made[:3]} == {np.dtype(np.float32)}
    for kernels, hand_set, length in zip(made, plain, (model.KERNEL_LENGTH / 255, model.KERNEL_LENGTH)):
        np.testing.assert_allclose(np.linalg.norm(kernels, axis=1), length, rtol=1e-6)
        for kernel, other in zip(kernels, hand_set):
            np.testing.assert_allclose(kernel / length, other / np.linalg.norm(other), rtol=1e-5)
    np.testing.assert_allclose(made[2], plain[2] * 0.2, rtol=1e-6)


def test_the_largest_numbers_that_are_taken(rng, tmp_path):
    written = example(rng)
    for number, taken in ((9.9e99, True), (-9.9e99, True), (1e100, False), (-1e100, False)):
        written[2][0, 5] = number
        model.write_model(written, tmp_path / "model.doc")
        for take in (lambda: model.read_model(tmp_path / "model.doc"), lambda: model.parts_of(written)):
            with contextlib.nullcontext() if taken else pytest.raises(InputError, match=r"below 1e\+100"):
                take()
    written[2][0, 5] = 0
    for number, taken in ((1_000_000, True), (1_000_001, False), (1e-9, True), (0, False)):
        model.write_model([*written[:4], number], tmp_path / "model.doc")
        with contextlib.nullcontext() if taken else pytest.raises(InputError, match="expected the output sum"):
            assert model.read_model(tmp_path / "model.doc")[4] == number


def test_the_hand_set_kernels_and_paper_doc_are_the_appendixs(rng):
    appendix = SHARED / "paper" / "appendix_model.json"
    if not appendix.is_file():
        pytest.skip("the appendix's model is not on this machine")
    appendix = json.loads(appendix.read_text())
    for kernels_1, kernels_2 in (model.start_model("01", rng)[:2], model.read_model(ROOT / "models" / "paper.doc")[:2]):
        assert kernels_1.tolist() == appendix["kernels_1"]
        assert kernels_2.tolist() == appendix["kernels_2"]
    assert model.read_model(ROOT / "models" / "paper.doc")[2].tolist() == [appendix["fully_connected"]]


@pytest.mark.parametrize("labels", ["01", "0123456789", ["null", "één", 'a"b', "\\"]])
@pytest.mark.parametrize("parts", [3, 4, 5])
def test_what_is_read_back_is_what_was_written_bit_for_bit(rng, tmp_path, labels, parts):
    written = example(rng, labels, parts)
    written[2][0, :4] = [-0.0, 5e-324, 1e99, 0.1 + 0.2]
    model.write_model(written, tmp_path / "model.doc")
    read = model.read_model(tmp_path / "model.doc")
    assert len(read) == len(written)
    assert same(read, written)
    assert str(read[2][0, 0]) == "-0.0"
    assert not (tmp_path / "model.doc.new").exists()


def test_labels_stand_as_they_are_and_no_number_is_longer_than_one_can_be(rng, tmp_path):
    model.write_model(model.start_model(["één", "\u4e00"], rng), tmp_path / "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    assert '["één", "\u4e00"]' in text
    for digits, taken in ((397, True), (398, False)):
        (tmp_path / "model.doc").write_text(text.replace("[-1, 0,", f"[0.{'1' * digits}, 0,", 1), encoding="utf-8")
        with contextlib.nullcontext() if taken else pytest.raises(InputError, match="line 1: expected a number"):
            model.read_model(tmp_path / "model.doc")


def test_each_array_is_followed_by_a_comma_and_no_line_is_long(rng, tmp_path):
    model.write_model(example(rng), tmp_path / "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    assert text.count("]],\n") == 3
    assert text.endswith('["0", "1"],\n\n0.30000000000000004\n')
    assert max(map(len, text.splitlines())) < 140
    blocks = text.split("]],\n\n")
    for block, numbers, lines in zip(blocks, (25, 25, 5), (6, 36, 61)):
        assert len(block.splitlines()) == lines
        assert {len(re.findall(r"[\d.]+(?:e[-+]\d+)?", line)) for line in block.splitlines()[:-1]} == {numbers}


def test_reads_the_appendixs_listing(rng, tmp_path):
    written = example(rng, parts=3)
    text = "".join(str(array.tolist()) + ",\n" for array in written)
    (tmp_path / "model.doc").write_text(text)
    assert same(model.read_model(tmp_path / "model.doc"), written)


@pytest.mark.parametrize("kernel_type", [int, float])
def test_reads_what_numpy_prints(rng, tmp_path, kernel_type):
    written = example(rng, parts=3)
    written[2] = rng.normal(size=(1, 302)).round(8)
    with np.printoptions(threshold=10**9):
        shown = [str(written[0].astype(kernel_type)), str(written[1].astype(kernel_type)), str(written[2])]
    for separator in (",", ",\n", ",\r\n\r\n"):
        (tmp_path / "model.doc").write_bytes((separator.join(shown) + separator).encode())
        assert same(model.read_model(tmp_path / "model.doc"), written)


def test_reads_weights_printed_flat(rng, tmp_path):
    written = example(rng, parts=3)
    text = ",\n".join([str(written[0].tolist()), str(written[1].tolist()), str(written[2][0].tolist())])
    (tmp_path / "model.doc").write_text(text)
    assert same(model.read_model(tmp_path / "model.doc"), written)


DAMAGE = {  # what is put in place of what in a good model's lines, and the message
    "a weight missing": (-6, r"^ *[^,]+, ", "", r"line 45: expected 302 fully connected weights .*, found 301"),
    "a kernel's number missing": (1, "0, ", "", r"line 1: expected the 6 kernels of convolution 1, 25 numbers each"),
    "code": (60, "^.*$", "__import__('os').system('touch hacked'),", r"line 61: expected a number"),
    "nan": (-6, ", ", ", nan, ", r"line \d+: expected a number .*found nan"),
    "infinity": (-6, ", ", ", 1e999, ", r"line \d+: expected a number .*found 1e999"),
    "text": (-6, ", ", ', "1", ', r"line 45: expected 302 fully connected weights"),
    "one label too many": (-3, "^.*$", '["0", "1", "2"],', r"expected 453 fully connected weights"),
    "labels alike": (-3, "^.*$", '["0", "0"],', r"expected labels that differ"),
    "labels as numbers": (-3, "^.*$", "[0, 1],", r"expected labels that differ"),
    "a sum of nothing": (-1, "^.*$", "0", r"expected the output sum, a number above 0"),
    "two sums": (-1, "^.*$", "[1, 2]", r"expected the output sum, a number above 0"),
    "an array too many": (-1, "$", ",[[1]]", r"expected 3 arrays"),
    "shortened by NumPy": (-6, "^", "..., ", r"expected a number .*found \.\.\."),
    "a bracket too many": (-6, "$", "]]]]", r"expected a list to be open"),
    "a list in a row": (-6, ", ", ", [1], ", r"expected no list after a number"),
}


@pytest.mark.parametrize("change", [*DAMAGE, "cut off", "empty"])
def test_anything_else_is_refused_with_its_line(rng, tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    model.write_model(model.start_model("01", rng), "model.doc")
    lines = (tmp_path / "model.doc").read_text(encoding="utf-8").splitlines()
    if change in DAMAGE:
        place, old, new, message = DAMAGE[change]
        lines[place], count = re.subn(old, new, lines[place], count=1)
        assert count
    else:
        lines = lines[:100] if change == "cut off" else []
        message = r"line 100: expected \] before the end" if lines else "expected 3 arrays .*found 0"
    (tmp_path / "model.doc").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        model.read_model("model.doc")
    assert str(caught.value).startswith("model.doc")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89PNG\r\n", b"[" * 1_000_000, b"9" * 1_000_000, b'["' * 9999])
def test_bytes_that_are_no_model_are_refused(tmp_path, content):
    (tmp_path / "model.doc").write_bytes(content)
    with pytest.raises(InputError):
        model.read_model(tmp_path / "model.doc")


def test_a_model_that_cannot_be_written_leaves_the_old_one(rng, tmp_path, monkeypatch):
    model.write_model(example(rng), tmp_path / "model.doc")
    before = (tmp_path / "model.doc").read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.write_model(example(rng), tmp_path / "model.doc")
    assert (tmp_path / "model.doc").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.doc"]
