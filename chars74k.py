"""The data sets: Chars74K's official archives (the paper's pictures), or pictures of that kind drawn from open fonts.

    python chars74k.py import ARCHIVE_OR_FOLDER [--dataset DIR] [--labels 0 1 ...] [--per-label N]
    python chars74k.py render [--dataset DIR] [--labels 0 1 ...] [--per-label 260] [--fonts DIR ...] [--seed N]
                              [--vary] [--hold-out SHARE]

dataset/README.md says where to get the archives, and what the drawn pictures are.
"""

import contextlib
import hashlib
import io
import os
import re
import sys
import tarfile
import time
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from common import InputError, Parser, explain, run, write_whole
from fonts import (
    FONT_FOLDERS,
    HEIGHTS,
    SHARES,
    choose_faces,
    draw_all,
    draw_held_out,
    draw_varied,
    find_faces,
    open_font,
    split_families,
)
from pictures import CHARACTERS, has_pictures, picture_path
from preprocessing import fit, on_white

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
    with contextlib.ExitStack() as stack:
        if os.path.isdir(source):
            found, read = find_in_folder(source), read_file
        else:
            archive = stack.enter_context(open_archive(source))
            found, read = find_in_archive(source, archive), lambda member: archive.extractfile(member).read()
        kinds = sorted({kind for kind, _, _, _ in found})
        if len(kinds) != 1:
            what = (
                f"found pictures of {' and '.join(kinds)}, import one at a time" if kinds else "found no such pictures"
            )
            raise InputError(f"{source}: {EXPECTED}; {what}")
        start_dataset(dataset, kinds[0])
        counts, written, unreadable = dict.fromkeys(labels, 0), 0, 0
        chosen = choose_pictures(found, labels, per_label)
        show = progress_line("pictures")
        for done, (_, label, number, place) in enumerate(chosen, 1):
            path = picture_path(dataset, label, number)
            if not os.path.exists(path):
                try:
                    data = png_of(fit_picture(read(place), kinds[0]))
                except InputError as error:
                    name = getattr(place, "name", place)
                    print(f"{source}: {name!r} is left out: {explain(error)}", file=sys.stderr)
                    unreadable += 1
                    continue
                os.makedirs(os.path.dirname(path), exist_ok=True)
                write_whole(path, data, sync=False)
                written += 1
            counts[label] += 1
            show(done, len(chosen))
    return counts, written, unreadable


def open_archive(path):
    """A .tgz, opened. Raises InputError where it is none."""
    try:
        return tarfile.open(path)  # it is closed by the caller
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InputError(f"{path}: {EXPECTED} ({error})") from None


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
    return [(*parts, member) for member in members if member.isfile() for parts in [parse(member.name)] if parts]


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
    return [(*parts, path) for path in paths for parts in [parse(os.path.abspath(path).replace(os.sep, "/"))] if parts]


def parse(name):
    """What "English/Fnt/Sample001/img001-00007.png" is: ("EnglishFnt", "0", 7). None for anything else."""
    match = PICTURE.search(name)
    if not match or not 1 <= int(match[2]) <= len(CHARACTERS):
        return None
    return FOLDERS[match[1]], CHARACTERS[int(match[2]) - 1], int(match[3])


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} is too large")
                image.load()
                return fit(dark_on_light(image) if kind == "EnglishImg" else image, trim=kind != "EnglishFnt")
    except (Exception, MemoryError) as error:
        raise InputError(f"expected a picture that Pillow can read ({type(error).__name__})") from None


def dark_on_light(image):
    """A photographed character with its grey levels turned round where it is light on dark, as RGB.

    It is where its border, mostly paper, is nearer to its darkest than to its lightest grey, a twentieth of each apart.
    """
    image = on_white(image)
    grey = np.asarray(image.convert("L"))
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    return ImageOps.invert(image) if np.median(border) < np.percentile(grey, (5, 95)).mean() else image


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


