"""Files that are replaced as a whole, kept as .bak, and locked against other processes. Not in the paper."""

import contextlib
import os
import shutil
import time

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    fcntl = None


class InputError(ValueError):
    """A file or setting that cannot be used. The message names it, what was expected and what to do."""


@contextlib.contextmanager
def naming(path):
    """Put `path` into the message of an OSError that is about a file beside it, which nobody typed."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def write_whole(path, data, sync=True):
    """Put the bytes `data` at `path` as a whole or not at all: they are written to `path`.new, which is then renamed.

    A link is followed, and an existing file keeps its permissions. sync=False is faster for many small files; a power
    cut may then lose one. Raises InputError for a folder or device, OSError if the file cannot be written.
    """
    check_regular(path)
    named, path = path, os.path.realpath(path)
    new = path + ".new"
    with naming(named):
        try:
            with open(new, "wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            if os.path.exists(path):
                shutil.copymode(path, new)
            rename(new, path, sync)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(new)
            raise


def rename(old, new, sync=True):
    """Rename a file, replacing the one at `new`. With `sync` a power cut cannot undo it."""
    for pause in (0.01, 0.1, 1, None):
        try:
            os.replace(old, new)
            break
        except PermissionError:
            if os.name != "nt" or pause is None:
                raise
            time.sleep(pause)  # on Windows another program, such as a virus scanner, may have the file open
    if sync and os.name != "nt":
        with contextlib.suppress(OSError):  # some network disks cannot do this
            folder = os.open(os.path.dirname(os.path.abspath(new)), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def check_regular(path):
    """Raise InputError if something other than a regular file is at `path`, such as a folder, a device or a pipe."""
    if not os.fspath(path):
        raise InputError("expected the name of a file, found ''; name one")
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a device or a pipe"
        raise InputError(f"{path}: expected a file, found {kind}; name another")


def check_writable(path):
    """Raise InputError or OSError if a file could not be put at `path`. The file there is not touched."""
    check_regular(path)
    new = os.path.realpath(path) + ".new"
    with naming(path), open(new, "wb"):
        pass
    os.remove(new)
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise PermissionError(13, "is read-only, expected a file that can be written", path)


def back_up(path):
    """Keep the file at `path`, if there is one, as `path`.bak too. An older .bak is replaced. A link is followed."""
    if not os.path.exists(path):
        return
    backup, new = f"{path}.bak", f"{path}.bak.new"
    with naming(path):
        with contextlib.suppress(FileNotFoundError):
            os.remove(new)
        try:
            os.link(os.path.realpath(path), new)  # takes no time, however large the file is
        except OSError:
            shutil.copy2(path, new)  # some disks have no hard links
        rename(new, backup)
        with contextlib.suppress(FileNotFoundError):
            os.remove(new)  # if .bak was already a hard link to the same file, the system renames nothing


@contextlib.contextmanager
def locked(path, say):
    """Lock `path` against other processes through a file `path`.lock, which stays. The lock ends with the process.

    Raises InputError if another process holds the lock, or if `path` is a folder or a device. On a disk without locks
    it calls say() with a warning.
    """
    check_regular(path)
    lock = f"{os.path.realpath(path)}.lock"
    try:
        with naming(path):
            file = open(lock, "ab")  # noqa: SIM115, closed below
    except PermissionError:
        if not os.path.exists(lock):
            raise
        raise InputError(f"{lock}: another user made this empty file, remove it; it may be there after sudo") from None
    with file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except (BlockingIOError, PermissionError):
            raise InputError(f"{path}: another training is writing it; wait for it, or name other files") from None
        except OSError as error:
            say(f"{path}: no file locks on this disk ({error.strerror}); do not start a second training on these files")
        yield
