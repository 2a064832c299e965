"""Nothing lost, nothing let in: kills, full disks, two trainings at once, and any bytes at all as a file."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, wait_for
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

import metadata
import model
import training
from support import checkpoint
from support import files as files_module
from support.files import InputError, locked

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals, mounts and links of this kind")
KILLS, KILL_SECONDS = 300, 40  # at most


def train(folder, generations, **more):
    more = {"seed": 6, "dataset": folder / "dataset", **more}
    return training.train(5e-9, generations, folder / "model.doc", folder / "metadata.doc", **more)


def files(folder):
    """The bytes of the three files, without the line that says when training began."""
    log = (folder / "metadata.doc").read_bytes().split(b"\n", 1)[1]
    return (folder / "model.doc").read_bytes(), log, (folder / "metadata.doc.resume").read_bytes()


def start_controller(folder, *arguments):
    command = [sys.executable, ROOT / "controller.py", "--generations", "100000000", "--seed", "6", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def generation_of(folder):
    """The current generation in metadata.doc, 0 where there is none yet."""
    path = folder / "metadata.doc"
    return (path.exists() and metadata.read_header(path)[1]) or 0


def kept_in(folder):
    """What the checkpoint in a folder holds."""
    return checkpoint.read_checkpoint(folder / "metadata.doc")


@pytest.mark.parametrize(
    "setting", [{}, {"jitter": True}, {"jitter": True, "dropout": False}, {"train_kernels": True, "jitter": True}]
)
def test_three_pieces_are_one_run(dataset, tmp_path, setting):
    train(tmp_path, 900)
    plain = files(tmp_path)
    train(tmp_path, 900, **setting)
    whole = files(tmp_path)
    assert (whole[0] != plain[0]) is bool(setting)
    train(tmp_path, 300, **setting)
    train(tmp_path, 301, resume=True, **setting)
    trained = train(tmp_path, 900, resume=True, **setting)
    assert files(tmp_path) == whole
    assert trained[2].tolist() == model.read_model(tmp_path / "model.doc")[2].tolist()


@unix
def test_three_pieces_are_one_run_as_commands(dataset, tmp_path, run_script):
    process = start_controller(tmp_path, "--seed", "4")
    wait_for(lambda: generation_of(tmp_path) > 0)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    reached = generation_of(tmp_path)
    assert process.returncode == 130
    assert 0 < reached < 100_000_000
    done = run_script("controller.py", "--resume", "--generations", reached + 10, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_script("controller.py", "--resume", cwd=tmp_path)
    assert "trained 0 generations" in done.stdout
    pieces = files(tmp_path)
    run_script("controller.py", "--seed", 4, "--generations", reached + 10, cwd=tmp_path)
    assert files(tmp_path) == pieces


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, "was begun with seed 6, found seed 7"),
        ({"labels": ("1", "0")}, "was begun with labels 0 1, found labels 1 0"),
        ({"output_sum": 10}, "was begun with output sum 100.0, found output sum 10"),
        ({"generations": 99}, "holds 100 generations already"),
    ],
)
def test_other_settings_are_refused(dataset, tmp_path, change, message):
    train(tmp_path, 100)
    before = files(tmp_path)
    with pytest.raises(InputError, match=message):
        train(tmp_path, **{"generations": 200, "resume": True, **change})
    assert files(tmp_path) == before


@pytest.mark.parametrize("change", ["one less", "one pixel", "two exchanged"])
@pytest.mark.parametrize("train_kernels", [False, True])
def test_other_pictures_are_refused(dataset, tmp_path, change, train_kernels):
    train(tmp_path, 100, train_kernels=train_kernels)
    before = files(tmp_path)
    path, other = dataset / "0" / "img001-00004.png", dataset / "1" / "img002-00001.png"
    if change == "one less":
        path.unlink()
    elif change == "one pixel":
        with Image.open(path) as picture:
            picture.putpixel((16, 16), (0, 0, 0))
            picture.save(path)
    else:
        path.rename(dataset / "new")
        other.rename(path)
        (dataset / "new").rename(other)
    with pytest.raises(InputError, match="expected the pictures that the training began with"):
        train(tmp_path, 200, resume=True, train_kernels=train_kernels)
    assert files(tmp_path) == before


def test_resume_without_a_training_or_with_a_broken_one_is_one_line(dataset, tmp_path, run_script):
    done = run_script("controller.py", "--resume", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    start = done.stderr.partition("metadata.doc.resume: not there, nothing to go on with; to start a training: ")[2]
    done = subprocess.run(
        f"{start.strip()} --generations 5", shell=True, cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, generation_of(tmp_path)) == (0, 5)
    with pytest.raises(InputError, match="nothing to go on with"):
        training.train(5e-9, 9, tmp_path / "a", tmp_path / "b", dataset=dataset, resume=True)
    train(tmp_path, 10)
    good = (tmp_path / "metadata.doc.resume").read_text()
    for text in ("", "{}", "[]", good[:50], good.replace('"labels"', '"x"'), good.replace("\n0.", "\nNaN,0.", 1)):
        (tmp_path / "metadata.doc.resume").write_text(text)
        done = run_script("controller.py", "--resume", cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), text
        assert "metadata.doc.resume: expected" in done.stderr
    (tmp_path / "metadata.doc.resume").write_text(json.dumps({**json.loads(good), "generation": 11, "generations": 20}))
    done = run_script("controller.py", "--resume", cwd=tmp_path)
    assert "metadata.doc, line 15: expected generation 11 of 11" in done.stderr


@pytest.mark.parametrize("left", ["whole lines", "a line cut off", "garbage", "nothing"])
def test_what_the_log_holds_after_the_checkpoint_is_dropped_and_said(dataset, tmp_path, left):
    train(tmp_path, 200)
    whole = files(tmp_path)
    train(tmp_path, 100)
    log = tmp_path / "metadata.doc"
    ends = {
        "whole lines": b"101 0 0.5 0.5 0\n" * 3,
        "a line cut off": b"101 0 0.",
        "garbage": b"\0\0\0\n\n",
        "nothing": b"",
    }
    log.write_bytes(log.read_bytes() + ends[left])
    said = []
    train(tmp_path, 200, resume=True, say=said.append)
    assert files(tmp_path) == whole
    assert any("after generation 100 are trained again" in text for text in said) == (left != "nothing")


def test_a_new_training_keeps_the_last_pair(dataset, tmp_path):
    train(tmp_path, 100)
    before = files(tmp_path)
    train(tmp_path, 50, seed=9)
    assert (tmp_path / "model.doc.bak").read_bytes() == before[0]
    assert (tmp_path / "metadata.doc.bak").read_bytes().split(b"\n", 1)[1] == before[1]
    for name in ("model.doc", "metadata.doc"):
        (tmp_path / f"{name}.bak").replace(tmp_path / f"{name}.old")
    (tmp_path / "metadata.doc.bak.resume").replace(tmp_path / "metadata.doc.old.resume")
    old = (tmp_path / "model.doc.old", tmp_path / "metadata.doc.old")
    training.train(5e-9, 120, *old, seed=6, dataset=dataset, resume=True)
    train(tmp_path, 120)
    assert old[0].read_bytes() == files(tmp_path)[0]
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".new", ".lock")]


@unix
@pytest.mark.slow
def test_killed_hundreds_of_times_both_files_read_and_the_run_is_the_same(dataset, tmp_path):
    command = [sys.executable, ROOT / "tests" / "kill_loop.py", tmp_path, str(KILLS), str(KILL_SECONDS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lost = [int(line) for line in done.stdout.split()]
    assert len(lost) >= 50
    assert any(lost)  # some kills met a writing between the log and the checkpoint
    aim = kept_in(tmp_path).generation + 100
    train(tmp_path, aim, resume=True)
    pieces = files(tmp_path)
    train(tmp_path, aim)
    assert files(tmp_path)[:2] == pieces[:2]


@unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_and_at_once_another(dataset, tmp_path, number):
    process = start_controller(tmp_path)
    wait_for(lambda: generation_of(tmp_path) > 0)
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert err == ""
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert process.returncode == 130
    assert f"{len(rows):,} in all" in out
    assert kept_in(tmp_path).generation == len(rows) == generation_of(tmp_path)


@unix
def test_two_trainings_on_one_file_the_second_is_refused(dataset, tmp_path, run_script):
    process = start_controller(tmp_path)
    wait_for(lambda: generation_of(tmp_path) > 0)
    for arguments in ((), ("--resume",), ("--metadata", "other.doc"), ("--model", "other.doc")):
        done = run_script("controller.py", "--seed", "6", *arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert f"process {process.pid} is training it" in done.stderr
    process.kill()
    process.communicate(timeout=60)
    assert (tmp_path / "metadata.doc.lock").exists()  # left by the dead process
    done = run_script("controller.py", "--resume", "--generations", generation_of(tmp_path) + 10**4, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.glob("*.lock"))


def test_model_and_log_must_be_two_files(dataset, tmp_path):
    with pytest.raises(InputError, match="expected two files"):
        training.train(5e-9, 1, tmp_path / "a.doc", tmp_path / "." / "a.doc", seed=1, dataset=dataset)


@unix
def test_a_lock_is_on_the_file_that_has_its_name(tmp_path, monkeypatch):
    name, lock, left = tmp_path / "a.lock", files_module._lock, ["", "another"]

    def late(file):
        """Locks it; the first two times its last holder has removed it by then, and once another has made its own."""
        if left and name.exists():
            name.unlink()
            if left.pop():
                name.write_text("")
        lock(file)

    monkeypatch.setattr(files_module, "_lock", late)
    with locked(tmp_path / "a"):
        assert not left
        assert name.read_text() == f"{os.getpid()}\n"
        with pytest.raises(InputError, match=f"process {os.getpid()} is training it"), locked(tmp_path / "a"):
            pass


def test_a_training_gives_the_signals_back(dataset, tmp_path):
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    mine = [signal.getsignal(number) for number in numbers]
    try:
        train(tmp_path, 10)
        assert [signal.getsignal(number) for number in numbers] == mine
        with pytest.raises(ZeroDivisionError):
            train(tmp_path, 10, progress=lambda *_: 1 / 0)
        assert [signal.getsignal(number) for number in numbers] == mine
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


@pytest.mark.parametrize("name", ["model.doc.last", "metadata.doc", "metadata.doc.resume"])
def test_a_file_that_cannot_be_written_is_known_before_anything_is_touched(dataset, tmp_path, name):
    train(tmp_path, 10, average=True)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(IsADirectoryError):
        train(tmp_path, 10, average=True, seed=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["model.doc", "metadata.doc"])
def test_a_file_that_is_read_only_is_left_alone(dataset, tmp_path, monkeypatch, name):
    train(tmp_path, 10)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    may = os.access  # which is asked, since root may do all
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path / name) and may(path, mode))
    with pytest.raises(PermissionError, match="is read-only"):
        train(tmp_path, 10, seed=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@unix
@pytest.mark.parametrize("way", ["links", "a copy"])
def test_the_files_that_links_lead_to_are_kept(dataset, tmp_path, monkeypatch, way):
    (tmp_path / "real").mkdir()
    for name in ("model.doc", "metadata.doc"):
        (tmp_path / name).symlink_to(f"real/{name}")
    train(tmp_path, 50, seed=1)
    before = files(tmp_path)
    if way == "a copy":
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "absent"))  # an OSError
    train(tmp_path, 50, seed=2)
    assert (tmp_path / "model.doc").is_symlink()
    assert (tmp_path / "model.doc.bak").read_bytes() == before[0] != files(tmp_path)[0]
    assert (tmp_path / "metadata.doc.bak").read_bytes().split(b"\n", 1)[1] == before[1] != files(tmp_path)[1]
    assert (tmp_path / "metadata.doc.bak.resume").read_bytes() == before[2]
    assert not any((tmp_path / f"{name}.bak").is_symlink() for name in ("model.doc", "metadata.doc"))
    train(tmp_path, 60, seed=2, resume=True)
    assert (tmp_path / "model.doc.bak").read_bytes() == before[0]


def test_another_trainings_model_is_kept_when_one_is_gone_on_with(dataset, tmp_path, run_script):
    train(tmp_path, 50, seed=1)
    other = (tmp_path / "model.doc").read_bytes()
    a = ("--model", "a.doc", "--metadata", "a.log", "--seed", 2)
    run_script("controller.py", *a, "--generations", 50, cwd=tmp_path)
    done = run_script("controller.py", "--resume", "--metadata", "a.log", "--generations", 60, cwd=tmp_path)
    assert done.stdout.startswith("model.doc: not what this training wrote last; kept as model.doc.bak\n")
    assert (tmp_path / "model.doc.bak").read_bytes() == other
    done = run_script("controller.py", "--resume", "--metadata", "a.log", "--generations", 70, cwd=tmp_path)
    assert "kept as" not in done.stdout
    assert (tmp_path / "model.doc.bak").read_bytes() == other


def test_the_marks_of_the_models_before_stay_until_others_were_written(dataset, tmp_path):
    state = checkpoint.State({}, 0, None, None)
    for text, marks in ((b"a", [b"a"]), (b"b", [b"a", b"b"]), (b"b", [b"a", b"b"]), (b"c", [b"b", b"c"])):
        training.note_models(state, [text])
        assert state.models == [checkpoint.mark(each) for each in marks]
    training.note_models(state, [b"d", b"e"])
    training.note_models(state, [b"f", b"g"])
    assert state.models == [checkpoint.mark(each) for each in (b"d", b"e", b"f", b"g")]


@pytest.mark.parametrize("name", ["model.doc", "model.doc.last"])
def test_a_model_changed_by_hand_is_kept(dataset, tmp_path, name):
    train(tmp_path, 50, average=True)
    said = []
    train(tmp_path, 50, average=True, resume=True, say=said.append)
    assert not list(tmp_path.glob("*.bak"))
    changed = (tmp_path / name).read_bytes().replace(b"0.1", b"0.2", 1)
    (tmp_path / name).write_bytes(changed)
    train(tmp_path, 50, average=True, resume=True, say=said.append)
    assert [path.name for path in tmp_path.glob("*.bak")] == [f"{name}.bak"]
    assert (tmp_path / f"{name}.bak").read_bytes() == changed
    assert said == [f"{tmp_path / name}: not what this training wrote last; kept as {tmp_path / name}.bak"]


def test_a_start_model_that_is_trained_on_is_not_kept(dataset, tmp_path):
    train(tmp_path, 0)
    train(tmp_path, 5, resume=True)
    assert not list(tmp_path.glob("*.bak"))


def test_a_checkpoint_from_before_there_were_marks_keeps_the_model(dataset, tmp_path):
    train(tmp_path, 50)
    before, path = (tmp_path / "model.doc").read_bytes(), tmp_path / "metadata.doc.resume"
    kept = json.loads(path.read_text())
    del kept["models"]
    path.write_text(json.dumps(kept))
    train(tmp_path, 60, resume=True)
    assert (tmp_path / "model.doc.bak").read_bytes() == before


def test_a_lock_is_let_go_of_on_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "a"):
            raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 KB of its own; skipped where it may not be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a small disk can be mounted by root on Linux only")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(dataset, tmp_path, small_disk, run_script):
    place = ("--dataset", dataset, "--seed", 6, "--generations", 10**8)
    done = run_script("controller.py", *place, cwd=small_disk)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "No space left on device" in done.stderr
    rows = metadata.read_metadata(small_disk / "metadata.doc")
    kept = kept_in(small_disk).generation
    assert kept <= len(rows)
    assert len(model.read_model(small_disk / "model.doc")) == 5
    assert not list(small_disk.glob("*.new"))
    for name in ("model.doc", "metadata.doc", "metadata.doc.resume"):
        shutil.copy(small_disk / name, tmp_path / name)
    train(tmp_path, len(rows) + 10, resume=True)  # with room again, it goes on as if nothing had been
    pieces = files(tmp_path)
    train(tmp_path, len(rows) + 10)
    assert files(tmp_path)[:2] == pieces[:2]


def test_a_read_only_folder(dataset, tmp_path, small_disk, run_script):
    for name in ("model.doc", "metadata.doc"):
        (small_disk / name).write_text("mine")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = run_script("controller.py", "--dataset", dataset, "--seed", 6, cwd=small_disk)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Read-only file system" in done.stderr
    assert (small_disk / "model.doc").read_text() == "mine"


def test_the_data_set_may_change_while_training_goes_on(dataset, tmp_path):
    train(tmp_path, 300)
    whole = files(tmp_path)

    def progress(generation, recent):
        shutil.rmtree(dataset, ignore_errors=True)

    train(tmp_path, 300, progress=progress)
    assert files(tmp_path) == whole


def test_generations_are_checked_out_of_the_log_not_counted(dataset, tmp_path):
    train(tmp_path, 50)
    log = tmp_path / "metadata.doc"
    log.write_bytes(log.read_bytes().replace(b"\n30 ", b"\n31 "))
    with pytest.raises(InputError, match="line 34: expected generation 30 of 50"):
        train(tmp_path, 60, resume=True)


# Any bytes at all: a valid result, or the one error class with the file's name.

TOKENS = st.sampled_from(
    [b"[", b"]", b",", b"[[", b"]]", b"0 ", b"1.5 ", b"-1e3 ", b"nan", b'"0"', b'"', b"\n", b"...", b"\\"]
)
SOUP = st.one_of(
    st.binary(max_size=300), st.lists(TOKENS, max_size=200).map(b"".join), st.text(max_size=200).map(str.encode)
)
PATIENT = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(read, path, content):
    """What `read` makes of a file with this content; None where it refuses it with its one error."""
    path.write_bytes(content)
    try:
        return read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error).replace(str(path), "")
        return None


@PATIENT
@given(SOUP)
@example(b"[" * 10**6)
@example(b"[" * 10**6 + b"]" * 10**6)
@example(b"1" * 10**6)
@example(b'["' + b"\\" * 10**5 + b'"]')
@example(b'[["\\ud800"]]')
@example(b"")
def test_any_bytes_as_a_model(tmp_path, content):
    assert attempt(model.read_model, tmp_path / "model.doc", content) is None


@PATIENT
@given(st.integers(0, 10**9), SOUP)
def test_a_model_with_anything_put_into_it(tmp_path, place, content):
    good = (ROOT / "models" / "paper.doc").read_bytes()
    place %= len(good)
    read = attempt(model.read_model, tmp_path / "model.doc", good[:place] + content + good[place:])
    if read is not None:
        assert [array.shape for array in read[:3]] == [(6, 25), (6, 150), (1, 151 * len(model.labels_of(read)))]
        assert all(abs(array).max() < 1e100 for array in read[:3])
        model.write_model(read, tmp_path / "again.doc")
        assert all((a == b).all() for a, b in zip(read[:3], model.read_model(tmp_path / "again.doc")))


ROWS = b"started 1.5\nat 3\n\n\n1 0 0.5 0.5 0\n2 1 0.25 0.4 1\n3 0 0.1 0.6 0\n"
LINES = st.sampled_from(
    [b"4 0 0.5 0.5 0\n", b"4 0 0.5 0.5\n", b"\n", b"4 0 nan 0.5 0\n", b"1e5 0 1 1\n", b"4 0", b" ", b"\r\n"]
)


@PATIENT
@given(st.integers(0, len(ROWS)), st.one_of(SOUP, st.lists(LINES, max_size=20).map(b"".join)))
@example(0, b"9" * 10**5 + b" 0 0.5 0.5\n" * 3)
@example(60, b"\0" * 4096)
def test_any_bytes_as_a_log(tmp_path, place, content):
    for log in (content, ROWS[:place] + content + ROWS[place:]):
        rows = attempt(metadata.read_metadata, tmp_path / "metadata.doc", log)
        if rows is not None:
            assert rows.dtype.names == metadata.COLUMNS
            assert abs(rows["cross_entropy"]).max(initial=0) < float("inf")
        started, generation = metadata.read_header(tmp_path / "metadata.doc")
        assert started is None or started >= 0
        assert generation is None or generation >= 0


def test_starts_that_fail_leave_the_kept_log_alone(dataset, tmp_path, monkeypatch):
    train(tmp_path, 200)
    whole = (tmp_path / "metadata.doc").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device", "metadata.doc.resume")

    monkeypatch.setattr(training, "write_checkpoint", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path, 200)
    assert (tmp_path / "metadata.doc.bak").read_bytes() == whole
    model.write_model(model.start_model("01", np.random.default_rng(1)), tmp_path / "other.doc")
    other = (tmp_path / "other.doc").read_bytes()
    with pytest.raises(OSError, match="No space left"):
        training.train(5e-9, 200, tmp_path / "other.doc", tmp_path / "metadata.doc", dataset=dataset)
    assert (tmp_path / "other.doc.bak").read_bytes() == other


def test_the_last_weights_are_kept_and_no_file_has_two_uses(dataset, tmp_path):
    train(tmp_path, 50, average=True, seed=1)
    last = (tmp_path / "model.doc.last").read_bytes()
    train(tmp_path, 50, average=True, seed=2)
    assert (tmp_path / "model.doc.last.bak").read_bytes() == last
    for model_file, log in (("m", "m.last"), ("l.resume", "l"), ("l.bak", "l"), ("m", "m.bak"), ("l.bak.resume", "l")):
        with pytest.raises(InputError, match="expected two files"):
            training.train(5e-9, 10, tmp_path / model_file, tmp_path / log, dataset=dataset)


def test_another_place_of_the_pictures_is_remembered(dataset, tmp_path):
    train(tmp_path, 50)
    moved = dataset.rename(tmp_path / "moved")
    train(tmp_path, 100, resume=True, dataset=moved)
    assert kept_in(tmp_path).settings["dataset"] == str(moved)


class Windows:
    """The os module as on Windows, where so many renames fail since somebody has the file open."""

    name = "nt"

    def __init__(self, fail=0):
        self.fail = fail

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, old, new):
        self.fail -= 1
        if self.fail >= 0:
            raise PermissionError(13, "Permission denied", old, None, new)
        os.replace(old, new)


def test_a_scanner_or_an_editor_has_a_file_open(tmp_path, monkeypatch):
    path, backup = tmp_path / "a.doc", tmp_path / "a.doc.bak"
    monkeypatch.setattr(files_module.time, "sleep", lambda _: None)
    for fail in (1, 3, 4):
        monkeypatch.setattr(files_module, "os", os)
        files_module.write_whole(path, b"before")
        backup.unlink(missing_ok=True)
        for function, target in ((lambda: files_module.back_up(path), backup),
                                 (lambda: files_module.write_whole(path, b"after"), path)):  # fmt: skip
            monkeypatch.setattr(files_module, "os", Windows(fail))
            if fail < 4:
                function()
            else:
                with pytest.raises(PermissionError) as error:
                    function()
                assert (error.value.filename, error.value.filename2) == (str(target), None)
        assert path.read_bytes() == (b"after" if fail < 4 else b"before")
        assert backup.exists() == (fail < 4)


def test_a_lock_on_windows_needs_no_file_numbers(tmp_path, monkeypatch):
    class Msvcrt:
        LK_NBLCK = 2

        def locking(self, descriptor, mode, count):
            assert os.lseek(descriptor, 0, os.SEEK_CUR) > 1000

    monkeypatch.setattr(files_module, "fcntl", None)
    monkeypatch.setattr(files_module, "msvcrt", Msvcrt(), raising=False)
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)  # as on some of its disks
    with locked(tmp_path / "a"):
        assert (tmp_path / "a.lock").read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []
