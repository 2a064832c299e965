"""The generation loop, and the update of the fully connected weights (the paper's training.py).

>>> import training
>>> training.train(0.000000005, 10000, "model.doc", "metadata.doc")  # in a Python shell, from the project's folder

It stands on all layers' files; controller.py, results.py and experiments/ import it.
"""

import contextlib
import functools
import hashlib
import itertools
import os
import re
import secrets
import signal
import threading
import time
from collections import deque

import numpy as np
from PIL import Image

import backpropagation
import cnn
from metadata import Log, is_empty, start_log
from model import INPUTS, LARGEST_SUM, OUTPUT_SUM, hand_set_kernels, model_text, start_model
from preprocessing import distort
from support.checkpoint import SETTINGS, State, mark, path_of, read_checkpoint, write_checkpoint
from support.files import InputError, back_up, check_writable, locked, rename, write_whole
from support.pictures import find_pictures

# The paper's settings, those of train() and of controller.py where nothing else is said.
ALPHA = 0.000000005  # learning rate
GENERATIONS = 180_834
LABELS = ["0", "1"]

KERNELS_ALPHA = 0.003  # learning rate for all layers; the paper's, for the last alone, would move nothing

# What --jitter does at the most, each way: degrees, pixels across per pixel down, shares of 1 across and down, pixels.
JITTER = 12, 0.25, 0.2, 0.2, 1, 1
WRITE_EVERY = 0.8  # seconds between two writings of model.doc and metadata.doc
KERNELS = 6 * 25 + 6 * 150  # weights of the kernels
RECENT = 100  # generations, the paper's window for its mean cross entropy and its share right


def train(alpha, generations, model_file, metadata_file, *, labels=tuple(LABELS), dataset="dataset",
          output_sum=OUTPUT_SUM, seed=None, alpha_decay=False, average=False, trim=False, dropout=True,
          train_kernels=False, jitter=False, resume=False, say=None, loading=None, progress=None):  # fmt: skip
    """Train a model for a number of generations, one random picture each, and return it.

    alpha: the learning rate. seed: the same seed gives the same files; without one it is drawn. alpha_decay: alpha
    falls linearly to 0. average: model_file gets the mean of the weights over the last half of the generations, and
    model_file.last the last weights. trim: pictures are cut to their ink first (preprocessing.py). dropout: False
    leaves it out. train_kernels: all layers learn (backpropagation.py), not the last alone. jitter: a picture is
    turned, slanted, stretched and shifted a little at random as it is drawn.
    resume: go on, up to `generations`, with the training that the files hold, which must have had the same settings;
    otherwise a new one begins, and the files of the last are kept as .bak.
    say, loading, progress: called with a sentence worth knowing, such as the seed; with (pictures read, pictures in
    all); and about once a second with (generation, the last 100 pairs of cross entropy and whether it was right).
    Ctrl-C ends it after a generation: the files are complete, then KeyboardInterrupt is raised. Raises InputError for a
    setting or picture that cannot be used, before any file is touched.
    """
    settings = check_settings(locals())
    say = say or (lambda text: None)
    with contextlib.ExitStack() as stack:
        for path in lock_order(model_file, metadata_file):
            stack.enter_context(locked(path))
        state = go_on_with(settings, metadata_file) if resume else begin(settings, say)
        kept = np.uint8 if settings["train_kernels"] or settings["jitter"] else first_maps
        pictures = load_dataset(settings["dataset"], settings["labels"], settings["trim"], loading, kept)
        check_pictures(state, pictures)
        stopped = stack.enter_context(stop_on_signals())
        model_files = [model_file, f"{model_file}.last"] if settings["average"] else [model_file]
        if resume:
            keep_others(model_files, state, say)
        else:
            start_files(model_files, metadata_file)
        log = stack.enter_context(contextlib.closing(Log(metadata_file, state.generation)))
        if log.dropped:
            say(f"{metadata_file}: {log.dropped} lines after generation {state.generation} are trained again")
        write = functools.partial(write_files, state, log, model_files, metadata_file, progress)
        run_generations(state, pictures, log, write, stopped)
        state.models = state.models[-len(model_files) :]  # those before them are gone: the same seed, the same files
        write_checkpoint(metadata_file, state)
    if stopped:
        raise KeyboardInterrupt
    return model_of(state)


