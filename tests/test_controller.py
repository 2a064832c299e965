"""controller.py, started as a user starts it."""

import os
import re
import select
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, wait_for

import controller
import metadata
import model

SMALL = ("--generations", 300, "--seed", 5)


def test_it_trains_and_says_what_it_wrote_how_good_it_was_and_how_to_go_on(dataset, tmp_path, run_script):
    done = run_script("controller.py", *SMALL, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert len(rows) == 300
    assert model.read_model(tmp_path / "model.doc")[3] == ["0", "1"]
    right = int((rows["label"] == rows["predicted"])[-100:].sum())
    assert f"cross entropy {rows['cross_entropy'][-100:].mean():.4f}  right {right} of 100 ({right}.0%)" in done.stdout
    assert "model.doc" in done.stdout
    assert "python results.py metadata.doc" in done.stdout


def test_the_command_it_ends_with_classifies_a_picture(dataset, tmp_path, run_script):
    done = run_script("controller.py", *SMALL, cwd=tmp_path)
    code = re.search(r'python -c "(.*)"', done.stdout).group(1).replace("my_digit.png", "dataset/0/img001-00001.png")
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert np.array(shown.stdout.strip("[]\n").split(), float).sum() == pytest.approx(1)


def test_the_seed_is_said_and_repeats_the_run(dataset, tmp_path, run_script):
    done = run_script("controller.py", "--generations", 50, cwd=tmp_path)
    seed = re.search(r"^seed (\d+)$", done.stdout, re.MULTILINE).group(1)
    written = (tmp_path / "model.doc").read_bytes()
    run_script("controller.py", "--generations", 50, "--seed", seed, cwd=tmp_path)
    assert (tmp_path / "model.doc").read_bytes() == written


def test_the_defaults_are_the_papers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["controller.py"])
    assert vars(controller.parse_options()) == {
        "alpha": 5e-9,
        "generations": 180_834,
        "labels": ["0", "1"],
        "dataset": "dataset",
        "output_sum": 100,
        "seed": None,
        "alpha_decay": False,
        "average": False,
        "trim": False,
        "dropout": True,
        "model_file": "model.doc",
        "metadata_file": "metadata.doc",
        "resume": False,
    }


def test_help_says_each_default(run_script):
    shown = " ".join(run_script("controller.py", "--help").stdout.split())
    for default in (
        "0.000000005, the paper's",
        "180834, the paper's",
        "0 1, the paper's",
        "model.doc, the paper's",
        "100, the",
    ):
        assert f"(default: {default}" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--alpha", "fast"], 2),
        (["--alpha", "-1"], 2),
        (["--generations", "1.5"], 2),
        (["--labels", "0"], 2),
        (["--seed", "-1"], 2),
        (["--output-sum", "0"], 2),
        (["--no-such-option"], 2),
        (["extra"], 2),
        (["--labels", "0", "7"], 1),
        (["--dataset", "absent"], 1),
        (["--model", "absent/model.doc"], 1),
        (["--model", "dataset"], 1),
        (["--metadata", "absent/metadata.doc"], 1),
    ],
)
def test_a_mistake_is_one_line_and_touches_nothing(dataset, tmp_path, run_script, arguments, code):
    for name in ("model.doc", "metadata.doc"):
        (tmp_path / name).write_text("mine")
    done = run_script("controller.py", "--seed", "1", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("controller.py: ")
    assert (tmp_path / "model.doc").read_text() == (tmp_path / "metadata.doc").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_both_files_complete(dataset, tmp_path, number):
    process = subprocess.Popen([sys.executable, ROOT / "controller.py", "--generations", "100000000"], cwd=tmp_path,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    wait_for(lambda: (tmp_path / "metadata.doc").exists() and metadata.read_header(tmp_path / "metadata.doc")[1])
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert rows["generation"].tolist() == list(range(1, len(rows) + 1))
    assert f"stopped after {len(rows):,} generations" in out
    assert "controller.py --resume" in out
    assert metadata.read_header(tmp_path / "metadata.doc")[1] == len(rows)
    assert len(model.read_model(tmp_path / "model.doc")) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_one_line_keeps_up(dataset, tmp_path):
    ours, theirs = os.openpty()
    process = subprocess.Popen([sys.executable, ROOT / "controller.py", "--generations", "100000000", "--seed", "1"],
                               cwd=tmp_path, stdout=theirs, env={**os.environ, "COLUMNS": "120"})  # fmt: skip
    os.close(theirs)
    shown = b""
    while shown.count(b"\r") < 3:
        assert select.select([ours], [], [], 60)[0]
        shown += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(ours)
    assert b"\n" not in shown
    assert re.search(
        r"generation [\d,]+ \(0\.\d%\)  cross entropy \d\.\d+  right \d+ of 100 .* a second  .* left", shown.decode()
    )
