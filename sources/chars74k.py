"""The paper's pictures: Chars74K's official archives, fitted into 32x32 as the paper does.

    python -m sources.chars74k ARCHIVE_OR_FOLDER [--dataset DIR] [--labels 0 1 ... | all] [--per-label N]

dataset/README.md says where to get the archives.
"""

import contextlib
import hashlib
import io
import os
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

    Pictures that are there already are skipped, so that an import can be gone on with. Handwritten and photographed
    ones are trimmed. One that cannot be read is left out, and named on stderr. Returns (number there for each label,
    number written, number unreadable). Raises InputError for an archive that is none, or not safe, before any writing.
    """
    counts, written, unreadable = dict.fromkeys(labels, 0), 0, 0
    show = progress_line(sys.stderr)
    with open_source(source) as (found, read):
        kind = kind_of(found, source)
        start_dataset(dataset, kind)
        chosen = choose_pictures(found, labels, per_label)
        for done, (_, label, number, place) in enumerate(chosen, 1):
            if not os.path.exists(picture_path(dataset, label, number)):
                picture = fit_or_name(read(place), kind, f"{source}: {getattr(place, 'name', place)!r}")
                if picture is None:
                    unreadable += 1
                    continue
                put_picture(picture, dataset, label, number)
                written += 1
            counts[label] += 1
            show(f"{done:,} of {len(chosen):,} pictures")
    show(last=True)
    return counts, written, unreadable


@contextlib.contextmanager
def open_source(path):
    """An archive, or the folder unpacked from one: its pictures as find_in_...() list them, and what reads one."""
    if os.path.isdir(path):
        yield find_in_folder(path), read_file
        return
    try:
        archive = tarfile.open(path)  # noqa: SIM115, closed below
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(f"{path}: {EXPECTED} ({error})") from None
    with archive:
        yield find_in_archive(path, archive), lambda member: archive.extractfile(member).read()


def find_in_archive(path, archive):
    """Each picture of an opened archive, in its order: (its kind, label, number, member).

    Nothing is ever unpacked under a member's own name; even so, an archive with an unsafe member is refused as a whole.
    """
    try:
        members = archive.getmembers()
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: is damaged or ends too early ({error}); download it again") from None
    for member in members:
        reason = unsafe(member)
        if reason:
            raise InputError(f"{path}: {member.name!r} {reason}, which Chars74K has none of; the archive is refused")
    return [(*parts, member) for member in members if member.isfile() for parts in [parse_name(member.name)] if parts]


def unsafe(member):
    """Why a member of an archive is not to be trusted; None where it is a plain file or folder with a harmless name."""
    name = member.name.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in name.split("/"):
        return "leads out of its folder"
    if member.issym() or member.islnk():
        return "is a link"
    if not (member.isfile() or member.isdir()):
        return "is a device, or something else that is no file"
    return None


def find_in_folder(folder):
    """Each picture below an unpacked archive's folder, or below a part of it: (its kind, label, number, path)."""
    paths = [os.path.join(root, name) for root, _, names in sorted(os.walk(folder)) for name in sorted(names)]
    names = [os.path.abspath(path).replace(os.sep, "/") for path in paths]
    return [(*parts, path) for path, name in zip(paths, names) for parts in [parse_name(name)] if parts]


def parse_name(name):
    """What "English/Fnt/Sample001/img001-00007.png" is: ("EnglishFnt", "0", 7). None for anything else."""
    match = PICTURE.search(name)
    if not match or not 1 <= int(match[2]) <= len(CHARACTERS):
        return None
    return FOLDERS[match[1]], CHARACTERS[int(match[2]) - 1], int(match[3])


def kind_of(found, source):
    """Which archive the pictures found are from. Raises InputError where there are none, or those of several."""
    kinds = sorted({kind for kind, _, _, _ in found})
    if not kinds:
        raise InputError(f"{source}: {EXPECTED}; found no such pictures")
    if len(kinds) > 1:
        raise InputError(f"{source}: {EXPECTED}; found pictures of {' and '.join(kinds)}, import one at a time")
    return kinds[0]


def choose_pictures(found, labels, per_label):
    """Of the pictures found those of the labels, of each label the `per_label` lowest numbers, in the order found."""
    by_label = {label: sorted({number for _, its, number, _ in found if its == label})[:per_label] for label in labels}
    chosen = {(label, number) for label, numbers in by_label.items() for number in numbers}
    return [picture for picture in found if picture[1:3] in chosen]


def read_file(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def fit_picture(data, kind):
    """A picture of an archive, as its bytes, fitted into 32x32: computer fonts as in the paper, the others trimmed.

    Raises InputError where it is no picture that can be read.
    """
    return fit(open_picture(io.BytesIO(data))[0], trim=kind != "EnglishFnt")


def fit_or_name(data, kind, name):
    """What fit_picture() returns; None where it cannot be read, which stderr is told under that name."""
    try:
        return fit_picture(data, kind)
    except InputError as error:
        print(f"{name} is left out: {explain(error)}", file=sys.stderr)
        return None


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
    mark = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            mark.update(part)
    name = os.path.basename(path)
    known = ARCHIVES.get(name.split(".")[0])
    if mark.hexdigest() in ARCHIVES.values():
        return f"{name}: its MD5 is the known one"
    if known:
        return f"{name}: note that its MD5 is {mark.hexdigest()}, not the known {known}: damaged, or another version?"
    return f"{name}: note that its MD5 {mark.hexdigest()} is none of Chars74K's"


def main():
    parser = source_parser("Make a data set of Chars74K's own pictures, 32x32.", "chars74k", CHARACTERS, None)
    parser.add_argument("source", metavar="ARCHIVE_OR_FOLDER", help="EnglishFnt.tgz, EnglishHnd.tgz, EnglishImg.tgz, "
                        "or the folder unpacked from one")  # fmt: skip
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
