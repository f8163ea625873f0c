"""Code is short: cells of pages, all of them together, and the bodies of functions."""

from __future__ import annotations

import ast

import pytest
from references import ROOT

from paperlib import book

LONGEST_CELL = 25  # lines, without the options at its top
ALL_CELLS = 2800  # lines that are not blank
LONGEST_BODY = 60  # lines, without the docstring
PAGES = book.find_notebooks(ROOT)
MODULES = sorted((ROOT / "paperlib").rglob("*.py"))


def cells(page: str) -> list[list[str]]:
    """Lines of each code cell; its options are no longer among them."""
    found = book.read_notebook(PAGES[page]).cells
    return [cell.source.split("\n") for cell in found if cell.cell_type == "code"]


def body_length(function: ast.FunctionDef) -> int:
    """Lines from the first statement to the last, after the docstring."""
    statements = function.body[ast.get_docstring(function) is not None :]
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


@pytest.mark.parametrize("page", PAGES)
def test_cells_are_short(page):
    assert [lines[0] for lines in cells(page) if len(lines) > LONGEST_CELL] == []


def test_pages_are_prose_and_calls():
    lines = [line for page in PAGES for cell in cells(page) for line in cell if line.strip()]
    assert len(lines) <= ALL_CELLS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT / "paperlib").as_posix())
def test_functions_are_short(path):
    functions = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    lengths = {each.name: body_length(each) for each in functions if isinstance(each, ast.FunctionDef)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_BODY} == {}
