"""Digits and letters drawn from open fonts, plain and varied. Not in the paper, whose pictures were Chars74K's own."""

import itertools
import os
import re

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageStat

from preprocessing import SIZE, TRIMMED

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
            if os.path.basename(os.path.dirname(root)) == "woff":
                continue  # where Debian keeps, for web pages, doubles of fonts that stand beside
            for name in sorted(names):
                if name.lower().endswith((".ttf", ".otf", ".pfb", ".woff")):
                    path = os.path.join(root, name)
                    try:
                        family, style = ImageFont.truetype(path, DRAWN_AT).getname()
                    except (OSError, ValueError):
                        continue  # not a font that Pillow can read
                    if family and not NO_LETTERS.search(family):
                        bold, italic = (bool(words.search(style or "")) for words in (BOLD, ITALIC))
                        families.setdefault(family, []).append((path, (bold, italic)))
    return sorted(families.items())


def cut_glyph(font, character):
    """The character as the font draws it, cut to its ink, dark on white ("L"); None where it is empty."""
    left, top, right, bottom = font.getbbox(character)
    page = Image.new("L", (right - left + 8, bottom - top + 8), "white")
    ImageDraw.Draw(page).text((4 - left, 4 - top), character, "black", font)
    ink = ImageChops.invert(page).getbbox()
    return page.crop(ink) if ink else None


def draw(font, character, height):
    """The character as a 32x32 RGB picture, black on white, `height` pixels high, centred; None where it is empty."""
    glyph = cut_glyph(font, character)
    if glyph is None:
        return None
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


# Varied pictures. They are scaled as preprocessing's `trim` does what people draw: by the longer side.

GLYPH = 3 * TRIMMED  # pixels, the longer side of the glyph that is varied
GLYPH_AT = 100  # pixels, the font size that it is drawn at
MARGIN = GLYPH // 4  # pixels around it, room for thicker strokes, turning and slanting
PENS = (-5, -3, 0, 0, 0, 3, 5, 7)  # strokes thinner or thicker: the filter's side, in pixels of the glyph
TURN, SLANT, STRETCH = 4.0, 0.10, 0.08  # standard deviations: degrees, across per down, natural logarithm of the ratio
SIDES = (22, 23, 24, 24, 24, 24, 25, 26)  # pixels, the longer side of a varied picture
SHIFTS = (-1, 0, 0, 0, 1)  # pixels, across and down
LEAST_INK = 0.4  # a stroke made thinner keeps at least this share of its ink; otherwise it stays as it is
CASES = "ADEGNRT"  # letters whose upper and lower case differ in every font that has both
ALIKE = 12  # grey levels of 255, the mean difference below which two pictures show one shape
WEIGHTS = re.compile(
    r"[\s-]*\b(thin|hairline|(extra|ultra|semi|demi)?[\s-]?(light|bold|black|condensed|expanded)|medium|regular|book|heavy"
    r"|narrow|cond|ultra|italic|oblique)\b",
    re.IGNORECASE,
)


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


def draw_glyph(font, character):
    """The character cut to its ink, dark on white ("L"), GLYPH pixels at its longer side; None where it is empty."""
    glyph = cut_glyph(font, character)
    return glyph and scaled(glyph, GLYPH)


def scaled(glyph, side):
    """The picture with its longer side `side` pixels long."""
    scale = side / max(glyph.size)
    return glyph.resize([max(1, round(length * scale)) for length in glyph.size], Image.LANCZOS)


def place(glyph, side=TRIMMED, shift=(0, 0)):
    """The glyph as a 32x32 RGB picture, `side` pixels at its longer side, centred as preprocessing.fit() does it."""
    glyph = scaled(glyph, side)
    picture = Image.new("L", (SIZE, SIZE), "white")
    picture.paste(glyph, ((SIZE - glyph.width) // 2 + shift[0], (SIZE - glyph.height) // 2 + shift[1]))
    return picture.convert("RGB")


def vary(glyph, rng):
    """A picture of the glyph as another pen or hand might have made it: 32x32 RGB.

    Its strokes are thinner, thicker or as they were; it is stretched, slanted, turned, scaled and shifted a little.
    """
    page = Image.new("L", (glyph.width + 2 * MARGIN, glyph.height + 2 * MARGIN), "white")
    page.paste(glyph, (MARGIN, MARGIN))
    page = transform(with_pen(page, PENS[rng.integers(len(PENS))]), *rng.normal(0, (TURN, SLANT, STRETCH)))
    ink = page.point(lambda value: 255 if value < 250 else 0).getbbox()
    shift = [SHIFTS[index] for index in rng.integers(len(SHIFTS), size=2)]
    return place(page.crop(ink), SIDES[rng.integers(len(SIDES))], shift)


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


def open_font(path, labels):
    """The font as a function, label -> glyph or None where it lacks it; None for a font that shows letters in one case.

    Such a font is used where no letters are asked for.
    """
    font = ImageFont.truetype(path, GLYPH_AT)
    missing = draw_glyph(font, "\U0010ffff")  # no character: what the font shows for those it lacks
    missing = missing and missing.tobytes()

    def glyph_of(label):
        glyph = draw_glyph(font, label)
        return glyph if glyph and glyph.tobytes() != missing else None

    return None if any(label.isalpha() for label in labels) and one_case(glyph_of) else glyph_of


def one_case(glyph_of):
    """Whether most letters of a font look the same in upper and lower case, or are there in one case only."""
    alike = 0
    for upper in CASES:
        pair = [glyph_of(letter) for letter in (upper, upper.lower())]
        if None in pair:
            alike += 1
        else:
            difference = ImageChops.difference(*[place(glyph) for glyph in pair])
            alike += ImageStat.Stat(difference).mean[0] < ALIKE
    return alike > len(CASES) / 2


def draw_varied(fonts, label, count, rng):
    """`count` pictures of a label, no two alike: a plain one of each font that has it, then varied ones in turn.

    fonts: what open_font() returns. Fewer where the fonts do not give as many that differ.
    """
    glyphs = [glyph for glyph in (glyph_of(label) for glyph_of in fonts) if glyph]
    pictures = plain_pictures(glyphs)[:count]
    seen = {picture.tobytes() for picture in pictures}
    for glyph in itertools.islice(itertools.cycle(glyphs), 3 * count):
        if len(pictures) >= count:
            break
        picture = vary(glyph, rng)
        if picture.tobytes() not in seen:
            seen.add(picture.tobytes())
            pictures.append(picture)
    return pictures


def plain_pictures(glyphs):
    """A picture of each glyph, as it is; no two alike."""
    pictures = [place(glyph) for glyph in glyphs]
    return list({picture.tobytes(): picture for picture in pictures}.values())


def draw_held_out(fonts, label, known, vary):
    """A plain picture of the label from each font that has it, no two alike and none that is in `known`, their bytes.

    fonts: pairs of a path and what open_font() returns. vary: scaled by the longer side, otherwise by the height, of
    which draw_all() chooses one: then a font is left out where any of them is known.
    """
    pictures = {}
    for path, glyph_of in fonts:
        glyph = glyph_of(label)
        if glyph is None:
            continue
        if vary:
            versions = [place(glyph)]
        else:
            font = ImageFont.truetype(path, DRAWN_AT)
            versions = [draw(font, label, height) for height in HEIGHTS]
        if not known & {picture.tobytes() for picture in versions}:
            middle = versions[len(versions) // 2]
            pictures[middle.tobytes()] = middle
    return list(pictures.values())
