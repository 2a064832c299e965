"""The paper's train(): the generation loop, and the update of the fully connected weights.

>>> import training
>>> training.train(0.000000005, 10000, "model.doc", "metadata.doc")  # in a Python shell, from the project's folder
"""

import contextlib
import hashlib
import json
import numbers
import os
import re
import secrets
import signal
import threading
import time
from collections import deque

import numpy as np
from PIL import Image

import cnn
from backpropagation import PIXEL_SCALE, gradients
from metadata import Log, read_header, start_log
from model import KERNELS, LARGEST_SUM, OUTPUT_SUM, model_text, parts_of, start_model
from preprocessing import SIZE, distort
from support.commandline import command, ours
from support.files import InputError, back_up, check_writable, locked, rename, write_whole
from support.pictures import find_pictures

# The paper's settings. They are the defaults of train() and controller.py.
ALPHA = 0.000000005  # learning rate
GENERATIONS = 180_834
LABELS = "0", "1"

KERNELS_ALPHA = 0.003  # learning rate when all layers are trained; the paper's is too small for that
RANDOM_KERNELS_ALPHA = 0.007  # the same, from random kernels, as 12 and 24 always are (docs/beyond.md)
MOST_KERNELS = 1000  # in a layer; more would fill the memory
JITTER = 12, 0.25, 0.2, 0.2, 1, 1  # at most: degrees, slant, stretch across, stretch down, pixels across, pixels down
BEND = 0.7, 1.3  # the share of pictures that are bent; standard deviation of a point's move, in pixels
STEP = SIZE // 4  # pixels from one point of the grid to the next
GRID = np.stack(np.meshgrid(*[range(0, SIZE + 1, STEP)] * 2), axis=2)  # (5, 5, 2): x and y of each point
WRITE_EVERY = 0.8  # seconds between two writings of model.doc and metadata.doc
RECENT = 100  # generations over which the paper takes its mean cross entropy and its share of right answers


def train(alpha, generations, model_file, metadata_file, *, labels=LABELS, dataset="dataset", output_sum=OUTPUT_SUM,
          seed=None, alpha_decay=False, average=False, trim=False, dropout=True, train_kernels=False, kernels=KERNELS,
          random_kernels=False, jitter=False, bend=False, resume=False, say=None, loading=None,
          progress=None):  # fmt: skip
    """Train a model on one random picture in each generation, write both files about once a second, return the model.

    alpha: the learning rate.               seed: the same seed gives the same files; None draws one.
    alpha_decay: alpha falls linearly to 0. average: model_file gets the mean weights of the second half.
    trim: cut the pictures to their ink.    dropout: False leaves it out.
    train_kernels: train all layers, with so many `kernels` in convolution 1 and 2. random_kernels: start at random.
    jitter: turn, slant, stretch and shift each picture a little at random. bend: bend most pictures a little.
    resume: continue the training of metadata_file, up to `generations`; the other settings must be the same as before.
    Otherwise a new training begins, and the files of the last one are kept as .bak.
    say(text), loading(pictures read, in all), progress(generation, the last results): called to report.

    Ctrl-C ends the training after a generation: the files are written, then KeyboardInterrupt is raised. Raises
    InputError, before any file is touched, for a setting or picture that cannot be used.
    """
    settings = check_settings(locals())
    say = say or (lambda text: None)
    with contextlib.ExitStack() as stack:
        for path in sorted({os.path.realpath(model_file), os.path.realpath(metadata_file)}):
            stack.enter_context(locked(path, say))
        state = continue_state(settings, metadata_file) if resume else start_state(settings, say)
        pictures = load_pictures(state, say, loading)
        stopped = stack.enter_context(stop_on_signals())
        if not resume:
            start_files(model_file, metadata_file)
        log = stack.enter_context(contextlib.closing(Log(metadata_file, state["generation"], state["log"])))
        if log.dropped:
            done = state["generation"]
            say(f"{metadata_file}: what follows generation {done:,} is trained again (lines: {log.dropped:,})")
        if resume:
            keep_other_model(state, model_file, say)

        rng, model, recent = state["rng"], parts_of(state["model"]), deque(maxlen=RECENT)

        def write():
            write_files(state, log, model_file, metadata_file)
            if progress:
                progress(state["generation"], recent)

        write()
        next_write = time.monotonic() + WRITE_EVERY
        for generation in range(state["generation"] + 1, generations + 1):
            picture, label = pictures[int(rng.random() * len(pictures))]  # a random picture
            if jitter:
                picture = jittered(picture, rng)
            if bend and rng.random() < BEND[0]:
                picture = bent(picture, rng)
            rate = alpha * (1 - (generation - 1) / generations) if alpha_decay else alpha
            if train_kernels:
                steps = cnn.forward(picture, model, rng=rng if dropout else None)
                result = cnn.Trained(cnn.cross_entropy(steps.softmax, label), label, steps.softmax, steps.flattened)
                update_all_layers(model, rate, gradients(steps, model, label))
            else:
                result = cnn.Trained(*cnn.cnn(picture, model, label, training=True, rng=rng, dropout=dropout))
                update(model.weights, rate, result)
            if average and generation > generations // 2:
                for total, array in zip(state["total"], state["model"]):
                    total[...] += array
            right, answer = model.labels[label.argmax()], model.labels[np.argmax(result.softmax)]
            log.append(generation, right, result.cross_entropy, result.softmax[0], answer)
            recent.append((result.cross_entropy, answer == right))
            state["generation"] = generation
            if stopped:
                break
            if time.monotonic() >= next_write:
                write()
                next_write = time.monotonic() + WRITE_EVERY
        write()
        write_files(state, log, model_file, metadata_file)  # again: the state keeps the mark of the model just written
    if stopped:
        raise KeyboardInterrupt
    return trained_model(state)


