"""The command line: options, errors on one line, a line of progress, commands to type next. Not in the paper."""

import argparse
import contextlib
import glob
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time

from support.files import InputError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLAIN_EVERY = 5  # seconds between two lines of progress if the output is not a terminal


def script_name():
    """Return the name of the script that runs: controller.py, or experiments.evaluate if it was started with -m."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else os.path.basename(sys.argv[0])


def install(package):
    """Return the command that installs a package for the Python that runs this. Debian's own Python refuses pip."""
    refuses = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
    if refuses and sys.prefix == sys.base_prefix:
        return f"sudo apt install python3-{package}"
    return command("-m", "pip", "install", package)


class Parser(argparse.ArgumentParser):
    """Reads a command line. It says what is wrong on one line, with exit code 2."""

    def __init__(self, description):
        name = script_name()
        super().__init__(name if name.endswith(".py") else f"python -m {name}", description=description)

    def error(self, message):
        for kind, expected in ("int", "a whole number without commas"), ("float", "a number with a point, such as 0.1"):
            message = str(message).replace(f"invalid {kind} value:", f"expected {expected}, found")
        self.exit(2, f"{script_name()}: {' '.join(str(message).split())}; see {self.prog} --help\n")


def one_or_more(text):
    """Return a whole number, 1 or more, as the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, found {text}")
    return int(text)


def expanded(paths):
    """Return paths with * and ? replaced by the files that fit, as most shells do before they start a script."""
    return [name for path in paths for name in (not os.path.lexists(path) and sorted(glob.glob(path))) or [path]]


def explain(error):
    """Return the message of an InputError or OSError on one line."""
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    folder = os.path.dirname(os.path.abspath(getattr(error, "filename", None) or ""))
    if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
        text += "; its folder does not exist, make it first"
    return " ".join(text.split())


def run(main):
    """Run a script's main() and leave with its exit code. An error is one line on stderr, without a traceback."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # for characters that the screen does not have
        try:
            code = main()
        finally:
            if sys.stdout:  # it is None if it was closed before the start
                sys.stdout.flush()
        if code:  # otherwise Thonny and IDLE, which run scripts in their shell, can go on
            sys.exit(code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout once more at its end
        with contextlib.suppress(OSError):
            leave(1, "stopped, because nobody reads its output any more")
        sys.exit(1)
    except (InputError, OSError) as error:
        leave(1, explain(error))
    except KeyboardInterrupt:
        leave(130, "stopped")


def leave(code, text):
    """Leave with an exit code and a line on stderr."""
    print(f"{script_name()}: {text}", file=sys.stderr)
    sys.exit(code)


def command(*arguments):
    """Return a command to type next, quoted for the shell: the Python that runs this, then the arguments."""
    first = sys.executable.replace("pythonw.exe", "python.exe")  # IDLE's own on Windows would print nothing
    for name in ("python", "python3"):
        if os.path.normcase(shutil.which(name) or "") == os.path.normcase(first):
            first = name
    if first.startswith(os.getcwd() + os.sep):
        first = os.path.relpath(first)
    words = [first, *map(os.fspath, arguments)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def ours(name):
    """Return the path of a file of the project, as seen from the current folder."""
    return name if os.getcwd() == ROOT else os.path.join(ROOT, name)


@contextlib.contextmanager
def progress_line(stream):
    """Give a function that shows some texts on one line, which it keeps up to date. At the end the line is ended.

    On a terminal, texts that do not fit are left out, the last one first. If `stream` is not a terminal, it prints a
    line every 5 seconds. With last=True it prints at once and ends the line. Without texts it only ends the line.
    """
    if stream is None:  # it was closed before the start
        yield lambda *texts, last=False: None
        return
    terminal = stream.isatty() and "idlelib" not in sys.modules  # IDLE's shell cannot overwrite a line
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

    try:
        yield show
    finally:
        show(last=True)


def duration(seconds):
    """Return seconds as a person says them: 7 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"


def share(count, total):
    """Return a count as a whole number and as a percentage: 193 of 200, 96.5%."""
    return f"{count:,} of {total:,}, {100 * count / total:.1f}%"


class Silent:
    """Shows nothing of a training. controller.Screen, which has the same functions, shows it on a terminal."""

    def say(self, text):
        """Show a sentence."""

    def loading(self, done, total):
        """Show how many pictures are read."""

    def progress(self, generation, recent):
        """Show how far the training is: called at its beginning, about once a second, and at its end."""


@contextlib.contextmanager
def stop_on_signals():
    """Give an Event that Ctrl-C and SIGTERM set, so that a loop can finish its round and write its files."""
    stopped = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # as in workers
    before = {number: signal.signal(number, lambda number, frame: stopped.set()) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
