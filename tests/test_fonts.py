"""sources/fonts.py: characters drawn from fonts, plain and varied; and the pictures in dataset/, which are its own."""

import hashlib
import os
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageDraw, ImageOps

import preprocessing
from sources import fonts as source
from support import pictures


@pytest.fixture
def glyph():
    """A ring, as a varied glyph is."""
    image = Image.new("L", (48, source.GLYPH), "white")
    ImageDraw.Draw(image).ellipse((0, 0, 47, source.GLYPH - 1), outline="black", width=9)
    return image


# Glyphs.


def test_a_font_has_the_glyphs_that_differ_from_all_others(monkeypatch, glyph):
    narrow = glyph.resize((20, source.GLYPH))
    shapes = {source.MISSING: narrow, "0": glyph, "1": glyph.rotate(45), "2": narrow, "3": None}
    shapes.update({"4": glyph.transpose(Image.ROTATE_90), "5": glyph.transpose(Image.ROTATE_90)})
    monkeypatch.setattr(source, "open_file", lambda path: source.Strokes(os.devnull))
    monkeypatch.setattr(source, "cut_glyph", lambda font, character: shapes[character])
    glyph_of = source.open_font("a.ttf", "012345")
    assert [glyph_of(label) for label in "012345"] == [shapes["0"], shapes["1"], None, None, None, None]
    assert source.open_font("a.ttf", "04")("4") is shapes["4"]


