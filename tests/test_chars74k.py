"""sources/chars74k.py: folders laid out as Chars74K's archives are, but small."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

import preprocessing
from sources import chars74k
from support.files import InputError

NAMES = {
    "Fnt": "English/Fnt/Sample{0:03d}/img{0:03d}-{1:05d}.png",
    "Hnd": "English/Hnd/Img/Sample{0:03d}/img{0:03d}-{1:03d}.png",
    "Img": "English/Img/GoodImg/Bmp/Sample{0:03d}/img{0:03d}-{1:05d}.png",
    "kaggle": "Img/img{0:03d}-{1:03d}.png",
}


def picture_data(number=1):
    """A stroke, small and off centre, as the bytes of a PNG file."""
    image, data = Image.new("L", (128, 90), "white"), io.BytesIO()
    ImageDraw.Draw(image).line((10 + number, 10, 12 + number, 40), "black", 5)
    image.save(data, "PNG")
    return data.getvalue()


def unpacked(folder, kind, count=3):
    """A folder as it is unpacked from an archive of that kind, with pictures of 0, 1 and a. Returns it."""
    for name in [NAMES[kind].format(c, n) for c in (1, 2, 37) for n in range(1, count + 1)]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture_data(int(name[-5])))
    return folder


def imported(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


@pytest.mark.parametrize("kind", NAMES)
def test_every_kind_of_folder(tmp_path, kind):
    source = unpacked(tmp_path / "source", kind)
    for name in ("English/list.txt", "Img/._img001-001.png", "English/Hnd/Img/Sample001/._img001-001.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    assert chars74k.import_pictures([source], tmp_path / "d") == ({"0": 3, "1": 3, "a": 3}, 9, 0)
    digits = 5 if kind in ("Fnt", "Img") else 3
    names = [f"{label}/img{c}-{n:0{digits}d}.png" for label, c in (("0", "001"), ("1", "002"), ("a", "037"))
             for n in (1, 2, 3)]  # fmt: skip
    assert imported(tmp_path / "d") == names
    expected = preprocessing.fit(Image.open(io.BytesIO(picture_data())))  # as in the paper: not cut to the ink
    assert np.array_equal(np.asarray(Image.open(tmp_path / "d" / names[0])), np.asarray(expected))


def test_handwritten_pictures_come_first_as_in_the_authors_folder(tmp_path, run_script):
    folders = unpacked(tmp_path / "fonts", "Fnt", 8), unpacked(tmp_path / "hands", "Hnd")
    done = run_script("sources.chars74k", *folders, "--labels", 0, 1, "--per-label", 5, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "chars74k: 10 pictures, 10 of them new\nof each label: 0 5, 1 5\n"
    names = ["img001-00001.png", "img001-00002.png", "img001-001.png", "img001-002.png", "img001-003.png"]
    assert imported(tmp_path / "chars74k" / "0") == names
    (tmp_path / "chars74k" / "1" / "img002-001.png").unlink()
    again = chars74k.import_pictures(folders, tmp_path / "chars74k", ["0", "1"])
    assert again == ({"0": 11, "1": 11}, 13, 0)  # what is there is not written again


def test_two_pictures_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="two pictures of 0 have one name"):
        chars74k.import_pictures([unpacked(tmp_path / kind, kind) for kind in ("Fnt", "Img")], tmp_path / "d")


def test_a_broken_picture_is_left_out_and_named(tmp_path, run_script):
    broken = unpacked(tmp_path / "a", "Fnt") / "English/Fnt/Sample001/img001-00002.png"
    broken.write_bytes(picture_data()[:60])
    done = run_script("sources.chars74k", "a", "--labels", "0", "1", "--dataset", "d", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "img001-00002.png of 0 is left out" in done.stderr
    assert "5 pictures, 5 of them new; 1 could not be read" in done.stdout


@pytest.mark.parametrize(
    ("name", "labels", "said"),
    [
        ("EnglishFnt.tgz", ["0"], "found a file; unpack it first: tar xzf EnglishFnt.tgz"),
        ("archive.zip", ["0"], "found a file; unpack it first: unzip archive.zip"),
        ("empty", ["0"], "empty: expected a folder unpacked from EnglishFnt.tgz"),
        ("absent", ["0"], "absent: expected a folder unpacked from EnglishFnt.tgz"),
        ("whole", ["0", "x"], "whole: found no pictures of x"),
    ],
)
def test_what_cannot_be_imported_is_one_line(tmp_path, run_script, name, labels, said):
    unpacked(tmp_path / "whole", "Fnt")
    (tmp_path / "empty").mkdir()
    for archive in ("EnglishFnt.tgz", "archive.zip"):
        (tmp_path / archive).touch()
    done = run_script("sources.chars74k", name, "--dataset", "d", "--labels", *labels, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert said in done.stderr
    assert not (tmp_path / "d").exists()
