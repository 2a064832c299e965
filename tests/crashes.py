"""Notes what is done to the files of a folder, and builds every state in which a power cut could leave them.

Used by test_resume.py. What a file holds is on the disk for good once the file was synced, a name once its folder was.
Until then each write may be there, gone, or torn: its first half alone, or, where the file grew, zeros. Of the names
that were given, taken or changed since, any may be there ("any"), or none without those before it ("in order", ext4).
"""

import builtins
import collections
import io
import itertools
import os

NAMES, WRITES = 14, 4  # that are not on the disk yet: of more, which only a fault leaves, not all states are built


class Recorder:
    """While it is installed, notes each operation on the files of a folder; `end` is what they are at last."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.operations, self.descriptors = os.path.realpath(folder), [], {}
        self.contents, self.names = {}, {}  # at the start: number of a file -> bytes; name -> number, kept up to date
        numbers = {}
        for name, data in files_of(folder).items():
            number = numbers.setdefault(os.stat(os.path.join(folder, name)).st_ino, len(numbers))
            self.names[name], self.contents[number] = number, data
        self.start, self.count, self.real = dict(self.names), itertools.count(len(numbers)), {}
        in_os = [(os, name) for name in ("open", "fsync", "replace", "link", "remove")]
        for module, name in [(builtins, "open"), *in_os]:
            self.real[module, name] = getattr(module, name)
            monkeypatch.setattr(module, name, getattr(self, f"{module.__name__}_{name}"))

    def name_of(self, path):
        """A path's name in the folder, None where it lies elsewhere."""
        folder, name = os.path.split(os.path.realpath(path))
        return name if folder == self.folder and not name.endswith(".lock") else None  # nobody reads a lock file

    def note(self, *operation):
        self.operations.append(operation)

    def builtins_open(self, path, mode="r", buffering=-1, **how):
        name = None if isinstance(path, int) else self.name_of(path)
        if name is None or mode in ("r", "rb"):
            return self.real[builtins, "open"](path, mode, buffering, **how)
        if name not in self.names:
            self.names[name] = next(self.count)
            self.note("name", name, self.names[name])
        raw = Noted(self, path, name, mode)
        return raw if buffering == 0 else (io.BufferedWriter if mode == "wb" else io.BufferedRandom)(raw)

    def os_open(self, path, flags, *more, **how):
        descriptor = self.real[os, "open"](path, flags, *more, **how)
        if os.path.realpath(path) == self.folder:
            self.descriptors[descriptor] = "folder"
        return descriptor

    def os_fsync(self, descriptor):
        self.note("sync", self.descriptors[descriptor])

    def os_replace(self, old, new):
        self.real[os, "replace"](old, new)
        old, new = self.name_of(old), self.name_of(new)
        if self.names[old] != self.names.get(new):  # of two names of one file both stay
            self.note("rename", old, new, self.names[old])
            self.names[new] = self.names.pop(old)

    def os_link(self, old, new):
        self.real[os, "link"](old, new)
        old, new = self.name_of(old), self.name_of(new)
        self.note("name", new, self.names[old])
        self.names[new] = self.names[old]

    def os_remove(self, path):
        self.real[os, "remove"](path)
        self.note("remove", self.name_of(path))
        del self.names[self.name_of(path)]


class Noted(io.FileIO):
    """A file opened for writing. It notes each write."""

    def __init__(self, recorder, path, name, mode):
        super().__init__(path, mode)
        self.recorder, self.number = recorder, recorder.names[name]
        recorder.descriptors[self.fileno()] = self.number
        if mode == "wb":
            recorder.note("truncate", self.number, 0)

    def write(self, data):
        self.recorder.note("write", self.number, self.tell(), bytes(data))
        return super().write(data)

    def truncate(self, size=None):
        self.recorder.note("truncate", self.number, self.tell() if size is None else size)
        return super().truncate(size)


def files_of(folder):
    """The files in a folder: {name: bytes}."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if os.path.isfile(os.path.join(folder, name)):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def states(recorder, order):
    """Each state, once, in which a power cut during what was noted can leave the folder: {name: bytes}."""
    names, contents, seen = dict(recorder.start), dict(recorder.contents), set()
    new_names, new_data = [], collections.defaultdict(list)
    for operation in [("sync", "folder"), *recorder.operations]:
        kind, target = operation[:2]
        if operation == ("sync", "folder"):
            names, new_names = rename_all(names, new_names), []
        elif kind == "sync":
            contents[target] = written(
                contents.get(target, b""), zip(new_data.pop(target, []), itertools.repeat("there"))
            )
        elif kind in ("write", "truncate"):
            new_data[target].append(operation)
        else:
            new_names.append(operation)
        kept = [rename_all(names, some) for some in some_of(new_names, order)]
        versions = [[(number, data) for data in torn(contents.get(number, b""), writes, order)]
                    for number, writes in new_data.items()]  # fmt: skip
        for found, data in itertools.product(kept, itertools.product(*versions)):
            now = {**contents, **dict(data)}
            state = {name: now.get(number, b"") for name, number in found.items()}
            key = tuple(sorted(state.items()))
            if key not in seen:
                seen.add(key)
                yield state


def some_of(operations, order):
    """The operations that may have come through."""
    if order == "in order" or len(operations) > NAMES:
        return [operations[:count] for count in range(len(operations) + 1)]
    return [list(itertools.compress(operations, kept)) for kept in itertools.product((0, 1), repeat=len(operations))]


def rename_all(names, operations):
    """Names, {name: number}, after some operations on them."""
    names = dict(names)
    for kind, name, *rest in operations:
        if kind != "name":
            names.pop(name, None)
        if kind != "remove":
            names[rest[-2] if kind == "rename" else name] = rest[-1]
    return names


def torn(content, writes, order):
    """What a file may hold whose last writes were not synced: a set of bytes."""
    if order == "any" and len(writes) <= WRITES:
        ways = itertools.product(("there", "gone", "half", "zeros"), repeat=len(writes))
    else:
        ways = [
            ("there",) * count + (last,) for count in range(len(writes)) for last in ("gone", "half", "zeros", "there")
        ]
    return {written(content, zip(writes, way)) for way in ways}


def written(content, writes):
    """What a file holds after pairs of an operation and how it came through."""
    for (kind, _, place, *data), way in writes:
        if way == "gone":
            continue
        if kind == "truncate":
            content = content[:place].ljust(place, b"\0")
        elif way == "zeros":
            content = content.ljust(place + len(data[0]), b"\0")
        else:
            kept = data[0] if way == "there" else data[0][: len(data[0]) // 2]
            content = content[:place].ljust(place, b"\0") + kept + content[place + len(kept) :]
    return content
