"""Files that are there as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from paperlib.system.errors import InputError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` write a file beside `path`, then move it into place, safe from a power failure.

    What writes of this file that were killed have left is removed.
    """
    for left in path.parent.glob(f".{path.stem}-????????{path.suffix}"):
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def find_root(start: Path) -> Path:
    """The project's folder: `start` or the nearest folder above it with the book's table of contents.

    Raises
    ------
    InputError
        Where there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file() and (folder / "book" / "profiles.yml").is_file():
            return folder
    raise InputError(f"No _toc.yml and book/profiles.yml in {start} or above: run this inside the project.")


def hash_files(root: Path, files: Iterable[Path]) -> str:
    """Hash of `files` in the folder `root`, their names below it included."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
