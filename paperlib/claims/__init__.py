"""The paper's empirical claims, each with what results say about it.

The rules of the verdicts stand in these modules, one a subject; numbers come from records.
"""

from __future__ import annotations

from collections.abc import Mapping

from paperlib.claims import amortization, annealing, bars, natural_images, others, overcomplete
from paperlib.claims.base import VERDICTS, Claim, Finding, Groups
from paperlib.experiments import Record
from paperlib.plotting import Table

CLAIMS = [
    *bars.CLAIMS,
    *natural_images.CLAIMS,
    *annealing.CLAIMS,
    *amortization.CLAIMS,
    *overcomplete.CLAIMS,
    *others.CLAIMS,
]


def claims_table(page: str, records: Mapping[str, Record]) -> Table:
    """The claims that a page of the book shows, judged by records of that page, whatever their size."""
    rows = []
    for claim in CLAIMS:
        if claim.page == page:
            found = claim.find_in(records)
            seeds = str(found.seeds or "–")
            rows.append([claim.section, claim.words, found.ours, f"**{found.verdict}**", seeds])
    return Table(["section", "the paper", "ours", "verdict", "seeds"], rows)


__all__ = ["CLAIMS", "VERDICTS", "Claim", "Finding", "Groups", "claims_table"]
