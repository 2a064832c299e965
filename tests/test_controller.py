"""controller.py, started as a user starts it; and what all commands have in common: mistakes are one line."""

import os
import re
import select
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

import controller
import metadata
import training
from support.commandline import install


def test_it_trains_and_says_what_it_wrote_and_how_good_it_was(dataset, tmp_path, run_script):
    done = run_script("controller.py", "--generations", 300, "--seed", 5, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    right = int((rows["label"] == rows["predicted"])[-100:].sum())
    mean = rows["cross_entropy"][-100:].mean()
    assert done.stdout.startswith("8 pictures: 4 of each label\n")
    assert f"dropout on: cross entropy {mean:.4f}, right {right} of 100, {right}.0%" in done.stdout
    assert "written: model.doc (the model), metadata.doc (a line for each generation)" in done.stdout


def test_every_line_to_be_typed_next_works_as_it_stands(dataset, tmp_path, run_script):
    names = "--model", "my model.doc", "--metadata", "it's.log"
    done = run_script("controller.py", "--generations", 300, *names, cwd=tmp_path)
    lines = dict(re.findall(r"^([\w ]+): +(\S.*)$", done.stdout, re.MULTILINE))
    for line, expected in (("classify a picture", r"img001-00001\.png: [01], \d+\.\d%\n"),
                           ("draw its graphs", r"written: \./right\.png")):  # fmt: skip
        typed = subprocess.run(lines[line], shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert re.search(expected, typed.stdout), typed.stderr


def test_without_matplotlib_it_says_how_to_install_it(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["controller.py", "--generations", "3"])
    for found, said in ((None, True), (sys, False)):
        monkeypatch.setattr(controller.importlib.util, "find_spec", lambda name, found=found: found)
        controller.main()
        assert ("-m pip install matplotlib" in capsys.readouterr().out) is said


def test_the_defaults_are_the_papers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["controller.py"])
    defaults = training.train.__kwdefaults__
    assert (defaults["labels"], defaults["dataset"], defaults["output_sum"]) == (("0", "1"), "dataset", 100)
    assert (defaults["dropout"], defaults["kernels"]) == (True, (6, 6))
    assert [name for name, value in defaults.items() if value is True] == ["dropout"]
    assert controller.parse_options() == {"alpha": 5e-9, "generations": 180_834, "model_file": "model.doc",
                                          "metadata_file": "metadata.doc", "resume": False}  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["controller.py", "--train-kernels", "--kernels", "12", "24"])
    assert {"alpha": 0.007, "kernels": [12, 24]}.items() <= controller.parse_options().items()
    monkeypatch.setattr(sys, "argv", ["controller.py", "--train-kernels"])
    assert controller.parse_options()["alpha"] == 0.003


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
    lines = [line.rstrip() for line in shown.decode().split("\r") if "a second" in line]
    assert max(len(line.split("\n")[0]) for line in lines) < 80
    assert re.search(r"0\.\d%  [\d,]+ a second  \d+ h \d+ min left  cross entropy \d\.\d{4}", lines[0])
    assert re.search(r"continue: +\S.*controller\.py --metadata a\.log --resume", shown.decode())


CONTROLLER = [
    (["--alpha", "fast"], 2), (["--alpha", "-1"], 1), (["--no-such-option"], 2), (["extra"], 2),
    (["--model", "absent/model.doc"], 1), (["--model", "dataset"], 1), (["--metadata", "/dev/null"], 1),
    (["--resume"], 1), (["--model", "metadata.doc"], 1),
]  # fmt: skip
OTHERS = [
    ("cnn.py", [], 2), ("cnn.py", ["absent.png"], 1), ("cnn.py", ["dataset"], 1), ("cnn.py", ["model.doc"], 1),
    ("network.py", ["dataset/0/img001-00001.png", "--output", "net.jpg"], 2),
    ("network.py", ["absent.png"], 1), ("results.py", ["absent.doc"], 1), ("results.py", ["."], 1),
    ("results.py", ["--window", "0"], 2), ("preprocessing.py", ["absent.png"], 1), ("demo.py", ["--port", "-1"], 2),
    ("experiments.evaluate", ["model.doc", "dataset"], 1), ("experiments.evaluate", ["absent.doc", "dataset"], 1),
    ("experiments.reproduction", ["absent"], 1), ("experiments.pixel", ["model.doc"], 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "code"), [*(("controller.py", *mistake) for mistake in CONTROLLER), *OTHERS]
)
def test_a_mistake_is_one_line_and_touches_nothing(dataset, tmp_path, run_script, script, arguments, code):
    for name in ("model.doc", "metadata.doc"):
        (tmp_path / name).write_text("mine")
    done = run_script(script, *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"{script}: ")
    assert (tmp_path / "model.doc").read_text() == (tmp_path / "metadata.doc").read_text() == "mine"
    assert not list(tmp_path.glob("*.png"))


def test_a_wrong_folder_is_told_what_to_do(tmp_path, run_script):
    done = run_script("controller.py", cwd=tmp_path)
    assert done.stderr.endswith(f"; start in {ROOT}, or name the folder that holds it (--dataset)\n")
    done = run_script("controller.py", "--dataset", ROOT / "dataset", "--model", "absent/model.doc", cwd=tmp_path)
    assert done.stderr.endswith(
        "absent/model.doc: No such file or directory; its folder does not exist, make it first\n"
    )


def test_a_script_can_be_run_twice_in_one_shell(dataset, tmp_path):
    """%run in IPython does this; the main module there has no __spec__."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); del sys.modules['__main__'].__spec__; import controller; "
    code += "sys.argv = ['controller.py', '--generations', '3']; controller.main(); controller.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("3 in all") == 2


def test_debians_own_python_is_told_to_use_apt(tmp_path, monkeypatch):
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("sys.prefix", "a virtual environment")
    assert install("matplotlib").endswith(" -m pip install matplotlib")
    monkeypatch.setattr("sys.prefix", sys.base_prefix)
    assert install("matplotlib") == "sudo apt install python3-matplotlib"
