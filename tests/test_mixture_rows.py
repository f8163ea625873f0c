"""Rows of mixtures in the table of models: those that are learned quickly, each at its entropies."""

from __future__ import annotations

import pytest

from paperlib.papers.entropy_sums.base_measures.rows import ROWS as PSEUDO
from paperlib.papers.entropy_sums.mixtures.rows import ROWS as TRUE

QUICK = [
    "gmm-wine-hard", "kmeans-wine", "gmm-shared-iris-hard", "gmm-iris-equal", "mixture-exponential",
    "mixture-rayleigh", "mixture-poisson",
]  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_a_mixture_ends_at_its_entropies(name):
    row = (TRUE | PSEUDO)[name]()
    assert abs(row.gap) < 1e-10 and row.identity < 1e-12
    assert (row.kind == "pseudo entropy") == (name in PSEUDO) == ("log h" in row.formula)
    assert (r"\log C" in row.formula) == ("equal" in name or "kmeans" in name)
