"""Failures: which cell of an executed notebook did not complete, told with its place in the source."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nbformat import NotebookNode

from paperlib.book.notebooks import code_cell_lines, read_notebook
from paperlib.book.tasks import Task


class BookError(RuntimeError):
    """A notebook or the rendering of the book failed; the message says where."""


def find_failure(task: Task, notebook: NotebookNode) -> str | None:
    """Where and why an executed `notebook` stopped: its first code cell that did not complete, if any."""
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
        line = lines[number - 1] + offset
        return (
            f"{task.name}: code cell {number} failed ({shown(task.source)}, line {line})\n"
            f"    {cell.source.splitlines()[offset].strip()}\n"
            f"{error}\n"
            f"The notebook up to this cell: {shown(task.failed_output)}"
        )
    return None


def shown(path: Path) -> str:
    """A path as the user would type it."""
    return os.path.relpath(path)
