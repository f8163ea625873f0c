"""How wrong entropies are where the base measure is not constant, in a table."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.models.gap import gap
from paperlib.models.mixtures import FamilyMixture
from paperlib.papers.entropy_sums.base_measures.experiment import true_entropy_sum
from paperlib.plotting import Table


def errors_table(fits: Mapping[str, tuple[FamilyMixture, Tensor, Categorical]]) -> Table:
    """ELBO, both sums, and what entropies are off by; `fits`: name → model, data (N, D) and posterior."""
    rows = []
    for name, (model, x, posterior) in fits.items():
        found, true = gap(model, x, posterior), float(true_entropy_sum(model, posterior))
        elbo = float(found.elbo)
        rows.append(
            [name, f"{elbo:.4f}", f"{float(found.terms.elbo):.4f}", f"{true:.4f}", f"{elbo - true:+.4f}"]
        )
    return Table(["model, data", "ELBO", "pseudo entropies", "entropies", "ELBO − entropies"], rows)
