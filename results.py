"""The paper's two graphs and a summary of a training, from its log; with several logs, both graphs compare them.

    python results.py [metadata.doc ...] [--output DIR] [--window 100]

writes cross_entropy.png and right.png. The graphs need matplotlib (requirements-extras.txt), the summary does not.
"""

import itertools
import os

import numpy as np

from metadata import find_right, in_words, read_header, read_metadata, read_settings
from support.commandline import Parser, duration, one_or_more, run, share
from support.figures import new_figure, save_figure
from support.files import InputError
from training import Settings

# The paper's run and what it found.
PAPER = Settings()
FREE = {"seed", "dataset"}  # settings in which a training may differ and still count as the paper's
PAPER_WINDOW = 101  # generations: the paper says 100, but 85.15% is 86 of 101 (docs/reproduction.md)
PAPER_CROSS_ENTROPY = 0.1728
PAPER_RIGHT = "86 of 101, 85.15%"

STEADY = 5000  # generations, enough for a mean that hardly depends on chance
DOTS = 4000  # dots in a graph, as many as a page can show
TREND = 0.05  # the share of all generations that the trend line averages
RATES = 1, 100_000  # generations a second that are possible; otherwise the file's date is wrong, and no time is shown
COLOURS = "blue", "darkorange", "green", "purple", "red", "saddlebrown"


def main():
    parser = Parser("Draw the paper's two graphs from the log of a training, and print a summary.")
    parser.add_argument("logs", nargs="*", default=["metadata.doc"], metavar="metadata.doc")
    parser.add_argument("--output", default=".", metavar="DIR", help="where to write the graphs (default: here)")
    parser.add_argument("--window", type=one_or_more, default=100, metavar="N", help="generations that a dot averages "
        "(default: 100, the paper's)")  # fmt: skip
    options = parser.parse_args()
    errors, rights = {}, {}  # {name of the training: (generations, means)}
    for path in options.logs:
        rows, settings = read_metadata(path), read_settings(path)
        if not len(rows):
            raise InputError(f"{path}: expected a line for each generation, found none; is a training running?")
        right = find_right(rows)
        print(summary(path, rows, right, settings))
        known = f"alpha {in_words(settings['alpha'])}, " if settings else ""
        name = known if len(options.logs) == 1 else f"{path}: {known}"
        for found, values in ((errors, rows["cross_entropy"]), (rights, right)):
            found[name] = rows["generation"], rolling_mean(values, min(options.window, len(rows)) - 1)
    os.makedirs(options.output, exist_ok=True)
    for name, draw, found in (("cross_entropy", draw_cross_entropy, errors), ("right", draw_right, rights)):
        path = os.path.join(options.output, f"{name}.png")
        save_figure(draw(found, options.window), path)
        print(f"written: {path}")


