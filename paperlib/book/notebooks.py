"""The book's pages on disk: which there are, which are notebooks, and where their code cells begin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jupytext
import yaml
from nbformat import NotebookNode

from paperlib.system.errors import InputError


def find_notebooks(root: Path, only: Sequence[str] = ()) -> dict[str, Path]:
    """Key → source of the executable pages (those with a kernel in their front matter), in book order.

    A page's key is its path below book/ without its suffix, such as ``sparse_codes/bars``.
    """
    found = {page.relative_to(root / "book").with_suffix("").as_posix(): page for page in read_pages(root)}
    pages = {key: page for key, page in found.items() if not only or key in only}
    for page in pages.values():
        if not page.is_file():
            raise InputError(f"_toc.yml names {page.relative_to(root)}, which does not exist.")
    return {key: page for key, page in pages.items() if "kernelspec" in _front_matter(page)}


def read_pages(root: Path) -> list[Path]:
    """The pages of ``_toc.yml`` in order, as source files."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: Any) -> Iterable[str]:
        for item in node if isinstance(node, list) else []:
            yield from walk(item)
        for key, value in node.items() if isinstance(node, dict) else []:
            yield from [value] if key in ("root", "file") else walk(value)

    return [root / f"{name}.md" for name in walk(toc)]


def read_notebook(source: Path) -> NotebookNode:
    """A MyST notebook as notebook node, with cell ids that depend on the order only."""
    return number_cells(jupytext.read(source))


def number_cells(notebook: NotebookNode) -> NotebookNode:
    """The notebook with its cells' places as their ids; changed in place."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def code_cell_lines(text: str, sources: Sequence[str]) -> list[int]:
    """Line numbers, from 1, at which the code of each code cell of a MyST notebook begins."""
    lines = text.splitlines()
    starts: list[int] = []
    ticks = ""
    for number, line in enumerate(lines):
        if ticks:
            ticks = "" if line.rstrip() == ticks else ticks
        elif match := re.match(r"(`{3,})(\{code-cell\})?", line):
            ticks = match[1]
            if match[2]:
                first = next(iter(sources[len(starts)].splitlines()), line)
                starts.append(lines.index(first, number) + 1)
    return starts


def _front_matter(page: Path) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", page.read_text(encoding="utf-8"), re.DOTALL)
    return (yaml.safe_load(match[1]) or {}) if match else {}
