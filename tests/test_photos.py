"""Photos of handwriting: the answer is right, or the ink is said to be doubtful."""

import os
from collections import Counter

import pytest
from conftest import ROOT
from photos import FONTS, KINDS, photos

import cnn
from model import read_model
from preprocessing import fit_ink, open_picture
from support.ink import find_ink


@pytest.mark.slow
def test_photos_are_right_or_in_doubt(tmp_path):
    missing = [path for path in FONTS if not os.path.exists(path)]
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{missing[0]} is missing")
    model, right, doubtful, wrong = read_model(ROOT / "models" / "digits.doc"), Counter(), Counter(), Counter()
    for kind, digit, data in photos():
        (tmp_path / "photo").write_bytes(data)
        picture, _ = open_picture(tmp_path / "photo")
        ink, is_doubtful = find_ink(picture)
        is_right = next(iter(cnn.classify(fit_ink(ink), model))) == digit  # as classify() with trim
        right[kind] += is_right
        doubtful[kind] += is_doubtful
        wrong[kind] += not is_right and not is_doubtful
    for kind, count in KINDS.items():
        print(f"{kind}: right {right[kind]} of {count}, in doubt {doubtful[kind]}, wrong without doubt {wrong[kind]}")
    assert right.pop("clean") >= 97
    assert doubtful["clean"] <= 3
    assert sum(right.values()) >= 193
    assert sum(wrong.values()) - wrong["clean"] <= 6
