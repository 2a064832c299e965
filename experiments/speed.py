"""How fast a generation is, beside its floor and its peers, and how much memory training takes. One thread.

    python -m experiments.speed [--rounds 15] [--long]

Another framework is measured where it is installed. --long adds a run of a million generations. The times are medians
over the rounds, in which all are measured in turn, so that the ratios hold when the machine's speed drifts.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
import subprocess
import sys
import tempfile
import time

import numpy as np

import cnn
from experiments.shared import counted, markdown, one_or_more
from model import OUTPUT_SUM, parts_of, start_model
from support.commandline import ROOT, Parser, run
from tests import reference  # the plain-loop version that the tests hold cnn.py against
from training import ALPHA, LABELS, load_dataset, train

GENERATIONS = 30_000  # of training a round: about a second, so that writing has its share
DATASET = os.path.join(ROOT, "dataset")
PICTURE = os.path.join(DATASET, "0", "img001-00001.png")
CLASSIFY = "import sys, cnn, model; cnn.cnn(sys.argv[1], model.read_model('models/paper.doc'))"
TRAIN = """
import re, sys, time, training
marks, files = [time.perf_counter()], (sys.argv[1] + "/model.doc", sys.argv[1] + "/metadata.doc")
training.train(training.ALPHA, 20000, *files, seed=1, progress=lambda *_: marks.append(time.perf_counter()))
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]  # kilobytes, on Linux
print(int(peak) / 1024, marks[1] - marks[0])
"""


def main():
    parser = Parser("Measure the speed of a generation beside its floor and its peers.")
    parser.add_argument("--rounds", type=one_or_more, default=15, metavar="N", help="how often (default: 15)")
    parser.add_argument("--long", action="store_true", help="also a million generations: do they stay as fast?")
    options = parser.parse_args()
    print(time_table(options.rounds))
    shell = np.median([per_call(lambda: in_a_new_python(CLASSIFY, PICTURE), 1) for _ in range(5)])
    print(f"\nOne picture classified by a new Python, import included: {shell * 1000:.0f} ms")
    print_memory()
    if options.long:
        print(f"\n{length_table(training_run(1_000_000))}")


def per_call(function, times):
    """Seconds of one call."""
    started = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - started) / times


def bare_arithmetic():
    """What a generation cannot do without: the products of its two convolutions, and dropout's random numbers."""
    rng = np.random.default_rng(0)
    windows_1, kernels_1 = rng.random((784, 25)), rng.random((25, 6))
    windows_2, kernels_2 = rng.random((100, 150)), rng.random((150, 6))

    def generation():
        windows_1 @ kernels_1
        windows_2 @ kernels_2
        rng.random(1326)

    return lambda: per_call(generation, 2000)


def our_generation():
    """Seconds of one generation of training.train()."""
    (started, _), *_, (ended, generations) = training_run(GENERATIONS)
    return (ended - started) / generations


def training_run(generations):
    """When training.train() was how far, its files included: (seconds, generation), from the first generation on."""
    marks = []
    with tempfile.TemporaryDirectory() as folder:
        files = (os.path.join(folder, "model.doc"), os.path.join(folder, "metadata.doc"))
        train(ALPHA, generations, *files, dataset=DATASET, seed=1,
              progress=lambda generation, _: marks.append((time.perf_counter(), generation)))  # fmt: skip
    return marks


def example():
    """A picture (32, 32), the model's three arrays, and a one-hot label."""
    kernels_1, kernels_2, weights, *_ = parts_of(start_model(LABELS, np.random.default_rng(0)))
    return cnn.read_pixels(PICTURE), kernels_1, kernels_2, weights, np.array([1, 0])


