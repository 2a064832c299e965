"""report.py: its figures against a training of one's own, its table, and a run of the script."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import report
from conftest import ROOT

import cnn
import metadata
import model
import training

PAPER = ROOT / "models" / "paper.doc"


def test_the_figures_of_a_training(dataset, tmp_path):
    figures = report.measure(tmp_path, dataset, dataset, 400, 10, 3)
    files = tmp_path / "model.doc", tmp_path / "metadata.doc"
    trained = training.train(report.ALPHA, 400, *files, dataset=dataset, output_sum=10, seed=3)
    rows = metadata.read_metadata(files[1])
    entropy, right = rows["cross_entropy"].tolist(), (rows["label"] == rows["predicted"]).tolist()
    means = [sum(entropy[end - 100 : end]) / 100 for end in range(201, 401)]
    found = [
        cnn.cnn(str(path), trained).argmax() == int(label) for label in "01" for path in (dataset / label).iterdir()
    ]
    expected = [
        sum(entropy[-100:]) / 100,
        sum(entropy) / 400,
        sum(right[-100:]),
        sum(right) / 4,
        np.std(means),
        100 * sum(found) / 8,
        np.std(trained[2]),
        np.corrcoef(trained[2][0], model.read_model(PAPER)[2][0])[0, 1],
    ]
    np.testing.assert_allclose(figures, expected, rtol=1e-9)


def test_trying_out_with_and_without_dropout(dataset):
    paper = model.read_model(PAPER)
    pictures = training.load_dataset(dataset, ["0", "1"])
    entropy, right = report.try_out(paper, pictures, 10)
    softmax = [cnn.cnn(maps, paper, output_sum=10) for maps, _ in pictures]
    assert entropy == pytest.approx(np.mean([-np.log10(p[true]) for p, (_, true) in zip(softmax, pictures)]))
    assert right == 100 * np.mean([p.argmax() == true for p, (_, true) in zip(softmax, pictures)])
    dropped = [report.try_out(paper, pictures, 10, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert dropped[0] == dropped[1] != dropped[2]
    assert dropped[0][0] != entropy


@pytest.mark.parametrize(
    ("figures", "number", "index"),
    [
        ([[1, 1.2], [2, 2.2]], 1.9, 1),
        ([[1, 1.2], [2, 2.2]], 0, 0),
        ([[1, 1.2], [2, 2.2]], None, None),
        ([[1, 3], [2, 4]], 9, None),  # within the spread
        ([[1], [1]], 2, None),
        ([[1], [3]], 4, 1),
    ],
)
def test_which_is_nearer(figures, number, index):
    assert report.nearer(np.array(figures, float), number) == index


def test_mean_and_spread_as_text():
    assert report.written(np.array([0.1, 0.2, 0.3]), "{:.3f}") == "0.200 ± 0.100"
    assert report.written(np.array([0.25]), "{:.3f}") == "0.250"


def test_a_report(dataset, tmp_path, run_script):
    options = ("--generations", 200, "--seeds", 2)
    done = run_script("report.py", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "4 of 4 trainings done"
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    lines = done.stdout.splitlines()
    assert lines[0] == "Trained on dataset (8 pictures): alpha 0.000000005, 200 generations, seeds 1 to 2."
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 12
    assert {row.count("|") for row in rows} == {5}
    expected = np.array(
        [[report.measure(tmp_path, dataset, dataset, 200, total, seed)[0] for seed in (1, 2)] for total in (100, 10)]
    )
    cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(expected.mean(axis=1), expected.std(axis=1, ddof=1))]
    pattern = r" \| ".join(rf"(?:\*\*)?{re.escape(cell)}(?:\*\*)?" for cell in cells)
    assert re.fullmatch(rf"\| cross entropy, last 100 generations \| {pattern} \| 0\.1728 \|", rows[2])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
def test_ctrl_c_ends_every_worker(dataset, tmp_path):
    process = subprocess.Popen([sys.executable, ROOT / "report.py", "--generations", "100000000"], cwd=tmp_path,
                               env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    for _ in range(600):
        if list(tmp_path.glob("*/*metadata.doc")):
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "report.py: stopped\n")
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)  # is there any left?
            time.sleep(0.1)
    assert not list(tmp_path.glob("tmp*"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--seeds", "0"], 2),
        (["--generations", "0"], 2),
        (["--generations", "few"], 2),
        (["--dataset", "absent"], 1),
        (["--test", "absent"], 1),
    ],
)
def test_a_mistake_is_one_line(dataset, tmp_path, run_script, arguments, code):
    done = run_script("report.py", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith("report.py: ")
