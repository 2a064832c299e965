"""The pictures in dataset/, drawn from open fonts, of the kind of the Chars74K data set (the paper's dataset).

    python chars74k.py render [--dataset DIR] [--labels 0 1 ...] [--per-label 260] [--fonts DIR ...] [--seed N]

dataset/README.md says what these pictures are, and how to use the real Chars74K instead.
"""

import io
import itertools
import os
import re

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common import InputError, Parser, run, write_whole
from pictures import CHARACTERS, picture_path
from preprocessing import SIZE

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
# Families that draw symbols, keys or ornaments where others have digits and letters.
NO_LETTERS = re.compile(
    r"dingbat|symbol|initial|keyboard|keyfont|integrals|ornament|emoji|icon|D050000L", re.IGNORECASE
)
STYLES = [(False, False), (True, False), (False, True), (True, True)]  # (bold, italic): Chars74K has each font in all
BOLD, ITALIC = re.compile(r"bold|black|heavy", re.IGNORECASE), re.compile(r"italic|oblique|slant", re.IGNORECASE)
HEIGHTS, SHARES = (23, 24, 25), (0.15, 0.70, 0.15)  # pixels; how Chars74K's digits, scaled to 32x32, are spread
DRAWN_AT = 200  # pixels, before a character is scaled to its height


def find_faces(folders):
    """The fonts below the folders, without symbol fonts: a sorted list of (family, [(path, (bold, italic)), ...])."""
    families = {}
    for folder in folders:
        for root, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.lower().endswith((".ttf", ".otf", ".pfb")):
                    path = os.path.join(root, name)
                    try:
                        family, style = ImageFont.truetype(path, DRAWN_AT).getname()
                    except (OSError, ValueError):
                        continue  # not a font that Pillow can read
                    if family and not NO_LETTERS.search(family):
                        bold, italic = (bool(words.search(style or "")) for words in (BOLD, ITALIC))
                        families.setdefault(family, []).append((path, (bold, italic)))
    return sorted(families.items())


def draw(font, character, height):
    """The character as a 32x32 RGB picture, black on white, `height` pixels high, centred; None where it is empty."""
    left, top, right, bottom = font.getbbox(character)
    page = Image.new("L", (right - left + 8, bottom - top + 8), "white")
    ImageDraw.Draw(page).text((4 - left, 4 - top), character, "black", font)
    ink = page.point(lambda value: 255 - value).getbbox()
    if ink is None:
        return None
    glyph = page.crop(ink)
    scale = min(height / glyph.height, SIZE / glyph.width)
    glyph = glyph.resize([max(1, round(side * scale)) for side in glyph.size], Image.LANCZOS)
    picture = Image.new("RGB", (SIZE, SIZE), "white")
    picture.paste(glyph, ((SIZE - glyph.width + 1) // 2, (SIZE - glyph.height + 1) // 2))
    return picture


def draw_all(path, labels, height):
    """One picture of each label from a font file; None where the font lacks one, or draws two labels alike."""
    font = ImageFont.truetype(path, DRAWN_AT)
    pictures = [draw(font, label, height) for label in labels]
    missing = draw(font, "\U0010ffff", height)  # no character: what the font shows for those it lacks
    seen = {missing and missing.tobytes()}
    for picture in pictures:
        if picture is None or picture.tobytes() in seen:
            return None
        seen.add(picture.tobytes())
    return pictures


def choose_faces(families, rng):
    """One file of each family and style, as (family, path): regular, bold, italic, bold italic and again, at random."""
    by_style = {style: [] for style in STYLES}
    for family, faces in families:
        for style, chosen in by_style.items():
            paths = [path for path, found in faces if found == style]
            if paths:
                chosen.append((family, paths[rng.integers(len(paths))]))
    queues = [[chosen[index] for index in rng.permutation(len(chosen))] for chosen in by_style.values()]
    return [face for turn in itertools.zip_longest(*queues) for face in turn if face]


def render(dataset, labels, per_label, folders, seed):
    """Draw `per_label` pictures of each label, no two of a label alike, each set of labels from one font file.

    Returns the names of the families used. Raises InputError if there are too few fonts, or pictures there already.
    """
    rng = np.random.default_rng(seed)
    sets, families, seen = [], [], set()
    for family, path in choose_faces(find_faces(folders), rng):
        pictures = draw_all(path, labels, int(rng.choice(HEIGHTS, p=SHARES)))
        marks = {(label, picture.tobytes()) for label, picture in zip(labels, pictures or [])}
        if marks and not marks & seen:
            seen |= marks
            sets.append(pictures)
            families.append(family)
        if len(sets) == per_label:
            break
    else:
        raise InputError(
            f"--fonts: found {len(sets)} fonts that differ, expected {per_label}; install more, see dataset/README.md"
        )
    for label in labels:
        os.makedirs(os.path.join(dataset, label), exist_ok=True)
        if any(name.endswith(".png") for name in os.listdir(os.path.join(dataset, label))):
            raise InputError(
                f"{os.path.join(dataset, label)}: holds pictures already; remove them, or name another --dataset"
            )
    for number, pictures in enumerate(sets, 1):
        for label, picture in zip(labels, pictures):
            data = io.BytesIO()
            picture.save(data, "PNG", optimize=True)
            write_whole(picture_path(dataset, label, number), data.getvalue())
    return sorted(set(families))


def main():
    parser = Parser(description="Make the pictures in dataset/.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render", help="draw them from open fonts")
    command.add_argument("--dataset", default="dataset", metavar="DIR", help="where to (default: dataset)")
    command.add_argument("--labels", nargs="+", default=list("0123456789"), metavar="L", help="default: 0 to 9")
    command.add_argument("--per-label", type=int, default=260, metavar="N", help="pictures of each (default: 260)")
    command.add_argument("--fonts", nargs="+", metavar="DIR", help="folders of fonts (default: the system's)")
    command.add_argument("--seed", type=int, default=1, help="which fonts of a family, in which order (default: 1)")
    options = parser.parse_args()
    unknown = [label for label in options.labels if len(label) != 1 or label not in CHARACTERS]
    if unknown:
        parser.error(f"--labels: expected single characters of 0-9, A-Z, a-z, found {' '.join(unknown)}")
    families = render(options.dataset, options.labels, options.per_label, options.fonts or FONT_FOLDERS, options.seed)
    print(f"{options.dataset}: {options.per_label} pictures of each label, from {len(families)} font families:")
    print(", ".join(families))


if __name__ == "__main__":
    run(main)
