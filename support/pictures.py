"""The paths of a data set's pictures: <dataset>/<label>/img<class>-<number>.png, as in the paper and in Chars74K."""

import os
import re

from support.commandline import ROOT
from support.files import InputError

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # Chars74K's classes 1 to 62


def class_number(label):
    """Return Chars74K's number of a digit's or letter's class, 1 to 62."""
    return CHARACTERS.index(label) + 1


def picture_path(dataset, label, number):
    """Return the path of a picture of a digit or letter. Classes count from 001, numbers from 00001."""
    return os.path.join(dataset, label, f"img{class_number(label):03d}-{number:05d}.png")


def find_pictures(dataset, label, say=None):
    """Return the paths of a label's pictures, sorted by name. Raises InputError if there are none.

    say is called if files were passed over because of their names. On a disk that does not distinguish capital letters,
    A and a have the same folder; then the number of the class in the name tells them apart.
    """
    folder = os.path.join(dataset, label)
    other_case = class_number(label.swapcase()) if len(label) == 1 and label in CHARACTERS and label.isalpha() else None
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        do = f"; start in {ROOT}, or name the folder that holds it (--dataset)"
        if os.path.isdir(dataset):
            do = f"; {dataset} has folders for these labels: {' '.join(sorted(next(os.walk(dataset))[1])) or 'none'}"
        raise InputError(f"{folder}: expected a folder of pictures of a {label!r} ({error.strerror}){do}") from None
    matches = [re.fullmatch(r"img(\d+)-\d+\.(?:png|PNG)", name) for name in names]
    paths = [os.path.join(folder, match[0]) for match in matches if match and int(match[1]) != other_case]
    if not paths:
        raise InputError(f"{folder}: expected pictures with names like img001-00001.png, found none")
    if say and None in matches:
        say(f"{folder}: passed over {matches.count(None)} of {len(names)} files, expected names like img001-00001.png")
    return paths


def has_pictures(dataset, label):
    """Tell whether a data set has a picture of the label."""
    try:
        return bool(find_pictures(dataset, label))
    except InputError:
        return False