def rolling_mean(values, before, after=0):
    """Return the mean around each value: of so many values before it, itself, and so many after it. (n,) -> (n,)."""
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    places = np.arange(len(values))
    first, end = np.maximum(places - before, 0), np.minimum(places + after + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


def summary(path, rows, right, settings):
    """Return in words what the log says: its settings, if they are known, and a table of the last generations."""
    labels = settings["labels"] if settings else sorted(set(rows["label"].tolist()))
    seconds = training_time(path, len(rows)) if settings else None  # in a new clone the file's date is another one
    took = "" if seconds is None else f" in {duration(seconds)}, from its start to its last change"
    lines = [f"{path}: {len(rows):,} generations{took}", f"labels {' '.join(labels)}"]
    if settings:
        lines[-1] += (f", alpha {in_words(settings['alpha'])}, output sum {in_words(settings['output_sum'])}, "
                      f"seed {settings['seed']}, dataset {settings['dataset']}")  # fmt: skip
    paper = {name: value for name, value in PAPER.kept().items() if name not in FREE}
    known = {**PAPER.kept(), **settings}  # an older training knows fewer settings
    as_in_the_paper = bool(settings) and len(rows) == PAPER.generations and {**known, **paper} == known
    for last in sorted({min(len(rows), last) for last in (PAPER_WINDOW, STEADY)}):
        lines += ["", *table(rows[-last:], right[-last:], labels, as_in_the_paper)]
    lines += ["", "geometric mean: of the right label's probabilities; it is 10^-(mean cross entropy)"]
    return "\n".join(lines)


def training_time(path, generations):
    """Return the seconds from the start of the training to the last change of its log, None if that makes no sense."""
    started, _ = read_header(path)
    seconds = 0 if started is None else os.path.getmtime(path) - started
    return seconds if seconds > 0 and RATES[0] <= generations / seconds <= RATES[1] else None


def table(rows, right, labels, as_in_the_paper):
    """Return the lines of a table: all rows, the paper's figures if the settings are the paper's, and each label."""
    lines = [(f"last {len(rows):,}", "cross entropy", "geometric mean", "right"), ("all", *figures_of(rows, right))]
    if as_in_the_paper:
        power = f"{10**-PAPER_CROSS_ENTROPY:.4f}"
        lines.append((f"the paper, last {PAPER_WINDOW}", f"{PAPER_CROSS_ENTROPY}", power, PAPER_RIGHT))
    for label in labels:
        of_label = rows["label"] == label
        lines.append((f"label {label}", *figures_of(rows[of_label], right[of_label])))
    width = max(19, *(len(line[0]) for line in lines))
    return [f"{name:<{width}}  {mean:>13}  {power:>14}  {right}" for name, mean, power, right in lines]


def figures_of(rows, right):
    """Return as text the mean cross entropy, the geometric mean of the right label's probabilities, the right answers.

    Oddity 10: the paper takes 10^-(mean cross entropy) for the average probability. It is the geometric mean.
    """
    if not len(rows):
        return "-", "-", "none seen"
    mean, count = rows["cross_entropy"].mean(), np.count_nonzero(right)
    return f"{mean:.4f}", f"{10**-mean:.4f}", share(count, len(rows))


def draw_cross_entropy(found, window):
    """Return the graph of the mean cross entropy, as a matplotlib figure. found: {name: (generations, means)}."""
    figure, axes = draw(found, window, "Cross entropy", "{:.4f}")
    axes.set_ylabel("cross entropy (log to base 10)")
    axes.set_ylim(0, 1.05 * max(settled(means, window).max() for _, means in found.values()) or 1)
    return figure


def draw_right(found, window):
    """Return the graph of the percentage right. found: {name: (generations, shares from 0 to 1)}."""
    found = {name: (generations, 100 * shares) for name, (generations, shares) in found.items()}
    figure, axes = draw(found, window, "Right", "{:.1f}%")
    axes.set_ylabel("right (% of the generations)")
    lowest = min(90, 10 * (min(settled(means, window).min() for _, means in found.values()) // 10))
    margin = 0.02 * (100 - lowest)
    axes.set_ylim(lowest - margin, 100 + margin)
    return figure


def draw(found, window, title, form):
    """Return (figure, axes): of one training at most DOTS dots, evenly spread, and a trend line; of several, the lines.

    The trend line is the mean of the dots over 5% of all generations, half of them before and half after each dot. At
    the beginning it takes no more after a dot than there are before it, so that it does not run ahead.
    """
    several = len(found) > 1
    height = 3.9 + 0.2 * (len(found) - 1)  # inches, and 6.3 across: as wide as the text of a page
    figure = new_figure(6.3, height, " (the summary above needs none)")
    axes = figure.add_axes((0.1, 0.49 / height, 0.835, 2.89 / height))
    title += f", mean over {TREND:.0%} of all generations" if several else ""
    for colour, (name, (generations, means)) in zip(itertools.cycle(COLOURS), found.items()):
        reach = np.minimum(np.arange(len(means)), max(1, round(TREND * len(means) / 2)))
        trend = rolling_mean(means, reach, reach)
        shown = np.linspace(0, len(means) - 1, min(DOTS, len(means))).round().astype(int)
        line = f"trend: mean over {TREND:.0%} of all generations"
        last = f"last value {form.format(trend[-1] if several else means[-1])}"
        if several:
            axes.plot(generations[shown], trend[shown], color=colour, label=f" {name}{last}")  # a first _ would hide it
        else:
            title += f": {name}{generations[-1]:,} generations, {last}"
            size = 3 if len(means) > 1000 else 6  # points
            dots = f"previous {window:,} generations"
            axes.plot(generations[shown], means[shown], ".", color="blue", ms=size, mew=0, label=dots)
            axes.plot(generations[shown], trend[shown], color="black", label=line)
    axes.set_title(title, fontsize=10, pad=22 + 14 * (len(found) - 1))  # above the legend
    columns = 1 if several else 2
    legend = axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.99), ncol=columns, frameon=False, markerscale=2,
                         fontsize=9)  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)  # a file may be called a$b.log
    axes.set_xlabel("generation")
    axes.set_xlim(0, 1.01 * max(1, *(generations[-1] for generations, _ in found.values())))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    return figure, axes


def settled(means, window):
    """Return the means of whole windows. The first ones, over fewer generations, may lie far outside the graph."""
    return means[window - 1 :] if len(means) >= 2 * window else means


if __name__ == "__main__":
    run(main)
