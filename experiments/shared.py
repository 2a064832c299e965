"""What several experiments use: trainings on all cores, right answers, tables."""

import functools
import multiprocessing
import os
import signal
import sys
import tempfile

import numpy as np

from cnn import forward, read_pixels
from metadata import read_metadata
from model import parts_of
from support.commandline import progress_line
from support.files import InputError
from support.pictures import find_pictures, has_pictures
from training import train


def train_all(cases, seeds, measure):
    """Train with each of the cases, settings of train(), and with seeds 1 to `seeds`, on all cores.

    Returns for each case a list: the result of measure(settings, model, rows of the log) for each seed. `measure` must
    be a function of a module, because the workers are new Pythons.
    """
    jobs = [{**case, "seed": seed} for seed in range(1, seeds + 1) for case in cases]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each worker has one core
    found, pools = [], multiprocessing.get_context("spawn")
    with progress_line(sys.stderr) as show, pools.Pool(initializer=ignore_ctrl_c) as pool:
        for result in pool.imap(functools.partial(train_once, measure), jobs):
            found.append(result)
            show(f"{len(found)} of {len(jobs)} trainings done", last=len(found) == len(jobs))
    return [found[number :: len(cases)] for number in range(len(cases))]


def ignore_ctrl_c():
    """Leave Ctrl-C to the process that started the workers. (Python 3.9 cannot hand signal.signal itself to them.)"""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def train_once(measure, settings):
    """Train with these settings, files in a temporary folder. Returns measure(settings, model, rows of the log)."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "metadata.doc")
        model = train(**settings, model_file=os.path.join(folder, "model.doc"), metadata_file=log)
        return measure(settings, model, read_metadata(log))


def pictures_of(labels, folder, trim=False):
    """Yield (path, pixels (32, 32), the label's index) of every picture of these labels in a folder.

    Raises InputError if the folder has pictures of none of them.
    """
    present = [index for index, label in enumerate(labels) if has_pictures(folder, label)]
    if not present:
        raise InputError(f"{folder}: expected a folder of pictures for a label, {' '.join(labels)}, found none")
    for index in present:
        for path in find_pictures(folder, labels[index]):
            yield path, read_pixels(path, trim), index


def percent_right(model, folder):
    """Return the percentage of a folder's pictures that a model gets right, without dropout."""
    parts = parts_of(model)
    right = [forward(pixels, parts).softmax.argmax() == index for _, pixels, index in pictures_of(parts.labels, folder)]
    return 100 * np.mean(right)


def written(figures, form):
    """Return figures, one for each seed, as text: their mean and standard deviation."""
    spread = f" ± {form.format(np.std(figures, ddof=1))}" if len(figures) > 1 else ""
    return form.format(np.mean(figures)) + spread


def markdown(rows):
    """Return rows of texts, the header first, as a Markdown table."""
    header, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([header, "| --- " * len(rows[0]) + "|", *rest])
