"""metadata.py: the form of the log, the authors' logs, and what is refused."""

import numpy as np
import pytest
from conftest import full_disk

import cnn
import metadata
from support.files import InputError

LABELS = "0", "1", "long-label"


def result_of(label, cross_entropy, first):
    """What cnn.cnn() returns in a generation, as far as the log needs it."""
    return cnn.Trained(cross_entropy, np.array(LABELS) == label, np.array([first, 1 - first, 0]), None)


def write_log(path, rows, started=1488888888.25):
    """Write a log; where its rows end, and the last one, as Log() takes them."""
    metadata.start_log(path, started)
    log = metadata.Log(path, LABELS)
    for generation, *row, _ in rows:
        log.append(generation, result_of(*row))
    log.flush(len(rows))
    log.close()
    return log.size, log.last


ROWS = [(1, "0", 0.25, 0.5623, "0"), (2, "1", 0.1 + 0.2, 1e-7, "1"), (3, "1", 43.4, 1.0, "0")]


def test_the_form_of_the_log(tmp_path):
    write_log(tmp_path / "metadata.doc", ROWS)
    lines = (tmp_path / "metadata.doc").read_text(encoding="utf-8").split("\n")
    assert lines == [
        "Training started (unix time): 1488888888.25",
        "Current generation:            3",
        "",
        "",
        "1 0 0.25 0.5623 0",
        "2 1 0.30000000000000004 1e-07 1",
        "3 1 43.4 1.0 0",
        "",
    ]


def test_every_row_and_the_header_are_read_back(tmp_path):
    write_log(tmp_path / "metadata.doc", ROWS)
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert rows.tolist() == ROWS
    assert rows.dtype.names == metadata.COLUMNS
    assert metadata.read_header(tmp_path / "metadata.doc") == (1488888888.25, 3)


@pytest.mark.parametrize("place", range(4, 7))
@pytest.mark.parametrize("line", [b"3 1 43.4 0.9 0\n", b"3 1 43.4 1.0 0", b"\n", b""])
def test_going_on_needs_every_generation_before(tmp_path, place, line):
    end = write_log(tmp_path / "metadata.doc", ROWS)
    lines = (tmp_path / "metadata.doc").read_bytes().splitlines(keepends=True)
    lines[place] = line
    (tmp_path / "metadata.doc").write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=r"metadata\.doc: another training wrote this log, or lines are missing"):
        metadata.Log(tmp_path / "metadata.doc", LABELS, *end)


def test_rows_that_the_disk_did_not_take_are_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "metadata.doc"
    end = write_log(path, ROWS)
    before, log = path.read_bytes(), metadata.Log(path, LABELS, *end)
    log.append(4, result_of("0", 0.5, 0.5))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left") as caught:
        patch.setattr("os.fsync", full_disk())
        log.flush(4)
    assert caught.value.filename == path
    assert path.read_bytes() == before.replace(b"           3\n", b"           4\n")
    log.flush(4)
    log.close()
    assert metadata.read_metadata(path)["generation"].tolist() == [1, 2, 3, 4]


def test_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "BLOCK", 50)
    rows = [(number, "long-label" if number == 60 else "1", number / 7, 0.5, "0") for number in range(1, 121)]
    write_log(tmp_path / "metadata.doc", rows)
    read = metadata.read_metadata(tmp_path / "metadata.doc")
    assert read[59]["label"] == "long-label"
    np.testing.assert_array_equal(read["cross_entropy"], np.arange(1, 121) / 7)


@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\n\n"])
@pytest.mark.parametrize(
    "header", ["1488888888.9\n1234\n\n\n", "Training gestart op: 1488888888.9\nGeneratie: 1234\n\n\n"]
)
def test_the_authors_log(tmp_path, header, end):
    (tmp_path / "metadata.doc").write_bytes((header + "1 0 0.30103 0.5\n2 1 0.25 0.4377" + end).encode())
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert rows.tolist() == [(1, "0", 0.30103, 0.5, ""), (2, "1", 0.25, 0.4377, "")]
    assert metadata.read_header(tmp_path / "metadata.doc") == (1488888888.9, 1234)


def test_a_header_in_another_encoding(tmp_path):
    (tmp_path / "metadata.doc").write_bytes("Début: 1488888888\nGénération: 7\n\n\n1 0 0.5 0.5\n".encode("latin-1"))
    assert len(metadata.read_metadata(tmp_path / "metadata.doc")) == 1
    assert metadata.read_header(tmp_path / "metadata.doc") == (1488888888, 7)


@pytest.mark.parametrize("cut", range(1, len("3 1 43.4 1.0 0\n")))
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path, cut):
    path = tmp_path / "metadata.doc"
    write_log(path, ROWS)
    path.write_bytes(path.read_bytes()[:-cut])
    assert metadata.read_metadata(path).tolist() == ROWS[:2]


@pytest.mark.parametrize("content", ["", "started\n", "started 1.0\ngeneration 0\n\n\n"])
def test_a_log_without_rows(tmp_path, content):
    (tmp_path / "metadata.doc").write_text(content)
    assert len(metadata.read_metadata(tmp_path / "metadata.doc")) == 0


@pytest.mark.parametrize("line", [
    "1 0 0.5", "x 0 0.5 0.5 0", "1 0 nan 0.5 0", "1 0 0.5 inf 0", "1 0 0.5 0.5 0 0", "-1 0 0.5 0.5 0", "\0",
    pytest.param("1 0 0.5 0.5 " + "x" * 256, id="a label too long"),
])  # fmt: skip
def test_anything_else_is_refused_with_its_line(tmp_path, line):
    path = tmp_path / "metadata.doc"
    write_log(path, ROWS)
    path.write_bytes(path.read_bytes() + line.encode() + b"\n4 0 0.5 0.5 0\n")
    with pytest.raises(InputError, match=r"metadata\.doc, line 8: expected generation, label"):
        metadata.read_metadata(path)


@pytest.mark.parametrize("count", [0, 1, 3, 50, 5000])
def test_windows_of_a_log_are_the_rows_before_evenly_spread_places(tmp_path, count):
    path = tmp_path / "metadata.doc"
    write_log(path, [(number, "1", number / 7, 0.5, "0") for number in range(1, count + 1)])
    with open(path, "ab") as file:
        file.write(b"9999 1 0.")  # being written
    whole = metadata.read_metadata(path)
    windows = metadata.read_windows(path, 20, 10)
    assert min(1, count) <= len(windows) <= 20
    for window in windows:
        end = window["generation"][-1]
        assert window.tolist() == whole[max(0, end - 10) : end].tolist()
    ends = [window["generation"][-1] for window in windows]
    assert ends == sorted(ends)
    if count == 5000:
        assert ends[-1] == 5000
        assert np.abs(np.diff(ends) - 250).max() < 30


def test_windows_of_the_authors_log(tmp_path):
    (tmp_path / "metadata.doc").write_text("1\n2\n\n\n0 0 0.30103 0.5\n1 1 0.25 0.4377\n")
    assert metadata.read_windows(tmp_path / "metadata.doc", 1, 10)[0].tolist()[1] == (1, "1", 0.25, 0.4377, "")