def write_files(state, log, model_files, metadata_file, progress, recent):
    """Bring all files up to date: the log first, then the checkpoint, then the model (and, if asked for, its .last)."""
    log.flush(state.generation)
    texts = [model_text(model) for model in (model_of(state), with_numbers(state, state.trained))[: len(model_files)]]
    note_models(state, texts)
    write_checkpoint(metadata_file, state)
    for path, text in zip(model_files, texts):
        write_whole(path, text)
    if progress:
        progress(state.generation, recent)


def run_generations(state, pictures, log, write, stopped):
    """The paper's loop, from where `state` stands: changes it, notes each generation, writes about once a second."""
    labels, generations, average = (state.settings[name] for name in ("labels", "generations", "average"))
    picture_rng, masks, jitter_rng = random_sources(state)
    learn = (all_layers if state.settings["train_kernels"] else last_layer)(state, pictures, masks, jitter_rng)
    recent = deque(maxlen=RECENT)
    write(recent)
    next_write = time.monotonic() + WRITE_EVERY
    for generation in range(state.generation + 1, generations + 1):
        # not integers(): that may draw several raw numbers, and --resume counts on one a generation
        number = int(picture_rng.random() * len(pictures))
        correct = pictures[number][1]
        cross_entropy, softmax = learn(number, learning_rate(state.settings, generation))
        if average and generation > generations // 2:
            state.total += state.trained
        state.generation = generation
        predicted = softmax.argmax()
        log.append(generation, labels[correct], cross_entropy, softmax.item(0), labels[predicted])
        recent.append((cross_entropy, predicted == correct))
        if stopped:
            break
        if time.monotonic() >= next_write:
            next_write = time.monotonic() + WRITE_EVERY
            write(recent)
    write(recent)


def last_layer(state, pictures, masks, jitter_rng):
    """The paper's way: a function (number of a picture, alpha) that trains the fully connected weights on it.

    It changes state.trained, in place, and returns the cross entropy and the softmax (n,).
    """
    labels, output_sum, dropout, jitter = (
        state.settings[name] for name in ("labels", "output_sum", "dropout", "jitter")
    )
    kernels_1, kernels_2 = hand_set_kernels()
    spread, one_hot = cnn.lay_out(kernels_2), list(np.eye(len(labels)))
    weights = state.trained.reshape(len(labels), INPUTS)  # the same numbers, a row a label
    changing = dropout or jitter
    if not changing:  # what comes before the last layer is worked out once
        pictures = [(cnn.second_layer(maps, spread), index) for maps, index in pictures]

    def learn(number, alpha):
        inputs, correct = pictures[number]
        if jitter:
            inputs = cnn.first_layer(jittered(inputs, jitter_rng), kernels_1)
        flattened = cnn.second_layer(inputs, spread, next(masks)) if changing else inputs
        result = cnn.last_layer(flattened, weights, one_hot[correct], output_sum)
        update(weights, alpha, result)
        return result.cross_entropy, result.softmax

    return learn


def all_layers(state, pictures, masks, jitter_rng):
    """The same for all layers, by backpropagation: what the paper could not find out."""
    kernels_1, kernels_2, weights, _, output_sum = with_numbers(state, state.trained)  # the same numbers, in shape
    generation = backpropagation.all_layers(kernels_1, kernels_2, weights.reshape(-1, INPUTS), output_sum)

    def learn(number, alpha):
        pixels, correct = pictures[number]
        if state.settings["jitter"]:
            pixels = jittered(pixels, jitter_rng)
        return generation(pixels, correct, alpha, next(masks))

    return learn


def jittered(pixels, rng):
    """A picture's pixels as another hand might have drawn it, by at most JITTER: (32, 32) -> (32, 32)."""
    turn, slant, stretch_x, stretch_y, shift_x, shift_y = (
        limit * (2 * number - 1) for limit, number in zip(JITTER, rng.random(len(JITTER)).tolist())
    )
    picture = distort(Image.fromarray(pixels), turn, slant, 1 + stretch_x, 1 + stretch_y, shift_x, shift_y)
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(pixels.shape)


def learning_rate(settings, generation):
    """Alpha in a generation: the same in each, or with `alpha_decay` falling linearly to 0."""
    alpha, generations = settings["alpha"], settings["generations"]
    return alpha * (1 - (generation - 1) / generations) if settings["alpha_decay"] else alpha


