"""Mixtures in tables."""

from __future__ import annotations

from collections.abc import Iterable

from paperlib.papers.entropy_sums.rows import Row
from paperlib.plotting import Table


def sums_table(rows: Iterable[Row]) -> Table:
    """Each model with its data, responsibilities, ELBO, entropy sum and gap, in nats a data point."""
    head = ["model", "data", "responsibilities", "ELBO", "entropies", "gap"]
    return Table(
        head,
        [
            [
                row.model,
                row.data,
                row.variational,
                f"{row.elbo:.6f}",
                f"{row.entropy_sum:.6f}",
                _exponent(row.gap),
            ]
            for row in rows
        ],
    )


def _exponent(gap: float) -> str:
    """Only how large: the digits are rounding."""
    return "0" if abs(gap) < 1e-12 else f"{gap:.0e}"
