"""Which options of controller.py bring more? Are six and six kernels the best numbers? The paper left both open.

    python -m experiments.compare --test DIR [--seeds 5] [OPTION...] + [OPTION...] + [OPTION...]

trains in several ways, each with seeds 1 to 5, and prints how many pictures of DIR are right. Each + begins a way of
training; options of controller.py before the first + hold for all of them. This compares the paper's way with training
all layers:

    python -m experiments.compare --test chars74k + + --train-kernels --alpha-decay
"""

import functools
import sys
import timeit

import numpy as np

from cnn import forward
from controller import parse_options
from experiments.shared import markdown, percent_right, pictures_of, train_all, written
from model import parts_of
from results import STEADY
from support.commandline import Parser, one_or_more, run
from training import Settings

OWN = "seed", "model_file", "metadata_file", "resume"  # of each training; no option changes them


def main():
    parser = Parser("Train in several ways and compare them. OPTION: any of controller.py's, such as --jitter.")
    parser.usage = "%(prog)s --test DIR [--seeds N] [OPTION ...] [+ [OPTION ...]] ..."
    parser.allow_abbrev = False
    parser.add_argument("--test", required=True, metavar="DIR", help="pictures to count the right answers on")
    parser.add_argument("--seeds", type=one_or_more, default=5, metavar="N", help="seeds 1 to N (default: 5)")
    ways = [[]]
    for word in sys.argv[1:]:
        if word == "+":
            ways.append([])
        else:
            ways[-1].append(word)
    options, common = parser.parse_known_args(ways.pop(0))
    ways = ways or [[]]
    cases = [parse_options([*common, *way]) for way in ways]
    for case in cases:
        if "seed" in case or case["resume"]:
            parser.error("expected no --seed and no --resume: each way is trained from the start, with --seeds")
        next(pictures_of(case.get("labels", Settings.labels), options.test))  # a mistake is said before the trainings
    cases = [{name: value for name, value in case.items() if name not in OWN} for case in cases]
    found = train_all(cases, options.seeds, functools.partial(measure, options.test))

    rows = [["options", f"cross entropy, last {STEADY:,}", f"right in {options.test}", "weights", "classifying"]]
    for way, of_seeds in zip(ways, found):
        entropy, right, weights, seconds = zip(*of_seeds)
        rows.append([" ".join(way) or "none", written(entropy, "{:.5f}"), written(right, "{:.2f}%"),
                     f"{weights[0]:,}", f"{np.median(seconds) * 1e6:.0f} us"])  # fmt: skip
    print(f"{' '.join(['controller.py', *common])}, seeds 1 to {options.seeds}\n\n{markdown(rows)}")


def measure(test, settings, model, rows):
    """Return the cross entropy of the last generations, the percentage right in `test`, the number of weights, and the
    seconds that classifying a picture takes."""
    parts = parts_of(model)
    _, pixels, _ = next(pictures_of(parts.labels, test))
    seconds = min(timeit.repeat(lambda: forward(pixels, parts), number=20)) / 20
    weights = sum(array.size for array in parts[:3])
    return rows["cross_entropy"][-STEADY:].mean(), percent_right(model, test), weights, seconds


if __name__ == "__main__":
    run(main)
