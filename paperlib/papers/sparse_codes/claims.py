"""The paper's empirical claims, each with what results say about it.

The rules of the verdicts stand in these modules, one a subject; numbers come from records.
"""

from __future__ import annotations

from collections.abc import Mapping

from paperlib.papers.sparse_codes.amortization import claims as amortization
from paperlib.papers.sparse_codes.annealing import claims as annealing
from paperlib.papers.sparse_codes.bars import claims as bars
from paperlib.papers.sparse_codes.natural_images import claims as natural_images
from paperlib.papers.sparse_codes.overcomplete import claims as overcomplete
from paperlib.papers.sparse_codes.sparsenet import claims as sparsenet
from paperlib.plotting import Table
from paperlib.records import Record
from paperlib.records.claims import HEAD, VERDICTS, Claim, Finding, Groups

CLAIMS = [
    *bars.CLAIMS,
    *natural_images.CLAIMS,
    *annealing.CLAIMS,
    *amortization.CLAIMS,
    *overcomplete.CLAIMS,
    *sparsenet.CLAIMS,
]


def claims_table(page: str, records: Mapping[str, Record]) -> Table:
    """The claims that a page of the book shows, judged by records of that page, whatever their size."""
    return Table(HEAD, [claim.row(claim.find_in(records)) for claim in CLAIMS if claim.page == page])


__all__ = ["CLAIMS", "HEAD", "VERDICTS", "Claim", "Finding", "Groups", "claims_table"]