def update(weights, alpha, result):
    """One step of gradient descent, in place, on the fully connected weights (n, 151); the kernels never change.

    For each weight: derivative = (softmax - label)[output] x flattened[input], weight -= alpha x derivative.
    Oddity 8: the kernels are left as they were set by hand. The derivative is that of a softmax right after the sums,
    without the absolute value and the scaling (oddities 4 and 6).
    """
    error = result.softmax - result.label  # (n,)
    weights -= (alpha * error)[:, np.newaxis] * result.flattened  # (n, 1) x (151,) -> (n, 151)


def random_sources(state):
    """What a training draws its pictures from, its dropout masks, and its jitter, after `state.generation` generations.

    The first source has also drawn the start weights. Every generation takes equally many numbers of each.
    """
    picture_rng, dropout_rng, jitter_rng = generators(state.settings["seed"])
    picture_rng.bit_generator.advance(INPUTS * len(state.settings["labels"]) + state.generation)
    dropout_rng.bit_generator.advance(state.generation * cnn.RAW_A_GENERATION)
    jitter_rng.bit_generator.advance(state.generation * len(JITTER))
    dropout = state.settings["dropout"]
    masks = cnn.dropout_masks(dropout_rng.bit_generator) if dropout else itertools.repeat(cnn.KEEP_ALL)
    return picture_rng, masks, jitter_rng


def generators(seed):
    """Three random generators from one seed: for the start weights and the pictures, for dropout, and for jitter."""
    return [np.random.Generator(np.random.PCG64(part)) for part in np.random.SeedSequence(seed).spawn(3)]


def begin(settings, say):
    """Where a new training stands. Without a seed one is drawn, and said."""
    if settings["seed"] is None:
        settings = {**settings, "seed": secrets.randbits(32)}
        say(f"seed {settings['seed']}")
    start = start_model(settings["labels"], generators(settings["seed"])[0], train_kernels=settings["train_kernels"])
    trained = np.concatenate([array.reshape(-1) for array in start[0 if settings["train_kernels"] else 2 : 3]])
    return State(settings, 0, trained, np.zeros(trained.size))


def go_on_with(settings, metadata_file):
    """Where a training stood, with the new number of generations. Raises InputError where its settings were others."""
    state = read_checkpoint(metadata_file)
    kept = state.settings
    if state.trained.size != INPUTS * len(kept["labels"]) + KERNELS * kept["train_kernels"]:
        raise InputError(f"{path_of(metadata_file)}: expected what a training left for --resume; train from the start")
    if kept["train_kernels"]:
        state.trained = state.trained.astype(np.float32)  # as they were
    for name, value in settings.items():
        free = name == "dataset" or (name == "generations" and not (kept["alpha_decay"] or kept["average"]))
        if kept[name] != value and not free and (name, value) != ("seed", None):
            begun, found = in_words(name, kept[name]), in_words(name, value)
            raise InputError(f"{metadata_file}: was begun with {begun}, found {found}; it must stay")
    if settings["generations"] < state.generation:
        raise InputError(f"{metadata_file}: holds {state.generation} generations already, expected a larger number")
    kept.update(generations=settings["generations"], dataset=settings["dataset"])
    return state


def in_words(name, value):
    """A setting as a person says it."""
    return f"{name.replace('_', ' ')} {' '.join(value) if isinstance(value, list) else value}"


def with_numbers(state, numbers):
    """The model of a training, with the given numbers in place of those that are trained."""
    labels, output_sum, trained = (state.settings[name] for name in ("labels", "output_sum", "train_kernels"))
    kernels_1, kernels_2 = np.split(numbers[:KERNELS], [150]) if trained else hand_set_kernels()
    weights = numbers[-INPUTS * len(labels) :].reshape(1, -1)
    return [kernels_1.reshape(6, 25), kernels_2.reshape(6, 150), weights, labels, output_sum]


def model_of(state):
    """What model.doc gets: the last weights; or, with `average`, their mean since half of the generations."""
    count = state.generation - state.settings["generations"] // 2
    averages = state.settings["average"] and count > 0
    return with_numbers(state, state.total / count if averages else state.trained)


