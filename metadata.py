"""metadata.doc, the log of a training: writing and reading it (the paper's second file).

Line 1 is when training started (unix time), line 2 the current generation, then two blank lines, then one line a
generation: generation, label, cross entropy, softmax of the first label, predicted label.
"""

import math
import re

import numpy as np

from common import InputError

WIDTH = 12  # characters that line 2 keeps for the generation, so that it can be written over in place
COLUMNS = ("generation", "label", "cross_entropy", "softmax", "predicted")


class Log:
    """A metadata.doc that is being written. Rows are appended, and line 2 is written over in place.

    What flush() costs does not depend on the length of the file.
    """

    def __init__(self, path, started):
        self._rows = []
        self._file = open(path, "wb")  # noqa: SIM115, closed by close()
        header = f"Training started (unix time): {started!r}\nCurrent generation: "
        self._line_2 = len(header.encode())
        self._file.write(f"{header}{0:>{WIDTH}}\n\n\n".encode())
        self._file.flush()

    def append(self, generation, label, cross_entropy, softmax, predicted):
        """Note a generation; flush() makes it visible."""
        self._rows.append(f"{generation} {label} {cross_entropy!r} {softmax!r} {predicted}\n")

    def flush(self, generation):
        """Write the noted rows and the current generation to the file."""
        self._file.write("".join(self._rows).encode())
        self._rows.clear()
        end = self._file.tell()
        self._file.seek(self._line_2)
        self._file.write(f"{generation:>{WIDTH}}".encode())
        self._file.seek(end)
        self._file.flush()

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
    started, generation = (found[-1] if found else None for found in numbers)
    return started and float(started), generation and int(float(generation))


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
