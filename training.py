"""The paper's train(): the generation loop, and the update of the fully connected weights.

The paper's loop, with its own names at the left and ours at the right. Its allData are pairs of a picture and a label,
and AllLabels are the labels [1, 0] and [0, 1]; load_pictures() makes both.

    draw one pair of allData                                  picture, label = pictures[...]
    outputData = cnn(picture, model, label, training)         result = cnn.cnn(picture, model, label, training=True)
    derivative = (softmaxScore - labelScore) * inputScore     update(): error * flattened
    weight = weight - alpha * derivative                      update(): weights -= alpha * error * flattened
    model.doc, then a line for metadata.doc                   run.note(...), and once a second run.write()

>>> import training
>>> training.train(0.000000005, 10000, "model.doc", "metadata.doc")  # in a Python shell, from the project's folder
"""

import dataclasses
import os
import re
import time
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

import cnn
from backpropagation import gradients
from metadata import open_training
from model import LARGEST_SUM, OUTPUT_SUM
from preprocessing import BEND, JITTER, distorted, without_dark_ink
from support.commandline import Silent, stop_on_signals
from support.files import InputError
from support.pictures import find_pictures

WRITE_EVERY = 0.8  # seconds between two writings of model.doc and metadata.doc


def train(alpha, generations, model_file, metadata_file, *, resume=False, screen=None, **options):
    """Train on one random picture in each generation, write the files about once a second, and return the model.

    resume: continue the training of metadata_file, up to `generations`; its other options must be the same as before,
    and with alpha_decay or average `generations`, too (the seed may be left out, and dataset may be another folder
    with the same pictures). Otherwise a new training begins, and the files of the last one are kept as .bak.
    screen: shows how the training goes, as controller.Screen does; by default nothing is shown. Ctrl-C ends the
    training after a generation: the files are written, then KeyboardInterrupt is raised. Raises InputError, before
    any file is touched, for an option or a picture that cannot be used.
    """
    settings, screen = Settings(alpha, generations, **options), screen or Silent()
    pictures = load_pictures(settings.dataset, settings.labels, screen)
    files = model_file, metadata_file
    # run: the training's random numbers, its model and its files. stopped: Ctrl-C was pressed
    with stop_on_signals() as stopped, open_training(settings, pictures, *files, resume, screen) as run:
        rng, model, next_write = run.rng, run.parts, time.monotonic() + WRITE_EVERY
        for generation in range(run.generation + 1, settings.generations + 1):
            picture, label = pictures[int(rng.random() * len(pictures))]  # a random picture
            if settings.jitter or settings.bend:
                picture = distorted(picture, rng, settings.jitter, settings.bend)
            rate = settings.rate(generation)
            if settings.train_kernels:  # not in the paper; its way is under else
                steps = cnn.forward(picture, model, rng=rng if settings.dropout else None)
                result = cnn.trained(steps, label)
                update_all_layers(model, rate, gradients(steps, model, label))
            else:
                result = cnn.cnn(picture, model, label, training=True, rng=rng, dropout=settings.dropout)
                update(model.weights, rate, result)
            run.note(generation, result)  # a line of metadata.doc
            if stopped.is_set():
                break
            if time.monotonic() >= next_write:
                run.write()  # model.doc, metadata.doc, and what --resume needs
                next_write = time.monotonic() + WRITE_EVERY
    if stopped.is_set():
        raise KeyboardInterrupt
    return run.trained_model()


def update(weights, alpha, result):
    """Change the fully connected weights (n, 151) in place by one step of gradient descent (the paper's training.py).

    For each weight: derivative = (softmax - label)[output] * flattened[input], then weight -= alpha * derivative.
    Oddity 8 (docs/reproduction.md): the kernels stay as they were set by hand. The derivative is that of a softmax
    directly after the sums; it leaves out the absolute value and the scaling (oddities 4 and 6).
    """
    error = np.subtract(result.softmax, result.label)  # (n,)
    # The same as, for each output i and each input j: weights[i, j] -= alpha * error[i] * flattened[j]
    weights -= (alpha * error)[:, np.newaxis] * result.flattened  # (n, 1) * (151,) -> (n, 151)


def update_all_layers(model, alpha, derivatives):
    """Change all weights in place: the same step, with the derivatives of the whole network (backpropagation.py)."""
    for weights, rate, derivative in zip(model, (alpha * PIXEL_SCALE, alpha, alpha), derivatives):
        weights[...] -= rate * derivative.reshape(weights.shape)


def load_pictures(dataset, labels, screen):
    """Return the paper's allData: (pixels (32, 32), one-hot label (n,)) of each picture, label after label.

    Raises InputError for a label without pictures and for a picture that cannot be read.
    """
    paths, pictures = {label: find_pictures(dataset, label, screen.say) for label in labels}, []
    counts = {label: len(found) for label, found in paths.items()}
    total = sum(counts.values())
    for label, one_hot in zip(labels, np.eye(len(labels))):  # the paper's AllLabels: [1, 0] and [0, 1]
        for path in paths[label]:
            pictures.append((cnn.read_pixels(path), one_hot))
            screen.loading(len(pictures), total)
    of_each = {f"{count:,} of each label" for count in counts.values()}
    of_each = of_each if len(of_each) == 1 else [f"{count:,} of {label}" for label, count in counts.items()]
    screen.say(f"{total:,} pictures: {', '.join(of_each)}")
    wrong = sum(without_dark_ink(pixels) for pixels, _ in pictures)
    if wrong > total / 2:
        screen.say(f"{wrong:,} have no dark ink on white, which the network expects; cut them: preprocessing.py --trim")
    return pictures


