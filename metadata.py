"""metadata.doc, the log of a training: writing it and reading it (the paper's second file).

Line 1 says when training started (unix time), line 2 how many generations are done. After two blank lines there is one
line for each generation: generation, label, cross entropy, softmax of the first label, predicted label.
"""

import contextlib
import hashlib
import io
import os
import re

import numpy as np

from support.files import InputError, write_whole

HEADER = "Training started (unix time): {!r}\nCurrent generation: {:>12}\n\n\n"  # line 2 is updated in place
COLUMNS = ("generation", "label", "cross_entropy", "softmax", "predicted")
LABEL_LENGTH = 255  # characters, the longest name that a folder can have
BLOCK = 1 << 20  # bytes that are read at once


def start_log(path, started):
    """Put a log without generations at `path`, in place of the file there."""
    write_whole(path, HEADER.format(started, 0).encode())


class Log:
    """A log that training continues after its first `rows` generations. Lines after them are dropped.

    Lines are appended and line 2 is updated in place, so the cost does not depend on the length of the file. If
    the disk is full, an incomplete line is removed. `dropped` is the number of lines that were dropped at the start.
    mark: what mark() returned when the training wrote its first `rows` lines. Raises InputError for another log.
    """

    def __init__(self, path, rows=0, mark=None):
        self._path, self._rows, self._digest = path, [], hashlib.sha256()
        with open(path, "rb") as file:
            self._line_2 = len(file.readline())
            if not re.fullmatch(rb"Current generation: [ \d]{12}\n\n\n", b"".join(file.readline() for _ in range(3))):
                raise InputError(f"{path}, line 2: expected the header of a log that this program wrote")
            for row in range(1, rows + 1):
                line = file.readline()
                if not line.startswith(b"%d " % row) or not line.endswith(b"\n"):
                    raise InputError(f"{path}, line {row + 4}: expected generation {row}, found {line[:40]!r}")
                self._digest.update(line)
            if mark and self.mark() != mark:
                do = "put the right one back, or train from the start"
                raise InputError(f"{path}: another training wrote this log; {do}")
            self._end = file.tell()
            self.dropped = len(file.read().splitlines())
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, close() closes it
        self._file.truncate(self._end)

    def append(self, generation, label, cross_entropy, softmax, predicted):
        """Note a generation. flush() writes it to the file."""
        self._rows.append(f"{generation} {label} {float(cross_entropy)!r} {float(softmax)!r} {predicted}\n")

    def flush(self, generation):
        """Write the noted lines and the current generation to the disk."""
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
        self._digest.update(rows)
        self._rows.clear()

    def mark(self):
        """Return the SHA-256 of all lines that are written, in hexadecimal."""
        return self._digest.hexdigest()

    def close(self):
        self._file.close()


def read_metadata(path):
    """Return every row of a log as a NumPy array with the fields of COLUMNS: read_metadata(path)["cross_entropy"].

    It reads our logs and those of the paper's authors, which have four columns and headers in another language; their
    `predicted` is empty. A last line that was cut off is left out. Raises InputError, with the line, for anything else.
    """
    return np.concatenate([*Follower(path).blocks(to_the_end=True)])


def find_right(rows):
    """Return for each row whether the network's answer was right: (n,) of True and False.

    The log of the paper's authors does not name the answer. There the right label's probability, which is
    10^-cross entropy, has to be above 0.5.
    """
    return np.where(rows["predicted"] != "", rows["predicted"] == rows["label"], rows["cross_entropy"] < np.log10(2))


def read_header(path):
    """Return the start of training (unix time) and the current generation, as lines 1 and 2 say; None for no number."""
    with open(path, encoding="utf-8", errors="replace") as file:
        numbers = [re.findall(r"\d+(?:\.\d+)?", file.readline(BLOCK)) for _ in range(2)]
    started, generation = (float(found[-1]) if found and len(found[-1]) < 20 else None for found in numbers)
    return started, None if generation is None else int(generation)


class Follower:
    """Reads a log while it is being written. Each call of blocks() gives only the rows that are new.

    If another log took the place of the file, or if --resume dropped rows, it begins again at line 1. `begun` counts
    how often it has begun.
    """

    def __init__(self, path):
        self.path, self.begun, self._first, self.place = path, 0, None, 0  # place: bytes that are read

    def blocks(self, to_the_end=False):
        """Yield the new rows, as arrays like read_metadata()'s, some 20,000 rows at a time.

        When it begins at line 1 it first yields an empty array. to_the_end: nobody is writing the file, so its last
        line needs no newline. Raises InputError or OSError.
        """
        with open(self.path, "rb") as file:
            first = os.fstat(file.fileno()).st_ino, file.readline(BLOCK)
            if first != self._first or not self._continues(file):
                self._first, self.place, self._line, self._columns, self._last = first, 0, 0, None, b""
                self.begun += 1
                yield _array([])
            while True:
                file.seek(self.place)
                data = file.read(BLOCK) + file.readline(BLOCK)
                if not to_the_end:
                    data = data[: data.rfind(b"\n") + 1]
                if not data:
                    return
                rows = [row for row in map(self._row, io.StringIO(data.decode(errors="replace"))) if row]
                self.place, self._last = self.place + len(data), data[-100:]
                yield _array(rows)

    def _continues(self, file):
        """Tell whether the bytes that were read last are still in their place. Line 2 of the header may change."""
        file.seek(self.place - len(self._last))
        return self._line <= 4 or file.read(len(self._last)) == self._last

    def _row(self, line):
        """Return a line as a row, or None for a line of the header, an empty line, or a last line that was cut off."""
        self._line += 1
        fields = line.split()
        if self._line <= 2 or not fields:
            return None
        self._columns = self._columns or (5 if len(fields) == 5 else 4)
        whole = line.endswith("\n") or self._columns == 4  # the authors' last line may have no newline
        try:
            generation, label, cross_entropy, softmax, predicted = fields if self._columns == 5 else [*fields, ""]
            row = int(generation), label, float(cross_entropy), float(softmax), predicted
            fits = 0 <= row[0] < 2**63 and abs(row[2]) + abs(row[3]) < 1e9  # this is False for nan, too
            if not fits or max(len(label), len(predicted)) > LABEL_LENGTH:
                raise ValueError
        except ValueError:
            if not line.endswith("\n"):
                return None
            self._first = None  # next time it begins again at line 1
            expected = "generation, label, cross entropy, softmax of the first label"
            expected += ", predicted label" if self._columns == 5 else ""
            where = f"{self.path}, line {self._line}"
            raise InputError(f"{where}: expected {expected}, found {line.strip()[:60]!r}") from None
        return row if whole else None


def _array(rows):
    """Return rows as a NumPy array. Its text fields are as wide as the longest label."""
    widths = [max((len(row[column]) for row in rows), default=1) or 1 for column in (1, 4)]
    return np.array(rows, list(zip(COLUMNS, ("i8", f"U{widths[0]}", "f8", "f8", f"U{widths[1]}"))))
