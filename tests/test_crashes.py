"""Every state in which a power cut can leave the files of a training (see crashes.py): nothing is lost in any."""

import os
import shutil
import time

import crashes
import pytest

import metadata
import model
import training
from support.files import InputError

ENDS = ("", ".last", ".bak", ".last.bak")
LOG, CHECKPOINT = "metadata.doc", "metadata.doc.resume"
KEPT_AS = {"model.doc": "model.doc.bak", "model.doc.last": "model.doc.last.bak", LOG: "metadata.doc.bak",
           CHECKPOINT: "metadata.doc.bak.resume"}  # fmt: skip


@pytest.fixture
def train(dataset, tmp_path, monkeypatch):
    """train(generations, **settings) in the folder tmp_path/files, which writes after each generation."""
    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(time, "time", lambda: 1488888888.25)
    folder = tmp_path / "files"
    folder.mkdir()
    return lambda generations, **settings: training.train(
        1e-7, generations, folder / "model.doc", folder / LOG, dataset=dataset, **{"seed": 6, **settings}
    )


def put(folder, files):
    """Leave these files alone in a folder."""
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def recorded(folder, monkeypatch, action):
    """What is done to the folder's files in action(), and what they are in the end."""
    with monkeypatch.context() as patch:
        recorder = crashes.Recorder(folder, patch)
        action()
    return recorder, crashes.files_of(folder)


def sample(recorder, every):
    """All states; or one of so many, and the number that a disk may leave which keeps the order of names."""
    found = list(crashes.states(recorder, "any"))
    print(
        f"{len(found)} states, {len(list(crashes.states(recorder, 'in order')))} of them where names keep their order"
    )
    return found[::every]


def assert_readable(files, folder):
    for name in files:
        if name.startswith("model.doc") and name.endswith(ENDS) and not name.endswith((".new", ".lock")):
            model.read_model(folder / name)
        if name in (LOG, KEPT_AS[LOG]):
            metadata.read_metadata(folder / name)


def assert_whole(old, files):
    """Each file of an earlier training is where it was, or kept as .bak."""
    for name, data in old.items():
        assert data in (files.get(name), files.get(KEPT_AS[name])), name


def assert_same(folder, expected):
    found = crashes.files_of(folder)
    for name in ("model.doc", "model.doc.last", LOG, CHECKPOINT):
        assert found.get(name) == expected.get(name), name


EVERY = pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.slow)])


@EVERY
@pytest.mark.parametrize("earlier", [False, True])
def test_a_new_training(train, tmp_path, monkeypatch, every, earlier):
    folder, new, old = tmp_path / "files", {"average": True}, {}
    if earlier:
        train(3, seed=1, average=True)
        old = crashes.files_of(folder)
    recorder, whole = recorded(folder, monkeypatch, lambda: train(4, **new))
    for state in sample(recorder, every):
        put(folder, state)
        assert_readable(state, folder)
        assert_whole(old, state)
        checkpoint = state.get(CHECKPOINT)
        if checkpoint is None:
            with pytest.raises(InputError, match=r"metadata\.doc\.resume: not there, nothing to go on with; [^\n]*$"):
                train(4, resume=True, **new)
        elif checkpoint == old.get(CHECKPOINT):
            train(3, seed=1, average=True, resume=True)
            assert_same(folder, old)
        else:
            train(4, resume=True, **new)
            assert_same(folder, whole)
        assert_whole(old, crashes.files_of(folder))
        if checkpoint in (None, old.get(CHECKPOINT)):
            put(folder, state)
            train(4, **new)
            assert_same(folder, whole)
            assert_whole(old, crashes.files_of(folder))


@EVERY
def test_a_training_that_is_gone_on_with_where_another_ones_model_stands(train, tmp_path, monkeypatch, every):
    folder = tmp_path / "files"
    train(4)
    whole = crashes.files_of(folder)
    train(2)
    mine = crashes.files_of(folder)
    train(1, seed=2)
    other = (folder / "model.doc").read_bytes()
    tail = whole[LOG][len(mine[LOG]) :]
    put(folder, {**{name: mine[name] for name in (LOG, CHECKPOINT)}, "model.doc": other})
    (folder / LOG).write_bytes(mine[LOG] + tail[:-5])  # a generation and a half more
    recorder, end = recorded(folder, monkeypatch, lambda: train(4, resume=True))
    assert end["model.doc.bak"] == other
    for state in sample(recorder, every):
        put(folder, state)
        assert_readable(state, folder)
        assert_whole({"model.doc": other}, state)
        train(4, resume=True)
        assert_same(folder, whole)
        assert_whole({"model.doc": other}, crashes.files_of(folder))
