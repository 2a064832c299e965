"""One kind of error; files replaced whole, kept as .bak, and held against other processes. Not in the paper."""

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
def _naming(path):
    """An OSError in here names `path`, not the file beside it that is opened instead."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def write_whole(path, data, sync=True):
    """Put the bytes `data` at `path`, whole or not at all: written beside it as `path`.new, synced, then renamed.

    A link is followed, and an existing file keeps its permissions. Without `sync` it is much faster for many small
    files, and only a power cut can lose one. Raises OSError, with `path` as its file name.
    """
    path = os.path.realpath(path)
    new = path + ".new"
    with _naming(path):
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
    """os.replace(), and with `sync` what a power cut does not take back before anything later is done.

    On Windows it has to wait while somebody, an editor or a scanner, has the file open.
    """
    for pause in (0.01, 0.1, 1, 0):
        try:
            os.replace(old, new)
            break
        except PermissionError as error:
            if os.name != "nt" or not pause:
                error.filename, error.filename2 = new, None  # the one that is in use
                raise
            time.sleep(pause)
    if sync:
        with contextlib.suppress(OSError):  # some network disks sync no folder
            _sync(os.path.dirname(os.path.abspath(new)))


def _sync(path):
    """Have the disk hold what is at `path`, a file or a folder; Windows syncs neither by its name."""
    if os.name != "nt":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_writable(path):
    """Raise OSError where a file could not be put at `path`; nothing there is touched."""
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder, expected a file", path)
    new = os.path.realpath(path) + ".new"
    with _naming(path), open(new, "wb"):
        pass
    os.remove(new)
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise PermissionError(13, "is read-only, expected a file that can be written", path)


def back_up(path):
    """Keep what is at `path`, if anything, as `path`.bak too; what had that name goes.

    Where `path` is a link, it is what the link leads to that is kept.
    """
    if not os.path.exists(path):
        return
    backup = f"{path}.bak"
    new = f"{backup}.new"
    with contextlib.suppress(FileNotFoundError):
        os.remove(new)
    try:
        os.link(os.path.realpath(path), new)  # at once, however large; `path` is given to a new file later
    except OSError:
        shutil.copy2(path, new)  # where a disk knows no links
        _sync(new)
    rename(new, backup)
    with contextlib.suppress(FileNotFoundError):
        os.remove(new)  # it stays where it was `backup` already, by another name


@contextlib.contextmanager
def locked(path):
    """Hold `path` against other processes, by the file `path`.lock; a lock that a dead process left does not hold.

    Raises InputError with the holder's process number where another process holds it.
    """
    name = f"{os.path.realpath(path)}.lock"
    while True:
        with _naming(path):
            file = open(name, "a+b")  # noqa: SIM115, closed below
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # held; the second is how Windows says it
            file.seek(0)
            holder = file.read(20).decode(errors="replace").strip() or "another"
            file.close()
            raise InputError(f"{path}: process {holder} is training it; wait for it, or name other files") from None
        with contextlib.suppress(FileNotFoundError):
            if not fcntl or os.path.samestat(os.fstat(file.fileno()), os.stat(name)):
                break
        file.close()  # its holder removed it between our open() and our lock, as nobody can on Windows
    try:
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())
        file.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            os.remove(name)  # first removed, then let go, so that nobody locks a file that is about to vanish
        file.close()
        if not fcntl:
            with contextlib.suppress(OSError):
                os.remove(name)  # Windows removes no open file; nor this one, if another has it open by now


def _lock(file):
    """Lock an open file, or raise OSError at once. The system lets go of it when the process ends, however it ends."""
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        file.seek(1 << 30)  # Windows lets nobody read what is locked: far beyond what reading the number buffers
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
