"""Entropy annealing (Eq. 17): which weights the three entropies have in each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from paperlib.elbo.terms import EntropyWeights
from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice, check_positive

# The paper's ten-epoch schedules (Section 4.2, E.4): γ on the prior entropy, δ on the likelihood entropy.
PRIOR_GAMMA = (10.0, 8.0, 6.0, 4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
LIKELIHOOD_DELTA = (1 / 7, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0, 1.0, 1.0, 1.0)

KINDS = {
    "none": (PRIOR_GAMMA, lambda _: EntropyWeights()),
    "prior": (PRIOR_GAMMA, lambda gamma: EntropyWeights(prior=gamma)),
    "likelihood": (LIKELIHOOD_DELTA, lambda delta: EntropyWeights(likelihood=delta)),
    "energy": (LIKELIHOOD_DELTA, lambda alpha: EntropyWeights(prior=alpha, likelihood=alpha)),
}


def schedule(kind: str | Sequence[EntropyWeights], n_epochs: int) -> list[EntropyWeights]:
    """Weights of the entropies, one `EntropyWeights` an epoch.

    Parameters
    ----------
    kind : {"none", "prior", "likelihood", "energy"} or sequence of EntropyWeights
        Which entropy is annealed: none; the prior's (γ from 10 down to 1); the likelihood's (δ from 1/7 up
        to 1, which is β-annealing with β = 1/δ); or both (energy tempering, α from 1/7 up to 1).  Weights of
        one's own, one an epoch, are taken as they are.
    n_epochs : int
        Number of epochs; ten gives the paper's schedule, other numbers stretch or shrink it by interpolation.
        The last epoch of these always has weights (1, 1, 1).

    Raises
    ------
    InputError
        If `kind` is unknown or has another number of weights than epochs, or a number is not positive.
    """
    if not isinstance(kind, str):
        if len(kind) != n_epochs:
            raise InputError(f"There are {len(kind)} weights for {n_epochs} epochs; give one an epoch.")
        for of_epoch in kind:
            check_positive(**asdict(of_epoch))
        return list(kind)
    check_choice("annealing", kind, KINDS)
    if n_epochs < 1:
        raise InputError(f"The number of epochs must be at least 1, not {n_epochs}.")
    values, weights = KINDS[kind]
    positions = np.linspace(0, len(values) - 1, n_epochs) if n_epochs > 1 else [len(values) - 1]
    return [weights(float(np.interp(p, np.arange(len(values)), values))) for p in positions]
