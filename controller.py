"""The paper's controller.py: the command that trains. Its defaults are the paper's settings.

python controller.py [--help]
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more are no faster, and would change the last digits
import argparse
import dataclasses
import errno
import importlib.util
import sys
import time

from metadata import read_state
from support.commandline import Parser, Silent, command, duration, install, ours, progress_line, run, share
from support.files import InputError
from support.pictures import find_pictures
from training import Settings, train


def main():
    options = parse_options()
    with progress_line(sys.stdout) as line:
        screen, stopped = Screen(options["generations"], line), False
        try:
            train(**options, screen=screen)
        except KeyboardInterrupt:
            stopped = True
        except OSError as error:
            if error.errno == errno.ENOSPC and screen.generation is not None:
                raise InputError(f"{error.filename}: {error.strerror}; make space, then continue with: "
                                 f"{resume_command(options)}") from None  # fmt: skip
            raise
    screen.summary(options, stopped)
    return 130 if stopped else 0


def parse_options(words=None):
    """Return the command line, or other `words`, as arguments of train().

    With --resume, the training's own settings are the defaults.
    """
    parser = Parser("Train the network, by default with the paper's method and settings. Each option that takes no "
                    "value, except --resume, does something that the paper did not.")  # fmt: skip
    parser.argument_default = argparse.SUPPRESS  # an option that is not given does not appear
    for field in dataclasses.fields(Settings):
        option, how = f"--{field.name.replace('_', '-')}", field.metadata["how"]
        if field.default is False:
            how = {"action": "store_true"}
        elif field.default is True:
            option, how = f"--no-{field.name}", {"action": "store_false"}
        parser.add_argument(option, dest=field.name, help=field.metadata["help"], **how)
    add = parser.add_argument
    add("--model", dest="model_file", metavar="FILE", help="the model (default: model.doc)")
    add("--metadata", dest="metadata_file", default="metadata.doc", metavar="FILE",
        help="the log (default: metadata.doc)")  # fmt: skip
    add("--resume", action="store_true", default=False, help="continue the training of this log; settings that you "
        "leave out stay the same")  # fmt: skip
    given = vars(parser.parse_args(words))
    defaults = {"alpha": None, "generations": Settings.generations, "model_file": "model.doc"}
    if given["resume"]:
        before = read_state(given["metadata_file"])
        names = [field.name for field in dataclasses.fields(Settings)]
        defaults = {name: value for name, value in before.settings.items() if name in names}
        folder = os.path.dirname(given["metadata_file"])
        defaults["model_file"] = os.path.normpath(os.path.join(folder, before.model_file))
    return {**defaults, **given}


def resume_command(options):
    """Return the command that continues a training."""
    return command(ours("controller.py"), "--metadata", options["metadata_file"], "--resume")


class Screen(Silent):
    """Shows a training: one line that is updated on a terminal, otherwise a line every few seconds."""

    def __init__(self, generations, line):
        self.generations, self.line = generations, line
        self.first = self.generation = None  # the generations at which this run began and at which it is
        self.recent = []

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
        if self.generation:
            if importlib.util.find_spec("matplotlib") is None:
                print("for graphs, first:  ", install("matplotlib"))
            print("draw its graphs:    ", command(ours("results.py"), log))
        example = find_pictures(options.get("dataset", Settings.dataset), options.get("labels", Settings.labels)[0])[0]
        print("classify a picture: ", command(ours("cnn.py"), example, "--model", model))
        if stopped:
            print("continue:           ", resume_command(options))


def quality(recent):
    """Return the mean cross entropy and the number of right answers of (cross entropy, right) pairs, in words.

    Oddity 9: as in the paper, these are measured on training pictures, with dropout on.
    """
    right = sum(right for _, right in recent)
    mean = sum(cross_entropy for cross_entropy, _ in recent) / len(recent)
    return f"cross entropy {mean:.4f}", f"right {share(right, len(recent))}"


if __name__ == "__main__":
    run(main)
