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


def ink_box(image, threshold=128):
    """Left, top, right, bottom of what is dark."""
    return image.convert("L").point(lambda value: 255 if value < threshold else 0).getbbox()


def as_file(image, **options):
    data = io.BytesIO()
    image.save(data, **options)
    data.seek(0)
    return Image.open(data)


def opened(path):
    """The picture at `path`, its file closed again."""
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize(
    ("size", "fitted"), [((64, 64), (32, 32)), ((100, 60), (32, 19)), ((7, 300), (1, 32)), ((20, 10), (20, 10))]
)
def test_fit_shrinks_undistorted_and_centres_on_white(size, fitted):
    result = preprocessing.fit(Image.new("RGB", size, "black"))
    assert (result.size, result.mode) == ((32, 32), "RGB")
    left, top, right, bottom = ink_box(result)
    assert (right - left, bottom - top) == fitted
    assert (left, top) == ((32 - fitted[0]) // 2, (32 - fitted[1]) // 2)
    assert result.getpixel((0 if fitted[0] < 32 else 16, 0 if fitted[1] < 32 else 16)) in ((255,) * 3, (0,) * 3)


def test_a_picture_that_fits_already_stays_as_it_is(rng):
    image = Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8))
    assert preprocessing.fit(image).tobytes() == image.tobytes()


def test_fit_leaves_the_given_image_alone():
    image = drawing()
    before = image.tobytes()
    preprocessing.fit(image)
    preprocessing.fit(image, trim=True)
    assert image.tobytes() == before


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "RGBX"])
def test_every_mode_gives_the_same_picture(mode):
    image = drawing("RGB").convert(mode)
    if mode == "I":
        image = image.point(lambda value: value * 257)
    result = np.asarray(preprocessing.fit(image)).astype(int)
    assert abs(result - np.asarray(preprocessing.fit(drawing()))).max() <= 2


@pytest.mark.parametrize("factor", [1, 257])
def test_grey_of_sixteen_bits_is_brought_to_eight(factor):
    grey = np.asarray(drawing("L", ink=51), np.uint16) * factor
    image = as_file(Image.fromarray(grey), format="PNG")
    assert image.mode.startswith("I")
    assert preprocessing.fit(image).tobytes() == preprocessing.fit(drawing(ink=51)).tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_white_ink_on_nothing_is_ink(mode):
    image = Image.new(mode, (32, 32), 0)
    image.paste((255,) * len(mode), (8, 8, 24, 24))
    fitted = preprocessing.fit(image)
    assert (fitted.getpixel((2, 2)), fitted.getpixel((16, 16))) == ((255, 255, 255), (0, 0, 0))
    blank = Image.new(mode, (32, 32), (255,) * len(mode))
    assert preprocessing.fit(blank).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(("ink", "paper", "wrong"), [
    ("black", "white", False), ("navy", "white", False), ("grey", "white", False), ("white", "black", True),
    ("red", "white", True), ("orange", "white", True), ("yellow", "white", True), ("cyan", "white", True),
    ("black", "dimgrey", True), ("white", "white", True),
])  # fmt: skip
def test_what_is_no_dark_ink_on_white_is_noticed(ink, paper, wrong):
    image = Image.new("RGB", (28, 28), paper)
    image.paste(ink, (10, 4, 18, 24))
    assert preprocessing.without_dark_ink(np.asarray(preprocessing.fit(image)).max(axis=2)) == wrong


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(InputError, match="expected a picture, found one of 0x0 pixels"):
        preprocessing.fit(Image.new("L", (0, 0)))


def test_without_a_limit_of_pixels_every_picture_is_read(tmp_path, monkeypatch):
    drawing().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert preprocessing.open_picture(tmp_path / "a.png")[0].size == (100, 60)


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


@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (40, 200), (90, 140)])
def test_trim_turns_a_light_character_on_dark_paper_round(paper, ink):
    light = preprocessing.fit(drawing(paper=paper, ink=ink), trim=True)
    assert light.tobytes() == preprocessing.fit(drawing(paper=255 - paper, ink=255 - ink), trim=True).tobytes()
    assert light.getpixel((0, 0)) == (255, 255, 255)
    assert light.getpixel((16, 16)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "colour key"])
def test_transparent_parts_become_white(kind):
    if kind in ("RGBA", "LA"):
        image = Image.new(kind, (32, 32), 0)
        image.paste((0,) * (len(kind) - 1) + (255,), (8, 8, 24, 24))
    else:
        mode, colour = ("P", 1) if kind == "palette" else ("RGB", (9, 9, 9))
        image = Image.new(mode, (32, 32), colour)
        if kind == "palette":
            image.putpalette([0, 0, 0, 9, 9, 9])
        image.paste(0 if mode == "P" else (0, 0, 0), (8, 8, 24, 24))
        image = as_file(image, format="PNG", transparency=colour)
    result = preprocessing.fit(image)
    assert result.getpixel((2, 2)) == (255, 255, 255)
    assert result.getpixel((16, 16)) == (0, 0, 0)


