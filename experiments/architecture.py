"""Is six kernels in each layer the best number? The paper's second open question. Not in the paper.

    python -m experiments.architecture [--dataset dataset] [--test DIR] [--labels 0 1] [--generations 180834]

Trains all layers with as many kernels in each layer as COUNTS says, one training each, and prints how many of --test's
pictures are right (without it, every fifth picture is held out) and what a generation takes. So that all can be
compared, all start from random kernels, of the length that those of the paper are brought to.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
import time

import numpy as np

import backpropagation
from experiments.shared import count_right, markdown, on_all_cores, training_parser
from model import KERNEL_LENGTH, OUTPUT_SUM
from support.commandline import run, share
from training import KERNELS_ALPHA, LABELS, check_labels, load_dataset

COUNTS = (3, 6, 12, 16)  # kernels in each layer


def main():
    parser = training_parser("Train all layers with 3, 6, 12 and 16 kernels in each layer, and print a table.",
                             "pictures to try on (default: every fifth of the training's)")  # fmt: skip
    parser.add_argument("--labels", nargs="+", default=LABELS, metavar="L", help="two or more (default: 0 1)")
    options = parser.parse_args()
    check_labels(options.labels)  # a mistake in the folders is said by measure(), before it trains
    jobs = [(count, options.dataset, options.test, options.labels, options.generations) for count in COUNTS]
    rows = on_all_cores(measure, jobs, "trainings")
    print(f"{len(options.labels)} labels, {options.generations:,} generations, output sum {OUTPUT_SUM}, no dropout.\n")
    print(markdown([["kernels in each layer", "weights", "right", "a generation"], *rows]))


def measure(count, dataset, test, labels, generations):
    """Train with so many kernels: a row of the table."""
    pictures = load_dataset(dataset, labels, kept=np.uint8)
    held_out = load_dataset(test, labels, kept=np.uint8) if test else pictures[::5]
    if not test:
        del pictures[::5]
    rng = np.random.default_rng(1)
    model = random_model(count, len(labels), rng)
    generation = backpropagation.all_layers(*model, OUTPUT_SUM)
    started = time.process_time()
    for number in range(generations):
        pixels, correct = pictures[int(rng.random() * len(pictures))]
        generation(pixels, correct, KERNELS_ALPHA * (1 - number / generations))
    seconds = (time.process_time() - started) / generations
    weights, right = sum(array.size for array in model), share(count_right(model, held_out), len(held_out))
    return [str(count), f"{weights:,}", right, f"{seconds * 1e6:.0f} microseconds"]


def random_model(count, outputs, rng):
    """A model's arrays of single precision: (count, 25), (count, count * 25), (outputs, count * 25 + 1)."""
    kernels = [rng.normal(size=(count, size)) for size in (25, 25 * count)]
    kernels = [array / np.linalg.norm(array, axis=1, keepdims=True) * KERNEL_LENGTH for array in kernels]
    weights = rng.random((outputs, 25 * count + 1)) * 0.2
    return [np.float32(array) for array in (kernels[0] / 255, kernels[1], weights)]


if __name__ == "__main__":
    run(main)
