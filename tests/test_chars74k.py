"""sources/chars74k.py: Chars74K's official archives."""

import hashlib
import io
import re
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageDraw

import preprocessing
from sources import chars74k
from support.files import InputError

# Small archives, laid out as the official ones are.

NAMES = {
    "Fnt": "English/Fnt/Sample{0:03d}/img{0:03d}-{1:05d}.png",
    "Hnd": "English/Hnd/Img/Sample{0:03d}/img{0:03d}-{1:03d}.png",
    "Img": "English/Img/GoodImg/Bmp/Sample{0:03d}/img{0:03d}-{1:05d}.png",
}
SIZES = {"Fnt": ("L", (128, 128)), "Hnd": ("RGB", (300, 225)), "Img": ("RGB", (40, 60))}


def picture_data(kind, number=1, paper="white", ink="black"):
    """A stroke, small and off centre, as the bytes of a PNG file."""
    image = Image.new(*SIZES[kind], paper)
    ImageDraw.Draw(image).line((10 + number, 10, 12 + number, 40), ink, 5)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def official(kind, classes=(1, 11, 37), numbers=(1, 2, 3)):
    """What a small archive of that kind holds: {name: bytes}."""
    return {NAMES[kind].format(c, n): picture_data(kind, n) for c in classes for n in numbers}


