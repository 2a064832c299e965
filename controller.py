"""The paper's controller.py: the command that trains. Its defaults are the paper's settings.

python controller.py [--help]
"""

import argparse
import importlib.util
import os
import sys
import time

import training
from model import KERNELS
from support.commandline import Parser, command, duration, install, ours, progress_line, run, share
from support.pictures import find_pictures


def main():
    options = parse_options()
    screen, stopped = Screen(options["generations"]), False
    try:
        training.train(**options, say=screen.say, loading=screen.loading, progress=screen.progress)
    except KeyboardInterrupt:
        stopped = True
    screen.summary(options, stopped)
    return 130 if stopped else 0


def parse_options(words=None):
    """Return the command line, or other `words`, as arguments of train().

    With --resume, the training's own settings are the defaults.
    """
    parser = Parser("Train the network, by default exactly as the paper did. Each option that takes no value, except "
                    "--resume, does something that the paper did not.")  # fmt: skip
    parser.argument_default = argparse.SUPPRESS  # an option that is not given does not appear
    add = parser.add_argument
    # fmt: off
    add("--alpha", type=float, metavar="A", help="learning rate (default: 0.000000005, the paper's; with "
        f"--train-kernels {training.KERNELS_ALPHA}, from random kernels {training.RANDOM_KERNELS_ALPHA})")
    add("--generations", type=int, metavar="N", help="one picture each, in all (default: 180834, the paper's; 0 only "
        "writes the start model)")
    add("--labels", nargs="+", metavar="L", help="two or more (default: 0 1, the paper's)")
    add("--dataset", metavar="DIR", help="pictures, DIR/<label>/img<class>-<number>.png (default: dataset)")
    add("--model", metavar="FILE", help="the model (default: model.doc)")
    add("--metadata", default="metadata.doc", metavar="FILE", help="the log (default: metadata.doc)")
    add("--output-sum", type=float, metavar="S", help="outputs over 100 are scaled to this sum (default: 100, the "
        "paper's text; its published figures fit 10)")
    add("--seed", type=int, metavar="N", help="the same seed gives the same files (default: a new one, printed)")
    add("--alpha-decay", action="store_true", help="let alpha fall linearly to 0")
    add("--average", action="store_true", help="keep the mean of the weights over the last half of the generations")
    add("--trim", action="store_true", help="cut the pictures to their ink first")
    add("--no-dropout", dest="dropout", action="store_false", help="train without dropout")
    add("--train-kernels", action="store_true", help="train all layers, not only the last one")
    add("--kernels", nargs=2, type=int, metavar=("K1", "K2"), help="how many kernels convolution 1 and 2 have, with "
        "--train-kernels (default: 6 6, the paper's)")
    add("--random-kernels", action="store_true", help="with --train-kernels: start from random kernels")
    add("--jitter", action="store_true", help="turn, slant, stretch and shift each picture a little, at random")
    add("--bend", action="store_true", help="bend most pictures a little, at random")
    add("--resume", action="store_true", default=False, help="continue the training of this log; settings that you "
        "leave out stay the same")
    # fmt: on
    given = vars(parser.parse_args(words))
    given["metadata_file"] = given.pop("metadata")
    if "model" in given:
        given["model_file"] = given.pop("model")
    if given["resume"]:
        kept = training.read_state(given["metadata_file"])["settings"]
        model_file = os.path.normpath(os.path.join(os.path.dirname(given["metadata_file"]), kept["model_file"]))
        return {**kept, "model_file": model_file, **given}
    alpha = training.KERNELS_ALPHA if given.get("train_kernels") else training.ALPHA
    if given.get("random_kernels") or tuple(given.get("kernels", KERNELS)) != KERNELS:
        alpha = training.RANDOM_KERNELS_ALPHA
    return {"alpha": alpha, "generations": training.GENERATIONS, "model_file": "model.doc", **given}


class Screen:
    """Shows a training: one line that is updated on a terminal, otherwise a line every few seconds."""

    def __init__(self, generations):
        self.generations = generations
        self.first = self.generation = None  # the generations at which this run began and at which it is
        self.recent = []
        self.line = progress_line(sys.stdout)
        self.started = time.monotonic()

    def say(self, text):
        """Print a sentence on a line of its own."""
        self.line(last=True)
        print(text, flush=True)

    def loading(self, done, total):
        """Show how many pictures are read."""
        self.line(f"{done:,} of {total:,} pictures read")

    def progress(self, generation, recent):
        """Show how far the training is. train() calls this at its beginning, about once a second, and at its end."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.started = generation, now
        self.generation, self.recent = generation, recent
        if not recent:
            return
        rate = (generation - self.first) / max(now - self.started, 1e-9)
        left = duration((self.generations - generation) / rate)
        texts = f"{generation / self.generations:.1%}", f"{rate:,.0f} a second", f"{left} left"
        self.line(*texts, *quality(recent), f"generation {generation:,}", last=generation == self.generations)

    def summary(self, options, stopped):
        """Print what was written, how good it was, and commands to type next."""
        self.line(last=True)
        if self.generation is None:
            print("stopped before training began; no file was changed")
            return
        done, seconds = self.generation - self.first, time.monotonic() - self.started
        model, log = options["model_file"], options["metadata_file"]
        print(f"{'stopped after' if stopped else 'trained'} {done:,} generations in {duration(seconds)}, "
              f"{self.generation:,} in all")  # fmt: skip
        if not done and not stopped and self.generation:
            print("this training was finished before; to train on, give a larger number: --resume --generations N")
        tried = f"on training pictures with dropout {'on' if options.get('dropout', True) else 'off'}"
        if self.recent:
            print(f"last {len(self.recent)} generations, {tried}: {', '.join(quality(self.recent))}")
        print(f"written: {model} (the model), {log} (a line for each generation)")
        if importlib.util.find_spec("matplotlib") is None:
            print("for graphs, first:  ", install("matplotlib"))
        print("draw its graphs:    ", command(ours("results.py"), log))
        example = find_pictures(options.get("dataset", "dataset"), options.get("labels", training.LABELS)[0])[0]
        print("classify a picture: ", command(ours("cnn.py"), example, "--model", model))
        if stopped:
            print("continue:           ", command(ours("controller.py"), "--metadata", log, "--resume"))


def quality(recent):
    """Return the mean cross entropy and the number of right answers of (cross entropy, right) pairs, in words.

    Oddity 9: as in the paper, these are measured on training pictures, with dropout on.
    """
    right = sum(right for _, right in recent)
    mean = sum(cross_entropy for cross_entropy, _ in recent) / len(recent)
    return f"cross entropy {mean:.4f}", f"right {share(right, len(recent))}"


if __name__ == "__main__":
    run(main)
