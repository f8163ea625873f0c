"""Data-parallel training: every process has a share of the data, and sums are added over processes.

`torchrun --nproc-per-node=K -m paperlib train …` starts K of them.  Each visits its own part of every
minibatch; because statistics add, the sums, and with them dictionary, λ and σ², are those of one process.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from paperlib.system.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processes:
    """All processes of a run, seen from the one with number `rank`; data point n belongs to n mod `count`."""

    rank: int = 0
    count: int = 1

    def own(self, points: Int[Tensor, " n"]) -> Int[Tensor, " m"]:
        """Places in this process's share of those data points that belong to it."""
        return points if self.count == 1 else points[points % self.count == self.rank] // self.count

    def add(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Sums of `tensors` over all processes, the same bits in each; dtypes and shapes stay."""
        if self.count == 1:
            return list(tensors)
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        flat = torch.cat([tensor.flatten().to(device, torch.float64) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view_as(tensor).to(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def gather(self, share: Float[Tensor, "n H"], n_points: int) -> Float[Tensor, "N H"]:
        """Rows of all data points, in order, from the `share` of each process."""
        if self.count == 1:
            return share
        rows = share.new_zeros(n_points, share.shape[1])
        rows[self.rank :: self.count] = share
        return self.add([rows])[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """What one process refuses inside, all refuse, with the same sentence; afterwards all are here."""
        refused: InputError | None = None
        try:
            yield
        except InputError as error:
            refused = error
        if self.count > 1:
            sentence = torch.zeros(self.count, 1000)
            text = str(refused or "").encode()[: sentence.shape[1]]
            sentence[self.rank, : len(text)] = torch.tensor(list(text))
            said = [bytes(row.int().tolist()).rstrip(b"\0") for row in self.add([sentence])[0]]
            refused = next((InputError(text.decode(errors="replace")) for text in said if text), None)
        if refused is not None:
            raise refused

    def agree(self, **facts: object) -> None:
        """Refuse work in all processes if one has other `facts` than the first; text says what they are.

        Raises
        ------
        InputError
            Naming the first fact in which processes differ.
        """
        for name, fact in facts.items():
            digest = hashlib.sha256(repr(fact).encode()).digest()[:6]  # exact as float64
            mine = torch.zeros(self.count, dtype=torch.float64)
            mine[self.rank] = int.from_bytes(digest, "big")
            if len(self.add([mine])[0].unique()) > 1:
                raise InputError(
                    f"The processes have different {name}; all need the same, and one shared folder --out."
                )


ALONE = Processes()


@contextmanager
def launched_processes(device: str) -> Iterator[Processes]:
    """The processes that torchrun started, connected while inside; without torchrun this one alone."""
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    count = os.environ.get("WORLD_SIZE", "")
    if missing or not count.isdecimal() or int(count) == 1:
        if count not in ("", "1"):
            logger.warning("WORLD_SIZE is %s, but torchrun did not start this: it computes alone.", count)
        yield ALONE
        return
    end_with_parent()
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, count = next(dist.rendezvous("env://"))
    # without it, processes that were restarted may find the addresses of those before them
    store = dist.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count)
    try:
        yield Processes(rank, count)
    finally:
        dist.destroy_process_group()


def end_with_parent() -> None:
    """Let this process end when the one that started it does, even killed, where the system can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def end_torchrun() -> None:
    """End torchrun, and with it all processes that it started here, if it started this one.

    It would print a traceback for every refusal, or try again what is refused again.  The first process of
    this machine ends it; the others wait for that.
    """
    if dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1:
        if os.environ["LOCAL_RANK"] == "0":
            os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(10)
