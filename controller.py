"""The command that trains: the paper's settings as defaults, progress on screen (the paper's controller.py).

python controller.py [--help]
"""

import shutil
import sys
import time

import cnn
import training
from common import InputError, Parser, run

# The paper's settings.
ALPHA = 0.000000005  # learning rate
GENERATIONS = 180_834
LABELS = ["0", "1"]
PLAIN_EVERY = 5  # seconds between two lines where the output is no terminal


def main():
    options = parse_options()
    screen = Screen(options.generations)
    stopped = False
    try:
        training.train(
            options.alpha,
            options.generations,
            options.model,
            options.metadata,
            labels=options.labels,
            dataset=options.dataset,
            output_sum=options.output_sum,
            seed=options.seed,
            loading=screen.loading,
            progress=screen.progress,
        )
    except KeyboardInterrupt:
        stopped = True
    screen.summary(options, stopped)
    return 130 if stopped else 0


def parse_options():
    """The command line's options; what makes no sense is said on one line, exit code 2."""
    parser = Parser(description="Train the network from the start, by default exactly as the paper did.")
    add = parser.add_argument
    add("--alpha", type=float, default=ALPHA, metavar="A", help="learning rate (default: 0.000000005, the paper's)")
    add("--generations", type=int, default=GENERATIONS, metavar="N", help="pictures to train on, one a generation "
        "(default: 180834, the paper's; 0 writes the start model)")  # fmt: skip
    add("--labels", nargs="+", default=LABELS, metavar="L", help="two or more (default: 0 1, the paper's)")
    add("--dataset", default="dataset", metavar="DIR", help="pictures, DIR/<label>/img<class>-<number>.png "
        "(default: dataset, the paper's name)")  # fmt: skip
    add(
        "--model", default="model.doc", metavar="FILE", help="where the model is kept (default: model.doc, the paper's)"
    )
    add("--metadata", default="metadata.doc", metavar="FILE", help="the log (default: metadata.doc, the paper's)")
    add("--output-sum", type=float, default=cnn.OUTPUT_SUM, metavar="S", help="what outputs over 100 are scaled to add "
        "up to (default: 100, the paper's text; its published figures fit 10)")  # fmt: skip
    add("--seed", type=int, metavar="N", help="the same seed gives the same files (default: drawn, and printed)")
    options = parser.parse_args()
    try:
        training.check_settings(options.alpha, options.generations, options.labels, options.output_sum, options.seed)
    except InputError as error:
        parser.error(error)
    return options


class Screen:
    """What a training says: on a terminal one line that keeps up, elsewhere a plain line every few seconds."""

    def __init__(self, generations):
        self.generations = generations
        self.generation, self.recent = 0, []
        self.started = self.said = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.width = 0  # of the line that the next one has to cover

    def loading(self, done, total):
        """Called for every picture read."""
        now = time.monotonic()
        if now - self.said > (0.5 if self.terminal else PLAIN_EVERY):
            self.line(f"{done:,} of {total:,} pictures read")
        if done == total:
            self.started = now

    def progress(self, generation, recent):
        """Called about once a second, and at the end."""
        self.generation, self.recent = generation, recent
        now = time.monotonic()
        if not self.terminal and now - self.said < PLAIN_EVERY:
            return
        rate = max(generation, 1) / max(now - self.started, 1e-9)
        seconds = (self.generations - generation) / rate
        self.line(
            f"generation {generation:,} ({100 * generation / max(self.generations, 1):.1f}%)  {quality(recent)}  "
            f"{rate:,.0f} a second  {duration(seconds)} left"
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
        seconds = time.monotonic() - self.started
        print(f"{'stopped after' if stopped else 'trained for'} {self.generation:,} generations in {duration(seconds)}")
        print(f"last {len(self.recent)} generations, on training pictures with dropout on: {quality(self.recent)}")
        print(f"written: {options.model} (the model), {options.metadata} (a line for each generation)")
        print("classify a picture: python -c \"import cnn, model; "
              f"print(cnn.cnn('my_digit.png', model.read_model({options.model!r})))\"")  # fmt: skip


def quality(recent):
    """Mean cross entropy and number right of (cross entropy, right) pairs, in words."""
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
