"""Nothing is written twice: six lines of code in a row stand once in the package, and in one page only.

Lines count with their indentation taken away. Passed over are blank lines, comments, docstrings, imports,
signatures with decorators (what trainers take is alike on purpose) and lines of nothing but punctuation.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from references import ROOT

from paperlib import book

RUN = 6


def code_lines(code: str) -> list[tuple[int, str]]:
    """The lines of some code that count, with their numbers."""
    passed: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef):
            first = min([node, *node.decorator_list], key=lambda part: part.lineno)
            passed |= set(range(first.lineno, node.body[0].lineno))
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or (is_text and isinstance(node.value.value, str)):
            passed |= set(range(node.lineno, node.end_lineno + 1))
    lines = (
        (number, line.strip()) for number, line in enumerate(code.split("\n"), 1) if number not in passed
    )
    return [(number, line) for number, line in lines if re.match(r"[^#]*\w", line)]


def runs(code: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every six lines in a row, with the number of the first."""
    lines = code_lines(code)
    for window in zip(*(lines[start:] for start in range(RUN)), strict=False):
        yield window[0][0], tuple(line for _, line in window)


def twice(places: Iterable[tuple[str, int, tuple[str, ...]]]) -> dict[tuple[str, ...], list[str]]:
    """Where the runs are that stand in more than one place."""
    found = defaultdict(list)
    for name, number, run in places:
        found[run].append(f"{name}:{number}")
    return {run: where for run, where in found.items() if len(where) > 1}


def page_code(path: Path) -> str:
    cells = book.read_notebook(path).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def test_what_counts_and_what_does_not():
    six = "a = 1\nb = 2\n\n# note\nc = f(\n    1,\n)\nd = 4\nimport os\ne = 5\n"
    assert [line for _, line in code_lines(six)] == ["a = 1", "b = 2", "c = f(", "1,", "d = 4", "e = 5"]
    assert [number for number, _ in runs(six)] == [1]
    assert code_lines('"""Text."""\nfrom a import (\n    b,\n)\ndef f(\n    a,\n):\n    """Text."""\n') == []
    assert twice(("x", *run) for run in runs(six + six))
    assert not twice(("x", *run) for run in runs(six + six.replace("b", "z")))


def test_no_six_lines_stand_twice_in_the_package():
    places = (
        (path.relative_to(ROOT).as_posix(), *run)
        for path in sorted((ROOT / "paperlib").rglob("*.py"))
        for run in runs(path.read_text(encoding="utf-8"))
    )
    assert twice(places) == {}


def test_no_six_lines_stand_in_two_pages():
    pages = {
        path: set(run for _, run in runs(page_code(path))) for path in book.find_notebooks(ROOT).values()
    }
    places = ((path.stem, 0, run) for path, of_page in pages.items() for run in of_page)
    assert twice(places) == {}
