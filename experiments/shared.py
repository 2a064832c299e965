"""What the experiments share: work on all cores, a line that says how far it is, an option's check, a table."""

import argparse
import multiprocessing
import signal
import sys
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from support.commandline import progress_line
from support.files import InputError
from training import stop_on_signals


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
                for job in done:
                    job.result()
                if stopped:
                    raise KeyboardInterrupt
                show(f"{len(done)} of {len(jobs)} {what} done", last=not waiting)
        except BaseException as error:
            for worker in multiprocessing.active_children():
                worker.kill()  # or they would do what is left first
            show(last=True)
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError("a worker was ended from outside; is there too little memory?") from None
            raise
    return [job.result() for job in jobs]


def new_workers():
    """A Python for each core. Raises InputError where the system has no semaphores, which they need."""
    try:
        return ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
    except (OSError, ImportError, NotImplementedError) as error:
        raise InputError(f"work on all cores needs semaphores, on Linux a writable /dev/shm ({error})") from None


def start_jobs(workers, function, arguments):
    """Submit all, with Ctrl-C ignored: the workers take that over, since it is their parent who ends them."""
    catch = signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs = [workers.submit(function, *each) for each in arguments]
    signal.signal(signal.SIGINT, catch)
    return jobs


def counted(items, what):
    """Each of the items in turn; how many are done is said on stderr."""
    show = progress_line(sys.stderr)
    try:
        for done, item in enumerate(items, 1):
            yield item
            show(f"{done:,} of {len(items):,} {what}")
    finally:
        show(last=True)


def one_or_more(text):
    """A whole number, 1 or more, as the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, found {text}")
    return int(text)


def markdown(rows):
    """Rows of words, the header first, as a Markdown table."""
    header, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([header, "| --- " * len(rows[0]) + "|", *rest])
