"""How fast a generation is, beside its floor and its peers, and how much memory training takes. One thread.

    python -m experiments.speed [--rounds 15] [--long]

Another framework is measured where it is installed (pip install torch jax). --long adds a run of a million generations.
The times are medians over the rounds, in which all are measured in turn, so that the ratios hold when the machine's
speed drifts.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import subprocess
import sys
import tempfile
import time
import timeit

import numpy as np

import backpropagation
from experiments import peers
from experiments.shared import counted, markdown, one_or_more
from model import OUTPUT_SUM
from support.commandline import ROOT, Parser, run
from tests import reference  # the plain-loop version that the tests hold cnn.py against
from training import ALPHA, KERNELS_ALPHA, LABELS, load_dataset, train

GENERATIONS = 30_000  # of training a round: about a second, so that writing has its share
DATASET = os.path.join(ROOT, "dataset")
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
    print(time_table(MEASURED, "the last layer alone: a generation", "times (a)", options.rounds))
    print(f"\n{time_table(ALL_LAYERS, 'all layers: a generation', 'times (f)', options.rounds)}\n")
    shell = np.median(timeit.repeat(lambda: in_a_new_python(CLASSIFY, peers.PICTURE), number=1, repeat=5))
    print(f"\nOne picture classified by a new Python, import included: {shell * 1000:.0f} ms")
    print_memory()
    if options.long:
        print(f"\n{length_table(training_run(1_000_000))}")


def bare_arithmetic():
    """What a generation cannot do without: the products of its two convolutions, and dropout's random numbers."""
    rng = np.random.default_rng(0)
    windows_1, kernels_1 = rng.random((784, 25)), rng.random((25, 6))
    windows_2, kernels_2 = rng.random((100, 150)), rng.random((150, 6))

    def generation():
        windows_1 @ kernels_1
        windows_2 @ kernels_2
        rng.random(1326)

    return lambda: peers.per_call(generation, 2000)


def our_generation(train_kernels=False):
    """Seconds of one generation of training.train()."""
    generations = GENERATIONS // 4 if train_kernels else GENERATIONS
    (started, _), *_, (ended, _) = training_run(generations, train_kernels)
    return (ended - started) / generations


def training_run(generations, train_kernels=False):
    """When training.train() was how far, its files included: (seconds, generation), from the first generation on."""
    marks, alpha = [], KERNELS_ALPHA if train_kernels else ALPHA
    with tempfile.TemporaryDirectory() as folder:
        files = (os.path.join(folder, "model.doc"), os.path.join(folder, "metadata.doc"))
        train(alpha, generations, *files, dataset=DATASET, seed=1, train_kernels=train_kernels,
              progress=lambda generation, _: marks.append((time.perf_counter(), generation)))  # fmt: skip
    return marks


def our_step():
    """Forward, backward and update of all layers, without files and dropout, as in the other frameworks below."""
    pixels, *arrays, _ = peers.example(train_kernels=True)
    generation = backpropagation.all_layers(*(array.astype(np.float32) for array in arrays), OUTPUT_SUM)
    return lambda: peers.per_call(lambda: generation(pixels, 0, peers.STILL), 500)


def in_plain_loops():
    """The same in plain Python loops."""
    pixels, kernels_1, kernels_2, weights, label = (array.tolist() for array in peers.example())
    weights = [weight for row in weights for weight in row]
    arguments = (pixels, kernels_1, kernels_2, weights, label, ALPHA, np.random.default_rng(0).random)
    return lambda: peers.per_call(lambda: reference.train_once(*arguments), 2)


MEASURED = [  # a row's name, and what prepares it: a function that gives the seconds of a generation
    ("(a) bare arithmetic: two products, 1,326 random numbers", bare_arithmetic),
    ("(b) a generation of training.train(), its files included", lambda: our_generation),
    ("(c) the same in PyTorch, eager", peers.pytorch_last_layer),
    ("(d) the same in JAX, compiled", peers.jax_last_layer),
    ("(e) the same in plain Python loops", in_plain_loops),
]
ALL_LAYERS = [
    ("(f) forward, backward, update in JAX, compiled", peers.jax_all_layers),
    ("(g) the same, its convolution made of slices", lambda: peers.jax_all_layers(by_hand=True)),
    ("(h) the same in PyTorch, eager", peers.pytorch_all_layers),
    ("(i) the same, ours", our_step),
    ("(j) a generation of training.train(), its files and dropout included",
     lambda: lambda: our_generation(train_kernels=True)),
]  # fmt: skip


def prepare(build):
    """What `build` prepares; where that needs a package which is not installed, a text that says so."""
    try:
        return build()
    except ModuleNotFoundError as error:
        return f"not installed: pip install {error.name}"


def time_table(measured, head, ratio, rounds):
    """Measure all in turn, so many rounds: the medians, and those of the ratios to the first row, as a table."""
    measures = {name: prepare(build) for name, build in measured}
    seconds = {name: [] for name, measure in measures.items() if callable(measure)}
    for _ in counted(range(rounds), "rounds"):
        for name, taken in seconds.items():
            taken.append(measures[name]())
    floor, rows = seconds.get(measured[0][0]), [[head, "microseconds", ratio]]
    for name, measure in measures.items():
        if name in seconds:
            taken = np.array(seconds[name])
            times = f"{np.median(taken / floor):.2f}" if floor else ""
            rows.append([name, f"{np.median(taken) * 1e6:,.1f}", times])
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
