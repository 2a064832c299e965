"""The paper's preprocessing.py: fit any picture into 32x32 on white.

    python preprocessing.py PICTURE... [--output DIR] [--trim]

As in the paper, the result replaces the original, unless --output names a folder. The original is kept as .bak.
"""

import contextlib
import io
import math
import os
import sys
import warnings

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from support.commandline import Parser, expanded, explain, run
from support.files import InputError, back_up, write_whole
from support.ink import find_ink

SIZE = 32  # pixels, both ways
TRIMMED = 24  # pixels, the longer side of trimmed ink: the height of the dataset's digits
NO_PICTURES = {b"ftyphei": "a HEIC", b"ftypmif": "a HEIC", b"ftypavif": "an AVIF", b"%pdf": "a PDF", b"<svg": "an SVG",
               b"<html": "an HTML", b"<!doctype html": "an HTML", b"<?xml": "an XML or SVG"}  # fmt: skip
THIN, PEN = 2.5, 3  # pixels of 32: strokes thinner than THIN are widened to PEN
LARGE = 3  # ink is this many times its final size while its strokes are measured and widened
JITTER = 12, 0.25, 0.2, 0.2, 1, 1  # at most: degrees, slant, stretch across, stretch down, pixels across, pixels down
BEND = 0.7, 1.3  # the share of pictures that are bent; standard deviation of a point's move, in pixels
STEP = SIZE // 4  # pixels from one point of the grid to the next
GRID = np.stack(np.meshgrid(*[range(0, SIZE + 1, STEP)] * 2), axis=2)  # (5, 5, 2): x and y of each point
SQUARES = [5 * row + column for row in range(4) for column in range(4)]  # the number of the first corner of each
FAINT = 160  # ink is darker than this, and paper is lighter
PHOTO = 2048  # pixels; a picture with such a side, or a longer one, is read at a fraction of its size


def fit(image, trim=False):
    """Return a PIL image fitted undistorted into 32x32 RGB, centred on white. The given image is not changed.

    Only shrinks, antialiased, as in the paper. With `trim` the picture is first cut to its ink, which is scaled, up or
    down, to 24 pixels at its longer side, black on white: what people draw or photograph needs this.
    """
    image = on_white(image)
    if trim:
        return fit_ink(find_ink(image)[0])
    return centred(image, min(1, SIZE / max(image.size)))


def fit_ink(ink):
    """Return the ink that find_ink() found, or None, as fit() with `trim` does: 32x32 RGB, centred on white."""
    if ink is None:
        return Image.new("RGB", (SIZE, SIZE), "white")
    ink = with_pen(ink)
    return centred(ink, TRIMMED / max(ink.size))


