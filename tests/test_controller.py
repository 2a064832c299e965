"""controller.py, started as a user starts it; and what all commands have in common: mistakes are one line."""

import os
import re
import select
import signal
import subprocess
import sys

import pytest
from conftest import INSTALL, ROOT, full_disk

import controller
import metadata
import training
from support.commandline import install
from support.files import InputError

SHIPPED = ROOT / "models" / "shipped.doc"


def test_it_trains_says_how_good_it_was_and_every_line_to_be_typed_next_works(dataset, tmp_path, run_script):
    names = "--model", "my model.doc", "--metadata", "it's.log"
    done = run_script("controller.py", "--generations", 300, "--seed", 5, *names, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = metadata.read_metadata(tmp_path / "it's.log")
    right = int((rows["label"] == rows["predicted"])[-100:].sum())
    mean = rows["cross_entropy"][-100:].mean()
    assert done.stdout.startswith("8 pictures: 4 of each label\n")
    assert f"dropout on: cross entropy {mean:.4f}, right {right} of 100, {right}.0%" in done.stdout
    assert "written: my model.doc (the model), it's.log (a line for each generation)" in done.stdout
    lines = dict(re.findall(r"^([\w ]+): +(\S.*)$", done.stdout, re.MULTILINE))
    for line, expected in (("classify a picture", r"img001-00001\.png: [01], \d+\.\d%\n"),
                           ("draw its graphs", r"written: \./right\.png")):  # fmt: skip
        typed = subprocess.run(lines[line], shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert re.search(expected, typed.stdout), typed.stderr


def test_it_runs_twice_in_one_shell_and_says_how_to_install_matplotlib(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["controller.py", "--generations", "3"])
    monkeypatch.delattr(sys.modules["__main__"], "__spec__", raising=False)  # %run in IPython has none
    for found, said in ((None, True), (sys, False)):
        monkeypatch.setattr(controller.importlib.util, "find_spec", lambda name, found=found: found)
        assert controller.main() == 0
        shown = capsys.readouterr().out
        assert "3 in all" in shown
        assert bool(re.search(f"for graphs, first: +{INSTALL}matplotlib", shown)) is said


def test_the_defaults_are_the_papers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["controller.py"])
    papers = {"alpha": 5e-9, "generations": 180_834, "labels": ["0", "1"], "dataset": "dataset", "output_sum": 100,
              "dropout": True}  # fmt: skip
    assert {name: value for name, value in vars(training.Settings()).items() if value} == papers
    files = {"model_file": "model.doc", "metadata_file": "metadata.doc", "resume": False}
    given = controller.parse_options()
    assert files.items() <= given.items()
    assert training.Settings(**{name: given[name] for name in given if name not in files}) == training.Settings()
    monkeypatch.setattr(sys, "argv", ["controller.py", "--train-kernels", "--kernels", "12", "24"])
    assert controller.parse_options()["kernels"] == [12, 24]
    assert training.Settings(train_kernels=True, kernels=(12, 24)).alpha == 0.007
    assert training.Settings(train_kernels=True).alpha == 0.003


def test_help_says_each_default(run_script):
    shown = " ".join(run_script("controller.py", "--help").stdout.split())
    assert shown.startswith("usage: controller.py [-h] ")
    assert run_script("experiments.speed", "--help").stdout.startswith("usage: python -m experiments.speed [-h] ")
    for default in ("0.000000005, the", "180834, the", "0 1, the", "model.doc", "metadata.doc", "100, the", "6 6, the"):
        assert f"(default: {default}" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_one_line_is_kept_up_to_date_and_ctrl_c_says_how_to_continue(dataset, tmp_path, run_script):
    ours, theirs = os.openpty()
    options = "--generations", "100000000", "--seed", "1", "--metadata", "a.log"
    command = [sys.executable, ROOT / "controller.py", *options]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, env={**os.environ, "COLUMNS": "80"})
    os.close(theirs)
    shown = b""
    while shown.count(b"\r") < 4:
        assert select.select([ours], [], [], 60)[0]
        shown += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    while b"--resume" not in shown:
        shown += os.read(ours, 1000)
    assert process.wait(60) == 130
    os.close(ours)
    assert metadata.read_header(tmp_path / "a.log")[1] == len(metadata.read_metadata(tmp_path / "a.log")) > 0
    lines = [line.rstrip() for line in shown.decode().split("\r") if "a second" in line]
    assert max(len(line.split("\n")[0]) for line in lines) < 80
    assert re.search(r"0\.\d%  [\d,]+ a second  \d+ h \d+ min left  cross entropy \d\.\d{4}", lines[0])
    assert re.search(r"continue: +\S.*controller\.py --metadata a\.log --resume", shown.decode())


