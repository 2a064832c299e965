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
from checkpoint import State, path_of, read_checkpoint, write_checkpoint
from common import InputError, back_up, check_writable, locked
from metadata import Log, is_empty, start_log
from model import hand_set_kernels, start_model, write_model
from pictures import find_pictures
from preprocessing import read_picture

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
    alpha_decay=False,
    average=False,
    trim=False,
    dropout=True,
    resume=False,
    loading=None,
    progress=None,
):
    """Train a model for a number of generations, one random image each, and return it.

    alpha: the learning rate. seed: the same seed gives the same files; without one it is drawn and printed.
    alpha_decay: alpha falls linearly to 0, which stills the weights towards the end. average: model_file gets the mean
    of the weights over the last half of the generations, and model_file.last the last weights. trim: pictures are cut
    to their ink first (preprocessing.py). dropout: False leaves it out, so that training sees the values that
    classifying will see. resume: go on, up to `generations`, with the training that the files hold, which must have had
    the same settings; otherwise a new one begins, and the files of the last are kept as .bak.
    loading, progress: called with (pictures read, pictures in all), and about once a second with (generation, the last
    100 pairs of cross entropy and whether it was right). Ctrl-C ends it after a generation: the files are complete,
    then KeyboardInterrupt is raised. Raises InputError for a setting or picture that cannot be used, before any file
    is touched.
    """
    settings = {
        "alpha": float(alpha),
        "generations": generations,
        "labels": [str(label) for label in labels],
        "dataset": os.fspath(dataset),
        "output_sum": float(output_sum),
        "seed": seed,
        "alpha_decay": alpha_decay,
        "average": average,
        "trim": trim,
        "dropout": dropout,
    }
    check_settings(settings)
    labels = settings["labels"]
    with contextlib.ExitStack() as stack:
        for path in lock_order(model_file, metadata_file):
            stack.enter_context(locked(path))
        state = go_on_with(settings, metadata_file) if resume else begin(settings)
        pictures = load_dataset(dataset, labels, trim, loading)
        check_pictures(state, pictures)
        stopped = stack.enter_context(stop_on_signals())
        if not resume:
            start_files([model_file, *([f"{model_file}.last"] if average else [])], metadata_file)
        log = stack.enter_context(contextlib.closing(Log(metadata_file, state.generation)))
        if log.dropped:
            print(f"{metadata_file}: {log.dropped} lines after generation {state.generation} are trained again")

        def write(recent):
            log.flush(state.generation)
            write_checkpoint(metadata_file, state)
            write_model(model_of(state), model_file)
            if average:
                write_model(with_weights(state, state.weights), f"{model_file}.last")
            if progress:
                progress(state.generation, recent)

        run_generations(state, pictures, log, write, stopped)
    if stopped:
        raise KeyboardInterrupt
    return model_of(state)


def run_generations(state, pictures, log, write, stopped):
    """The paper's loop, from where `state` stands: changes it, notes each generation, writes about once a second."""
    labels, alpha, generations = (state.settings[name] for name in ("labels", "alpha", "generations"))
    output_sum, alpha_decay, average = (state.settings[name] for name in ("output_sum", "alpha_decay", "average"))
    picture_rng, masks = random_sources(state)
    weights = state.weights.reshape(len(labels), -1)  # the same numbers, a row a label: (n, 151)
    model = cnn.prepare(with_weights(state, weights))
    if not state.settings["dropout"]:  # then nothing before the fully connected layer ever changes
        pictures = [(cnn.features(maps, *model[:2]), index) for maps, index in pictures]
    one_hot = list(np.eye(len(labels)))
    recent = deque(maxlen=RECENT)
    write(recent)
    next_write = time.monotonic() + WRITE_EVERY
    for generation in range(state.generation + 1, generations + 1):
        rate = alpha * (1 - (generation - 1) / generations) if alpha_decay else alpha
        # not integers(): that may draw several raw numbers, and --resume counts on one a generation
        maps, correct = pictures[int(picture_rng.random() * len(pictures))]
        result = cnn.cnn(maps, model, one_hot[correct], True, output_sum=output_sum, rng=masks)
        update(weights, rate, result)
        if average and generation > generations // 2:
            state.weights_sum += state.weights
        state.generation = generation
        cross_entropy, _, softmax, _ = result
        predicted = softmax.argmax()
        log.append(generation, labels[correct], cross_entropy, softmax.item(0), labels[predicted])
        recent.append((cross_entropy, predicted == correct))
        if stopped:
            break
        if time.monotonic() >= next_write:
            next_write = time.monotonic() + WRITE_EVERY
            write(recent)
    write(recent)


def update(weights, alpha, result):
    """One step of gradient descent, in place, on the fully connected weights (n, 151); the kernels never change.

    For each weight: derivative = (softmax - label)[output] x flattened[input], weight -= alpha x derivative.
    Oddity 8: the kernels are left as they were set by hand. The derivative is that of a softmax right after the sums,
    without the absolute value and the scaling (oddities 4 and 6).
    """
    error = result.softmax - result.label  # (n,)
    weights -= (alpha * error)[:, np.newaxis] * result.flattened  # (n, 1) x (151,) -> (n, 151)


