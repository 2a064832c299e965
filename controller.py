"""The command that trains: the paper's settings as defaults, progress on screen (the paper's controller.py).

    python controller.py [--help]

Nothing but its tests imports it.
"""

from support.commandline import Parser, command, duration, ours, progress_line, run, share  # isort: skip, it is to be first

import argparse
import sys
import time

import training
from support.checkpoint import read_checkpoint

EXAMPLE = "dataset/0/img001-00001.png"


def main():
    options = parse_options()
    screen, stopped = Screen(options["generations"]), False
    try:
        training.train(**options, say=screen.say, loading=screen.loading, progress=screen.progress)
    except KeyboardInterrupt:
        stopped = True
    screen.summary(options, stopped)
    return 130 if stopped else 0


def parse_options():
    """The command line as the arguments of train(): those that it names, with --resume also the training's own."""
    parser = Parser("Train the network from the start, by default exactly as the paper did.")
    parser.argument_default = argparse.SUPPRESS  # what is not named is not there
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
    add("--alpha-decay", action="store_true", help="let alpha fall linearly to 0 (the paper does not)")
    add("--average", action="store_true", help="keep the mean of the weights over the last half of the run, and the "
        "last weights as FILE.last (the paper keeps the last)")  # fmt: skip
    add("--trim", action="store_true", help="cut pictures to their ink first (the paper does not)")
    add("--no-dropout", dest="dropout", action="store_false", help="train without dropout (the paper has it)")
    add("--train-kernels", action="store_true", help="train all layers, not the last alone (the paper could not find "
        f"out how); alpha is then {training.KERNELS_ALPHA} where none is named")  # fmt: skip
    add("--jitter", action="store_true", help="turn, slant, stretch and shift each picture a little, at random, as it "
        "is drawn (the paper does not)")  # fmt: skip
    add("--resume", action="store_true", default=False, help="go on with the training that the two files hold, by "
        "default with its settings and up to its number of generations")  # fmt: skip
    given = vars(parser.parse_args())
    files = {"model_file": given.pop("model"), "metadata_file": given.pop("metadata")}
    kept = read_checkpoint(files["metadata_file"]).settings if given["resume"] else {}
    alpha = training.KERNELS_ALPHA if given.get("train_kernels") else training.ALPHA
    return {"alpha": alpha, "generations": training.GENERATIONS, **kept, **given, **files}


class Screen:
    """What a training says: on a terminal one line that keeps up, elsewhere a plain line every few seconds."""

    def __init__(self, generations):
        self.generations = generations
        self.first = self.generation = None  # where this run began, and where it is
        self.recent = []
        self.line = progress_line(sys.stdout)
        self.started = time.monotonic()

    def say(self, text):
        """Called with a sentence worth knowing."""
        self.line(last=True)
        print(text, flush=True)

    def loading(self, done, total):
        """Called for every picture read."""
        self.line(f"{done:,} of {total:,} pictures read")

    def progress(self, generation, recent):
        """Called when training begins, about once a second, and at the end."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.started = generation, now
        self.generation, self.recent = generation, recent
        if not recent:
            return
        rate = (generation - self.first) / max(now - self.started, 1e-9)
        self.line(
            f"{100 * generation / self.generations:.1f}%",
            f"{rate:,.0f} a second",
            f"{duration((self.generations - generation) / rate)} left",
            *quality(recent),
            f"generation {generation:,}",
            last=generation == self.generations,
        )

    def summary(self, options, stopped):
        """What was written, how good it was, how to go on, as commands that can be typed next."""
        self.line(last=True)
        if self.generation is None:
            print("stopped before training began; no file was touched")
            return
        done, seconds = self.generation - self.first, time.monotonic() - self.started
        model, log = options["model_file"], options["metadata_file"]
        print(f"{'stopped after' if stopped else 'trained'} {done:,} generations in {duration(seconds)}, "
              f"{self.generation:,} in all")  # fmt: skip
        tried = f"on training pictures with dropout {'on' if options.get('dropout', True) else 'off'}"
        if self.recent:
            print(f"last {len(self.recent)} generations, {tried}: {', '.join(quality(self.recent))}")
        print(f"written: {model} (the model), {log} (a line for each generation)")
        print("draw its graphs:    ", command(ours("results.py"), log))
        print("classify a picture: ", command(ours("cnn.py"), ours(EXAMPLE), "--model", model))
        if stopped:
            print("go on:              ",
                  command(ours("controller.py"), "--model", model, "--metadata", log, "--resume"))  # fmt: skip


def quality(recent):
    """Mean cross entropy and number right of (cross entropy, right) pairs, in words.

    Oddity 9: as in the paper these are training pictures, with dropout on (unless it is off altogether).
    """
    right = sum(right for _, right in recent)
    mean = sum(cross_entropy for cross_entropy, _ in recent) / len(recent)
    return f"cross entropy {mean:.4f}", f"right {share(right, len(recent))}"


if __name__ == "__main__":
    run(main)