ALPHA = 0.000000005  # the paper's learning rate
KERNELS_ALPHA = 0.003  # the same when all layers are trained; the paper's is too small for that
PIXEL_SCALE = 1 / 255**2  # kernels 1 take alpha times this: 255 times smaller, they have derivatives 255 times larger
RANDOM_ALPHA = 0.007  # the same when the kernels begin at random (docs/beyond.md)
MOST_KERNELS = 100  # in a layer; with 100 and 100 a generation takes about 15 ms


def option(default, text, fits=lambda value: isinstance(value, bool), expected="True or False", **how):
    """Return a field of Settings: its default, its line of help, its check, and what argparse needs besides."""
    return dataclasses.field(default=default, metadata={"help": text, "fits": fits, "expected": expected, "how": how})


def whole(least, most=float("inf")):
    """Return a check: whether a value is a whole number from `least` to `most`."""
    return lambda value: isinstance(value, Integral) and least <= value <= most


def labels_fit(labels):
    """Tell whether there are two labels or more that differ. Raises InputError for one that cannot name a folder."""
    for label in labels:
        if re.search("[\ud800-\udfff]", label):  # bytes that are not UTF-8, as Python reads them
            raise InputError(f"labels: {label!r} is not UTF-8 text; set the terminal to UTF-8 (LC_ALL=C.UTF-8)")
        if len(label.split()) > 1:
            raise InputError(f"labels: {label!r} is one label; without quotes it is several: --labels {label}")
        if not re.fullmatch(r"[^\s/\\]+", label) or label in (".", "..") or not label.isprintable():
            raise InputError(f"labels: {label!r} cannot be the name of a folder; expected no spaces and no slashes")
    return len(set(labels)) == len(labels) > 1


@dataclasses.dataclass
class Settings:
    """The options of a training. The defaults are the paper's. controller.py makes its command line of these fields.

    Raises InputError for a value that cannot be used. None, where it is the default, always can.
    """

    # fmt: off
    alpha: float = option(
        None, f"learning rate (default: {ALPHA:.9f}, the paper's; with --train-kernels {KERNELS_ALPHA}, with --kernels "
        f"{RANDOM_ALPHA})", lambda value: isinstance(value, Real) and 0 <= value <= 1,
        f"a learning rate from 0 to 1 (the paper's is {ALPHA:.9f})", type=float, metavar="A")
    generations: int = option(
        180_834, "one picture each, in all (default: 180834, the paper's; 0 only writes the start model)",
        whole(0), "a whole number, 0 or more", type=int, metavar="N")
    labels: Sequence = option(
        ("0", "1"), "two or more (default: 0 1, the paper's)",
        labels_fit, "two or more that differ, with spaces between", nargs="+", metavar="L")
    dataset: str = option(
        "dataset", "pictures, DIR/<label>/img<class>-<number>.png (default: dataset)",
        bool, "a folder", metavar="DIR")
    output_sum: float = option(
        OUTPUT_SUM, "outputs that add up to more than 100 are scaled to this sum (default: 100, the paper's text; "
        "its published weights fit 10)", lambda value: isinstance(value, Real) and 0 < value <= LARGEST_SUM,
        f"a number above 0, at most {LARGEST_SUM:,}", type=float, metavar="S")
    seed: int = option(
        None, "the same seed gives the same files, but for the time in the log (default: a new one)",
        whole(0), "a whole number, 0 or more", type=int, metavar="N")
    alpha_decay: bool = option(False, "let alpha fall linearly to 0")
    average: bool = option(False, "keep the mean of the weights over the last half of the generations")
    dropout: bool = option(True, "train without dropout")
    train_kernels: bool = option(False, "train all layers, not only the last one")
    kernels: Sequence = option(
        None, "with --train-kernels: so many kernels in convolution 1 and 2, which begin at random (default: 6 6, the "
        "paper's, which it set by hand)",
        lambda value: isinstance(value, list) and len(value) == 2 and all(map(whole(1, MOST_KERNELS), value)),
        f"two whole numbers from 1 to {MOST_KERNELS}", type=int, nargs=2, metavar=("K1", "K2"))
    jitter: bool = option(False, "turn, slant, stretch and shift each picture a little, at random")
    bend: bool = option(False, "bend most pictures a little, at random")
    # fmt: on

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = plain(getattr(self, field.name))
            value = list(map(str, value)) if field.name == "labels" else value
            if not ((value is None and field.default is None) or field.metadata["fits"](value)):
                name, expected = field.name.replace("_", " "), field.metadata["expected"]
                raise InputError(f"{name}: expected {expected}, found {value!r}")
            setattr(self, field.name, value)
        if self.kernels and not self.train_kernels:
            raise InputError("kernels: the paper's 6 and 6 are set by hand; others need to be trained: --train-kernels")
        if self.alpha is None:
            self.alpha = RANDOM_ALPHA if self.kernels else KERNELS_ALPHA if self.train_kernels else ALPHA

    def rate(self, generation):
        """Return the learning rate of a generation."""
        return self.alpha * (1 - (generation - 1) / self.generations) if self.alpha_decay else self.alpha

    def kept(self):
        """Return the options, and the constants of the code, that a resumed training compares with its own."""
        rates = {"dropout_rates": [cnn.DROPOUT_1, cnn.DROPOUT_2]}
        return {**vars(self), **rates, "limits_of_jitter": list(JITTER), "bending": list(BEND)}


def plain(value):
    """Return a value of NumPy, a path or a tuple as a value that JSON can keep."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else os.fspath(value) if isinstance(value, os.PathLike) else value


train.__doc__ += "\n    The other options, with their defaults; those that are True or False, with the other value:"
for field in dataclasses.fields(Settings)[2:]:
    shown = not field.default if isinstance(field.default, bool) else field.default
    train.__doc__ += f"\n    {field.name}={shown!r}: {field.metadata['help']}"
