"""Pictures drawn from open fonts, as people write and in the style of dataset/. Not in the paper, which used Chars74K.

    python -m sources.fonts [--dataset DIR] [--labels 0 1 ... | all] [--per-label 260] [--fonts DIR ...] [--seed N]
                            [--hands DIR ...] [--hold-out SHARE]

draws each character plainly once from each font, and then again and again as another pen or hand might have made it:
with other strokes, longer or shorter ends of strokes, a little turned, slanted and stretched. The data set's fonts.txt
lists the fonts. The ends of strokes need scikit-image (docs/data.md).
"""

import contextlib
import hashlib
import itertools
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, namedtuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps, ImageStat

from preprocessing import PEN, TRIMMED, centred, distort, stroke_of
from sources import parse, put_picture, source_parser
from support.commandline import install, one_or_more, progress_line, run
from support.files import InputError, write_whole
from support.pictures import has_pictures, picture_path

FONT_FOLDERS = ("/usr/share/fonts", "/usr/share/texmf/fonts", "/usr/share/hershey-fonts", "/usr/local/share/fonts",
                "/Library/Fonts", "/System/Library/Fonts", "C:/Windows/Fonts")  # fmt: skip
# Families that draw symbols, keys or ornaments where others have digits and letters.
NO_LETTERS = re.compile("(?i)dingbat|symbol|initial|keyboard|keyfont|integrals|ornament|emoji|icon|D050000L"
                        "|^(astro|cyril|greek|japan|marker|math|meteo|music|symbolic|timesg$)"
                        "|^(cmex|cmmi|cmr|cmsy|dsrom|esint|eufm|msam|msbm|rsfs|stmary|wasy)10$")  # fmt: skip
STYLES = [(False, False), (True, False), (False, True), (True, True)]  # (bold, italic): Chars74K has each font in all
BOLD, ITALIC = re.compile("(?i)bold|black|heavy"), re.compile("(?i)italic|oblique|slant")
WEIGHTS = re.compile(  # what the names of one family's weights and widths end in
    r"(?i)[\s-]*\b((extra|ultra|semi|demi)?[\s-]?(light|bold|black|condensed|expanded)"
    r"|thin|hairline|medium|regular|book|heavy|narrow|cond|ultra|italic|oblique)\b"
)
DRAWN_AT = 200  # pixels, the font size at which a character is cut, before it is scaled
MISSING = "\U0010ffff"  # no character: what the font shows for those it lacks
CASES = "ADEGNRT"  # letters whose upper and lower case differ in every font that has both
ALIKE = 12  # grey levels of 255, the mean difference below which two pictures show one shape

# Varied pictures.
GLYPH = 3 * TRIMMED  # pixels, the longer side of the glyph that is varied
MARGIN = GLYPH  # pixels around it, room for longer strokes, turning and slanting
PEN_WIDTHS = (2.2, 4.2)  # pixels of 32, wide: what pens draw
PEN_SHARE = 0.7  # of the varied pictures: drawn with such strokes; the others keep their font's
WIDEST = 9  # pixels of the glyph: the side of the filter that changes strokes most
HANDS = 3  # varied pictures of handwriting for each one of the other fonts
HELD_OUT = 80  # pictures of each label, of held-out handwriting: plain ones, which are then dropped, and varied ones
TRIES = 3  # drawings for each picture asked for, since many of them are alike
LEAST_INK = 0.4  # a stroke made thinner keeps at least this share of its ink; otherwise it stays as it is
TURN, SLANT, STRETCH = 4.0, 0.10, 0.08  # standard deviations: degrees, across per down, logarithm of the factor across

# The free ends of handwriting's strokes: a hand begins and ends a letter with strokes that its font may not have.
LENGTHENED, CUT = 0.33, 0.10  # shares of the ends
WAY = 5, 9  # places of the skeleton, at least and at most, that tell an end's direction
PIECE = 0.3  # standard deviation of the length of an added piece, in sizes of the glyph
ANGLE, CURVE = 0.3, 0.25  # standard deviations, radians: its direction, and how much each of its 5 parts bends
SHORTER = 0.1  # at most, in sizes of the glyph: what is cut off an end
SCHOOL = re.compile("Playwrite")  # families of which capitals are left out: they have other shapes in each country