def render(dataset, labels, per_label, folders, seed, vary=False, hold_out=0):
    """Draw `per_label` pictures of each label from fonts, no two of a label alike.

    Each set of labels is from one font file; with `vary`, beyond each font's plain picture there are varied ones of it.
    hold_out: this share of the font families is kept back, and `dataset`-held-out gets a plain picture of each of their
    fonts that has the label, none of which is in `dataset`. Returns the names of the families used, and of those held
    out. Raises InputError if there are too few fonts, or pictures there already.
    """
    held_dataset = f"{os.path.normpath(dataset)}-held-out"
    for folder in [dataset, held_dataset] if hold_out else [dataset]:
        for label in labels:
            if has_pictures(folder, label):
                where = os.path.join(folder, label)
                raise InputError(f"{where}: holds pictures already; remove them, or name another --dataset")
    rng = np.random.default_rng(seed)
    families, held = find_faces(folders), []
    if hold_out:
        families, held = split_families(families, hold_out, rng)
    draw = draw_pen_sets if vary else draw_sets
    pictures, used = draw(families, labels, per_label, rng)
    held_fonts = [(path, open_font(path, labels)) for _, faces in held for path, _ in faces]
    held_fonts = [(path, font) for path, font in held_fonts if font]
    held_pictures = {}
    for label in labels if held_fonts else ():
        known = {picture.tobytes() for picture in pictures[label]}
        held_pictures[label] = draw_held_out(held_fonts, label, known, vary)
    show = progress_line("pictures written")
    total = sum(len(of_label) for part in (pictures, held_pictures) for of_label in part.values())
    done = 0
    for folder, part in ((dataset, pictures), (held_dataset, held_pictures)):
        for label, of_label in part.items():
            os.makedirs(os.path.join(folder, label), exist_ok=True)
            for number, picture in enumerate(of_label, 1):
                write_whole(picture_path(folder, label, number), png_of(picture, optimize=True), sync=False)
                done += 1
                show(done, total)
    return used, [family for family, _ in held]


def draw_sets(families, labels, per_label, rng):
    """Sets of all labels, each set from one font file: {label: `per_label` pictures}, and the families used."""
    sets, used, seen = [], [], set()
    for family, path in choose_faces(families, rng):
        pictures = draw_all(path, labels, int(rng.choice(HEIGHTS, p=SHARES)))
        marks = {(label, picture.tobytes()) for label, picture in zip(labels, pictures or [])}
        if marks and not marks & seen:
            seen |= marks
            sets.append(pictures)
            used.append(family)
        if len(sets) == per_label:
            return dict(zip(labels, zip(*sets))), sorted(set(used))
    raise too_few(len(sets), per_label)


def draw_pen_sets(families, labels, per_label, rng):
    """Plain and varied pictures from all the fonts: {label: `per_label` pictures}, and the families used."""
    faces = [(family, open_font(path, labels)) for family, path in choose_faces(families, rng)]
    fonts = [font for _, font in faces if font]
    show, pictures = progress_line("labels drawn"), {}
    for label in labels:
        pictures[label] = draw_varied(fonts, label, per_label, rng)
        if len(pictures[label]) < per_label:
            raise too_few(len(fonts), per_label)
        show(len(pictures), len(labels))
    return pictures, sorted({family for family, font in faces if font})


def too_few(found, expected):
    """The error that says so."""
    return InputError(
        f"--fonts: found {found} fonts that differ, expected {expected}; install more, see dataset/README.md"
    )


def png_of(picture, optimize=False):
    """A picture as the bytes of a PNG file."""
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=optimize)
    return data.getvalue()


