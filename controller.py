"""The command that trains: the paper's settings as defaults, progress on screen (the paper's controller.py).

python controller.py [--help]
"""

import argparse
import os
import shlex
import shutil
import sys
import time

import cnn
import training
from checkpoint import read_checkpoint
from common import InputError, Parser, run

DEFAULTS = {  # the paper's settings
    "alpha": 0.000000005,  # learning rate
    "generations": 180_834,
    "labels": ["0", "1"],
    "dataset": "dataset",
    "output_sum": cnn.OUTPUT_SUM,
    "seed": None,  # drawn
    "alpha_decay": False,
    "average": False,
    "trim": False,
    "dropout": True,
}
PLAIN_EVERY = 5  # seconds between two lines where the output is no terminal


def main():
    options = parse_options()
    screen = Screen(options.generations)
    stopped = False
    try:
        training.train(**vars(options), loading=screen.loading, progress=screen.progress)
    except KeyboardInterrupt:
        stopped = True
    screen.summary(options, stopped)
    return 130 if stopped else 0


def parse_options():
    """The command line as the arguments of train(); what makes no sense is said on one line, exit code 2."""
    parser = Parser(description="Train the network from the start, by default exactly as the paper did.")
    add = parser.add_argument
    add("--alpha", type=float, metavar="A", help="learning rate (default: 0.000000005, the paper's)")
    add("--generations", type=int, metavar="N", help="pictures to train on, one a generation (default: 180834, the "
        "paper's; 0 writes the start model)")  # fmt: skip
    add("--labels", nargs="+", metavar="L", help="two or more (default: 0 1, the paper's)")
    add("--dataset", metavar="DIR", help="pictures, DIR/<label>/img<class>-<number>.png (default: dataset, the paper's "
        "name)")  # fmt: skip
    add("--model", default="model.doc", metavar="FILE", help="the model (default: model.doc, the paper's)")
    add("--metadata", default="metadata.doc", metavar="FILE", help="the log (default: metadata.doc, the paper's)")
    add("--output-sum", type=float, metavar="S", help="what outputs over 100 are scaled to add up to (default: 100, "
        "the paper's text; its published figures fit 10)")  # fmt: skip
    add("--seed", type=int, metavar="N", help="the same seed gives the same files (default: drawn, and printed)")
    add("--alpha-decay", action="store_true", default=None, help="let alpha fall linearly to 0 (the paper does not)")
    add("--average", action="store_true", default=None, help="keep the mean of the weights over the last half of the "
        "run, and the last weights as FILE.last (the paper keeps the last)")  # fmt: skip
    add("--trim", action="store_true", default=None, help="cut pictures to their ink first (the paper does not)")
    add("--no-dropout", dest="dropout", action="store_false", default=None, help="train without dropout (the paper has "
        "it)")  # fmt: skip
    add("--resume", action="store_true", help="go on with the training that the two files hold, by default with its "
        "settings and up to its number of generations")  # fmt: skip
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    files = {"model_file": given.pop("model"), "metadata_file": given.pop("metadata")}
    kept = read_checkpoint(files["metadata_file"]).settings if given["resume"] else {}
    options = {name: given.get(name, kept.get(name, default)) for name, default in DEFAULTS.items()}
    try:
        training.check_settings(options)
    except InputError as error:
        parser.error(error)
    return argparse.Namespace(**options, **files, resume=given["resume"])


class Screen:
    """What a training says: on a terminal one line that keeps up, elsewhere a plain line every few seconds."""

    def __init__(self, generations):
        self.generations = generations
        self.first = self.generation = None  # where this run began, and where it is
        self.recent = []
        self.started = self.said = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.width = 0  # of the line that the next one has to cover

    def loading(self, done, total):
        """Called for every picture read."""
        if time.monotonic() - self.said > (0.5 if self.terminal else PLAIN_EVERY):
            self.line(f"{done:,} of {total:,} pictures read")

    def progress(self, generation, recent):
        """Called when training begins, about once a second, and at the end."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.started = generation, now
        self.generation, self.recent = generation, recent
        if not recent or (not self.terminal and now - self.said < PLAIN_EVERY):
            return
        rate = (generation - self.first) / max(now - self.started, 1e-9)
        self.line(
            f"generation {generation:,} ({100 * generation / self.generations:.1f}%)  {quality(recent)}  "
            f"{rate:,.0f} a second  {duration((self.generations - generation) / rate)} left"
        )

    def line(self, text):
        """Show a line: over the last one on a terminal, below it elsewhere."""
        self.said = time.monotonic()
        if self.terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            print("\r" + text.ljust(self.width), end="", flush=True)
            self.width = len(text)
        else:
            print(text, flush=True)

    def summary(self, options, stopped):
        """What was written, how good it was, how to go on."""
        if self.width:
            print()
        if self.generation is None:
            print("stopped before training began; no file was touched")
            return
        done, seconds = self.generation - self.first, time.monotonic() - self.started
        print(f"{'stopped after' if stopped else 'trained'} {done:,} generations in {duration(seconds)}, "
              f"{self.generation:,} in all")  # fmt: skip
        tried = f"on training pictures with dropout {'on' if options.dropout else 'off'}"
        if self.recent:
            print(f"last {len(self.recent)} generations, {tried}: {quality(self.recent)}")
        print(f"written: {options.model_file} (the model), {options.metadata_file} (a line for each generation)")
        print(f"draw its graphs: python results.py {shlex.quote(os.fspath(options.metadata_file))}")
        if stopped:
            print("go on: python controller.py --resume, with the same --model and --metadata if you named them")
        print("classify a picture: python -c \"import cnn, model; "
              f"print(cnn.cnn('my_digit.png', model.read_model({options.model_file!r})))\"")  # fmt: skip


def quality(recent):
    """Mean cross entropy and number right of (cross entropy, right) pairs, in words.

    Oddity 9: as in the paper these are training pictures, with dropout on (unless it is off altogether).
    """
    if not recent:
        return "no generation yet"
    right = sum(right for _, right in recent)
    mean = sum(cross_entropy for cross_entropy, _ in recent) / len(recent)
    return f"cross entropy {mean:.4f}  right {right} of {len(recent)} ({100 * right / len(recent):.1f}%)"


def duration(seconds):
    """Seconds as a person says them: 7 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"


if __name__ == "__main__":
    run(main)
