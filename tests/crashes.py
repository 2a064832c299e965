"""Notes what is done to the files of a folder, and builds every state in which a power cut could leave them.

Used by test_resume.py. What a file holds is on the disk for good once the file was synced, a name once its folder was.
Until then each write may be there, gone, or torn: its first half alone, or, where the file grew, zeros. Of the names
that were given, taken or changed since, any may be there.
"""

import builtins
import collections
import io
import itertools
import os
import pathlib

UNSYNCED, WRITES = 14, 4  # in all, of one file, at most; more are a fault, and would leave too many states


class Recorder:
    """While it is installed, it notes each operation on the files of a folder."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.operations, self.real, start = os.path.realpath(folder), [], {}, files_of(folder)
        self.names = dict(zip(start, itertools.count()))  # name -> number of its file, kept up to date
        self.start = {"folder": tuple(self.names.items()), **dict(enumerate(start.values()))}
        for module, name in ((builtins, "open"), *((os, name) for name in ("fsync", "replace", "link", "remove"))):
            self.real[name] = getattr(module, name)
            monkeypatch.setattr(module, name, getattr(self, name))

    def note_names(self, old, new, number):
        """Note that a file lost its old name, got a new one, or both."""
        self.operations.append(("folder", "names", old, new, number))
        self.names = dict(after(self.names, [(("names", old, new, number), "there")]))

    def name_of(self, path):
        """A path's name in the folder, None where it lies elsewhere."""
        folder, name = os.path.split(os.path.realpath(path))
        return name if folder == self.folder and not name.endswith(".lock") else None  # nobody reads a lock file

    def open(self, path, mode="r", buffering=-1, **how):
        name = self.name_of(path)
        if name is None or mode in ("r", "rb"):
            return self.real["open"](path, mode, buffering, **how)
        if name not in self.names:
            self.note_names(None, name, len(self.start) + len(self.operations))
        number = self.names[name]
        file = Noted(path, mode, lambda *operation: self.operations.append((number, *operation)))
        return file if buffering == 0 else io.BufferedWriter(file)

    def fsync(self, descriptor):
        synced = os.fstat(descriptor)
        found = [name for name in self.names if os.path.samestat(os.stat(os.path.join(self.folder, name)), synced)]
        self.operations.append((self.names[found[0]] if found else "folder", "sync"))

    def replace(self, old, new):
        self.real["replace"](old, new)
        self.note_names(self.name_of(old), self.name_of(new), self.names[self.name_of(old)])

    def link(self, old, new):
        self.real["link"](old, new)
        self.note_names(None, self.name_of(new), self.names[self.name_of(old)])

    def remove(self, path):
        self.real["remove"](path)
        self.note_names(self.name_of(path), None, None)


class Noted(io.FileIO):
    """A file opened for writing. It notes each write."""

    def __init__(self, path, mode, note):
        super().__init__(path, mode)
        self.note = note
        if mode == "wb":
            note("truncate", 0)

    def write(self, data):
        self.note("write", self.tell(), bytes(data))
        return super().write(data)

    def truncate(self, size):
        self.note("truncate", size)
        return super().truncate(size)


def files_of(folder):
    """The files in a folder, without locks: {name: bytes}."""
    paths = [path for path in sorted(pathlib.Path(folder).iterdir()) if path.is_file() and path.suffix != ".lock"]
    return {path.name: path.read_bytes() for path in paths}


def states(recorder):
    """All states, {name: bytes}, in which a power cut during what was noted can leave the folder."""
    on_disk, unsynced, found = collections.defaultdict(bytes, recorder.start), collections.defaultdict(list), {}
    for target, *operation in [("folder", "sync"), *recorder.operations]:
        if operation == ["sync"]:
            on_disk[target] = after(on_disk[target], zip(unsynced.pop(target, []), itertools.repeat("there")))
        else:
            unsynced[target].append(operation)
        assert sum(map(len, unsynced.values())) <= UNSYNCED, f"not on the disk for good: {unsynced}"
        versions = [versions_of(target, on_disk[target], operations) for target, operations in unsynced.items()]
        for chosen in itertools.product(*versions):
            now = {**on_disk, **dict(chosen)}
            state = {name: now.get(number, b"") for name, number in now["folder"]}
            found[tuple(sorted(state.items()))] = state
    return list(found.values())


def versions_of(target, content, operations):
    """What a file, or the folder's names, may be if its last operations were not synced: a set of (target, content)."""
    ways = ("there", "gone") if target == "folder" else ("there", "gone", "half", "zeros")
    assert target == "folder" or len(operations) <= WRITES, f"not on the disk for good: {operations}"
    return {(target, after(content, zip(operations, way))) for way in itertools.product(ways, repeat=len(operations))}


def after(content, operations):
    """What a file, or the folder's names, are after pairs of an operation and how it came through."""
    for (kind, *how), way in operations:
        if way == "gone":
            continue
        if kind == "names":
            old, new, number = how
            names = {**dict(content), new: number}
            content = tuple((name, number) for name, number in names.items() if name not in (old, None))
        elif kind == "truncate":
            content = content[: how[0]].ljust(how[0], b"\0")
        else:
            place, data = how
            kept = {"there": data, "half": data[: len(data) // 2], "zeros": b""}[way]
            content = content[:place].ljust(place, b"\0") + kept + content[place + len(kept) :]
            content = content.ljust(place + len(data) if way == "zeros" else 0, b"\0")
    return content
