"""How fast is a generation, beside its bare arithmetic, JAX and PyTorch? All in one run, on one thread.

    python -m experiments.speed [--rounds 15]

JAX and PyTorch are measured if they are installed (pip install jax torch). In each round everything is measured in
turn, and a ratio is the median of the ratios of the rounds. So the ratios hold even if the speed of the machine drifts.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import functools
import sys
import tempfile
import time
import timeit

import numpy as np

import cnn
from experiments.shared import markdown
from model import OUTPUT_SUM, parts_of, start_model
from support.commandline import ROOT, Parser, Silent, one_or_more, progress_line, run
from training import PIXEL_SCALE, Settings, train

DATASET = os.path.join(ROOT, "dataset")
GENERATIONS = 30_000  # of a training in a round: some seconds, so that writing the files has its share
CALLS = 300  # of everything else in a round
STILL = 1e-12  # a learning rate at which the weights, and so the work, stay the same
LABEL = [1.0, 0.0]


def main():
    parser = Parser("Measure a generation beside its bare arithmetic, JAX and PyTorch.")
    parser.add_argument("--rounds", type=one_or_more, default=15, metavar="N", help="(default: 15)")
    options = parser.parse_args()
    builders = {"bare arithmetic": bare_arithmetic}
    for name, all_layers in (("last layer", False), ("all layers", True)):
        builders[f"{name}: train()"] = lambda all_layers=all_layers: functools.partial(our_generation, all_layers)
        builders[f"{name}: JAX, compiled"] = functools.partial(jax_step, all_layers)
        builders[f"{name}: PyTorch, eager"] = functools.partial(torch_step, all_layers)
    measures, missing = {}, []
    for name, build in builders.items():
        try:
            measures[name] = build()
        except ModuleNotFoundError as error:
            missing.append([name, f"not installed: pip install {error.name}", ""])
    seconds = {name: [] for name in measures}
    with progress_line(sys.stderr) as show:
        for number in range(options.rounds):
            for name, measure in measures.items():
                seconds[name].append(measure())
            show(f"{number + 1} of {options.rounds} rounds")
    bare = np.array(seconds["bare arithmetic"])
    rows = [
        [name, f"{np.median(taken) * 1e6:,.1f}", f"{np.median(taken / bare):.2f}"] for name, taken in seconds.items()
    ]
    print(markdown([["a generation", "microseconds", "times the bare arithmetic"], *rows, *missing]))


def per_call(function):
    """Return the seconds of one call."""
    return timeit.timeit(function, number=CALLS) / CALLS


def bare_arithmetic():
    """Return a function that measures what no generation can do without: two products and 1,326 random numbers."""
    rng = np.random.default_rng(0)
    windows_1, kernels_1, windows_2, kernels_2 = map(rng.random, ((784, 25), (25, 6), (100, 150), (150, 6)))
    return lambda: per_call(lambda: (windows_1 @ kernels_1, windows_2 @ kernels_2, rng.random(1326)))


def our_generation(all_layers):
    """Return the seconds of a generation of train(), with files and dropout."""
    times, screen = [], Silent()
    screen.progress = lambda generation, recent: times.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        files = f"{folder}/model.doc", f"{folder}/metadata.doc"
        train(None, GENERATIONS, *files, dataset=DATASET, seed=1, train_kernels=all_layers, screen=screen)
    return (times[-1] - times[0]) / GENERATIONS


def example(all_layers):
    """Return the pixels of a picture, the three arrays of a start model, and the rate of each array."""
    parts = parts_of(start_model(Settings.labels, np.random.default_rng(0), train_kernels=all_layers))
    rates = (STILL * PIXEL_SCALE, STILL, STILL) if all_layers else (0, 0, STILL)
    picture = os.path.join(DATASET, "0", "img001-00001.png")
    return np.float32(cnn.read_pixels(picture)), [np.float32(array) for array in parts[:3]], rates


def jax_step(all_layers):
    """Return a function that measures a generation, with dropout and update, compiled by JAX as a whole."""
    import jax  # noqa: PLC0415, an extra
    from jax import numpy as jnp  # noqa: PLC0415, an extra

    pixels, arrays, rates = example(all_layers)

    def loss(trained, fixed, keys):
        *kernels, weights = (*fixed, *trained)
        maps = jnp.asarray(pixels)[None]
        for kernel, share, key in zip(kernels, (cnn.DROPOUT_1, cnn.DROPOUT_2), keys):
            count, height, width = maps.shape
            slices = [maps[:, i : height - 4 + i, j : width - 4 + j] for i in range(5) for j in range(5)]
            windows = jnp.stack(slices, 1).reshape(25 * count, -1)  # JAX compiles this to faster code than its own
            maps = jax.nn.relu(kernel @ windows).reshape(-1, (height - 4) // 2, 2, (width - 4) // 2, 2).max((2, 4))
            maps = maps * (jax.random.uniform(key, maps.shape) >= share)
        outputs = jnp.abs(weights @ jnp.append(maps.reshape(-1), 1.0))
        scaled = jnp.where(outputs.sum() > cnn.THRESHOLD, outputs * (OUTPUT_SUM / outputs.sum()), outputs)
        return -jnp.array(LABEL) @ jax.nn.log_softmax(scaled)

    first = 0 if all_layers else 2  # only the arrays from here on are trained

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


def torch_step(all_layers):
    """Return a function that measures a generation, with dropout and update, in PyTorch's eager mode."""
    import torch  # noqa: PLC0415, an extra

    torch.set_num_threads(1)
    pixels, arrays, rates = example(all_layers)
    pixels, label = torch.tensor(pixels)[None, None], torch.tensor(LABEL)
    arrays = [torch.tensor(array) for array in arrays]
    trained = [(array.requires_grad_(), rate) for array, rate in zip(arrays, rates) if rate]

    def generation():
        maps = pixels
        for kernels, share in zip(arrays, (cnn.DROPOUT_1, cnn.DROPOUT_2)):
            maps = torch.conv2d(maps, kernels.reshape(len(kernels), -1, 5, 5))
            maps = torch.max_pool2d(torch.relu(maps), 2)
            maps = maps * (torch.rand(maps.shape) >= share)
        outputs = (arrays[2] @ torch.cat((maps.reshape(-1), torch.ones(1)))).abs()
        scaled = outputs * (OUTPUT_SUM / outputs.sum()) if outputs.sum() > cnn.THRESHOLD else outputs
        loss = -(label * torch.log_softmax(scaled, 0)).sum()
        gradients = torch.autograd.grad(loss, [array for array, _ in trained])
        with torch.no_grad():
            for (array, rate), gradient in zip(trained, gradients):
                array.sub_(gradient, alpha=rate)
        return loss.item()

    return lambda: per_call(generation)


if __name__ == "__main__":
    run(main)
