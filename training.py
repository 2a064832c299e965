"""The generation loop, and the update of the fully connected weights (the paper's training.py).

>>> import training
>>> training.train(0.000000005, 10000, "model.doc", "metadata.doc")  # in a Python shell, from the project's folder
"""

import contextlib
import hashlib
import os
import re
import secrets
import signal
import threading
import time
from collections import deque

import numpy as np

import cnn
from checkpoint import path_of, read_checkpoint, write_checkpoint
from common import InputError, back_up, check_writable, locked
from metadata import Log, start_log
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
    resume=False,
    loading=None,
    progress=None,
):
    """Train a model for a number of generations, one random image each, and return it.

    alpha: the learning rate. seed: the same seed gives the same files; without one it is drawn and printed.
    resume: go on with the training that the files hold, which must have had the same settings, up to `generations`;
    otherwise a new training begins, and the files of the last one are kept as .bak. loading, progress: called with
    (pictures read, pictures in all), and about once a second with (generation, the last 100 pairs of cross entropy
    and whether it was right). Ctrl-C ends it after a generation: the files are complete, then KeyboardInterrupt is
    raised. Raises InputError for a setting or picture that cannot be used, before any file is touched.
    """
    check_settings(alpha, generations, labels, output_sum, seed)
    settings = {"alpha": float(alpha), "labels": list(labels), "output_sum": float(output_sum), "seed": seed}
    with contextlib.ExitStack() as stack:
        for path in lock_order(model_file, metadata_file):
            stack.enter_context(locked(path))
        generation, kept_weights = 0, None
        if resume:
            settings, generation, kept_weights = go_on_with(settings, generations, metadata_file)
        elif seed is None:
            settings["seed"] = secrets.randbits(32)
            print(f"seed {settings['seed']}")

        picture_rng, dropout_rng = generators(settings["seed"])
        model = start_model(labels, picture_rng)
        pictures = load_dataset(dataset, labels, model[0], loading)
        settings = check_pictures({**settings, "dataset": os.fspath(dataset)}, pictures)
        stopped = stack.enter_context(stop_on_signals())
        if resume:
            model[2][:] = kept_weights
            picture_rng.bit_generator.advance(generation)  # one number a generation
            dropout_rng.bit_generator.advance(generation * cnn.RAW_A_GENERATION)
        else:
            start_files(model_file, metadata_file)
        log = stack.enter_context(contextlib.closing(Log(metadata_file, generation)))
        if log.dropped:
            print(f"{metadata_file}: {log.dropped} lines after generation {generation} are trained again")

        masks = cnn.dropout_masks(dropout_rng)
        fast_model = cnn.prepare(model)  # shares its weights with `model`
        one_hot = np.eye(len(labels))
        recent = deque(maxlen=RECENT)

        def write():
            log.flush(generation)
            write_checkpoint(metadata_file, {**settings, "generations": generations}, generation, model[2])
            write_model(model, model_file)
            if progress:
                progress(generation, recent)

        write()
        next_write = time.monotonic() + WRITE_EVERY
        while generation < generations and not stopped:
            maps, correct = pictures[int(picture_rng.random() * len(pictures))]
            result = cnn.cnn(maps, fast_model, one_hot[correct], True, output_sum=output_sum, rng=masks)
            update(model[2], alpha, result)
            generation += 1
            predicted = int(result.softmax.argmax())
            log.append(generation, labels[correct], result.cross_entropy, result.softmax.item(0), labels[predicted])
            recent.append((result.cross_entropy, predicted == correct))
            if time.monotonic() >= next_write:
                next_write = time.monotonic() + WRITE_EVERY
                write()
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


def generators(seed):
    """Two sources of random numbers from one seed: for the start weights and the pictures, and for dropout."""
    return [np.random.Generator(np.random.PCG64(part)) for part in np.random.SeedSequence(seed).spawn(2)]


def lock_order(model_file, metadata_file):
    """The two paths, always in one order, so that two trainings never wait for each other. They must differ."""
    paths = sorted({os.path.realpath(model_file), os.path.realpath(metadata_file)})
    if len(paths) < 2:
        raise InputError(f"{model_file}: expected two files, for the model and for its log; name another")
    return paths


def start_files(model_file, metadata_file):
    """Keep the files of the last training as .bak, and begin a new log, without a moment in which a file is missing."""
    checkpoint = path_of(metadata_file)
    for path in (model_file, metadata_file, checkpoint):
        check_writable(path)
    back_up(model_file)
    back_up(metadata_file)
    back_up(checkpoint, path_of(f"{metadata_file}.bak"))  # so that the kept training can be gone on with, too
    with contextlib.suppress(FileNotFoundError):
        os.remove(checkpoint)  # it does not belong to the log that begins now
    start_log(metadata_file, time.time())


def go_on_with(settings, generations, metadata_file):
    """The kept settings, generation and weights of a training to go on with. Raises InputError where they differ."""
    kept, generation, weights = read_checkpoint(metadata_file)
    for name, value in settings.items():
        if kept.get(name) != value and (name, value) != ("seed", None):
            what = name.replace("_", " ")
            raise InputError(f"{metadata_file}: was begun with {what} {kept.get(name)}, found {value}; it must stay")
    if generations < generation:
        raise InputError(f"{metadata_file}: holds {generation} generations already, expected more than that as the aim")
    return kept, generation, weights


def check_pictures(settings, pictures):
    """The settings with a mark of the pictures. Raises InputError where a training began with other pictures."""
    mark = hashlib.sha256()
    for maps, index in pictures:
        mark.update(b"%d" % index + maps.tobytes())
    if settings.get("pictures", mark.hexdigest()) != mark.hexdigest():
        raise InputError(
            f"{settings['dataset']}: expected the pictures that the training began with; train from the start"
        )
    return {**settings, "pictures": mark.hexdigest()}


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