def update(weights, alpha, result):
    """Change the fully connected weights (n, 151) in place by one step of gradient descent (paper, "Training").

    For each weight: derivative = (softmax - label)[output] * flattened[input], then weight -= alpha * derivative.
    Oddity 8: the kernels stay as they were set by hand. The derivative is that of a softmax directly after the sums; it
    leaves out the absolute value and the scaling (oddities 4 and 6).
    """
    error = np.subtract(result.softmax, result.label)  # (n,)
    weights -= (alpha * error)[:, np.newaxis] * result.flattened  # (n, 1) * (151,) -> (n, 151)


def update_all_layers(model, alpha, derivatives):
    """Change all weights in place: the same step, with the derivatives of the whole network (backpropagation.py)."""
    for weights, rate, derivative in zip(model, (alpha * PIXEL_SCALE, alpha, alpha), derivatives):
        weights[...] -= rate * derivative.reshape(weights.shape)


def jittered(pixels, rng):
    """Return a picture as another hand might have drawn it, changed by at most JITTER: (32, 32) -> (32, 32)."""
    turn, slant, across, down, right, lower = (limit * (2 * rng.random() - 1) for limit in JITTER)
    picture = distort(Image.fromarray(pixels), turn, slant, 1 + across, 1 + down, right, lower)
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(pixels.shape)


def bent(pixels, rng):
    """Return a picture as if it were drawn on rubber: 5x5 points spread over it are moved at random. (32, 32) each."""
    points = (GRID + rng.normal(0, BEND[1], GRID.shape)).tolist()
    # each square of the new picture comes from the four points to which its corners were moved
    mesh = [((STEP * j, STEP * i, STEP * j + STEP, STEP * i + STEP),
             points[i][j] + points[i + 1][j] + points[i + 1][j + 1] + points[i][j + 1])
            for i in range(4) for j in range(4)]  # fmt: skip
    picture = Image.fromarray(pixels).transform((SIZE, SIZE), Image.MESH, mesh, Image.BILINEAR, fillcolor=255)
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(pixels.shape)


# The state of a training is a dictionary: its settings, the constants of the code, the generation, the model, the sum
# of the models since half of the generations, the random generator, and marks of the pictures, of the log, and of
# model.doc as it was before. metadata.doc.resume keeps it for --resume. That file is written after the lines of
# metadata.doc and before model.doc. So after a crash the log has at least the generations of the state, and the state
# is at least as new as the model.


def start_state(settings, say):
    """Return the state before the first generation. Without a seed, one is drawn and told."""
    if settings["seed"] is None:
        settings = {**settings, "seed": secrets.randbits(32)}
        say(f"seed {settings['seed']}")
    rng = np.random.default_rng(settings["seed"])
    names = "output_sum", "train_kernels", "kernels", "random_kernels"
    model = start_model(settings["labels"], rng, **{name: settings[name] for name in names})
    return {"settings": settings, "constants": constants(), "generation": 0, "model": model,
            "total": [np.zeros(array.shape) for array in model[:3]] if settings["average"] else [],
            "rng": rng, "pictures": None, "log": None, "model_before": None}  # fmt: skip


