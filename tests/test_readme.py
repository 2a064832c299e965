"""README.md and docs/ are true: their examples, the files and options that they name, the oddities."""

import importlib
import re
import shlex
import sys

import numpy as np
import pytest
from conftest import ROOT

import cnn
import model

PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
README = TEXTS["README.md"]
CODE = [path for folder in (".", "support", "sources", "experiments") for path in (ROOT / folder).glob("*.py")]
LATER = {"metadata.doc.bak", "model.doc.bak", "metadata.doc.resume"}  # only there after a training


def test_the_examples_of_the_shell_print_what_they_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = re.findall(r"^>>> (?!import)(.+)\n([^>`]+)", README, re.MULTILINE)
    assert len(examples) == 2
    for code, shown in examples:
        found, expected = (
            eval(text, {"cnn": cnn, "model": model, "array": np.array}) for text in (code, shown.strip())
        )
        if isinstance(found, dict):
            assert list(found) == list(expected)
            found, expected = list(found.values()), list(expected.values())
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_example_of_the_command_line_prints_what_it_says(run_script):
    line, shown = re.search(r"```\npython (cnn\.py .+)\n```\n```\n(.+)\n```", README).groups()
    script, *arguments = shlex.split(line)
    assert run_script(script, *arguments, cwd=ROOT).stdout == f"{shown}\n"


def test_every_script_at_the_root_has_its_sentence_and_there_are_ten_at_most():
    scripts = {path.name for path in ROOT.glob("*.py") if not path.name.startswith("mine")}  # a reader's own
    assert scripts <= set(re.findall(r"`([\w./-]+\.py)`", README))
    assert len(scripts) <= 10


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_named_is_there(page):
    named = set(re.findall(r"`([\w./-]+\.(?:py|doc|html|txt|md|sh))`", TEXTS[page])) - LATER
    assert not [name for name in named if not (ROOT / name).exists()]
    shown = re.findall(r"!\[.*?\]\((.+?)\)", TEXTS[page])
    assert not [name for name in shown if not (PAGES[page].parent / name).is_file()]


def test_the_oddities_are_numbered_alike_in_the_code_and_in_docs():
    text = re.search(r"^## Oddities .*?\n(.*?)(?=^## )", TEXTS["docs/reproduction.md"], re.MULTILINE | re.DOTALL)[1]
    listed = {int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)}
    marked = {int(number) for path in CODE for number in re.findall(r"Oddity (\d+)", path.read_text(encoding="utf-8"))}
    assert listed == marked == set(range(1, max(listed) + 1))


def test_every_option_named_exists(capsys, monkeypatch):
    def help_of(name):
        monkeypatch.setattr(sys, "argv", [name, "--help"])
        with pytest.raises(SystemExit):
            importlib.import_module(name.removesuffix(".py")).main()
        return capsys.readouterr().out

    helps = {}
    for page, text in TEXTS.items():
        for script, words in re.findall(r"python3? (?:-m )?([\w./]+)([^`\n]*)", text):
            if script == "-m":
                continue
            options = set(re.findall(r"(?<!\S)--[a-z][\w-]*", words)) - {"--no-install-recommends"}
            if options:
                scripts = [script] if script != "experiments.compare" else [script, "controller.py"]
                helps[script] = helps.get(script) or "".join(map(help_of, scripts))
                assert not {option for option in options if option not in helps[script]}, f"{page}: {script}"
