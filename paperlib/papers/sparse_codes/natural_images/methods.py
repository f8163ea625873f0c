"""The methods of learning from images that are compared, as the book calls them."""

from __future__ import annotations

from collections.abc import Sequence

from paperlib.papers.sparse_codes.shown import Groups
from paperlib.records import Record

LABELS = {
    "paper-none": "(A) the paper's EM",
    "paper-prior": "(B) the paper's EM, prior annealing",
    "em-none": "(A) fast EM",
    "em-prior": "(B) fast EM, prior annealing",
    "amortized-none": "(C) amortized",
    "lowrank-prior": "(D) amortized, low rank, annealed",
    "full-none": "fast EM, full covariances",
}
PAPERS_EM = ("paper-none", "paper-prior")  # of which fields after every epoch are kept


def labeled(groups: Groups) -> dict[str, Sequence[Record]]:
    """Those of the methods that are there, by label and in the order above."""
    return {label: groups[name] for name, label in LABELS.items() if name in groups}
