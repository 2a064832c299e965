"""How fast is a generation, beside its bare arithmetic, JAX and PyTorch? All in one run, on one thread.

    python -m experiments.speed [--rounds 15] [--long]

JAX and PyTorch are measured if they are installed (pip install jax torch). In each round everything is measured in
turn, and a ratio is the median of the ratios of the rounds. So the ratios hold even if the speed of the machine drifts.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import sys
import tempfile
import time
import timeit

import numpy as np

import cnn
from backpropagation import PIXEL_SCALE
from experiments.shared import markdown, one_or_more
from model import OUTPUT_SUM, parts_of, start_model
from support.commandline import ROOT, Parser, Silent, progress_line, run
from training import Settings, train

DATASET = os.path.join(ROOT, "dataset")
PICTURE = os.path.join(DATASET, "0", "img001-00001.png")
GENERATIONS = 30_000  # of a training in a round: some seconds, so that writing the files has its share
CALLS = 300  # of everything else in a round
STILL = 1e-12  # a learning rate at which the weights, and so the work, stay the same
RATIOS = (  # the two rows, what the ratio must not exceed, what we would like
    ("last layer: train()", "bare arithmetic", 3.5, 2.5),
    ("last layer: train()", "last layer: JAX, compiled", 0.6, 0.35),
    ("all layers: train()", "all layers: JAX, compiled", 1.0, 0.7),
    ("all layers: train()", "all layers: PyTorch, eager", 0.45, 0.3),
)


def main():
    parser = Parser("Measure a generation beside its bare arithmetic, JAX and PyTorch.")
    parser.add_argument("--rounds", type=one_or_more, default=15, metavar="N", help="(default: 15)")
    parser.add_argument("--long", action="store_true", help="also a million generations: do they stay as fast?")
    options = parser.parse_args()
    builders = {"bare arithmetic": bare_arithmetic, "last layer: train()": lambda: our_generation,
                "last layer: JAX, compiled": lambda: jax_step(False),
                "last layer: PyTorch, eager": lambda: torch_step(False),
                "all layers: train()": lambda: lambda: our_generation(train_kernels=True),
                "all layers: JAX, compiled": lambda: jax_step(True),
                "all layers: PyTorch, eager": lambda: torch_step(True)}  # fmt: skip
    measures, rows = {}, [["a generation", "microseconds"]]
    for name, build in builders.items():
        try:
            measures[name] = build()
        except ModuleNotFoundError as error:
            rows.append([name, f"not installed: pip install {error.name}"])
    show, seconds = progress_line(sys.stderr), {name: [] for name in measures}
    for number in range(options.rounds):
        for name, measure in measures.items():
            seconds[name].append(measure())
        show(f"{number + 1} of {options.rounds} rounds", last=number + 1 == options.rounds)
    rows[1:1] = [[name, f"{np.median(taken) * 1e6:,.1f}"] for name, taken in seconds.items()]
    print(f"{markdown(rows)}\n")

    rows = [["ratio", "measured", "needed", "aim"]]
    for name, other, needed, aim in RATIOS:
        if other in seconds:
            ratio = np.median(np.array(seconds[name]) / seconds[other])
            rows.append([f"{name} / {other}", f"{ratio:.2f}", f"{needed:.2f}", f"{aim:.2f}"])
    if options.long:
        rows.append(["around generation 1,000,000 / around generation 1,000", f"{length_ratio():.2f}", "1.15", "1.00"])
    print(f"{markdown(rows)}\n")
    pixels, model = cnn.read_pixels(PICTURE), start_model(Settings.labels, np.random.default_rng(0))
    print(f"classifying a picture of 32x32 pixels: {per_call(lambda: cnn.cnn(pixels, model)) * 1e6:.0f} microseconds")


def per_call(function):
    """Return the seconds of one call."""
    return timeit.timeit(function, number=CALLS) / CALLS


def bare_arithmetic():
    """Return a function that measures what no generation can do without: two products and 1,326 random numbers."""
    rng = np.random.default_rng(0)
    windows_1, kernels_1, windows_2, kernels_2 = map(rng.random, ((784, 25), (25, 6), (100, 150), (150, 6)))
    return lambda: per_call(lambda: (windows_1 @ kernels_1, windows_2 @ kernels_2, rng.random(1326)))


def our_generation(train_kernels=False):
    """Return the seconds of a generation of train(), with files and dropout."""
    (started, _), *_, (ended, _) = training_run(GENERATIONS, train_kernels)
    return (ended - started) / GENERATIONS


def training_run(generations, train_kernels=False):
    """Train, and return a list of (seconds, generation), one for each call of progress()."""
    marks, screen = [], Silent()
    screen.progress = lambda done, _: marks.append((time.perf_counter(), done))
    with tempfile.TemporaryDirectory() as folder:
        files = f"{folder}/model.doc", f"{folder}/metadata.doc"
        train(None, generations, *files, dataset=DATASET, seed=1, train_kernels=train_kernels, screen=screen)
    return marks


def length_ratio():
    """Return how much slower a generation around the millionth is than one around the thousandth."""
    seconds, generations = np.array(training_run(1_000_000)).T
    steps = np.diff(seconds[:-1]) / np.diff(generations[:-1])
    return np.median(steps[-5:]) / np.median(steps[:5])


def example(train_kernels):
    """Return the pixels of a picture, the three arrays of a start model, and the rate of each array."""
    parts = parts_of(start_model(Settings.labels, np.random.default_rng(0), train_kernels=train_kernels))
    rates = (STILL * PIXEL_SCALE, STILL, STILL) if train_kernels else (0, 0, STILL)
    return np.float32(cnn.read_pixels(PICTURE)), [np.float32(array) for array in parts[:3]], rates


def jax_step(train_kernels):
    """Return a function that measures a generation, with dropout and update, compiled by JAX as a whole."""
    import jax  # noqa: PLC0415, an extra
    from jax import numpy as jnp  # noqa: PLC0415, an extra

    pixels, arrays, rates = example(train_kernels)
    label = jnp.array([1.0, 0.0])

    def loss(trained, fixed, keys):
        kernels_1, kernels_2, weights = (*fixed, *trained)
        maps = jnp.asarray(pixels)[None]
        for kernels, share, key in zip((kernels_1, kernels_2), (cnn.DROPOUT_1, cnn.DROPOUT_2), keys):
            count, height, width = maps.shape
            slices = [maps[:, i : height - 4 + i, j : width - 4 + j] for i in range(5) for j in range(5)]
            windows = jnp.stack(slices, 1).reshape(25 * count, -1)  # JAX compiles this to faster code than its own
            maps = jax.nn.relu(kernels @ windows).reshape(-1, (height - 4) // 2, 2, (width - 4) // 2, 2).max((2, 4))
            maps = maps * (jax.random.uniform(key, maps.shape) >= share)
        outputs = jnp.abs(weights @ jnp.append(maps.reshape(-1), 1.0))
        total = outputs.sum()
        scaled = jnp.where(total > cnn.THRESHOLD, outputs * (OUTPUT_SUM / total), outputs)
        return -label @ jax.nn.log_softmax(scaled)

    first = 0 if train_kernels else 2  # only the arrays from here on are trained

    @jax.jit
    def step(arrays, key):
        *keys, key = jax.random.split(key, 3)
        value, gradients = jax.value_and_grad(loss)(arrays[first:], arrays[:first], keys)
        updated = [array - rate * change for array, rate, change in zip(arrays[first:], rates[first:], gradients)]
        return value, [*arrays[:first], *updated], key

    state = [[jnp.asarray(array) for array in arrays], jax.random.key(0)]

    def generation():
        value, *state[:] = step(*state)
        return float(value)

    generation()  # this compiles it
    return lambda: per_call(generation)


def torch_step(train_kernels):
    """Return a function that measures a generation, with dropout and update, in PyTorch's eager mode."""
    import torch  # noqa: PLC0415, an extra

    torch.set_num_threads(1)
    pixels, arrays, rates = example(train_kernels)
    pixels, label = torch.tensor(pixels)[None, None], torch.tensor([1.0, 0.0])
    arrays = [torch.tensor(array) for array in arrays]
    trained = [(array, rate) for array, rate in zip(arrays, rates) if rate]
    for array, _ in trained:
        array.requires_grad_()

    def generation():
        maps = pixels
        for kernels, share, before in zip(arrays, (cnn.DROPOUT_1, cnn.DROPOUT_2), (1, 6)):
            maps = torch.max_pool2d(torch.relu(torch.conv2d(maps, kernels.reshape(-1, before, 5, 5))), 2)
            maps = maps * (torch.rand(maps.shape) >= share)
        outputs = (arrays[2] @ torch.cat((maps.reshape(-1), torch.ones(1)))).abs()
        total = outputs.sum()
        scaled = outputs * (OUTPUT_SUM / total) if total > cnn.THRESHOLD else outputs
        loss = -(label * torch.log_softmax(scaled, 0)).sum()
        gradients = torch.autograd.grad(loss, [array for array, _ in trained])
        with torch.no_grad():
            for (array, rate), gradient in zip(trained, gradients):
                array.sub_(gradient, alpha=rate)
        return loss.item()

    return lambda: per_call(generation)


if __name__ == "__main__":
    run(main)
