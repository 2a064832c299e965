"""model.py: the hand-set kernels, round trips, the authors' formats, and what is refused."""

import json

import numpy as np
import pytest
from conftest import ROOT, SHARED

import model
from support.files import InputError


def example(rng, labels="01", with_labels=True):
    made = model.start_model(labels, rng)
    made[2] = rng.normal(size=made[2].shape) * 10.0 ** rng.integers(-30, 30, made[2].shape)
    return made if with_labels else made[:3]


def same(one, other):
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in zip(one, other))


def test_start_model(rng):
    kernels_1, kernels_2, weights, labels = model.start_model(["0", "1", "x"], rng)
    assert (kernels_1.shape, kernels_2.shape, weights.shape) == ((6, 25), (6, 150), (1, 453))
    assert labels == ["0", "1", "x"]
    assert weights.min() >= 0
    assert weights.max() < 1
    assert weights.mean() == pytest.approx(0.5, abs=0.1)


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
@pytest.mark.parametrize("with_labels", [True, False])
def test_what_is_read_back_is_what_was_written_bit_for_bit(rng, tmp_path, labels, with_labels):
    written = example(rng, labels, with_labels)
    written[2][0, :4] = [-0.0, 5e-324, 1e99, 0.1 + 0.2]
    model.write_model(written, tmp_path / "model.doc")
    read = model.read_model(tmp_path / "model.doc")
    assert len(read) == len(written)
    assert same(read, written)
    assert str(read[2][0, 0]) == "-0.0"
    assert not (tmp_path / "model.doc.new").exists()


def test_each_array_is_followed_by_a_comma_and_no_line_is_long(rng, tmp_path):
    model.write_model(example(rng), tmp_path / "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    assert text.count("]],\n") == 3
    assert text.endswith('["0", "1"]\n')
    assert max(map(len, text.splitlines())) < 140


def test_reads_the_appendixs_listing(rng, tmp_path):
    written = example(rng, with_labels=False)
    text = "".join(str(array.tolist()) + ",\n" for array in written)
    (tmp_path / "model.doc").write_text(text)
    assert same(model.read_model(tmp_path / "model.doc"), written)


@pytest.mark.parametrize("kernel_type", [int, float])
def test_reads_what_numpy_prints(rng, tmp_path, kernel_type):
    written = example(rng, with_labels=False)
    written[2] = rng.normal(size=(1, 302)).round(8)
    with np.printoptions(threshold=10**9):
        shown = [str(written[0].astype(kernel_type)), str(written[1].astype(kernel_type)), str(written[2])]
    for separator in (",", ",\n", ",\r\n\r\n"):
        (tmp_path / "model.doc").write_bytes((separator.join(shown) + separator).encode())
        assert same(model.read_model(tmp_path / "model.doc"), written)


def test_reads_weights_printed_flat(rng, tmp_path):
    written = example(rng, with_labels=False)
    text = ",\n".join([str(written[0].tolist()), str(written[1].tolist()), str(written[2][0].tolist())])
    (tmp_path / "model.doc").write_text(text)
    assert same(model.read_model(tmp_path / "model.doc"), written)


def damaged(text, change):
    """The text of a good model, damaged in one way."""
    lines = text.splitlines()
    if change == "a weight missing":
        lines[-4] = lines[-4].split(", ", 1)[1]
    elif change == "a kernel's number missing":
        lines[1] = lines[1].replace("0, ", "", 1)
    elif change == "cut off":
        lines = lines[:100]
    elif change == "code":
        lines[60] = "__import__('os').system('touch hacked'),"
    elif change == "nan":
        lines[-4] = lines[-4].replace(", ", ", nan, ", 1)
    elif change == "infinity":
        lines[-4] = lines[-4].replace(", ", ", 1e999, ", 1)
    elif change == "one label too many":
        lines[-1] = '["0", "1", "2"]'
    elif change == "labels alike":
        lines[-1] = '["0", "0"]'
    elif change == "labels as numbers":
        lines[-1] = "[0, 1]"
    elif change == "two commas":
        lines[1] = lines[1].replace(",", ",,", 1)
    elif change == "an array too many":
        lines += [",[[1]]", ",[[1]]"]
    elif change == "shortened by NumPy":
        lines[-4] = "..., " + lines[-4]
    elif change == "a bracket too many":
        lines[-3] += "]"
    elif change == "empty":
        lines = []
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("a weight missing", r"line 45: expected 302 fully connected weights .*, found 301"),
        ("a kernel's number missing", r"line 1: expected the 6 kernels of convolution 1, 25 numbers each"),
        ("cut off", r"line 100: expected \] before the end"),
        ("code", r"line 61: expected a number"),
        ("nan", r"line \d+: expected a number .*found nan"),
        ("infinity", r"line \d+: expected a number .*found 1e999"),
        ("one label too many", r"expected 453 fully connected weights"),
        ("labels alike", r"expected labels that differ"),
        ("labels as numbers", r"expected labels that differ"),
        ("two commas", r"line 2: expected a value before the comma"),
        ("an array too many", r"expected 3 arrays"),
        ("shortened by NumPy", r"expected a number .*found \.\.\."),
        ("a bracket too many", r"expected a list to be open"),
        ("empty", r"expected 3 arrays .*found 0"),
    ],
)
def test_anything_else_is_refused_with_its_line(rng, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    model.write_model(model.start_model("01", rng), "model.doc")
    text = (tmp_path / "model.doc").read_text(encoding="utf-8")
    (tmp_path / "model.doc").write_text(damaged(text, change), encoding="utf-8")
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
