"""A model on a folder of labelled pictures, without dropout: how many right, and which are not. Not in the paper.

    python evaluate.py MODEL FOLDER [--output-sum 100] [--trim] [--sheet FILE.png]

FOLDER has the form of dataset/: FOLDER/<label>/img<class>-<number>.png. Every picture of it is used: nothing is split.
"""

import io
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import cnn
from common import InputError, Parser, run, write_whole
from model import labels_of, read_model
from pictures import find_pictures, has_pictures
from preprocessing import SIZE, read_picture

SCALE = 3  # pixels on the contact sheet for one of a picture's
CELL = (120, 130)  # pixels, a picture with its caption
COLUMNS = 10  # of the contact sheet
PAPER = "lightgrey"
LARGEST_SHEET = 1000  # pictures


def main():
    parser = Parser(description="Try a model on a folder of labelled pictures, without dropout.")
    parser.add_argument("model", metavar="MODEL", help="such as model.doc")
    parser.add_argument("folder", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    parser.add_output_sum(cnn.OUTPUT_SUM)
    parser.add_argument("--trim", action="store_true", help="cut each picture to its ink first, scaled to 24 pixels")
    parser.add_argument("--sheet", metavar="FILE.png", help="the pictures it got wrong, as one picture")
    options = parser.parse_args()

    model = read_model(options.model)
    labels = labels_of(model)
    tried, others = split_folders(options.folder, labels)
    counts = np.zeros((len(labels), len(labels)), int)  # [true label, answer]
    total, wrong = 0.0, []
    for true in tried:
        for path in find_pictures(options.folder, labels[true]):
            picture = read_picture(path, options.trim)
            softmax = cnn.cnn(np.asarray(picture), model, output_sum=options.output_sum)
            answer = int(softmax.argmax())
            counts[true, answer] += 1
            total += cnn.cross_entropy(softmax, np.eye(len(labels))[true])
            if answer != true:
                wrong.append((picture, f"{labels[true]} -> {labels[answer]}"))

    right, tries = np.trace(counts), counts.sum()
    print(
        f"{options.model} on {options.folder}: every picture of {' '.join(labels[true] for true in tried)}, no dropout"
    )
    if others:
        print(f"passed over, since the model has no such label: {' '.join(others)}")
    print(f"right: {right:,} of {tries:,}, {100 * right / tries:.1f}%")
    folded = [label.casefold() for label in labels]
    if len(set(folded)) < len(labels):
        alike = np.equal.outer(folded, folded)  # [true label, answer]
        as_one = counts[alike].sum()
        print(f"right, both cases of a letter counting as one: {as_one:,} of {tries:,}, {100 * as_one / tries:.1f}%")
    print(f"mean cross entropy: {total / tries:.4f}, at an output sum of {options.output_sum:g}\n")
    print(confusion_table(labels, counts, tried))
    if wrong:
        print(f"\nmixed up most: {mixed_up(labels, counts)}")
    if options.sheet and wrong:
        write_whole(options.sheet, contact_sheet(wrong[:LARGEST_SHEET]))
        print(f"\nwritten: {options.sheet}, {min(len(wrong), LARGEST_SHEET):,} of the {len(wrong):,} it got wrong")
    elif options.sheet:
        print(f"\nnot written: {options.sheet}, since none is wrong")


def split_folders(folder, labels):
    """The model's labels that have a folder of pictures, as their indexes; and the names of the other folders.

    On some disks A and a are one folder, which is listed under one of the two names.
    """
    names = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    tried = [index for index, label in enumerate(labels) if label in names or has_pictures(folder, label)]
    if not tried:
        raise InputError(
            f"{folder}: expected a folder for a label, {' '.join(labels)}, found {' '.join(names) or 'none'}"
        )
    return tried, [name for name in names if name not in labels]


def confusion_table(labels, counts, tried):
    """How often each label got each answer, as lines of text; a dot is none. counts: (n, n), [true label, answer]."""
    rows = [["true", *labels, "right"]]
    for true in tried:
        shown = [f"{count:,}" if count else "." for count in counts[true]]
        rows.append([labels[true], *shown, f"{100 * counts[true, true] / counts[true].sum():.1f}%"])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths)) for row in rows]
    return "\n".join([f"{'':{widths[0]}}  answer", *lines])


def mixed_up(labels, counts, pairs=10):
    """The pairs of labels that were taken for each other most often, in words. counts: (n, n), [true label, answer]."""
    both = counts + counts.T
    found = sorted((-both[a, b], a, b) for a in range(len(labels)) for b in range(a) if both[a, b])
    return ", ".join(f"{labels[b]} and {labels[a]} {-times:,}" for times, a, b in found[:pairs])


def contact_sheet(pictures):
    """The bytes of a PNG file that shows (32x32 picture, caption) pairs in rows of ten, each three times as large."""
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (columns * CELL[0], rows * CELL[1]), PAPER)
    side = SIZE * SCALE
    for number, (picture, text) in enumerate(pictures):
        left, top = number % COLUMNS * CELL[0], number // COLUMNS * CELL[1]
        sheet.paste(picture.resize((side, side), Image.NEAREST), (left + (CELL[0] - side) // 2, top + 6))
        sheet.paste(caption(text), (left, top + 6 + side))
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()


def caption(text):
    """A text in the middle of a strip as wide as a cell, in Pillow's own font, which is small: doubled."""
    strip = Image.new("RGB", (CELL[0] // 2, 13), PAPER)
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default()
    text = text.encode("latin-1", "replace").decode("latin-1")  # the characters that this font has
    left, _, right, _ = pen.textbbox((0, 0), text, font=font)
    pen.text(((strip.width - right + left) // 2, 0), text, "black", font)
    return strip.resize((strip.width * 2, strip.height * 2), Image.BICUBIC)


if __name__ == "__main__":
    run(main)
