"""experiments/ceiling.py: the regression that the models are held against."""

import os

import pytest
from conftest import ROOT

from experiments import ceiling


@pytest.mark.parametrize("dropout", [False, True])
def test_it_learns_what_it_is_shown(dataset, dropout):
    pytest.importorskip("sklearn")
    assert ceiling.ceiling(dataset, dataset, dropout) == (8, 8, 8)


def test_as_a_command(dataset, run_script):
    pytest.importorskip("sklearn")
    done = run_script("experiments.ceiling", dataset, dataset)
    assert (done.returncode, done.stderr) == (0, "")
    right = "8 of 8, 100.0%"
    assert done.stdout == f"right: {right}\nright, both cases of a letter counting as one: {right}\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["dataset"], 2), (["absent", "dataset"], 1), (["dataset", "absent"], 1), (["dataset/0", "dataset"], 1)],
)
def test_a_mistake_is_one_line(dataset, tmp_path, run_script, arguments, code):
    pytest.importorskip("sklearn")
    done = run_script("experiments.ceiling", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith("experiments.ceiling: ")


def test_without_scikit_learn_it_says_what_to_install(dataset, tmp_path, run_script):
    (tmp_path / "sklearn.py").write_text("raise ImportError", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run_script("experiments.ceiling", dataset, dataset, env={**os.environ, "PYTHONPATH": path})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "experiments.ceiling: the ceiling needs scikit-learn; install it with pip install scikit-learn\n"
    )


def test_nothing_else_needs_scikit_learn():
    sources = [path for folder in (".", "support", "sources", "experiments") for path in (ROOT / folder).glob("*.py")]
    assert [path.name for path in sources if "sklearn" in path.read_text(encoding="utf-8")] == ["ceiling.py"]
