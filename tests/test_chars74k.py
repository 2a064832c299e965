"""chars74k.py and the pictures in dataset/."""

import hashlib

import numpy as np
import pytest
from conftest import ROOT, SHARED
from PIL import Image, ImageFont

import chars74k
import pictures


@pytest.fixture(scope="session")
def fonts():
    """A folder with fonts; skipped where the system has none."""
    for folder in map(str, (*chars74k.FONT_FOLDERS, *map(str, ROOT.glob(".venv*")))):
        if len(chars74k.find_faces([folder])) >= 2:
            return folder
    pytest.skip("no fonts on this machine")


def test_the_shipped_pictures():
    for label in "0123456789":
        paths = pictures.find_pictures(ROOT / "dataset", label)
        assert len(paths) == 260
        images = [np.asarray(Image.open(path)) for path in paths]
        assert {(image.shape, image.dtype) for image in images} == {((32, 32, 3), np.dtype(np.uint8))}
        assert len({image.tobytes() for image in images}) == 260
        heights = [np.ptp(np.nonzero((image.min(axis=2) < 128).any(axis=1))[0]) + 1 for image in images]
        assert 22 <= np.percentile(heights, 5) <= np.percentile(heights, 95) <= 25


def test_no_shipped_picture_is_a_copy_of_a_real_one(real_pictures):
    def marks(paths):
        return {hashlib.sha256(np.asarray(Image.open(path).convert("L")).tobytes()).digest() for path in paths}

    ours = marks(path for label in "0123456789" for path in pictures.find_pictures(ROOT / "dataset", label))
    real = marks(path for path, _ in real_pictures)
    assert len(ours & real) <= 2  # two fonts may draw one shape; a copied folder would have hundreds
    assert SHARED.is_dir()


def test_draw_is_centred_and_of_its_height(fonts):
    family, paths = chars74k.find_faces([fonts])[0]
    font = ImageFont.truetype(paths[0][0], chars74k.DRAWN_AT)
    for label in "017":
        ink = np.asarray(chars74k.draw(font, label, 24)).min(axis=2) < 250
        rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
        assert 22 <= np.ptp(rows) + 1 <= 24, family
        assert abs(rows[0] + rows[-1] - 31) <= 2
        assert abs(columns[0] + columns[-1] - 31) <= 2


def test_render_as_a_command_the_same_seed_the_same_pictures(fonts, tmp_path, run_script):
    for name in ("a", "b"):
        arguments = ("--dataset", name, "--per-label", 2, "--labels", 0, 1, "--fonts", fonts)
        done = run_script("chars74k.py", "render", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    written = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert [str(path) for path in written] == [
        f"{label}/img00{label + 1}-0000{n}.png" for label in (0, 1) for n in (1, 2)
    ]
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in written)
    again = run_script(
        "chars74k.py", "render", "--dataset", "a", "--per-label", 2, "--labels", 1, "--fonts", fonts, cwd=tmp_path
    )
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    assert "holds pictures already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--labels", "ab"], 2), (["--labels", "é"], 2), (["--fonts", "absent"], 1), ([], 0)]
)
def test_mistakes_are_one_line(tmp_path, run_script, arguments, code):
    command = ["render", "--dataset", "d", *arguments] if arguments else ["--help"]
    done = run_script("chars74k.py", *command, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, int(code > 0))
    assert not (tmp_path / "d").exists()
