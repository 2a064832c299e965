"""README.md says what is so: its example, its files, its numbered oddities, its commands' options."""

import re

import numpy as np
from conftest import ROOT

import cnn
import model

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("*.py")}


def section(title):
    """The text below a heading, up to the next one."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


def test_the_example_prints_what_it_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    picture, file = re.search(r'>>> cnn\.cnn\("(.+?)", model\.read_model\("(.+?)"\)\)', README).groups()
    shown = re.search(r"^array\(\[(.+)\]\)$", README, re.MULTILINE)[1]
    np.testing.assert_allclose(cnn.cnn(picture, model.read_model(file)), np.array(shown.split(","), float), atol=1e-7)


def test_every_script_has_its_sentence_and_every_file_named_is_there():
    named = re.findall(r"`([\w./-]+\.(?:py|doc|html|txt))`", README)
    assert set(SCRIPTS) <= set(named)
    later = {"metadata.doc.bak", "model.doc.bak"}
    assert not [name for name in named if name not in later and not (ROOT / name).exists()]
    assert not [name for name in re.findall(r"!\[.*?\]\((.+?)\)", README) if not (ROOT / name).is_file()]


def test_the_oddities_are_numbered_alike_in_the_code_and_here():
    listed = {
        int(number) for number in re.findall(r"^(\d+)\. ", section("Oddities of the paper that are kept"), re.MULTILINE)
    }
    marked = {int(number) for text in SCRIPTS.values() for number in re.findall(r"Oddity (\d+)", text)}
    assert listed == marked == set(range(1, max(listed) + 1))


def test_every_option_named_exists(run_script):
    helps = {}
    for script, command, options in re.findall(r"python (\w+\.py)( import| render|)([^`\n]*)", README):
        if (script, command) not in helps:
            helps[script, command] = run_script(script, *command.split(), "--help").stdout
        for option in re.findall(r"--[\w-]+", options):
            assert option in helps[script, command], f"{script}{command} {option}"
