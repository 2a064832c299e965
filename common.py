"""What the scripts share: one kind of error, one way to replace a file, one way to be a command. Not in the paper."""

import argparse
import contextlib
import os
import shutil
import sys


class InputError(ValueError):
    """A file or setting that cannot be used. The message names it, what was expected and what to do."""


def write_whole(path, data):
    """Put the bytes `data` at `path`, whole or not at all: written beside it as `path`.new, synced, then renamed.

    A link is followed, and an existing file keeps its permissions. Raises OSError, with `path` as its file name.
    """
    path = os.path.realpath(path)
    new = path + ".new"
    try:
        with open(new, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, new)
        os.replace(new, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(new)
        if isinstance(error, OSError):
            error.filename, error.filename2 = path, None
        raise


def check_writable(path):
    """Raise OSError where a file could not be put at `path`; nothing there is touched."""
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder, expected a file", path)
    new = os.path.realpath(path) + ".new"
    with open(new, "wb"):
        pass
    os.remove(new)


class Parser(argparse.ArgumentParser):
    """Reads a command line; what is wrong with it is said on one line, exit code 2."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {' '.join(str(message).split())}; see {self.prog} --help\n")


def explain(error):
    """What an InputError or OSError says, on one line."""
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return " ".join(text.split())


def run(main):
    """Run a script's `main()` and leave with its exit code; an error is one line on stderr, without a traceback."""
    script = os.path.basename(sys.argv[0])
    try:
        sys.exit(main())
    except (InputError, OSError) as error:
        print(f"{script}: {explain(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{script}: stopped", file=sys.stderr)
        sys.exit(130)
