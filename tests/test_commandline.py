"""support/commandline.py: what all scripts share and no script's own tests see."""

import contextlib
import io
import itertools
import signal

from support import commandline


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_of_progress_ends_also_where_an_error_ends_its_work(monkeypatch):
    monkeypatch.setattr(commandline.time, "monotonic", itertools.count().__next__)  # a second from call to call
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with contextlib.suppress(ValueError), commandline.progress_line(stream) as show:
            show("1 of 9", "much more than fits " * 20)
            show("2 of 9")
            raise ValueError
    assert terminal.getvalue() == "\r1 of 9\r2 of 9\n"
    assert file.getvalue() == ""  # it says something every 5 seconds


def test_stars_are_replaced_in_the_order_of_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "c.png", "a.png", "[x].png"):
        (tmp_path / name).touch()
    assert commandline.expanded(["?.png", "[x].png", "no*"]) == ["a.png", "b.png", "c.png", "[x].png", "no*"]


def test_a_worker_that_leaves_ctrl_c_to_others_goes_on_doing_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with commandline.stop_on_signals() as stopped:
            signal.raise_signal(signal.SIGINT)
        assert not stopped.is_set()
    finally:
        signal.signal(signal.SIGINT, before)
