"""The model: the hand-set kernels, the start model, and reading and writing model.doc (the paper's appendix).

A model is a list: the kernels of convolution 1 (6, 25) and of convolution 2 (6, 150), the fully connected weights
(1, n * 151), output by output, and, if its file names them, the n labels.

>>> import model
>>> kernels_1, kernels_2, weights, labels = model.read_model("model.doc")
"""

import json
import re

import numpy as np

from common import InputError, write_whole

INPUTS = 151  # of the fully connected layer: 6 maps x 5 x 5 values and the bias

# The paper's kernels, set by hand and never trained. One line is a kernel of 5x5, row by row.
KERNELS_1 = """
-1  0  2  0 -1    0 -1  3 -1  0    2  3  4  3  2    0 -1  3 -1  0   -1  0  2  0 -1
 0  0  0  0  0    0  1  0  1  0    1  3 -5  4  1    0 -1  3 -1  0    0 -2  1 -2  0
 0 -1  3 -1  0    0 -1  3 -1  0    0 -1  3 -1  0    0 -1  3 -1  0    0 -1  3 -1  0
 0  0  0  0  0   -1 -1 -1 -1 -1    3  3  3  3  3   -1 -1 -1 -1 -1    0  0  0  0  0
 0 -2  1 -2  0    0 -1  3 -1  0    1  3 -5  3  1    0  1  0  1  0    0  0  0  0  0
 2  1 -1  1  2    1  3  1  3  1   -1  1  4  1 -1    1  3  1  3  1    2  1 -1  1  2
"""
# One block is a kernel of 6 maps x 5x5, one line a map.
KERNELS_2 = """
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1
 1  1  1  1  1    1  2  2  2  1    1  2  4  2  1    1  2  2  2  1    1  1  1  1  1

 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4
 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4
 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4
 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4
 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4
 4  4  4  4  4    4  2  2  2  4    4  2  0  2  4    4  2  2  2  4    4  4  4  4  4

 0  0  0  0  0   -1 -1  1 -1 -1    1  1  2  1  1   -1 -1  1 -1 -1    0  0  0  0  0
 0  0  0  0  0    0  0  1  0  0    0  1  4  1  0    0  0  1  0  0    0  0  0  0  0
 0  0  0  0  0    0 -1 -1 -1  0    0 -2 -2 -2  0    0 -1 -1 -1  0    0  0  0  0  0
 0  0  1  0  0    0  2  1  2  0    1  1  2  1  1    0  2  1  2  0    0  0  1  0  0
 0  0  0  0  0    0  0  1  0  0    0  1  4  1  0    0  0  1  0  0    0  0  0  0  0
 0  0  0  0  0    0  1  1  1  0    0  1  2  1  0    0  1  1  1  0    0  0  0  0  0

 0  0  1  0  0    0  1  2  1  0    1  2  4  2  1    0  1  2  1  0    0  0  1  0  0
 0  0 -1  0  0    0 -1 -1 -1  0   -1 -1 -2 -1 -1    0 -1 -1 -1  0    0  0 -1  0  0
-1  0  0  0 -1   -1  0  0  0 -1   -1  0  1  0 -1   -1  0  0  0 -1   -1  0  0  0 -1
 0  0  0  0  0    1  1  1  1  1    3  3  3  3  3    1  1  1  1  1    0  0  0  0  0
 0  0 -1  0  0    0 -1 -1 -1  0   -1 -1 -2 -1 -1    0 -1 -1 -1  0    0  0 -1  0  0
 0  0  1  0  0    0  2  1  2  0    1  1  4  1  1    0  2  1  2  0    0  0  1  0  0

 1  0  0  0  0    2  0  0  0  0    4  2  0  2  4    2  0  0  0  0    1  0  0  0  0
 0  0  1  0  0    0  2  3  2  0    1  3  4  3  1    0  2  3  2  0    0  0  1  0  0
 0  0  0  0  0    0 -1 -1 -1  0    0 -1 -2 -1  0    0 -1 -1 -1  0    0  0  0  0  0
 0  0  0  0  0    0  0  1  0  0    1  1  2  1  1    0  0  1  0  0    0  0  0  0  0
 0  0 -1  0  0    0 -2 -3 -2  0   -1 -3 -4 -3 -1    0 -2 -3 -2  0    0  0 -1  0  0
 0 -1  1  3  4   -1 -1  1  2  3    1  1  1  1  1    3  2  1 -1 -1    4  3  1 -1  0

 0  0  2  0  0    0  1  2  1  0    2  2  3  2  2    0  1  2  1  0    0  0  2  0  0
 0  0  0  0  0    0 -1 -1 -1  0    0 -1 -2 -1  0    0 -1 -1 -1  0    0  0  0  0  0
 0  0  2  0  0    0  1  3  1  0    0  1  4  1  0    0  1  3  1  0    0  0  2  0  0
 0  0  0  0  0    0  1  1  1  0    2  3  4  3  2    0  1  1  1  0    0  0  0  0  0
 0  0  0  0  0    0 -1 -1 -1  0    0 -1 -2 -1  0    0 -1 -1 -1  0    0  0  0  0  0
 0  0  1  0  0    0  0  1  0  0    1  1  3  1  1    0  0  1  0  0    0  0  1  0  0
"""


