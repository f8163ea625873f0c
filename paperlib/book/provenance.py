"""Provenance in the pages: what manifests say about executed notebooks, as a note and as tables."""

from __future__ import annotations

from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode

from paperlib.book.tasks import Task
from paperlib.plotting import Table


def provenance_cell(task: Task) -> NotebookNode:
    """The note at the end of an executed page: profile, data, seconds, device and versions."""
    manifest = task.read_manifest()
    text = (
        f":::{{admonition}} How this page was computed\n:class: note dropdown\n"
        f"Profile **{manifest['profile']}**, {manifest['seconds']:.1f} s, "
        f"started {manifest['started']}. Data: {manifest['data'] or 'none'}.\n\n"
        f"{manifest['device']}, {_versions(manifest)}{_commit(manifest, ', commit {}')}\n:::"
    )
    return nbformat.v4.new_markdown_cell(text, id="provenance")


def environment_tables(tasks: Sequence[Task]) -> str:
    """What the page "Executed with" ends with: a table of the environment and one of the notebooks."""
    manifests = [task.read_manifest() for task in tasks]
    environment = {
        "processor": [manifest["device"] for manifest in manifests],
        "versions": [_versions(manifest) for manifest in manifests],
        "data": [manifest["data"] for manifest in manifests],
    }
    facts = [[name, "; ".join(dict.fromkeys(filter(None, values)))] for name, values in environment.items()]
    rows = [
        [
            f"[{task.name}]({task.name})",
            manifest["profile"],
            f"{manifest['seconds']:.1f}",
            manifest["started"].replace("T", " ").removesuffix("+00:00"),
            _commit(manifest, "`{}`"),
            (manifest["data"] or "").split(":")[0],
        ]
        for task, manifest in zip(tasks, manifests, strict=True)
    ]
    rows.append(["all", "", f"{sum(manifest['seconds'] for manifest in manifests):.1f}", "", "", ""])
    head = ["page", "profile", "seconds", "started (UTC)", "commit", "data"]
    return (
        f"\n## Environment\n\n{Table(['environment', ''], [fact for fact in facts if fact[1]])}\n"
        f"\n## Pages\n\n{Table(head, rows)}\n"
    )


def _versions(manifest: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())


def _commit(manifest: dict, form: str) -> str:
    return form.format(manifest["commit"][:12]) if manifest["commit"] else ""
