"""Rendering: pages and executed notebooks are staged together, and jupyter-book renders them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from paperlib.book.failures import BookError, shown
from paperlib.book.provenance import environment_tables, provenance_cell
from paperlib.book.tasks import Task
from paperlib.system.files import hash_files, read_json, write_json

# Beside book/ itself; the last two are shown by pages.
STAGED_FILES = ("_config.yml", "_toc.yml", "CHANGELOG.md", "CITATION.cff")


def build_book(
    root: Path, tasks: Sequence[Task], *, strict: bool = False, echo: Callable[[str], None] = print
) -> Path:
    """Render all pages into ``_build/html``, with the outputs of those tasks that are up to date.

    Nothing is done where the same pages were rendered before.  Where jupyter-book fails, or with `strict`
    warns, it is a BookError and the last good pages stay.  Returns the page to open.
    """
    html, record = (root / "_build" / name for name in ("html", "html.json"))
    index = html / "index.html"
    pages = stage_book(root, tasks)
    built = read_json(record) if index.is_file() else {}
    if built.get("pages") == pages and built["strict"] >= strict:
        echo("The book is up to date.")
        return index
    fresh = run_jupyter_book(root, strict, echo)
    record.unlink(missing_ok=True)
    shutil.rmtree(html, ignore_errors=True)
    os.replace(fresh, html)
    write_json(record, {"pages": pages, "strict": strict})
    return index


def stage_book(root: Path, tasks: Sequence[Task]) -> str:
    """Copy the book to ``_build/stage`` with executed notebooks in place of their sources.

    Returns the hash of everything that the rendered pages depend on.
    """
    folder = root / "_build" / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in STAGED_FILES:
        shutil.copyfile(root / name, folder / name)
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns(".*", "_*"))
    executed = [task for task in tasks if not task.reasons()]
    for task in executed:
        source = folder / "sources" / "book" / f"{task.name}.md"
        source.parent.mkdir(parents=True, exist_ok=True)
        (folder / "book" / f"{task.name}.md").rename(source)
        notebook = nbformat.read(task.output, as_version=4)
        notebook.cells.append(provenance_cell(task))
        nbformat.write(notebook, folder / "book" / f"{task.name}.ipynb")
    if executed:
        with (folder / "book" / "environment.md").open("a", encoding="utf-8") as page:
            page.write(environment_tables(executed))
    staged = [path for path in folder.rglob("*") if path.is_file()]
    documented = (root / "paperlib").rglob("*.py")
    return hash_files(root, [root / "constraints.txt", *documented, *staged])


def run_jupyter_book(root: Path, strict: bool, echo: Callable[[str], None], builder: str = "html") -> Path:
    """Render what is staged, print the warnings, and return the folder of the new pages."""
    log, fresh = root / "_build" / f"{builder}.log", root / "_build" / "render"
    echo(f"Building the book (messages: {shown(log)}) ...")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [".", "--path-output", str(fresh), "--all", "--builder", builder]
    command += ["-W", "-n", "--keep-going"] if strict else []
    stage = root / "_build" / "stage"  # the extensions' path in _config.yml is relative to the current folder
    with log.open("w", encoding="utf-8") as stream:
        run = subprocess.run(command, cwd=stage, stdout=stream, stderr=subprocess.STDOUT, check=False)
    for line in log.read_text(encoding="utf-8").splitlines():
        if "WARNING" in line:
            echo(line)
    if run.returncode != 0:
        raise BookError(f"jupyter-book failed (exit code {run.returncode}); see {shown(log)}.")
    return fresh / "_build" / builder