def start_model(labels, rng):
    """The model before training: the hand-set kernels, and fully connected weights drawn uniformly from [0, 1)."""
    return [*hand_set_kernels(), rng.random((1, len(labels) * INPUTS)), list(labels)]


def hand_set_kernels():
    """The paper's kernels of convolution 1 (6, 25) and of convolution 2 (6, 150)."""
    kernels_1, kernels_2 = (np.array(text.split(), float) for text in (KERNELS_1, KERNELS_2))
    return kernels_1.reshape(6, 25), kernels_2.reshape(6, 150)


def labels_of(model):
    """The labels of a model: those that its file names, otherwise 0, 1, 2 and so on."""
    return list(model[3]) if len(model) > 3 else [str(number) for number in range(model[2].size // INPUTS)]


def write_model(model, path):
    """Write the model as text, whole: the arrays, each followed by a comma, every number in full; then the labels."""
    kernels_1, kernels_2, weights = (np.asarray(array, float) for array in model[:3])
    arrays = [_array_text(kernels_1, 25), _array_text(kernels_2, 25), _array_text(weights, 5)]
    if len(model) > 3:
        arrays.append(json.dumps(list(model[3]), ensure_ascii=False))
    write_whole(path, (",\n\n".join(arrays) + ("\n" if len(model) > 3 else ",\n")).encode("utf-8"))


def _array_text(array, numbers_a_line):
    """A 2-D array as nested lists, wrapped: a line is a kernel of 5x5, or weights of one row of a 5x5 map."""
    rows = []
    for row in array.tolist():
        numbers = [repr(number).removesuffix(".0") for number in row]
        lines = [", ".join(numbers[i : i + numbers_a_line]) for i in range(0, len(numbers), numbers_a_line)]
        rows.append("[" + ",\n  ".join(lines) + "]")
    return "[" + ",\n ".join(rows) + "]"


def read_model(path):
    """Read a model: one of ours, the listing of the paper's appendix (no labels), or what NumPy's str() prints.

    Returns [kernels_1 (6, 25), kernels_2 (6, 150), weights (1, n * 151)] and, if the file has them, the n labels.
    Raises InputError with the line for anything else, OSError where there is no such file. Runs no code.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected a model as UTF-8 text, found bytes that are none ({error.reason})"
        ) from None
    return _check(path, _parse(path, text))


_TOKEN = re.compile(r'[\[\],]|"(?:[^"\\\n]|\\.)*"|[^\s\[\],"]+|"')
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_LARGEST = 1e100  # what a trained weight never comes near; the network's sums stay finite below it


def _parse(path, text):
    """The text's arrays, each as (line, rows); a row is (line, values), its values all numbers or all strings."""

    def wrong(expected):
        found = token if len(token) <= 40 else token[:40] + "..."
        return InputError(f"{path}, line {line}: expected {expected}, found {found}")

    arrays, depth, row, row_depth = [], 0, [], None
    line, position, previous = 1, 0, ","
    for match in _TOKEN.finditer(text):
        token = match.group()
        line, position = line + text.count("\n", position, match.start()), match.start()
        if token == "[":
            if depth == 3 or row:
                raise wrong("numbers, or lists of numbers at most 3 deep")
            if depth == 0:
                arrays.append((line, []))
                row_depth = None
            depth, row_line = depth + 1, line
        elif token == "]":
            if row:
                if row_depth not in (None, depth):
                    raise wrong("rows that are all at one depth")
                row_depth = depth
                arrays[-1][1].append((row_line, row))
            if depth == 0:
                raise wrong("a list to be open where it ends")
            depth, row, row_line = depth - 1, [], line
        elif token == ",":
            if previous in ("[", ","):
                raise wrong("a value before the comma")
        else:
            if depth == 0:
                raise wrong("a list, which begins with [")
            value = _value(token)
            if value is None or (row and type(value) is not type(row[0])):
                raise wrong(f"a number below {_LARGEST:g}, or a list of labels in double quotes")
            row.append(value)
        previous = token
    if depth:
        raise InputError(f"{path}, line {line}: expected ] before the end of the file; it looks cut off")
    return arrays


def _value(token):
    """The number or string that a token stands for, None where it is neither."""
    if token.startswith('"'):
        try:
            return json.loads(token)
        except ValueError:
            return None
    number = float(token) if len(token) < 400 and _NUMBER.fullmatch(token) else None
    return number if number is not None and abs(number) < _LARGEST else None


def _check(path, arrays):
    """The model that the arrays make, refused unless their number, their shapes and their labels fit."""
    again = "train again with python controller.py"
    if len(arrays) not in (3, 4):
        raise InputError(
            f"{path}: expected 3 arrays (kernels 1, kernels 2, fully connected weights) and perhaps a list of labels, "
            f"found {len(arrays)}; {again}"
        )
    model = []
    for (line, rows), name, size in zip(arrays, ("1", "2"), (25, 150)):
        _check_numbers(path, rows)
        lengths = [len(values) for _, values in rows]
        if lengths != [size] * 6:
            found = f"{len(rows)} of {sorted(set(lengths))}" if rows else "none"
            raise InputError(
                f"{path}, line {line}: expected the 6 kernels of convolution {name}, {size} numbers each, "
                f"found {found}; {again}"
            )
        model.append(np.array([values for _, values in rows]))
    line, rows = arrays[2]
    _check_numbers(path, rows)
    weights = [number for _, values in rows for number in values]
    labels = [value for _, values in arrays[3][1] for value in values] if len(arrays) == 4 else None
    if labels is not None:
        _check_labels(path, arrays[3][0], labels)
    outputs = len(weights) // INPUTS if labels is None else len(labels)
    one_shape = len(rows) == 1 or all(len(values) == INPUTS for _, values in rows)
    if outputs < 2 or len(weights) != outputs * INPUTS or not one_shape:
        expected = f"{outputs * INPUTS}" if outputs >= 2 else "302 or more"
        raise InputError(
            f"{path}, line {line}: expected {expected} fully connected weights ({INPUTS} a label, 2 labels or more), "
            f"found {len(weights)}; {again}"
        )
    model.append(np.array([weights]))
    return model if labels is None else [*model, labels]


def _check_numbers(path, rows):
    for line, values in rows:
        if not isinstance(values[0], float):
            raise InputError(f"{path}, line {line}: expected numbers, found the text {values[0]!r}")


def _check_labels(path, line, labels):
    fit = all(isinstance(label, str) and label and label.isprintable() for label in labels)
    if not fit or len(set(labels)) != len(labels):
        raise InputError(f"{path}, line {line}: expected labels that differ, each in double quotes, found {labels}")
