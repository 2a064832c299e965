"""Take the shadows out of a photo and make it dark on light, before trimming looks for ink. Not in the paper.

The picture is looked at in squares, GRID of them at its longer side, each as light as its lightest pixel: in these,
thin strokes are gone already. What is dark and wider than STROKE squares is a shadow, not ink.
"""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

GRID, STROKE = 32, 11
TOLERANCE = 16  # grey levels, of 255, by which paper is darker where it is not looked at
DIM = 8  # grey levels, added to the paper's before dividing by it: a black board has no shadows


def evenly_lit(grey, smooth):
    """Return a grey picture ("L") as dark on light, with paper that is equally light everywhere.

    smooth: the same picture without noise, to find the paper in. The paper, which may be a board too, is the light or
    the dark part, whichever is the more even one, with less of the other along the border.
    """
    smooth = np.asarray(smooth, np.float32)  # (height, width)
    grids = [lightest(values) for values in (smooth, 255 - smooth)]
    papers = [paper_of(grid) for grid in grids]
    unlike = [np.maximum(paper, grid).std() + np.abs(border(paper - grid)).mean() for grid, paper in zip(grids, papers)]
    light = unlike[0] <= unlike[1]
    paper = (papers[0] if light else 255 - papers[1]) + DIM
    gain = enlarged(paper.max() / paper, grey.size)
    image = Image.fromarray((np.asarray(grey) * gain).clip(0, 255).round().astype(np.uint8))
    return image if light else ImageOps.invert(image)


def square(length):
    """Return the side of a square in pixels, for a picture whose longer side is `length` pixels."""
    return -(-length // GRID)


def lightest(values):
    """Return the lightest pixel of each square: (height, width) -> (rows, columns)."""
    side = square(max(values.shape))
    values = np.pad(values, [(0, -length % side) for length in values.shape], "edge")
    return values.reshape(values.shape[0] // side, side, -1, side).max(axis=(1, 3))


def enlarged(grid, size):
    """Return a value for each pixel, from the values of the squares: (rows, columns) -> (height, width)."""
    side = square(max(size))
    whole = Image.fromarray(grid).resize([count * side for count in grid.shape[::-1]], Image.BILINEAR)
    return np.asarray(whole)[: size[1], : size[0]]


def border(grid):
    """Return the outermost squares."""
    return np.concatenate((grid[0], grid[-1], grid[:, 0], grid[:, -1]))


def paper_of(grid):
    """Return the brightness of the paper in each square, also under ink: (rows, columns) -> (rows, columns).

    Filling strokes takes dark corners for ink, and does not if the grid is first divided by a surface fitted to the
    paper, which in turn fits no shadow with an edge; so of both, the darker paper.
    """
    paper = filled(grid)
    surface = fitted(grid, grid > paper - TOLERANCE)
    return np.minimum(paper, filled(grid / surface) * surface)


def filled(grid):
    """Make everything that is dark and narrower than STROKE as light as its surroundings (a morphological closing)."""
    image = Image.fromarray(grid).filter(ImageFilter.MaxFilter(STROKE))
    return np.asarray(image.filter(ImageFilter.MinFilter(STROKE + 2)))  # + 2: the edge of a shadow is shadow


def fitted(grid, paper):
    """Fit a quadratic surface through the squares that are paper: (rows, columns), and bool -> (rows, columns)."""
    y, x = (axis.ravel() for axis in np.mgrid[[slice(-1, 1, count * 1j) for count in grid.shape]])
    terms = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=1)  # (squares, 6)
    surface = terms @ np.linalg.lstsq(terms[paper.ravel()], grid[paper], rcond=None)[0]
    return surface.clip(1).reshape(grid.shape).astype(np.float32)
