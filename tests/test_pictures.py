"""pictures.py: names and classes, and letters that share a folder."""

import pytest

from support import pictures
from support.files import InputError


def test_class_numbers_are_chars74ks():
    numbers = {label: pictures.class_number(label) for label in "09AZaz"}
    assert numbers == {"0": 1, "9": 10, "A": 11, "Z": 36, "a": 37, "z": 62}
    assert pictures.picture_path("d", "b", 7).replace("\\", "/") == "d/b/img038-00007.png"


def test_letters_that_share_a_folder_are_told_apart_by_their_class(tmp_path):
    for label in "Aa":  # one folder where the disk does not tell cases apart; here the other way round, by hand
        (tmp_path / label).mkdir(exist_ok=True)
        for name in ("img011-00001.png", "img037-00001.png", "img999-00001.png"):
            (tmp_path / label / name).touch()
    assert [path[-16:-10] for path in pictures.find_pictures(tmp_path, "A")] == ["img011", "img999"]
    assert [path[-16:-10] for path in pictures.find_pictures(tmp_path, "a")] == ["img037", "img999"]


@pytest.mark.parametrize("label", ["7", "é", "cat"])
def test_an_absent_or_empty_folder_is_named(tmp_path, label):
    with pytest.raises(InputError, match="expected a folder of pictures"):
        pictures.find_pictures(tmp_path, label)
    (tmp_path / label).mkdir()
    with pytest.raises(InputError, match="expected pictures with names like"):
        pictures.find_pictures(tmp_path, label)


def test_a_label_of_several_letters_is_no_class(tmp_path):
    (tmp_path / "hi").mkdir()
    (tmp_path / "hi" / "img018-00001.png").write_bytes(b"")
    assert len(pictures.find_pictures(tmp_path, "hi")) == 1
    assert pictures.has_pictures(tmp_path, "hi")
    assert not pictures.has_pictures(tmp_path, "no")
