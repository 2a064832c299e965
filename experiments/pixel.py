"""How rare is a picture that changes its answer when a single pixel changes?

    python -m experiments.pixel MODEL FOLDER [--pictures 500]

takes pictures of the folder at random that the model gets right, inverts each of their 1,024 pixels in turn, and counts
the pictures and the pixels that change the answer.
"""

import sys

import numpy as np

from cnn import forward
from experiments.shared import pictures_of
from model import parts_of, read_model
from support.commandline import Parser, one_or_more, progress_line, run, share
from support.files import InputError


def main():
    parser = Parser("Count the pictures whose answer changes when one pixel is inverted.")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("folder", metavar="FOLDER", help="pictures, FOLDER/<label>/img<class>-<number>.png")
    parser.add_argument("--pictures", type=one_or_more, default=500, metavar="N", help="(default: 500)")
    options = parser.parse_args()
    model = parts_of(read_model(options.model))
    examples = list(pictures_of(model.labels, options.folder))
    np.random.default_rng(1).shuffle(examples)

    changed, fooled = [], None
    with progress_line(sys.stderr) as show:
        for path, pixels, answer in examples:
            if forward(pixels, model).softmax.argmax() != answer:
                continue
            others = [forward(picture, model).softmax for picture in inverted(pixels)]
            wrong = [softmax for softmax in others if softmax.argmax() != answer]
            changed.append(len(wrong))
            for softmax in wrong:
                fooled = max(fooled or (0,), (softmax.max(), model.labels[softmax.argmax()], path))
            show(f"{len(changed)} of {options.pictures} pictures")
            if len(changed) == options.pictures:
                break
    if not changed:
        raise InputError(f"{options.folder}: the model gets none of these pictures right, expected one at least")
    print(f"pictures that one pixel changes: {share(np.count_nonzero(changed), len(changed))}")
    print(f"pixels that do so: {share(sum(changed), len(changed) * 1024)}")
    if fooled:
        print(f"the surest wrong answer: {fooled[1]}, {fooled[0]:.1%}, for {fooled[2]}")


def inverted(pixels):
    """Yield the picture with one pixel inverted, for each of its pixels: (32, 32) each."""
    for place in np.ndindex(pixels.shape):
        picture = pixels.copy()
        picture[place] = 255 - picture[place]
        yield picture


if __name__ == "__main__":
    run(main)
