"""Entropies in place of pseudo entropies: how wrong they are, and as data of a true model grow."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.models.exponential_families import NegativeBinomial, Poisson
from paperlib.models.gap import gap
from paperlib.models.mixtures import FamilyMixture
from paperlib.records.record import Outcome

RATES = ((1.0, 2.0, 6.0), (5.0, 3.0, 1.5))  # of the true model's two classes


def true_entropy_sum(model: FamilyMixture, posterior: Categorical) -> Float[Tensor, ""]:
    """H[q] − H[π] − Σ q̄(c) H[p(x|c)] of a mixture and its `posterior`, with entropies whatever the base."""
    entropies = model.family.entropy(model.natural).sum(1)
    prior = torch.special.entr(model.log_weights.exp()).sum()
    return posterior.entropy().mean() - prior - posterior.probabilities.mean(0) @ entropies


def learn_counts(*, n_points: int, seed: int, n_successes: float | None = None) -> Outcome:
    """Learn a mixture of two Poisson classes from data of `RATES`, and compare entropies.

    Parameters
    ----------
    n_points, seed : int
        N, and what the data follow from.
    n_successes : float, optional
        If given, counts are negative binomial with the same means, and the model is wrong.

    Returns
    -------
    Outcome
        Numbers: `elbo`, `pseudo` and `true`, the sums of pseudo entropies and of entropies.
    """
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor(RATES, dtype=torch.float64).unsqueeze(2)
    start = FamilyMixture(torch.zeros(2, dtype=torch.float64), rates.log(), Poisson())
    source = start
    if n_successes is not None:
        wider = NegativeBinomial(n_successes)
        source = FamilyMixture(start.logits, wider.natural(rates), wider)
    x, _ = source.sample(n_points, generator)
    model, posterior = start.fit(x, tolerance=1e-9)
    found = gap(model, x, posterior)
    numbers = {"elbo": found.elbo, "pseudo": found.terms.elbo, "true": true_entropy_sum(model, posterior)}
    return Outcome({name: float(value) for name, value in numbers.items()})
