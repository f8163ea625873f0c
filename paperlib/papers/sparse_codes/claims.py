"""The paper's empirical claims, each with what results say about it.

The rules of the verdicts stand in these modules, one a page of the book; numbers come from records.
"""

from __future__ import annotations

from pathlib import Path

from paperlib.papers.sparse_codes.amortization import claims as amortization
from paperlib.papers.sparse_codes.annealing import claims as annealing
from paperlib.papers.sparse_codes.bars import claims as bars
from paperlib.papers.sparse_codes.error_function import claims as error_function
from paperlib.papers.sparse_codes.natural_images import claims as natural_images
from paperlib.papers.sparse_codes.overcomplete import claims as overcomplete
from paperlib.papers.sparse_codes.sparsenet import claims as sparsenet
from paperlib.records import read_records
from paperlib.records.claims import Claim, Finding

CLAIMS: dict[str, list[Claim]] = {  # by page of the book
    page.PAGE: page.CLAIMS
    for page in (bars, natural_images, annealing, amortization, overcomplete, sparsenet, error_function)
}


def find_all(results: Path) -> list[tuple[str, Claim, Finding]]:
    """Every claim with its page and what the records in the folders of `results`, one a page, say of it."""
    return [
        (page, claim, claim.find(records))
        for page, claims in CLAIMS.items()
        for records in [read_records(results / page)]
        for claim in claims
    ]
