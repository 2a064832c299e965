"""experiments/reproduction.py: its figures against a training of one's own, its table, and a run of the script."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, wait_for

import cnn
import metadata
import model
import training
from experiments import reproduction, shared
from support.files import InputError

PAPER = ROOT / "models" / "paper.doc"


def test_the_figures_of_a_training(dataset, tmp_path):
    files = tmp_path / "model.doc", tmp_path / "metadata.doc"
    trained = training.train(training.ALPHA, 400, *files, dataset=dataset, output_sum=10, seed=3)
    rows = metadata.read_metadata(files[1])
    figures = reproduction.measure(dataset, trained, rows)
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
    pictures = training.load_dataset(dataset, training.LABELS)
    entropy, right = reproduction.try_out(paper, pictures, 100)
    softmax = [(cnn.cnn(path, paper, output_sum=100), int(label))
               for label in "01" for path in sorted((dataset / label).iterdir())]  # fmt: skip
    assert entropy == pytest.approx(np.mean([-np.log10(found[true]) for found, true in softmax]))
    assert right == 100 * np.mean([found.argmax() == true for found, true in softmax])
    dropped = [
        reproduction.try_out(paper, pictures, 100, cnn.dropout_masks(np.random.PCG64(seed))) for seed in (1, 1, 2)
    ]
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
    assert reproduction.nearer(np.array(figures, float), number) == index


def test_mean_and_spread_as_text():
    assert reproduction.written(np.array([0.1, 0.2, 0.3]), "{:.3f}") == "0.200 ± 0.100"
    assert reproduction.written(np.array([0.25]), "{:.3f}") == "0.250"


def test_a_report(dataset, tmp_path, run_script):
    options = ("--generations", 200, "--seeds", 2)
    done = run_script("experiments.reproduction", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "4 of 4 trainings done"
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    lines = done.stdout.splitlines()
    assert lines[0] == "Trained on dataset (8 pictures): alpha 0.000000005, 200 generations, seeds 1 to 2."
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 12
    assert {row.count("|") for row in rows} == {5}

    def entropy(output_sum, seed):
        files = tmp_path / "model.doc", tmp_path / "metadata.doc"
        training.train(training.ALPHA, 200, *files, dataset=dataset, output_sum=output_sum, seed=seed)
        return metadata.read_metadata(files[1])["cross_entropy"][-100:].mean()

    expected = np.array([[entropy(total, seed) for seed in (1, 2)] for total in (100, 10)])
    cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(expected.mean(axis=1), expected.std(axis=1, ddof=1))]
    pattern = r" \| ".join(rf"(?:\*\*)?{re.escape(cell)}(?:\*\*)?" for cell in cells)
    assert re.fullmatch(rf"\| cross entropy, last 100 generations \| {pattern} \| 0\.1728 \|", rows[2])


@pytest.fixture
def long_training(dataset, tmp_path):
    """A run of the script that would take hours, in a group of processes of its own, once a training is under way."""
    process = subprocess.Popen([sys.executable, "-m", "experiments.reproduction", "--generations", "100000000"],
                               cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
                               start_new_session=True, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)  # fmt: skip
    wait_for(lambda: list(tmp_path.glob("*/*/metadata.doc")))
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def assert_all_have_ended(process, folder, code, words):
    """It said the words, and nothing else but how far it was; no process of its group is left, and no folder."""
    output, errors = process.communicate(timeout=60)
    said = [line for line in errors.splitlines() if not line.endswith("trainings done")]
    assert (output, said, process.returncode) == ("", [f"experiments.reproduction: {words}"], code)
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.killpg(process.pid, 0)  # is there any left?
            time.sleep(0.1)
    assert not list(folder.glob("tmp*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
def test_ctrl_c_ends_every_worker(long_training, tmp_path):
    os.killpg(long_training.pid, signal.SIGINT)  # as a terminal does
    os.killpg(long_training.pid, signal.SIGINT)
    assert_all_have_ended(long_training, tmp_path, 130, "stopped")


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for the workers where only Linux has them")
def test_a_worker_that_is_killed_ends_all(long_training, tmp_path):
    commands = {path.parent.name: path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
    workers = [int(number) for number, command in commands.items()
               if b"spawn_main" in command and os.getpgid(int(number)) == long_training.pid]  # fmt: skip
    os.kill(workers[-1], signal.SIGKILL)
    assert_all_have_ended(long_training, tmp_path, 1, "a worker was ended from outside; is there too little memory?")


def test_results_of_all_cores_stand_in_order(capsys):
    assert shared.on_all_cores(divmod, [(number, 3) for number in range(7)], "divisions") == [
        divmod(number, 3) for number in range(7)
    ]
    assert capsys.readouterr().err == "7 of 7 divisions done\n"
    with pytest.raises(ZeroDivisionError):
        shared.on_all_cores(divmod, [(1, 1), (1, 0), (1, 2)], "divisions")


def test_the_workers_ignore_ctrl_c_where_they_do_not_inherit_it():
    with shared.new_workers() as workers:
        assert workers.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), ImportError("no sem_open")])
def test_without_semaphores_one_line(monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(shared, "ProcessPoolExecutor", refuse)
    with pytest.raises(InputError, match=r"needs semaphores, on Linux a writable /dev/shm \("):
        shared.on_all_cores(divmod, [(1, 1)], "divisions")


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
    done = run_script("experiments.reproduction", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith("experiments.reproduction: ")
