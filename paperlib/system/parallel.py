"""Threads: how many an operation has, and batches side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

GRAIN = 2**15  # elements below which PyTorch itself gives an elementwise operation one thread

# A thread's number begins as the one last set anywhere: beside an `one_thread` that is 1 and says nothing
# of what was before.  So all that are under way at once share what was before the first of them.
_guard, _own = threading.Lock(), threading.local()
_before: list[int] = []

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`[function(item) for item in items]`, as many at a time as PyTorch has threads, each with one.

    Operations on a batch are too small to be shared; batches are not.  `torch.set_num_threads` decides.
    """
    items = list(items)
    workers = min(torch.get_num_threads(), len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with one_thread(), ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(function, items))


@contextmanager
def one_thread(elements: int = 0) -> Iterator[None]:
    """One thread an operation inside: where it has so few elements, a second waits longer than it works."""
    if elements >= GRAIN or getattr(_own, "inside", False):
        yield
        return
    with _guard:
        before = _before[0] if _before else torch.get_num_threads()
        _before.append(before)
        torch.set_num_threads(1)
    _own.inside = True
    try:
        yield
    finally:
        _own.inside = False
        with _guard:
            _before.pop()
            torch.set_num_threads(before)
