"""The reference notebooks of nbval: smoke profile, embedded photographs, nothing that differs between runs.

`make references` writes them again, this script with names of pages only those; tests/test_pages.py holds
them against the pages they are made from.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbval.plugin import coalesce_streams

from paperlib import book

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "reference"
CHECKED = "nbval-check-output"


def referenced_tasks() -> list[book.Task]:
    """The notebooks with cells whose output is checked."""
    return [task for task in book.plan(ROOT, "smoke", "photos") if has_checked_cells(task)]


def has_checked_cells(task: book.Task) -> bool:
    return any(CHECKED in tags(cell) for cell in book.read_notebook(task.source).cells)


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def make_reference(task: book.Task) -> str:
    """Execute a notebook; its text, with the printed output of the checked cells and no other."""
    environment = {"PAPERLIB_IMAGES": "photos"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / task.failed_output.name
        notebook, problem = book.Papermill().run(task.source, task.parameters, output, environment)
    if failure := book.find_failure(task, notebook):
        raise book.BookError(failure)
    if problem:
        raise book.BookError(problem)
    notebook = book.strip_volatile(notebook)
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # printed text comes in pieces, other ones in every run
            outputs = coalesce_streams(cell.outputs)
            cell.outputs = [printed(output) for output in outputs if CHECKED in tags(cell)]
    return nbformat.writes(notebook) + "\n"


def printed(output: NotebookNode) -> NotebookNode:
    """An output without its pictures."""
    if "data" in output:
        output.data = {kind: data for kind, data in output.data.items() if kind.startswith("text/")}
    return output


if __name__ == "__main__":
    tasks, only = referenced_tasks(), sys.argv[1:]
    for task in tasks:
        if not only or task.name in only or task.source.stem in only:
            (FOLDER / f"{task.name}.ipynb").parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{task.name}.ipynb").write_text(make_reference(task), encoding="utf-8")
            print(f"tests/reference/{task.name}.ipynb")
    for old in set(FOLDER.rglob("*.ipynb")) - {FOLDER / f"{task.name}.ipynb" for task in tasks}:
        old.unlink()
