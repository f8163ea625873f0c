"""The table of models as pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paperlib.papers.entropy_sums.graphs import draw_graph
from paperlib.papers.entropy_sums.rows import Row
from paperlib.plotting import Table


@dataclass(frozen=True)
class Entry:
    """A row as texts for the columns of tables."""

    row: Row

    @property
    def model(self) -> str:
        """The model's name, linked to its page."""
        return self._linked(self.row.model)

    @property
    def kind(self) -> str:
        """The same without its size."""
        return self._linked(self.row.model.partition(", H =")[0])

    @property
    def numbers(self) -> list[str]:
        """ELBO, entropies, gap with its spread, and error of the gap identity."""
        row = self.row
        gap = f"{row.gap:+.0e}" if row.equal else f"**{row.gap:+.4f}**"
        spread = f" ± {row.spread:.0e}" if row.spread else ""
        identity = "–" if row.identity is None else f"{row.identity:.0e}"
        return [f"{row.elbo:.6f}", f"{row.entropy_sum:.6f}", gap + spread, identity]

    def _linked(self, name: str) -> str:
        return f"[{name}](../{self.row.page})"


def models_table(rows: Sequence[Row]) -> Table:
    """Graph, entropy sum and condition of each model, once for all its data."""
    entries: dict[tuple[str, str], Entry] = {}
    for row in rows:
        entries.setdefault((row.model.partition(",")[0], row.formula), Entry(row))
    lines = [
        [draw_graph(e.row.graph), e.kind, f"${e.row.formula}$", e.row.condition, e.row.kind]
        for e in entries.values()
    ]
    return Table(["graph", "model", "ELBO at the end of learning", "must be stationary", "kind"], lines)


def numbers_table(rows: Sequence[Row]) -> Table:
    """ELBO, entropies and gap of each row."""
    head = ["model", "data", "posteriors", "ELBO", "entropies", "gap", "identity"]
    return Table(head, [[Entry(row).model, row.data, row.variational, *Entry(row).numbers] for row in rows])


def exceptions_table(rows: Sequence[Row]) -> Table:
    """The rows that stay apart, and why."""
    head = ["model", "data", "ELBO", "entropies", "gap", "why"]
    return Table(head, [[Entry(r).model, r.data, *Entry(r).numbers[:3], r.exception] for r in rows])
