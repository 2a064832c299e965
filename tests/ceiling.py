"""What the network's 150 values can tell apart at best: a full logistic regression on them (scikit-learn).

    python tests/ceiling.py TRAINING_FOLDER FOLDER [--dropout]

Both folders have the form of dataset/. It prints how many of FOLDER's pictures are right, as evaluate.py does, without
dropout; with --dropout the regression has seen each training picture five times with dropout instead, as the paper's
training does.
"""

import pathlib
import sys
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import cnn
import model
from support.pictures import CHARACTERS
from training import load_dataset

ROUNDS = 5  # times that each picture is seen with dropout
PENALTY = 10  # scikit-learn's C, the inverse of how strongly large weights are held back
STEPS = 150


def values(pictures, masks=None):
    """load_dataset()'s pictures as shares of their sum (pictures, 150), as scale_outputs() sees them; their labels."""
    network = cnn.prepare(model.start_model("01", np.random.default_rng(0)))
    found = np.array([cnn.features(maps, *network[:2], next(masks) if masks else cnn.KEEP_ALL) for maps, _ in pictures])
    return found[:, :150] / found[:, :150].sum(axis=1, keepdims=True), [index for _, index in pictures]


def ceiling(training_folder, folder, dropout):
    """(number right, number right with both cases of a letter counting as one, number of pictures)."""
    labels = [label for label in CHARACTERS if (pathlib.Path(training_folder) / label).is_dir()]
    pictures = load_dataset(training_folder, labels)
    if dropout:
        inputs, true = values(pictures * ROUNDS, cnn.dropout_masks(np.random.default_rng(1)))
    else:
        inputs, true = values(pictures)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=STEPS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of STEPS being too few for the last digit
        classifier.fit(inputs, true)
    inputs, true = values(load_dataset(folder, labels))
    pairs = [(labels[answer], labels[index]) for answer, index in zip(classifier.predict(inputs), true)]
    return sum(a == b for a, b in pairs), sum(a.casefold() == b.casefold() for a, b in pairs), len(pairs)


if __name__ == "__main__":
    right, as_one, tries = ceiling(sys.argv[1], sys.argv[2], "--dropout" in sys.argv)
    print(f"right: {right:,} of {tries:,}, {100 * right / tries:.1f}%")
    print(f"right, both cases of a letter counting as one: {as_one:,} of {tries:,}, {100 * as_one / tries:.1f}%")
