"""Models brought to the end of learning with something held fixed that their temperature needs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.elbo.posteriors import FullGaussian
from paperlib.models.linear_gaussian import PPCA, FactorAnalysis
from paperlib.models.mixtures import FullGaussianMixture


class Fixed(NamedTuple):
    """A model at the end of learning, the posteriors that it has there, and its data `x` (N, D)."""

    model: PPCA | FactorAnalysis | FullGaussianMixture
    x: Tensor
    posterior: FullGaussian | Categorical


def fixed_noise(x: Float[Tensor, "N D"], n_latents: int, noise: float) -> Fixed:
    """PPCA of data `x` whose `noise` σ² is not learned: W has the columns √(ℓ_k − σ²) u_k."""
    mean = x.mean(0)
    _, singular, vectors = torch.linalg.svd(x - mean, full_matrices=False)
    values = singular.square()[:n_latents] / len(x)
    loadings = vectors[:n_latents].T * (values - noise).clamp(min=0).sqrt()
    model = PPCA.from_standard(loadings, mean, torch.tensor(noise).to(x))
    return Fixed(model, x, model.posterior(x))


def rigid_posteriors(
    x: Float[Tensor, "N D"], n_latents: int, variance: float, n_rounds: int = 300, learn_prior: bool = False
) -> Fixed:
    """PPCA of data `x` under posteriors of covariance `variance` · I, whose means are optimal.

    The prior is N(0, I), unless its variances are learned, too (`learn_prior`).
    """
    model = PPCA.random(x, n_latents, torch.Generator().manual_seed(0))
    spread = (variance**0.5 * torch.eye(n_latents).to(x)).expand(len(x), -1, -1)
    posterior = model.posterior(x)
    for _ in range(n_rounds):
        posterior = replace(model.posterior(x), scale_tril=spread)
        fitted = model.fitted(model.statistics(x, posterior))
        model = fitted if learn_prior else fitted.replace(prior_variances=model.prior_variances)
    return Fixed(model, x, posterior)


def vanishing_noise(x: Float[Tensor, "N D"], n_latents: int, n_rounds: int) -> Fixed:
    """Factor analysis of data `x` on its way to a ψ_d of 0 (a Heywood case), after `n_rounds` of EM."""
    start = FactorAnalysis.random(x, n_latents, torch.Generator().manual_seed(0))
    model, _ = start.fit(x, tolerance=1e-300, max_rounds=n_rounds)
    return Fixed(model, x, model.posterior(x))


def floored_variances(x: Float[Tensor, "N D"], n_classes: int, floor: float) -> Fixed:
    """scikit-learn's Gaussian mixture of data `x`, which adds a `floor` to variances (its `reg_covar`)."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(n_classes, reg_covar=floor, tol=1e-13, max_iter=5000, random_state=0)
    found = mixture.fit(x.numpy())
    arrays = (np.log(found.weights_), found.means_, found.covariances_)
    model = FullGaussianMixture(*map(torch.from_numpy, arrays))
    return Fixed(model, x, model.posterior(x))
