"""The architecture: a module imports only from layers above its own, as the list below has them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from paperlib.system.imports import imported_files

PACKAGE = Path(__file__).parents[1] / "paperlib"
LAYERS = (
    {"system"},
    {"elbo", "data"},
    {"models"},
    {"plotting", "testing"},
    {"records", "runs"},
    {"papers"},
    {"book"},
    {"cli"},
    {"__init__", "__main__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def unit(path: Path) -> str:
    """The module or subpackage right below paperlib that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The modules and subpackages right below paperlib that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "paperlib":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("paperlib."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("paperlib.")}
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_a_layer():
    assert {unit(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_up(path):
    own = unit(path)
    below = {name for name in imported(path) - {own} if LEVEL[name] >= LEVEL[own]}
    assert not below, f"{own} imports {', '.join(sorted(below))}, which are not above it"


def test_the_reference_shows_the_layers_as_they_are():
    index = (PACKAGE.parent / "book" / "api" / "index.md").read_text(encoding="utf-8")
    table = index.partition("| folder | what is in it |\n|---|---|\n")[2].partition("\n\n")[0]
    shown = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()]
    assert shown == list(LAYERS[:-1])


def test_no_import_runs_in_a_circle():
    root = PACKAGE.parent
    modules = [path for path in FILES if path.name != "__init__.py"]
    known = {}
    used = {path: imported_files(path.read_text(encoding="utf-8"), root, known) for path in modules}
    assert not [path.relative_to(root).as_posix() for path, files in used.items() if path in files]
