"""The paper's two graphs and a summary of a training, from its log alone (the paper's results).

    python results.py [metadata.doc] [--output DIR] [--window 100]

Writes cross_entropy.png and right.png, which need matplotlib (requirements-graphs.txt); the summary needs none.
Only experiments/ imports it.
"""

from support.commandline import Parser, duration, run, share  # isort: skip, it is to be first

import os

import numpy as np

from metadata import find_right, read_header, read_metadata
from support.checkpoint import read_settings
from support.figures import new_figure, save_figure
from support.files import InputError
from training import ALPHA, GENERATIONS, LABELS, RECENT, train

# What the paper found in its last 100 generations.
PAPER_CROSS_ENTROPY = 0.1728
PAPER_RIGHT = 85.15  # percent

LASTS = (RECENT, 5000)  # generations that the summary looks at: the paper's, and enough to be steady
DOTS = 4000  # as many as a page can show
TREND = 0.05  # the share of all generations that the trend line averages
RATES = (100, 100_000)  # generations a second, from an emulated Raspberry Pi's to more than any computer's


def main():
    parser = Parser("Draw the paper's two graphs from a training's log, and sum it up.")
    parser.add_argument("log", nargs="?", default="metadata.doc", metavar="metadata.doc")
    parser.add_argument("--output", default=".", metavar="DIR", help="where the graphs go (default: this folder)")
    parser.add_argument("--window", type=int, default=RECENT, metavar="N", help="generations that a dot averages "
        "(default: 100, the paper's)")  # fmt: skip
    options = parser.parse_args()
    if options.window < 1:
        parser.error(f"--window: expected 1 or more, found {options.window}")

    rows, settings = read_metadata(options.log), read_settings(options.log)
    if not len(rows):
        raise InputError(f"{options.log}: expected a line for each generation, found none; is a training under way?")
    labels = labels_in(rows, settings)
    right = find_right(rows)
    print(summary(options.log, rows, right, labels, settings))
    os.makedirs(options.output, exist_ok=True)
    for name, draw, values in (
        ("cross_entropy", draw_cross_entropy, rows["cross_entropy"]),
        ("right", draw_right, right),
    ):
        path = os.path.join(options.output, f"{name}.png")
        means = rolling_mean(values, options.window - 1)
        save_figure(draw(rows["generation"], means, options.window, settings.get("alpha")), path)
        print(f"written: {path}")


def labels_in(rows, settings):
    """The labels, in the order of the outputs where the settings say it, otherwise those in the log, sorted."""
    found = set(rows["label"].tolist())
    for labels in (settings.get("labels") or [], LABELS):
        if found <= set(labels):
            return list(labels)
    return sorted(found)


