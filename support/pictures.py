"""Where a data set's pictures stand: <dataset>/<label>/img<class>-<number>.png, as the paper's and Chars74K's do."""

import os
import re

from support.commandline import ROOT
from support.files import InputError

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # Chars74K's classes 1 to 62


def class_number(label):
    """Chars74K's number of a digit's or letter's class, 1 to 62."""
    return CHARACTERS.index(label) + 1


def picture_path(dataset, label, number):
    """Where a picture of a digit or letter stands: class counted from 001, number from 00001."""
    return os.path.join(dataset, label, f"img{class_number(label):03d}-{number:05d}.png")


def find_pictures(dataset, label):
    """The paths of a label's pictures, by sorted name; other files are left alone. Raises InputError if there are none.

    Where A and a share a folder, because the disk does not tell them apart, the class number in the name does.
    """
    folder = os.path.join(dataset, label)
    other_case = class_number(label.swapcase()) if len(label) == 1 and label in CHARACTERS and label.isalpha() else 0
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        do = "" if os.path.isdir(dataset) else f"; start in {ROOT}, or name the folder that holds it (--dataset)"
        raise InputError(f"{folder}: expected a folder of pictures of a {label!r} ({error.strerror}){do}") from None
    matches = [re.fullmatch(r"img(\d+)-\d+\.png", name) for name in names]
    paths = [os.path.join(folder, match[0]) for match in matches if match and int(match[1]) != other_case]
    if not paths:
        raise InputError(f"{folder}: expected pictures named like img001-00001.png, found none")
    return paths


def has_pictures(dataset, label):
    """Whether a data set has a picture of the label."""
    try:
        return bool(find_pictures(dataset, label))
    except InputError:
        return False
