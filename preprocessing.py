"""Any picture to 32x32 on white (the paper's preprocessing.py).

    python preprocessing.py PICTURE... [--output DIR] [--trim]

As in the paper, a picture is written over its original, unless --output names a folder.
"""

import io
import os
import sys
import warnings

from PIL import Image, ImageFilter, ImageOps

from common import InputError, Parser, explain, run, write_whole

SIZE = 32  # pixels, both ways
TRIMMED = 24  # pixels, the longer side of trimmed ink: the height of the dataset's digits
NOISE = 400  # a picture of more pixels than this at its longer side is smoothed before ink is looked for in it
CONTRAST = 32  # grey levels, of 255, by which ink must be darker than its paper


def fit(image, trim=False):
    """Fit a PIL image undistorted into 32x32, centred on white: a 32x32 RGB image. The given one stays as it is.

    Only shrinks, antialiased, as in the paper. With `trim` the picture is first cut to its ink, which is scaled, up or
    down, to 24 pixels at its longer side, black on white: what people draw or photograph needs this.
    """
    image = on_white(image)
    if trim:
        image = cut_to_ink(image)
    limit = TRIMMED if trim else SIZE
    scale = limit / max(image.size)
    if trim or scale < 1:
        size = [max(1, round(side * scale)) for side in image.size]
        image = image.resize(size, Image.LANCZOS)
    page = Image.new("RGB", (SIZE, SIZE), "white")
    page.paste(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    return page


def on_white(image):
    """Any mode to RGB: turned as its EXIF data say, its transparent parts white, 16 bits brought to 8."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # grey of 16 bits, which convert() would clip
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def cut_to_ink(image):
    """The part of an RGB image that holds ink, made black, on paper made white; without any ink, one white pixel.

    Paper is as light as the lightest quarter of the pixels begins; ink is nearer to the darkest than to that. A large
    picture, a photo, is first smoothed for finding both, so that noise and specks are not taken for ink.
    """
    grey = image.convert("L").filter(ImageFilter.BoxBlur(max(image.size) // NOISE))
    histogram, seen, paper = grey.histogram(), 0, 0
    while seen < 0.75 * image.width * image.height:
        seen, paper = seen + histogram[paper], paper + 1
    paper = max(1, paper - 1)
    darkest = grey.getextrema()[0]
    if paper - darkest < CONTRAST:
        return Image.new("RGB", (1, 1), "white")
    ink = grey.point(lambda value: 255 if value * 2 < paper + darkest else 0)
    scale = 255 / (paper - darkest)
    return image.crop(ink.getbbox()).point(lambda value: min(255, max(0, round((value - darkest) * scale))))


def read_picture(path, trim=False):
    """The picture at `path`, of several frames the first, fitted: a 32x32 RGB image. The file stays as it is."""
    return _read(path, trim)[0]


def _read(path, trim):
    """The fitted picture, and the format and size of its file. Raises InputError where the file is no picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, and of large pictures, which we refuse
            with open(path, "rb") as file, Image.open(file) as image:
                if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise InputError(f"{image.width}x{image.height} is over {Image.MAX_IMAGE_PIXELS:,} pixels")
                image.load()
                return fit(image, trim), image.format, image.size
    except (Exception, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # missing, not allowed, a folder: the system's own words say it
        reason = "" if isinstance(error, Image.UnidentifiedImageError) else f" ({error or type(error).__name__})"
        raise InputError(f"{path}: expected a picture that Pillow can read{reason}; use a PNG or JPEG file") from None


def preprocess(image_path, output_path=None, trim=False):
    """Fit the picture at `image_path` and save it: as the paper does over the original, unless `output_path` is given.

    Raises InputError where it is no picture, or where Pillow cannot write its format. The original is replaced whole.
    """
    image, file_format, _ = _read(image_path, trim)
    output_path = image_path if output_path is None else output_path
    if output_path != image_path:
        file_format = Image.registered_extensions().get(os.path.splitext(output_path)[1].lower(), file_format)
    data = io.BytesIO()
    try:
        image.save(data, "JPEG" if file_format == "MPO" else file_format, quality=95)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"{output_path}: Pillow cannot write {file_format} ({error}); use a PNG file") from None
    write_whole(output_path, data.getvalue())


def main():
    parser = Parser(description="Fit pictures into 32x32 on white, as the paper does.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument(
        "--output", metavar="DIR", help="write to this folder (default: over the originals, as the paper)"
    )
    parser.add_argument("--trim", action="store_true", help="cut to the ink and scale it to 24 pixels first")
    options = parser.parse_args()
    outputs = options.pictures
    if options.output is not None:
        outputs = [os.path.join(options.output, os.path.basename(path)) for path in options.pictures]
        if len({path.casefold() for path in outputs}) < len(outputs):
            parser.error("two pictures of one name would become one file in --output; do them one by one")
        os.makedirs(options.output, exist_ok=True)
    code = 0
    for path, output in zip(options.pictures, outputs):
        try:
            preprocess(path, output, options.trim)
            print(f"{output}: {SIZE}x{SIZE}")
        except (InputError, OSError) as error:
            print(f"preprocessing.py: {explain(error)}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    run(main)