def constants():
    """Return the constants of the code that a training must not change when it is resumed."""
    return {"dropout_rates": [cnn.DROPOUT_1, cnn.DROPOUT_2], "limits_of_jitter": list(JITTER), "bending": list(BEND)}


def continue_state(settings, metadata_file):
    """Return the state that a training left, with a new number of generations. Raises InputError for other settings."""
    state = read_state(metadata_file)
    before = {**state["settings"], **state["constants"]}
    free = {"dataset", "model_file"} | ({"seed"} if settings["seed"] is None else set())
    if not (before["alpha_decay"] or before["average"]):  # both depend on the number of generations
        free.add("generations")
    for name, value in {**settings, **constants()}.items():
        if before[name] != value and name not in free:
            raise InputError(f"{metadata_file}: began with {name.replace('_', ' ')} {in_words(before[name])}, found "
                             f"{in_words(value)}; a resumed training cannot change it")  # fmt: skip
    if settings["generations"] < state["generation"]:
        raise InputError(f"{metadata_file}: it has {state['generation']} generations already, expected a larger number")
    state["settings"].update({name: settings[name] for name in ("generations", "dataset", "model_file")})
    return state


def in_words(value):
    if isinstance(value, float):
        return np.format_float_positional(value, trim="-")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def resume_path(metadata_file):
    """Return the path of the file that --resume needs."""
    return f"{metadata_file}.resume"


def write_files(state, log, model_file, metadata_file):
    """Bring all files up to date, in this order: the log, what --resume needs, the model."""
    log.flush(state["generation"])
    state["log"] = log.mark()
    arrays = {name: [array.tolist() for array in state[name][:3]] for name in ("model", "total")}
    kept = {**state, **arrays, "rng": state["rng"].bit_generator.state}
    write_whole(resume_path(metadata_file), json.dumps(kept).encode())
    text = model_text(trained_model(state))
    write_whole(model_file, text)
    state["model_before"] = mark(text)


