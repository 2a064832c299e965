"""sources/chars74k.py: Chars74K's archives of every kind, laid out as the official ones are, but small."""

import io
import shutil
import tarfile
import zipfile

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


def picture_data(number=1, paper="white", ink="black"):
    """A stroke, small and off centre, as the bytes of a PNG file."""
    image, data = Image.new("L", (128, 90), paper), io.BytesIO()
    ImageDraw.Draw(image).line((10 + number, 10, 12 + number, 40), ink, 5)
    image.save(data, "PNG")
    return data.getvalue()


def official(kind, classes=(1, 2, 37), count=3):
    """The files of a small archive of that kind: {name: bytes}."""
    return {NAMES[kind].format(c, n): picture_data(n) for c in classes for n in range(1, count + 1)}


def write_tgz(path, files, *members):
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def imported(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("form", ["tgz", "dotted tgz", "zip", "folder"])
def test_every_kind_of_archive_in_every_form(tmp_path, kind, form):
    files = official(kind)
    extra = {"English/list.txt": b"x", "Img/._img001-001.png": b"x", "English/Hnd/Img/Sample001/._img001-001.png": b"x",
             "english.csv": b"image,label\nImg/img001-001.png,0\n"}  # fmt: skip
    files = {("./" if form == "dotted tgz" else "") + name: data for name, data in {**files, **extra}.items()}
    source = tmp_path / "source"
    if form == "folder":
        for name, data in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
    else:
        (write_zip if form == "zip" else write_tgz)(source, files)
    counts, written, unreadable = chars74k.import_pictures([source], tmp_path / "d")
    assert (counts, written, unreadable) == ({"0": 3, "1": 3, "a": 3}, 9, 0)
    digits = 5 if kind in ("Fnt", "Img") else 3
    names = [
        f"{label}/img{c:03d}-{n:0{digits}d}.png" for label, c in (("0", 1), ("1", 2), ("a", 37)) for n in (1, 2, 3)
    ]
    assert imported(tmp_path / "d") == names
    expected = preprocessing.fit(Image.open(io.BytesIO(picture_data(1))))  # as in the paper: not cut to the ink
    with Image.open(tmp_path / "d" / names[0]) as found:
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_handwritten_pictures_come_first_as_in_the_authors_folder(tmp_path, run_script):
    write_tgz(tmp_path / "EnglishFnt.tgz", official("Fnt", count=8))
    write_tgz(tmp_path / "EnglishHnd.tgz", official("Hnd"))
    done = run_script(
        "sources.chars74k", "EnglishFnt.tgz", "EnglishHnd.tgz", "--labels", 0, 1, "--per-label", 5, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "chars74k: 10 pictures, 10 of them new\nof each label: 0 5, 1 5\n"
    assert imported(tmp_path / "chars74k" / "0") == [f"img001-0000{n}.png" for n in (1, 2)] + [
        f"img001-00{n}.png" for n in (1, 2, 3)
    ]
    (tmp_path / "chars74k" / "1" / "img002-001.png").unlink()
    again = chars74k.import_pictures([tmp_path / "EnglishFnt.tgz", tmp_path / "EnglishHnd.tgz"], tmp_path / "chars74k",
                                     ["0", "1"])  # fmt: skip
    assert again == ({"0": 11, "1": 11}, 13, 0)  # what is there is not written again


def test_trim_cuts_to_the_ink(tmp_path):
    source = write_tgz(tmp_path / "a.tgz", official("Hnd"))
    chars74k.import_pictures([source], tmp_path / "d", ["0"], 1, trim=True)
    expected = preprocessing.fit(Image.open(io.BytesIO(picture_data(1))), trim=True)
    with Image.open(tmp_path / "d" / "0" / "img001-001.png") as found:
        assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_two_pictures_of_one_name_are_refused(tmp_path):
    both = [write_tgz(tmp_path / f"{kind}.tgz", official(kind)) for kind in ("Fnt", "Img")]
    with pytest.raises(InputError, match="two pictures of 0 have one name"):
        chars74k.import_pictures(both, tmp_path / "d")


def odd(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, str(link)
    return member


def test_no_member_of_an_archive_is_written_elsewhere_and_no_link_is_followed(tmp_path):
    folder, secret = tmp_path / "here", tmp_path / "English" / "Fnt" / "Sample001" / "img001-00009.png"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(picture_data())
    files = {f"../{name}": data for name, data in official("Fnt").items()}
    folder.mkdir()
    archive = write_tgz(folder / "a.tgz", files, odd("English/Fnt/Sample001/img001-00009.png", tarfile.SYMTYPE, secret))
    assert chars74k.import_pictures([archive], folder / "d")[0] == {"0": 3, "1": 3, "a": 3}
    assert {path.name for path in folder.iterdir()} == {"a.tgz", "d"}
    assert [path.name for path in secret.parent.iterdir()] == [secret.name]


def test_a_broken_picture_is_left_out_and_named(tmp_path, run_script):
    files = official("Fnt")
    files["English/Fnt/Sample001/img001-00002.png"] = picture_data()[:60]
    write_tgz(tmp_path / "EnglishFnt.tgz", files)
    done = run_script("sources.chars74k", "EnglishFnt.tgz", "--labels", "0", "1", "--dataset", "d", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "'img001-00002.png' of 0 is left out" in done.stderr
    assert "5 pictures, 5 of them new; 1 could not be read" in done.stdout


@pytest.mark.parametrize(
    "fault", ["empty", "text", "half", "20 bytes", "no pictures", "empty folder", "absent", "label"]
)
def test_what_cannot_be_imported_is_one_line(tmp_path, run_script, fault):
    source = tmp_path / "EnglishFnt.tgz"
    whole = write_tgz(source, {"a.txt": b""} if fault == "no pictures" else official("Fnt", count=40)).read_bytes()
    cut = {"empty": b"", "text": b"no archive", "half": whole[: len(whole) // 2], "20 bytes": whole[:-20]}
    source.write_bytes(cut.get(fault, whole))
    if fault in ("empty folder", "absent"):
        source.unlink()
    if fault == "empty folder":
        source.mkdir()
    labels = ["0", "x"] if fault == "label" else ["0"]
    done = run_script("sources.chars74k", source, "--dataset", "d", "--labels", *labels, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert "EnglishFnt.tgz" in done.stderr
    assert ("found no pictures of x" in done.stderr) is (fault == "label")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("arguments", [["--labels", "ab"], ["--labels", "0", "0"], ["--per-label", "0"]])
def test_a_wrong_option_is_one_line(tmp_path, run_script, arguments):
    done = run_script("sources.chars74k", "EnglishFnt.tgz", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    shutil.rmtree(tmp_path)
