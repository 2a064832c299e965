"""benchmark.py: it runs, and measures what it says. How fast anything is, no test asks."""

import benchmark
import numpy as np

import training


def test_the_table_as_a_command(run_script):
    done = run_script("benchmark.py", "--rounds", 1)
    assert done.returncode == 0, done.stderr
    for row in (
        "(a) bare arithmetic",
        "(b) a generation of training.train()",
        "(d) the same in plain Python",
        "| 520 |",
        "16 clients at once",
    ):
        assert row in done.stdout
    assert "Kept a picture between generations: 2,352 bytes" in done.stdout


def test_the_large_data_set_has_chars74ks_number_of_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "CHARS74K", 2_623)
    benchmark.large_dataset(tmp_path)
    assert sum(len(training.find_pictures(tmp_path, label)) for label in "0123456789") == 2_623


def test_a_generation_is_timed_from_the_first_on(monkeypatch):
    monkeypatch.setattr(benchmark, "GENERATIONS", 50)
    marks = benchmark.training_run(50)
    assert (marks[0][1], marks[-1][1]) == (0, 50)
    assert np.isfinite(benchmark.our_generation())
