"""One layer of a belief net: units of an exponential family whose natural parameters are linear in parents.

Everything about it is a function of sums over data points under q: how often each vector s of the binary
parents occurs, and what the units then sum to.  The link is canonical, so that the M-step is concave.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.binary import binary_vectors
from paperlib.models.exponential_families import Family
from paperlib.system.errors import InputError

MAX_STEPS, MAX_HALVINGS = 200, 40
SMALL_STEP = 1e-6  # of weights; Newton's next one would be about its square


@dataclass(frozen=True)
class LayerSums:
    """Sums over data points, for all K vectors s of the parents: `counts` Σ q(s), `totals` Σ q(s) T(x)."""

    counts: Float[Tensor, " K"]
    totals: Float[Tensor, "K D"]


@dataclass(frozen=True)
class Layer:
    """D independent units of a `family` with one natural parameter each, η = Ws + b for binary parents s.

    The parameters are `weights` W (D, H), without columns if there are no parents, and `biases` b (D,).
    """

    family: Family
    weights: Float[Tensor, "D H"]
    biases: Float[Tensor, " D"]

    @property
    def parents(self) -> Float[Tensor, "K H"]:
        """All K = 2^H vectors of the parents."""
        return binary_vectors(self.weights.shape[1]).to(self.weights)

    def natural(self, parents: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch D 1"]:
        """η = Ws + b of the vectors s in `parents`, as the family takes them."""
        return (parents @ self.weights.T + self.biases).unsqueeze(-1)

    def log_density(self, x: Float[Tensor, "*#batch D"], parents: Float[Tensor, "*#batch H"]) -> Tensor:
        """Log p(x|s) of units `x` and their `parents` s, in nats."""
        return self.family.log_density(x, self.natural(parents)).sum(-1)

    def log_table(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Log p(x|s) of units `x` for all vectors s of the parents, in nats."""
        natural = self.natural(self.parents)
        along = self.family.sufficient(x)[..., 0] @ natural[..., 0].T
        return (
            along - self.family.log_normalizer(natural).sum(1) + self.family.log_base(x).sum(1, keepdim=True)
        )

    def expected_log_density(self, sums: LayerSums) -> Float[Tensor, " D"]:
        """Sum over data points, those of `sums`, of E log p(x_d|s)/h(x_d), for each unit."""
        natural = self.natural(self.parents)
        return (sums.totals * natural[..., 0]).sum(0) - sums.counts @ self.family.log_normalizer(natural)

    def entropy(self, counts: Float[Tensor, " K"]) -> Float[Tensor, ""]:
        """Sum over data points of E H[p(x|s)], pseudo where h is not 1; `counts` are how often s is."""
        return counts @ self.family.pseudo_entropy(self.natural(self.parents)).sum(1)

    def fitted(self, sums: LayerSums) -> Layer:
        """The layer at the maximum of `expected_log_density` of `sums`: a regression for each unit, Newton.

        Raises
        ------
        InputError
            If there is no maximum: data that some parents separate have their weights at infinity.
        """
        layer = self
        for _ in range(MAX_STEPS):
            step = layer._newton_step(sums)
            if not torch.isfinite(step).all():
                break
            layer = layer._uphill(sums, step)
            if step.abs().max() < SMALL_STEP:
                return layer
        raise InputError(
            "Weights must be finite, but these data have their best ones at infinity: leave out units that "
            "are nearly constant, or take fewer latents or more data."
        )

    def _newton_step(self, sums: LayerSums) -> Float[Tensor, "D _"]:
        """Newton's step of all weights and, last, the bias of each unit."""
        inputs = torch.nn.functional.pad(self.parents, (0, 1), value=1.0)
        natural, counts = self.natural(self.parents), sums.counts.unsqueeze(1)
        slope = (sums.totals - counts * self.family.means(natural)[..., 0]).T @ inputs
        spread = counts * self.family.covariance(natural)[..., 0, 0]
        curvature = torch.einsum("kd,ki,kj->dij", spread, inputs, inputs)
        step, failed = torch.linalg.solve_ex(curvature, slope)
        return torch.where(failed.unsqueeze(1) == 0, step, torch.nan)

    def _uphill(self, sums: LayerSums, step: Float[Tensor, "D _"]) -> Layer:
        """The layer after a `step`, halved for each unit until it does not lead down but by rounding."""
        before = self.expected_log_density(sums)
        least = before - 1e-13 * (1 + before.abs())
        length = torch.ones_like(self.biases)
        for _ in range(MAX_HALVINGS):
            along = length.unsqueeze(1) * step
            moved = Layer(self.family, self.weights + along[:, :-1], self.biases + along[:, -1])
            down = ~(moved.expected_log_density(sums) >= least)
            if not down.any():
                break
            length = torch.where(down, length / 2, length)
        return moved
