"""docs/exercises.md and docs/theory.md: what they say to type works as it stands, and prints what they say."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageDraw

import cnn
import training


def parts(page):
    """The parts of a page, each from its heading to the next."""
    return re.split(r"^## ", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


EXERCISES, THEORY = parts("exercises.md"), parts("theory.md")
NEEDED = ("dataset", "experiments", "models", "support")


def blocks(exercise):
    """An exercise's lines to be typed: (whether into a Python shell, lines) for each block."""
    found = re.findall(r"^```(python)?\n(.*?)^```$", exercise, re.MULTILINE | re.DOTALL)
    return [(language == "python", text.splitlines()) for language, text in found]


def answer(exercise):
    """What an exercise's answer shows as printed: the texts in backticks that are neither an option nor a file."""
    text = re.search(r"<details><summary>Answer</summary>\n(.*?)</details>", exercise, re.DOTALL)[1]
    return [shown for shown in re.findall(r"`([^`]+)`", " ".join(text.split())) if not re.search(r"^--|\.md$", shown)]


def typed(is_python, lines, folder):
    """What the lines print, typed one by one; no error may be among it."""
    command = [sys.executable, "-c", "import code; code.interact(banner='')"]
    commands = [command] if is_python else [[sys.executable, *shlex.split(line)[1:]] for line in lines]
    printed = ""
    for command in commands:
        done = subprocess.run(command, input="\n".join([*lines, ""]) if is_python else None, cwd=folder,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True,
                              timeout=600, check=False)  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert "Error" not in done.stderr, done.stderr
        printed += re.sub(r"(>>>|\.\.\.) ", "", done.stdout)  # without the shell's prompts
    return " ".join(printed.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The project as a pupil has it, with a photo of a 0: dark on grey, unevenly lit paper."""
    folder = tmp_path_factory.mktemp("class")
    for path in ROOT.glob("*.py"):
        shutil.copy2(path, folder)
    for name in NEEDED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    photo = Image.linear_gradient("L").resize((1200, 900)).point(lambda value: 130 + value // 3)
    ImageDraw.Draw(photo).ellipse((200, 150, 400, 490), outline=40, width=26)
    photo.save(folder / "mine.jpg")
    return folder


@pytest.mark.slow
def test_what_is_typed_prints_what_the_answers_say_and_leaves_the_rest_alone(folder):
    before = others_in(folder)
    assert [exercise.split(".")[0] for exercise in EXERCISES] == [f"{number}" for number in range(1, 11)]
    for exercise in EXERCISES:
        printed = " ".join(typed(*block, folder) for block in blocks(exercise))
        assert blocks(exercise), exercise
        shown = answer(exercise)
        assert not [text for text in shown if not re.search(rf"(?<![\d.,]){re.escape(text)}(?!\d)", printed)], printed
        assert shown or printed.count("mine.jpg: 0, ") == 1, printed  # only with --trim
    assert others_in(folder) == before
    for name in ("mine-kernel.png", "mine-all.png", "mine-graphs/cross_entropy.png"):
        assert (folder / name).exists()


def others_in(folder):
    """Every file that is not the pupil's, with its time of change."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in paths if not path.relative_to(folder).parts[0].startswith("mine")}


def test_only_python_begins_a_command():
    lines = [line for exercise in EXERCISES for is_python, lines in blocks(exercise) for line in lines if not is_python]
    assert {line.split()[0] for line in lines} == {"python"}


def test_the_answers_that_no_line_prints():
    values = np.pad([[40, 42, 46], [46, 50, 55], [52, 56, 58]], 1).reshape(1, 5, 5)
    kernel = np.pad([[0, 0, 0], [0, 0, 0], [0, 0, 1]], 1)
    assert cnn.convolve(values, kernel.reshape(1, 25)).item() == 58
    text = " ".join(" ".join(EXERCISES).split())
    assert "For 58 the 1 must stand at the bottom right" in text
    assert "85.5%" in answer(EXERCISES[3])
    assert "its 85.5% in exercise 4" in text
    weights = np.array([[0.1, 0.3], [0.5, 0.1]])
    training.update(weights, 10, cnn.Trained(None, np.array([1, 0]), [0.5, 0.5], np.array([1, 2])))
    assert cnn.fully_connected(np.array([1, 2]), weights) == pytest.approx([25.7, -24.3])
    assert "25.7 and -24.3" in text


@pytest.mark.parametrize("part", THEORY, ids=lambda part: part.splitlines()[0])
def test_the_theory_prints_what_stands_behind_each_line(part):
    lines = [line for is_python, lines in blocks(part) if is_python for line in lines]
    shown = [line.split("  # ")[1] for line in lines if line.startswith("print(")]
    assert (typed(True, lines, ROOT) if lines else "") == " ".join(" ".join(shown).split())
    known = [*lines, *re.findall(r"^\|.*", part, re.MULTILINE)]  # tables
    if "docs/beyond.md" in part:
        known.append((ROOT / "docs" / "beyond.md").read_text(encoding="utf-8"))
    figure = r"(?<![\w.])\d+\.\d+"
    assert set(re.findall(figure, re.sub(r"  # .*", "", part))) <= set(re.findall(figure, " ".join(known)))


def test_the_lines_of_the_six_steps_are_those_that_run():
    code = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("training.py", "model.py"))
    lines = re.findall(r"^\| \d\. .*? \| `(.*?)`", THEORY[4], re.MULTILINE)
    assert len(lines) == 6
    assert not [line for line in lines if line not in code]