Drawing = namedtuple("Drawing", "picture path label")  # a 32x32 picture, and the font and the label that it shows

LIST = "fonts.txt"  # in a data set: what its pictures are drawn from
LIST_HEAD = "# The fonts of the pictures: Debian package (- if from none), font file, 8 digits of its SHA-256.\n"


def find_faces(folders):
    """Return the fonts in folders, without symbol fonts: a sorted list of (family, [(path, (bold, italic)), ...])."""
    families = {}
    places = [place for folder in folders for place in sorted(os.walk(folder))]
    for path in [os.path.join(root, name) for root, _, names in places for name in sorted(names)]:
        if os.path.basename(os.path.dirname(os.path.dirname(path))) == "woff":
            continue  # Debian's copies for web pages of fonts that are installed beside
        if path.lower().endswith((".ttf", ".otf", ".pfb", ".woff", ".jhf")):
            try:
                family, style = open_file(path).getname()
            except (OSError, ValueError):
                continue  # not a font that can be read
            if family and not NO_LETTERS.search(family):
                bold, italic = (bool(words.search(style or "")) for words in (BOLD, ITALIC))
                families.setdefault(family, []).append((path, (bold, italic)))
    return sorted(families.items())


def open_file(path):
    """Return a font at the size at which characters are cut; a Hershey font as Strokes. Raises OSError, ValueError."""
    return Strokes(path) if path.endswith(".jhf") else ImageFont.truetype(path, DRAWN_AT)


class Strokes:
    """A Hershey font (Debian's hershey-fonts-data). For each ASCII character it has the lines that a pen draws."""

    def __init__(self, path):
        self.path, self.lines = path, {}  # lines: {character: [[(x, y), ...], ...]}, in the font's units
        with open(path, encoding="ascii") as file:
            text = file.read().replace("\n", "")
        while text.strip():  # a number in 5 places, how many pairs follow in 3, the sides, then points, around (R, R)
            end = 8 + 2 * int(text[5:8])
            points = [[(ord(x) - ord("R"), ord(y) - ord("R")) for x, y in zip(line[::2], line[1::2])]
                      for line in text[10:end].split(" R")]  # fmt: skip
            self.lines[chr(32 + len(self.lines))] = [line for line in points if line]
            text = text[end:]

    def getname(self):
        """Return the names of the family and of the style."""
        return os.path.splitext(os.path.basename(self.path))[0], ""

    def draw(self, character):
        """Draw a character, grey ("L"), with a round pen: PEN pixels wide if the longer side is TRIMMED pixels."""
        places = [np.array(line, float) for line in self.lines.get(character, [])]
        if not places:
            return Image.new("L", (1, 1), "white")
        low = np.concatenate(places).min(axis=0)
        pen = DRAWN_AT * PEN / TRIMMED
        scale = (DRAWN_AT - pen) / max(1, *np.ptp(np.concatenate(places), axis=0))
        page = Image.new("L", (2 * DRAWN_AT, 2 * DRAWN_AT), "white")
        draw = ImageDraw.Draw(page)
        for line in places:
            draw_line(draw, [tuple(point) for point in ((line - low) * scale + DRAWN_AT / 4).tolist()], pen, "black")
        return page


def split_families(families, share, rng):
    """Return the families to draw from and those held out: round(share * number) of them, at least one of each.

    "Lato" and "Lato Light" are one family here, so that no held-out font is another weight of one that was seen.
    """
    stems = [WEIGHTS.sub("", family).strip().casefold() or family for family, _ in families]
    names = sorted(set(stems))
    count = max(0, min(max(1, round(share * len(names))), len(names) - 1))
    held = {names[index] for index in rng.permutation(len(names))[:count]}
    parts = [], []
    for stem, family in zip(stems, families):
        parts[stem in held].append(family)
    return parts


def choose_faces(families, rng):
    """Return paths: at random one file of each family and style, in the order regular, bold, italic, bold italic."""
    by_style = {style: [] for style in STYLES}
    for _, faces in families:
        for style, chosen in by_style.items():
            paths = [path for path, found in faces if found == style]
            if paths:
                chosen.append(paths[rng.integers(len(paths))])
    queues = [[chosen[index] for index in rng.permutation(len(chosen))] for chosen in by_style.values()]
    return [path for turn in itertools.zip_longest(*queues) for path in turn if path]


