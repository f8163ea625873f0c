"""Folders that one process works in at a time."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from paperlib.system.errors import InputError


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the file `path` while inside: no other process does; the system lets go however this one ends.

    Raises
    ------
    InputError
        Saying which process at work on `what` holds it, where it runs and since when.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"Another process is at work on {what} ({file.read().strip()}); wait for its end, or end it."
            ) from None
        except OSError:  # a file system without locks
            pass
        if not (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())):
            raise InputError(f"Another process was at work on {what} until now; start again.")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
