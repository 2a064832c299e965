"""Where pictures come from: `python -m sources.chars74k` (Chars74K's), `python -m sources.fonts` (drawn).

This file has what the two share: their options, and writing a picture.
"""

import io
import os

from support.commandline import Parser, one_or_more
from support.files import write_whole
from support.pictures import CHARACTERS


def source_parser(description, dataset, labels, per_label):
    """Return a Parser with the options of both. The last three arguments are defaults; per_label None means all."""
    parser = Parser(description)
    shown = f"{labels[0]} to {labels[-1]}" if len(labels) < len(CHARACTERS) else "all"
    add = parser.add_argument
    add("--dataset", default=dataset, metavar="DIR", help=f"where to (default: {dataset})")
    add("--labels", nargs="+", default=list(labels), metavar="L", help="single characters of 0-9, A-Z, a-z, or all "
        f"(default: {shown})")  # fmt: skip
    shown = per_label or "all"
    add("--per-label", type=one_or_more, default=per_label, metavar="N", help=f"of each (default: {shown})")
    return parser


def parse(parser):
    """Return the command line of a source_parser(). Wrong labels or numbers are one line, exit code 2."""
    options = parser.parse_args()
    if options.labels == ["all"]:
        options.labels = list(CHARACTERS)
    wrong = [text for text in options.labels if text not in list(CHARACTERS) or options.labels.count(text) > 1]
    if wrong:
        parser.error(f"--labels: expected single characters of 0-9, A-Z, a-z, each once, found {' '.join(wrong)}")
    return options


def put_picture(picture, path):
    """Write a PIL image to a path of a data set. Its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    write_whole(path, data.getvalue(), sync=False)
