"""network.py: the place of each weight, the page as a file."""

import os

import numpy as np
import pytest
from conftest import MATPLOTLIB, ROOT
from PIL import Image

import cnn
import model
import network

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PAPER = ROOT / "models" / "paper.doc"


def test_a_mosaic_keeps_each_map_whole(rng):
    maps = rng.random((6, 5, 5))
    sheet = network.mosaic(maps)
    assert sheet.shape == (11, 17)
    for number in range(6):
        top, left = 6 * (number // 3), 6 * (number % 3)
        np.testing.assert_array_equal(sheet[top : top + 5, left : left + 5], maps[number])
    assert np.isnan(sheet).sum() == 11 * 17 - 150


@pytest.mark.parametrize("count", [2, 10, 36, 62])
def test_a_page_shows_every_map_and_every_label(rng, count):
    made = model.start_model(CHARACTERS[:count], rng)
    picture = rng.integers(256, size=(32, 32, 3)).astype(np.uint8)
    figure = network.draw(cnn.read_pixels(picture), made, "about")
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(images) == 1 + 6 * 6 + count
    np.testing.assert_array_equal(images[0], picture.max(axis=2))
    np.testing.assert_array_equal(images[1:7], made[0].reshape(6, 5, 5))
    for label in range(count):
        weights = made[2].reshape(count, 151)[label, :150].reshape(6, 5, 5)
        np.testing.assert_array_equal(images[37 + label].filled(np.nan), network.mosaic(weights))
    bars = next(axes for axes in figure.axes if not axes.images)
    heights = [bar.get_height() for bar in bars.patches]
    np.testing.assert_allclose(heights, 100 * cnn.cnn(picture, made))
    assert [text.get_text() for text in bars.get_xticklabels()] == list(CHARACTERS[:count])
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(box.x0 > 0 and box.x1 < 1 and box.y0 > 0 and box.y1 < 1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(("trained", "numbers"), [(False, 25), (True, 0)])
def test_a_kernels_numbers_are_written_into_it_where_they_fit(rng, trained, numbers):
    figure = network.draw(np.full((32, 32), 255), model.start_model("01", rng, train_kernels=trained), "about")
    assert [len(axes.texts) for axes in figure.axes if axes.images][:8] == [0, *[numbers] * 6, 0]


def test_a_page_as_a_file_with_labels_of_any_kind(tmp_path, rng, run_script):
    Image.new("L", (300, 200), 255).save(tmp_path / "$white$.png")
    made = model.start_model(["$x$", "\u4e00", "a-long-label", "_"], rng)
    model.write_model(made, tmp_path / "model.doc")
    done = run_script("network.py", "$white$.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "written: network.png\n"
    with Image.open(tmp_path / "network.png") as page:
        assert (page.format, page.size) == ("PNG", (2200, 1630))
        pixels = np.asarray(page.convert("RGB")).astype(int)
    assert (pixels == 255).all(axis=2).mean() > 0.2
    assert (pixels[..., 2] > pixels[..., 0] + 80).any()  # blue, above 0


def test_the_papers_model_with_and_without_trim(dataset, tmp_path, run_script):
    for name, more in (("whole.png", []), ("trimmed.png", ["--trim"])):
        done = run_script("network.py", dataset / "1" / "img002-00001.png", "--model", PAPER,
                          "--output", tmp_path / name, *more)  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "whole.png").read_bytes() != (tmp_path / "trimmed.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["0.png", "--no-such-option"], 2),
        (["0.png", "--model", PAPER, "--output", "net.jpg"], 2),
        (["0.png"], 1),
        (["absent.png", "--model", PAPER], 1),
        ([PAPER, "--model", PAPER], 1),
        (["0.png", "--model", PAPER, "--output", "absent/network.png"], 1),
    ],
)
def test_a_mistake_is_one_line(tmp_path, run_script, arguments, code):
    Image.new("L", (32, 32)).save(tmp_path / "0.png")
    done = run_script("network.py", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert done.stderr.startswith("network.py: ")
    assert "Traceback" not in done.stderr


def test_without_matplotlib_one_line(tmp_path, run_script):
    Image.new("L", (32, 32)).save(tmp_path / "0.png")
    (tmp_path / "matplotlib.py").write_text("raise ImportError('as if it were not there')")
    done = run_script("network.py", "0.png", "--model", PAPER, cwd=tmp_path,
                      env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"network.py: {MATPLOTLIB}\n"
