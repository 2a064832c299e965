"""metadata.doc, the log of a training: writing and reading it (the paper's second file).

Line 1 is when training started (unix time), line 2 the current generation, then two blank lines, then one line a
generation: generation, label, cross entropy, softmax of the first label, predicted label.

It stands on model.py and support/; training.py writes with it, results.py, demo.py and experiments/ read with it.
"""

import contextlib
import io
import os
import re

import numpy as np

from model import LARGEST
from support.files import InputError, write_whole

HEADER = "Training started (unix time): {!r}\nCurrent generation: {:>12}\n\n\n"  # line 2 is written over in place
BLOCK = 1 << 20  # bytes of a log that are read at once, and of a line
LONGEST = 255  # characters of a label, which is the name of a folder
COLUMNS = ("generation", "label", "cross_entropy", "softmax", "predicted")
AS_READ = [(name, "f8" if name in ("cross_entropy", "softmax") else "O") for name in COLUMNS]


def start_log(path, started):
    """Put a log without rows at `path`, in place of what is there."""
    write_whole(path, HEADER.format(started, 0).encode())


def is_empty(path):
    """Whether what is at `path` is a log of ours without a generation."""
    try:
        with open(path, "rb") as file:
            return file.read(200).endswith(b"\n\n\n") and read_header(path)[1] == 0
    except OSError:
        return False


class Log:
    """A log of ours that training goes on writing: after its first `rows` rows, what comes later is dropped.

    Rows are appended, and line 2 is written over in place: what flush() costs does not depend on the file's length.
    A row that could not be written whole, the disk being full, is taken back. `dropped` counts the lines dropped.
    """

    def __init__(self, path, rows=0):
        self._path, self._rows = path, []
        with open(path, "rb") as file:
            line_1 = file.readline()
            self._line_2, line_2 = file.tell(), file.readline()
            if not re.fullmatch(rb"Current generation: [ \d]{12}\n", line_2) or file.read(2) != b"\n\n":
                raise InputError(
                    f"{path}, line 2: expected the header that {line_1.decode(errors='replace')[:40]!r} begins"
                )
            for row in range(1, rows + 1):
                line = file.readline()
                if not line.startswith(b"%d " % row) or not line.endswith(b"\n"):
                    raise InputError(
                        f"{path}, line {row + 4}: expected generation {row} of {rows}, found {line[:40]!r}"
                    )
            self._end = file.tell()
            self.dropped = len(file.read().splitlines())
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, closed by close()
        self._file.truncate(self._end)

    def append(self, generation, label, cross_entropy, softmax, predicted):
        """Note a generation; flush() makes it visible."""
        self._rows.append(f"{generation} {label} {cross_entropy!r} {softmax!r} {predicted}\n")

    def flush(self, generation):
        """Write the noted rows and the current generation to the file, and to the disk."""
        rows = "".join(self._rows).encode()
        try:
            self._file.seek(self._end)
            written = 0
            while written < len(rows):
                written += self._file.write(rows[written:])
            self._file.seek(self._line_2)
            self._file.write(b"Current generation: %12d" % generation)
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = self._path
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(rows)
        self._rows.clear()

    def close(self):
        self._file.close()


def read_metadata(path):
    """Every row of a log, as a NumPy array with the fields of COLUMNS: read_metadata(path)["cross_entropy"].

    Takes our logs and those of the paper's authors (four columns: `predicted` is then empty), whatever their header
    says. A last line that was cut off is left out. Raises InputError with the line for anything else.
    """
    return np.concatenate([*Follower(path).blocks(to_the_end=True)])


def find_right(rows):
    """Whether each generation's answer was its true label: (n,) of True and False.

    The paper's authors' log does not name the answer: there, right is a probability above 0.5 for the true label, which
    is 10^-cross entropy.
    """
    named = rows["predicted"] != ""
    return np.where(named, rows["predicted"] == rows["label"], rows["cross_entropy"] < np.log10(2))


