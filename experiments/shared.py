"""What the experiments share: options, trainings on all cores, a line of progress, a table, a model on a folder."""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np

import cnn
from metadata import read_metadata
from model import labels_of
from support.commandline import Parser, progress_line
from support.figures import save_figure
from support.files import InputError
from support.pictures import find_pictures, has_pictures
from training import GENERATIONS, stop_on_signals, train

PAIRS = 10  # of labels mixed up


def training_parser(description, test, seeds=None):
    """A Parser with the options of an experiment that trains. test: the help of --test; seeds: how many, by default."""
    parser = Parser(description)
    add = parser.add_argument
    add("--dataset", default="dataset", metavar="DIR", help="training pictures (default: dataset)")
    add("--test", metavar="DIR", help=test)
    if seeds:
        add("--seeds", type=one_or_more, default=seeds, metavar="N", help=f"seeds 1 to N (default: {seeds})")
    add("--generations", type=one_or_more, default=GENERATIONS, metavar="N", help="of each training (default: 180834, "
        "the paper's)")  # fmt: skip
    return parser


def one_or_more(text):
    """A whole number, 1 or more, as the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, found {text}")
    return int(text)


def train_all(cases, seeds, measure):
    """Train with each of `cases`, some settings of train() as a dictionary, and seeds 1 to `seeds`, on all cores.

    Gives a list for each case: of each seed, what measure(model, rows of the log) makes of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(folder, {**case, "seed": seed}, measure) for case in cases for seed in range(1, seeds + 1)]
        found = on_all_cores(train_once, jobs, "trainings")
    return [found[first : first + seeds] for first in range(0, len(found), seeds)]


def train_once(folder, settings, measure):
    """Train with these settings, its files in a new folder in `folder`: what measure(model, rows of the log) gives."""
    folder = tempfile.mkdtemp(dir=folder)
    files = {f"{name}_file": os.path.join(folder, f"{name}.doc") for name in ("model", "metadata")}
    model = train(**settings, **files)
    return measure(model, read_metadata(files["metadata_file"]))


def count_right(model, pictures):
    """How many of load_dataset()'s pictures, kept as their pixels, a model gets right, without dropout."""
    return sum(int(cnn.steps(pixels, model).softmax.argmax() == true) for pixels, true in pictures)


def on_all_cores(function, arguments, what):
    """Call function(*each) for each of `arguments` on all cores; how many are done is said on stderr: the results.

    Each worker is a Python started afresh, as all systems can: `function` stands in a module. The results are in the
    order of `arguments`. An error in one, or Ctrl-C, ends all workers, and is raised.
    """
    show, workers = progress_line(sys.stderr), new_workers()
    with stop_on_signals() as stopped, workers:
        jobs = waiting = start_jobs(workers, function, arguments)
        try:
            while waiting:
                done, waiting = wait(jobs, 0.2, FIRST_EXCEPTION)
                if stopped:
                    raise KeyboardInterrupt
                for job in done:
                    job.result()
                show(f"{len(done)} of {len(jobs)} {what} done", last=not waiting)
        except BaseException as error:
            for worker in multiprocessing.active_children():
                worker.kill()  # or they would do what is left first
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError("a worker was ended from outside; is there too little memory?") from None
            raise
    return [job.result() for job in jobs]


def new_workers():
    """A Python for each core, which ignores Ctrl-C. Raises InputError where the system lacks semaphores for them."""
    try:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(None, spawn, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    except (OSError, ImportError, NotImplementedError) as error:
        raise InputError(f"work on all cores needs semaphores, on Linux a writable /dev/shm ({error})") from None


def start_jobs(workers, function, arguments):
    """Submit all, with Ctrl-C ignored: the workers start with that, though not on Windows."""
    catch = signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs = [workers.submit(function, *each) for each in arguments]
    signal.signal(signal.SIGINT, catch)
    return jobs


def counted(items, what):
    """Each of the items in turn; how many are done is said on stderr."""
    show = progress_line(sys.stderr)
    for done, item in enumerate(items, 1):
        yield item
        show(f"{done:,} of {len(items):,} {what}")
    show(last=True)


def markdown(rows):
    """Rows of words, the header first, as a Markdown table."""
    header, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([header, "| --- " * len(rows[0]) + "|", *rest])


def save(figure, folder, name):
    """Write a matplotlib figure into the folder, which is made where it is not there, and say so."""
    os.makedirs(folder, exist_ok=True)
    save_figure(figure, os.path.join(folder, name))
    print(f"written: {os.path.join(folder, name)}")


class Tried(NamedTuple):
    """What a model makes of a folder's pictures, without dropout."""

    labels: list  # n, the model's
    others: list  # the names of folders that are no label's
    paths: tuple  # of the m pictures
    true: np.ndarray  # (m,), the index of each one's label
    outputs: np.ndarray  # (m, n), before they are scaled
    softmax: np.ndarray  # (m, n)
    counts: np.ndarray  # (n, n), [true label, answer]


def try_folder(model, folder, trim=False):
    """Try a model on every picture of a folder of the form of dataset/, as Tried; trim: each is cut to its ink first.

    Raises InputError where the folder has none of the model's labels.
    """
    labels = labels_of(model)
    tried, others = split_folders(folder, labels)
    paths, true = zip(*((path, index) for index in tried for path in find_pictures(folder, labels[index])))
    steps = (cnn.steps(cnn.read_pixels(path, trim), model) for path in counted(paths, "pictures"))
    outputs, softmax = map(np.array, zip(*((step.outputs, step.softmax) for step in steps)))
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (true, softmax.argmax(axis=1)), 1)
    return Tried(labels, others, paths, np.array(true), outputs, softmax, counts)


def split_folders(folder, labels):
    """The model's labels that have a folder of pictures, as their indexes; and the names of the other folders.

    On some disks A and a are one folder, which is listed under one of the two names.
    """
    names = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    tried = [index for index, label in enumerate(labels) if label in names or has_pictures(folder, label)]
    if not tried:
        found = " ".join(names) or "none"
        raise InputError(f"{folder}: expected a folder for a label, {' '.join(labels)}, found {found}")
    return tried, [name for name in names if name not in labels]


def right_as_one(labels, counts):
    """How many are right with both cases of a letter counting as one; None where no labels differ in case alone.

    counts: (n, n), [true label, answer].
    """
    folded = [label.casefold() for label in labels]
    return counts[np.equal.outer(folded, folded)].sum() if len(set(folded)) < len(labels) else None


def mixed_up(labels, counts):
    """The pairs of labels that were taken for each other most often, in words. counts: (n, n), [true label, answer]."""
    both = counts + counts.T
    found = sorted((-both[a, b], a, b) for a in range(len(labels)) for b in range(a) if both[a, b])
    return ", ".join(f"{labels[b]} and {labels[a]} {-times:,}" for times, a, b in found[:PAIRS])
