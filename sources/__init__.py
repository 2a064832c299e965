"""Where pictures come from: `python -m sources.chars74k` (the official archives), `python -m sources.fonts` (drawn).

Here stands what the two share: the options that say which pictures, and how a picture is put into a data set.
"""

import os

from support.commandline import Parser
from support.files import write_whole
from support.pictures import CHARACTERS, picture_path, png_bytes


def source_parser(description, dataset, labels, per_label):
    """A Parser with the options of both; the last three are their defaults, per_label None for all there are."""
    parser = Parser(description)
    parser.add_argument("--dataset", default=dataset, metavar="DIR", help=f"where to (default: {dataset})")
    shown = "all 62" if labels == CHARACTERS else f"{labels[0]} to {labels[-1]}"
    parser.add_argument("--labels", nargs="+", default=list(labels), metavar="L", help=f"default: {shown}; of "
                        "0-9, A-Z, a-z; all for the 62")  # fmt: skip
    parser.add_argument("--per-label", type=int, default=per_label, metavar="N",
                        help=f"pictures of each (default: {per_label or 'all'})")  # fmt: skip
    return parser


def parse(parser):
    """The command line of a source_parser(); labels that are none, or no count, are said on one line, exit code 2."""
    options = parser.parse_args()
    if options.labels == ["all"]:
        options.labels = list(CHARACTERS)
    unknown = [label for label in options.labels if len(label) != 1 or label not in CHARACTERS]
    if unknown:
        parser.error(f"--labels: expected single characters of 0-9, A-Z, a-z, found {' '.join(unknown)}")
    if len(set(options.labels)) < len(options.labels):
        parser.error("--labels: expected each once")
    if options.per_label is not None and options.per_label < 1:
        parser.error(f"--per-label: expected 1 or more, found {options.per_label}")
    return options


def put_picture(picture, dataset, label, number):
    """Write a 32x32 picture as a label's `number`-th in the data set, whole; folders are made."""
    path = picture_path(dataset, label, number)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_whole(path, png_bytes(picture, optimize=True), sync=False)