def progress_line(what):
    """A function of (done, total) that keeps one line on a terminal's stderr up to date; elsewhere it says nothing."""
    said = [0.0]

    def show(done, total):
        if sys.stderr.isatty() and (done == total or time.monotonic() - said[0] > 0.2):
            said[0] = time.monotonic()
            print(f"\r{done:,} of {total:,} {what}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def main():
    options = parse_options()
    if options.command == "render":
        folders = options.fonts or FONT_FOLDERS
        settings = options.dataset, options.labels, options.per_label, folders, options.seed
        used, held = render(*settings, options.vary, options.hold_out)
        print(f"{options.dataset}: {options.per_label} pictures of each label, from {len(used)} font families:")
        print(", ".join(used))
        if held:
            print(f"{os.path.normpath(options.dataset)}-held-out: from {len(held)} other font families:")
            print(", ".join(held))
        return 0
    if not os.path.isdir(options.source):
        print(describe_archive(options.source))
    counts, written, unreadable = import_pictures(options.source, options.dataset, options.labels, options.per_label)
    total = sum(counts.values())
    print(f"{options.dataset}: {total:,} pictures, {written:,} of them new"
          + (f"; {unreadable:,} could not be read" if unreadable else ""))  # fmt: skip
    print("of each label: " + ", ".join(f"{label} {count}" for label, count in counts.items()))
    return 1 if unreadable else 0


def parse_options():
    """The command line; what makes no sense is said on one line, exit code 2."""
    parser = Parser(description="Make a data set of 32x32 pictures.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("import", help="take it from Chars74K's official archives")
    command.add_argument("source", metavar="ARCHIVE_OR_FOLDER", help="EnglishFnt.tgz, EnglishHnd.tgz, EnglishImg.tgz, "
                         "or the folder unpacked from one")  # fmt: skip
    command.add_argument("--dataset", default="chars74k", metavar="DIR", help="where to (default: chars74k)")
    command.add_argument("--labels", nargs="+", default=list(CHARACTERS), metavar="L", help="default: all 62")
    command.add_argument("--per-label", type=int, metavar="N", help="the first N of each (default: all)")
    command = commands.add_parser("render", help="draw it from open fonts")
    command.add_argument("--dataset", default="dataset", metavar="DIR", help="where to (default: dataset)")
    command.add_argument("--labels", nargs="+", default=list("0123456789"), metavar="L", help="default: 0 to 9; of "
                         "0-9, A-Z, a-z; all for the 62")  # fmt: skip
    command.add_argument("--per-label", type=int, default=260, metavar="N", help="pictures of each (default: 260)")
    command.add_argument("--fonts", nargs="+", metavar="DIR", help="folders of fonts (default: the system's)")
    command.add_argument("--seed", type=int, default=1, help="which fonts of a family, in which order (default: 1)")
    command.add_argument("--vary", action="store_true", help="24 pixels at the longer side, and beyond each font's "
                         "plain picture more with other strokes, turned, slanted and so on")  # fmt: skip
    command.add_argument("--hold-out", type=float, default=0, metavar="SHARE", help="draw this share of the font "
                         "families, 0 to 1, into DIR-held-out instead (default: 0)")  # fmt: skip
    options = parser.parse_args()
    if options.labels == ["all"]:
        options.labels = list(CHARACTERS)
    unknown = [label for label in options.labels if len(label) != 1 or label not in CHARACTERS]
    if unknown:
        parser.error(f"--labels: expected single characters of 0-9, A-Z, a-z, found {' '.join(unknown)}")
    if len(set(options.labels)) < len(options.labels):
        parser.error("--labels: expected each once")
    if options.per_label is not None and options.per_label < 1:
        parser.error(f"--per-label: expected 1 or more, found {options.per_label}")
    if options.command == "render" and not 0 <= options.hold_out < 1:
        parser.error(f"--hold-out: expected a share from 0 to below 1, found {options.hold_out}")
    if options.command == "render" and options.seed < 0:
        parser.error(f"--seed: expected a whole number, 0 or more, found {options.seed}")
    return options


if __name__ == "__main__":
    run(main)