def read_state(metadata_file):
    """Return the state that a training left beside its log. Raises InputError if there is none."""
    path = resume_path(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        settings, rng = state["settings"], np.random.default_rng()
        rng.bit_generator.state = state["rng"]
        types = np.float32, np.float32, np.float32 if settings["train_kernels"] else np.float64
        arrays = [np.array(numbers, kind) for numbers, kind in zip(state["model"], types)]
        state.update(model=[*arrays, settings["labels"], settings["output_sum"]], rng=rng)
        state["total"] = [np.array(numbers) for numbers in state["total"]]
        state.setdefault("log", None)  # states of older versions have no mark of the log
        if not {"constants", "generation", "pictures", "model_before"} <= state.keys():
            raise KeyError("an older version wrote it")
        return state
    except FileNotFoundError:
        start = command(ours("controller.py"), "--metadata", metadata_file)
        raise InputError(f"{path}: not found, so there is nothing to resume; to start a training: {start}") from None
    except (ValueError, TypeError, LookupError):
        raise InputError(f"{path}: expected the state of a training by this version; train from the start") from None


def read_settings(metadata_file):
    """Return the settings of the training that wrote a log, or {} if they are not known."""
    try:
        state = read_state(metadata_file)
        return {**state["settings"], **state["constants"]}
    except (InputError, OSError):
        return {}


def trained_model(state):
    """Return the model for model.doc: the last weights or, with `average`, their mean since half of the generations."""
    count = state["generation"] - state["settings"]["generations"] // 2
    if not state["settings"]["average"] or count <= 0:
        return state["model"]
    return [*(total / count for total in state["total"]), *state["model"][3:]]


def mark(data):
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def keep_other_model(state, model_file, say):
    """Keep the model at model_file as .bak if the training that is resumed did not write it.

    After a crash, model.doc is either the model of the state or the one that was written just before.
    """
    if os.path.exists(model_file):
        with open(model_file, "rb") as file:
            found = mark(file.read())
        if found not in (state["model_before"], mark(model_text(trained_model(state)))):
            back_up(model_file)
            say(f"{model_file}: this training did not write it; it is kept as {model_file}.bak")


def start_files(model_file, metadata_file):
    """Keep the files of the last training as .bak and begin a new log. At no moment is a file missing."""
    for path in (model_file, metadata_file, resume_path(metadata_file)):
        check_writable(path)
    resumable = os.path.exists(resume_path(metadata_file))
    back_up(model_file)
    # An empty log, of a start that failed, is not kept: it would replace a useful .bak file.
    if resumable or (os.path.exists(metadata_file) and read_header(metadata_file)[1] != 0):
        back_up(metadata_file)
    if resumable:
        rename(resume_path(metadata_file), resume_path(f"{metadata_file}.bak"))
    start_log(metadata_file, time.time())


def load_pictures(state, say, loading):
    """Return every picture of the labels as (pixels (32, 32), one-hot label (n,)), and say how many there are.

    Raises InputError for a label without pictures, a picture that cannot be read, or other pictures than before.
    """
    settings, pictures = state["settings"], []
    labels = settings["labels"]
    paths = {label: find_pictures(settings["dataset"], label, say) for label in labels}
    total = sum(map(len, paths.values()))
    digest = hashlib.sha256()
    for label, one_hot in zip(labels, np.eye(len(labels))):
        for path in paths[label]:
            pixels = cnn.read_pixels(path, settings["trim"])
            digest.update(label.encode() + pixels.tobytes())
            pictures.append((pixels, one_hot))
            if loading:
                loading(len(pictures), total)
    counts = {label: len(found) for label, found in paths.items()}
    each = set(counts.values())
    say(f"{total:,} pictures: " + (f"{each.pop():,} of each label" if len(each) == 1 else
                                   ", ".join(f"{count:,} of {label}" for label, count in counts.items())))  # fmt: skip
    if state["pictures"] not in (None, digest.hexdigest()):
        dataset = settings["dataset"]
        raise InputError(f"{dataset}: expected the pictures that the training began with; train from the start")
    state["pictures"] = digest.hexdigest()
    return pictures


def check_settings(given):
    """Return the settings among train()'s arguments as plain Python values. Raises InputError for a wrong one."""

    def need(fits, name, expected):
        if not fits:
            raise InputError(f"{name.replace('_', ' ')}: expected {expected}, found {given[name]!r}")

    def whole(value, least):
        return isinstance(value, numbers.Integral) and value >= least

    need(isinstance(given["alpha"], numbers.Real) and 0 <= given["alpha"] <= 1, "alpha",
         "a learning rate from 0 to 1 (the paper's is 0.000000005)")  # fmt: skip
    need(whole(given["generations"], 0), "generations", "a whole number, 0 or more")
    need(isinstance(given["output_sum"], numbers.Real) and 0 < given["output_sum"] <= LARGEST_SUM, "output_sum",
         f"a number above 0, at most {LARGEST_SUM:,}")  # fmt: skip
    need(given["seed"] is None or whole(given["seed"], 0), "seed", "a whole number, 0 or more")
    kernels = given["kernels"]
    need(np.shape(kernels) == (2,) and all(whole(count, 1) and count <= MOST_KERNELS for count in kernels), "kernels",
         f"two whole numbers from 1 to {MOST_KERNELS:,}")  # fmt: skip
    if not given["train_kernels"] and (given["random_kernels"] or tuple(kernels) != KERNELS):
        raise InputError("kernels: the paper's 6 and 6 are set by hand; others need to be trained: --train-kernels")
    labels = list(map(str, given["labels"]))
    if len(labels) == 1 and len(labels[0].split()) > 1:
        raise InputError(f"labels: {labels[0]!r} is one label; without quotes it is several: --labels {labels[0]}")
    need(len(labels) > 1 and len(set(labels)) == len(labels), "labels", "two or more that differ, with spaces between")
    for label in labels:
        if not re.fullmatch(r"[^\s/\\]+", label) or label in (".", "..") or not label.isprintable():
            raise InputError(f"labels: {label!r} cannot be the name of a folder; expected no spaces and no slashes")
    if os.path.realpath(given["model_file"]) == os.path.realpath(given["metadata_file"]):
        raise InputError(f"{given['model_file']}: expected two files, for the model and for the log; name another")
    folder = os.path.dirname(os.path.abspath(given["metadata_file"]))
    flags = "alpha_decay", "average", "trim", "dropout", "train_kernels", "random_kernels", "jitter", "bend"
    settings = {name: bool(given[name]) for name in flags}
    return {"alpha": float(given["alpha"]), "generations": int(given["generations"]), "labels": labels,
            "dataset": os.fspath(given["dataset"]), "output_sum": float(given["output_sum"]), "seed": None if
            given["seed"] is None else int(given["seed"]), "kernels": list(map(int, kernels)), **settings, "model_file":
            os.path.relpath(given["model_file"], folder)}  # fmt: skip


@contextlib.contextmanager
def stop_on_signals():
    """Give a list that Ctrl-C and SIGTERM add to, so that the loop can finish its generation and write the files."""
    stopped = []
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda number, frame: stopped.append(number)) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