def cut_glyph(font, character):
    """Return a character cut to its ink, dark on white ("L"), or None if the font draws nothing."""
    if isinstance(font, Strokes):
        page = font.draw(character)
    else:
        left, top, right, bottom = font.getbbox(character)
        page = Image.new("L", (right - left + 8, bottom - top + 8), "white")
        ImageDraw.Draw(page).text((4 - left, 4 - top), character, "black", font)
    return cut(page)


def cut(page):
    """Cut a page ("L") to everything that is not quite white. Returns None if it is empty."""
    ink = ImageChops.invert(page).getbbox()
    return page.crop(ink) if ink else None


def open_font(path, labels):
    """Return a function: label -> glyph, or None if the font lacks it or draws another label exactly like it.

    It is None for every label if there are letters among the labels, and the font has one case or draws both alike.
    """
    font = open_file(path)
    school = SCHOOL.search(font.getname()[0])
    missing, *glyphs = [glyph and glyph.tobytes() for glyph in (cut_glyph(font, text) for text in (MISSING, *labels))]
    refused = {missing, *(glyph for glyph, times in Counter(glyphs).items() if times > 1)}

    def glyph_of(label):
        glyph = cut_glyph(font, label)
        return glyph if glyph and glyph.tobytes() not in refused else None

    if any(label.isalpha() for label in labels) and one_case(glyph_of):
        return lambda label: None
    return lambda label: None if school and label.isupper() else glyph_of(label)


def one_case(glyph_of):
    """Tell whether most letters of a font look the same in both cases, or exist in one case only."""
    alike = 0
    for letter in CASES:
        pair = [glyph_of(letter), glyph_of(letter.lower())]
        pictures = [picture_of(glyph) for glyph in pair if glyph]
        alike += len(pictures) < 2 or ImageStat.Stat(ImageChops.difference(*pictures)).mean[0] < ALIKE
    return alike > len(CASES) / 2


def vary(glyph, hand, rng):
    """Return a glyph as another pen or hand might have made it, about GLYPH pixels at its longer side.

    hand: it is handwriting, so its strokes may be longer or shorter.
    """
    glyph = scaled(glyph, GLYPH)
    page = ImageOps.expand(glyph, MARGIN, 255)
    if hand:
        change_ends(page, stroke_of(glyph), rng)
    if rng.random() < PEN_SHARE:  # strokes as wide as those of a pen
        change = 2 * round((rng.uniform(*PEN_WIDTHS) * GLYPH / TRIMMED - stroke_of(glyph)) / 2)
        page = with_pen(page, max(-WIDEST, min(WIDEST, change + int(np.sign(change)))))
    turn, slant, stretch = rng.normal(0, (TURN, SLANT, STRETCH))
    return cut(distort(page, turn, slant, math.exp(stretch), 1))


def change_ends(page, width, rng):
    """Lengthen some free ends of strokes by a curved piece, and shorten some, in place. width: of a stroke, pixels."""
    pen = ImageDraw.Draw(page)
    for way in free_ends(thin(np.asarray(page) < 128)):
        chance = rng.random()
        (x, y), before = way[0], way[-1]
        if chance < CUT:
            gone = way[: 1 + round(rng.uniform(0, SHORTER) * GLYPH)]
            draw_line(pen, [(2 * x - gone[-1][0], 2 * y - gone[-1][1]), *gone], width + 2, "white")
        elif chance < CUT + LENGTHENED:
            angle = math.atan2(y - before[1], x - before[0]) + rng.normal(0, ANGLE)
            part, bend, places = abs(rng.normal(0, PIECE)) * GLYPH / 5, rng.normal(0, CURVE), [(x, y)]
            for _ in range(5):
                x, y, angle = x + part * math.cos(angle), y + part * math.sin(angle), angle + bend
                places.append((x, y))
            draw_line(pen, places, width, "black")


