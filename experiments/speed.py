"""How fast a generation is, beside its floor and its peers, and how much memory training takes. One thread.

    python benchmark.py [--rounds 15] [--large]

PyTorch is measured where it is installed (pip install torch). --large adds a data set of 62,992 pictures, Chars74K's
number, made of links to those in dataset/, and a run of a million generations. The times are medians over the rounds,
in which all are measured in turn, so that the ratios hold when the machine's speed drifts.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

import cnn
import demo
import model
import training
from common import Parser, run
from pictures import find_pictures

try:
    import torch
except ImportError:
    torch = None

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE / "tests"))
import reference  # noqa: E402, the plain-loop version that the tests hold cnn.py against

ALPHA, GENERATIONS = 5e-9, 30_000  # of training a round: about a second, so that writing has its share
CHARS74K = 62_992  # pictures in its archive of fonts


def bare_arithmetic(dtype):
    """What a generation cannot do without: the products of its two convolutions, and dropout's random numbers."""
    rng = np.random.default_rng(0)
    windows_1, kernels_1 = rng.integers(0, 256, (784, 25)).astype(dtype), rng.integers(-5, 6, (25, 6)).astype(dtype)
    windows_2, kernels_2 = rng.integers(0, 9999, (100, 150)).astype(dtype), rng.integers(-5, 6, (150, 6)).astype(dtype)

    def generation():
        windows_1 @ kernels_1
        windows_2 @ kernels_2
        rng.random(1326, dtype)

    return lambda: per_call(generation, 2000)


def per_call(function, times):
    """Seconds of one call."""
    started = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - started) / times


def training_run(generations=GENERATIONS, dataset=None, labels=("0", "1")):
    """When training.train() was how far, its files included: (seconds, generation), from the first generation on."""
    marks = []
    with tempfile.TemporaryDirectory() as folder:
        files = (os.path.join(folder, "model.doc"), os.path.join(folder, "metadata.doc"))
        training.train(ALPHA, generations, *files, seed=1, labels=labels, dataset=dataset or HERE / "dataset",
                       progress=lambda generation, _: marks.append((time.perf_counter(), generation)))  # fmt: skip
    return marks


def our_generation():
    """Seconds of one generation of training.train()."""
    marks = training_run()
    return (marks[-1][0] - marks[0][0]) / marks[-1][1]


def example():
    """A picture (32, 32), the model's three arrays, and a one-hot label."""
    kernels_1, kernels_2, weights, _ = model.start_model("01", np.random.default_rng(0))
    return cnn.read_pixels(HERE / "dataset" / "0" / "img001-00001.png"), kernels_1, kernels_2, weights, np.array([1, 0])


def plain_loops():
    """The same in plain Python loops."""
    pixels, kernels_1, kernels_2, weights, label = (array.tolist() for array in example())
    rng = np.random.default_rng(0)
    arguments = (pixels, kernels_1, kernels_2, weights[0], label, ALPHA, rng.random)
    return lambda: per_call(lambda: reference.train_once(*arguments), 2)


def in_pytorch():
    """The same network and update, a generation at a time, in PyTorch's eager mode."""
    torch.set_num_threads(1)
    pixels, kernels_1, kernels_2, weights, label = (torch.tensor(array, dtype=torch.float32) for array in example())
    kernels_1, kernels_2 = kernels_1.reshape(6, 1, 5, 5), kernels_2.reshape(6, 6, 5, 5)
    weights, bias = weights.reshape(2, 151), torch.ones(1)
    functional = torch.nn.functional

    def generation():
        maps = functional.max_pool2d(functional.relu(functional.conv2d(pixels[None, None], kernels_1)), 2)
        maps = maps * (torch.rand(maps.shape) >= cnn.DROPOUT_1)
        maps = functional.max_pool2d(functional.relu(functional.conv2d(maps, kernels_2)), 2)
        maps = maps * (torch.rand(maps.shape) >= cnn.DROPOUT_2)
        flattened = torch.cat((maps.reshape(-1), bias))
        outputs = (weights @ flattened).abs()
        total = outputs.sum()
        softmax = torch.softmax(outputs * (cnn.OUTPUT_SUM / total) if total > cnn.LARGEST_SUM else outputs, 0)
        float(-(label * torch.log10(softmax)).sum())
        weights.sub_(torch.outer(ALPHA * (softmax - label), flattened))

    with torch.no_grad():
        return lambda: per_call(generation, 500)


def classify_in_a_shell():
    """Seconds of a new Python that classifies one picture, its start and its imports included."""
    code = "import cnn, model; cnn.cnn('dataset/0/img001-00001.png', model.read_model('models/paper.doc'))"
    return per_call(lambda: subprocess.run([sys.executable, "-c", code], cwd=HERE, check=True), 1)


def peak_memory(dataset, labels):
    """Megabytes that a training takes at most, in a Python of its own, and its seconds of reading pictures."""
    code = (
        "import re, sys, time, training\n"
        "marks = [time.perf_counter()]\n"
        f"training.train(5e-9, 20000, sys.argv[1] + '/m', sys.argv[1] + '/l', seed=1, labels={labels!r},\n"
        f"               dataset={str(dataset)!r}, progress=lambda *_: marks.append(time.perf_counter()))\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]  # kilobytes, on Linux\n"
        "print(int(peak) / 1024, marks[1] - marks[0])"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, folder], cwd=HERE, check=True, capture_output=True, text=True
        )
    return [float(word) for word in done.stdout.split()]


