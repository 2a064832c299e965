"""ceiling.py: the regression that the models are held against."""

import pytest
from conftest import ROOT

pytest.importorskip("sklearn")
import ceiling


@pytest.mark.parametrize("dropout", [False, True])
def test_it_learns_what_it_is_shown(dataset, dropout):
    assert ceiling.ceiling(dataset, dataset, dropout) == (8, 8, 8)


def test_nothing_outside_the_tests_needs_scikit_learn():
    assert not [path for path in ROOT.glob("*.py") if "sklearn" in path.read_text(encoding="utf-8")]
