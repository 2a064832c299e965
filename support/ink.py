"""Find the ink of one character in a photo or drawing. Trimming uses it. Not in the paper.

The picture is made small. Its paper is what remains when all strokes are filled with the brightness around them. A
shadow or the edge of a desk is wider than a stroke, so it counts as paper. Ink is darker than the paper under it. The
character is the part of the ink that is large, near the middle and away from the border, and the parts close to it.
"""

import numpy as np
from PIL import Image, ImageFilter

CLEAN = 64  # pixels, the longer side of a picture that may be clean: drawn by a program, in black on pure white
SMALL = 320  # pixels, the longer side at which ink is looked for
STROKE = 0.3  # of the longer side: strokes are narrower than this
CONTRAST = 0.1  # ink is darker than its paper by this share, at least,
INK = 0.33  # and at least this share as dark as the darkest ink
BORDER = 0.2  # ink at the border counts this much when the character is chosen
MIDDLE = 0.3  # of a side: ink so far from the middle counts about a third, exp(-1)
BESIDE, BELOW = 0.3, 0.7  # other parts of a character are at most so far away, in sizes of its largest part
LARGE = 0.08  # a part with this share of the largest part's ink, or more, is too large for a speck
FULL = 0.5  # of the picture: a character has less ink than this


def find_ink(image):
    """Return the character in a picture, black on white and cut to its ink ("L"), and whether that is doubtful.

    The character is None if there is no ink.
    """
    image = image.convert("L")
    factor = -(-max(image.size) // SMALL)
    if factor > 1:
        image = image.reduce(factor).filter(ImageFilter.BoxBlur(1))
    grey = np.asarray(image, np.float32)  # (height, width)
    dark, ink, doubtful = of_clean(grey) if is_clean(grey) else of_photo(grey)
    if not ink.any():
        return None, False
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    black = np.percentile(dark[ink], 75)
    dark = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Image.fromarray((255 - 255 * (dark / black).clip(0, 1)).round().astype(np.uint8)), doubtful


def is_clean(grey):
    """Tell whether a picture (h, w) is small, and drawn on pure white. Then its paper need not be estimated."""
    return max(grey.shape) <= CLEAN and (grey > 250).mean() > 0.25


def of_clean(grey):
    """Return the darkness of a clean picture (h, w), the mask of its ink, which is all that is dark, and no doubt."""
    dark = 1 - grey / 255
    return dark, dark > max(CONTRAST, INK * dark.max()), False


def of_photo(grey):
    """Return the darkness of a photo (h, w) under its own light, the character's mask, and whether it is doubtful."""
    papers = [paper_of(grey), paper_of(255 - grey)]
    uneven = [sum(np.abs(np.diff(paper, axis=axis)).sum() for axis in (0, 1)) for paper in papers]
    light = uneven[0] <= uneven[1]  # the wrong paper keeps edges of the character, so it is less even
    return character(darkness(grey, papers[0]) if light else darkness(255 - grey, papers[1]))


def paper_of(grey):
    """Return the brightness of the paper under each pixel: everything dark and narrow is filled (a closing). (h, w)."""
    side = 2 * round(STROKE * max(grey.shape) / 2) + 1
    return -lightest(-lightest(grey, side), side)


def lightest(values, side):
    """Return the largest value in the square of `side` (odd) pixels around each pixel: (h, w) -> (h, w)."""
    for _ in range(2):  # along the rows, then along the columns
        values = np.pad(values, ((0, 0), (side // 2, side // 2)), "edge")
        width = 1  # each value is the largest of so many neighbours by now
        while width < side:
            step = min(width, side - width)
            values = np.maximum(values[:, :-step], values[:, step:])
            width += step
        values = values.T
    return values


def darkness(grey, paper):
    """Return by which share each pixel is darker than its paper: (h, w). Half of the picture, at least, is paper."""
    dark = 1 - grey / np.maximum(paper, 1)
    return (dark - np.median(dark)).clip(0)


def character(dark):
    """Return the darkness without the ink beside the character, the character's mask (h, w), whether it is doubtful.

    It is doubtful if it reaches the border, has many parts, covers most of the picture, or is not the only large part.
    """
    while True:  # each round leaves out ink at the border
        parts = parts_of(dark > max(CONTRAST, INK * dark.max()))
        weights = weigh(parts, dark)
        edge = np.concatenate((parts[0], parts[-1], parts[:, 0], parts[:, -1]))
        outside = np.isin(np.arange(len(weights)), edge) & (weights > 0)
        if not outside.any() or weights[~outside].max() < BORDER * weights[outside].max():
            break
        dark = np.where(lightest(outside[parts], 3), 0, dark)
    y, x = np.nonzero(parts == weights.argmax())
    size = max(np.ptp(y), np.ptp(x)) + 1
    below, beside = round(BELOW * size) + 1, round(BESIDE * size) + 1
    near = parts[max(0, y.min() - below) : y.max() + below + 1, max(0, x.min() - beside) : x.max() + beside + 1]
    counts = np.bincount(parts.ravel())
    chosen = (np.bincount(near.ravel(), minlength=len(counts)) > counts / 2) & (weights > 0)
    ink, large = chosen[parts], weights > LARGE * weights.max()
    doubtful = (outside & chosen).any() or (large & ~chosen).any() or (large & chosen).sum() > 2 or ink.mean() > FULL
    return np.where(lightest((parts > 0) & ~ink, 3) & ~ink, 0, dark), ink, bool(doubtful)


def parts_of(mask):
    """Number the connected parts of a mask, from 1: (h, w) -> (h, w), 0 where the mask is False.

    At first each pixel's number is its place. Again and again each pixel takes the largest number beside it, and then
    the number that the pixel at that place has by now, until nothing changes.
    """
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        larger = lightest(numbers, 3) * mask
        larger = np.append(0, larger)[larger]
        if (larger == numbers).all():
            return np.unique(np.append(0, numbers), return_inverse=True)[1][1:].reshape(mask.shape)
        numbers = larger


def weigh(parts, dark):
    """Return how much ink each part has (n,); ink far from the middle counts less. Number 0, no part, has none."""
    y, x = (((np.arange(length) + 0.5) / length - 0.5) ** 2 for length in dark.shape)
    weights = np.bincount(parts.ravel(), (dark * np.exp(-(y[:, np.newaxis] + x) / MIDDLE**2)).ravel())
    weights[0] = 0
    return weights