def lock_order(model_file, metadata_file):
    """The two paths, always in one order, so that of two trainings one gets both. No file may have two uses."""
    model_file, metadata_file = os.path.realpath(model_file), os.path.realpath(metadata_file)
    models = {f"{model_file}{end}" for end in ("", ".last", ".bak", ".last.bak")}
    logs = {f"{metadata_file}{end}" for end in ("", ".bak")}
    if models & {*logs, *map(path_of, logs)}:
        raise InputError(f"{model_file}: expected two files, for the model and for its log; name another")
    return sorted([model_file, metadata_file])


def note_models(state, texts):
    """Note the marks of the models that are about to be written, and keep those of the last: a crash leaves either."""
    marks = [mark(text) for text in texts]
    if state.models[-len(marks) :] != marks:
        state.models = [*state.models[-len(marks) :], *marks]


def keep_others(model_files, state, say):
    """Keep a model as .bak that is not what the training to be gone on with wrote last: another's, or one changed."""
    for path in filter(os.path.exists, model_files):
        with open(path, "rb") as file:
            known = mark(file.read()) in state.models
        if not known:
            back_up(path)
            say(f"{path}: not what this training wrote last; kept as {path}.bak")


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
    if os.path.exists(checkpoint):  # it goes with the old log, so that the kept training can be gone on with, too
        rename(checkpoint, path_of(f"{metadata_file}.bak"))
    start_log(metadata_file, time.time())


def check_pictures(state, pictures):
    """Note a mark of the pictures. Raises InputError where the training began with others."""
    digest = hashlib.sha256()
    for maps, index in pictures:
        digest.update(b"%d" % index + maps.tobytes())
    state.pictures = state.pictures or digest.hexdigest()
    if state.pictures != digest.hexdigest():
        found = state.settings["dataset"]
        raise InputError(f"{found}: expected the pictures that the training began with; train from the start")


def check_settings(given):
    """The settings among train()'s arguments, as plain Python values. Raises InputError unless they make sense."""
    settings = {}
    for name, kind in SETTINGS.items():
        value = given[name]
        try:
            settings[name] = None if name == "seed" and value is None else kind(value)
        except (TypeError, ValueError) as error:
            what = "a path" if name == "dataset" else error
            raise InputError(f"{name.replace('_', ' ')}: expected {what}, found {value!r}") from None
    alpha, generations, output_sum, seed = (settings[name] for name in ("alpha", "generations", "output_sum", "seed"))
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: expected a learning rate from 0 to 1, found {alpha}; the paper's is 0.000000005")
    if generations < 0:
        raise InputError(f"generations: expected a whole number, 0 or more, found {generations}")
    if not 0 < output_sum <= LARGEST_SUM:
        raise InputError(f"output sum: expected a number above 0, at most {LARGEST_SUM:,}, found {output_sum}")
    if seed is not None and seed < 0:
        raise InputError(f"seed: expected a whole number, 0 or more, found {seed}")
    check_labels(settings["labels"])
    return settings


def check_labels(labels):
    """Raise InputError unless labels differ and each can name a folder and stand in a log."""
    if len(labels) == 1 and len(labels[0].split()) > 1:
        raise InputError(f"labels: {labels[0]!r} is a single label; without quotes it is several: --labels {labels[0]}")
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise InputError(f"labels: expected two or more that differ, found {' '.join(labels) or 'none'}")
    for label in labels:
        if not re.fullmatch(r"[^\s/\\]+", label) or label in (".", "..") or not label.isprintable():
            raise InputError(
                f"labels: {label!r} cannot name a folder and stand in a log; use one without spaces or slashes"
            )


def first_maps(pixels):
    """What the hand-set kernels of layer 1 make of a picture, (32, 32) -> (6, 14, 14): the same in each generation."""
    return cnn.first_layer(pixels, hand_set_kernels()[0])


def load_dataset(dataset, labels, trim=False, loading=None, kept=first_maps):
    """Every picture of the labels, as (what `kept` makes of its pixels (32, 32), its label's index).

    kept: first_maps, or np.uint8 for the pixels as they are. loading: called with the number of pictures read and in
    all. Raises InputError for a label without pictures, or a picture that cannot be read.
    """
    paths = [(path, index) for index, label in enumerate(labels) for path in find_pictures(dataset, label)]
    pictures = []
    for path, index in paths:
        pictures.append((kept(cnn.read_pixels(path, trim)), index))
        if loading:
            loading(len(pictures), len(paths))
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
