"""Learning by gradients, with ELBO, entropies and the derivative along the temperature at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.gap import Gap, gap
from paperlib.models.linear_gaussian import FactorAnalysis

POSITIVE = ("prior_variances", "noise")


@dataclass(frozen=True)
class Run:
    """A run of Adam: the `model` at its end, and a `Gap` before each step."""

    model: FactorAnalysis
    gaps: Sequence[Gap]

    def curve(self, *names: str) -> list[float]:
        """An attribute of the gaps at each step, such as ``"terms", "elbo"``, in nats a data point."""
        values: list = list(self.gaps)
        for name in names:
            values = [getattr(value, name) for value in values]
        return [float(value) for value in values]


def learn(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    n_steps: int,
    learning_rate: float,
    decay: float = 0.0,
    seed: int = 0,
) -> Run:
    """Factor analysis of data `x` by Adam, variances as logarithms, posteriors exact at every step.

    `decay` is the weight of a penalty on the logarithms of the noise, half the sum of their squares.
    """
    model = FactorAnalysis.random(x, n_latents, torch.Generator().manual_seed(seed))
    free = {
        name: (value.log() if name in POSITIVE else value).clone().requires_grad_()
        for name, value in model.parameters.items()
    }
    optimizer = torch.optim.Adam(free.values(), lr=learning_rate)
    gaps = []
    for _ in range(n_steps):
        model = model.replace(**{name: v.exp() if name in POSITIVE else v for name, v in free.items()})
        still = model.replace(**{name: value.detach() for name, value in model.parameters.items()})
        gaps.append(gap(still, x, still.posterior(x)))
        optimizer.zero_grad()
        (decay / 2 * free["noise"].square().sum() - model.log_likelihood(x)).backward()
        optimizer.step()
    return Run(still, gaps)


def penalty_slope(model: FactorAnalysis, decay: float) -> float:
    """Derivative along the temperature of the penalty that `learn` has for this `decay`."""
    return -decay * float(model.noise.log().sum())
