"""controller.py, started as a user starts it."""

import os
import re
import select
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, wait_for

import controller
import metadata
import model
import training

SMALL = ("--generations", 300, "--seed", 5)


def test_it_trains_and_says_what_it_wrote_how_good_it_was_and_how_to_go_on(dataset, tmp_path, run_script):
    done = run_script("controller.py", *SMALL, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = metadata.read_metadata(tmp_path / "metadata.doc")
    assert len(rows) == 300
    assert model.read_model(tmp_path / "model.doc")[3] == ["0", "1"]
    right = int((rows["label"] == rows["predicted"])[-100:].sum())
    mean = rows["cross_entropy"][-100:].mean()
    assert f"dropout on: cross entropy {mean:.4f}, right {right} of 100, {right}.0%" in done.stdout
    assert "written: model.doc (the model), metadata.doc" in done.stdout


def typed(line, folder):
    """What a line that was printed to be typed next does, in the folder it was printed in."""
    return subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_every_line_to_be_typed_next_works_as_it_stands(dataset, tmp_path, run_script):
    files = ("--model", "my model.doc", "--metadata", "it's.log")
    done = run_script("controller.py", *SMALL, *files, cwd=tmp_path)
    lines = dict(re.findall(r"^([\w ]+): +(\S.*)$", done.stdout, re.MULTILINE))
    assert re.search(r"img001-00001\.png: [01], \d+\.\d%\n", typed(lines["classify a picture"], tmp_path).stdout)
    assert "written: ./right.png" in typed(lines["draw its graphs"], tmp_path).stdout
    process = subprocess.Popen([sys.executable, ROOT / "controller.py", "--generations", "100000000", *files],
                               cwd=tmp_path, stdout=subprocess.PIPE, text=True)  # fmt: skip
    wait_for(lambda: (metadata.read_header(tmp_path / "it's.log")[1] or 300) != 300)
    process.send_signal(signal.SIGINT)
    go_on = re.search(r"^go on: +(.*--resume)$", process.communicate(timeout=60)[0], re.MULTILINE)[1]
    reached = metadata.read_header(tmp_path / "it's.log")[1]
    assert f"{reached + 5:,} in all" in typed(f"{go_on} --generations {reached + 5}", tmp_path).stdout


def test_the_seed_is_said_and_repeats_the_run(dataset, tmp_path, run_script):
    done = run_script("controller.py", "--generations", 50, cwd=tmp_path)
    seed = re.search(r"^seed (\d+)$", done.stdout, re.MULTILINE).group(1)
    written = (tmp_path / "model.doc").read_bytes()
    run_script("controller.py", "--generations", 50, "--seed", seed, cwd=tmp_path)
    assert (tmp_path / "model.doc").read_bytes() == written


def test_the_defaults_are_the_papers(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["controller.py"])
    defaults = training.train.__kwdefaults__
    assert (defaults["labels"], defaults["dataset"], defaults["output_sum"]) == (("0", "1"), "dataset", 100)
    assert defaults["dropout"]
    assert not any(defaults[name] for name in ("alpha_decay", "average", "trim", "resume"))
    assert controller.parse_options() == {
        "alpha": 5e-9,
        "generations": 180_834,
        "model_file": "model.doc",
        "metadata_file": "metadata.doc",
        "resume": False,
    }


def test_help_says_each_default(run_script):
    shown = " ".join(run_script("controller.py", "--help").stdout.split())
    assert shown.startswith("usage: controller.py [-h] ")
    assert run_script("experiments.speed", "--help").stdout.startswith("usage: python -m experiments.speed [-h] ")
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
        (["--alpha", "-1"], 1),
        (["--generations", "1.5"], 2),
        (["--labels", "0"], 1),
        (["--seed", "-1"], 1),
        (["--output-sum", "0"], 1),
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


def test_labels_in_quotes_and_another_folder_are_told_what_to_do(tmp_path, run_script):
    done = run_script("controller.py", "--labels", "0 1", cwd=tmp_path)
    assert done.stderr.endswith("'0 1' is a single label; without quotes it is several: --labels 0 1\n")
    done = run_script("controller.py", cwd=tmp_path)
    assert done.stderr.endswith(f"; start in {ROOT}, or name the folder that holds it (--dataset)\n")
    assert len(done.stderr.splitlines()) == 1
    done = run_script("controller.py", "--dataset", ROOT / "dataset", "--model", "absent/model.doc", cwd=tmp_path)
    assert done.stderr.endswith("absent/model.doc: No such file or directory; its folder is not there, make it first\n")
    assert not list(tmp_path.iterdir())


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
    assert out.endswith(" --model model.doc --metadata metadata.doc --resume\n")
    assert metadata.read_header(tmp_path / "metadata.doc")[1] == len(rows)
    assert len(model.read_model(tmp_path / "model.doc")) == 5


def test_on_a_terminal_one_line_keeps_up(dataset, tmp_path):
    try:
        ours, theirs = os.openpty()
    except (AttributeError, OSError):
        pytest.skip("no pseudo-terminals here, as on Windows and in a bare chroot")
    process = subprocess.Popen([sys.executable, ROOT / "controller.py", "--generations", "100000000", "--seed", "1"],
                               cwd=tmp_path, stdout=theirs, env={**os.environ, "COLUMNS": "80"})  # fmt: skip
    os.close(theirs)
    shown = b""
    while shown.count(b"\r") < 3:
        assert select.select([ours], [], [], 60)[0]
        shown += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(ours)
    assert b"\n" not in shown
    lines = [line.rstrip() for line in shown.decode().split("\r")[1:-1]]
    assert max(map(len, lines)) < 80
    figures = r"cross entropy \d\.\d{4}(  right \d+ of 100, \d+\.\d%)?"
    assert re.fullmatch(rf"0\.\d%  [\d,]+ a second  \d+ (h|min) \d+ (min|s) left  {figures}", lines[-1])
