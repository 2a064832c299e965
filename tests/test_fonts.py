"""fonts.py: characters drawn from fonts, plain and varied."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fonts import (
    DRAWN_AT,
    GLYPH,
    PENS,
    draw,
    draw_varied,
    find_faces,
    one_case,
    open_font,
    place,
    split_families,
    transform,
    vary,
    with_pen,
)


@pytest.fixture
def glyph():
    """A ring, as draw_glyph() makes them."""
    image = Image.new("L", (48, GLYPH), "white")
    ImageDraw.Draw(image).ellipse((0, 0, 47, GLYPH - 1), outline="black", width=9)
    return image


def ink_of(picture):
    """Rows and columns of the ink in a picture."""
    return np.nonzero(np.asarray(picture.convert("L")) < 128)


def test_draw_is_centred_and_of_its_height(fonts):
    family, paths = find_faces([fonts])[0]
    font = ImageFont.truetype(paths[0][0], DRAWN_AT)
    for label in "017":
        ink = np.asarray(draw(font, label, 24)).min(axis=2) < 250
        rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
        assert 22 <= np.ptp(rows) + 1 <= 24, family
        assert abs(rows[0] + rows[-1] - 31) <= 2
        assert abs(columns[0] + columns[-1] - 31) <= 2


def test_a_glyph_is_placed_as_trim_does(glyph):
    rows, columns = ink_of(place(glyph))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 27, 8, 23)
    assert place(glyph).mode == "RGB"
    assert place(glyph).size == (32, 32)


def test_pens_change_the_strokes_and_leave_some(glyph):
    inks = [(np.asarray(with_pen(glyph, pen)) < 128).sum() for pen in sorted(set(PENS))]
    assert all(thinner < thicker for thinner, thicker in zip(inks, inks[1:]))
    hairline = Image.new("L", (60, 60), "white")
    ImageDraw.Draw(hairline).line((30, 10, 30, 50), "black", 1)
    assert with_pen(hairline, -3).tobytes() == hairline.tobytes()


def test_transform_turns_about_the_middle():
    page = Image.new("L", (60, 60), "white")
    ImageDraw.Draw(page).rectangle((10, 28, 49, 31), "black")
    assert np.abs(np.asarray(transform(page, 0, 0, 0), int) - np.asarray(page)).max() <= 1
    rows, columns = ink_of(transform(page, 90, 0, 0))
    assert (np.ptp(rows), np.ptp(columns)) == (39, 3)
    _, columns = ink_of(transform(page, 0, 0, np.log(0.5)))
    assert np.ptp(columns) == pytest.approx(19, abs=1)


def test_varied_pictures_are_in_the_middle_and_of_their_size(glyph, rng):
    for _ in range(100):
        picture = vary(glyph, rng)
        rows, columns = ink_of(picture)
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 27
        assert abs(rows.min() + rows.max() - 31) <= 5
        assert np.asarray(picture)[0].min() >= 250


def test_as_many_as_asked_for_or_as_there_are(glyph, rng):
    fonts = [lambda label: glyph, lambda label: None]
    pictures = draw_varied(fonts, "0", 30, rng)
    assert len({picture.tobytes() for picture in pictures}) == 30
    assert pictures[0].tobytes() == place(glyph).tobytes()
    assert draw_varied([lambda label: None], "0", 30, rng) == []


def test_families_are_split_whole(rng):
    families = [
        (name, []) for name in ("Ab", "Ab Light", "Ab SemiBold Condensed", "Cd", "Cd-Black", "Ef", "Gh", "Light")
    ]
    training, held = split_families(families, 0.4, rng)
    assert sorted(training + held) == families
    stems = [{name[:2] for name, _ in part} for part in (training, held)]
    assert len(stems[1]) == 2
    assert not stems[0] & stems[1]
    assert split_families([], 0.2, rng) == ([], [])
    assert split_families(families[:1], 0.2, rng) == (families[:1], [])


def test_a_font_of_capitals_is_noticed(fonts, glyph):
    assert one_case(lambda label: glyph)
    assert one_case(lambda label: glyph if label.isupper() else None)
    found = [open_font(faces[0][0], ["a"]) for _, faces in find_faces([fonts])[:20]]
    assert any(found)
