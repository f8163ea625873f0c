"""Linear VAEs by the moments of batches, their gradients written out: many at once, and quick steps.

x | z ~ N(Wz + b, σ²I) and q(z) = N(Vx + a, diag τ²) with one τ for all x.  With y = (x, 1), V and a as one
matrix, A = W (V, a) + (−I, b) and S the mean of yyᵀ, the mean of E‖x − Wz − b‖² is tr ASAᵀ + Σ_h τ_h² ‖w_h‖².
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paperlib.elbo.posteriors import LOG_2_PI_E

RATES = 0.9, 0.999  # of Adam's running means
LEAST = 1e-8  # of its denominator
Array = np.ndarray


class Curves(NamedTuple):
    """ELBO, entropy sum and σ² of each model, in nats a data point."""

    elbo: Float[Array, "*runs"]
    entropies: Float[Array, "*runs"]
    noise: Float[Array, "*runs"]


def moments(x: Float[Array, "*runs N D"]) -> Float[Array, "*runs K K"]:
    """Mean of yyᵀ with y = (x, 1) over the data `x`; K is D + 1."""
    y = np.concatenate([x, np.ones_like(x[..., :1])], -1)
    return np.swapaxes(y, -1, -2) @ y / x.shape[-2]


class LinearVAEs:
    """Linear VAEs of H latents at most, learned by Adam.

    Parameters
    ----------
    n_features : int
        D.
    n_latents : array of int (…)
        H of each.  Surplus latents have W = 0, V = 0, a = 0 and τ = 1: their derivatives are 0, and they add
        nothing to the ELBO.
    rng : numpy Generator
        Draws the first weights, U(±1/√n_inputs).
    rate : float
        Learning rate.
    noise : float
        First σ², also the first τ².
    learn_noise : bool
        Whether σ² is learned.
    """

    def __init__(
        self,
        n_features: int,
        n_latents: Int[Array, "*runs"],
        rng: np.random.Generator,
        *,
        rate: float,
        noise: float,
        learn_noise: bool = True,
    ):
        runs, most = n_latents.shape, int(n_latents.max())
        used = np.arange(most) < n_latents[..., None]
        self.rate, self.learn_noise = rate, learn_noise
        shapes = {
            "weights": (n_features, most), "bias": (n_features,), "encoder": (most, n_features + 1),
            "log_deviations": (most,), "log_noise": (),
        }  # fmt: skip
        sizes = [math.prod(shape) for shape in shapes.values()]
        self._flat, self._slopes, self._mean, self._square = np.zeros((4, *runs, sum(sizes)))
        self.parameters, self.slopes = (
            {
                name: part.reshape(*runs, *shape)
                for (name, shape), part in zip(
                    shapes.items(), np.split(flat, np.cumsum(sizes)[:-1], -1), strict=True
                )
            }
            for flat in (self._flat, self._slopes)
        )
        bound = n_features**-0.5
        self.parameters["weights"][:] = (
            used[..., None, :] * rng.uniform(-1, 1, (*runs, n_features, most)) * most**-0.5
        )
        self.parameters["encoder"][:] = used[..., None] * rng.uniform(
            -bound, bound, (*runs, most, n_features + 1)
        )
        self.parameters["log_deviations"][:] = used * math.log(noise) / 2
        self.parameters["log_noise"][:] = math.log(noise)
        self._steps = 0

    def evaluate(self, moment: Float[Array, "*runs K K"]) -> Curves:
        """ELBO and entropies of data with these moments, and `slopes`, the ELBO's derivatives."""
        weights, bias, encoder, log_deviations, log_noise = self.parameters.values()
        n_features, n_latents = weights.shape[-2:]
        noise, squares = np.exp(log_noise), np.exp(2 * log_deviations)
        error = weights @ encoder
        error[..., :, :-1] -= np.eye(n_features)
        error[..., :, -1] += bias
        cross, latent = error @ moment, encoder @ moment
        scaled = 1 / noise[..., None, None]
        lengths = (weights * weights).sum(-2)
        residual = (cross * error).sum((-2, -1)) + (squares * lengths).sum(-1)
        self.slopes["weights"][:] = (
            -(cross @ np.swapaxes(encoder, -1, -2) + weights * squares[..., None, :]) * scaled
        )
        self.slopes["bias"][:] = -cross[..., -1] / noise[..., None]
        self.slopes["encoder"][:] = -(np.swapaxes(weights, -1, -2) @ cross * scaled + latent)
        self.slopes["log_deviations"][:] = 1 - squares * (lengths / noise[..., None] + 1)
        self.slopes["log_noise"][:] = self.learn_noise * (residual / noise - n_features) / 2
        likelihood = -(n_features * (math.log(2 * math.pi) + log_noise) + residual / noise) / 2
        second = (latent * encoder).sum((-2, -1)) + squares.sum(-1)
        divergence = (second - n_latents) / 2 - log_deviations.sum(-1)
        entropies = log_deviations.sum(-1) - n_features * (LOG_2_PI_E + log_noise) / 2
        return Curves(likelihood - divergence, entropies, noise)

    def step(self, moment: Float[Array, "*runs K K"]) -> Curves:
        """A step of Adam on data with these moments; what there was before it."""
        curves = self.evaluate(moment)
        self._steps += 1
        for mean, rate, slope in (
            (self._mean, RATES[0], self._slopes),
            (self._square, RATES[1], self._slopes * self._slopes),
        ):
            mean *= rate
            mean += (1 - rate) * slope
        first, second = (1 - rate**self._steps for rate in RATES)
        self._flat += (self.rate / first) * self._mean / (np.sqrt(self._square / second) + LEAST)
        return curves
