"""Rows of variational autoencoders so small that they are brought to a stationary point, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.vae import (
    VAE,
    AmortizedVAE,
    BernoulliVAE,
    Cubature,
    Encoder,
    GaussHermite,
    Network,
    settle,
)
from paperlib.papers.entropy_sums.data import raw, standardized
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

PAGE = "three_entropies/vaes"
DEVIATION = math.log(0.3**2)  # where τ is fixed
VAE_1 = r"\tfrac1N\sum_{n,h}\log\tau_h^{(n)}-\tfrac D2\log(2\pi e\sigma^2)"
VAE_2 = r"\tfrac1N\sum_{n,h}\log(\tau_h^{(n)}/\alpha_h)-\tfrac D2\log(2\pi e\sigma^2)"
VAE_3 = (
    r"\tfrac1N\sum_{n,h}\log\tau_h^{(n)}-\tfrac1N\sum_{n,d}\mathbb E_q\log\sigma_d(z)-\tfrac D2\log(2\pi e)"
)
BERNOULLI = r"\tfrac1N\sum_{n,h}\log\tau_h^{(n)}-\mathbb E_{\bar q}H[p(x\mid z)]"
NETWORKS = "weights of both networks"
NO_NOISE = "the noise has no parameter to follow the temperature with"
NO_SCALE = "no parameter multiplies all τ by a factor"
NO_FACTOR = "no parameter multiplies all σ(z) by a factor"


def binary() -> Float[Tensor, "N D"]:
    """Iris, above its medians or not."""
    x = raw("iris")
    return (x > x.median(0).values).double()


def within_unit() -> Float[Tensor, "N D"]:
    """Iris, each feature from 0 to 1."""
    x = raw("iris")
    least, most = x.aminmax(dim=0)
    return (x - least) / (most - least)


def four_of_wine() -> Float[Tensor, "N D"]:
    """The first four features of wine, standardized."""
    return standardized("wine")[:, :4]


DATA: dict[str, Callable[[], Tensor]] = {
    "iris": partial(standardized, "iris"), "iris, binary": binary, "iris in [0, 1]": within_unit,
    "wine, 4 features": four_of_wine,
}  # fmt: skip


def settled(
    name: str,
    formula: str,
    condition: str,
    *,
    data: str = "iris",
    learned: tuple[str, ...] = ("noise", "encoder"),
    constant: float | None = None,
    beta: float = 1.0,
    link: str = "exp",
    exception: str = "",
    **decoder: Any,
) -> Row:
    """Row of a VAE of one latent at a stationary point of all that is `learned` besides the decoder.

    `constant` is the log τ² of all data points to start from, and `beta` the weight of the KL divergence
    while it learns; `link` is the encoder's, and `decoder` has options of `gaussian`.
    """
    x, generator = DATA[data](), torch.Generator().manual_seed(0)
    double: dict[str, Any] = {"dtype": torch.float64, "activation": "tanh"}
    make: Callable[..., Any] = bernoulli if "binary" in data else gaussian
    model = make(x.shape[1], generator, double, **decoder)
    network = Network.random([x.shape[1], 2 if constant is None else 1], generator, **double)
    level = None if constant is None else torch.full((1,), constant, dtype=torch.float64)
    encoder = Encoder(network, level, link)
    choices = {"noise", "prior_variances", "encoder.constant"} & {
        **model.parameters,
        **encoder.parameters,
    }.keys()
    fixed = frozenset(choice for choice in choices if choice.partition(".")[0] not in learned)
    vae, slope = settle(AmortizedVAE(model, encoder, fixed=fixed), x, beta)
    if slope > 1e-9:
        raise FloatingPointError(f"{name} has not settled: a derivative of {slope:.0e} is left.")
    return measured(
        vae.model, x, vae.encoder(x), name=name, data=data, variational="encoder, Gaussian", graph="z→x",
        formula=formula, condition=condition, page=PAGE, exception=exception,
    )  # fmt: skip


def gaussian(
    n_features: int, generator: torch.Generator, double: dict[str, Any], *, hidden: int = 1,
    noise: float = 0.5, outputs: str = "mean", mean_link: str = "identity", scale_link: str = "exp",
) -> VAE:  # fmt: skip
    """VAE of one latent and `hidden` tanh units; `outputs` "mean and scale" are μ and s."""
    varies = outputs != "mean"
    n_biases = n_features if scale_link == "exp" else None
    sizes = [1, *[1] * hidden, n_features * (1 + varies)]
    decoder = Network.random(sizes, generator, n_biases=n_biases if varies else None, **double)
    variances = torch.full((n_features,) if varies else (), 1.0 if varies else noise, dtype=torch.float64)
    rule = GaussHermite(11) if hidden else Cubature()
    ones = torch.ones(1, dtype=torch.float64)
    return VAE(decoder, ones, variances, rule=rule, mean_link=mean_link, scale_link=scale_link)


def bernoulli(n_features: int, generator: torch.Generator, double: dict[str, Any]) -> BernoulliVAE:
    """Bernoulli VAE of one latent, whose logits are linear in it."""
    decoder = Network.random([1, n_features], generator, **double)
    return BernoulliVAE(decoder, torch.ones(1, dtype=torch.float64), rule=GaussHermite(11))


vae_1 = partial(settled, formula=VAE_1, condition=rf"$\sigma^2$, {NETWORKS}")
vae_2 = partial(
    settled, formula=VAE_2, condition=r"$\sigma^2$, $\alpha^2$", learned=("noise", "prior_variances")
)
vae_3 = partial(settled, formula=VAE_3, condition=NETWORKS, outputs="mean and scale")
vae_0 = partial(vae_1, learned=("encoder",), exception=NO_NOISE)

ROWS: Rows = {
    "linear-vae": partial(vae_1, "linear VAE", hidden=0, constant=0.0),
    "vae-1": partial(vae_1, "VAE-1"),
    "vae-1-sigmoid": partial(vae_1, "VAE-1, sigmoid output", data="iris in [0, 1]", mean_link="sigmoid"),
    "vae-1-constant": partial(vae_1, "VAE-1, one τ for all data", constant=DEVIATION),
    "vae-1-beta": partial(vae_1, "VAE-1, learned with β = 3", beta=3.0),
    "vae-2": partial(vae_2, "VAE-2", learned=("noise", "prior_variances", "encoder")),
    "vae-2-fixed": partial(vae_2, "VAE-2, τ fixed", constant=DEVIATION),
    "vae-3": partial(vae_3, "VAE-3"),
    "bernoulli-vae": partial(settled, "Bernoulli VAE", BERNOULLI, NETWORKS, data="iris, binary"),
    "vae-0": partial(vae_0, "VAE-0, σ² = 1", noise=1.0),
    "vae-0-small": partial(vae_0, "VAE-0, σ² = 0.1", noise=0.1),
    "vae-1-softplus": partial(vae_1, "VAE-1, softplus for τ", link="softplus", exception=NO_SCALE),
    "vae-1-fixed": partial(
        vae_1, "VAE-1, τ fixed", constant=DEVIATION, learned=("noise",), exception=NO_SCALE
    ),
    "vae-3-softplus": partial(
        vae_3, "VAE-3, softplus for σ", learned=("encoder",), scale_link="softplus", exception=NO_FACTOR
    ),
    "vae-3-no-bias": partial(
        vae_3, "VAE-3, no bias", data="wine, 4 features", learned=("encoder",), exception=NO_FACTOR
    ),
}
