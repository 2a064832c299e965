"""models/: the models that come ready, and what they get right."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import cnn
import model
from preprocessing import fit
from support.pictures import CHARACTERS, find_pictures

MODELS = {"shipped": ("01", 100), "paper": ("01", 10), "digits": ("0123456789", 98.3), "characters": (CHARACTERS, 360)}


@pytest.mark.parametrize("name", MODELS)
def test_it_has_its_kernels_its_labels_and_its_output_sum(name):
    found = model.read_model(ROOT / "models" / f"{name}.doc")
    for kernels, expected in zip(found, model.hand_set_kernels()):
        assert np.array_equal(kernels, expected) == (name in ("shipped", "paper"))  # the others' are trained
    assert found[3:] == [list(MODELS[name][0]), MODELS[name][1]]
    assert found[2].shape == (1, 151 * len(MODELS[name][0]))


def right(name, pictures):
    """How many of (path, label) pairs a model gets right, cut to their ink."""
    found = model.read_model(ROOT / "models" / f"{name}.doc")
    labels = model.labels_of(found)
    answers = [labels[cnn.cnn(np.asarray(fit(Image.open(path), trim=True)), found).argmax()] for path, _ in pictures]
    return sum(answer == label for answer, (_, label) in zip(answers, pictures))


@pytest.mark.parametrize(("name", "least"), [("digits", 0.98), ("characters", 0.8)])
def test_the_pictures_of_the_dataset(name, least):
    pictures = [(path, label) for label in "0123456789" for path in find_pictures(ROOT / "dataset", label)[::10]]
    assert right(name, pictures) >= least * len(pictures)


def test_the_digits_among_real_pictures(real_pictures):
    assert right("digits", real_pictures) >= 0.94 * 520
