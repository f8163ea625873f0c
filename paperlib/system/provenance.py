"""Where numbers come from: versions, commit and hash of the code, and the device."""

from __future__ import annotations

import hashlib
import inspect
import platform
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from paperlib.system.errors import InputError
from paperlib.system.files import hash_files
from paperlib.system.imports import imported_files


def provenance(device: str = "cpu") -> dict[str, Any]:
    """Origin of a result: the `device` (``cpu`` or ``cuda``), threads, versions and the commit."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "commit": commit(),
    }


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    packages = ("paperlib", "torch", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str | None:
    """Commit of the checkout paperlib comes from, with `+` if it is changed; None outside a checkout."""

    def git(*arguments: str) -> str:
        command, here = ["git", *arguments], Path(__file__).parent
        return subprocess.check_output(command, cwd=here, stderr=subprocess.DEVNULL, text=True).strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # else it is installed inside somebody's repository
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.CalledProcessError):  # no git, or installed without its repository
        return None


@cache
def code_hash(function: Callable[..., Any]) -> str:
    """Hash of the file that defines a `function`, and of all it imports of paperlib, however indirectly."""
    module = inspect.getmodule(function)
    if module is None or not getattr(module, "__file__", None):
        raise InputError(f"{function.__qualname__} is defined in a page or a shell; put it into a module.")
    code, root = inspect.getsource(module), Path(__file__).parents[2]
    return hashlib.sha256(f"{code}\0{hash_files(root, imported_files(code, root))}".encode()).hexdigest()


def device_name(device: str) -> str:
    """Name of the processor or of the GPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
