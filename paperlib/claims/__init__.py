"""The paper's empirical claims, each with what results say about it.

The rules of the verdicts stand in these modules, one a subject; numbers come from records.
"""

from __future__ import annotations

from collections.abc import Mapping

from paperlib.claims import amortization, annealing, bars, natural_images, others, overcomplete
from paperlib.claims.base import HEAD, VERDICTS, Claim, Finding, Groups
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
    return Table(HEAD, [claim.row(claim.find_in(records)) for claim in CLAIMS if claim.page == page])


__all__ = ["CLAIMS", "HEAD", "VERDICTS", "Claim", "Finding", "Groups", "claims_table"]