def free_ends(skeleton):
    """Return the free ends of a skeleton's lines: for each some places (x, y), from the end inwards, without a fork."""
    places = {(x, y) for y, x in np.argwhere(skeleton).tolist()}

    def beside(place):
        return [(place[0] + i, place[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)
                if (i or j) and (place[0] + i, place[1] + j) in places]  # fmt: skip

    ways = [[place] for place in sorted(places) if len(beside(place)) == 1]
    for way in ways:
        while len(way) < WAY[1]:
            further = [place for place in beside(way[-1]) if place not in way]
            if len(further) != 1:
                break
            way.append(further[0])
    return [way for way in ways if len(way) >= WAY[0]]


def thin(ink):
    """Return the skeleton of ink, (h, w) of True and False: its lines, one pixel wide."""
    try:
        from skimage.morphology import skeletonize  # noqa: PLC0415, an extra
    except ImportError:
        raise InputError(f"--hands: the ends of strokes need scikit-image: {install('scikit-image')}") from None
    return skeletonize(ink)


def draw_line(pen, places, width, colour):
    """Draw a line with round ends through some places."""
    pen.line(places, colour, round(width), "curve")
    for x, y in places:
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), colour)


def with_pen(page, pen):
    """Make dark strokes on white thicker (pen above 0) or thinner (below 0) by |pen| - 1 pixels, if any ink is left."""
    if pen == 0:
        return page
    changed = page.filter((ImageFilter.MinFilter if pen > 0 else ImageFilter.MaxFilter)(abs(pen)))
    kept = (255 - ImageStat.Stat(changed).mean[0]) / (255 - ImageStat.Stat(page).mean[0])
    return changed if kept >= LEAST_INK else page


def scaled(glyph, side):
    """Scale a glyph so that its longer side has so many pixels."""
    return glyph.resize([max(1, round(length * side / max(glyph.size))) for length in glyph.size], Image.LANCZOS)


def picture_of(glyph):
    """Return a glyph as a 32x32 RGB picture, as preprocessing.fit() with `trim` makes it of ink."""
    return centred(glyph, TRIMMED / max(glyph.size))


def key_of(drawing):
    """Return a key that is the same for two Drawings that show a label alike."""
    return drawing.label, drawing.picture.tobytes()


# Below, `fonts` are pairs of a path and what open_font() returns. Drawings are returned in dicts by key_of().


def draw_varied(kinds, labels, per_label, rng):
    """Return up to `per_label` Drawings of each label, no two alike: a plain one of each font, then varied ones.

    kinds: lists of fonts, the last one handwriting. The varied ones alternate: one of an ordinary font,
    then HANDS of handwriting.
    """
    drawings = {}
    with progress_line(sys.stderr) as show:
        for done, label in enumerate(labels):
            show(f"{done} of {len(labels)} labels drawn")
            drawn = [[(path, glyph_of(label), hand) for path, glyph_of in fonts] for hand, fonts in enumerate(kinds)]
            glyphs = [[found for found in fonts if found[1]] for fonts in drawn]
            plain = (Drawing(picture_of(glyph), path, label) for path, glyph, _ in itertools.chain(*glyphs))
            cycles = [itertools.cycle(found) for found in glyphs if found]
            turns = itertools.chain.from_iterable(zip(*cycles[:1], *cycles[1:] * HANDS))
            turns = itertools.islice(turns, TRIES * per_label)
            varied = (Drawing(picture_of(vary(glyph, hand, rng)), path, label) for path, glyph, hand in turns)
            of_label = {}
            for drawing in itertools.chain(plain, varied):
                of_label.setdefault(key_of(drawing), drawing)
                if len(of_label) == per_label:
                    break
            drawings.update(of_label)
    return drawings


def draw_held_out(fonts, labels, known):
    """Draw each font and label plainly, unless it looks like one of the Drawings in `known`."""
    drawings = {}
    for path, glyph_of in fonts:
        for label, glyph in [(label, glyph_of(label)) for label in labels]:
            if glyph:
                drawing = Drawing(picture_of(glyph), path, label)
                drawings.setdefault(key_of(drawing), drawing)
    return {key: drawing for key, drawing in drawings.items() if key not in known}


def draw(kinds, held, labels, per_label, rng):
    """Return `per_label` Drawings of each label, and plain Drawings of the families held out; no two are alike.

    kinds: lists of families, each as find_faces() returns it, as is held. Raises InputError if there are too few fonts.
    """
    kinds = [[(path, open_font(path, labels)) for path in choose_faces(families, rng)] for families in kinds]
    drawings = draw_varied(kinds, labels, per_label, rng)
    counts = Counter(label for label, _ in drawings)
    least = min(counts[label] for label in labels)
    if least < per_label:
        raise InputError(f"--fonts: enough for {least} pictures of each label that differ, expected {per_label}; "
                         "install more, see docs/data.md")  # fmt: skip
    fonts = ((path, open_font(path, labels)) for _, faces in held for path, _ in faces)
    unseen = draw_held_out(fonts, labels, drawings)
    return list(drawings.values()), list(unseen.values())


