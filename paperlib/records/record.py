"""Results of record: what an experiment found, with everything that it came from.

A record is `<name>.json` and, if it has arrays such as dictionaries, `<name>.npz` beside it in float16.
Pages ask `Results` for their records by configuration; those that `make reproduce` has computed in this
checkout are taken from disk, so that a long run goes on where it was stopped, a record at a time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from paperlib.data import Source
from paperlib.system.errors import InputError
from paperlib.system.files import find_root, write_atomically
from paperlib.system.provenance import code_hash, provenance

logger = logging.getLogger(__name__)

SCHEMA = 1
FIELDS = (
    "schema", "experiment", "config", "images", "numbers", "arrays", "commit", "code", "device", "threads",
    "versions", "started", "seconds", "cpu_seconds", "peak_memory_mb",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What an experiment returns: numbers as JSON can hold them, and arrays by name."""

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """An outcome (`numbers`, `arrays`) and its origin: `config`, and all else of the file in `provenance`."""

    config: dict[str, Any]
    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]
    provenance: dict[str, Any]

    @property
    def experiment(self) -> str:
        """Name of the function that computed it, at the time."""
        return self.provenance["experiment"]

    @property
    def seconds(self) -> float:
        """Seconds of CPU time that the experiment took, which other work on the machine cannot stretch."""
        return self.provenance["cpu_seconds"]

    def tensor(self, name: str) -> torch.Tensor:
        """The array of a `name` in single precision."""
        return torch.from_numpy(self.arrays[name].astype("f4"))


