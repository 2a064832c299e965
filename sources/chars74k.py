"""The paper's pictures: Chars74K's official archives, fitted into 32x32 as the paper does.

    python -m sources.chars74k ARCHIVE_OR_FOLDER [--dataset DIR] [--labels 0 1 ...] [--per-label N]

docs/data.md says where to get the archives.
"""

import contextlib
import hashlib
import io
import os
import pathlib
import re
import sys
import tarfile
import zlib

from preprocessing import fit, open_picture
from sources import parse, put_picture, source_parser
from support.commandline import explain, progress_line, run
from support.files import InputError, write_whole
from support.pictures import CHARACTERS, has_pictures, picture_path

ARCHIVES = {  # MD5 of each of Chars74K's archives of English characters
    "EnglishFnt": "f6710b1302a7e9693d904b16389d9d8a",  # computer fonts
    "EnglishHnd": "95e9ee6d929809ef4c2f509f86388c72",  # handwritten
    "EnglishImg": "85d157e0c58f998e1cda8def62bcda0d",  # photographed; those in bad condition (BadImag) are left out
}
FOLDERS = {"Fnt": "EnglishFnt", "Hnd/Img": "EnglishHnd", "Img/GoodImg/Bmp": "EnglishImg"}
PICTURE = re.compile(rf"(?:^|/)({'|'.join(FOLDERS)})/Sample(\d{{3}})/img\2-(\d+)\.png$")
SOURCE = "source.txt"  # in a data set: the archive that its pictures are from, so that no two are mixed up
EXPECTED = "expected EnglishFnt.tgz, EnglishHnd.tgz or EnglishImg.tgz, or the folder unpacked from one"


def import_pictures(source, dataset, labels, per_label=None):
    """Fit the labels' pictures of an archive or its folder into 32x32 below `dataset`, the first `per_label` of each.

    Computer fonts are fitted as in the paper, handwritten and photographed pictures trimmed; one that cannot be read is
    left out, and named on stderr. What is there already is skipped, so that an import can be gone on with. Returns
    (number there for each label, number written, number unreadable). Raises InputError for an archive that is none, or
    not safe, before any writing.
    """
    counts, written, unreadable = dict.fromkeys(labels, 0), 0, 0
    show = progress_line(sys.stderr)
    with open_source(source) as files:
        kind, found = recognise(files, source)
        start_dataset(dataset, kind)
        chosen = choose_pictures(found, labels, per_label)
        for done, (label, number, name, read) in enumerate(chosen, 1):
            show(f"{done:,} of {len(chosen):,} pictures")
            if not os.path.exists(picture_path(dataset, label, number)):
                try:
                    picture, _ = open_picture(io.BytesIO(read()))
                except InputError as error:
                    show(last=True)
                    print(f"{source}: {name!r} is left out: {explain(error)}", file=sys.stderr)
                    unreadable += 1
                    continue
                put_picture(fit(picture, trim=kind != "EnglishFnt"), dataset, label, number)
                written += 1
            counts[label] += 1
    show(last=True)
    return counts, written, unreadable


@contextlib.contextmanager
def open_source(path):
    """The files of an archive, or of the folder unpacked from one: pairs of a name and a function that reads its bytes.

    Nothing is ever unpacked under a member's own name; even so, an archive with an unsafe member is refused as a whole.
    """
    if os.path.isdir(path):
        yield [(file.as_posix(), file.read_bytes) for file in sorted(pathlib.Path(os.path.abspath(path)).rglob("*"))]
        return
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(tarfile.open(path))
            members = archive.getmembers()
        except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
            if getattr(error, "errno", None) is not None:
                raise  # missing, not allowed: the system's own words say it
            raise InputError(f"{path}: {EXPECTED}, undamaged ({error}); download it again") from None
        for member in members:
            reason = unsafe(member)
            if reason:
                raise InputError(f"{path}: {member.name!r} {reason}, as in no archive of Chars74K; it is refused")
        files = [member for member in members if member.isfile()]
        yield [(member.name, lambda member=member: archive.extractfile(member).read()) for member in files]


def unsafe(member):
    """Why a member of an archive is not to be trusted; None where it is a plain file or folder with a harmless name."""
    name = member.name.replace("\\", "/")
    reasons = {
        "has an absolute path": name.startswith("/") or re.match("[A-Za-z]:", name),
        "leads out of its folder": ".." in name.split("/"),
        "is a link": member.issym() or member.islnk(),
        "is a device, or something else that is no file": not (member.isfile() or member.isdir()),
    }
    return next((reason for reason, found in reasons.items() if found), None)


def recognise(files, source):
    """The kind of archive that files are from, and of each picture (label, number, name, function that reads it).

    English/Fnt/Sample001/img001-00007.png is EnglishFnt's ("0", 7). Raises InputError where not all are of one kind.
    """
    found = {}
    for name, read in files:
        match = PICTURE.search(name)
        if match and 1 <= int(match[2]) <= len(CHARACTERS):
            picture = CHARACTERS[int(match[2]) - 1], int(match[3]), name, read
            found.setdefault(FOLDERS[match[1]], []).append(picture)
    if len(found) != 1:
        what = f"pictures of {' and '.join(sorted(found))}, import one at a time" if found else "no such pictures"
        raise InputError(f"{source}: {EXPECTED}; found {what}")
    return found.popitem()


def choose_pictures(found, labels, per_label):
    """Of the pictures found those of the labels, of each label the `per_label` lowest numbers, in the order found."""
    numbers = {label: sorted({number for its, number, _, _ in found if its == label})[:per_label] for label in labels}
    chosen = {(label, number) for label in labels for number in numbers[label]}
    return [picture for picture in found if picture[:2] in chosen]


def start_dataset(dataset, kind):
    """Note in `dataset` what its pictures are from. Raises InputError where it holds those of something else."""
    path = os.path.join(dataset, SOURCE)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = " ".join(file.read().split()) or "nothing known"
    except FileNotFoundError:
        found = "something else" if any(has_pictures(dataset, label) for label in CHARACTERS) else None
    if found not in (None, kind):
        raise InputError(f"{dataset}: holds the pictures of {found}, these are {kind}'s; name another --dataset")
    if found is None:
        os.makedirs(dataset, exist_ok=True)
        write_whole(path, f"{kind}\n".encode())


def describe_archive(path):
    """Whether an archive is Chars74K's own, by its MD5, as a sentence."""
    name = os.path.basename(path)
    md5 = hashlib.md5(pathlib.Path(path).read_bytes(), usedforsecurity=False).hexdigest()
    if md5 in ARCHIVES.values():
        return f"{name}: its MD5 is the known one"
    known = ARCHIVES.get(name.split(".")[0])
    what = f"not the known {known}: damaged, or another version?" if known else "none of Chars74K's"
    return f"{name}: note that its MD5 is {md5}, {what}"


def main():
    parser = source_parser("Make a data set of Chars74K's pictures.", "chars74k", CHARACTERS, None)
    parser.add_argument("source", metavar="ARCHIVE_OR_FOLDER", help=EXPECTED.partition(" ")[2])
    options = parse(parser)
    if not os.path.isdir(options.source):
        print(describe_archive(options.source))
    counts, written, unreadable = import_pictures(options.source, options.dataset, options.labels, options.per_label)
    left_out = f"; {unreadable:,} could not be read" if unreadable else ""
    print(f"{options.dataset}: {sum(counts.values()):,} pictures, {written:,} of them new{left_out}")
    print("of each label: " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    return 1 if unreadable else 0


if __name__ == "__main__":
    run(main)
