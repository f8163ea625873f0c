"""Failures: which cell of an executed notebook did not complete, told with its place in the source."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from paperlib.book.notebooks import code_cell_lines, read_notebook
from paperlib.book.tasks import Task


class BookError(RuntimeError):
    """A notebook or the rendering of the book failed; the message says where."""


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped."""

    task: Task
    cell: int
    line: int
    code: str
    error: str

    def __str__(self) -> str:
        return (
            f"{self.task.name}: code cell {self.cell} failed ({shown(self.task.source)}, line {self.line})\n"
            f"    {self.code}\n"
            f"{self.error}\n"
            f"The notebook up to this cell: {shown(self.task.failed_output)}"
        )


def find_failure(task: Task, notebook: NotebookNode) -> Failure | None:
    """The first code cell of an executed notebook that did not complete, None where all did."""
    codes = [cell.source for cell in read_notebook(task.source).cells if cell.cell_type == "code"]
    lines = code_cell_lines(task.source.read_text(encoding="utf-8"), codes)
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += "injected-parameters" not in cell.metadata.get("tags", [])
        errors = [output for output in cell.outputs if output.output_type == "error"]
        replied = "shell.execute_reply" in cell.metadata.get("execution", {}) or not cell.source.strip()
        if replied and not errors:
            continue
        offset, error = 0, "The kernel died or was stopped in this cell."
        if errors:
            error = f"{errors[0].ename}: {errors[0].evalue}"
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(errors[0].traceback))
            if match := re.search(r"Cell In\[\d+\], line (\d+)", trace):
                offset = int(match[1]) - 1
        code = cell.source.splitlines()[offset].strip()
        return Failure(task, number, lines[number - 1] + offset, code, error)
    return None


def shown(path: Path) -> str:
    """A path as the user would type it."""
    return os.path.relpath(path)
