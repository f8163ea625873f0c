"""Where to compute: the device, and the threads of the CPU."""

from __future__ import annotations

import torch

from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts

MOST_THREADS = 1024  # more than any machine has cores; some ten thousand threads crash PyTorch


def choose_device(name: str) -> str:
    """`auto` as `cuda` where there is one, else `cpu`; others as they are if they exist here.

    Raises
    ------
    InputError
        If CUDA is asked for and there is none, or the name is unknown.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"Unknown device {name!r}; choose auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "CUDA was asked for, but PyTorch finds no CUDA device here; use --device cpu or auto."
        )
    return name


def use_threads(threads: int | None) -> None:
    """Compute on so many threads of the CPU (`paperlib.system.parallel`), or on PyTorch's own choice.

    Raises
    ------
    InputError
        If the number is not positive, or too large.
    """
    if threads is not None:
        check_counts(threads=threads)
        if threads > MOST_THREADS:
            raise InputError(f"threads must be at most {MOST_THREADS}, not {threads:,}.")
        torch.set_num_threads(threads)
