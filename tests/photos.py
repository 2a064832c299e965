"""Make photos of single handwritten digits, as a phone would take them: clean ones, and ones with what goes wrong.

    python -m tests.photos FOLDER        writes the photos into a folder for each kind, to look at

photos() yields the kind, the digit and the photo, always the same ones: a hundred clean photos, two hundred others.
"""

import io
import os
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from preprocessing import distort
from sources.fonts import Strokes

FONTS = [f"/usr/share/hershey-fonts/{name}.jhf" for name in ("futural", "scripts", "rowmans", "cursive")] + [
    f"/usr/share/fonts/{name}"
    for name in ("truetype/fifthhorseman/dkg.ttf", "truetype/humor-sans/Humor-Sans.ttf",
                 "opentype/comic-neue/ComicNeue-Regular.otf", "truetype/klaudia-berenika/Klaudia.ttf")
]  # fmt: skip
WIDTH, HEIGHT = 800, 600
KINDS = {"clean": 100, "sharp shadow": 30, "soft shadow": 25, "desk": 30, "finger": 25, "page border": 25,
         "blackboard": 25, "noise": 20, "one bit": 20}  # fmt: skip
INKS = {"ballpoint": (40, 50, 130), "black pen": (35, 35, 40), "pencil": (115, 112, 110), "red pen": (170, 40, 50),
        "marker": (30, 30, 35)}  # fmt: skip
PENS = {"ballpoint": (5, 9), "black pen": (6, 11), "pencil": (5, 9), "red pen": (6, 10), "marker": (18, 32)}  # pixels


def photos(seed=27):
    """Yield (kind, digit, photo), the photo as a file of bytes."""
    rng = np.random.default_rng(seed)
    for kind, count in KINDS.items():
        for number in range(count):
            digit = str(number % 10)
            yield kind, digit, photo(kind, digit, rng)


def photo(kind, digit, rng):
    """Return the bytes of a JPEG, or of a PNG of one bit."""
    pen = rng.choice([*INKS])
    ink = np.array(INKS[pen], float)
    page = np.array(rng.uniform(205, 250) * rng.uniform(0.95, 1, 3))
    if kind == "blackboard":
        page, ink = rng.uniform(35, 70) * np.array([0.9, 1, 0.95]), rng.uniform(190, 235) * np.ones(3)
        pen = "marker"
    picture = np.ones((HEIGHT, WIDTH, 1)) * page  # (600, 800, 3)
    lines = rng.choice(["plain", "ruled", "squared"]) if kind != "blackboard" else "plain"
    distance, strength = rng.uniform(35, 130), rng.uniform(0.12, 0.3)
    if lines != "plain":
        blue = page * (1 - strength * np.array([1.2, 1, 0.5]))
        for start in np.arange(rng.uniform(0, distance), HEIGHT, distance):
            picture[int(start) : int(start) + 2] = blue
        if lines == "squared":
            for start in np.arange(rng.uniform(0, distance), WIDTH, distance):
                picture[:, int(start) : int(start) + 2] = blue
    height = rng.uniform(150, 400)
    x, y = WIDTH / 2 + rng.uniform(-110, 110), HEIGHT / 2 + rng.uniform(-70, 70)
    cover = written(digit, height, rng.uniform(*PENS[pen]), (x, y), rng)[..., np.newaxis]
    if pen == "pencil":
        cover = cover * rng.uniform(0.75, 1, cover.shape)  # the paper's grain
    picture = picture * (1 - cover) + ink * cover
    picture = spoilt(picture, kind, rng)
    picture *= (1 - rng.uniform(0, 0.15) * np.linspace(0, 1, WIDTH))[:, np.newaxis]  # no light is quite even
    picture += rng.normal(0, 25 if kind == "noise" else rng.uniform(1, 6), picture.shape)
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))
    data, exif = io.BytesIO(), Image.Exif()
    if kind == "one bit":
        image.convert("1").save(data, "PNG")
    else:
        if rng.random() < 0.25:
            image, exif[0x0112] = image.rotate(90, expand=True), 6  # the phone was held upright
        image.save(data, "JPEG", quality=int(rng.integers(60, 95)), exif=exif)
    return data.getvalue()


def written(digit, height, pen, middle, rng):
    """Return how much ink covers each pixel, 0 to 1, of a digit that a hand wrote: (600, 800)."""
    path = FONTS[rng.integers(len(FONTS))]
    page = Image.new("L", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    if path.endswith(".jhf"):
        lines = [np.array(line, float) for line in Strokes(path).lines[digit]]
        points = np.concatenate(lines)
        scale = height / max(np.ptp(points, axis=0))
        for line in lines:
            places = (line - (points.max(axis=0) + points.min(axis=0)) / 2) * scale + middle
            places = (places + rng.normal(0, height / 120, line.shape)).tolist()
            draw.line([*map(tuple, places)], "black", round(pen), joint="curve")
            for a, b in places:
                draw.ellipse((a - pen / 2, b - pen / 2, a + pen / 2, b + pen / 2), "black")
    else:
        draw.text(middle, digit, "black", ImageFont.truetype(path, round(height * 1.3)), "mm")
    page = distort(page, rng.normal(0, 4), rng.normal(0, 0.08), 1, 1)
    return 1 - np.asarray(page, float) / 255


def spoilt(picture, kind, rng):
    """Return the picture (600, 800, 3) with a shadow, or with something beside the paper."""
    x, y = np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)[:, np.newaxis]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)
    across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)  # the distance from the middle, one way
    if kind == "sharp shadow":
        return picture * (1 - depth * (across > rng.uniform(-0.25, 0.3)))[..., np.newaxis]
    if kind == "soft shadow":
        return (
            picture * (1 - depth * ((across - rng.uniform(-0.3, 0.1)) * rng.uniform(2, 6)).clip(0, 1))[..., np.newaxis]
        )
    if kind in ("desk", "page border"):
        edge = rng.uniform(0.28, 0.42)
        beside = np.array([110, 75, 45]) * rng.uniform(0.4, 1.2)
        if kind == "page border":
            beside = np.array([1, 1, 1]) * rng.uniform(60, 190)
        grain = 1 + 0.15 * np.sin(60 * (y + 0.3 * np.sin(3 * x)))[..., np.newaxis] if kind == "desk" else 1
        return np.where((across > edge)[..., np.newaxis], beside * grain, picture)
    if kind == "finger":
        side = rng.choice([-1, 1])
        tip, level, radius = 0.5 + side * rng.uniform(0.32, 0.42), rng.uniform(0.3, 0.8), rng.uniform(0.06, 0.1)
        apart = np.hypot(np.maximum(0, side * (tip - x)), 0.75 * (y - level))
        shade = 1 - 0.35 * (apart / radius) ** 2
        return np.where((apart < radius)[..., np.newaxis], np.array([215, 160, 135]) * shade[..., np.newaxis], picture)
    return picture


def main():
    for number, (kind, digit, data) in enumerate(photos()):
        folder = os.path.join(sys.argv[1], kind)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{number:03}-{digit}.{'png' if kind == 'one bit' else 'jpg'}"), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