class Results:
    """The records of one page at one profile.

    They are kept in `folder`, by default what `make reproduce` says in PAPERLIB_RESULTS; without either
    nothing is kept and everything is computed.  A record is taken only if this checkout computed it with
    this very code, and nobody changed it since; with `reuse`, by default what PAPERLIB_REUSE says, any is
    that is there for the same configuration and images, whatever code it came from and wherever.
    """

    def __init__(self, folder: Path | None = None, *, reuse: bool | None = None):
        named = os.environ.get("PAPERLIB_RESULTS")
        self.folder = folder or (Path(named) if named else None)
        self.reuse = bool(os.environ.get("PAPERLIB_REUSE")) if reuse is None else reuse

    def collect(
        self,
        experiment: Callable[..., Outcome],
        configs: Mapping[str, Mapping[str, Any]],
        source: Source | None = None,
    ) -> dict[str, Record]:
        """Records by name, computing those that are missing, PAPERLIB_WORKERS at a time.

        Parameters
        ----------
        experiment : callable
            ``experiment(**config)`` or, where it has a parameter ``images`` or ``data``, with the source
            as that, too; returns an `Outcome` that depends on nothing else.  It is in a module; what
            `functools.partial` has given it says the configuration, too.
        configs : mapping
            Name of the record, which must do as its file's name, too → configuration, plain values only.
        source : Source, optional
            The data that all of them use, such as images; InputError if the experiment uses none, or there
            are none.
        """
        if (_data_parameter(experiment) is None) != (source is None):
            raise InputError(f"{_name(experiment)} and its data do not fit: give images where it uses them.")
        if wrong := [name for name in configs if Path(name).name != name or name.startswith(".")]:
            raise InputError(f"{wrong[0]!r} cannot be the name of a record's file.")
        plain = {name: _plain(experiment, config) for name, config in configs.items()}
        found = {name: self._find(name, experiment, config, source) for name, config in plain.items()}
        missing = [name for name, record in found.items() if record is None]
        workers = min(int(os.environ.get("PAPERLIB_WORKERS", "1")), max(len(missing), 1))
        jobs = (joblib.delayed(self._compute)(name, experiment, plain[name], source) for name in missing)
        computed = dict(zip(missing, joblib.Parallel(workers)(jobs), strict=True))
        return {name: computed[name] if record is None else record for name, record in found.items()}

    def _find(self, name: str, experiment: Callable, config: dict, source: Source | None) -> Record | None:
        path = self.folder and self.folder / f"{name}.json"
        record = _read_if_whole(path) if path else None
        if path is None or record is None:
            return None
        asked = [config, _name(experiment), source and source.identity]
        if asked != [record.config, self._moved(record.experiment), record.provenance["images"]]:
            return None
        made_here = self._mark(name).is_file() and self._mark(name).read_bytes() == _digest(path).encode()
        current = made_here and record.provenance["code"] == code_hash(_function(experiment))
        return record if self.reuse or current else None

    def _compute(self, name: str, experiment: Callable, config: dict, source: Source | None) -> Record:
        started, clock, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
        parameter = _data_parameter(experiment)
        outcome = experiment(**config) if parameter is None else experiment(**{parameter: source}, **config)
        origin = {
            "schema": SCHEMA,
            "experiment": _name(experiment),
            "images": source and source.identity,  # the name that it had when data were images
            "code": code_hash(_function(experiment)),
            **provenance(),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        arrays = {key: np.asarray(value, dtype=np.float16) for key, value in outcome.arrays.items()}
        numbers = _plain(experiment, outcome.numbers)
        record = Record(config, numbers, arrays, origin)
        if self.folder is not None:
            path = self.folder / f"{name}.json"
            write_record(path, record)
            self._mark(name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._mark(name), lambda part: part.write_text(_digest(path)))
        return record

    def _mark(self, name: str) -> Path:
        """Hash of a record that this checkout computed; `make clean` forgets it."""
        assert self.folder is not None  # else there are no records to mark
        root = self._results.parent
        return root / "_build" / self.folder.relative_to(root) / name

    def _moved(self, experiment: str) -> str:
        """Today's name of the function that computed a record, as results/moved.json has it."""
        table = self._results / "moved.json"
        moved = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else {}
        return moved.get(experiment, experiment)

    @property
    def _results(self) -> Path:
        """The folder `results` that the records are in, at whatever depth."""
        assert self.folder is not None  # else there are no records
        for path in self.folder.parents:
            if path.name == "results":
                return path
        raise InputError(f"Records are kept in a folder below one called results, and {self.folder} is not.")


def results_folder(profile: str = "paper") -> Path:
    """Where the current folder's project keeps records of a `profile` (``paper``'s are committed)."""
    return find_root(Path.cwd()) / "results" / profile


def read_records(page: Path | str) -> dict[str, Record]:
    """The committed records of a `page` by name, none if there are none yet.

    The page is a key, such as ``sparse_codes/bars``, or any folder of records as an absolute path.
    """
    folder = Path(page) if Path(page).is_absolute() else results_folder() / page
    found = {path.stem: _read_if_whole(path) for path in sorted(folder.glob("[!.]*.json"))}
    return {name: record for name, record in found.items() if record is not None}


def _read_if_whole(path: Path) -> Record | None:
    """A record of a file; None where there is none, and, with a note, where it is damaged."""
    try:
        return read_record(path) if os.path.lexists(path) else None
    except InputError as error:
        logger.warning("A record counts as missing: %s", error)
        return None


def read_record(path: Path) -> Record:
    """A record of a file; InputError unless it has all fields and the arrays it was written with."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole = set(content) == set(FIELDS) and content["schema"] == SCHEMA
        whole = whole and {type(content[key]) for key in ("config", "numbers", "versions")} == {dict}
        whole = whole and isinstance(content["experiment"], str)
    except Exception:  # a damaged file can raise anything
        whole = False
    if not whole:
        raise InputError(f"{path} is not a record of schema {SCHEMA}; remove it and compute it anew.")
    config, numbers, digest = (content.pop(key) for key in ("config", "numbers", "arrays"))
    arrays = {}
    if digest is not None:
        stored = path.with_suffix(".npz")
        if not stored.is_file() or _digest(stored) != digest:
            raise InputError(f"{stored} is missing or was changed; remove {path} and compute it anew.")
        with np.load(stored, allow_pickle=False) as file:
            arrays = dict(file)
    return Record(config, numbers, arrays, content)


def write_record(path: Path, record: Record) -> None:
    """Write a record, the JSON file last: whoever finds that finds all of it, whenever writing is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = path.with_suffix(".npz")
    path.unlink(missing_ok=True)
    if record.arrays:
        # NumPy's types let the arrays be the option allow_pickle, too
        write_atomically(stored, lambda part: np.savez_compressed(part, **record.arrays))  # type: ignore[arg-type]
    content = record.provenance | {
        "config": record.config,
        "numbers": record.numbers,
        "arrays": _digest(stored) if record.arrays else None,
    }
    ordered = {key: content[key] for key in FIELDS}
    text = json.dumps(ordered, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _function(experiment: Callable[..., Outcome]) -> Callable[..., Outcome]:
    return experiment.func if isinstance(experiment, partial) else experiment


def _plain(experiment: Callable, values: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration or numbers of an `experiment` as a record's file gives them back."""
    for key, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{key} of {_name(experiment)} is {value!r}; JSON cannot hold it.") from error
    return json.loads(json.dumps(values))


def _name(experiment: Callable[..., Outcome]) -> str:
    function = _function(experiment)
    return f"{function.__module__}.{function.__qualname__}"


def _data_parameter(experiment: Callable[..., Outcome]) -> str | None:
    """The parameter that takes the data."""
    return next((name for name in ("images", "data") if name in signature(experiment).parameters), None)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
