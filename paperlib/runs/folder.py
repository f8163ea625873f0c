"""The folder of a run: whose it is, and what lies in it.

`config.json`, `checkpoint.pt` and `history.jsonl` (after every epoch) and at the end `dictionary.npy`,
`dictionary.png` and `metrics.json`.  Files are written beside and moved into place, so that a reader, or a
resumed run after a kill, never sees half a file.
"""

from __future__ import annotations

import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from paperlib.models.sparse_coding.trainers.em_state import EMState
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError
from paperlib.system.files import hash_files, read_json, write_atomically
from paperlib.system.locks import locked

logger = logging.getLogger(__name__)

CHECKPOINTS = ("checkpoint.pt", "checkpoint.before.pt")  # the newest, and the one before
RESULTS = ("checkpoint.pt", "history.jsonl", "metrics.json")  # of a run, beside its config.json


@contextmanager
def claimed(folder: Path, identity: dict, resume: bool) -> Iterator[None]:
    """The folder with its `config.json`, new or of this very run, and while inside no other process's."""
    with ExitStack() as held:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder / "lock", f"the run in {folder}"))
        _claim(folder, identity, resume)
        yield


def _claim(folder: Path, identity: dict, resume: bool) -> None:
    record = folder / "config.json"
    if not record.exists():
        with writing(folder):
            if left := [name for name in RESULTS if (folder / name).exists()]:
                raise InputError(
                    f"{folder} holds {left[0]} without the config.json it belongs to; name another folder."
                )
            write_atomically(record, lambda path: path.write_text(json.dumps(identity, indent=2)))
        return
    if not resume:
        raise InputError(
            f"{folder} already holds a run; add --resume to go on with it, or name another folder."
        )
    try:
        before = json.loads(record.read_text())
        changed = [key for key, value in identity["config"].items() if before["config"].get(key) != value]
        if before["images"]["sha256"] != identity["images"]["sha256"]:
            changed.append("images")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{record} is not of a run of paperlib; name another folder.") from error
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings ({', '.join(changed)}); resume it with its own, "
            "written in config.json, or name another folder."
        )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Writing into the folder inside: what fails there ends in one sentence that says so."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: PyTorch on a full disk
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"The output folder {folder} cannot be written ({error}); make room there or name another one."
        ) from error


def write_history(folder: Path, history: list[dict]) -> None:
    """Rows as lines of JSON."""
    lines = "".join(json.dumps(row) + "\n" for row in history)
    write_atomically(folder / "history.jsonl", lambda path: path.write_text(lines))


def finished_metrics(folder: Path) -> dict | None:
    """Content of `metrics.json` if the run is finished and its dictionary whole; else None, with a note."""
    metrics, dictionary = read_json(folder / "metrics.json"), folder / "dictionary.npy"
    if not metrics:
        return None
    if dictionary.is_file() and hash_files(folder, [dictionary]) == metrics["dictionary"]:
        return metrics
    logger.warning("%s is missing or was changed, and is written again.", dictionary)
    return None


def save_checkpoint(folder: Path, state: dict) -> None:
    """Write a training state; the one before is kept until the run is finished."""
    newest, before = (folder / name for name in CHECKPOINTS)

    def write(path: Path) -> None:
        torch.save(state, path)
        if newest.exists():
            newest.replace(before)

    write_atomically(newest, write)


def load_checkpoint(
    folder: Path, device: str, like: Callable[[], EMState], processes: Processes = ALONE
) -> EMState | None:
    """The newest training state that is whole, None if there is none; nothing in a file is executed.

    Parameters
    ----------
    folder : Path
        Of the run.
    device : str
        Where its tensors are wanted.
    like : callable
        Gives a state of this training; shapes and dtypes must be its own.
    processes : Processes
        Of the posteriors only the share of this one is kept.
    """
    for path in (folder / name for name in CHECKPOINTS):
        if not os.path.lexists(path):
            continue
        try:
            if not zipfile.is_zipfile(path) or not path.is_file():
                raise ValueError("no file of torch.save")
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():  # a checksum of every tensor, which PyTorch does not compare
                    raise ValueError(f"{damaged} has changed")
            state = EMState(**torch.load(path, map_location=device, weights_only=True))
            state.random_state = state.random_state.cpu()
            of_points(vars(state), partial(_share, processes))
            state.check(like())
            return state
        except Exception as error:  # a damaged file can raise anything
            reason = " ".join(str(error).split())[:100]
            logger.warning("%s is damaged or of another training and is not used (%s).", path, reason)
    return None


def _share(processes: Processes, rows: Tensor) -> Tensor:
    return rows[processes.rank :: processes.count].contiguous()


def of_points(state: dict, change: Callable[[Tensor], Tensor]) -> dict:
    """Change what a training state, as a dictionary, has of every data point."""
    for part in (state, state["kept"]):
        part.update({name: change(part[name]) for name in ("mean", "std") if name in part})
    return state
