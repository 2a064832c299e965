"""The paper's pictures: Chars74K's, unpacked, fitted into 32x32 as the paper does.

    python -m sources.chars74k FOLDER... [--labels 0 1] [--per-label 260] [--dataset DIR]

reads folders that were unpacked from the official archives, and the flat folder of handwritten pictures that Kaggle
serves. Of each label, the handwritten pictures come first. docs/data.md says where to get them.
"""

import os
import pathlib
import re
import sys

from preprocessing import fit, open_picture
from sources import parse, put_picture, source_parser
from support.commandline import explain, progress_line, run
from support.files import InputError
from support.pictures import CHARACTERS

PICTURE = re.compile(r"(?:^|/)(?:(Fnt|Hnd/Img|Img/GoodImg/Bmp)/Sample\d{3}|Img)/img(\d{3})-(\d+)\.png$")
KINDS = {None: 0, "Hnd/Img": 0, "Fnt": 1, "Img/GoodImg/Bmp": 2}  # handwritten, fonts, photographed (the good ones)
EXPECTED = "expected a folder unpacked from EnglishFnt.tgz, EnglishHnd.tgz or EnglishImg.tgz of Chars74K"


def import_pictures(folders, dataset, labels=None, per_label=None):
    """Fit the pictures of some folders into 32x32 and put them into a data set under their own names.

    labels: None takes all that are there. per_label: so many of each. Pictures that are in the data set already are
    skipped. One that cannot be read is left out and named on stderr. Returns ({label: number}, number written, number
    unreadable). Raises InputError, before anything is written, for a folder without such pictures, for a label that no
    folder has, and for two pictures of one name.
    """
    found = {}  # {label: [(kind, name, path)]}
    for folder in folders:
        for label, picture in find(folder):
            found.setdefault(label, []).append(picture)
    labels = [label for label in CHARACTERS if label in found] if labels is None else labels
    missing = [label for label in labels if label not in found]
    if missing:
        raise InputError(f"{', '.join(map(str, folders))}: found no pictures of {' '.join(missing)}")
    chosen = {label: sorted(found[label])[:per_label] for label in labels}
    for label, pictures in chosen.items():
        if len({name for _, name, _ in pictures}) < len(pictures):
            raise InputError(f"two pictures of {label} have one name; import these folders one at a time")
    return write_pictures(chosen, dataset)


def find(folder):
    """Return (label, (kind, name, path)) of each of Chars74K's pictures in a folder. Raises InputError without any."""
    if os.path.isfile(folder):
        unpack = f"unzip {folder}" if str(folder).lower().endswith(".zip") else f"tar xzf {folder}"
        raise InputError(f"{folder}: {EXPECTED}, found a file; unpack it first: {unpack}")
    paths = [path.as_posix() for path in pathlib.Path(os.path.abspath(folder)).rglob("img*.png")]
    matches = [(path, PICTURE.search(path)) for path in paths]
    found = [(CHARACTERS[int(match[2]) - 1], (KINDS[match[1]], os.path.basename(path), path))
             for path, match in matches if match and 1 <= int(match[2]) <= len(CHARACTERS)]  # fmt: skip
    if not found:
        raise InputError(f"{folder}: {EXPECTED}; found no such pictures")
    return found


def write_pictures(chosen, dataset):
    """Write the chosen pictures, {label: [(kind, name, path)]}. Returns as import_pictures()."""
    counts, written, unreadable = dict.fromkeys(chosen, 0), 0, 0
    pictures = [(label, name, source) for label, found in chosen.items() for _, name, source in found]
    with progress_line(sys.stderr) as show:
        for done, (label, name, source) in enumerate(pictures, 1):
            show(f"{done:,} of {len(pictures):,} pictures")
            path = os.path.join(dataset, label, name)
            if not os.path.exists(path):
                try:
                    put_picture(fit(open_picture(source)[0]), path)
                except InputError as error:
                    show(last=True)
                    print(f"{name} of {label} is left out: {explain(error)}", file=sys.stderr)
                    unreadable += 1
                    continue
                written += 1
            counts[label] += 1
    return counts, written, unreadable


def main():
    parser = source_parser("Make a data set of Chars74K's pictures.", "chars74k", CHARACTERS, None)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help=EXPECTED.partition(" ")[2])
    options = parse(parser)
    labels = None if options.labels == list(CHARACTERS) else options.labels
    counts, written, unreadable = import_pictures(options.folders, options.dataset, labels, options.per_label)
    left_out = f"; {unreadable:,} could not be read" if unreadable else ""
    print(f"{options.dataset}: {sum(counts.values()):,} pictures, {written:,} of them new{left_out}")
    print("of each label: " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    return 1 if unreadable else 0


if __name__ == "__main__":
    run(main)