@pytest.mark.parametrize(
    ("script", "arguments", "code", "said"),
    [
        ("controller.py", ["--alpha", "fast"], 2, "--alpha: expected a number with a point, such as 0.1, found 'fast'"),
        ("controller.py", ["--generations", "1e5"], 2, "expected a whole number without commas, found '1e5'"),
        ("controller.py", ["--no-such-option"], 2, "unrecognized arguments: --no-such-option"),
        ("controller.py", ["--labels", "0 1"], 1, "without quotes it is several: --labels 0 1"),
        ("controller.py", ["--dataset", "absent"], 1, f"; start in {ROOT}, or name the folder that holds it"),
        ("controller.py", ["--model", "absent/model.doc"], 1, "its folder does not exist, make it first"),
        ("controller.py", ["--model", "metadata.doc.resume"], 1, "the log or a file beside it has this name"),
        ("controller.py", ["--model", ""], 1, "expected the name of a file"),
        ("controller.py", ["--labels", "0", "a"], 1, "has folders for these labels: 0 1"),
        ("controller.py", ["--resume"], 1, "not found, so there is nothing to resume; to start a training: "),
        ("cnn.py", [], 2, "required: PICTURE"),
        ("cnn.py", ["model.doc"], 1, "model.doc, line 1: this is not a model"),
        ("cnn.py", ["dataset", "--model", SHIPPED], 1, "dataset: Is a directory"),
        ("network.py", ["dataset/0/img001-00001.png", "--output", "net.jpg"], 2, "net.jpg"),
        ("network.py", ["absent.png", "--model", SHIPPED], 1, "absent.png: No such file or directory"),
        ("results.py", ["absent.doc"], 1, "absent.doc: No such file or directory"),
        ("results.py", ["--window", "0"], 2, "--window: expected a whole number, 1 or more, found 0; see "),
        ("experiments.evaluate", ["model.doc", "dataset"], 1, "model.doc, line 1: this is not a model"),
        ("experiments.reproduction", ["absent"], 1, "expected a folder of pictures"),
    ],
)
def test_a_mistake_is_one_line_and_touches_nothing(dataset, tmp_path, run_script, script, arguments, code, said):
    for name in ("model.doc", "metadata.doc"):
        (tmp_path / name).write_text("mine")
    done = run_script(script, *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert said in done.stderr
    assert done.stderr.startswith(f"{script}: ")
    assert (tmp_path / "model.doc").read_text() == (tmp_path / "metadata.doc").read_text() == "mine"
    assert not list(tmp_path.glob("*.png"))


def test_a_full_disk_is_said_with_the_command_that_continues(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["controller.py", "--generations", "300", "--seed", "1"])
    with monkeypatch.context() as patch, pytest.raises(InputError) as caught:
        patch.setattr(os, "fsync", full_disk(9))
        controller.main()
    said = (
        r".*\.doc: No space left on device; make space, then continue with: .*controller\.py --metadata metadata\.doc"
    )
    assert re.fullmatch(said + " --resume", str(caught.value))
    monkeypatch.setattr(sys, "argv", ["controller.py", "--resume"])
    assert controller.main() == 0


def test_an_old_python_is_told_before_any_file_is_touched(tmp_path):
    old = "import sys; sys.version_info = (3, 8, 18); sys.path.insert(0, sys.argv[1]); import controller"
    done = subprocess.run([sys.executable, "-c", old, ROOT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(";")[0]) == (1, "expected Python 3.9 or newer, found 3.8")
    assert not list(tmp_path.iterdir())


def test_debians_own_python_is_told_to_use_apt(tmp_path, monkeypatch):
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("sys.prefix", "a virtual environment")
    assert install("matplotlib").endswith(" -m pip install matplotlib")
    monkeypatch.setattr("sys.prefix", sys.base_prefix)
    assert install("matplotlib") == "sudo apt install python3-matplotlib"
