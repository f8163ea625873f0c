"""Tasks: one notebook at one profile, all its result depends on, and whether it is up to date."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paperlib.system.files import read_json


@dataclass(frozen=True)
class Choice:
    """The data that a notebook uses: which environment variable names them, how, in words, and their hash."""

    variable: str
    source: str
    description: str
    sha256: str


@dataclass(frozen=True)
class Task:
    """One notebook at one profile; `inputs` are hashes of everything its result depends on."""

    root: Path
    name: str
    profile: str
    parameters: dict[str, Any]
    minutes: float
    data: Choice | None
    inputs: dict[str, str] = field(repr=False)

    @property
    def source(self) -> Path:
        """The page: its key, `name`, is its path below book/."""
        return self.root / "book" / f"{self.name}.md"

    @property
    def folder(self) -> Path:
        """Where all executed notebooks of the profile are."""
        return self.root / "_build" / "executed" / self.profile

    @property
    def output(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def results(self) -> Path:
        """Where the notebook's results of record are kept (`paperlib.records.Results`)."""
        return self.root / "results" / self.profile / self.name

    @property
    def manifest(self) -> Path:
        """How `output` came about: hashes of its inputs, seconds, versions."""
        return self.folder / f"{self.name}.json"

    @property
    def failed_output(self) -> Path:
        """The notebook as far as it got, kept for reading when a cell fails."""
        return self.folder / f"{self.name}.failed.ipynb"

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of the last complete execution, empty where there is none."""
        return read_json(self.manifest)

    def reasons(self) -> list[str]:
        """Why the notebook has to run; empty where it is up to date."""
        manifest = self.read_manifest()
        if not manifest or not self.output.is_file():
            return ["never executed"]
        changed = [name for name, digest in self.inputs.items() if manifest["inputs"].get(name) != digest]
        if not changed and manifest["output_sha256"] != sha256(self.output.read_bytes()):
            return ["executed notebook changed"]
        modules = [name for name in changed if name.startswith("paperlib/")]
        if len(modules) > 2:
            others = [name for name in changed if name not in modules]
            changed = [*others, f"{len(modules)} modules of paperlib"]
        return [f"{name} changed" for name in changed]


def sha256(content: bytes) -> str:
    """Hash of some bytes."""
    return hashlib.sha256(content).hexdigest()
