"""Seconds of an epoch of EM over N, D, H and threads, beside those that counts and ceilings predict."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from statistics import median

import torch
from costs import visit_cost
from torch import Tensor

from paperlib.elbo.history import Snapshot
from paperlib.models.sparse_coding.trainers import fit_em

IN_CACHE = 2**15  # numbers an elementwise operation is given for each thread
MEASURE = 0.5  # seconds for each ceiling


def scaling(
    draw: Callable[[int, int], Tensor], sizes, ceilings: list[dict], progress: Callable[[str], None]
) -> list[dict]:
    """One row for each setting: its sizes, seconds of an epoch, counts a patch and predicted seconds.

    Parameters
    ----------
    draw : callable
        ``draw(n, patch_size)`` gives patches.
    sizes : Profile
        Of the benchmark.
    ceilings : list of dict
        Result of `measure_ceilings`.
    progress : callable
        Told every setting.
    """
    rates = {row["threads"]: row for row in ceilings}
    rows = []
    for setting in settings(sizes):
        progress(", ".join(f"{name} {value}" for name, value in setting.items()))
        cost = visit_cost(setting["family"], setting["patch_size"] ** 2, setting["h"])
        rows.append(
            setting
            | {"seconds": epoch_seconds(draw(setting["n"], setting["patch_size"]), setting, sizes.repeats)}
            | {"predicted": setting["n"] * cost.seconds(rates[setting["threads"]])}
            | {name: round(count, 1) for name, count in asdict(cost).items()}
        )
    return rows


def settings(sizes) -> list[dict]:
    """For both families a base, and then one thing at a time varied."""
    found = []
    # full covariances take so much longer that fewer patches measure them as well
    for family, n in {"diagonal": sizes.patches // 2, "full": sizes.patches // 20}.items():
        base = {"family": family, "n": n, "patch_size": sizes.patch_size, "h": sizes.latents, "threads": 1}
        values = {
            "n": (n // 2, 2 * n),
            "patch_size": sizes.patch_sizes,
            "h": (sizes.latents // 2, 2 * sizes.latents),
            "threads": thread_counts(),
        }
        varied = [base | {name: value} for name in values for value in values[name]]
        found += [base, *(row for row in varied if row != base)]
    return found


def thread_counts() -> list[int]:
    """Powers of two up to the number of cores."""
    return [2**k for k in range((os.cpu_count() or 1).bit_length())]


def epoch_seconds(x: Tensor, setting: dict, repeats: int) -> float:
    """Median over `repeats` runs of one epoch; what `fit_em` does after it is not waited for."""
    times: list[float] = []

    def keep(now: Snapshot) -> None:
        times.append(now.history[-1]["seconds"])
        raise StopIteration

    with threads(setting["threads"]):
        for _ in range(repeats):
            with suppress(StopIteration):
                fit_em(x, setting["h"], family=setting["family"], n_epochs=1, polish=0, callback=keep,
                       generator=torch.Generator().manual_seed(0), progress=False)  # fmt: skip
    return round(median(times), 4)


def measure_ceilings() -> list[dict]:
    """What the machine can do a second with so many threads; the names are those of `Cost`."""
    matrix, memory, copy = torch.randn(1024, 1024), torch.randn(2**25), torch.empty(2**25)
    one = torch.ones(1)
    rows = []
    for count in thread_counts():
        numbers, result = torch.randn(count * IN_CACHE), torch.empty(count * IN_CACHE)
        work = {
            "operations": (2 * 1024**3, lambda: torch.mm(matrix, matrix)),
            "passes": (len(numbers), lambda n=numbers, r=result: torch.mul(n, n, out=r)),
            "functions": (len(numbers), lambda n=numbers, r=result: torch.erf(n, out=r)),
            "calls": (1, lambda: torch.mul(one, one, out=one)),
            "bytes": (2 * 4 * len(memory), lambda: copy.copy_(memory)),
        }
        with threads(count):
            rates = {name: amount / best_seconds(operation) for name, (amount, operation) in work.items()}
        rows.append({"threads": count} | rates)
    return rows


def best_seconds(operation: Callable[[], object]) -> float:
    """Shortest time of an operation, done again and again."""
    times: list[float] = []
    while sum(times) < MEASURE:
        started = time.perf_counter()
        operation()
        times.append(time.perf_counter() - started)
    return min(times)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for PyTorch inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
