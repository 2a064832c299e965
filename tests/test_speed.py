"""experiments/speed.py: it runs, and measures what it says. How fast anything is, no test asks."""

import re

import numpy as np
import pytest

from experiments import speed


def test_the_table_as_a_command(run_script):
    done = run_script("experiments.speed", "--rounds", 1)
    assert done.returncode == 0, done.stderr
    assert all(line.endswith("1 rounds") for line in done.stderr.splitlines())  # where it takes more than a moment
    absent = re.findall(r"^\| (\(.\)).* \| not installed: pip install (?:torch|jax) \|  \|$", done.stdout, re.MULTILINE)
    measured = re.findall(r"^\| (\(.\)).* \| [\d,.]+ \| [\d.]* \|$", done.stdout, re.MULTILINE)
    assert set(absent) <= {"(c)", "(d)", "(f)", "(g)", "(h)"}
    assert sorted(absent + measured) == [f"({letter})" for letter in "abcdefghij"]
    assert re.search(r"^One picture classified by a new Python, import included: \d+ ms$", done.stdout, re.MULTILINE)
    assert re.search(r"^(Peak memory of a training: \d+ MB; |Memory is measured on Linux)", done.stdout, re.MULTILINE)
    assert "Kept a picture between generations: 2,352 bytes" in done.stdout


@pytest.mark.parametrize("rounds", ["0", "-1", "few"])
def test_rounds_are_one_or_more(run_script, rounds):
    done = run_script("experiments.speed", "--rounds", rounds)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "expected a whole number, 1 or more" in done.stderr


def test_a_generation_is_timed_from_the_first_on(monkeypatch):
    monkeypatch.setattr(speed, "GENERATIONS", 50)
    marks = speed.training_run(50)
    assert (marks[0][1], marks[-1][1]) == (0, 50)
    assert np.isfinite(speed.our_generation())


def test_medians_ratios_and_a_row_that_cannot_be_measured():
    times = {"floor": iter([1e-6, 2e-6, 4e-6]), "ours": iter([3e-6, 4e-6, 20e-6])}

    def absent():
        import no_such_package  # noqa: F401, PLC0415

    rows = [(name, lambda found=found: lambda: next(found)) for name, found in times.items()]
    assert speed.time_table([*rows, ("another", absent)], "a generation", "times floor", 3).splitlines() == [
        "| a generation | microseconds | times floor |",
        "| --- | --- | --- |",
        "| floor | 2.0 | 1.00 |",
        "| ours | 4.0 | 3.00 |",
        "| another | not installed: pip install no_such_package |  |",
    ]


def test_without_what_the_ratios_are_to_there_are_none():
    rows = [("JAX", lambda: __import__("no_such_package")), ("ours", lambda: lambda: 5e-6)]
    assert speed.time_table(rows, "a generation", "times JAX", 1).splitlines()[2:] == [
        "| JAX | not installed: pip install no_such_package |  |",
        "| ours | 5.0 |  |",
    ]


def test_growth_is_read_off_around_each_generation():
    generations = [0, *range(40_000, 1_000_001, 40_000), 1_000_000]
    marks = [(generation * 2e-5 if generation <= 500_000 else 10 + (generation - 500_000) * 3e-5, generation)
             for generation in generations]  # fmt: skip
    assert speed.length_table(marks).splitlines()[2:] == [
        "| 1,000 | 20.0 |",
        "| 100,000 | 20.0 |",
        "| 1,000,000 | 30.0 |",
    ]
