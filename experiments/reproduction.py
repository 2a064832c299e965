"""Ours beside the paper's: trains at both output sums with several seeds, and prints a table. Not in the paper.

    python -m experiments.reproduction [--dataset DIR] [--test DIR] [--seeds 5] [--generations 180834]

The table is Markdown, on stdout; how far it is, on stderr. Models and logs are kept only as long as it needs them. The
paper's weights and figures come from the real Chars74K pictures: with those in --test, like is compared with like.
"""

import functools
import os

import numpy as np

import cnn
import results
from experiments.shared import markdown, train_all, training_parser
from metadata import find_right
from model import parts_of, read_model
from support.commandline import ROOT, run
from training import ALPHA, LABELS, RECENT, load_dataset

PAPER_MODEL = os.path.join(ROOT, "models", "paper.doc")
SUMS = (100, 10)  # the paper's text, and what its figures fit
STEADY = 5000  # generations, the last ones: for figures that chance moves little
WITH_DROPOUT = 10  # times that the paper's weights see each picture with dropout


def main():
    parser = training_parser("Train at both output sums with several seeds, and print ours beside the paper's.",
                             "pictures to try the models on (default: the training pictures)", seeds=5)  # fmt: skip
    options = parser.parse_args()
    test, generations = options.test or options.dataset, options.generations
    trained_on = len(load_dataset(options.dataset, LABELS))  # before training: a mistake is said at once
    tested_on = load_dataset(test, LABELS)

    settings = {"alpha": ALPHA, "generations": generations, "dataset": options.dataset}
    cases = [{**settings, "output_sum": total} for total in SUMS]
    ours = train_all(cases, options.seeds, functools.partial(measure, test))
    print(f"Trained on {options.dataset} ({trained_on:,} pictures): alpha {results.plain(ALPHA)}, {generations:,} "
        f"generations, seeds 1 to {options.seeds}.")  # fmt: skip
    print(f"Test pictures: {test} ({len(tested_on):,}). Mean ± standard deviation over the seeds. Bold is nearer to "
        "the paper,\nwhere the two output sums differ by more than a standard deviation.\n")  # fmt: skip
    print(report(np.array(ours), tested_on, generations))


def measure(test, model, rows):
    """A training's figures, those of report()'s first rows, from its model, its log's rows, and a folder to test on."""
    entropy, right = rows["cross_entropy"], 100 * find_right(rows)
    return (
        entropy[-RECENT:].mean(),
        entropy[-STEADY:].mean(),
        right[-RECENT:].mean(),
        right[-STEADY:].mean(),
        results.rolling_mean(entropy, RECENT - 1)[len(rows) // 2 :].std(),
        try_out(model, load_dataset(test, LABELS), model[4])[1],
        model[2].std(),
        np.corrcoef(model[2], read_model(PAPER_MODEL)[2])[0, 1],
    )


def try_out(model, pictures, output_sum, masks=None):
    """A model's mean cross entropy and percentage right on load_dataset()'s pictures; with `masks`, with dropout."""
    _, kernels_2, weights, labels, _ = parts_of(model)
    corners, one_hot, entropies, right = cnn.lay_out(kernels_2), np.eye(len(labels)), [], []
    for maps, true in pictures:
        flattened = cnn.second_layer(maps, corners, next(masks) if masks else cnn.KEEP_ALL)
        result = cnn.last_layer(flattened, weights, one_hot[true], output_sum)
        entropies.append(result.cross_entropy)
        right.append(result.softmax.argmax() == true)
    return np.mean(entropies), 100 * np.mean(right)


def own_figures(paper, pictures):
    """What try_out() gives of the paper's weights, without dropout and with it: (4, sums, 1)."""
    plain = [try_out(paper, pictures, total) for total in SUMS]
    dropped = [try_out(paper, pictures * WITH_DROPOUT, total, cnn.dropout_masks(np.random.PCG64(1))) for total in SUMS]
    return np.array([plain, dropped]).transpose(0, 2, 1).reshape(4, len(SUMS), 1)


def report(ours, pictures, generations):
    """The table: a row for each figure of measure(), then those of the paper's own weights on `pictures`; a verdict.

    ours: (sums, seeds, figures).
    """
    paper = read_model(PAPER_MODEL)
    own = own_figures(paper, pictures)
    recent, steady = min(RECENT, generations), min(STEADY, generations)
    entropy, right = results.PAPER_CROSS_ENTROPY, results.PAPER_RIGHT
    weights = "the paper's own weights on the test pictures"
    rows = (  # what it is, how a number is written, the paper's number if it has one
        (f"cross entropy, last {recent:,} generations", "{:.4f}", entropy),
        (f"cross entropy, last {steady:,} generations", "{:.4f}", None),
        (f"right, last {recent:,} generations", "{:.2f}%", right),
        (f"right, last {steady:,} generations", "{:.2f}%", None),
        (f"standard deviation of a {recent:,}-generation mean cross entropy, second half", "{:.4f}", None),
        ("right on the test pictures, without dropout", "{:.2f}%", own[1, 0, 0]),
        ("standard deviation of the trained weights", "{:.3f}", paper[2].std()),
        ("correlation of the trained weights with the paper's", "{:.3f}", 1),
        (f"{weights}, without dropout: cross entropy", "{:.4f}", None),
        (f"{weights}, without dropout: right", "{:.2f}%", None),
        (f"{weights}, with dropout: cross entropy", "{:.4f}", entropy),
        (f"{weights}, with dropout: right", "{:.2f}%", right),
    )
    heads = [f"output sum {total}" for total in SUMS]
    lines, wins = [["", *heads, "the paper"]], [0] * len(SUMS)
    for (name, form, number), figures in zip(rows, [*ours.transpose(2, 0, 1), *own]):
        cells, nearest = [written(of_sum, form) for of_sum in figures], nearer(figures, number)
        if nearest is not None:
            wins[nearest] += 1
            cells[nearest] = f"**{cells[nearest]}**"
        lines.append([name, *cells, "" if number is None else form.format(number)])
    verdict = ", ".join(f"{count} of {sum(wins)} with {head}" for head, count in zip(heads, wins))
    return f"{markdown(lines)}\n\nNearer to the paper: {verdict}."


def written(figures, form):
    """Figures, one a seed, as their mean and standard deviation."""
    return form.format(figures.mean()) + (f" ± {form.format(spread(figures))}" if len(figures) > 1 else "")


def spread(figures):
    """The standard deviation of figures, one a seed, as of a sample; 0 for a single one."""
    return figures.std(ddof=1) if len(figures) > 1 else 0.0


def nearer(figures, number):
    """The index of the output sum whose mean is nearest to the paper's number; figures: (sums, seeds).

    None where the paper has no number, or where the sums differ by no more than the standard deviation of either.
    """
    means = figures.mean(axis=1)
    if number is None or np.ptp(means) <= max(map(spread, figures)):
        return None
    return int(np.abs(means - number).argmin())


if __name__ == "__main__":
    run(main)