def test_school_fonts_have_no_capitals_and_a_font_of_capitals_has_nothing(fonts, glyph, monkeypatch):
    assert source.one_case(lambda label: glyph)
    assert source.one_case(lambda label: glyph if label.isupper() else None)
    fonts = [faces[0][0] for _, faces in source.find_faces([fonts])[:20]]
    path = next(path for path in fonts if source.open_font(path, ["a"])("a"))

    def found(labels):
        return [label for label in labels if source.open_font(path, labels)(label)]

    assert found("aA0") == ["a", "A", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(source, "SCHOOL", re.compile("."))
        assert found("aA0") == ["a", "0"]
    monkeypatch.setattr(source, "one_case", lambda glyph_of: True)
    assert (found("a0"), found("0")) == ([], ["0"])


# Pictures of a glyph.


@pytest.mark.parametrize("size", [(48, 72), (72, 33), (45, 72), (72, 72), (30, 200)])
def test_a_glyph_stands_where_trim_puts_it(size):
    page = Image.new("L", (300, 300), "white")
    page.paste("black", (50, 40, 50 + size[0], 40 + size[1]))
    assert source.picture_of(Image.new("L", size, "black")).tobytes() == preprocessing.fit(page, trim=True).tobytes()


def test_varied_pictures_stand_where_plain_ones_do_with_strokes_of_pens(glyph, rng):
    for _ in range(200):
        varied = source.vary(glyph, False, rng)
        assert 1.2 < source.stroke_of(varied) * source.TRIMMED / max(varied.size) < 5.5
        rows, columns = np.nonzero(np.asarray(source.picture_of(varied).convert("L")) < 128)
        assert source.TRIMMED - 2 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= source.TRIMMED
        assert abs(rows.min() + rows.max() - 31) <= 3


def test_free_ends_of_handwriting_are_lengthened_or_cut_and_a_ring_has_none(glyph, rng):
    pytest.importorskip("skimage")
    line, ring = (ImageOps.expand(page, source.MARGIN, 255) for page in (Image.new("L", (15, source.GLYPH)), glyph))
    inks = []
    for _ in range(300):
        changed = line.copy()
        source.change_ends(changed, 15, rng)
        inks.append((np.asarray(changed) < 128).sum())
    whole = (np.asarray(line) < 128).sum()
    assert np.mean(np.array(inks) > whole) == pytest.approx(0.5, abs=0.1)  # 1 - (1 - 0.33)^2, less what was also cut
    assert np.mean(np.array(inks) < whole) == pytest.approx(0.14, abs=0.07)
    for _ in range(20):
        source.change_ends(ring, 9, rng)
    assert ring.tobytes() == ImageOps.expand(glyph, source.MARGIN, 255).tobytes()


def test_a_hershey_font_is_drawn_with_a_pen(tmp_path):
    space, one, t = "  699  1JZ\n", "  700  3JZRFR[\n", "  701  6JZRFR[ RKF\nYF\n"  # a line that goes on
    (tmp_path / "scripts.jhf").write_text(space + one + t)
    (tmp_path / "greek.jhf").write_text(space)
    (tmp_path / "broken.jhf").write_text("  699 xJZ\n")
    assert [family for family, _ in source.find_faces([str(tmp_path)])] == ["scripts"]
    font = source.open_file(str(tmp_path / "scripts.jhf"))
    assert source.cut_glyph(font, " ") is None
    assert source.cut_glyph(font, "0") is None
    line, cross = (source.cut_glyph(font, character) for character in '!"')
    pen = source.DRAWN_AT * source.PEN / source.TRIMMED
    assert line.size == pytest.approx((pen, source.DRAWN_AT), abs=3)
    assert cross.size == pytest.approx(((source.DRAWN_AT - pen) * 14 / 21 + pen, source.DRAWN_AT), abs=3)
    assert source.picture_of(line).getpixel((16, 16))[0] < 5


# Data sets.


def test_families_are_split_whole(rng):
    names = "Ab", "Ab Light", "Ab SemiBold Condensed", "Cd", "Cd-Black", "Ef", "Gh", "Light"
    families = [(name, []) for name in names]
    training, held = source.split_families(families, 0.4, rng)
    assert sorted(training + held) == families
    stems = [{name[:2] for name, _ in part} for part in (training, held)]
    assert len(stems[1]) == 2
    assert not stems[0] & stems[1]
    assert source.split_families([], 0.2, rng) == ([], [])
    assert source.split_families(families[:1], 0.2, rng) == (families[:1], [])


def pixels_in(folder):
    """The pictures below a folder, as {relative path: the bytes of their pixels}."""
    return {path.relative_to(folder).as_posix(): Image.open(path).tobytes() for path in sorted(folder.rglob("*.png"))}


def test_varied_with_families_held_out(fonts, tmp_path, run_script):
    pytest.importorskip("skimage")
    labels = ("0", "A", "a")
    first, second = (tmp_path / name for name in ("first", "second"))
    shutil.copytree(fonts, second)
    first.mkdir()
    for path in sorted(second.iterdir())[::2]:
        path.rename(first / path.name)
    arguments = ("--per-label", 20, "--fonts", first, "--hands", second, "--hold-out", 0.2)
    for name in ("a", "b"):
        done = run_script("sources.fonts", "--dataset", name, "--labels", *labels, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for end in ("", "-held-out"):
        assert pixels_in(tmp_path / f"a{end}") == pixels_in(tmp_path / f"b{end}")
    for label in labels:
        training, unseen = (set(pixels_in(tmp_path / f"{name}/{label}").values()) for name in ("a", "a-held-out"))
        assert len(training) == 20
        assert unseen
        assert not training & unseen
    hands = pixels_in(tmp_path / "a-held-out-hands")
    assert all(f"{label}/" in "".join(hands) for label in labels)
    assert len(set(hands.values()) - set(pixels_in(tmp_path / "a-held-out").values())) > 20  # varied
    lines = [line.split("\t") for line in (tmp_path / "a" / "fonts.txt").read_text().splitlines() if line[0] != "#"]
    names = {path.name for path in (*first.iterdir(), *second.iterdir())}
    assert {os.path.basename(font) for _, font, _ in lines} <= names
    assert run_script("sources.fonts", "--dataset", "c", *arguments, "--labels", 0, cwd=tmp_path).returncode == 0
    before = (tmp_path / "c" / "fonts.txt").read_text().splitlines()
    others = ("--labels", "A", "--fonts", second, "--per-label", 1)
    assert run_script("sources.fonts", "--dataset", "c", *others, cwd=tmp_path).returncode == 0
    assert set(before) <= set((tmp_path / "c" / "fonts.txt").read_text().splitlines())
    (tmp_path / "a" / "0").rename(tmp_path / "zeros")
    refused = run_script("sources.fonts", "--dataset", "a", "--labels", 0, "--hold-out", 0.5, cwd=tmp_path)
    assert "a-held-out" in refused.stderr
    assert not (tmp_path / "a" / "0").exists()


@pytest.mark.parametrize(("arguments", "code"), [
    (["--labels", "ab"], 2), (["--labels", "0", "0"], 2), (["--per-label", "0"], 2), (["--hold-out", "1"], 2),
    (["--seed", "-1"], 2), (["--fonts", "absent"], 1),
])  # fmt: skip
def test_mistakes_are_one_line(tmp_path, run_script, arguments, code):
    done = run_script("sources.fonts", "--dataset", "d", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert not (tmp_path / "d").exists()


# The pictures in dataset/.


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
