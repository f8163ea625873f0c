"""What the experiments share: networks of many runs, and their ELBO and entropies while they learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.vae import VAE, Adam, AmortizedVAE, Encoder, Network, shuffled
from paperlib.models.vae.expectations import Rule

FIRST_VARIANCE = math.log(2) ** 2  # of the noise: the authors' σ starts at softplus(0)
PART = 1000  # data points that are evaluated at once


def make_vae(
    n_features: int,
    n_latents: int,
    hidden: Sequence[int],
    rule: Rule,
    generator: torch.Generator,
    *,
    n_runs: int,
    activation: str = "relu",
    varies: bool = False,
    noise: float = FIRST_VARIANCE,
    learned: Sequence[str] = ("noise",),
) -> AmortizedVAE:
    """Runs of a VAE from different first weights; encoder and decoder have the same `hidden` units, mirrored.

    Parameters
    ----------
    n_features, n_latents : int
        D and H.
    hidden : sequence of int
        Units of the encoder's hidden layers; without any it is the linear VAE, with one τ for all data.
    rule : Rule
        How to take expectations.
    generator : torch.Generator
        Draws the weights.
    n_runs : int
        How many.
    activation : str
        Of the hidden units.
    varies : bool
        Whether the noise depends on z, as in VAE-3.
    noise : float
        First σ².
    learned : sequence of str
        Which of ``"noise"`` and ``"prior_variances"`` are.
    """
    options: dict[str, Any] = {"runs": (n_runs,), "activation": activation}
    sizes = [n_features, *hidden, 2 * n_latents if hidden else n_latents]
    encoder = Network.random(sizes, generator, **options)
    outputs = n_features * (1 + varies)
    decoder = Network.random([n_latents, *hidden[::-1], outputs], generator, n_biases=n_features, **options)
    shape = (n_runs, n_features) if varies else (n_runs,)
    model = VAE(decoder, torch.ones(n_runs, n_latents), torch.full(shape, noise), rule=rule)
    constant = None if hidden else torch.full((n_runs, n_latents), math.log(FIRST_VARIANCE))
    fixed = frozenset({"noise", "prior_variances"}.difference(learned))
    unit_columns = "prior_variances" in learned
    return AmortizedVAE(model, Encoder(encoder, constant), fixed=fixed, unit_columns=unit_columns)


@torch.no_grad()
def all_statistics(vae: AmortizedVAE, x: Float[Tensor, "N D"]) -> Any:
    """Sums over all data `x`, a part at a time."""
    return reduce(add, (vae.statistics(part) for part in x.split(PART)))


def values(vae: AmortizedVAE, x: Float[Tensor, "N D"]) -> dict[str, list[float]]:
    """ELBO and entropy sum of each run, in nats a data point of `x`."""
    stats = all_statistics(vae, x)
    terms = vae.model.entropies(stats)
    return {"elbo": rounded(vae.model.elbo(stats)), "entropies": rounded(terms.elbo)}


def in_the_plane(vae: AmortizedVAE, x: Float[Tensor, "N D"]) -> dict[str, np.ndarray]:
    """Posterior means of the first run, and the two first principal components of the data, as arrays."""
    with torch.no_grad():
        means = vae.run(0).encoder(x).mean
    centered = x - x.mean(0)
    components = centered @ torch.linalg.svd(centered, full_matrices=False)[2][:2].T
    return {"latents": means.numpy(), "components": components.numpy()}


def rounded(tensor: Tensor, digits: int = 6) -> list[float]:
    """The numbers of a tensor for a record."""
    return [round(number, digits) for number in tensor.tolist()]


def learn(
    vae: AmortizedVAE, x: Float[Tensor, "N D"], generator: torch.Generator,
    look: Callable[[AmortizedVAE], dict[str, Any]],
    *, batch_size: int, n_epochs: int, n_looks: int, rate: float = 1e-3, variance_rate: float | None = None,
) -> tuple[AmortizedVAE, dict[str, list]]:  # fmt: skip
    """Learn all runs of a `vae` by Adam, and what `look` says of it, about `n_looks` times in `n_epochs`.

    Returns
    -------
    vae, curves
        The end, and `curves` with the epochs (`epoch`) at which it was looked at, and all that was seen.
    """
    adam = Adam(vae, rate, variance_rate)
    every = max(n_epochs // n_looks, 1)
    curves: dict[str, list] = {}
    for epoch, batches in enumerate(shuffled(x, batch_size, n_epochs, generator), 1):
        for batch in batches:
            adam.step(batch)
        if epoch % every == 0 or epoch in (1, n_epochs):
            for name, value in ({"epoch": epoch} | look(adam.vae)).items():
                curves.setdefault(name, []).append(value)
    return adam.vae, curves
