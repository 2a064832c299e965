"""support/commandline.py: the line that keeps up, durations, and commands to be typed next."""

import io
import itertools
import os
import shutil
import sys
import time

import pytest

from support import commandline


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"),
     (7530, "2 h 5 min"), (100_000, "27 h 46 min")],
)  # fmt: skip
def test_a_duration_is_said_as_a_person_says_it(seconds, words):
    assert commandline.duration(seconds) == words


def test_a_share_is_a_count_and_a_percentage():
    assert commandline.share(1930, 2000) == "1,930 of 2,000, 96.5%"


def test_in_idle_and_without_a_screen_no_line_is_gone_back_in(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setitem(sys.modules, "idlelib", sys)
    for target in (stream, None):
        commandline.progress_line(target)("end", last=True)
    assert stream.getvalue() == "end\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_line_keeps_up_as_often_as_it_may(monkeypatch, terminal):
    now, stream = [100.0], io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((12, 9)))
    show, often = commandline.progress_line(stream), 0.25 if terminal else commandline.PLAIN_EVERY
    show("early")
    for text in ("first", "12345"):
        now[0] += often
        show(text, "1234", "5")
        now[0] += 0.7 * often
        show("too soon")
    now[0] += often
    show("longer than a line")
    show("end", last=True)
    show(last=True)
    shown = "\rfirst  1234\r12345  1234\rlonger than a line\rend               \n"
    shown = shown if terminal else "first  1234  5\n12345  1234  5\nlonger than a line\nend\n"
    assert stream.getvalue() == shown


def test_an_error_stands_on_a_line_of_its_own(monkeypatch):
    monkeypatch.setattr(time, "monotonic", itertools.count().__next__)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    sys.stderr.isatty = lambda: True

    def main():
        commandline.progress_line(sys.stderr)("1 of 2")
        raise commandline.InputError("bad")

    with pytest.raises(SystemExit):
        commandline.run(main)
    assert sys.stderr.getvalue() == f"\r1 of 2\n{commandline.script_name()}: bad\n"


def test_a_command_begins_with_the_python_that_runs_this(monkeypatch, tmp_path):
    names = {"python": "/usr/bin/python", "python3": "/usr/bin/python3"}
    monkeypatch.setattr(shutil, "which", names.get)
    monkeypatch.setattr(os, "getcwd", lambda: "/home/me")
    chosen = {"/usr/bin/python3": "python3", "/usr/bin/python": "python", "/opt/python": "/opt/python",
              "/opt/pythonw.exe": "/opt/python.exe",
              "/home/me/.venv/bin/python": ".venv/bin/python", "/home/mean/python": "/home/mean/python"}  # fmt: skip
    for python, word in chosen.items():
        monkeypatch.setattr(sys, "executable", python)
        assert commandline.command("a b.py", tmp_path).startswith(f"{word} 'a b.py' /")


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3), (FileNotFoundError(2, "gone", "x"), 1),
                                              (commandline.InputError("bad\n thing"), 1), (KeyboardInterrupt(), 130),
                                              (BrokenPipeError(), 1)])  # fmt: skip
def test_an_error_is_one_line_and_an_exit_code(monkeypatch, capsys, result, code):
    def main():
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(os, "dup2", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        commandline.run(main)
    assert (left.value.code or 0) == code
    assert len(capsys.readouterr().err.splitlines()) == (1 if isinstance(result, BaseException) else 0)
