"""What a training leaves behind: interrupted at any moment and resumed, it is the same training; nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import crashes
import numpy as np
import pytest
from conftest import ROOT, wait_for

import cnn
import metadata
import model
import training
from support import files as files_module
from support.files import InputError

MODES = [{}, {"jitter": True, "bend": True}, {"train_kernels": True},
         {"train_kernels": True, "kernels": (3, 4), "average": True, "alpha_decay": True,
          "dropout": False}]  # fmt: skip
LOG, STATE = "metadata.doc", "metadata.doc.resume"
KEPT_AS = {"model.doc": "model.doc.bak", LOG: "metadata.doc.bak", STATE: "metadata.doc.bak.resume"}
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and links")


def train(folder, generations=100, **settings):
    settings = {"seed": 6, "dataset": folder / "dataset", **settings}
    alpha = settings.pop("alpha", 0.003 if settings.get("train_kernels") else 1e-7)
    return training.train(alpha, generations, folder / "model.doc", folder / LOG, **settings)


def files(folder):
    """The bytes of the three files, without the line that says when training began."""
    log = (folder / LOG).read_bytes().split(b"\n", 1)[1]
    return (folder / "model.doc").read_bytes(), log, (folder / STATE).read_bytes()


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


@pytest.mark.parametrize("mode", MODES)
def test_the_same_seed_gives_the_same_files_in_one_piece_or_in_four(dataset, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    train(tmp_path, 30, **mode)
    whole = files(tmp_path)
    train(tmp_path, 30, **mode)
    assert files(tmp_path) == whole
    for end in (1, 14, 16):

        def stop(generation, recent, end=end):
            if generation == end:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, 30, resume=end > 1, progress=stop, **mode)
        assert len(metadata.read_metadata(tmp_path / LOG)) == end
    trained = train(tmp_path, 30, resume=True, **mode)
    assert files(tmp_path) == whole
    assert np.array_equal(trained[2], model.read_model(tmp_path / "model.doc")[2])
    train(tmp_path, 30, seed=7, **mode)
    assert files(tmp_path)[0] != whole[0]


@pytest.mark.parametrize("change", [{"seed": 7}, {"labels": ("1", "0")}, {"output_sum": 10}, {"alpha": 1e-6},
                                    {"dropout": False}, {"jitter": True}, {"train_kernels": True, "alpha": 1e-7},
                                    {"alpha_decay": True}, {"trim": True}])  # fmt: skip
def test_other_settings_are_refused(dataset, tmp_path, change):
    train(tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"began with .*, found .*; a resumed training cannot change it"):
        train(tmp_path, **{"generations": 200, "resume": True, **change})
    assert files(tmp_path) == before


def test_other_constants_of_the_code_are_refused(dataset, tmp_path, monkeypatch):
    train(tmp_path)
    for place, name, value in ((cnn, "DROPOUT_2", 0.3), (training, "JITTER", (20, 0.25, 0.2, 0.2, 1, 1))):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            with pytest.raises(InputError, match="a resumed training cannot change it"):
                train(tmp_path, 200, resume=True)
    train(tmp_path, 200, resume=True)


@pytest.mark.parametrize("setting", [{"average": True}, {"alpha_decay": True}])
def test_what_depends_on_the_number_of_generations_keeps_it(dataset, tmp_path, setting):
    train(tmp_path, **setting)
    with pytest.raises(InputError, match="began with generations 100, found 200"):
        train(tmp_path, 200, resume=True, **setting)
    with pytest.raises(InputError, match="it has 100 generations already"):
        train(tmp_path, 99)
        train(tmp_path, 100)
        train(tmp_path, 99, resume=True)


def test_other_pictures_are_refused(dataset, tmp_path):
    train(tmp_path)
    before = files(tmp_path)
    shutil.copy(dataset / "0" / "img001-00001.png", dataset / "0" / "img001-00002.png")
    with pytest.raises(InputError, match="expected the pictures that the training began with"):
        train(tmp_path, 200, resume=True)
    assert files(tmp_path) == before


def test_resume_without_a_training_or_with_a_broken_state_is_one_line(dataset, tmp_path, run_script):
    done = run_script("controller.py", "--resume", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "metadata.doc.resume: not found, so there is nothing to resume; to start a training: " in done.stderr
    train(tmp_path)
    good = (tmp_path / STATE).read_text()
    old = json.dumps({"alpha": 5e-9, "generation": 3, "weights": [1.5], "seed": 1, "labels": ["0", "1"]})
    for text in ("", "{}", "[]", good[:50], good.replace('"model_before"', '"x"'), old):
        (tmp_path / STATE).write_text(text)
        with pytest.raises(InputError, match=r"resume: expected the state of a training by this version"):
            train(tmp_path, resume=True)


@pytest.mark.parametrize("left", [b"101 0 0.5 0.5 0\n" * 3, b"101 0 0.", b"\0\0\0\n\n", b""])
def test_lines_after_the_state_are_trained_again(dataset, tmp_path, left):
    train(tmp_path, 120)
    whole = files(tmp_path)
    train(tmp_path, 100)
    with open(tmp_path / LOG, "ab") as file:
        file.write(left)
    said = []
    train(tmp_path, 120, resume=True, say=said.append)
    assert files(tmp_path) == whole
    assert any("after generation 100 are trained again" in text for text in said) == (left != b"")


def test_resume_takes_everything_from_the_training_the_models_path_too(dataset, tmp_path, run_script):
    named = ("--model", "mine.doc", "--metadata", "mine.log", "--alpha", "1e-8", "--no-dropout")
    run_script("controller.py", *named, "--seed", 1, "--generations", 50, cwd=tmp_path)
    whole = [(tmp_path / name).read_bytes() for name in ("mine.doc", "mine.log.resume")]
    run_script("controller.py", *named, "--seed", 1, "--generations", 20, cwd=tmp_path)
    run_script("controller.py", "--seed", 2, "--generations", 5, cwd=tmp_path)  # another training, of model.doc
    other = (tmp_path / "model.doc").read_bytes()
    done = run_script("controller.py", "--resume", "--metadata", "mine.log", "--generations", 50, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name).read_bytes() for name in ("mine.doc", "mine.log.resume")] == whole
    assert (tmp_path / "model.doc").read_bytes() == other
    from_elsewhere = run_script("controller.py", "--resume", "--metadata", tmp_path / "mine.log", "--dataset", dataset,
                                "--generations", 60)  # fmt: skip
    assert str(tmp_path / "mine.doc") in from_elsewhere.stdout


@unix
def test_a_log_in_a_folder_that_is_a_link_finds_its_model_again(dataset, tmp_path, run_script):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "logs").symlink_to("real/deep")
    named = ("--metadata", "logs/log.doc", "--generations")
    run_script("controller.py", *named, 5, "--model", "mine.doc", cwd=tmp_path)
    before = (tmp_path / "mine.doc").read_bytes()
    done = run_script("controller.py", *named, 9, "--resume", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "mine.doc").read_bytes() != before
    assert not (tmp_path / "real" / "mine.doc").exists()


def test_a_model_that_the_training_did_not_write_is_kept(dataset, tmp_path):
    train(tmp_path)
    (tmp_path / "model.doc").write_bytes(b"another one's")
    said = []
    train(tmp_path, 120, resume=True, say=said.append)
    assert (tmp_path / "model.doc.bak").read_bytes() == b"another one's"
    assert any("this training did not write it; it is kept as" in text for text in said)
    said.clear()
    train(tmp_path, 130, resume=True, say=said.append)
    assert (tmp_path / "model.doc.bak").read_bytes() == b"another one's"
    assert len(said) == 1


def test_a_new_training_keeps_the_files_of_the_last_one(dataset, tmp_path):
    train(tmp_path)
    before = everything(tmp_path)
    train(tmp_path, 50, seed=9)
    assert {name: (tmp_path / kept).read_bytes() for name, kept in KEPT_AS.items()} == before
    old = tmp_path / "model.doc.bak", tmp_path / "metadata.doc.bak"
    training.train(1e-7, 120, *old, seed=6, dataset=dataset, resume=True)
    resumed = old[0].read_bytes()
    train(tmp_path, 120)
    assert files(tmp_path)[0] == resumed


def start_controller(folder, *arguments):
    command = [sys.executable, ROOT / "controller.py", "--generations", "100000000", "--seed", "6", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (folder / STATE).exists() and metadata.read_header(folder / LOG)[1] > 0)
    return process


@unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_after_a_generation(dataset, tmp_path, run_script, number):
    process = start_controller(tmp_path)
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    rows = metadata.read_metadata(tmp_path / LOG)
    assert (process.returncode, err) == (130, "")
    assert f"{len(rows):,} in all" in out
    assert metadata.read_header(tmp_path / LOG)[1] == len(rows)
    done = run_script("controller.py", "--resume", "--generations", len(rows) + 10, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pieces = files(tmp_path)
    run_script("controller.py", "--seed", 6, "--generations", len(rows) + 10, cwd=tmp_path)
    assert files(tmp_path) == pieces


@unix
def test_of_two_trainings_on_one_file_the_second_is_refused(dataset, tmp_path, run_script):
    process = start_controller(tmp_path)
    for arguments in (("--resume",), ("--metadata", "other.doc"), ("--model", "other.doc")):
        done = run_script("controller.py", *arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "another training is writing it" in done.stderr
    process.kill()
    process.communicate(timeout=60)
    reached = metadata.read_header(tmp_path / LOG)[1]
    done = run_script("controller.py", "--resume", "--generations", reached + 10, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@unix
def test_on_a_disk_without_locks_it_trains_and_says_so(dataset, tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(files_module.fcntl, "flock", no_locks)
    said = []
    train(tmp_path, 5, say=said.append)
    assert sum("no file locks on this disk (No locks available)" in text for text in said) == 2


def test_a_training_gives_the_signals_back(dataset, tmp_path):
    mine = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(ZeroDivisionError):
            train(tmp_path, 10, progress=lambda *_: 1 / 0)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, mine)


@pytest.mark.parametrize("name", ["model.doc", LOG])
def test_what_is_not_a_regular_file_is_refused_before_it_is_touched(dataset, tmp_path, name):
    kinds = {"folder": os.mkdir, "pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/null", path)}
    for kind, make in kinds.items():
        make(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: expected a file, found (a folder|a device or a pipe)"):
            train(tmp_path)
        assert (tmp_path / name).exists()
        assert not (tmp_path / name).is_file()
        assert [path.name for path in tmp_path.glob("*.doc")] == [name]
        os.rmdir(tmp_path / name) if kind == "folder" else os.unlink(tmp_path / name)
    assert not os.path.isfile("/dev/null")


def test_a_file_that_is_read_only_is_left_alone(dataset, tmp_path, monkeypatch):
    train(tmp_path)
    before, may = everything(tmp_path), os.access  # root may do everything, so os.access is asked
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path / LOG) and may(path, mode))
    with pytest.raises(PermissionError, match="is read-only"):
        train(tmp_path, seed=2)
    assert everything(tmp_path) == before


@unix
@pytest.mark.parametrize("way", ["links", "a copy"])
def test_links_are_followed_and_their_targets_are_kept(dataset, tmp_path, monkeypatch, way):
    (tmp_path / "real").mkdir()
    for name in ("model.doc", LOG):
        (tmp_path / name).symlink_to(f"real/{name}")
    train(tmp_path, 50, seed=1)
    before = files(tmp_path)
    if way == "a copy":
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "absent"))  # an OSError
    train(tmp_path, 50, seed=2)
    assert (tmp_path / "model.doc").is_symlink()
    assert (tmp_path / "model.doc.bak").read_bytes() == before[0] != files(tmp_path)[0]
    assert not (tmp_path / "model.doc.bak").is_symlink()


def test_a_full_disk_leaves_what_was_there(dataset, tmp_path, monkeypatch):
    train(tmp_path)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(1)
        if len(calls) > 12:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        train(tmp_path, 120, resume=True)
    train(tmp_path, 120, resume=True)
    pieces = files(tmp_path)
    train(tmp_path, 120)
    assert files(tmp_path) == pieces


@unix
@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--train-kernels"]])
def test_killed_again_and_again_it_is_the_same_training(dataset, tmp_path, more):
    command = [sys.executable, ROOT / "tests" / "kill_loop.py", tmp_path, "100", "10", *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lost = [int(line) for line in done.stdout.split()]
    assert len(lost) >= 20
    assert any(lost)  # some kills came between the writing of the log and of the state
    mode = {"train_kernels": True, "jitter": True} if more else {}
    aim = training.read_state(tmp_path / LOG)["generation"] + 100
    train(tmp_path, aim, resume=True, **mode)
    pieces = files(tmp_path)
    train(tmp_path, aim, **mode)
    assert files(tmp_path) == pieces


@pytest.fixture
def crashing(dataset, tmp_path, monkeypatch):
    """train() in the folder tmp_path/files, which writes after each generation."""
    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(time, "time", lambda: 1488888888.25)
    (tmp_path / "files").mkdir()
    return lambda generations, **settings: train(tmp_path / "files", generations, **{"dataset": dataset, **settings})


def put(folder, found):
    """Leave these files alone in a folder."""
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in found.items():
        (folder / name).write_bytes(data)


def recorded(folder, monkeypatch, action):
    """Return a record of what action() does to the files, and the files in the end."""
    with monkeypatch.context() as patch:
        recorder = crashes.Recorder(folder, patch)
        action()
    return recorder, crashes.files_of(folder)


def sample(recorder, every):
    found = list(crashes.states(recorder, "any"))
    ordered = len(list(crashes.states(recorder, "in order")))
    print(f"{len(found)} crash states, {ordered} of them on a disk that keeps the order of names")
    return found[::every]


def assert_nothing_is_lost(old, state, folder):
    """Every file can be read, and each file of an earlier training is in its place or kept as .bak."""
    for name in state:
        if name in ("model.doc", "model.doc.bak"):
            model.read_model(folder / name)
        if name in (LOG, KEPT_AS[LOG]):
            metadata.read_metadata(folder / name)
    for name, data in old.items():
        assert data in (state.get(name), state.get(KEPT_AS[name])), name


def assert_same(folder, expected):
    found = crashes.files_of(folder)
    for name in KEPT_AS:
        assert found.get(name) == expected.get(name), name


EVERY = pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.slow)])


@EVERY
@pytest.mark.parametrize("earlier", [False, True])
def test_a_power_cut_in_a_new_training(crashing, tmp_path, monkeypatch, every, earlier):
    folder, old, new = tmp_path / "files", {}, {"average": True}
    if earlier:
        crashing(3, seed=1, **new)
        old = everything(folder)
    recorder, whole = recorded(folder, monkeypatch, lambda: crashing(4, **new))
    for state in sample(recorder, every):
        put(folder, state)
        assert_nothing_is_lost(old, state, folder)
        left = state.get(STATE)
        if left is None:
            with pytest.raises(InputError, match=r"metadata\.doc\.resume: not found, so there is nothing to resume"):
                crashing(4, resume=True, **new)
        elif left == old.get(STATE):
            crashing(3, seed=1, resume=True, **new)
            assert_same(folder, old)
        else:
            crashing(4, resume=True, **new)
            assert_same(folder, whole)
        assert_nothing_is_lost(old, crashes.files_of(folder), folder)
        if left in (None, old.get(STATE)):
            put(folder, state)
            crashing(4, **new)
            assert_same(folder, whole)
            assert_nothing_is_lost(old, crashes.files_of(folder), folder)


@EVERY
def test_a_power_cut_in_a_resumed_training_beside_another_ones_model(crashing, tmp_path, monkeypatch, every):
    folder = tmp_path / "files"
    crashing(4)
    whole = crashes.files_of(folder)
    crashing(2)
    mine = crashes.files_of(folder)
    crashing(1, seed=2)
    other = (folder / "model.doc").read_bytes()
    tail = whole[LOG][len(mine[LOG]) :]
    put(folder, {STATE: mine[STATE], LOG: mine[LOG] + tail[:-5], "model.doc": other})
    recorder, end = recorded(folder, monkeypatch, lambda: crashing(4, resume=True))
    assert end["model.doc.bak"] == other
    for state in sample(recorder, every):
        put(folder, state)
        assert_nothing_is_lost({"model.doc": other}, state, folder)
        crashing(4, resume=True)
        assert_same(folder, whole)
        assert_nothing_is_lost({"model.doc": other}, crashes.files_of(folder), folder)
