"""Tables as pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of texts, which may hold Markdown and formulas; notebooks show it as a table of the page.

    `head` has the columns' names, and each of the `rows` as many entries.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """The table in Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        cells = ([str(cell).replace("|", r"\|") for cell in line] for line in lines)  # |z| would end a cell
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)

    _repr_markdown_ = __str__
