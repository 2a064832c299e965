"""Pictures like Chars74K's, drawn from open fonts. Not in the paper, whose pictures were Chars74K's own.

    python -m sources.fonts [--dataset DIR] [--labels 0 1 ... | all] [--per-label 260] [--fonts DIR ...] [--seed N]
                            [--vary] [--hold-out SHARE]

A character is cut from a font once (open_font), then placed on its 32x32 picture by place(). dataset/ is in the plain
style, all labels of a set from one font, by height; --vary scales by the longer side, as preprocessing's `trim` does
what people draw, and adds pictures with other strokes. dataset/README.md says which fonts dataset/ is drawn from.
"""

import itertools
import math
import os
import re
import sys
from collections import Counter
from typing import NamedTuple, Optional

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageStat

from preprocessing import SIZE, TRIMMED
from sources import parse, put_picture, source_parser
from support.commandline import progress_line, run
from support.files import InputError
from support.pictures import has_pictures

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
WEIGHTS = re.compile(
    r"[\s-]*\b(thin|hairline|(extra|ultra|semi|demi)?[\s-]?(light|bold|black|condensed|expanded)|medium|regular|book|heavy"
    r"|narrow|cond|ultra|italic|oblique)\b",
    re.IGNORECASE,
)
DRAWN_AT = 200  # pixels, the font size at which a character is cut, before it is scaled
MISSING = "\U0010ffff"  # no character: what the font shows for those it lacks
CASES = "ADEGNRT"  # letters whose upper and lower case differ in every font that has both
ALIKE = 12  # grey levels of 255, the mean difference below which two pictures show one shape

# The plain style of dataset/, as Chars74K's digits are when they are scaled to 32x32.
HEIGHTS, SHARES = (23, 24, 25), (0.15, 0.70, 0.15)  # pixels; how their heights are spread
LEAN = (0.5, 0.5)  # pixels, right and down: where theirs are off the middle, as odd sizes are, it is to there

# Varied pictures.
GLYPH = 3 * TRIMMED  # pixels, the longer side of the glyph that is varied
MARGIN = GLYPH // 4  # pixels around it, room for thicker strokes, turning and slanting
PENS = (-5, -3, 0, 0, 0, 3, 5, 7)  # strokes thinner or thicker: the filter's side, in pixels of the glyph
LEAST_INK = 0.4  # a stroke made thinner keeps at least this share of its ink; otherwise it stays as it is
TURN, SLANT, STRETCH = 4.0, 0.10, 0.08  # standard deviations: degrees, across per down, natural logarithm of the ratio
SIDES = (22, 23, 24, 24, 24, 24, 25, 26)  # pixels, the longer side of a varied picture
SHIFTS = (-1, 0, 0, 0, 1)  # pixels, across and down


class Drawing(NamedTuple):
    """A drawn picture, and what it is drawn from."""

    picture: Image.Image  # 32x32 RGB
    path: str  # the font file
    label: str
    height: Optional[int]  # pixels; None where the longer side decides, as in varied pictures

    @property
    def mark(self):
        """What two drawings have in common where they are one picture of one label."""
        return self.label, self.picture.tobytes()


# Fonts.


def find_faces(folders):
    """The fonts below the folders, without symbol fonts: a sorted list of (family, [(path, (bold, italic)), ...])."""
    families = {}
    for path in font_files(folders):
        try:
            family, style = ImageFont.truetype(path, DRAWN_AT).getname()
        except (OSError, ValueError):
            continue  # not a font that Pillow can read
        if family and not NO_LETTERS.search(family):
            bold, italic = (bool(words.search(style or "")) for words in (BOLD, ITALIC))
            families.setdefault(family, []).append((path, (bold, italic)))
    return sorted(families.items())


def font_files(folders):
    """The paths of the font files below the folders, sorted."""
    for folder in folders:
        for root, _, names in sorted(os.walk(folder)):
            if os.path.basename(os.path.dirname(root)) == "woff":
                continue  # where Debian keeps, for web pages, doubles of fonts that stand beside
            for name in sorted(names):
                if name.lower().endswith((".ttf", ".otf", ".pfb", ".woff")):
                    yield os.path.join(root, name)


