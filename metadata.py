"""metadata.doc, the log of a training (the paper's second file), and beside it what --resume needs.

Line 1 says when training started (unix time), line 2 how many generations are done. After two blank lines there is one
line for each generation: generation, label, cross entropy, softmax of the first label, predicted label.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import time
from collections import deque

import numpy as np

from model import model_text, parts_of, start_model
from support.commandline import command, ours
from support.files import InputError, back_up, check_writable, locked, rename, write_whole

HEADER = "Training started (unix time): {!r}\nCurrent generation: {:>12}\n\n\n"  # line 2 is updated in place
COLUMNS = ("generation", "label", "cross_entropy", "softmax", "predicted")
LABEL_LENGTH = 255  # characters, the longest name that a folder can have
RECENT = 100  # generations over which the paper says that it takes its figures (it took 101: results.py)
FIFTH = {4: "", 5: ", predicted label"}
BLOCK = 20_000  # rows that are kept as tuples, before they become an array
ROW = 80  # bytes of a row, about the longest


def start_log(path, started):
    """Put a log without generations at `path`, in place of the file there."""
    write_whole(path, HEADER.format(started, 0).encode())


class Log:
    """A log that training continues after its first `size` bytes of rows, the last of which is `last`. Later lines go.

    Lines are appended and line 2 is updated in place, so the cost does not depend on the length of the file. If
    the disk is full, an incomplete line is removed. `dropped` is the number of lines that were dropped at the start,
    `recent` holds (cross entropy, right) of the last generations. Raises InputError for the log of another training.
    """

    def __init__(self, path, labels=(), size=0, last=""):
        self._path, self._labels, self._rows = path, labels, []
        self.size, self.last, self.recent = size, last, deque(maxlen=RECENT)
        with open(path, "rb") as file:
            self._line_2 = len(file.readline())
            if not re.fullmatch(rb"Current generation: [ \d]{12}\n\n\n", b"".join(file.readline() for _ in range(3))):
                raise InputError(f"{path}, line 2: expected the header of a log that this program wrote")
            self._start = file.tell()
            if not ends_with(file, size, last):
                do = "put the right one back, or train from the start"
                raise InputError(f"{path}: another training wrote this log, or lines are missing; {do}")
            self.dropped = len(file.read().splitlines())
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, close() closes it
        self._file.truncate(self._start + size)

    def append(self, generation, result):
        """Note a generation: what cnn.cnn() returned in it. flush() writes it to the file."""
        label, answer = self._labels[result.label.argmax()], self._labels[result.softmax.argmax()]
        cross_entropy, first = float(result.cross_entropy), float(result.softmax[0])
        self._rows.append(f"{generation} {label} {cross_entropy!r} {first!r} {answer}\n")
        self.recent.append((cross_entropy, answer == label))

    def flush(self, generation):
        """Write the noted lines and the current generation to the disk."""
        rows, end = "".join(self._rows).encode(), self._start + self.size
        try:
            self._file.seek(end)
            written = 0
            while written < len(rows):
                written += self._file.write(rows[written:])
            self._file.seek(self._line_2)
            self._file.write(b"Current generation: %12d" % generation)
            os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = self._path
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise
        self.size, self.last = self.size + len(rows), self._rows[-1] if self._rows else self.last
        self._rows.clear()

    def close(self):
        self._file.close()


def ends_with(file, size, last):
    """Tell whether the next `size` bytes of an open log end with the row `last`. Afterwards it stands behind them."""
    file.seek(size - len(last.encode()), os.SEEK_CUR)
    return file.read(len(last.encode())) == last.encode()


def read_metadata(path):
    """Return every row of a log as a NumPy array with the fields of COLUMNS: read_metadata(path)["cross_entropy"].

    It reads our logs and those of the paper's authors, which have four columns and headers in another language; their
    `predicted` is empty. A last line that was cut off is left out. Raises InputError, with the line, for anything else.
    """
    blocks, rows, columns = [], [], None
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if number <= 2 or not line.strip():
                continue
            columns, whole = columns or (5 if len(line.split()) == 5 else 4), line.endswith("\n")
            try:
                if whole or columns == 4:  # the authors' last line has no end
                    rows.append(row_of(line, columns))
            except ValueError:
                if whole:
                    expected = f"generation, label, cross entropy, softmax of the first label{FIFTH[columns]}"
                    found = line.strip()[:60]
                    raise InputError(f"{path}, line {number}: expected {expected}, found {found!r}") from None
            if len(rows) == BLOCK:
                blocks, rows = [*blocks, array_of(rows)], []
    return np.concatenate([*blocks, array_of(rows)])


def read_windows(path, count, length):
    """Return up to `count` parts of a log, evenly spread: at most `length` rows before each place, as arrays.

    The last part ends with the last row. The log may be growing. Raises InputError if its rows cannot be read.
    """
    with open(path, "rb") as file:
        file.readline()
        file.readline()
        start, end = file.tell(), os.fstat(file.fileno()).st_size
        parts = []
        for place in np.linspace(start, end, count + 1).astype(int)[1:].tolist():
            first = max(start, place - length * ROW)
            file.seek(first)
            lines = file.read(place - first).decode(errors="replace").splitlines(keepends=True)
            lines = [line for line in lines[first > start :] if line.strip() and line.endswith("\n")][-length:]
            try:
                rows = [row_of(line, len(line.split())) for line in lines]
            except ValueError:
                raise InputError(f"{path}: expected a line for each generation; see python results.py") from None
            parts += [array_of(rows)] if rows else []
    return parts


def row_of(line, columns):
    """Return a line of a log with 4 or 5 columns as a tuple. Raises ValueError for another line."""
    fields = line.split()
    generation, label, cross_entropy, softmax, predicted = fields if columns == 5 else [*fields, ""]
    row = int(generation), label, float(cross_entropy), float(softmax), predicted
    fits = 0 <= row[0] < 2**63 and abs(row[2]) + abs(row[3]) < 1e9  # this is False for nan, too
    if not fits or max(len(label), len(predicted)) > LABEL_LENGTH:
        raise ValueError
    return row


def array_of(rows):
    """Return rows as a NumPy array. Its text fields are as wide as the longest label."""
    widths = [max((len(row[column]) for row in rows), default=1) or 1 for column in (1, 4)]
    return np.array(rows, list(zip(COLUMNS, ("i8", f"U{widths[0]}", "f8", "f8", f"U{widths[1]}"))))


def find_right(rows):
    """Return for each row whether the network's answer was right: (n,) of True and False.

    The log of the paper's authors does not name the answer. There the right label's probability, which is
    10^-cross entropy, has to be above 0.5.
    """
    return np.where(rows["predicted"] != "", rows["predicted"] == rows["label"], rows["cross_entropy"] < np.log10(2))


def read_header(path):
    """Return the start of training (unix time) and the current generation, as lines 1 and 2 say; None for no number."""
    with open(path, encoding="utf-8", errors="replace") as file:
        numbers = [re.findall(r"\d+(?:\.\d+)?", file.readline(1000)) for _ in range(2)]
    started, generation = (float(found[-1]) if found and len(found[-1]) < 20 else None for found in numbers)
    return started, None if generation is None else int(generation)


# What --resume needs is written after the lines of the log and before the model. So after a crash the log has at least
# the generations of the state, and the state is at least as new as the model.


@dataclasses.dataclass(eq=False)
class Training:
    """A training at some generation. metadata.doc.resume keeps these fields for --resume, as JSON."""

    settings: dict  # Settings.kept()
    pictures: str  # the digest of all pictures
    model: list
    rng: np.random.Generator
    total: list  # with `average`: the sum of the models since half of the generations
    generation: int = 0
    log_size: int = 0  # bytes of the rows of the log
    log_last: str = ""  # the last of these rows
    model_digest: str = ""  # of model.doc as it stood when this state was written
    model_file: str = ""  # as seen from the folder of the log

    def attach(self, log, model_file, metadata_file, screen):
        """Take the files that note() and write() change, and the screen that shows how it goes."""
        self.log, self.paths, self.screen, self.parts = log, (model_file, metadata_file), screen, parts_of(self.model)
        folder = os.path.dirname(os.path.abspath(metadata_file))
        try:
            self.model_file = os.path.relpath(model_file, folder)
        except ValueError:  # two drives of Windows
            self.model_file = os.path.abspath(model_file)

    def note(self, generation, result):
        """Note a generation that is done: a line of the log and, with `average`, the weights."""
        self.log.append(generation, result)
        self.generation = generation
        if self.total and generation > self.settings["generations"] // 2:
            for total, array in zip(self.total, self.model):
                total[...] += array

    def write(self):
        """Bring all files up to date, in this order: the log, what --resume needs, the model."""
        self.log.flush(self.generation)
        self.log_size, self.log_last = self.log.size, self.log.last
        self.write_state()
        text = model_text(self.trained_model())
        write_whole(self.paths[0], text)
        self.model_digest = digest_of([text])
        self.screen.progress(self.generation, self.log.recent)

    def write_state(self):
        state = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arrays = {name: [array.tolist() for array in state[name][:3]] for name in ("model", "total")}
        text = json.dumps({**state, **arrays, "rng": self.rng.bit_generator.state})
        write_whole(resume_path(self.paths[1]), text.encode())

    def trained_model(self):
        """Return the model for model.doc: the last weights or, with `average`, the mean of those of the last half."""
        count = self.generation - self.settings["generations"] // 2
        if not self.total or count <= 0:
            return self.model
        return [*(total / count for total in self.total), *self.model[3:]]


@contextlib.contextmanager
def open_training(settings, pictures, model_file, metadata_file, resume, screen):
    """Start or continue a training: give its Training, with its files locked, and write the files at the end.

    pictures: pairs of pixels and a one-hot label. Raises InputError, before any file is touched, if it cannot be done.
    """
    taken = metadata_file, f"{metadata_file}.bak", resume_path(metadata_file)
    if os.path.realpath(model_file) in map(os.path.realpath, taken):
        raise InputError(f"{model_file}: the log or a file beside it has this name; name another file for the model")
    digest = digest_of(part.tobytes() for pair in pictures for part in pair)
    with contextlib.ExitStack() as stack:
        for path in sorted((model_file, metadata_file), key=os.path.realpath):
            stack.enter_context(locked(path, screen.say))
        if resume:
            training = continue_training(settings, digest, metadata_file)
        else:
            training = start_training(settings, digest, screen)
            start_files(model_file, metadata_file)
        log = Log(metadata_file, settings.labels, training.log_size, training.log_last)
        stack.callback(log.close)
        if log.dropped:
            done = training.generation
            screen.say(f"{metadata_file}: what follows generation {done:,} is trained again (lines: {log.dropped:,})")
        if resume:
            keep_other_model(training, model_file, screen)
        training.attach(log, model_file, metadata_file, screen)
        training.write()
        yield training
        training.write()
        training.write_state()  # with the digest of the last model


def start_training(settings, pictures, screen):
    """Return a Training before its first generation. Without a seed, one is drawn and told."""
    kept = settings.kept()
    if kept["seed"] is None:
        kept["seed"] = secrets.randbits(32)
        screen.say(f"seed {kept['seed']}")
    rng = np.random.default_rng(kept["seed"])
    model = start_model(settings.labels, rng, settings.output_sum, settings.train_kernels, settings.kernels)
    total = [np.zeros(array.shape) for array in model[:3]] if settings.average else []
    return Training(kept, pictures, model, rng, total)


def continue_training(settings, pictures, metadata_file):
    """Return the Training that wrote a log, with a new number of generations. Raises InputError for another one."""
    training, kept = read_state(metadata_file), settings.kept()
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    before = {**defaults, **training.settings}  # an older training knows fewer options
    free = {"dataset"} | ({"seed"} if kept["seed"] is None else set())
    if not (before["alpha_decay"] or before["average"]):  # both depend on the number of generations
        free.add("generations")
    for name, value in kept.items():
        if before.get(name) != value and name not in free:
            began = f"{metadata_file}: began with {name.replace('_', ' ')} {in_words(before.get(name))}"
            raise InputError(f"{began}, found {in_words(value)}; a resumed training cannot change it")
    if kept["generations"] < training.generation:
        raise InputError(f"{metadata_file}: it has {training.generation} generations already, expected a larger number")
    if pictures != training.pictures:
        dataset = kept["dataset"]
        raise InputError(f"{dataset}: expected the pictures that the training began with; train from the start")
    training.settings = {**kept, "seed": before["seed"]}
    return training


def start_files(model_file, metadata_file):
    """Keep the files of the last training as .bak and begin a new log. At no moment is a file missing."""
    for path in (model_file, metadata_file, resume_path(metadata_file)):
        check_writable(path)
    state = resume_path(metadata_file)
    back_up(model_file)
    # An empty log, of a start that failed, is not kept: it would replace a useful .bak file.
    if os.path.exists(metadata_file) and read_header(metadata_file)[1] != 0:
        back_up(metadata_file)
        if os.path.exists(state):
            rename(state, resume_path(f"{metadata_file}.bak"))
    elif os.path.exists(state):
        os.remove(state)
    start_log(metadata_file, time.time())


def keep_other_model(training, model_file, screen):
    """Keep the model at model_file as .bak if the training that is resumed did not write it.

    After a crash, model.doc is either the model of the state or the one that was written just before.
    """
    if os.path.exists(model_file):
        with open(model_file, "rb") as file:
            found = digest_of([file.read()])
        if found not in (training.model_digest, digest_of([model_text(training.trained_model())])):
            back_up(model_file)
            screen.say(f"{model_file}: this training did not write it; it is kept as {model_file}.bak")


def read_state(metadata_file):
    """Return the Training that the file beside a log keeps. Raises InputError if there is none."""
    path = resume_path(metadata_file)
    try:
        with open(path, encoding="utf-8") as file:
            training = Training(**json.load(file))
        settings, state, training.rng = training.settings, training.rng, np.random.default_rng()
        training.rng.bit_generator.state = state
        types = np.float32, np.float32, np.float32 if settings["train_kernels"] else np.float64
        arrays = [np.array(numbers, kind) for numbers, kind in zip(training.model, types)]
        training.model = [*arrays, settings["labels"], settings["output_sum"]]
        training.total = [np.array(numbers) for numbers in training.total]
        return training
    except FileNotFoundError:
        start = command(ours("controller.py"), "--metadata", metadata_file)
        raise InputError(f"{path}: not found, so there is nothing to resume; to start a training: {start}") from None
    except (ValueError, TypeError, LookupError):
        raise InputError(f"{path}: expected the state of a training by this version; train from the start") from None


def read_settings(metadata_file):
    """Return the settings of the training that wrote a log; {} if the file beside it is missing or of another one."""
    try:
        training = read_state(metadata_file)
        with open(metadata_file, "rb") as file:
            for _ in range(4):
                file.readline()
            known = ends_with(file, training.log_size, training.log_last) and (training.log_size or not file.read(1))
        return training.settings if known else {}
    except (InputError, OSError):
        return {}


def resume_path(metadata_file):
    """Return the path of the file that --resume needs."""
    return f"{metadata_file}.resume"


def digest_of(parts):
    """Return the SHA-256 of some bytes, in hexadecimal."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def in_words(value):
    """Return a setting as text: a number without an exponent (0.000000005), a list with spaces."""
    if isinstance(value, float):
        return np.format_float_positional(value, trim="-")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
