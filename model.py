"""The model: the hand-set kernels, the start model, and reading and writing model.doc (the paper's appendix).

It stands on support/ alone; whatever needs a model imports it.

A model is a list: the kernels of convolution 1 (6, 25) and of convolution 2 (6, 150), the fully connected weights
(1, n * 151), output by output, and, if its file names them, the n labels and the output sum it was trained with.

>>> import model
>>> kernels_1, kernels_2, weights, labels, output_sum = model.read_model("models/shipped.doc")
"""

import json
import os
import re
from typing import NamedTuple

import numpy as np

from support.files import InputError, write_whole

INPUTS = 151  # of the fully connected layer: 6 maps x 5 x 5 values and the bias
OUTPUT_SUM = 100  # of a model that names none: the paper's text; its published figures fit 10 (docs/reproduction.md)
KERNEL_LENGTH = 1.4  # root of the sum of squares, of a kernel to be trained; in layer 1, for pixels to 255, 1.4 / 255
LARGEST_SUM = 1_000_000  # that outputs can be scaled to
AGAIN = "train again with python controller.py"
LARGEST = 1e100  # what a trained weight never comes near; the network's sums stay finite below it

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


class Parts(NamedTuple):
    """A model taken apart by parts_of(), with what its file did not name."""

    kernels_1: np.ndarray  # (6, 25)
    kernels_2: np.ndarray  # (6, 150)
    weights: np.ndarray  # (n, 151), a row an output
    labels: list  # n
    output_sum: float


def start_model(labels, rng, output_sum=OUTPUT_SUM, train_kernels=False):
    """The model before training: the hand-set kernels, and fully connected weights drawn uniformly from [0, 1).

    train_kernels: every kernel is brought to one length (see KERNEL_LENGTH), the weights to [0, 0.2), so that all
    layers learn at one pace; in numbers of single precision, as they are trained.
    """
    kernels_1, kernels_2 = hand_set_kernels()
    weights = rng.random((1, len(labels) * INPUTS))
    if train_kernels:
        kernels_1 = kernels_1 / np.linalg.norm(kernels_1, axis=1, keepdims=True) * (KERNEL_LENGTH / 255)
        kernels_2 = kernels_2 / np.linalg.norm(kernels_2, axis=1, keepdims=True) * KERNEL_LENGTH
        kernels_1, kernels_2, weights = (np.float32(array) for array in (kernels_1, kernels_2, weights * 0.2))
    return [kernels_1, kernels_2, weights, list(labels), output_sum]


def hand_set_kernels():
    """The paper's kernels of convolution 1 (6, 25) and of convolution 2 (6, 150)."""
    kernels_1, kernels_2 = (np.array(text.split(), float) for text in (KERNELS_1, KERNELS_2))
    return kernels_1.reshape(6, 25), kernels_2.reshape(6, 150)


def labels_of(model):
    """The labels of a model: those that its file names, otherwise 0, 1, 2 and so on."""
    return parts_of(model).labels


def parts_of(model):
    """The Parts of a model: what read_model() returns, or the listing of the paper's appendix, [array, array, [array]].

    Raises InputError where it is something else, such as a model's path, or holds numbers that no training gives.
    """
    if isinstance(model, (str, os.PathLike)):
        raise InputError(f"expected a model, found the name {os.fspath(model)!r}; use model.read_model() of it")
    try:
        kernels_1, kernels_2, weights = (np.asarray(array, float) for array in model[:3])
        inputs = 25 * len(kernels_2) + 1  # of the fully connected layer
        weights = weights.reshape(-1, inputs)
        fits = kernels_1.shape[1:] == (25,) and kernels_2.shape[1:] == (25 * len(kernels_1),) and len(weights) > 1
    except (TypeError, ValueError, LookupError):
        fits = False
    if not fits:
        raise InputError("expected a model: kernels (6, 25), kernels (6, 150), and 151 weights for each of its labels")
    if not all((np.abs(array) < LARGEST).all() for array in (kernels_1, kernels_2, weights)):
        raise InputError(f"expected a model of numbers below {LARGEST:g}, found others, or nan")
    labels = list(model[3]) if len(model) > 3 else [str(number) for number in range(len(weights))]
    if len(labels) != len(weights):
        raise InputError(f"expected a model with a label for each of its {len(weights)} outputs, found {len(labels)}")
    return Parts(kernels_1, kernels_2, weights, labels, model[4] if len(model) > 4 else OUTPUT_SUM)


def write_model(model, path):
    """Write the model as text, whole: what read_model() reads back is the same bit for bit."""
    write_whole(path, model_text(model))


def model_text(model):
    """A model as the bytes of its file: the arrays, each followed by a comma, then the labels and output sum it has."""
    arrays = [_array_text(np.asarray(array, float), width) for array, width in zip(model, (25, 25, 5))]
    labels = [json.dumps(list(labels), ensure_ascii=False) for labels in model[3:4]]
    text = ",\n\n".join([*arrays, *labels, *map(_number_text, model[4:])])
    return (text + ("\n" if labels else ",\n")).encode("utf-8")


