"""preprocessing.py: every kind of picture, what trimming does, and safety with the originals."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

import preprocessing
from support.files import InputError


def drawing(mode="RGB", size=(100, 60), box=(10, 20, 30, 50), paper=255, ink=0):
    """A picture with one dark rectangle."""
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=ink)
    return image.convert(mode)


def ink_box(image):
    """Left, top, right, bottom of what is dark."""
    return image.convert("L").point(lambda value: 255 if value < 128 else 0).getbbox()


def as_file(image, **options):
    data = io.BytesIO()
    image.save(data, **options)
    data.seek(0)
    return Image.open(data)


@pytest.mark.parametrize(
    ("size", "fitted"), [((64, 64), (32, 32)), ((100, 60), (32, 19)), ((7, 300), (1, 32)), ((20, 10), (20, 10))]
)
def test_fit_shrinks_undistorted_and_centres_on_white(size, fitted):
    result = preprocessing.fit(Image.new("RGB", size, "black"))
    assert (result.size, result.mode) == ((32, 32), "RGB")
    left, top, right, bottom = ink_box(result)
    assert (right - left, bottom - top) == fitted
    assert (left, top) == ((32 - fitted[0]) // 2, (32 - fitted[1]) // 2)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F", "RGBX"])
def test_every_mode_gives_the_same_picture_and_the_given_one_stays(mode):
    image = drawing("RGB").convert(mode)
    before = image.tobytes()
    preprocessing.fit(image, trim=True)
    result = np.asarray(preprocessing.fit(image)).astype(int)
    assert abs(result - np.asarray(preprocessing.fit(drawing()))).max() <= 2
    assert image.tobytes() == before


@pytest.mark.parametrize("factor", [1, 257])
def test_grey_of_sixteen_bits_is_brought_to_eight(factor):
    grey = np.asarray(drawing("L", ink=51), np.uint16) * factor
    image = as_file(Image.fromarray(grey), format="PNG")
    assert image.mode.startswith("I")
    assert preprocessing.fit(image).tobytes() == preprocessing.fit(drawing(ink=51)).tobytes()


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_ink_on_nothing_is_black_on_white(mode, ink):
    image = Image.new(mode, (32, 32), 0)
    image.paste((ink,) * (len(mode) - 1) + (255,), (8, 8, 24, 24))
    fitted = preprocessing.fit(image)
    assert (fitted.getpixel((2, 2)), fitted.getpixel((16, 16))) == ((255, 255, 255), (0, 0, 0))
    blank = Image.new(mode, (32, 32), (255,) * len(mode))
    assert preprocessing.fit(blank).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(("mode", "clear", "ink"), [("P", 1, 0), ("RGB", (9, 9, 9), (0, 0, 0))])
def test_a_colour_that_is_transparent_becomes_white(mode, clear, ink):
    image = Image.new(mode, (32, 32), clear)
    if mode == "P":
        image.putpalette([0, 0, 0, 9, 9, 9])
    image.paste(ink, (8, 8, 24, 24))
    fitted = preprocessing.fit(as_file(image, format="PNG", transparency=clear))
    assert (fitted.getpixel((2, 2)), fitted.getpixel((16, 16))) == ((255, 255, 255), (0, 0, 0))


def test_ink_that_is_not_dark_or_not_on_white_is_noticed():
    for ink, paper, lacks in ((0, 255, False), (150, 255, False), (200, 255, True), (255, 0, True), (0, 140, True)):
        picture = np.full((32, 32), paper, np.uint8)
        picture[10:20, 15] = ink
        assert preprocessing.without_dark_ink(picture) == lacks


def test_half_transparent_ink_is_grey_and_an_alpha_of_0_everywhere_is_opaque():
    assert preprocessing.fit(Image.new("RGBA", (32, 32), (0, 0, 0, 128))).getpixel((5, 5)) == (127, 127, 127)
    image = drawing("RGBA")
    image.putalpha(0)
    assert preprocessing.fit(image).tobytes() == preprocessing.fit(drawing()).tobytes()


@pytest.mark.parametrize(("start", "said"), [
    (b"", "found an empty file"), (b"\0\0\0\x18ftypheic\0\0\0\0", "found a HEIC file; export it as JPEG"),
    (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC file"), (b"%PDF-1.7\n", "a PDF file; export it as JPEG or PNG"),
    (b'<svg xmlns="http://www.w3.org/2000/svg">', "an SVG file"), (b"\n<!DOCTYPE html><html>", "an HTML file"),
    (b"no picture", "found something that Pillow cannot read; use a PNG or JPEG file"),
])  # fmt: skip
def test_what_is_no_picture_is_called_what_it_is(tmp_path, start, said):
    (tmp_path / "IMG_1234.jpg").write_bytes(start)
    with pytest.raises(InputError, match=r"IMG_1234\.jpg: expected a picture, found") as caught:
        preprocessing.open_picture(tmp_path / "IMG_1234.jpg")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
@pytest.mark.parametrize("turn", range(2, 9))
def test_a_turned_picture_is_turned_back_once(tmp_path, turn, name):
    exif = Image.Exif()
    exif[0x0112] = turn
    ways = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's numbers of the transpositions that orientation undoes
    drawing().transpose(ways[turn]).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as image:
        for found in (preprocessing.open_picture(tmp_path / name)[0], preprocessing.on_white(image)):
            assert (found.size, ink_box(found)) == ((100, 60), (10, 20, 30, 50))


def test_of_several_frames_the_first():
    data = io.BytesIO()
    Image.new("L", (32, 32), 10).save(data, "GIF", save_all=True, append_images=[Image.new("L", (32, 32), 200)])
    assert preprocessing.fit(Image.open(data)).getpixel((3, 3)) == (10, 10, 10)


@pytest.mark.parametrize(("box", "size", "paper"), [
    ((2, 3, 12, 43), (140, 90), 255), ((60, 10, 96, 22), (140, 90), 255), ((0, 0, 100, 60), (140, 90), 255),
    ((30, 3, 33, 9), (40, 40), 170),
])  # fmt: skip
def test_trim_brings_ink_to_24_pixels_in_the_middle(box, size, paper):
    fitted = preprocessing.fit(drawing(box=box, size=size, paper=paper), trim=True)
    left, top, right, bottom = ink_box(fitted)
    assert fitted.getpixel((0, 0)) == (255, 255, 255)
    assert max(right - left, bottom - top) == 24
    assert abs(left + right - 32) <= 1
    assert abs(top + bottom - 32) <= 1
    assert (right - left) / (bottom - top) == pytest.approx((box[2] - box[0]) / (box[3] - box[1]), rel=0.1)


@pytest.mark.parametrize(("width", "seen"), [(4, 3), (6, 3), (12, 3), (30, 3.9), (60, 7.3)])
def test_trim_draws_thin_strokes_as_a_pen_does(width, seen):
    image = Image.new("L", (300, 260), "white")
    ImageDraw.Draw(image).ellipse((50, 30, 250, 230), outline="black", width=width)
    fitted = preprocessing.fit(image, trim=True).convert("L")
    left, top, right, bottom = ink_box(fitted)
    assert max(right - left, bottom - top) == 24
    across = (255 - np.asarray(fitted, float))[16, :16].sum() / 255  # of the ring's left side, in its middle
    assert across == pytest.approx(seen, abs=0.45)


@pytest.mark.parametrize("name", ["a b.png", "ü\n2.png", "x.jpg", "x.gif", "x.bmp", "x.tif", "x.webp"])
def test_preprocess_writes_to_another_path_or_replaces_the_original_in_its_own_format(tmp_path, name):
    path = tmp_path / name
    drawing().save(path)
    path.chmod(0o640)
    with Image.open(path) as original:
        file_format = original.format
    before, copy = path.read_bytes(), tmp_path / "copy.png"
    preprocessing.preprocess(path, copy)
    assert path.read_bytes() == before
    with Image.open(copy) as result:
        assert (result.size, result.format) == ((32, 32), "PNG")
    copy.unlink()
    preprocessing.preprocess(path)
    with Image.open(path) as result:
        assert (result.size, result.format) == ((32, 32), file_format)
        difference = np.asarray(result.convert("RGB")).astype(int) - np.asarray(preprocessing.fit(drawing()))
        assert abs(difference).mean() < 8
        if file_format == "JPEG":
            assert result.quantization == as_file(drawing(), format="JPEG", quality=95).quantization
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_two_pictures_that_would_become_one_file_are_refused(tmp_path, run_script):
    for name in ("a/1.png", "b/1.PNG"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (9, 9)).save(tmp_path / name)
    done = run_script("preprocessing.py", "a/1.png", "b/1.PNG", "--output", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n"), (tmp_path / "out").exists()) == (2, 1, False)
    assert "two pictures of one name" in done.stderr


def test_a_link_is_followed(tmp_path):
    drawing().save(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to("real.png")
    preprocessing.preprocess(tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    with Image.open(tmp_path / "real.png") as image:
        assert image.size == (32, 32)


@pytest.mark.parametrize(("side", "kept"), [(300, 60), (20_000, None)])
def test_a_picture_that_is_cut_off_or_huge_is_named_and_left_alone(tmp_path, side, kept):
    path = tmp_path / "x.png"
    Image.new("1", (side, side)).save(path)
    data = path.read_bytes()[:kept]
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.png: expected a picture that Pillow can read"):
        preprocessing.preprocess(path)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_names_what_it_cannot_do_and_does_the_rest(tmp_path, run_script):
    for name in ("a.png", "b c.jpg"):
        drawing().save(tmp_path / name)
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "bad.png").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("another one")
    names = "absent.png", "bad.png", "a.png", "b c.jpg", "--output", "out", "--trim"
    done = run_script("preprocessing.py", *names, cwd=tmp_path)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["absent.png", "bad.png"]
    assert (tmp_path / "a.png").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "a.png.bak", "b c.jpg"]
    assert (tmp_path / "out" / "a.png.bak").read_text() == "another one"
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.tobytes() == preprocessing.fit(drawing(), trim=True).tobytes()


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_command_keeps_the_original_and_leaves_a_fitted_picture_alone(tmp_path, run_script, name):
    drawing().save(tmp_path / name)
    original = (tmp_path / name).read_bytes()
    done = run_script("preprocessing.py", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{name}: 32x32; the original is kept as {name}.bak\n"
    fitted = (tmp_path / name).read_bytes()
    again = run_script("preprocessing.py", "*" + name[1:], cwd=tmp_path)  # Windows does not replace the star
    assert again.stdout == f"{name}: 32x32 already, left as it is\n"
    assert (tmp_path / name).read_bytes() == fitted
    assert (tmp_path / f"{name}.bak").read_bytes() == original
    (tmp_path / "x.png").write_text("no picture")
    assert run_script("preprocessing.py", "x.png", cwd=tmp_path).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.bak", "x.png"]
    run_script("preprocessing.py", name, "--trim", cwd=tmp_path)
    assert (tmp_path / name).read_bytes() != fitted
    assert (tmp_path / f"{name}.bak").read_bytes() == original


@pytest.mark.parametrize("side", [32, 128])
def test_fit_shrinks_with_lanczos_as_the_paper_does_and_leaves_32x32_as_it_is(rng, side):
    image = Image.fromarray(rng.integers(256, size=(side, side, 3)).astype(np.uint8))
    assert preprocessing.fit(image).tobytes() == image.resize((32, 32), Image.LANCZOS).tobytes()


def test_exif_data_that_cannot_be_read_mean_no_rotation(tmp_path):
    drawing().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03")
    image, file_format = preprocessing.open_picture(tmp_path / "a.jpg")
    assert (image.size, file_format) == ((100, 60), "JPEG")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_large_photo_takes_little_memory_and_is_the_same_picture(tmp_path, monkeypatch, file_format):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as one may set it for large photos
    small = drawing(size=(1000, 750), box=(300, 200, 450, 600))
    path = tmp_path / "photo"
    small.resize((6000, 4500)).save(path, file_format)
    image, _ = preprocessing.open_picture(path)
    assert max(image.size) <= preprocessing.PHOTO
    found, expected = (np.asarray(preprocessing.fit(each, trim=True), float) for each in (image, small))
    assert np.abs(found - expected).mean() < 4


def test_distort_turns_and_stretches_by_what_it_is_told():
    image = drawing("L", size=(32, 32), box=(12, 4, 20, 28))
    turned = preprocessing.distort(image, 90, 0, 1, 1)
    assert ink_box(turned) == (4, 12, 28, 20)
    assert ink_box(preprocessing.distort(image, 0, 0, 0.5, 1)) == (14, 4, 18, 28)


def photographed(size, pen, paper, ink, shadow=0.0, edge=False):
    """A ring under a shadow that gets darker to the right, or has an edge; and the same ring black on white."""
    drawn = Image.new("L", size, "white")
    ring = [side * size[0] // 800 for side in (250, 120, 530, 480)]
    ImageDraw.Draw(drawn).ellipse(ring, outline="black", width=max(1, round(pen * size[0])))
    across = np.linspace(0, 1, size[0])
    light = 1 - shadow * (across > 0.55 if edge else across)
    return np.where(np.asarray(drawn) < 128, ink, paper) * light, drawn


def difference(photo, drawn):
    """How much the trimmed photo differs from the trimmed drawing, at each pixel."""
    photo = Image.fromarray(np.clip(photo.round(), 0, 255).astype(np.uint8))
    found, clean = (np.asarray(preprocessing.fit(image, trim=True), float) for image in (photo, drawn))
    return np.abs(found - clean)


@pytest.mark.parametrize("fault", ["noise", "specks"])
def test_trim_of_a_photo_is_that_of_a_clean_drawing(rng, fault):
    photo, drawn = photographed((800, 600), 0.03, 190.0, 40.0)
    if fault == "noise":
        photo += rng.normal(0, 20, photo.shape)
    else:
        photo[rng.integers(600, size=40), rng.integers(800, size=40)] = 40
    assert difference(photo, drawn).max() < 150
    assert difference(photo, drawn).mean() < 12


@pytest.mark.parametrize("size", [(800, 600), (240, 180), (40, 30)])
@pytest.mark.parametrize(
    ("paper", "ink", "pen", "shadow", "edge"),
    [
        (200, 40, 0.03, 0.6, False),  # a shadow of 60%
        (200, 40, 0.03, 0.5, True),  # one with an edge
        (200, 110, 0.012, 0.3, False),  # thin pencil
        (220, 20, 0.12, 0.5, False),  # a thick marker
        (60, 220, 0.03, 0.5, False),  # chalk
        (0, 255, 0.03, 0.0, False),  # a screen
    ],
)
def test_trim_of_uneven_light_is_that_of_a_clean_drawing(size, paper, ink, pen, shadow, edge):
    assert difference(*photographed(size, pen, paper, ink, shadow, edge)).mean() < 12


@pytest.mark.parametrize("box", [(10, 0, 22, 32), (0, 4, 14, 28), (4, 2, 27, 30)])
def test_trim_of_a_small_clean_picture_takes_thick_strokes_and_those_at_the_border(box):
    picture = drawing("L", size=(32, 32), box=box)
    expected = Image.new("L", (100, 100), "white")
    expected.paste(picture.crop(box), (20, 20))
    assert preprocessing.fit(picture, trim=True).tobytes() == preprocessing.fit(expected, trim=True).tobytes()


def test_trim_shows_coloured_ink_as_black():
    for colour in ("red", "blue", "green"):
        image = Image.new("RGB", (100, 60), "white")
        image.paste(colour, (10, 20, 30, 50))
        assert preprocessing.fit(image, trim=True).tobytes() == preprocessing.fit(drawing(), trim=True).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (33, 1), (500, 7)])
def test_trim_copes_with_any_size_and_makes_an_empty_page_white(rng, size):
    for paper in (255, 120, 0):
        assert preprocessing.fit(Image.new("L", size, paper), trim=True).tobytes() == b"\xff" * 32 * 32 * 3
    image = Image.fromarray(rng.integers(0, 256, size, np.uint8))
    assert preprocessing.fit(image, trim=True).size == (32, 32)
    with pytest.raises(InputError, match="expected a picture, found one of 0x0 pixels"):
        preprocessing.fit(Image.new("L", (0, 0)))
