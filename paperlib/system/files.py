"""Files that are there as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from paperlib.system.errors import InputError

logger = logging.getLogger(__name__)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` write a file beside `path`, then move it into place, safe from a power failure.

    What writes of this file that were killed have left is removed.
    """
    for left in path.parent.glob(f".{escape(path.stem)}-????????{escape(path.suffix)}"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)  # its mode is the user's choice, the umask
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` atomically, with a hash of itself, for `read_json`."""
    text = json.dumps({**content, "checksum": _checksum(content)}, indent=2)
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; empty where nothing did, and where the file was damaged since, with a note."""
    if not os.path.lexists(path):
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("checksum") == _checksum(content):
            return content
    except Exception:  # a damaged file can raise anything
        pass
    logger.warning("%s is damaged and counts as missing.", path)
    return {}


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