def centred(image, scale):
    """Return an image, made larger or smaller by a factor, in the middle of a white page of 32x32 RGB."""
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.LANCZOS)
    page = Image.new("RGB", (SIZE, SIZE), "white")
    page.paste(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    return page


def on_white(image):
    """Return an image of any mode as RGB: turned as its EXIF data say, transparent parts white, values 0 to 255.

    White ink on nothing becomes black. Raises InputError for an image without pixels.
    """
    if not all(image.size):
        raise InputError(f"expected a picture, found one of {image.width}x{image.height} pixels")
    image.load()  # a damaged picture is an error here
    if image.format != "TIFF":  # load() has turned a TIFF; older Pillow versions would turn it once more
        with contextlib.suppress(Exception):  # of many kinds; EXIF data that cannot be read mean no rotation
            image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow's convert() would clip
        values = np.asarray(image).clip(0, 65535)
        image = Image.fromarray((values / (257 if values.max() > 255 else 1)).round().astype(np.uint8))
    if image.mode not in ("RGBA", "RGBa", "LA", "La", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (0, 0):
        return image.convert("RGB")  # some programs leave the alpha of a BMP file at 0
    page = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    unseen = page.convert("L").getextrema()[0] > FAINT and alpha.getextrema()[0] < FAINT
    return ImageOps.invert(alpha).convert("RGB") if unseen else page


def without_dark_ink(pixels):
    """Tell whether pixels (32, 32) lack what the network expects, dark ink on white; its answer is then a guess."""
    return pixels.min() > FAINT or np.median(pixels) < FAINT


def with_pen(ink):
    """Widen the strokes of ink from find_ink() to those of a pen if they are thinner than THIN of 32 pixels."""
    scale = LARGE * TRIMMED / max(ink.size)
    large = ink.resize([max(1, round(side * scale)) for side in ink.size], Image.LANCZOS)
    width = stroke_of(large) / LARGE
    if not 0 < width < THIN:
        return ink
    wider = round(LARGE * (PEN - width)) // 2 * 2 + 1  # the side of a filter is odd
    return ImageOps.expand(large, wider // 2, 255).filter(ImageFilter.MinFilter(wider))


def stroke_of(ink):
    """Return the width of the strokes of dark ink on white ("L"), in pixels: twice the area / the edge's length."""
    dark = np.pad(np.asarray(ink) < 128, 1)
    edge = (np.diff(dark, axis=0).sum() + np.diff(dark, axis=1).sum()) * np.pi / 4  # pi / 4: edges in all directions
    return 2 * dark.sum() / edge if edge else 0.0


def distort(picture, turn, slant, stretch_x, stretch_y):
    """Turn, slant and stretch a grey picture on white ("L") about its middle. The arguments: see old_places()."""
    (a, b), (c, d) = old_places(turn, slant, stretch_x, stretch_y)
    x, y = picture.width / 2, picture.height / 2
    numbers = a, b, x - a * x - b * y, c, d, y - c * x - d * y
    return picture.transform(picture.size, Image.AFFINE, numbers, Image.BILINEAR, fillcolor=255)


def old_places(turn, slant, stretch_x, stretch_y):
    """Return the 2x2 matrix that leads from a place in a distorted picture to its place before, both from the middle.

    turn: degrees; slant: pixels across per pixel down; stretch_x, stretch_y: factors.
    """
    angle = math.radians(turn)
    cosine, sine = math.cos(angle), math.sin(angle)
    first = (cosine + slant * sine) / stretch_x, (slant * cosine - sine) / stretch_x
    return np.array([first, (sine / stretch_y, cosine / stretch_y)])


def distorted(pixels, rng, jitter, bend):
    """Return a picture as another hand might have drawn it: (32, 32) -> (32, 32). rng: a numpy Generator.

    A grid of 5x5 points lies on the picture. jitter: it is turned, slanted, stretched and shifted, at most by JITTER.
    bend: in most cases each point is also moved on its own, as if the picture were drawn on rubber (BEND). Then the
    square between four points of the new picture shows what lay between them before.
    """
    points = GRID
    if jitter:
        turn, slant, across, down, *shift = (limit * (2 * rng.random() - 1) for limit in JITTER)
        points = (GRID - SIZE / 2 - shift) @ old_places(turn, slant, 1 + across, 1 + down).T + SIZE / 2
    if bend and rng.random() < BEND[0]:
        points = points + rng.normal(0, BEND[1], GRID.shape)
    new, old = GRID.reshape(25, 2).tolist(), points.reshape(25, 2).tolist()
    mesh = [((*new[i], *new[i + 6]), old[i] + old[i + 5] + old[i + 6] + old[i + 1]) for i in SQUARES]
    picture = Image.fromarray(pixels).transform((SIZE, SIZE), Image.MESH, mesh, Image.BILINEAR, fillcolor=255)
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(pixels.shape)


def open_picture(path):
    """Return the picture in a file (the first frame) as an RGB image, and the name of its format.

    Raises InputError where it holds no picture, and the system's OSError for a path that cannot be opened.
    """
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, and of large pictures, which we refuse
            image = Image.open(file)
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                raise InputError(f"{image.width}x{image.height} is over {Image.MAX_IMAGE_PIXELS:,} pixels")
            if max(image.size) > PHOTO:
                image.draft(None, (PHOTO // 2, PHOTO // 2))  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size
            image.load()
            found, factor = image, max(image.size) // (PHOTO // 2)
            if factor > 1 and image.mode in ("L", "RGB", "RGBA", "CMYK"):
                found = image.reduce(factor)
                found.info = image.info
            return on_white(found), image.format
    except Exception as error:  # Pillow's are of many kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise  # missing, not allowed, a folder: the system's own words say it
        if isinstance(error, Image.UnidentifiedImageError):
            raise InputError(f"{path}: expected a picture, found {kind_of(path)}") from None
        reason = error or type(error).__name__
        raise InputError(f"{path}: expected a picture that Pillow can read ({reason}); use a PNG or JPEG") from None


def kind_of(path):
    """Return in words what a file is that holds no picture, and what to do."""
    with open(path, "rb") as file:
        start = file.read(200).lstrip().lower()
    if not start:
        return "an empty file"
    for sign, kind in NO_PICTURES.items():
        if sign in start:
            return f"{kind} file; export it as JPEG or PNG"
    return "something that Pillow cannot read; use a PNG or JPEG file"


def preprocess(image_path, output_path=None, trim=False, *, keep=False):
    """Fit the picture at `image_path` and save it: as the paper does over the original, unless `output_path` is given.

    keep: leave the file alone if its picture is fitted already, otherwise keep it as .bak first; a picture of 32x32
    does not replace a .bak, which is probably its original. Returns whether a file was written. Raises InputError for
    what is no picture, or if Pillow cannot write its format. The file is replaced as a whole.
    """
    image, file_format = open_picture(image_path)
    fitted, data = fit(image, trim), io.BytesIO()
    if keep and image.size == fitted.size and image.tobytes() == fitted.tobytes():
        return False
    output_path = image_path if output_path is None else output_path
    if output_path != image_path:
        file_format = Image.registered_extensions().get(os.path.splitext(output_path)[1].lower(), file_format)
    try:
        fitted.save(data, "JPEG" if file_format == "MPO" else file_format, quality=95)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"{output_path}: Pillow cannot write {file_format} ({error}); use a PNG file") from None
    if keep and (image.size != fitted.size or not os.path.exists(f"{output_path}.bak")):
        back_up(output_path)
    write_whole(output_path, data.getvalue())
    return True


def main():
    parser = Parser("Fit pictures into 32x32 on white, as the paper does.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--output", metavar="DIR", help="the folder to write to (default: over the originals)")
    parser.add_argument("--trim", action="store_true", help="cut to the ink and scale it to 24 pixels first")
    options = parser.parse_args()
    pictures = outputs = expanded(options.pictures)
    if options.output is not None:
        outputs = [os.path.join(options.output, os.path.basename(path)) for path in pictures]
        if len({path.casefold() for path in outputs}) < len(outputs):
            parser.error("two pictures of one name would become one file in --output; do them one by one")
        os.makedirs(options.output, exist_ok=True)
    code = 0
    for path, output in zip(pictures, outputs):
        try:
            done = f"{output}: {SIZE}x{SIZE}"
            if os.path.realpath(path) != os.path.realpath(output):
                back_up(output)  # another picture may have this name
                preprocess(path, output, options.trim)
            elif preprocess(path, trim=options.trim, keep=True):
                done += f"; the original is kept as {path}.bak"
            else:
                done += " already, left as it is"
        except (InputError, OSError) as error:
            print(f"preprocessing.py: {explain(error)}", file=sys.stderr)
            code = 1
        else:
            print(done)
    return code


if __name__ == "__main__":
    run(main)
