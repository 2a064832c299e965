"""network.py: the place of each weight, the page as a file."""

import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import cnn
import model
import network

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("count", [1, 6, 48])
def test_a_sheet_keeps_each_map_whole(rng, count):
    maps = rng.random((count, 5, 5))
    sheet = network.sheet(maps, 1.5)
    columns = (sheet.shape[1] + 1) // 6
    for number in range(count):
        top, left = 6 * (number // columns), 6 * (number % columns)
        np.testing.assert_array_equal(sheet[top : top + 5, left : left + 5], maps[number])
    assert np.isfinite(sheet).sum() == count * 25


@pytest.mark.parametrize(("count", "kernels"), [(2, (6, 6)), (62, (16, 48)), (3, (1, 2))])
def test_a_page_shows_every_map_and_every_label(rng, count, kernels):
    made = model.start_model(CHARACTERS[:count], rng, train_kernels=True, kernels=kernels)
    picture = rng.integers(1, 256, size=(32, 32)).astype(np.uint8)
    steps = cnn.forward(picture, made)
    figure = network.draw(steps, model.parts_of(made), "about")
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    red, _, blue, _ = figure.axes[1].images[0].get_cmap()(1.0)
    assert blue > red  # of positive numbers
    values = [np.isfinite(image.filled(np.nan)).sum() for image in images]
    sizes = [(kernels[0], 25), (kernels[0], 28**2), (kernels[0], 14**2), (kernels[0] * kernels[1], 25),
             (kernels[1], 10**2), (kernels[1], 25), (count * kernels[1], 25)]  # fmt: skip
    assert values == [32**2, *(maps * size for maps, size in sizes)]
    np.testing.assert_allclose(images[0][:, :32], picture / picture.max())
    np.testing.assert_array_equal(images[1][:5, :5], made[0][0].reshape(5, 5))
    weights = network.sheet(made[2].reshape(count, -1)[0, :-1].reshape(-1, 5, 5), 1.5)
    space = max(3, len(weights) // 3)
    np.testing.assert_array_equal(images[-1].filled(np.nan)[space : space + len(weights), : weights.shape[1]], weights)
    bars, shown = (axes for axes in figure.axes if not axes.images or axes.texts)
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], 100 * steps.softmax)
    assert [text.get_text().split("   ")[0] for text in shown.texts] == list(CHARACTERS[:count])
    assert count > 12 or f"(bias {made[2].reshape(count, -1)[0, -1]:.2g})" in shown.texts[0].get_text()
    best = f"answer: {CHARACTERS[steps.softmax.argmax()]}, with a probability of {steps.softmax.max():.1%}"
    assert best in figure.subfigs[0].texts[0].get_text()


def test_a_page_as_a_file_with_names_and_labels_of_any_kind(dataset, tmp_path, rng, run_script):
    name_of_picture = os.fsdecode(b"$one\xff$.png") if sys.platform == "linux" else "$one$.png"  # no UTF-8
    shutil.copy(dataset / "1" / "img002-00001.png", tmp_path / name_of_picture)
    made = model.start_model(["$x$", "\u4e00", "a-long-label", "_"], rng)
    model.write_model(made, tmp_path / "model.doc")
    for name, more in (("network.png", []), ("trimmed.png", ["--trim", "--output", "trimmed.png"])):
        done = run_script("network.py", name_of_picture, *more, cwd=tmp_path)
        assert (done.stderr, done.stdout) == ("", f"written: {name}\n")
    assert (tmp_path / "network.png").read_bytes() != (tmp_path / "trimmed.png").read_bytes()
    with Image.open(tmp_path / "network.png") as page:
        assert (page.format, page.size) == ("PNG", (2400, 1800))
        pixels = np.asarray(page.convert("RGB")).astype(int)
    assert (pixels == 255).all(axis=2).mean() > 0.2
    assert (pixels[..., 2] > pixels[..., 0] + 80).any()  # blue, above 0