def random_sources(state):
    """What a training draws its pictures from, and its dropout masks, as they are after `state.generation` generations.

    The first source has also drawn the start weights. Every generation takes equally many numbers of each.
    """
    picture_rng, dropout_rng = generators(state.settings["seed"])
    picture_rng.bit_generator.advance(state.weights.size + state.generation)
    dropout_rng.bit_generator.advance(state.generation * cnn.RAW_A_GENERATION)
    return picture_rng, cnn.dropout_masks(dropout_rng)


def generators(seed):
    """Two random generators from one seed: for the start weights and the pictures, and for dropout."""
    return [np.random.Generator(np.random.PCG64(part)) for part in np.random.SeedSequence(seed).spawn(2)]


def begin(settings):
    """Where a new training stands. Without a seed one is drawn, and printed."""
    if settings["seed"] is None:
        settings = {**settings, "seed": secrets.randbits(32)}
        print(f"seed {settings['seed']}")
    weights = start_model(settings["labels"], generators(settings["seed"])[0])[2]
    return State(settings, 0, weights, np.zeros_like(weights))


def go_on_with(settings, metadata_file):
    """Where a training stood, with the new number of generations. Raises InputError where its settings were others."""
    state = read_checkpoint(metadata_file)
    kept = state.settings
    for name, value in settings.items():
        free = name == "dataset" or (name == "generations" and not (kept["alpha_decay"] or kept["average"]))
        if kept[name] != value and not free and (name, value) != ("seed", None):
            what = name.replace("_", " ")
            raise InputError(f"{metadata_file}: was begun with {what} {kept[name]}, found {value}; it must stay")
    if settings["generations"] < state.generation:
        raise InputError(f"{metadata_file}: holds {state.generation} generations already, expected a larger number")
    kept.update(generations=settings["generations"], dataset=settings["dataset"])
    return state


def with_weights(state, weights):
    """The model of a training, with the given fully connected weights."""
    return [*hand_set_kernels(), weights, state.settings["labels"]]


def model_of(state):
    """What model.doc gets: the last weights; or, with `average`, their mean since half of the generations."""
    count = state.generation - state.settings["generations"] // 2
    averages = state.settings["average"] and count > 0
    return with_weights(state, state.weights_sum / count if averages else state.weights)


def lock_order(model_file, metadata_file):
    """The two paths, always in one order, so that of two trainings one gets both. No file may have two uses."""
    model_file, metadata_file = os.path.realpath(model_file), os.path.realpath(metadata_file)
    if metadata_file in (model_file, f"{model_file}.last") or model_file == path_of(metadata_file):
        raise InputError(f"{model_file}: expected two files, for the model and for its log; name another")
    return sorted([model_file, metadata_file])


def start_files(model_files, metadata_file):
    """Keep the files of the last training as .bak, and begin a new log, without a moment in which a file is missing."""
    checkpoint = path_of(metadata_file)
    for path in (*model_files, metadata_file, checkpoint):
        check_writable(path)
    for path in model_files:
        back_up(path)
    # A start that failed left an empty log, which is not worth the place of the one that is kept.
    if os.path.exists(checkpoint) or not is_empty(metadata_file):
        back_up(metadata_file)
        back_up(checkpoint, path_of(f"{metadata_file}.bak"))  # so that the kept training can be gone on with, too
    with contextlib.suppress(FileNotFoundError):
        os.remove(checkpoint)  # it does not belong to the log that begins now
    start_log(metadata_file, time.time())


def check_pictures(state, pictures):
    """Note a mark of the pictures in the settings. Raises InputError where the training began with other pictures."""
    mark = hashlib.sha256()
    for maps, index in pictures:
        mark.update(b"%d" % index + maps.tobytes())
    if state.settings.setdefault("pictures", mark.hexdigest()) != mark.hexdigest():
        found = state.settings["dataset"]
        raise InputError(f"{found}: expected the pictures that the training began with; train from the start")


def check_settings(settings):
    """Raise InputError unless the settings of a training make sense."""
    alpha, generations, output_sum, seed = (settings[name] for name in ("alpha", "generations", "output_sum", "seed"))
    labels = settings["labels"]
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: expected a learning rate from 0 to 1, found {alpha}; the paper's is 0.000000005")
    if not isinstance(generations, int) or generations < 0:
        raise InputError(f"generations: expected a whole number, 0 or more, found {generations}")
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


def load_dataset(dataset, labels, trim=False, loading=None):
    """Every picture of the labels, as (what first_layer() makes of it, its label's index).

    What is random or trained comes after the first layer, so each picture goes through it once: 2,352 bytes a picture,
    its values being whole numbers below 2**15. loading: called with the number done and in all.
    """
    kernels_1, _ = hand_set_kernels()
    paths = [(path, index) for index, label in enumerate(labels) for path in find_pictures(dataset, label)]
    pictures = []
    for done, (path, index) in enumerate(paths):
        maps = cnn.first_layer(cnn.read_pixels(read_picture(path, trim)), kernels_1)
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
