"""The paper's pictures: Chars74K's archives, fitted into 32x32 as the paper does.

    python -m sources.chars74k EnglishFnt.tgz [EnglishHnd.tgz] [--labels 0 1] [--per-label 260] [--dataset DIR] [--trim]

reads the official archives, a zip file of the same, a folder unpacked from one, and the flat folder of handwritten
pictures that Kaggle serves. Of each label, the handwritten pictures come first. docs/data.md says where to get them.
"""

import contextlib
import gzip
import io
import os
import pathlib
import re
import sys
import tarfile
import zipfile
import zlib

from preprocessing import fit, open_picture
from sources import parse, put_picture, source_parser
from support.commandline import explain, progress_line, run
from support.files import InputError
from support.pictures import CHARACTERS, class_number

KINDS = "EnglishHnd", "EnglishFnt", "EnglishImg"  # handwritten, computer fonts, photographed (the good ones)
PICTURE = re.compile(r"(?:^|/)(?:(Fnt|Hnd/Img|Img/GoodImg/Bmp)/Sample\d{3}|Img)/img(\d{3})-(\d+)\.png$")
FOLDERS = {"Fnt": "EnglishFnt", "Hnd/Img": "EnglishHnd", "Img/GoodImg/Bmp": "EnglishImg", None: "EnglishHnd"}
EXPECTED = "expected EnglishFnt.tgz, EnglishHnd.tgz or EnglishImg.tgz of Chars74K, or the folder unpacked from one"
BLOCK = 1 << 20  # bytes


def import_pictures(sources, dataset, labels=None, per_label=None, trim=False):
    """Fit pictures of some archives or folders into 32x32 and put them into a data set under their own names.

    labels: None takes all that are there. per_label: so many of each. trim: cut each picture to its ink first. Pictures
    that are in the data set already are skipped. One that cannot be read is left out and named on stderr. Returns
    ({label: number}, number written, number unreadable). Raises InputError, before anything is written, for an archive
    that is none or damaged, for a label that no archive has, and for two pictures of one name.
    """
    with contextlib.ExitStack() as stack:
        found = {}  # {label: [(kind, name, function that reads it)]}
        for source in sources:
            files = stack.enter_context(open_source(source))
            for name, read in files:
                match = PICTURE.search(name)
                if match and 1 <= int(match[2]) <= len(CHARACTERS) and not os.path.basename(name).startswith("._"):
                    picture = KINDS.index(FOLDERS[match[1]]), os.path.basename(name), read
                    found.setdefault(CHARACTERS[int(match[2]) - 1], []).append(picture)
            if not any(PICTURE.search(name) for name, _ in files):
                raise InputError(f"{source}: {EXPECTED}; found no such pictures")
        labels = [label for label in CHARACTERS if label in found] if labels is None else labels
        missing = [label for label in labels if label not in found]
        if missing:
            raise InputError(f"{', '.join(map(str, sources))}: found no pictures of {' '.join(missing)}")
        chosen = {label: sorted(found[label], key=lambda picture: picture[:2])[:per_label] for label in labels}
        for label, pictures in chosen.items():
            if len({name for _, name, _ in pictures}) < len(pictures):
                raise InputError(f"two pictures of {label} have one name; import these archives one at a time")
        return write_pictures(chosen, dataset, trim)


def write_pictures(chosen, dataset, trim):
    """Write the chosen pictures, {label: [(kind, name, function that reads it)]}. Returns as import_pictures()."""
    counts, written, unreadable, show = dict.fromkeys(chosen, 0), 0, 0, progress_line(sys.stderr)
    total, done = sum(map(len, chosen.values())), 0
    for label, pictures in chosen.items():
        for _, name, read in pictures:
            done += 1
            show(f"{done:,} of {total:,} pictures")
            number = name.partition("-")[2].partition(".")[0]
            path = os.path.join(dataset, label, f"img{class_number(label):03d}-{number}.png")
            if not os.path.exists(path):
                try:
                    picture, _ = open_picture(io.BytesIO(read()))
                except InputError as error:
                    show(last=True)
                    print(f"{name!r} of {label} is left out: {explain(error)}", file=sys.stderr)
                    unreadable += 1
                    continue
                put_picture(fit(picture, trim), path)
                written += 1
            counts[label] += 1
    show(last=True)
    return counts, written, unreadable


@contextlib.contextmanager
def open_source(path):
    """Give the files of an archive or folder: pairs of a name and a function that returns its bytes.

    Nothing is unpacked, so no name in an archive can lead out of the data set. Links and devices are passed over.
    """
    if os.path.isdir(path):
        yield [(file.as_posix(), file.read_bytes) for file in sorted(pathlib.Path(os.path.abspath(path)).rglob("*"))]
        return
    with contextlib.ExitStack() as stack:
        try:
            if zipfile.is_zipfile(path):
                archive = stack.enter_context(zipfile.ZipFile(path))
                members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
                read = archive.read
            else:
                stream = stack.enter_context(gzip.open(path))
                archive = stack.enter_context(tarfile.open(fileobj=stream))
                members = {info.name: info for info in archive.getmembers() if info.isfile()}
                while stream.read(BLOCK):  # to the end, where gzip compares its checksum: nothing is cut off
                    pass
                read = lambda info: archive.extractfile(info).read()  # noqa: E731
        except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
            if getattr(error, "errno", None) is not None:
                raise  # the file is missing or may not be read: the system's own words say it
            raise InputError(f"{path}: {EXPECTED}, undamaged ({error}); download it again") from None
        yield [(name, lambda info=info: read(info)) for name, info in members.items()]


def main():
    parser = source_parser("Make a data set of Chars74K's pictures.", "chars74k", CHARACTERS, None)
    parser.add_argument("sources", nargs="+", metavar="ARCHIVE_OR_FOLDER", help=EXPECTED.partition(" ")[2])
    parser.add_argument("--trim", action="store_true", help="cut each picture to its ink first (not in the paper)")
    options = parse(parser)
    labels = None if options.labels == list(CHARACTERS) else options.labels
    found = import_pictures(options.sources, options.dataset, labels, options.per_label, options.trim)
    counts, written, unreadable = found
    left_out = f"; {unreadable:,} could not be read" if unreadable else ""
    print(f"{options.dataset}: {sum(counts.values()):,} pictures, {written:,} of them new{left_out}")
    print("of each label: " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    return 1 if unreadable else 0


if __name__ == "__main__":
    run(main)
