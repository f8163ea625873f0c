"""Memory: how much is free, asked before more is needed."""

from __future__ import annotations

import math
import os
from pathlib import Path

from paperlib.system.errors import InputError

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def check_memory(needed: float, what: str) -> None:
    """Refuse `what`, if the bytes `needed` for it are more than are free.

    Raises
    ------
    InputError
        Saying both.
    """
    if needed > (free := free_memory()):
        raise InputError(f"{what} needs {_size(needed)} of memory, and {_size(free)} are free; choose less.")


def free_memory() -> int:
    """Bytes that the machine, or the container, has free; all of its memory where it does not say."""
    free = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("/proc/meminfo", *LIMITS):
        try:
            text = Path(name).read_text()
        except OSError:
            continue
        if text.strip().isdigit():
            free.append(int(text))
        free += [int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("MemAvailable:")]
    return min(free)


def _size(size: float) -> str:
    power = min(max(int(math.log2(max(size, 1))) // 10, 1), 4)
    return f"{size / 1024**power:,.3g} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"
