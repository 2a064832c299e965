"""What a training leaves behind: interrupted at any moment and resumed, it is the same training; nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, full_disk, screen_of, wait
from crashes import Recorder, files_of, states

import cnn
import metadata
import model
import training
from support import files as files_module
from support.files import InputError

LOG, STATE = "metadata.doc", "metadata.doc.resume"
KEPT_AS = {"model.doc": "model.doc.bak", LOG: "metadata.doc.bak", STATE: "metadata.doc.bak.resume"}
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals and links")


def train(folder, generations=100, until=None, **settings):
    """Train with the pictures in dataset/; with `until`, stop without warning after that generation was written."""

    def progress(generation, _):
        if generation == until:
            raise KeyboardInterrupt

    calls = {name: settings.pop(name) for name in ("say", "progress") if name in settings}
    screen = screen_of(**{"progress": progress, **calls})
    settings = {"seed": 6, "dataset": folder / "dataset", "screen": screen, **settings}
    alpha = settings.pop("alpha", 0.003 if settings.get("train_kernels") else 1e-7)
    return training.train(alpha, generations, folder / "model.doc", folder / LOG, **settings)


def files(folder):
    """The bytes of the three files, without the line that says when training began."""
    log = (folder / LOG).read_bytes().split(b"\n", 1)[1]
    return (folder / "model.doc").read_bytes(), log, (folder / STATE).read_bytes()


@pytest.fixture
def every_generation(monkeypatch):
    """The files are written after each generation, and nothing waits for the disk."""
    monkeypatch.setattr(training, "WRITE_EVERY", 0)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("mode", [
    {}, {"jitter": True, "bend": True}, {"train_kernels": True},
    {"train_kernels": True, "kernels": (3, 4), "average": True, "alpha_decay": True, "dropout": False},
])  # fmt: skip
def test_in_one_piece_or_in_five_it_is_the_same_training(dataset, tmp_path, every_generation, mode):
    train(tmp_path, 30, **mode)
    whole = files(tmp_path)
    train(tmp_path, 30, **mode)
    assert files(tmp_path) == whole
    for end in (1, 14, 16):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, 30, until=end, resume=end > 1, **mode)
        assert len(metadata.read_metadata(tmp_path / LOG)) == end
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full_disk(9))
        train(tmp_path, 30, resume=True, **mode)
    train(tmp_path, 30, resume=True, **mode)
    assert files(tmp_path) == whole
    train(tmp_path, 30, seed=7, **mode)
    assert files(tmp_path)[0] != whole[0]


def test_a_resumed_training_cannot_change_its_settings_or_pictures(dataset, tmp_path, monkeypatch):
    for setting in ({"average": True}, {"alpha_decay": True}):  # they depend on the number of generations
        train(tmp_path, **setting)
        with pytest.raises(InputError, match="began with generations 100, found 200"):
            train(tmp_path, 200, resume=True, **setting)
    train(tmp_path)
    before = files(tmp_path)
    with pytest.raises(InputError, match="it has 100 generations already"):
        train(tmp_path, 99, resume=True)
    changes = {"seed": 7, "labels": ("1", "0"), "output_sum": 10, "alpha": 1e-6, "dropout": False, "jitter": True,
               "train_kernels": True, "alpha_decay": True, "bend": True}  # fmt: skip
    for name, value in changes.items():
        message = f"began with {name.replace('_', ' ')} .*, found .*; a resumed training cannot change it"
        with pytest.raises(InputError, match=message):
            train(tmp_path, 200, resume=True, **{"alpha": 1e-7, name: value})
    for place, name, value in ((cnn, "DROPOUT_2", 0.3), (training, "JITTER", (20, 0.25, 0.2, 0.2, 1, 1))):
        with monkeypatch.context() as patch, pytest.raises(InputError, match="a resumed training cannot change it"):
            patch.setattr(place, name, value)
            train(tmp_path, 200, resume=True)
    shutil.copy(dataset / "0" / "img001-00001.png", dataset / "0" / "img001-00002.png")
    with pytest.raises(InputError, match="expected the pictures that the training began with"):
        train(tmp_path, 200, resume=True)
    assert files(tmp_path) == before


def test_another_trainings_log_or_a_broken_state_is_refused_and_left_alone(dataset, tmp_path):
    train(tmp_path, 120, seed=1)
    other = (tmp_path / LOG).read_text()
    train(tmp_path)
    good = (tmp_path / STATE).read_text()
    cases = [(STATE, text, "resume: expected the state of a training by this version")
             for text in ("", "{}", "[]", good[:50], good.replace('"model_digest"', '"x"'))]  # fmt: skip
    for name, text, said in [*cases, (LOG, other, "another training wrote this log, or lines are missing; put")]:
        (tmp_path / STATE).write_text(good)
        (tmp_path / name).write_text(text)
        before = files_of(tmp_path)
        with pytest.raises(InputError, match=rf"metadata\.doc.*{said}"):
            train(tmp_path, 200, resume=True)
        assert files_of(tmp_path) == before


def test_lines_after_the_state_are_trained_again_and_another_ones_model_is_kept(dataset, tmp_path):
    train(tmp_path, 120)
    whole = files(tmp_path)
    train(tmp_path)
    with open(tmp_path / LOG, "ab") as file:
        file.write(b"101 0 0.5 0.5 0\n102 0 0.")
    (tmp_path / "model.doc").write_bytes(b"another one's")
    said = []
    train(tmp_path, 120, resume=True, say=said.append)
    assert files(tmp_path) == whole
    train(tmp_path, 130, resume=True, say=said.append)
    assert (tmp_path / "model.doc.bak").read_bytes() == b"another one's"
    pictures, lines, model_kept, again = said
    assert pictures == again == "8 pictures: 4 of each label"
    assert "this training did not write it; it is kept as" in model_kept
    assert "what follows generation 100 is trained again (lines: 2)" in lines


@unix
def test_resume_takes_everything_from_the_training_the_models_path_too(dataset, tmp_path, run_script):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "logs").symlink_to("real/deep")
    (tmp_path / "model.doc").write_text("another training's")
    log, written = ("--metadata", "logs/my.log", "--generations"), ("my.doc", "logs/my.log.resume")
    settings = ("--model", "my.doc", "--alpha", "1e-8", "--no-dropout", "--seed", 1)
    run_script("controller.py", *log, 20, *settings, cwd=tmp_path)
    done = run_script("controller.py", *log, 50, "--resume", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pieces = [(tmp_path / name).read_bytes() for name in written]
    run_script("controller.py", *log, 50, *settings, cwd=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in written] == pieces
    from_elsewhere = run_script("controller.py", "--resume", "--metadata", tmp_path / "logs" / "my.log",
                                "--generations", 60, "--dataset", dataset, cwd=ROOT)  # fmt: skip
    assert f"written: {tmp_path / 'my.doc'} (the model)" in from_elsewhere.stdout
    assert (tmp_path / "model.doc").read_text() == "another training's"


def test_model_and_log_may_be_on_two_drives_of_windows(dataset, tmp_path, monkeypatch):
    def two_drives(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", two_drives)
    train(tmp_path, 10)
    assert metadata.read_state(tmp_path / LOG).model_file == str(tmp_path / "model.doc")
    train(tmp_path, 20, resume=True)
    assert len(metadata.read_metadata(tmp_path / LOG)) == 20


@pytest.mark.parametrize("way", ["files", "copies", pytest.param("links", marks=unix)])
def test_a_new_training_keeps_the_files_of_the_last_one(dataset, tmp_path, monkeypatch, way):
    if way == "links":
        (tmp_path / "real").mkdir()
        for name in ("model.doc", LOG):
            (tmp_path / name).symlink_to(f"real/{name}")
    if way == "copies":
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "absent"))  # an OSError
    train(tmp_path)
    before = files_of(tmp_path)
    train(tmp_path, 50, seed=9)
    assert {name: (tmp_path / kept).read_bytes() for name, kept in KEPT_AS.items()} == before
    assert (tmp_path / "model.doc").is_symlink() is (way == "links")
    assert not (tmp_path / "model.doc.bak").is_symlink()
    old = tmp_path / "model.doc.bak", tmp_path / "metadata.doc.bak"
    training.train(1e-7, 120, *old, seed=6, dataset=dataset, resume=True)
    resumed = old[0].read_bytes()
    train(tmp_path, 120)
    assert files(tmp_path)[0] == resumed


def test_a_start_that_failed_does_not_replace_the_log_that_is_kept(dataset, tmp_path):
    train(tmp_path)
    kept = (tmp_path / LOG).read_bytes()
    train(tmp_path, 0, seed=9)  # the same files as of a start that was killed at once
    train(tmp_path, 50, seed=8)
    assert (tmp_path / f"{LOG}.bak").read_bytes() == kept
    assert metadata.read_state(tmp_path / f"{LOG}.bak").settings["seed"] != 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_training_after_a_generation_and_is_given_back(dataset, tmp_path, number):
    def mine(*_):
        pytest.fail("the training let a signal through")

    before = signal.signal(number, mine)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, progress=lambda *_: signal.raise_signal(number))
        assert signal.getsignal(number) is mine
    finally:
        signal.signal(number, before)
    assert len(metadata.read_metadata(tmp_path / LOG)) == metadata.read_header(tmp_path / LOG)[1] == 1
    train(tmp_path, resume=True)
    pieces = files(tmp_path)
    train(tmp_path)
    assert files(tmp_path) == pieces


@unix
def test_a_second_training_of_the_same_files_is_refused_until_the_first_is_killed(dataset, tmp_path):
    command = [sys.executable, ROOT / "controller.py", "--generations", "100000000", "--seed", "6", "--alpha", "1e-7"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait(lambda: (tmp_path / STATE).exists() and metadata.read_header(tmp_path / LOG)[1] > 0)
        for names in (("model.doc", LOG), ("model.doc", "other.doc"), ("other.doc", LOG)):
            for resume in (False, True):
                with pytest.raises(InputError, match="another training is writing it"):
                    training.train(1e-7, 9, *(tmp_path / name for name in names), dataset=dataset, resume=resume)
    finally:
        process.kill()
        process.wait(60)
    aim = metadata.read_state(tmp_path / LOG).generation + 100
    train(tmp_path, aim, resume=True)
    pieces = files(tmp_path)
    train(tmp_path, aim)
    assert files(tmp_path) == pieces


@unix
def test_a_disk_without_locks_and_a_lock_file_of_another_user_are_said(dataset, tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", path)

    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(files_module.fcntl, "flock", no_locks)
    said = []
    train(tmp_path, 5, say=said.append)
    assert sum("no file locks on this disk (No locks available)" in text for text in said) == 2
    monkeypatch.setattr(files_module, "open", refuse, raising=False)  # root may open it
    with pytest.raises(InputError, match=r"\.lock: another user made this empty file, remove it"):
        train(tmp_path, 5)


@unix
@pytest.mark.parametrize("name", ["model.doc", LOG])
def test_what_is_not_a_regular_file_is_refused_before_it_is_touched(dataset, tmp_path, name):
    os.mkfifo(tmp_path / "pipe")  # stands for a device too: nothing is to be left in /dev, not even by a fault
    for kind, make in enumerate((os.mkdir, os.mkfifo, lambda path: os.symlink(tmp_path / "pipe", path))):
        folder = tmp_path / str(kind)
        folder.mkdir()
        make(folder / name)
        with pytest.raises(InputError, match=rf"{name}: expected a file, found (a folder|a device or a pipe)"):
            train(folder, dataset=dataset)
        assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == [name]
        assert not (folder / name).is_file()
        assert not os.path.exists(f"{os.path.realpath(folder / name)}.lock")


def test_a_file_that_is_read_only_is_left_alone(dataset, tmp_path, monkeypatch):
    train(tmp_path)
    before, may = files_of(tmp_path), os.access  # root may do everything, so os.access is asked
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path / LOG) and may(path, mode))
    with pytest.raises(PermissionError, match="is read-only"):
        train(tmp_path, seed=2)
    assert files_of(tmp_path) == before


@unix
@pytest.mark.slow
@pytest.mark.parametrize("mode", [{}, {"train_kernels": True, "jitter": True}])
def test_killed_again_and_again_it_is_the_same_training(dataset, tmp_path, mode):
    command = [sys.executable, ROOT / "tests" / "kill_loop.py", tmp_path, "10", json.dumps(mode)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lost = [int(line) for line in done.stdout.split()]
    assert len(lost) >= 20
    assert any(lost)  # some kills came between the writing of the log and of the state
    aim = metadata.read_state(tmp_path / LOG).generation + 100
    train(tmp_path, aim, resume=True, **mode)
    pieces = files(tmp_path)
    train(tmp_path, aim, **mode)
    assert files(tmp_path) == pieces


def put(folder, state):
    """Leave these files alone in a folder."""
    for name in files_of(folder):
        (folder / name).unlink()
    for name, data in state.items():
        (folder / name).write_bytes(data)


def assert_nothing_is_lost(earlier, folder):
    """Every file can be read, and each file of an earlier training is in its place or kept as .bak."""
    found = files_of(folder)
    for name in found.keys() & {"model.doc", "model.doc.bak"}:
        model.read_model(folder / name)
    for name in found.keys() & {LOG, KEPT_AS[LOG]}:
        metadata.read_metadata(folder / name)
    for name, data in earlier.items():
        assert data in (found.get(name), found.get(KEPT_AS[name])), name


@pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", ["nothing", "another training", "the same training, another one's model"])
def test_a_power_cut(dataset, tmp_path, every_generation, monkeypatch, every, start):
    monkeypatch.setattr(time, "time", lambda: 1488888888.25)

    def new_training(resume=False):
        train(tmp_path, 4, average=True, resume=resume)

    def assert_whole():
        assert whole.items() <= files_of(tmp_path).items()
        assert_nothing_is_lost(earlier, tmp_path)

    new_training()
    whole = files_of(tmp_path)
    put(tmp_path, {})
    resume = start.startswith("the same")
    if start != "nothing":
        train(tmp_path, 3, seed=1, average=True)
    earlier = files_of(tmp_path)
    if resume:
        earlier = {"model.doc": earlier["model.doc"]}
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, 4, until=2, average=True)
        log = (tmp_path / LOG).read_bytes()
        torn = log + whole[LOG][len(log) : -5]
        put(tmp_path, {**earlier, LOG: torn, STATE: (tmp_path / STATE).read_bytes()})
    with monkeypatch.context() as patch:
        recorder = Recorder(tmp_path, patch)
        new_training(resume)
    assert_whole()
    for state in states(recorder)[::every]:
        put(tmp_path, state)
        assert_nothing_is_lost(earlier, tmp_path)
        if state.get(STATE) not in (None, earlier.get(STATE)):
            new_training(resume=True)
            assert_whole()
            continue
        if STATE in state:
            train(tmp_path, 3, seed=1, average=True, resume=True)
            assert earlier.items() <= files_of(tmp_path).items()
        else:
            with pytest.raises(InputError, match=r"metadata\.doc\.resume: not found, so there is nothing to resume"):
                new_training(resume=True)
            assert files_of(tmp_path) == state
        put(tmp_path, state)
        new_training()
        assert_whole()
