"""Where pictures come from: `python -m sources.chars74k` (the official archives), `python -m sources.fonts` (drawn).

Here stands what the two share: the options that say which pictures, and how one is put into a data set. Only their
tests import them.
"""

from support.commandline import Parser

import io
import os

from support.files import write_whole
from support.pictures import CHARACTERS, picture_path


def source_parser(description, dataset, labels, per_label):
    """A Parser with the options of both; the last three are their defaults, per_label None for all there are."""
    parser = Parser(description)
    shown = f"{labels[0]} to {labels[-1]}" if len(labels) < len(CHARACTERS) else "all"
    add = parser.add_argument
    add("--dataset", default=dataset, metavar="DIR", help=f"where to (default: {dataset})")
    add("--labels", nargs="+", default=list(labels), metavar="L", help="single characters of 0-9, A-Z, a-z, or all "
        f"(default: {shown})")  # fmt: skip
    add("--per-label", type=int, default=per_label, metavar="N", help=f"of each (default: {per_label or 'all'})")
    return parser


def parse(parser):
    """The command line of a source_parser(); labels or a number that make no sense are one line, exit code 2."""
    options = parser.parse_args()
    if options.labels == ["all"]:
        options.labels = list(CHARACTERS)
    wrong = [text for text in options.labels if text not in list(CHARACTERS) or options.labels.count(text) > 1]
    if wrong:
        parser.error(f"--labels: expected single characters of 0-9, A-Z, a-z, each once, found {' '.join(wrong)}")
    if options.per_label is not None and options.per_label < 1:
        parser.error(f"--per-label: expected 1 or more, found {options.per_label}")
    return options


def put_picture(picture, dataset, label, number):
    """Write a PIL image as a label's `number`-th picture in the data set, whole; its folder is made."""
    path = picture_path(dataset, label, number)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    write_whole(path, data.getvalue(), sync=False)
