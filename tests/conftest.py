"""What several test files share: the real pictures where they are, a small data set of our own, running a script."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sources.fonts import FONT_FOLDERS, find_faces
from support.commandline import Silent

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, Ctrl-C would be ignored below
INSTALL = r"(sudo apt install python3-|.* -m pip install )"  # as support.commandline.install() says it


@pytest.fixture(scope="session")
def real_pictures():
    """The paper's 520 training pictures, as (path, label); skipped where they are absent."""
    folder = SHARED / "chars74k"
    if not folder.is_dir():
        pytest.skip("the real Chars74K pictures are not on this machine")
    return [(path, label) for label in "01" for path in sorted((folder / label).glob("*.png"))]


@pytest.fixture
def dataset(tmp_path):
    """A small data set: four circles as 0, four strokes as 1."""
    for label in "01":
        folder = tmp_path / "dataset" / label
        folder.mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", (32, 32), "white")
            pen = ImageDraw.Draw(image)
            if label == "0":
                pen.ellipse((8 - number, 4, 23 + number, 27), outline="black", width=3)
            else:
                pen.line((16 - number, 4, 16, 27), fill="black", width=3)
            image.save(folder / f"img00{int(label) + 1}-0000{number + 1}.png")
    return tmp_path / "dataset"


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def run_script():
    """Start a script as a user does, "controller.py" or "experiments.speed"; what subprocess.run() returns, as text."""

    def start(script, *arguments, **options):
        script = [str(ROOT / script)] if script.endswith(".py") else ["-m", script]
        command = [sys.executable, "-W", "error", *script, *map(str, arguments)]
        options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, **options}  # for -m, in a folder of the test's own
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)

    return start


@pytest.fixture(scope="session")
def fonts(tmp_path_factory):
    """A folder with a font each of 12 to 24 families; skipped where the system has fewer."""
    families = find_faces([*FONT_FOLDERS, *map(str, ROOT.glob(".venv*"))])
    if len(families) < 12:
        pytest.skip("too few fonts on this machine")
    folder = tmp_path_factory.mktemp("fonts")
    for _, faces in families[:: len(families) // 12][:24]:
        path = faces[0][0]
        shutil.copy(path, folder / os.path.basename(path))
    return str(folder)


def screen_of(**calls):
    """A screen for train(): say, loading and progress call these functions, or nothing."""
    screen = Silent()
    vars(screen).update(calls)
    return screen


def full_disk(operations=0):
    """A function in place of os.fsync: after so many calls the disk is full."""
    left = iter(range(operations))

    def fsync(_):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    return fsync


def wait(condition, explain=str):
    """Come back when the condition holds; fail after a minute, with what explain() says."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.02)