def split_families(families, share, rng):
    """The families without, and with, those held out: round(share x number) of them, and at least one of each.

    "Lato" and "Lato Light" are one family here: to tell unseen fonts, not unseen weights of seen ones.
    """
    stems = [WEIGHTS.sub("", family).strip().casefold() or family for family, _ in families]
    names = sorted(set(stems))
    count = min(max(1, round(share * len(names))), len(names) - 1)
    held = {names[index] for index in rng.permutation(len(names))[: max(count, 0)]}
    pairs = list(zip(stems, families))
    return [family for stem, family in pairs if stem not in held], [family for stem, family in pairs if stem in held]


def choose_faces(families, rng):
    """One file of each family and style, as paths: regular, bold, italic, bold italic and again, at random."""
    by_style = {style: [] for style in STYLES}
    for _, faces in families:
        for style, chosen in by_style.items():
            paths = [path for path, found in faces if found == style]
            if paths:
                chosen.append(paths[rng.integers(len(paths))])
    queues = [[chosen[index] for index in rng.permutation(len(chosen))] for chosen in by_style.values()]
    return [path for turn in itertools.zip_longest(*queues) for path in turn if path]


# Glyphs: a character cut to its ink, dark on white ("L"), as large as the font draws it at DRAWN_AT.


def cut_glyph(font, character):
    """The character's glyph; None where it is empty."""
    left, top, right, bottom = font.getbbox(character)
    page = Image.new("L", (right - left + 8, bottom - top + 8), "white")
    ImageDraw.Draw(page).text((4 - left, 4 - top), character, "black", font)
    ink = ImageChops.invert(page).getbbox()
    return page.crop(ink) if ink else None


def open_font(path, labels):
    """The font as a function, label -> glyph, or None where it lacks it or draws two of the labels just the same.

    It is None itself for a font that shows letters in one case, where letters are among the labels.
    """
    font = ImageFont.truetype(path, DRAWN_AT)
    missing, *glyphs = [glyph and glyph.tobytes() for glyph in (cut_glyph(font, text) for text in (MISSING, *labels))]
    refused = {missing, *(mark for mark, times in Counter(glyphs).items() if times > 1)}

    def glyph_of(label):
        glyph = cut_glyph(font, label)
        return glyph if glyph and glyph.tobytes() not in refused else None

    return None if any(label.isalpha() for label in labels) and one_case(glyph_of) else glyph_of


def open_fonts(paths, labels):
    """(path, what open_font() returns) of each font that can be used."""
    for path in paths:
        glyph_of = open_font(path, labels)
        if glyph_of:
            yield path, glyph_of


def one_case(glyph_of):
    """Whether most letters of a font look the same in upper and lower case, or are there in one case only."""
    alike = 0
    for upper in CASES:
        pair = [glyph_of(letter) for letter in (upper, upper.lower())]
        if None in pair:
            alike += 1
        else:
            difference = ImageChops.difference(*[place(glyph, height_of(glyph, TRIMMED)) for glyph in pair])
            alike += ImageStat.Stat(difference).mean[0] < ALIKE
    return alike > len(CASES) / 2


# Pictures of a glyph.


def place(glyph, height, shift=(0, 0)):
    """The glyph as a 32x32 RGB picture, `height` pixels high, less where it is too wide.

    It is centred as preprocessing.fit() does it, then shifted by pixels right and down.
    """
    glyph = scaled(glyph, min(height / glyph.height, SIZE / glyph.width))
    picture = Image.new("L", (SIZE, SIZE), "white")
    picture.paste(glyph, [math.floor((SIZE - side) / 2 + by) for side, by in zip(glyph.size, shift)])
    return picture.convert("RGB")


def height_of(glyph, side):
    """The height in pixels, with a point, at which the glyph's longer side is `side` pixels long."""
    return side * glyph.height / max(glyph.size)


def scaled(glyph, scale):
    """The glyph made smaller or larger by a factor."""
    return glyph.resize([max(1, round(side * scale)) for side in glyph.size], Image.LANCZOS)