def _array_text(array, numbers_a_line):
    """A 2-D array as nested lists, wrapped: a line is a kernel of 5x5, or weights of one row of a 5x5 map."""
    rows = []
    for row in array.tolist():
        numbers = [_number_text(number) for number in row]
        lines = [", ".join(numbers[i : i + numbers_a_line]) for i in range(0, len(numbers), numbers_a_line)]
        rows.append("[" + ",\n  ".join(lines) + "]")
    return "[" + ",\n ".join(rows) + "]"


def _number_text(number):
    """A number in full, a whole one without a point."""
    return repr(float(number)).removesuffix(".0")


def read_model(path):
    """Read a model: one of ours, the listing of the paper's appendix (no labels), or what NumPy's str() prints.

    Returns [kernels_1 (6, 25), kernels_2 (6, 150), weights (1, n * 151)] and, as far as the file has them, the n labels
    and the output sum. Raises InputError with the line for anything else, OSError where there is no such file. Runs no
    code.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected a model as UTF-8 text, found bytes that are none ({error.reason})"
        ) from None
    return _check(path, _parse(path, text))


_TOKEN = re.compile(r'[\[\],]|"(?:[^"\\]|\\.)*"|[^\s\[\],"]+|"')
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def _parse(path, text):
    """The text's lists, each as (line, rows), a row being a list of values within no other; a bare number is a list."""

    def wrong(expected):
        return InputError(f"{path}, line {line}: expected {expected}, found {token[:40]}")

    lists, depth, row = [], 0, []
    for line, words in enumerate(text.split("\n"), 1):
        for token in _TOKEN.findall(words):
            if token == "[":
                if row:
                    raise wrong("no list after a number in one row")
                if depth == 0:
                    lists.append((line, []))
                depth += 1
            elif token == "]":
                if depth == 0:
                    raise wrong("a list to be open where it ends")
                if row:
                    lists[-1][1].append(row)
                depth, row = depth - 1, []
            elif token != ",":
                value = _value(token)
                if value is None:
                    raise wrong(f"a number below {LARGEST:g}, or a list of labels in double quotes")
                if depth:
                    row.append(value)
                else:
                    lists.append((line, [[value]]))
    if depth:
        raise InputError(f"{path}, line {line - 1}: expected ] before the end of the file; it looks cut off")
    return lists


def _value(token):
    """The number or string that a token stands for, None where it is neither."""
    if token.startswith('"'):
        try:
            return json.loads(token)
        except ValueError:
            return None
    number = float(token) if len(token) < 400 and _NUMBER.fullmatch(token) else None
    return number if number is not None and abs(number) < LARGEST else None


def _check(path, lists):
    """The model that the lists make, refused unless their number, their shapes, labels and output sum fit."""
    if not 3 <= len(lists) <= 5:
        raise InputError(
            f"{path}: expected 3 arrays (kernels 1, kernels 2, fully connected weights) and perhaps labels and an "
            f"output sum, found {len(lists)}; {AGAIN}"
        )

    def need(fits, part, expected):
        if not fits:
            raise InputError(f"{path}, line {lists[part][0]}: expected {expected}")

    rows = [rows for _, rows in lists]
    flat = [[value for row in part for value in row] for part in rows]
    numbers = [all(isinstance(value, float) for value in part) for part in flat]
    names = flat[3:4]
    for labels in names:
        fit = all(isinstance(label, str) and label and label.isprintable() for label in labels)
        need(fit and len(set(labels)) == len(labels) > 1, 3,
             f"labels that differ, two or more, each in double quotes, found {labels}")  # fmt: skip
    outputs = len(names[0]) if names else max(2, len(flat[2]) // INPUTS)
    fit = len(rows[2]) == 1 or all(len(row) == INPUTS for row in rows[2])  # in one row, or in one for each output
    need(fit and numbers[2] and len(flat[2]) == outputs * INPUTS, 2, f"{outputs * INPUTS} fully connected weights "
         f"({INPUTS} numbers a label, 2 labels or more), found {len(flat[2])}; {AGAIN}")  # fmt: skip
    for part, size in enumerate((25, 150)):
        lengths = sorted({len(row) for row in rows[part]})
        found = f"{len(rows[part])} of {' and '.join(map(str, lengths)) or 'no'} values"
        need(numbers[part] and len(rows[part]) == 6 and lengths == [size], part,
             f"the 6 kernels of convolution {part + 1}, {size} numbers each, found {found}; {AGAIN}")  # fmt: skip
    for total in flat[4:]:
        need(numbers[4] and len(total) == 1 and 0 < total[0] <= LARGEST_SUM, 4,
             f"the output sum, a number above 0, at most {LARGEST_SUM:,}")  # fmt: skip
    return [*map(np.array, rows[:2]), np.array(flat[2:3]), *names, *(total for (total,) in flat[4:])]