def write_drawings(dataset, drawings):
    """Write the drawings into the data set, numbered in their order, and the list of their fonts."""
    numbers = Counter()
    with progress_line(sys.stderr) as show:
        for done, drawing in enumerate(drawings, 1):
            numbers[drawing.label] += 1
            put_picture(drawing.picture, picture_path(dataset, drawing.label, numbers[drawing.label]))
            show(f"{done:,} of {len(drawings):,} pictures written")
    lines = lines_of(sorted({drawing.path for drawing in drawings}))
    path = os.path.join(dataset, LIST)
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        lines |= {*file} - {LIST_HEAD}  # of other labels
    write_whole(path, (LIST_HEAD + "".join(sorted(lines))).encode())


def lines_of(paths):
    """Return the lines of fonts.txt for some fonts, a set. A font that no Debian package has stands without folders."""
    packages, lines = find_packages(paths), set()
    for path in paths:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()[:8]
        name = path if path in packages else os.path.basename(path)
        lines.add(f"{packages.get(path, '-')}\t{name}\t{digest}\n")
    return lines


def find_packages(paths):
    """Return {path: package} for files of Debian packages; on other systems it is empty."""
    if not shutil.which("dpkg"):
        return {}
    done = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False)
    return {path: package for package, _, path in (line.partition(": ") for line in done.stdout.splitlines())}


def main():
    options = parse_options()
    held_dataset = f"{os.path.normpath(options.dataset)}-held-out"
    for folder in [options.dataset, *([held_dataset, f"{held_dataset}-hands"] if options.hold_out else [])]:
        for label in options.labels:
            if has_pictures(folder, label):
                where = os.path.join(folder, label)
                raise InputError(f"{where}: holds pictures already; remove them, or name another --dataset")
    rng = np.random.default_rng(options.seed)
    families, held = find_faces([*options.fonts, *options.hands]), []
    if options.hold_out:
        families, held = split_families(families, options.hold_out, rng)
    by_hand = {family for family, _ in find_faces(options.hands)}
    kinds = [[family for family in families if (family[0] in by_hand) == kind] for kind in (False, True)]
    drawings, unseen = draw(kinds, held, options.labels, options.per_label, rng)
    hands = [path for family, faces in held if family in by_hand for path, _ in faces]
    hands, known = [(path, open_font(path, options.labels)) for path in hands], set(map(key_of, unseen))
    varied = draw_varied([[], hands], options.labels, HELD_OUT, rng).items()
    varied = [drawing for key, drawing in varied if key not in known]
    folders = {options.dataset: drawings, held_dataset: unseen, f"{held_dataset}-hands": varied}
    for dataset, drawn in folders.items():
        if drawn:
            write_drawings(dataset, drawn)
            print(f"{dataset}: {len(drawn):,} pictures from {len({drawing.path for drawing in drawn})} fonts")


def parse_options():
    """Return the command line. A wrong option is one line, exit code 2."""
    parser = source_parser("Make a data set of pictures drawn from fonts.", "dataset", "0123456789", 260)
    add = parser.add_argument
    add("--fonts", nargs="+", default=FONT_FOLDERS, metavar="DIR", help="folders of fonts (default: the system's)")
    add("--seed", type=one_or_more, default=1, help="the same seed draws the same pictures (default: 1)")
    add("--hands", nargs="+", default=(), metavar="DIR", help="folders of handwriting: three of four varied "
        "pictures are drawn from these")  # fmt: skip
    add("--hold-out", type=float, default=0, metavar="SHARE", help="draw this share of the font families, 0 to 1, into "
        "DIR-held-out instead, its handwriting, varied, into DIR-held-out-hands (default: 0)")  # fmt: skip
    options = parse(parser)
    if not 0 <= options.hold_out < 1:
        parser.error(f"--hold-out: expected a share from 0 to below 1, found {options.hold_out}")
    return options


if __name__ == "__main__":
    run(main)