def demo_table():
    """Print how long the demo's server takes for a drawing as the page sends it, and for 16 clients at once."""
    drawing = Image.open(HERE / "dataset" / "0" / "img001-00001.png").resize((256, 256), Image.LANCZOS)
    data = io.BytesIO()
    drawing.save(data, "PNG")
    data, network = data.getvalue(), model.read_model(HERE / "models" / "paper.doc")
    with demo.make_server("127.0.0.1", 0, network, "paper.doc") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def ask(_=None):
            with urllib.request.urlopen(urllib.request.Request(f"{server.url}classify?maps=1", data)) as answer:
                return answer.status

        with ThreadPoolExecutor(16) as clients:
            rows = [
                ["classify() in the server", per_call(lambda: demo.classify(data, network), 100)],
                ["a client's request, with pictures of the maps", per_call(ask, 50)],
                ["16 clients at once, until all are answered", per_call(lambda: list(clients.map(ask, range(16))), 5)],
            ]
        server.shutdown()
    table(
        [[name, f"{seconds * 1000:.1f}"] for name, seconds in rows], ("the demo, a drawing of 256x256", "milliseconds")
    )


def large_dataset(folder):
    """A data set of 62,992 pictures for ten labels, made of links to those in dataset/."""
    for label in "0123456789":
        os.mkdir(os.path.join(folder, label))
        sources = find_pictures(HERE / "dataset", label)
        for number in range(CHARS74K // 10 + (int(label) < CHARS74K % 10)):
            os.symlink(sources[number % len(sources)], os.path.join(folder, label, f"img001-{number + 1:05d}.png"))


def table(rows, header):
    """Print rows of words as a Markdown table."""
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def time_table(rounds):
    """Measure all in turn, and print medians and ratios."""
    measured = {
        "(a) bare arithmetic: two products, 1,326 random numbers": bare_arithmetic(np.float64),
        "(a) the same in single precision": bare_arithmetic(np.float32),
        "(b) a generation of training.train(), its files included": our_generation,
        "(c) the same in PyTorch, eager": in_pytorch() if torch else None,
        "(d) the same in plain Python loops": plain_loops(),
    }
    seconds = {name: [] for name, measure in measured.items() if measure}
    for done in range(rounds):
        for name, taken in seconds.items():
            taken.append(measured[name]())
        print(f"\rround {done + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    first, single = list(seconds)[:2]

    def times(name, floor):
        return f"{statistics.median(a / b for a, b in zip(seconds[name], seconds[floor])):.2f}"

    rows = [[name, f"{statistics.median(taken) * 1e6:,.1f}", times(name, first), times(name, single)]
            for name, taken in seconds.items()]  # fmt: skip
    table(rows, ("a generation", "microseconds", "times (a)", "times (a), single precision"))


def memory_table(large):
    """Print how much memory a training takes, and how long reading its pictures; `large`: with 62,992 of them, too."""
    megabytes, reading = peak_memory(HERE / "dataset", ("0", "1"))
    rows = [["520", f"{megabytes:.0f} MB", f"{reading:.1f} s"]]
    if large:
        with tempfile.TemporaryDirectory() as folder:
            large_dataset(folder)
            megabytes, reading = peak_memory(folder, tuple("0123456789"))
        rows.append([f"{CHARS74K:,}", f"{megabytes:.0f} MB", f"{reading:.1f} s"])
    table(rows, ("pictures", "peak memory of a training", "reading them"))
    kept = sum(maps.nbytes for maps, _ in training.load_dataset(HERE / "dataset", "01")) / 520
    print(f"Kept a picture between generations: {kept:,.0f} bytes\n")


def length_table():
    """Print what a generation takes at the beginning, in the middle and at the end of a million."""
    marks = training_run(1_000_000)
    steps = [(after - before) / (last - first) * 1e6 for (before, first), (after, last) in zip(marks, marks[1:-1])]
    middle = next(index for index, (_, generation) in enumerate(marks) if generation >= 100_000)
    parts = {"1,000": steps[:5], "100,000": steps[middle - 2 : middle + 3], "1,000,000": steps[-5:]}
    rows = [[around, f"{statistics.median(part):.1f}"] for around, part in parts.items()]
    table(rows, ("around generation", "microseconds a generation"))


def main():
    parser = Parser(description="Measure the speed of a generation beside its floor and its peers.")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="how often (default: 15)")
    parser.add_argument("--large", action="store_true", help="also 62,992 pictures and a million generations")
    options = parser.parse_args()
    time_table(options.rounds)
    demo_table()
    shell = statistics.median(classify_in_a_shell() for _ in range(5))
    print(f"One picture classified by a new Python, import included: {shell * 1000:.0f} ms\n")
    if os.path.exists("/proc/self/status"):
        memory_table(options.large)
    else:
        print("Memory is measured on Linux only.\n")
    if options.large:
        length_table()
    return 0


if __name__ == "__main__":
    run(main)
