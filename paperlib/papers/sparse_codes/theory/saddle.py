"""Two latents in the plane whose stationary point is a maximum or a saddle point (Theorem 3; Appendix A)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, hessian

from paperlib.elbo.maximum import maximize
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.theory.problems import Draws, optimal_scales

Phi = Float[Tensor, " 42"]  # means (10, 2), log deviations (10, 2) and the angles of two fields
Theta = Float[Tensor, " 3"]  # two log λ, and log σ²
N_HALF = 5  # points, without their mirror images
NEWTON_STEPS = 3


class MirroredProblem:
    """Data that mirror each other at the horizontal axis, diagonal posteriors and two unit fields.

    Parameters
    ----------
    seed : int
        Of the data `x` (10, 2).
    """

    def __init__(self, seed: int):
        draw = Draws(seed)
        fields = torch.tensor([[1.0, 0.5], [0.9, -0.6]], dtype=torch.float64)
        half = 1.5 * draw.laplace(N_HALF, 2) @ fields + 0.3 * draw.normal(N_HALF, 2)
        self.x = torch.cat([half, half * torch.tensor([1, -1])])

    def fields(self, phi: Phi) -> Float[Tensor, "2 2"]:
        """The dictionary at `phi`."""
        return torch.stack([phi[40:].cos(), phi[40:].sin()])

    def statistics(self, phi: Phi) -> PosteriorStatistics:
        """Statistics at `phi`."""
        posterior = DiagonalGaussian(phi[:20].reshape(10, 2), phi[20:40].reshape(10, 2).exp())
        return PosteriorStatistics.from_batch(self.x, posterior, self.fields(phi))

    def best_theta(self, phi: Phi) -> Theta:
        """Log λ and log σ² in closed form at `phi`."""
        prior_scales, noise_variance = optimal_scales(self.statistics(phi))
        return torch.cat([prior_scales, noise_variance[None]]).log()

    def entropy_elbo(self, phi: Phi) -> Float[Tensor, ""]:
        """The entropy ELBO at `phi`."""
        return entropy_elbo(self.statistics(phi))

    def elbo(self, phi: Phi, theta: Theta) -> Float[Tensor, ""]:
        """The ELBO at `phi` and any scales `theta`."""
        return classical_elbo(self.statistics(phi), theta[:2].exp(), theta[2].exp())

    def stationary_point(self) -> Phi:
        """A maximum among the φ that respect the mirror, stationary among all φ by symmetry.

        BFGS from a fixed start, and Newton's method for the last digits.
        """

        def objective(half: Tensor) -> Tensor:
            return self.entropy_elbo(_mirrored(half))

        start = [*np.linspace(-1, 1, 10), *[-1.0] * 10, 0.3]  # means, log deviations and an angle
        half = maximize(objective, start).at
        for _ in range(NEWTON_STEPS):
            half = half - torch.linalg.solve(hessian(objective)(half), grad(objective)(half))
        return _mirrored(half)

    def hessians(self, phi: Phi) -> tuple[Float[Tensor, "42 42"], Float[Tensor, "45 45"]]:
        """Of the entropy ELBO in φ, and of the ELBO in φ and θ, at `phi` and its best θ."""
        both = torch.cat([phi, self.best_theta(phi)])
        full = hessian(lambda both: self.elbo(both[:42], both[42:]))(both)
        return hessian(self.entropy_elbo)(phi), full


def _mirrored(half: Float[Tensor, " 21"]) -> Phi:
    """φ from five points and one angle; the latents of mirrored points are swapped."""
    pairs = [torch.cat([p, p.flip(1)]).flatten() for p in half[:20].reshape(2, N_HALF, 2)]
    return torch.cat([*pairs, half[20:], -half[20:]])
