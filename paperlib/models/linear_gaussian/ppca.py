"""Probabilistic PCA: factor analysis with the same noise in every dimension (Tipping & Bishop 1999)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.linear_gaussian.model import LinearGaussian
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_training_data


@dataclass(frozen=True)
class PPCA(LinearGaussian):
    """x | z ~ N(Wz + μ, σ²I), z_h ~ N(0, v_h): `loadings` W, `mean` μ, `prior_variances` v, `noise` σ² ()."""

    @staticmethod
    def pooled(variances: Float[Tensor, " D"]) -> Float[Tensor, ""]:
        return variances.mean()

    @classmethod
    def stationary(
        cls, x: Float[Tensor, "N D"], n_latents: int, retained: Sequence[int] | None = None
    ) -> PPCA:
        """Stationary point of the likelihood in closed form, with v = 1.

        With eigenvalues ℓ and eigenvectors u of the data's covariance, σ² is the mean of the ℓ that are not
        retained and the columns of W are √(ℓ_k − σ²) u_k.

        `retained` says which eigenvalues, 0 being the largest: at most H = `n_latents` < D, further columns
        are 0.  The largest H, if left out, which is the maximum; all others are saddles.

        Raises
        ------
        InputError
            If data `x` (N, D) are not a finite matrix, these eigenvalues do not exist, or one is less than
            the noise.
        """
        check_training_data(x)
        check_counts(n_latents=n_latents)
        kept = list(range(n_latents)) if retained is None else list(retained)
        n_features = x.shape[1]
        if n_latents >= n_features or len(kept) > n_latents or not set(kept) <= set(range(n_features)):
            raise InputError(
                f"Eigenvalues {kept} cannot be retained by {n_latents} latents of {n_features} features; "
                f"choose at most that many of 0 to {n_features - 1}, and fewer latents than features."
            )
        mean = x.mean(0)
        _, singular, vectors = torch.linalg.svd(x - mean, full_matrices=True)
        values = torch.nn.functional.pad(singular.square() / len(x), (0, n_features - len(singular)))
        rest = [k for k in range(n_features) if k not in kept]
        noise = values[rest].mean()
        if not noise > 0 or (values[kept] < noise).any():
            raise InputError(
                f"Eigenvalues {kept} give no stationary point: the mean of the others, {float(noise):.3g}, "
                "must be positive and at most the least of them."
            )
        loadings = x.new_zeros(n_features, n_latents)
        loadings[:, : len(kept)] = vectors[kept].T * (values[kept] - noise).sqrt()
        return cls.from_standard(loadings, mean, noise)
