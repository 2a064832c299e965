"""Each script a user starts: one line where it cannot start, is stopped at once, or nobody reads what it prints."""

import ast
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import metadata
import support
import training
from support import SCRIPTS
from support.commandline import ROOT as OURS

MODULES = sorted(
    f"{folder}.{path.stem}"
    for folder in ("experiments", "sources")
    for path in (ROOT / folder).glob("*.py")
    if "run(main)" in path.read_text(encoding="utf-8")
)
STARTED = pytest.mark.parametrize("script", [*SCRIPTS, *MODULES])
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals and pipes of this kind")


def words_of(script):
    """What comes after `python` to start a script."""
    return [ROOT / script] if script.endswith(".py") else ["-m", script]


def test_the_scripts_are_those_that_run():
    assert [path.name for path in sorted(ROOT.glob("*.py")) if "run(main)" in path.read_text(encoding="utf-8")] == [
        *SCRIPTS
    ]
    assert os.path.samefile(OURS, ROOT)


@STARTED
def test_without_numpy_or_pillow_it_says_what_to_install(script):
    done = subprocess.run(
        [sys.executable, "-S", *words_of(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"this needs numpy, which this Python has not; install it with {sys.executable} -m pip install numpy, "
        "or sudo apt install python3-numpy\n"
    )


def test_without_pillow_alone(tmp_path):
    (tmp_path / "numpy.py").write_text("")
    done = subprocess.run([sys.executable, "-S", ROOT / "cnn.py"], env={**os.environ, "PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "pip install pillow, or sudo apt install python3-pil" in done.stderr


def test_what_to_install_with_can_be_typed(monkeypatch):
    words = {"/usr/bin/python3": "/usr/bin/python3 ", "C:/My Python/pythonw.exe": '"C:/My Python/python.exe" '}
    for python, typed in words.items():
        monkeypatch.setattr(sys, "executable", python)
        assert support.pip_install("numpy") == f"{typed}-m pip install numpy"


@STARTED
def test_an_older_python_is_told_so(script):
    start = f"run_path({script!r}" if script.endswith(".py") else f"run_module({script!r}"
    code = f"import runpy, sys; sys.version_info = (3, 8, 19); sys.argv = ['-m']; runpy.{start}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("this needs Python 3.9 or newer, found ")
    assert len(done.stderr.splitlines()) == 1


@STARTED
def test_an_older_python_can_read_as_far_as_that(script):
    path = ROOT / (script if script.endswith(".py") else script.replace(".", "/") + ".py")
    first = [path, *([] if script.endswith(".py") else [path.parent / "__init__.py"]), ROOT / "support" / "__init__.py"]
    for file in first:
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))
    starts = ast.parse(first[-2].read_text(encoding="utf-8")).body[1]  # after the docstring
    assert "support" in ast.unparse(starts)


@unix
@STARTED
def test_ctrl_c_while_it_starts_is_one_line(tmp_path, script):
    (tmp_path / "numpy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run([sys.executable, *words_of(script)], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.parametrize("script", ["", "mine.py", "cnn.py"])
def test_only_a_script_of_ours_takes_ctrl_c_over_and_run_gives_it_back(script):
    code = (
        f"import signal, sys; sys.argv = [{script!r}]; import cnn; default = signal.default_int_handler\n"
        "def main(): print(signal.getsignal(signal.SIGINT) is default)\n"
        "main()\ncnn.run(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(script != "cnn.py"), "True"]


@unix
def test_ctrl_c_is_not_lost_where_python_ignores_errors():
    code = (
        "import sys; sys.argv = ['cnn.py']; import os, signal, weakref; from support.commandline import run\n"
        "class Any: pass\n"
        "def main():\n"
        "    any = Any(); seen = weakref.ref(any, lambda _: os.kill(os.getpid(), signal.SIGINT)); del any\n"
        "    print('went on')\n"
        "run(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


def closed_pipe():
    """A pipe's end for writing, whose other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@unix
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_nowhere_to_print(dataset, tmp_path, closed):
    for words in (f"{ROOT}/controller.py --generations 50", f"-m experiments.evaluate {ROOT}/models/paper.doc dataset"):
        done = subprocess.run(f"{sys.executable} {words} {closed}", shell=True, cwd=tmp_path, capture_output=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b""), words


@unix
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("experiments.evaluate", [ROOT / "models" / "paper.doc", "dataset"]),
        ("cnn.py", ["dataset/0/img001-00001.png", "--model", ROOT / "models" / "paper.doc"]),
        ("preprocessing.py", ["dataset/0/img001-00001.png"]),
    ],
)
def test_nobody_reads_on(dataset, tmp_path, script, arguments):
    command = [sys.executable, *words_of(script), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, check=False,
                          stdout=closed_pipe(), stderr=subprocess.PIPE)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, f"{script}: stopped, since nobody reads on what it prints\n")


@unix
def test_nobody_reads_on_what_a_training_prints(dataset, tmp_path):
    code = (
        "import sys; sys.argv[0] = 'controller.py'; import controller, support.commandline\n"
        "support.commandline.PLAIN_EVERY = 0\ncontroller.run(controller.main)"
    )
    command = [sys.executable, "-c", code, "--generations", "100000000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    while "generation" not in process.stdout.readline():
        pass
    process.stdout.close()
    with process.stderr as stream:
        error = stream.read()
    assert (process.wait(60), error) == (1, "controller.py: stopped, since nobody reads on what it prints\n")
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    files = tmp_path / "model.doc", tmp_path / "metadata.doc"
    assert len(rows) == metadata.read_header(files[1])[1] > 0
    training.train(5e-9, len(rows) + 5, *files, dataset=dataset, resume=True)
    assert len(metadata.read_metadata(files[1])) == len(rows) + 5
