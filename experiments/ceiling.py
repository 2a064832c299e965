"""What the network's 150 values can tell apart at best: a full logistic regression on them. Not in the paper.

    python -m experiments.ceiling TRAINING_FOLDER FOLDER [--dropout]

Both folders have the form of dataset/. It prints how many of FOLDER's pictures are right, as experiments.evaluate does,
without dropout; with --dropout the regression has seen each training picture five times with dropout instead, as the
paper's training does. It needs scikit-learn, which nothing else does.
"""

import warnings

import numpy as np

import cnn
from experiments.shared import last_inputs
from model import hand_set_kernels
from support.commandline import Parser, run, share
from support.files import InputError
from support.pictures import CHARACTERS, has_pictures
from training import load_dataset

ROUNDS = 5  # times that each picture is seen with dropout
PENALTY = 10  # scikit-learn's C, the inverse of how strongly large weights are held back
STEPS = 150


def main():
    parser = Parser("Try a full logistic regression on the network's 150 values.")
    parser.add_argument("training_folder", metavar="TRAINING_FOLDER", help="pictures to learn from")
    parser.add_argument("folder", metavar="FOLDER", help="pictures to try it on")
    parser.add_argument("--dropout", action="store_true", help="learn from each picture five times, with dropout")
    options = parser.parse_args()
    right, as_one, tries = ceiling(options.training_folder, options.folder, options.dropout)
    print(f"right: {share(right, tries)}")
    print(f"right, both cases of a letter counting as one: {share(as_one, tries)}")


def ceiling(training_folder, folder, dropout):
    """(number right, number right with both cases of a letter counting as one, number of pictures)."""
    classifier = new_classifier()
    labels = [label for label in CHARACTERS if has_pictures(training_folder, label)]
    if len(labels) < 2:
        raise InputError(f"{training_folder}: expected folders of pictures for two or more labels, such as 0 and 1")
    pictures, tried = load_dataset(training_folder, labels), load_dataset(folder, labels)
    masks = cnn.dropout_masks(np.random.PCG64(1)) if dropout else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of STEPS being too few for the last digit
        classifier.fit(*values(pictures * ROUNDS if dropout else pictures, masks))
    inputs, true = values(tried)
    pairs = [(labels[answer], labels[index]) for answer, index in zip(classifier.predict(inputs), true)]
    return sum(a == b for a, b in pairs), sum(a.casefold() == b.casefold() for a, b in pairs), len(pairs)


def new_classifier():
    """A logistic regression that has seen nothing. Raises InputError where scikit-learn is missing."""
    try:
        from sklearn import linear_model, pipeline, preprocessing  # noqa: PLC0415, an extra
    except ImportError:
        raise InputError("the ceiling needs scikit-learn; install it with pip install scikit-learn") from None
    regression = linear_model.LogisticRegression(C=PENALTY, max_iter=STEPS)
    return pipeline.make_pipeline(preprocessing.StandardScaler(), regression)


def values(pictures, masks=None):
    """load_dataset()'s pictures as shares of their sum (pictures, 150), as scale_outputs() sees them; their labels."""
    inputs, true = zip(*last_inputs(hand_set_kernels()[1], pictures, masks))
    found = np.array(inputs)[:, :150]
    return found / found.sum(axis=1, keepdims=True), true


if __name__ == "__main__":
    run(main)
