"""chars74k.py and the pictures in dataset/."""

import hashlib
import io
import re
import tarfile

import numpy as np
import pytest
from conftest import ROOT, SHARED
from PIL import Image, ImageDraw

import chars74k
from support import pictures
import preprocessing
from support.files import InputError


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


# Importing. Small archives, laid out as the official ones are.

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
    done = run_script("chars74k.py", "import", archive, cwd=tmp_path)
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
    done = run_script("chars74k.py", "import", archive, "--labels", "0", "A", "--dataset", "d", cwd=tmp_path)
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
    done = run_script("chars74k.py", "import", source, "--dataset", "d", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "EnglishFnt.tgz" in done.stderr
    assert not (tmp_path / "d").exists()


def test_the_md5_of_an_archive_is_said(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "EnglishFnt.tgz", official("Fnt"))
    assert "not the known f6710b1302a7e9693d904b16389d9d8a" in chars74k.describe_archive(archive)
    assert "is none of Chars74K's" in chars74k.describe_archive(archive.rename(tmp_path / "my.tgz"))
    mark = hashlib.md5((tmp_path / "my.tgz").read_bytes()).hexdigest()
    monkeypatch.setitem(chars74k.ARCHIVES, "EnglishFnt", mark)
    assert chars74k.describe_archive(tmp_path / "my.tgz").endswith("is the known one")


def test_light_on_dark_is_turned_round():
    dark, light = (picture_data("Img", paper=paper, ink=ink) for paper, ink in (("black", "white"), ("white", "black")))
    assert chars74k.fit_picture(dark, "EnglishImg").tobytes() == chars74k.fit_picture(light, "EnglishImg").tobytes()
    assert chars74k.fit_picture(light, "EnglishImg").getpixel((0, 0)) == (255, 255, 255)


# Drawing.


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


def test_render_varied_with_families_held_out(fonts, tmp_path, run_script):
    labels = ("0", "A", "a")
    for name in ("a", "b"):
        arguments = ("--labels", *labels, "--per-label", 40, "--fonts", fonts, "--vary", "--hold-out", 0.2)
        done = run_script("chars74k.py", "render", "--dataset", name, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    used, held = (set(line.split(", ")) for line in done.stdout.splitlines()[1::2])
    assert not used & held
    assert {name: image.tobytes() for name, image in imported(tmp_path / "a").items()} == {
        name: image.tobytes() for name, image in imported(tmp_path / "b").items()
    }
    for label in labels:
        training, unseen = (
            {image.tobytes() for image in imported(tmp_path / f"{folder}/{label}").values()}
            for folder in ("a", "a-held-out")
        )
        assert len(training) == 40
        assert unseen
        assert not training & unseen
    again = run_script("chars74k.py", "render", "--dataset", "c", *arguments, "--labels", 0, cwd=tmp_path)
    assert again.returncode == 0
    (tmp_path / "a" / "0").rename(tmp_path / "zeros")
    refused = run_script("chars74k.py", "render", "--dataset", "a", "--labels", 0, "--hold-out", 0.5, cwd=tmp_path)
    assert "a-held-out" in refused.stderr
    assert not (tmp_path / "a" / "0").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--labels", "ab"], 2),
        (["--labels", "é"], 2),
        (["--labels", "0", "0"], 2),
        (["--per-label", "0"], 2),
        (["--hold-out", "1"], 2),
        (["--hold-out", "nan"], 2),
        (["--seed", "-1"], 2),
        (["--fonts", "absent"], 1),
        (["--fonts", "absent", "--vary", "--hold-out", "0.2"], 1),
        ([], 0),
    ],
)
def test_mistakes_are_one_line(tmp_path, run_script, arguments, code):
    command = ["render", "--dataset", "d", *arguments] if arguments else ["--help"]
    done = run_script("chars74k.py", *command, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, int(code > 0))
    assert not (tmp_path / "d").exists()