def vary(glyph, rng):
    """A picture of the glyph as another pen or hand might have made it: 32x32 RGB.

    Its strokes are thinner, thicker or as they were; it is stretched, slanted, turned, scaled and shifted a little.
    """
    glyph = scaled(glyph, GLYPH / max(glyph.size))
    page = Image.new("L", (glyph.width + 2 * MARGIN, glyph.height + 2 * MARGIN), "white")
    page.paste(glyph, (MARGIN, MARGIN))
    page = transform(with_pen(page, PENS[rng.integers(len(PENS))]), *rng.normal(0, (TURN, SLANT, STRETCH)))
    glyph = page.crop(page.point(lambda value: 255 if value < 250 else 0).getbbox())
    shift = [SHIFTS[index] for index in rng.integers(len(SHIFTS), size=2)]
    return place(glyph, height_of(glyph, SIDES[rng.integers(len(SIDES))]), shift)


def with_pen(page, pen):
    """Dark strokes on white made thicker (pen above 0) or thinner (below 0) by |pen| - 1 pixels, where any stays."""
    if pen == 0:
        return page
    changed = page.filter((ImageFilter.MinFilter if pen > 0 else ImageFilter.MaxFilter)(abs(pen)))
    kept = (255 - ImageStat.Stat(changed).mean[0]) / (255 - ImageStat.Stat(page).mean[0])
    return changed if kept >= LEAST_INK else page


def transform(page, turn, slant, stretch):
    """The page turned by `turn` degrees, slanted, and made wider by the factor exp(stretch); about its middle."""
    angle = np.deg2rad(turn)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.array([[np.exp(-stretch), 0], [0, 1]]) @ np.array([[1, slant], [0, 1]]) @ turned  # new place -> old
    middle = np.array(page.size) / 2
    start = middle - matrix @ middle
    numbers = [*matrix[0], start[0], *matrix[1], start[1]]
    return page.transform(page.size, Image.AFFINE, [float(number) for number in numbers], Image.BICUBIC, fillcolor=255)


# Data sets. Below, `fonts` are pairs as open_fonts() gives them; what is returned are Drawings.


def draw_plain(path, label, glyph, height=None):
    """The plain drawing of a font's glyph: of that height, as dataset/ has it, or as preprocessing's `trim` has it."""
    by_height = height is not None
    picture = place(glyph, height, LEAN) if by_height else place(glyph, height_of(glyph, TRIMMED))
    return Drawing(picture, path, label, height)


def draw_sets(fonts, labels, per_label, rng):
    """Up to `per_label` sets of all labels, each from one font that has them all, no two pictures of a label alike."""
    drawings, seen = [], set()
    for path, glyph_of in fonts:
        height = int(rng.choice(HEIGHTS, p=SHARES))
        glyphs = [glyph_of(label) for label in labels]
        if None not in glyphs:
            new = [draw_plain(path, label, glyph, height) for label, glyph in zip(labels, glyphs)]
            marks = {drawing.mark for drawing in new}
            if not marks & seen:
                seen |= marks
                drawings += new
        if len(drawings) == per_label * len(labels):
            break
    return drawings


def draw_varied(fonts, labels, per_label, rng):
    """Up to `per_label` drawings of each label, no two alike: a plain one of each font that has it, then varied ones."""
    fonts, drawings, show = list(fonts), [], progress_line(sys.stderr)
    for done, label in enumerate(labels):
        show(f"{done} of {len(labels)} labels drawn")
        glyphs = [(path, glyph) for path, glyph_of in fonts for glyph in [glyph_of(label)] if glyph]
        plain = (draw_plain(path, label, glyph) for path, glyph in glyphs)
        turns = itertools.islice(itertools.cycle(glyphs), 3 * per_label)
        varied = (Drawing(vary(glyph, rng), path, label, None) for path, glyph in turns)
        drawings += itertools.islice(unlike(itertools.chain(plain, varied)), per_label)
    show(last=True)
    return drawings


