"""The folder of a run: whose it is, and what lies in it.

`config.json`, `checkpoint.pt` and `history.jsonl` (after every epoch) and at the end `dictionary.npy`,
`dictionary.png` and `metrics.json`.  Files are written beside and moved into place, so that a reader, or a
resumed run after a kill, never sees half a file.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from paperlib.models.sparse_coding.trainers.em_state import EMState
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError
from paperlib.system.files import write_atomically

RESULTS = ("checkpoint.pt", "history.jsonl", "metrics.json")  # of a run, beside its config.json


def claim_folder(folder: Path, identity: dict, resume: bool) -> None:
    """Create the folder and write `config.json`, or check that it holds this very run."""
    record = folder / "config.json"
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists():
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
    with _explained(folder):
        write_atomically(record, lambda path: path.write_text(json.dumps(before, indent=2)))


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The output folder {folder} cannot be written ({error.strerror}); name another one."
        ) from error


def write_history(folder: Path, history: list[dict]) -> None:
    """Rows as lines of JSON."""
    lines = "".join(json.dumps(row) + "\n" for row in history)
    write_atomically(folder / "history.jsonl", lambda path: path.write_text(lines))


def load_checkpoint(path: Path, device: str, processes: Processes = ALONE) -> EMState | None:
    """Training state of a checkpoint, None if there is no file; nothing in it is executed.

    Of the posteriors only the share of this one of `processes` is kept.

    Raises
    ------
    InputError
        If the file is not a checkpoint of training.
    """
    if not path.exists():
        return None
    try:
        state = EMState(**torch.load(path, map_location=device, weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, TypeError, EOFError) as error:
        raise InputError(f"{path} is not a checkpoint of training; remove it to start over.") from error
    state.random_state = state.random_state.cpu()
    share = slice(processes.rank, None, processes.count)
    state.mean, state.std = state.mean[share].contiguous(), state.std[share].contiguous()
    return state