def in_pytorch():
    """The same network and update, a generation at a time, in PyTorch's eager mode."""
    import torch  # noqa: PLC0415, an extra
    from torch.nn import functional  # noqa: PLC0415

    torch.set_num_threads(1)
    pixels, kernels_1, kernels_2, weights, label = (torch.tensor(array, dtype=torch.float32) for array in example())
    kernels_1, kernels_2, bias = kernels_1.reshape(6, 1, 5, 5), kernels_2.reshape(6, 6, 5, 5), torch.ones(1)

    def generation():
        maps = functional.max_pool2d(functional.relu(functional.conv2d(pixels[None, None], kernels_1)), 2)
        maps = maps * (torch.rand(maps.shape) >= cnn.DROPOUT_1)
        maps = functional.max_pool2d(functional.relu(functional.conv2d(maps, kernels_2)), 2)
        maps = maps * (torch.rand(maps.shape) >= cnn.DROPOUT_2)
        flattened = torch.cat((maps.reshape(-1), bias))
        outputs = (weights @ flattened).abs()
        total = outputs.sum()
        softmax = torch.softmax(outputs * (OUTPUT_SUM / total) if total > cnn.LARGEST_SUM else outputs, 0)
        float(-(label * torch.log10(softmax)).sum())
        weights.sub_(torch.outer(ALPHA * (softmax - label), flattened))

    return lambda: per_call(generation, 500)


def in_plain_loops():
    """The same in plain Python loops."""
    pixels, kernels_1, kernels_2, weights, label = (array.tolist() for array in example())
    weights = [weight for row in weights for weight in row]
    arguments = (pixels, kernels_1, kernels_2, weights, label, ALPHA, np.random.default_rng(0).random)
    return lambda: per_call(lambda: reference.train_once(*arguments), 2)


MEASURED = [  # a row's name, and what prepares it: a function that gives the seconds of a generation
    ("(a) bare arithmetic: two products, 1,326 random numbers", bare_arithmetic),
    ("(b) a generation of training.train(), its files included", lambda: our_generation),
    ("(c) the same in PyTorch, eager", in_pytorch),
    ("(d) the same in plain Python loops", in_plain_loops),
]


def prepare(build):
    """What `build` prepares; where that needs a package which is not installed, a text that says so."""
    try:
        return build()
    except ModuleNotFoundError as error:
        return f"not installed: pip install {error.name}"


def time_table(rounds):
    """Measure all of MEASURED in turn, so many rounds: the medians, and those of the ratios to (a), as a table."""
    measures = {name: prepare(build) for name, build in MEASURED}
    seconds = {name: [] for name, measure in measures.items() if callable(measure)}
    for _ in counted(range(rounds), "rounds"):
        for name, taken in seconds.items():
            taken.append(measures[name]())
    floor, rows = seconds[MEASURED[0][0]], [["a generation", "microseconds", "times (a)"]]
    for name, measure in measures.items():
        if name in seconds:
            taken = np.array(seconds[name])
            rows.append([name, f"{np.median(taken) * 1e6:,.1f}", f"{np.median(taken / floor):.2f}"])
        else:
            rows.append([name, measure, ""])
    return markdown(rows)


def in_a_new_python(code, argument):
    """What a Python started afresh in the project's folder prints."""
    return subprocess.run([sys.executable, "-c", code, argument], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def print_memory():
    """Print how much memory a training takes, in a Python of its own, and how long reading its pictures."""
    if os.path.exists("/proc/self/status"):
        with tempfile.TemporaryDirectory() as folder:
            megabytes, reading = map(float, in_a_new_python(TRAIN, folder).split())
        print(f"Peak memory of a training: {megabytes:.0f} MB; reading its 520 pictures: {reading:.1f} s")
    else:
        print("Memory is measured on Linux only.")
    sizes = [maps.nbytes for maps, _ in load_dataset(DATASET, LABELS)]
    print(f"Kept a picture between generations: {sum(sizes) / len(sizes):,.0f} bytes")


def length_table(marks):
    """What a generation takes at the beginning, in the middle and at the end of training_run(1_000_000), as a table."""
    seconds, generations = np.array(marks[:-1]).T
    steps, rows = np.diff(seconds) / np.diff(generations), [["around generation", "microseconds a generation"]]
    for around in (1_000, 100_000, 1_000_000):
        near = min(max(np.searchsorted(generations, around), 3), len(steps) - 2)
        rows.append([f"{around:,}", f"{np.median(steps[near - 3 : near + 2]) * 1e6:.1f}"])
    return markdown(rows)


if __name__ == "__main__":
    run(main)