def draw_held_out(fonts, labels, known, heights):
    """A plain drawing of each font and label, no two alike, and none of a glyph that is in `known` in any size.

    known: the marks of other drawings. heights: the sizes that those may have, of which the middle one is drawn.
    """
    drawings = []
    for path, glyph_of in fonts:
        for label in labels:
            glyph = glyph_of(label)
            sizes = [draw_plain(path, label, glyph, height) for height in heights] if glyph else []
            if sizes and not known & {drawing.mark for drawing in sizes}:
                drawings.append(sizes[len(sizes) // 2])
    return list(unlike(drawings))


def unlike(drawings):
    """The drawings without those that show a label just as an earlier one does."""
    seen = set()
    for drawing in drawings:
        if drawing.mark not in seen:
            seen.add(drawing.mark)
            yield drawing


def draw(families, labels, per_label, seed, vary=False, hold_out=0):
    """`per_label` drawings of each label from the families that find_faces() lists, and the drawings held out.

    hold_out: this share of the families is kept back, whole; of each of their fonts that has the label there is a plain
    drawing, none of which is among the others. Raises InputError if there are too few fonts.
    """
    rng = np.random.default_rng(seed)
    families, held = split_families(families, hold_out, rng) if hold_out else (families, [])
    fonts = open_fonts(choose_faces(families, rng), labels)
    drawings = (draw_varied if vary else draw_sets)(fonts, labels, per_label, rng)
    counts = Counter(drawing.label for drawing in drawings)
    least = min(counts[label] for label in labels)
    if least < per_label:
        raise InputError(
            f"--fonts: enough for {least} different pictures of each label, expected {per_label}; install more fonts, "
            "see dataset/README.md"
        )
    held_fonts = open_fonts([path for _, faces in held for path, _ in faces], labels)
    known = {drawing.mark for drawing in drawings}
    return drawings, draw_held_out(held_fonts, labels, known, [None] if vary else HEIGHTS)


def check_empty(dataset, labels):
    """Raise InputError where the data set has pictures of any of the labels."""
    for label in labels:
        if has_pictures(dataset, label):
            where = os.path.join(dataset, label)
            raise InputError(f"{where}: holds pictures already; remove them, or name another --dataset")


def write_drawings(dataset, drawings):
    """Put the drawings into the data set, those of each label numbered in their order."""
    numbers, show = Counter(), progress_line(sys.stderr)
    for done, drawing in enumerate(drawings, 1):
        numbers[drawing.label] += 1
        put_picture(drawing.picture, dataset, drawing.label, numbers[drawing.label])
        show(f"{done:,} of {len(drawings):,} pictures written")
    show(last=True)


def families_of(drawings, families):
    """The names of the families that the drawings are from, sorted."""
    used = {drawing.path for drawing in drawings}
    return [family for family, faces in families if used & {path for path, _ in faces}]


def main():
    options = parse_options()
    held_dataset = f"{os.path.normpath(options.dataset)}-held-out"
    for folder in [options.dataset, held_dataset] if options.hold_out else [options.dataset]:
        check_empty(folder, options.labels)
    families = find_faces(options.fonts)
    drawings, held = draw(
        families, options.labels, options.per_label, options.seed, options.vary, options.hold_out
    )
    write_drawings(options.dataset, drawings)
    write_drawings(held_dataset, held)
    used, unseen = families_of(drawings, families), families_of(held, families)
    print(f"{options.dataset}: {options.per_label} pictures of each label, from {len(used)} font families:")
    print(", ".join(used))
    if held:
        print(f"{held_dataset}: from {len(unseen)} other font families:")
        print(", ".join(unseen))


def parse_options():
    """The command line; what makes no sense is said on one line, exit code 2."""
    parser = source_parser("Make a data set of 32x32 pictures drawn from fonts.", "dataset", "0123456789", 260)
    add = parser.add_argument
    add("--fonts", nargs="+", default=FONT_FOLDERS, metavar="DIR", help="folders of fonts (default: the system's)")
    add("--seed", type=int, default=1, help="which fonts of a family, in which order (default: 1)")
    add("--vary", action="store_true", help="24 pixels at the longer side, and beyond each font's plain picture more "
        "with other strokes, turned, slanted and so on")  # fmt: skip
    add("--hold-out", type=float, default=0, metavar="SHARE", help="draw this share of the font families, 0 to 1, into "
        "DIR-held-out instead (default: 0)")  # fmt: skip
    options = parse(parser)
    if not 0 <= options.hold_out < 1:
        parser.error(f"--hold-out: expected a share from 0 to below 1, found {options.hold_out}")
    if options.seed < 0:
        parser.error(f"--seed: expected a whole number, 0 or more, found {options.seed}")
    return options


if __name__ == "__main__":
    run(main)
