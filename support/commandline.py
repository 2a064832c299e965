"""One way to be a command: options, errors on one line, a line that keeps up, what to type next. Not in the paper."""

import argparse
import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

from support import interrupted, python
from support.files import InputError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINES = []  # what progress_line() has returned
PLAIN_EVERY = 5  # seconds between two lines of progress where nobody looks at a terminal


def script_name():
    """What the script that runs is called: controller.py, or experiments.evaluate where it was started with -m."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else os.path.basename(sys.argv[0])


class Parser(argparse.ArgumentParser):
    """Reads a command line; what is wrong with it is said on one line, exit code 2."""

    def __init__(self, description):
        name = script_name()
        super().__init__(name if name.endswith(".py") else f"python -m {name}", description=description)

    def error(self, message):
        self.exit(2, f"{script_name()}: {' '.join(str(message).split())}; see {self.prog} --help\n")


def explain(error):
    """What an InputError or OSError says, on one line."""
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    folder = os.path.dirname(os.path.abspath(getattr(error, "filename", None) or ""))
    if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
        text += "; its folder is not there, make it first"
    return " ".join(text.split())


def run(main):
    """Run a script's `main()` and leave with its exit code; an error is one line on stderr, without a traceback."""
    try:
        if signal.getsignal(signal.SIGINT) is interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a label or name that the screen's encoding lacks
        try:
            sys.exit(main())
        finally:
            if sys.stdout:  # not closed from the start
                sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python still tries to print
        with contextlib.suppress(OSError):
            print(f"{script_name()}: stopped, since nobody reads on what it prints", file=sys.stderr)
        sys.exit(1)
    except (InputError, OSError) as error:
        leave(1, explain(error))
    except KeyboardInterrupt:
        leave(130, "stopped")


def leave(code, text):
    """Leave with an exit code, and say why on stderr: on a line of its own, not on one of progress."""
    for show in LINES:
        show(last=True)
    print(f"{script_name()}: {text}", file=sys.stderr)
    sys.exit(code)


def command(*arguments):
    """A command line to be typed next, quoted for the shell: the Python that runs this, then the arguments."""
    first = python()
    for name in ("python", "python3"):
        if os.path.normcase(shutil.which(name) or "") == os.path.normcase(first):
            first = name
    if first.startswith(os.getcwd() + os.sep):
        first = os.path.relpath(first)
    words = [first, *map(os.fspath, arguments)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def ours(name):
    """The path of a file of the project, from the folder at hand."""
    return name if os.getcwd() == ROOT else os.path.join(ROOT, name)


def progress_line(stream):
    """A function of some texts that keeps one line up to date; where `stream` is no terminal, a line every 5 seconds.

    On a terminal the texts that do not fit are left out, the last first, so that none is cut. With last=True they are
    said at once, and the line is ended. Told nothing, it ends the line if there is one.
    """
    if stream is None:  # closed from the start
        return lambda *texts, last=False: None
    terminal = stream.isatty() and "idlelib" not in sys.modules  # IDLE's shell cannot go back in a line
    width, said = 0, time.monotonic()

    def show(*texts, last=False):
        nonlocal width, said
        now = time.monotonic()
        if texts and not last and now - said < (0.2 if terminal else PLAIN_EVERY):
            return
        if terminal:
            texts = list(texts)
            while len(texts) > 1 and len("  ".join(texts)) >= shutil.get_terminal_size().columns:
                texts.pop()
            line = "  ".join(texts)
            start = f"\r{line:<{width}}" if texts else ""
            print(start, end="\n" if last and (texts or width) else "", file=stream, flush=True)
            width = 0 if last else len(line)
        elif texts:
            print("  ".join(texts), file=stream, flush=True)
        said = now

    LINES.append(show)
    return show


def duration(seconds):
    """Seconds as a person says them: 7 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"


def share(count, total):
    """A count as a whole number and as a percentage: 193 of 200, 96.5%."""
    return f"{count:,} of {total:,}, {100 * count / total:.1f}%"
