"""Planning: the notebooks of the table of contents as tasks, checked before anything runs."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from paperlib.book.notebooks import find_notebooks, read_notebook
from paperlib.book.tasks import Choice, Task, sha256
from paperlib.system.errors import InputError
from paperlib.system.files import hash_files
from paperlib.system.imports import imported_files
from paperlib.system.validation import check_choice

PROFILES = ("smoke", "laptop", "paper")


def plan(
    root: Path, profile: str, images: str | None = None, only: Sequence[str] = (), *, download: bool = False
) -> list[Task]:
    """The notebooks of the book in its order as tasks, checked: parameters known, files present.

    Parameters are those of `paperlib.book.reproduce`; with `download` the images may be downloaded where no
    source is named.
    """
    check_choice("profile", profile, PROFILES)
    entries = read_profiles(root)
    only = [find_key(name, list(entries)) for name in only]
    sources = find_notebooks(root, only)
    if missing := sorted(set(sources) - set(entries)):
        raise InputError(f"book/profiles.yml has no entry for {', '.join(missing)}: add one.")
    if missing := sorted(set(only or entries) - set(sources)):
        raise InputError(f"book/profiles.yml names {', '.join(missing)}, which _toc.yml does not list.")

    choose = cache(partial(choose_data, root, images, download=download))
    shared = {"environment": sha256((root / "constraints.txt").read_bytes())}
    tasks: list[Task] = []
    known: dict[Path, set[Path]] = {}
    for name in sources:
        used = entries[name].get("data", "images" if entries[name].get("images", True) else None)
        read = [path for pattern in entries[name].get("files", []) for path in root.glob(pattern)]
        written = root / "results" / profile / name  # by this very run
        files = {"files": hash_files(root, (path for path in read if not path.is_relative_to(written)))}
        data = choose(used) if used else None
        tasks.append(_make_task(root, name, profile, entries[name][profile], data, shared | files, known))
    return tasks


def find_key(name: str, keys: Sequence[str]) -> str:
    """The key of a page: `name` itself, or the only one that ends with it."""
    found = [key for key in keys if key == name] or [key for key in keys if key.endswith(f"/{name}")]
    if len(found) > 1:
        raise InputError(f"{name} could be {' or '.join(found)}: name it in full.")
    if not found:
        known = ", ".join(keys)
        raise InputError(f"Unknown notebook {name}: choose from {known}, or add it to book/profiles.yml.")
    return found[0]


def read_profiles(root: Path) -> dict[str, dict[str, Any]]:
    """``book/profiles.yml``, checked to hold minutes and parameters for every notebook and profile."""
    path = root / "book" / "profiles.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, entry in entries.items():
        if unknown := sorted(set(entry) - {*PROFILES, "data", "images", "files"}):
            raise InputError(f"book/profiles.yml, {name}: unknown key {', '.join(unknown)}.")
        for profile in PROFILES:
            settings = entry.get(profile)
            if not isinstance(settings, dict) or set(settings) != {"minutes", "parameters"}:
                raise InputError(f"book/profiles.yml, {name}: {profile} needs minutes and parameters.")
    return entries


def choose_data(root: Path, images: str | None, used: str, *, download: bool) -> Choice:
    """Settle on the data for the whole run: all pages with images show the same, none waits for the network.

    A page has `used` ``images``, or a data set or file, from `root`, of `paperlib.data.load_matrix`.  Where
    no source of `images` is named and there is to be no `download`, they are those of the cache, or the
    photographs if it is empty.
    """
    from paperlib.data import load_images, load_matrix
    from paperlib.data.download import cached_olshausen
    from paperlib.data.matrix import DATA_SETS

    if used != "images":
        named = used if used in DATA_SETS else str(root / used)
        matrix = load_matrix(named)
        return Choice("PAPERLIB_DATA", named, matrix.describe(), matrix.sha256)
    images = images or os.environ.get("PAPERLIB_IMAGES") or None
    if images is None and not download:
        images = "olshausen" if cached_olshausen() else "photos"
    if images not in (None, "olshausen", "photos"):
        images = str(Path(images).expanduser().resolve())
    loaded = load_images(images)
    source = images or ("olshausen" if cached_olshausen() else "photos")
    return Choice("PAPERLIB_IMAGES", source, loaded.describe(), loaded.sha256)


def _make_task(
    root: Path,
    name: str,
    profile: str,
    settings: dict[str, Any],
    data: Choice | None,
    shared_inputs: dict[str, str],
    known: dict[Path, set[Path]],
) -> Task:
    source, parameters = root / "book" / f"{name}.md", settings["parameters"]
    notebook = read_notebook(source)
    check_parameters(notebook, parameters, f"book/{name}.md at profile {profile}")
    modules = imported_files(_plain_code(notebook), root, known)
    inputs = {
        "source": sha256(source.read_bytes()),
        "parameters": sha256(json.dumps(parameters, sort_keys=True).encode()),
        "data": f"{data.source} {data.sha256}" if data else "not used",
        **shared_inputs,
        **{path.relative_to(root).as_posix(): sha256(path.read_bytes()) for path in sorted(modules)},
    }
    return Task(root, name, profile, parameters, float(settings["minutes"]), data, inputs)


def _plain_code(notebook: NotebookNode) -> str:
    """The code of all cells, with IPython's own commands as Python."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return "\n".join(map(TransformerManager().transform_cell, cells))


def check_parameters(notebook: NotebookNode, parameters: dict[str, Any], where: str) -> None:
    """Refuse a notebook without exactly one cell tagged ``parameters``, and names that cell does not set.

    papermill itself overwrites nothing in the first case, and only warns in the second.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(f"{where}: expected one cell tagged 'parameters', found {len(cells)}.")
    known = set()
    for node in ast.parse(cells[0].source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        known |= {target.id for target in targets if isinstance(target, ast.Name)}
    if unknown := sorted(set(parameters) - known):
        raise InputError(
            f"{where}: unknown parameter {', '.join(unknown)}; its parameters cell sets "
            f"{', '.join(sorted(known)) or 'none'}."
        )
