"""Imports run down only, as each script's first lines say."""

import ast

import pytest
from conftest import ROOT

# From the ground up; what stands beside each other on one line does not import each other, but in a folder.
LAYERS = [
    {"support"},
    {"preprocessing", "model"},
    {"metadata", "cnn", "sources"},
    {"backpropagation"},
    {"training"},
    {"controller", "results", "network", "demo"},
    {"experiments"},
]
HEIGHTS = {name: height for height, layer in enumerate(LAYERS) for name in layer}
TOP = {"controller", "demo", "experiments", "sources"}  # imported by nothing but their tests
SCRIPTS = sorted(path for name in HEIGHTS for path in [*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_script_imports_what_stands_below_it(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    imports = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(node, "names")]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    found = {name.split(".")[0] for name in names} - {own}
    assert not found & TOP
    assert not {name for name in found & HEIGHTS.keys() if HEIGHTS[name] >= HEIGHTS[own]}


def test_every_script_has_its_place():
    assert {path.stem for path in ROOT.glob("*.py")} <= HEIGHTS.keys()
    assert len(SCRIPTS) > 20