def write_archive(path, files, *members):
    """A .tgz of the files, after the members, which are odd ones without content."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def imported(folder):
    """The pictures below a folder, as {relative path: pixels}."""
    paths = sorted(folder.rglob("*.png"))
    return {path.relative_to(folder).as_posix(): np.asarray(Image.open(path)) for path in paths}


EXPECTED = [f"{label}/img{c:03d}-{n:05d}.png" for label, c in (("0", 1), ("A", 11), ("a", 37)) for n in (1, 2, 3)]


@pytest.mark.parametrize("kind", NAMES)
def test_import_an_archive_or_its_folder(tmp_path, run_script, kind):
    files = official(kind)
    extra = {"English/Img/BadImag/Bmp/Sample001/img001-00009.png": b"", "English/Hnd/Trj/Sample001/img001-009.m": b""}
    archive = write_archive(tmp_path / f"English{kind}.tgz", {**files, **extra, "English/list.txt": b"x"})
    done = run_script("sources.chars74k", archive, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"English{kind}.tgz: note that its MD5 is" in done.stdout
    assert "9 pictures, 9 of them new" in done.stdout
    assert "0 3, 1 0," in done.stdout
    assert "A 3," in done.stdout
    found = imported(tmp_path / "chars74k")
    assert list(found) == EXPECTED
    first = Image.open(io.BytesIO(files[NAMES[kind].format(1, 1)]))
    assert (found[EXPECTED[0]] == np.asarray(preprocessing.fit(first, trim=kind != "Fnt"))).all()
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            path = tmp_path / "unpacked" / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(opened.extractfile(member).read())
    counts, written, unreadable = chars74k.import_pictures(tmp_path / "unpacked", tmp_path / "again", ["A", "a"], 2)
    assert (counts, written, unreadable) == ({"A": 2, "a": 2}, 4, 0)
    assert list(imported(tmp_path / "again")) == [name for name in EXPECTED[3:] if not name.endswith("3.png")]


def test_import_is_gone_on_with(tmp_path):
    archive = write_archive(tmp_path / "EnglishFnt.tgz", official("Fnt"))
    chars74k.import_pictures(archive, tmp_path / "d", ["0", "A", "a"])
    whole = imported(tmp_path / "d")
    kept = tmp_path / "d" / EXPECTED[0]
    before = kept.stat().st_mtime_ns
    for name in EXPECTED[4:]:
        (tmp_path / "d" / name).unlink()
    (tmp_path / "d" / f"{EXPECTED[4]}.new").write_bytes(b"half a pic")
    assert chars74k.import_pictures(archive, tmp_path / "d", ["0", "A", "a"])[1] == 5
    after = imported(tmp_path / "d")
    assert list(after) == EXPECTED
    assert all((after[name] == whole[name]).all() for name in EXPECTED)
    assert kept.stat().st_mtime_ns == before
    assert not list((tmp_path / "d").rglob("*.new"))


def test_archives_are_not_mixed_up(tmp_path):
    for kind in ("Fnt", "Hnd"):
        write_archive(tmp_path / f"English{kind}.tgz", official(kind))
    chars74k.import_pictures(tmp_path / "EnglishFnt.tgz", tmp_path / "d", ["0"])
    with pytest.raises(InputError, match="holds the pictures of EnglishFnt, these are EnglishHnd's"):
        chars74k.import_pictures(tmp_path / "EnglishHnd.tgz", tmp_path / "d", ["0"])
    (tmp_path / "d" / chars74k.SOURCE).unlink()
    with pytest.raises(InputError, match="holds the pictures of something else"):
        chars74k.import_pictures(tmp_path / "EnglishFnt.tgz", tmp_path / "d", ["0"])
    both = write_archive(tmp_path / "both.tgz", {**official("Fnt"), **official("Hnd")})
    with pytest.raises(InputError, match="import one at a time"):
        chars74k.import_pictures(both, tmp_path / "e", ["0"])
    assert not (tmp_path / "e").exists()


def odd(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (odd("/etc/new"), "absolute path"),
        (odd("C:\\new"), "absolute path"),
        (odd("English/../../new"), "out of its folder"),
        (odd("English/Fnt/Sample001/img001-00004.png", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (odd("English/Fnt/Sample001/img001-00004.png", tarfile.LNKTYPE, "English/other"), "is a link"),
        (odd("English/null", tarfile.CHRTYPE), "no file"),
        (odd("English/disk", tarfile.BLKTYPE), "no file"),
        (odd("English/pipe", tarfile.FIFOTYPE), "no file"),
    ],
)
def test_an_unsafe_archive_is_refused_whole(tmp_path, member, reason):
    archive = write_archive(tmp_path / "EnglishFnt.tgz", official("Fnt"), member)
    with pytest.raises(InputError, match=f"EnglishFnt.tgz: .*{re.escape(repr(member.name))} .*{reason}.* is refused"):
        chars74k.import_pictures(archive, tmp_path / "d", ["0"])
    assert not (tmp_path / "d").exists()


def test_a_broken_picture_is_left_out_and_named(tmp_path, run_script):
    files = official("Fnt")
    files["English/Fnt/Sample001/img001-00002.png"] = picture_data("Fnt")[:60]
    archive = write_archive(tmp_path / "EnglishFnt.tgz", files)
    done = run_script("sources.chars74k", archive, "--labels", "0", "A", "--dataset", "d", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "img001-00002.png' is left out" in done.stderr
    assert "5 pictures, 5 of them new; 1 could not be read" in done.stdout
    assert list(imported(tmp_path / "d")) == [name for name in EXPECTED[:6] if name != EXPECTED[1]]


@pytest.mark.parametrize("data", [b"", b"no archive", "cut", "empty", "folder", "absent"])
def test_what_is_no_archive_is_one_line(tmp_path, run_script, data):
    source = tmp_path / "EnglishFnt.tgz"
    if data == "folder":
        source.mkdir()
    elif data in ("cut", "empty"):
        write_archive(source, official("Fnt") if data == "cut" else {"a.txt": b""})
        whole = source.read_bytes()
        source.write_bytes(whole[: len(whole) // 2] if data == "cut" else whole)
    elif data != "absent":
        source.write_bytes(data)
    done = run_script("sources.chars74k", source, "--dataset", "d", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "EnglishFnt.tgz" in done.stderr
    assert not (tmp_path / "d").exists()


def test_the_md5_of_an_archive_is_said(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "EnglishFnt.tgz", official("Fnt"))
    assert "not the known f6710b1302a7e9693d904b16389d9d8a" in chars74k.describe_archive(archive)
    assert "none of Chars74K's" in chars74k.describe_archive(archive.rename(tmp_path / "my.tgz"))
    mark = hashlib.md5((tmp_path / "my.tgz").read_bytes()).hexdigest()
    monkeypatch.setitem(chars74k.ARCHIVES, "EnglishFnt", mark)
    assert chars74k.describe_archive(tmp_path / "my.tgz").endswith("is the known one")


def test_light_on_dark_is_turned_round(tmp_path):
    dark, light = (picture_data("Img", paper=paper, ink=ink) for paper, ink in (("black", "white"), ("white", "black")))
    files = {NAMES["Img"].format(1, 1): dark, NAMES["Img"].format(1, 2): light}
    chars74k.import_pictures(write_archive(tmp_path / "EnglishImg.tgz", files), tmp_path / "d", ["0"])
    turned, kept = imported(tmp_path / "d").values()
    assert (turned == kept).all()
    assert (kept[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--labels", "ab"], 2),
        (["--labels", "é"], 2),
        (["--labels", "0", "0"], 2),
        (["--labels", "all", "0"], 2),
        (["--per-label", "0"], 2),
        ([], 2),
        (["--help"], 0),
    ],
)
def test_mistakes_are_one_line(tmp_path, run_script, arguments, code):
    source = ["EnglishFnt.tgz"] if arguments else []
    done = run_script("sources.chars74k", *source, *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, int(code > 0))
    assert list(tmp_path.iterdir()) == []
