"""metadata.doc, the log of a training: writing and reading it (the paper's second file).

Line 1 is when training started (unix time), line 2 the current generation, then two blank lines, then one line a
generation: generation, label, cross entropy, softmax of the first label, predicted label.
"""

import contextlib
import math
import os
import re

import numpy as np

from support.files import InputError, write_whole

HEADER = "Training started (unix time): {!r}\nCurrent generation: {:>12}\n\n\n"  # line 2 is written over in place
COLUMNS = ("generation", "label", "cross_entropy", "softmax", "predicted")


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
    blocks, rows, columns = [], [], None
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            if number <= 2 or not fields:
                continue
            columns = columns or (5 if len(fields) == 5 else 4)
            complete = line.endswith("\n") or columns == 4  # only ours surely ends each line with a newline
            row = _row(fields) if len(fields) == columns else None
            if row is None and complete and line.endswith("\n"):
                raise InputError(
                    f"{path}, line {number}: expected generation, label, cross entropy, softmax of the first label"
                    f"{' and predicted label' if columns == 5 else ''}, found {line.strip()[:60]!r}"
                )
            if row is not None and complete:
                rows.append(row)
            if len(rows) == 50_000:
                blocks.append(_block(rows))
                rows = []
    return np.concatenate([*blocks, _block(rows)])


def read_header(path):
    """When training started (unix time) and the current generation, as lines 1 and 2 say; None where they do not."""
    with open(path, encoding="utf-8", errors="replace") as file:
        numbers = [re.findall(r"\d+(?:\.\d+)?", file.readline()) for _ in range(2)]
    started, generation = (float(found[-1]) if found and len(found[-1]) < 20 else None for found in numbers)
    return started, None if generation is None else int(generation)


def _row(fields):
    """One line's fields as a row, None where they are no row."""
    try:
        row = (int(fields[0]), fields[1], float(fields[2]), float(fields[3]), fields[4] if len(fields) == 5 else "")
    except ValueError:
        return None
    return row if 0 <= row[0] < 2**63 and math.isfinite(row[2]) and math.isfinite(row[3]) else None


def _block(rows):
    """Rows as an array; a label takes as much room as the longest needs."""
    label, predicted = (max([1, *(len(row[column]) for row in rows)]) for column in (1, 4))
    types = ("i8", f"U{label}", "f8", "f8", f"U{predicted}")
    return np.array(rows, dtype=list(zip(COLUMNS, types)))
