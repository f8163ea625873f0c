"""Which modules of the package some code imports, read from its text: nothing is executed.

A name that a package loads lazily, by the stub `__init__.pyi` beside its `__init__.py`, counts as the module
that defines it; a package as a whole counts as all modules that its stub names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from paperlib.system.moved import new_name

PACKAGE = "paperlib"
Name = tuple[str, ...]


def imported_files(code: str, root: Path, known: dict[Path, set[Path]] | None = None) -> set[Path]:
    """Source files of the package in the folder `root` that `code` imports, directly or through others.

    Imports inside functions count, too, and those that only type checkers see.  What files import is kept in
    `known`, for several calls while no file changes.
    """
    known = {} if known is None else known
    found: set[Path] = set()
    ahead = list(_direct(code, (), root))
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            if path not in known:
                package = path.relative_to(root).parts[:-1]
                known[path] = set(_direct(path.read_text(encoding="utf-8"), package, root))
            ahead += known[path]
    return found


def _direct(code: str, package: Name, root: Path) -> Iterator[Path]:
    """Files that `code`, a module of `package`, imports itself."""
    for level, module, name in _imports(code):
        above = package[: len(package) + 1 - level] if level else ()
        yield from _files((*above, *module), name, root)


@cache
def _imports(code: str) -> frozenset[tuple[int, Name, str]]:
    """Leading dots, module and name of every import; the name is empty for the module itself."""
    found: set[tuple[int, Name, str]] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = tuple(alias.name.split("."))
                first = len(module) if alias.asname else 1  # else the packages above it are at hand, too
                found |= {(0, module[:end], "") for end in range(first, len(module) + 1)}
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            found |= {(node.level, module, alias.name) for alias in node.names}
    return frozenset(found)


def _files(module: Name, name: str, root: Path) -> Iterator[Path]:
    """Files that run when `name` is taken from a module, or the module itself where it is empty."""
    if module[:1] != (PACKAGE,):
        return
    module = tuple(new_name(".".join(module)).split("."))
    folders = [root.joinpath(*module[:end]) for end in range(1, len(module) + 1)]
    files = [folder / "__init__.py" for folder in folders] + [folders[-1].with_suffix(".py")]
    yield from filter(Path.is_file, files)
    if name and (folders[-1].joinpath(name).is_dir() or folders[-1].joinpath(f"{name}.py").is_file()):
        yield from _files((*module, name), "", root)
    stub = folders[-1] / "__init__.pyi"
    if stub.is_file():
        for _, where, what in _imports(stub.read_text(encoding="utf-8")):
            if name in ("", "*", what):
                yield from _files((*module, *where), what, root)
