"""The generation loop, and the update of the fully connected weights (the paper's training.py).

>>> import training
>>> training.train(0.000000005, 10000, "model.doc", "metadata.doc")  # in a Python shell, from the project's folder
"""

import contextlib
import os
import re
import secrets
import signal
import threading
import time
from collections import deque

import numpy as np

import cnn
from common import InputError, check_writable
from metadata import Log
from model import start_model, write_model

WRITE_EVERY = 0.8  # seconds between two writings of model.doc and metadata.doc
RECENT = 100  # generations, the paper's window for its mean cross entropy and its share right


def train(
    alpha,
    generations,
    model_file,
    metadata_file,
    *,
    labels=("0", "1"),
    dataset="dataset",
    output_sum=cnn.OUTPUT_SUM,
    seed=None,
    loading=None,
    progress=None,
):
    """Train a new model for a number of generations, one random image each, and return it.

    alpha: the learning rate. seed: the same seed gives the same files; without one it is drawn and printed.
    loading, progress: called with (pictures read, pictures in all), and about once a second with (generation, the last
    100 pairs of cross entropy and whether it was right).
    Ctrl-C ends it after a generation: both files are complete, then KeyboardInterrupt is raised. Raises InputError
    for a setting or picture that cannot be used, before any file is touched.
    """
    check_settings(alpha, generations, labels, output_sum, seed)
    if seed is None:
        seed = secrets.randbits(32)
        print(f"seed {seed}")
    rng, dropout_rng = (np.random.Generator(np.random.PCG64(part)) for part in np.random.SeedSequence(seed).spawn(2))
    model = start_model(labels, rng)
    pictures = load_dataset(dataset, labels, model[0], loading)
    for path in (model_file, metadata_file):
        check_writable(path)
    masks = cnn.dropout_masks(dropout_rng)
    fast_model = cnn.prepare(model)  # shares its weights with `model`
    one_hot = np.eye(len(labels))
    recent = deque(maxlen=RECENT)
    generation, next_write = 0, time.monotonic() + WRITE_EVERY

    def write():
        log.flush(generation)
        write_model(model, model_file)
        if progress:
            progress(generation, recent)

    with stop_on_signals() as stopped, contextlib.closing(Log(metadata_file, time.time())) as log:
        try:
            while generation < generations and not stopped:
                maps, correct = pictures[int(rng.random() * len(pictures))]
                result = cnn.cnn(maps, fast_model, one_hot[correct], True, output_sum=output_sum, rng=masks)
                update(model[2], alpha, result)
                generation += 1
                predicted = int(result.softmax.argmax())
                log.append(generation, labels[correct], result.cross_entropy, result.softmax.item(0), labels[predicted])
                recent.append((result.cross_entropy, predicted == correct))
                if time.monotonic() >= next_write:
                    next_write = time.monotonic() + WRITE_EVERY
                    write()
        finally:
            write()
    if stopped:
        raise KeyboardInterrupt
    return model


def update(weights, alpha, result):
    """One step of gradient descent, in place, on the fully connected weights (1, n * 151); the kernels never change.

    For each weight: derivative = (softmax - label)[output] x flattened[input], weight -= alpha x derivative.
    """
    error = result.softmax - result.label  # (n,)
    weights -= ((alpha * error)[:, np.newaxis] * result.flattened).reshape(1, -1)  # (n, 151) -> (1, n * 151)


def check_settings(alpha, generations, labels, output_sum, seed):
    """Raise InputError unless the settings of a training make sense."""
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: expected a learning rate from 0 to 1, found {alpha}; the paper's is 0.000000005")
    if generations < 0:
        raise InputError(f"generations: expected 0 or more, found {generations}")
    if not 0 < output_sum <= 1e6:
        raise InputError(f"output sum: expected a number above 0, at most a million, found {output_sum}")
    if seed is not None and seed < 0:
        raise InputError(f"seed: expected a whole number, 0 or more, found {seed}")
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise InputError(f"labels: expected two or more that differ, found {' '.join(labels) or 'none'}")
    for label in labels:
        if not re.fullmatch(r"[^\s/\\]+", label) or label in (".", "..") or not label.isprintable():
            raise InputError(
                f"labels: {label!r} cannot name a folder and stand in a log; use one without spaces or slashes"
            )


def find_pictures(dataset, label):
    """The paths of a label's pictures, <dataset>/<label>/img<class>-<number>.png, by sorted name, no other files."""
    folder = os.path.join(dataset, label)
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: expected a folder of pictures of a {label!r} ({error.strerror})") from None
    paths = [os.path.join(folder, name) for name in names if re.fullmatch(r"img\d+-\d+\.png", name)]
    if not paths:
        raise InputError(f"{folder}: expected pictures named like img001-00001.png, found none")
    return paths


def load_dataset(dataset, labels, kernels_1, loading=None):
    """Every picture of the labels, as (what first_layer() makes of it, its label's index).

    What is random or trained comes after the first layer, so each picture goes through it once: 2,352 bytes a picture,
    its values being whole numbers below 2**15. loading: called with the number done and in all.
    """
    paths = [(path, index) for index, label in enumerate(labels) for path in find_pictures(dataset, label)]
    pictures = []
    for done, (path, index) in enumerate(paths):
        maps = cnn.first_layer(cnn.read_pixels(path), kernels_1)
        pictures.append((maps.astype(np.int16), index))
        if loading:
            loading(done + 1, len(paths))
    return pictures


@contextlib.contextmanager
def stop_on_signals():
    """A list that stays empty until Ctrl-C or SIGTERM: the loop then ends after its generation, whole."""
    stopped = []
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda number, frame: stopped.append(number)) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