def test_half_transparent_ink_is_grey():
    assert preprocessing.fit(Image.new("RGBA", (32, 32), (0, 0, 0, 128))).getpixel((5, 5)) == (127, 127, 127)


def test_exif_rotation_is_followed():
    image = drawing(size=(32, 32), box=(0, 0, 32, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    left, _, right, _ = ink_box(preprocessing.fit(as_file(image, format="JPEG", exif=exif, quality=95)))
    assert (left, right) == (24, 32)


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_turned_tiff_is_turned_back_once(tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    ways = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's numbers of the transpositions that orientation undoes
    drawing().transpose(ways[turn]).save(tmp_path / "a.tif", exif=exif)
    expected = drawing().tobytes()
    assert preprocessing.open_picture(tmp_path / "a.tif")[0].tobytes() == expected
    with Image.open(tmp_path / "a.tif") as image:
        assert preprocessing.on_white(image).tobytes() == expected


def test_of_several_frames_the_first():
    data = io.BytesIO()
    Image.new("L", (32, 32), 10).save(data, "GIF", save_all=True, append_images=[Image.new("L", (32, 32), 200)])
    assert preprocessing.fit(Image.open(data)).getpixel((3, 3)) == (10, 10, 10)


@pytest.mark.parametrize("box", [(2, 3, 12, 43), (60, 10, 96, 22), (0, 0, 100, 60)])
def test_trim_brings_ink_to_24_pixels_in_the_middle(box):
    image = drawing(box=box, size=(140, 90))
    left, top, right, bottom = ink_box(preprocessing.fit(image, trim=True))
    assert max(right - left, bottom - top) == 24
    assert abs(left + right - 32) <= 1
    assert abs(top + bottom - 32) <= 1
    assert (right - left) / (bottom - top) == pytest.approx((box[2] - box[0]) / (box[3] - box[1]), rel=0.1)


def test_trim_enlarges_what_is_small_and_copes_with_grey_paper():
    result = preprocessing.fit(drawing(size=(40, 40), box=(30, 3, 33, 9), paper=170, ink=60), trim=True)
    _, top, _, bottom = ink_box(result, 160)
    assert bottom - top == 24
    assert result.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(("width", "seen"), [(4, 3), (6, 3), (12, 3), (30, 3.9), (60, 7.3)])
def test_trim_draws_thin_strokes_as_a_pen_does(width, seen):
    image = Image.new("L", (300, 260), "white")
    ImageDraw.Draw(image).ellipse((50, 30, 250, 230), outline="black", width=width)
    fitted = preprocessing.fit(image, trim=True).convert("L")
    left, top, right, bottom = ink_box(fitted)
    assert max(right - left, bottom - top) == 24
    across = (255 - np.asarray(fitted, float))[16, :16].sum() / 255  # of the ring's left side, in its middle
    assert across == pytest.approx(seen, abs=0.45)


@pytest.mark.parametrize("paper", [255, 120, 0])
def test_trim_of_an_empty_page_is_a_white_one(paper):
    result = preprocessing.fit(Image.new("L", (50, 70), paper), trim=True)
    assert result.tobytes() == b"\xff" * 32 * 32 * 3


@pytest.mark.parametrize("name", ["a b.png", "ü\n2.png", "x.jpg", "x.gif", "x.bmp", "x.tif", "x.webp"])
def test_preprocess_replaces_the_original_in_its_own_format(tmp_path, name):
    path = tmp_path / name
    drawing().save(path)
    path.chmod(0o640)
    file_format = opened(path).format
    preprocessing.preprocess(path)
    with Image.open(path) as result:
        assert (result.size, result.format) == ((32, 32), file_format)
        difference = np.asarray(result.convert("RGB")).astype(int) - np.asarray(preprocessing.fit(drawing()))
        assert abs(difference).mean() < 8
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_preprocess_to_another_path_leaves_the_original_alone(tmp_path):
    path = tmp_path / "original.bmp"
    drawing().save(path)
    before = path.read_bytes()
    preprocessing.preprocess(path, tmp_path / "result.png", trim=True)
    assert path.read_bytes() == before
    with Image.open(tmp_path / "result.png") as result:
        assert (result.size, result.format) == ((32, 32), "PNG")


def test_a_link_is_followed(tmp_path):
    drawing().save(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to("real.png")
    preprocessing.preprocess(tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert opened(tmp_path / "real.png").size == (32, 32)


def broken(kind):
    data = io.BytesIO()
    drawing(size=(300, 300)).save(data, "PNG")
    if kind == "huge":
        data = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(data, "PNG")
    return {"empty": b"", "text": b"hello\n", "cut off": data.getvalue()[:200], "huge": data.getvalue()}[kind]


@pytest.mark.parametrize("kind", ["cut off", "huge"])
def test_what_is_no_picture_is_named_and_left_alone(tmp_path, kind):
    path = tmp_path / "x.png"
    path.write_bytes(broken(kind))
    with pytest.raises(InputError, match=r"x\.png: expected a picture that Pillow can read"):
        preprocessing.preprocess(path)
    assert path.read_bytes() == broken(kind)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_picture_a_folder_and_a_loop_of_links_are_the_systems_own_errors(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in ("absent.png", ".", "loop"):
        with pytest.raises(OSError) as caught:
            preprocessing.open_picture(tmp_path / name)
        assert caught.value.filename


def test_the_command(tmp_path, run_script):
    for name in ("a.png", "b c.jpg"):
        drawing().save(tmp_path / name)
    before = (tmp_path / "a.png").read_bytes()
    done = run_script("preprocessing.py", "a.png", "b c.jpg", "--output", "out", "--trim", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.png").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b c.jpg"]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_command_keeps_the_original_and_leaves_a_fitted_picture_alone(tmp_path, run_script, name):
    drawing().save(tmp_path / name)
    original = (tmp_path / name).read_bytes()
    done = run_script("preprocessing.py", name, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"{name}: 32x32; the original is kept as {name}.bak\n", "")
    fitted = (tmp_path / name).read_bytes()
    again = run_script("preprocessing.py", "*" + name[1:], cwd=tmp_path)  # Windows does not replace the star
    assert again.stdout == f"{name}: 32x32 already, left as it is\n"
    assert (tmp_path / name).read_bytes() == fitted
    assert (tmp_path / f"{name}.bak").read_bytes() == original
    (tmp_path / "x.png").write_text("no picture")
    assert run_script("preprocessing.py", "x.png", cwd=tmp_path).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.bak", "x.png"]


def test_fit_shrinks_with_lanczos_as_the_paper_does(rng):
    image = Image.fromarray(rng.integers(256, size=(128, 128, 3)).astype(np.uint8))
    expected = image.resize((32, 32), Image.LANCZOS)
    assert np.array_equal(np.asarray(preprocessing.fit(image)), np.asarray(expected))


def test_a_jpeg_is_written_with_quality_95(tmp_path):
    drawing().save(tmp_path / "a.jpg")
    preprocessing.preprocess(tmp_path / "a.jpg")
    with (
        Image.open(tmp_path / "a.jpg") as found,
        as_file(drawing(size=(32, 32)), format="JPEG", quality=95) as expected,
    ):
        assert found.quantization == expected.quantization


def test_exif_data_that_cannot_be_read_mean_no_rotation(tmp_path):
    drawing().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03")
    image, file_format = preprocessing.open_picture(tmp_path / "a.jpg")
    assert (image.size, file_format) == ((100, 60), "JPEG")


def test_an_alpha_of_0_everywhere_is_opaque():
    image = drawing("RGBA")
    image.putalpha(0)
    assert np.array_equal(np.asarray(preprocessing.fit(image)), np.asarray(preprocessing.fit(drawing())))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_large_photo_takes_little_memory_and_is_the_same_picture(tmp_path, file_format):
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


def test_the_command_names_what_it_cannot_do_and_does_the_rest(tmp_path, run_script):
    drawing().save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_text("x")
    done = run_script("preprocessing.py", "absent.png", "bad.png", "a.png", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["absent.png", "bad.png"]
    assert opened(tmp_path / "a.png").size == (32, 32)
    done = run_script("preprocessing.py", "a.png", "x/a.png", "--output", "out", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("fault", ["noise", "specks"])
def test_trim_of_a_photo_is_that_of_a_clean_drawing(rng, fault):
    grey = np.full((600, 800), 190.0)
    drawing = Image.new("L", (800, 600), "white")
    ImageDraw.Draw(drawing).ellipse((300, 120, 480, 480), outline="black", width=24)
    photo = np.where(np.asarray(drawing) < 128, 40, grey)
    if fault == "noise":
        photo += rng.normal(0, 20, photo.shape)
    if fault == "specks":
        photo[rng.integers(600, size=40), rng.integers(800, size=40)] = 40
    photo = Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))
    found, clean = (np.asarray(preprocessing.fit(image, trim=True), float) for image in (photo, drawing))
    assert np.abs(found - clean).max() < 150
    assert np.abs(found - clean).mean() < 12


def photographed(size, ring, pen, paper, ink, shadow=0.0, edge=False):
    """A ring under a shadow that gets darker to the right, or has an edge; and the same ring black on white."""
    ring = [side * size[0] // 800 for side in ring]
    drawn = Image.new("L", size, "white")
    ImageDraw.Draw(drawn).ellipse(ring, outline="black", width=pen)
    across = np.linspace(0, 1, size[0])
    light = 1 - shadow * (across > 0.55 if edge else across)
    photo = np.where(np.asarray(drawn) < 128, ink, paper) * light
    return Image.fromarray(photo.round().astype(np.uint8)), drawn


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
    width = max(1, round(pen * size[0]))
    photo, drawn = photographed(size, (250, 120, 530, 480), width, paper, ink, shadow, edge)
    found, clean = (np.asarray(preprocessing.fit(image, trim=True), float) for image in (photo, drawn))
    assert np.abs(found - clean).mean() < 12


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
def test_trim_copes_with_any_size(rng, size):
    image = Image.fromarray(rng.integers(0, 256, size, np.uint8))
    assert preprocessing.fit(image, trim=True).size == (32, 32)
