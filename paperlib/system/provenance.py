"""Where numbers come from: versions, commit and hash of the code, and the device."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from paperlib.system.files import hash_files


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    packages = ("paperlib", "torch", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str | None:
    """Commit of the checkout paperlib comes from, with `+` if it is changed; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        here = Path(__file__)
        run = subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # else it is installed inside somebody's repository
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.CalledProcessError):  # no git, or installed without its repository
        return None


@cache
def code_hash() -> str:
    """Hash of paperlib's own sources."""
    package = Path(__file__).parents[1]
    return hash_files(package, package.rglob("*.py"))


def device_name(device: str) -> str:
    """Name of the processor or of the GPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