def rolling_mean(values, before, after=0):
    """The mean of each value, so many before it and so many after it: (n,) -> (n,). At the ends, of what there is."""
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    places = np.arange(len(values))
    first, end = np.maximum(places - before, 0), np.minimum(places + after + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


def summary(path, rows, right, labels, settings):
    """What the log says, in words: its settings as far as known, and a table for each of LASTS."""
    seconds = training_time(path, len(rows))
    took = "" if seconds is None else f" in {duration(seconds)}, by the file's date"
    known = [f"{name} {plain(settings[key])}" for name, key in (("alpha", "alpha"), ("output sum", "output_sum"))
             if key in settings]  # fmt: skip
    known += [f"{name} {settings[name]}" for name in ("seed", "dataset") if name in settings]
    lines = [f"{path}: {len(rows):,} generations{took}", ", ".join([f"labels {' '.join(labels)}", *known])]
    for last in sorted({min(len(rows), last) for last in LASTS}):
        lines += ["", *table(rows[-last:], right[-last:], labels, is_the_papers(rows, labels, settings))]
    return "\n".join(lines)


def training_time(path, generations):
    """Seconds from a training's start to its log's last change; None where these make no sense, as with a clone."""
    started, _ = read_header(path)
    seconds = 0 if started is None else os.path.getmtime(path) - started
    return seconds if seconds > 0 and RATES[0] <= generations / seconds <= RATES[1] else None


def is_the_papers(rows, labels, settings):
    """Whether nothing that is known of a training differs from the paper's settings, the defaults of train()."""
    papers = {**train.__kwdefaults__, "alpha": ALPHA, "labels": LABELS}
    free = ("seed", "dataset", "generations")
    same = all(papers[name] == value for name, value in settings.items() if name not in free)
    return same and (len(rows), labels) == (GENERATIONS, LABELS)


def table(rows, right, labels, beside_the_paper):
    """A table's lines: all of the rows, the paper's figures, and each label."""
    lines = [("", "cross entropy", "10^-that", "right"), ("all", *figures_of(rows, right))]
    if beside_the_paper:
        paper = (f"{PAPER_CROSS_ENTROPY}", f"{10**-PAPER_CROSS_ENTROPY:.4f}", f"{PAPER_RIGHT}%")
        lines.append(("the paper, last 100", *paper))
    for label in labels:
        of_label = rows["label"] == label
        lines.append((f"label {label}", *figures_of(rows[of_label], right[of_label])))
    width = max(19, *(len(line[0]) for line in lines))
    title = f"last {len(rows):,}"
    return [f"{name or title:<{width}}  {mean:>13}  {power:>8}  {share}" for name, mean, power, share in lines]


def figures_of(rows, right):
    """Mean cross entropy, 10 to the power of minus that, and how many are right, as text."""
    if not len(rows):
        return "-", "-", "none seen"
    mean, count = rows["cross_entropy"].mean(), np.count_nonzero(right)
    return f"{mean:.4f}", f"{10**-mean:.4f}", share(count, len(rows))


def draw_cross_entropy(generations, means, window, alpha):
    """The graph of the mean cross entropy, as a matplotlib figure."""
    figure, axes = draw(generations, means, window, alpha, "Cross entropy", f"{means[-1]:.4f}")
    axes.set_ylabel("cross entropy (log to base 10)")
    axes.set_ylim(0, 1.05 * settled(means, window).max() or 1)
    return figure


def draw_right(generations, shares, window, alpha):
    """The graph of the percentage right, as a matplotlib figure; `shares` are of 1."""
    means = 100 * shares
    figure, axes = draw(generations, means, window, alpha, "Right", f"{means[-1]:.1f}%")
    axes.set_ylabel("right (% of the generations)")
    lowest = min(90, 10 * (settled(means, window).min() // 10))
    margin = 0.02 * (100 - lowest)
    axes.set_ylim(lowest - margin, 100 + margin)
    return figure


def draw(generations, means, window, alpha, name, last):
    """The dots and their trend line: (figure, axes). At most DOTS are drawn, evenly spread. name, last: for its title.

    The trend line is the mean of the dots over 5% of all generations, half of them before and half after: in the
    beginning no more after than before, so that the line keeps up, and in the end no more than there are.
    """
    figure = new_figure(6.3, 3.9, " (the summary above needs none)")  # inches: as wide as a page's text
    axes = figure.add_axes((0.1, 0.125, 0.835, 0.74))
    reach = np.minimum(np.arange(len(means)), max(1, round(TREND * len(means) / 2)))
    trend = rolling_mean(means, reach, reach)
    shown = np.linspace(0, len(means) - 1, min(DOTS, len(means))).round().astype(int)
    size = 3 if len(means) > 1000 else 6  # points
    axes.plot(
        generations[shown], means[shown], ".", color="blue", ms=size, mew=0, label=f"previous {window:,} generations"
    )
    axes.plot(generations[shown], trend[shown], color="black", label=f"trend: mean over {TREND:.0%} of all generations")
    known = "" if alpha is None else f"alpha {plain(alpha)}, "
    axes.set_title(f"{name}: {known}{generations[-1]:,} generations, last value {last}", fontsize=10, pad=22)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.99), ncol=2, frameon=False, markerscale=2, fontsize=9)
    axes.set_xlabel("generation")
    axes.set_xlim(0, 1.01 * max(1, generations[-1]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    return figure, axes


def settled(means, window):
    """The means of whole windows, which the axis shows; the first few, over less, may lie far outside it."""
    return means[window - 1 :] if len(means) >= 2 * window else means


def plain(number):
    """A number without an exponent: 0.000000005."""
    return np.format_float_positional(number, trim="-")


if __name__ == "__main__":
    run(main)