class Follower:
    """Reads a log while it is written: each time only what came since. `begun` counts how often it began at line 1.

    It does so again where another training's log took the place of the one it knew, or where --resume dropped rows.
    """

    def __init__(self, path):
        self.path, self.begun, self._mark = path, 0, None

    def blocks(self, to_the_end=False):
        """The rows that came since, as arrays like read_metadata()'s, of some 20,000 rows each, or at line 1 of none.

        to_the_end: the file is whole, its last line needs no newline. Raises InputError, or OSError.
        """
        with open(self.path, "rb") as file:
            mark = (os.fstat(file.fileno()).st_ino, file.readline(BLOCK))
            if mark != self._mark or not self._goes_on(file):
                self._mark, self._place, self._line, self._columns, self._last = mark, 0, 0, None, b""
                self.begun += 1
                yield _block([])
            while True:
                file.seek(self._place)  # what was cut off may be whole by now
                data = file.read(BLOCK) + file.readline(BLOCK)
                whole = data if to_the_end else data[: data.rfind(b"\n") + 1]
                if not whole:
                    return  # nothing came, or a line is being written
                rows = self._rows(whole.decode(errors="replace"))
                self._place, self._last = self._place + len(whole), whole[-100:]
                yield rows

    def _goes_on(self, file):
        """Whether what was read last still stands where it stood; line 2, in the header, is written over."""
        file.seek(self._place - len(self._last))
        return self._line <= 4 or file.read(len(self._last)) == self._last

    def _rows(self, text):
        """The rows in some lines, as an array: at once where each is a whole row, otherwise line by line."""
        if self._columns == 5 and text.endswith("\n"):
            with contextlib.suppress(ValueError, OverflowError):
                rows = _block(np.loadtxt(io.StringIO(text), AS_READ, comments=None, ndmin=1))
                numbers = np.abs(rows["cross_entropy"]) + np.abs(rows["softmax"])
                if len(rows) == text.count("\n") and rows["generation"].min() >= 0 and (numbers < LARGEST).all():
                    self._line += len(rows)
                    return rows
        return _block([row for row in map(self._row, io.StringIO(text)) if row])

    def _row(self, line):
        """One line as a row; None where it has none, as the header and a last line that was cut off."""
        self._line += 1
        fields = line.split()
        if self._line <= 2 or not fields:
            return None
        self._columns = self._columns or (5 if len(fields) == 5 else 4)
        ended = line.endswith("\n")
        try:
            generation, label, error, softmax, predicted = fields if self._columns == 5 else [*fields, ""]
            row = (int(generation), label, float(error), float(softmax), predicted)
            fits = 0 <= row[0] < 2**63 and abs(row[2]) + abs(row[3]) < LARGEST  # what is nan is not
            if not fits or max(len(label), len(predicted)) > LONGEST:
                raise ValueError
        except ValueError:
            if not ended:
                return None
            self._mark = None  # the next time from line 1
            raise InputError(
                f"{self.path}, line {self._line}: expected generation, label, cross entropy, softmax of the first label"
                f"{' and predicted label' if self._columns == 5 else ''}, found {line.strip()[:60]!r}"
            ) from None
        return row if ended or self._columns == 4 else None  # only ours surely ends each line with a newline


def read_header(path):
    """When training started (unix time) and the current generation, as lines 1 and 2 say; None where they do not."""
    with open(path, encoding="utf-8", errors="replace") as file:
        numbers = [re.findall(r"\d+(?:\.\d+)?", file.readline(BLOCK)) for _ in range(2)]
    started, generation = (float(found[-1]) if found and len(found[-1]) < 20 else None for found in numbers)
    return started, None if generation is None else int(generation)


def _block(rows):
    """Rows as an array; a label takes as much room as the longest needs. Raises ValueError where that is too much."""
    rows = np.array(rows, AS_READ)
    lengths = [max(map(len, rows[name]), default=1) for name in ("label", "predicted")]
    if max(lengths) > LONGEST:
        raise ValueError
    return rows.astype(list(zip(COLUMNS, ("i8", f"U{lengths[0]}", "f8", "f8", f"U{lengths[1]}"))))
