"""The model: the paper's hand-set kernels, the start model, and reading and writing model.doc (the paper's appendix).

A model is a list: the kernels of convolution 1 (k1, 25), the kernels of convolution 2 (k2, k1 * 25), the fully
connected weights (1, n * (k2 * 25 + 1)), output by output, the n labels, and the output sum with which it classifies.
In the paper k1 = k2 = 6 and n = 2. The last two may be missing.

>>> import model
>>> kernels_1, kernels_2, weights, labels, output_sum = model.read_model("models/shipped.doc")
"""

import json
import os
import re
from typing import NamedTuple

import numpy as np

from preprocessing import SIZE
from support.files import InputError, write_whole

KERNEL = 5  # pixels, a kernel's side
LAST_MAP = ((SIZE - KERNEL + 1) // 2 - KERNEL + 1) // 2  # 5 values, the side of a map after max pooling 2
OUTPUT_SUM = 100  # of a model that names none: the paper's text; its published weights fit 10 (docs/reproduction.md)
LARGEST_SUM = 1_000_000
LARGEST = 1e15  # a trained number never comes near it; below it, no sum in the network overflows
KERNEL_LENGTH = 1.4  # the root of a kernel's sum of squares when training of all layers begins; in layer 1 / 255
START_SUM = 30  # when all layers are trained, an output's weights begin by adding up to half of this, on average

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
    """A model taken apart, with defaults for the parts that its file did not have."""

    kernels_1: np.ndarray  # (k1, 25)
    kernels_2: np.ndarray  # (k2, k1 * 25)
    weights: np.ndarray  # (n, k2 * 25 + 1), a row for each output
    labels: list  # n
    output_sum: float


def inputs_of(kernels_2):
    """Return the number of inputs of the fully connected layer, with so many kernels in convolution 2: 151 with 6."""
    return kernels_2 * LAST_MAP**2 + 1


def start_model(labels, rng, output_sum=OUTPUT_SUM, train_kernels=False, kernels=None):
    """Return the model before training: the hand-set kernels, and weights drawn uniformly from [0, 1).

    With train_kernels, all numbers are of single precision, the kernels of a layer get one length, and the weights
    begin smaller, so that all layers learn at the same pace. kernels: a pair, so many that begin at random.
    """
    kernels_1, kernels_2 = hand_set_kernels()
    if kernels:
        kernels_1 = rng.standard_normal((kernels[0], KERNEL**2), np.float32)
        kernels_2 = rng.standard_normal((kernels[1], kernels[0] * KERNEL**2), np.float32)
    weights = rng.random((1, len(labels) * inputs_of(len(kernels_2))))
    if train_kernels:
        kernels_1 *= KERNEL_LENGTH / 255 / np.linalg.norm(kernels_1, axis=1, keepdims=True)
        kernels_2 *= KERNEL_LENGTH / np.linalg.norm(kernels_2, axis=1, keepdims=True)
        weights = np.float32(weights * (START_SUM / inputs_of(len(kernels_2))))
    return [kernels_1, kernels_2, weights, list(labels), output_sum]


def hand_set_kernels():
    """Return the paper's kernels of convolution 1 (6, 25) and of convolution 2 (6, 150), in single precision."""
    kernels_1, kernels_2 = (np.array(text.split(), np.float32) for text in (KERNELS_1, KERNELS_2))
    return kernels_1.reshape(6, -1), kernels_2.reshape(6, -1)


def labels_of(model):
    """Return the labels of a model: those that it names, otherwise 0, 1, 2 and so on."""
    return parts_of(model).labels


def parts_of(model):
    """Take a model apart. Raises InputError if its arrays do not fit together; their numbers are not looked at."""
    if isinstance(model, Parts):
        return model
    if isinstance(model, (str, os.PathLike)):
        raise InputError(f"expected a model, found the name {os.fspath(model)!r}; use model.read_model() of it")
    try:
        kernels_1, kernels_2, weights = map(np.asarray, model[:3])
        per_kernel, inputs = KERNEL**2 * len(kernels_1), inputs_of(len(kernels_2))
    except (TypeError, ValueError):
        raise InputError("expected a model: two arrays of kernels and one of weights, found something else") from None
    if kernels_1.shape[1:] != (KERNEL**2,):
        raise InputError(f"expected kernels of convolution 1 with 25 numbers each, found {kernels_1.shape}")
    if kernels_2.shape[1:] != (per_kernel,):
        raise InputError(f"expected kernels of convolution 2 with {per_kernel} numbers each (25 for each of the "
                         f"{len(kernels_1)} kernels of convolution 1), found {kernels_2.shape}")  # fmt: skip
    labels = model[3] if len(model) > 3 else [str(number) for number in range(max(1, weights.size // inputs))]
    if weights.size != len(labels) * inputs:
        raise InputError(f"expected {len(labels) * inputs} weights, {inputs} for each of the {len(labels)} labels, "
                         f"found {weights.size}")  # fmt: skip
    weights = weights.reshape(len(labels), inputs)
    return Parts(kernels_1, kernels_2, weights, labels, model[4] if len(model) > 4 else OUTPUT_SUM)


def write_model(model, path):
    """Write a model as text. read_model() reads back exactly the same numbers. The file is replaced as a whole.

    Raises InputError, before the file is touched, if read_model() would refuse the model.
    """
    write_whole(path, model_text(checked(model, path)))


def model_text(model):
    """Return the bytes of a model's file: each array followed by a comma, then the labels and the output sum."""
    per_line = KERNEL**2, KERNEL**2, LAST_MAP  # numbers: a kernel of 5x5, or the weights of a row of a map
    arrays = [_array_text(array, numbers) for array, numbers in zip(model, per_line)]
    labels = [json.dumps(labels, ensure_ascii=False) for labels in model[3:4]]
    text = ",\n\n".join([*arrays, *labels, *map(_number_text, model[4:])])
    return (text + ("\n" if labels else ",\n")).encode("utf-8")


def _array_text(array, numbers_a_line):
    """Return a 2-D array as nested lists, wrapped to short lines."""
    rows = []
    for row in array.tolist():
        numbers = [_number_text(number) for number in row]
        lines = [", ".join(numbers[i : i + numbers_a_line]) for i in range(0, len(numbers), numbers_a_line)]
        rows.append("[" + ",\n  ".join(lines) + "]")
    return "[" + ",\n ".join(rows) + "]"


def _number_text(number):
    """Return a number in full, a whole number without a point."""
    return repr(float(number)).removesuffix(".0")


def read_model(path):
    """Read a model: our own text, the listing of the paper's appendix, or what NumPy's str() prints (no commas).

    Returns [kernels_1, kernels_2, weights] and, if the file has them, the labels and the output sum. Runs no code that
    stands in the file. Raises InputError for anything else, OSError if the file cannot be opened.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a model as UTF-8 text, found other bytes ({error.reason})") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty, expected a model; train one with python controller.py")
    hint = "" if "." in text else "; if it has decimal commas, write decimal points instead"
    text = re.sub(r"(?<=[\d.\]])(\s+)(?=[-\d\[])", r",\1", text)  # NumPy puts no comma between two values
    text = re.sub(r"(\d)\.(?=[\s,\]e]|$)", r"\1.0", text)  # NumPy writes 1. and JSON wants 1.0
    text = re.sub(r",\s*$", "", text)
    try:
        return checked(json.loads(f"[{text}]", parse_int=float), path, hint)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: this is not a model ({error.msg}){hint}") from None
    except RecursionError:
        raise InputError(f"{path}: expected a model, found too many brackets") from None


def checked(model, path, hint=""):
    """Return a model with its parts as arrays. Raises InputError, naming the path, if they do not fit together."""

    def need(fits, expected):
        if not fits:
            raise InputError(f"{path}: expected {expected}{hint}")

    need(3 <= len(model) <= 5, "two arrays of kernels, one of weights, perhaps labels and an output sum, found "
         f"{len(model)} parts; train again with python controller.py")  # fmt: skip
    labels = model[3] if len(model) > 3 else ["0", "1"]
    need(isinstance(labels, (list, tuple)) and len(labels) > 1 and all(isinstance(label, str) for label in labels)
         and all(label and label.isprintable() for label in labels) and len(set(labels)) == len(labels),
         f"two or more different labels, each in double quotes, found {labels!s:.60}")  # fmt: skip
    try:
        arrays = [np.array(part, float) for part in model[:3]]
        parts_of([*arrays, labels])
    except (TypeError, ValueError) as error:
        wrong = str(error) if isinstance(error, InputError) else "expected arrays of numbers, of one length in each row"
        raise InputError(f"{path}: {wrong}{hint}") from None
    need(
        all((np.abs(array) < LARGEST).all() for array in arrays), f"numbers below {LARGEST:g}, found larger ones or nan"
    )
    for total in model[4:]:
        need(isinstance(total, (int, float)) and 0 < total <= LARGEST_SUM,
             f"an output sum above 0 and at most {LARGEST_SUM:,}, found {total!s:.60}")  # fmt: skip
    return [*arrays[:2], arrays[2].reshape(1, -1), *model[3:]]
