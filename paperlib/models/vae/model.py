"""Variational autoencoders: a decoder network between a Gaussian prior and the noise of the data.

`VAE` has Gaussian noise: with fixed or learned prior variances, with one σ² or one for each feature that may
depend on z, and, if its decoder is linear, the linear VAE.  `BernoulliVAE` is for data in [0, 1].

All tensors may have leading dimensions, one entry a run: many models, of the same sizes, at once.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from paperlib.elbo.posteriors import LOG_2_PI_E, DiagonalGaussian
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import Model
from paperlib.models.vae.expectations import GaussHermite, Rule
from paperlib.models.vae.network import Network
from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice, check_parameter

V = TypeVar("V", bound="Decoding")
S = TypeVar("S", bound="LatentStatistics")
Link = Callable[[Tensor], Tensor]
MEAN_LINKS: dict[str, Link] = {"identity": torch.nn.Identity(), "sigmoid": torch.sigmoid}
LOG_VARIANCE_LINKS: dict[str, Link] = {
    "exp": torch.nn.Identity(),
    "softplus": lambda raw: 2 * softplus(raw).log(),
}


class Parts(NamedTuple):
    """Parts of an ELBO, in nats: `likelihood` E log p(x|z), `prior` E log p(z), `posterior` H[q]."""

    likelihood: Float[Tensor, "*runs"]
    prior: Float[Tensor, "*runs"]
    posterior: Float[Tensor, "*runs"]


@dataclass(frozen=True)
class LatentStatistics(Statistics):
    """Sums over `count` data points in each latent: `latent_squares` of E z², `log_deviations` of log τ."""

    latent_squares: Float[Tensor, "*runs H"]
    log_deviations: Float[Tensor, "*runs H"]
    count: float

    @property
    def latent_entropies(self) -> Float[Tensor, "*runs H"]:
        """Mean entropy of the posteriors in each latent, in nats."""
        return LOG_2_PI_E / 2 + self.log_deviations / self.count


@dataclass(frozen=True)
class GaussianStatistics(LatentStatistics):
    """Sums over `count` data points for variances of ψ e^s(z).

    `latent_squares` of E z², `log_deviations` of log τ, `errors` of E (x − μ(z))²/e^s(z), and `log_scales` of
    E s(z).
    """

    errors: Float[Tensor, "*runs D"]
    log_scales: Float[Tensor, "*runs D"]


@dataclass(frozen=True)
class BernoulliStatistics(LatentStatistics):
    """Sums over `count` data points.

    `latent_squares` of E z², `log_deviations` of log τ, `log_likelihood` of E log p(x|z), and `noise_entropy`
    of E H[p(x|z)].
    """

    log_likelihood: Float[Tensor, "*runs"]
    noise_entropy: Float[Tensor, "*runs"]


@dataclass(frozen=True)
class Decoding(Model[S, DiagonalGaussian]):
    """z_h ~ N(0, v_h), and x given the outputs of a `decoder` network at z; `rule` takes expectations.

    Parameters are the decoder's weights, as `decoder.<name>`, and `prior_variances` v (…, H).
    """

    decoder: Network
    prior_variances: Float[Tensor, "*runs H"]
    rule: Rule = field(default=GaussHermite(20), kw_only=True)

    def __post_init__(self) -> None:
        check_parameter("prior_variances", self.prior_variances, (*self.runs, self.decoder.sizes[0]), True)

    @property
    def runs(self) -> torch.Size:
        """Leading dimensions of all parameters."""
        return self.decoder.weights["0.weight"].shape[:-2]

    @property
    @abstractmethod
    def n_features(self) -> int:
        """D."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters by name, those of the decoder as `decoder.<name>`."""
        return {f"decoder.{name}": value for name, value in self.decoder.weights.items()} | super().parameters

    def replace(self: V, **tensors: Tensor) -> V:
        for name in tensors:
            check_choice("parameter", name, self.parameters)
        weights = {
            name: tensors.pop(f"decoder.{name}", value) for name, value in self.decoder.weights.items()
        }
        return replace(self, decoder=replace(self.decoder, weights=weights), **tensors)  # type: ignore[arg-type]

    @abstractmethod
    def parts(self, stats: S) -> Parts:
        """The parts of the ELBO."""

    def elbo(self, stats: S) -> Float[Tensor, "*runs"]:
        return sum(self.parts(stats))  # type: ignore[return-value]

    def latents(
        self, x: Float[Tensor, "*#runs N D"], posterior: DiagonalGaussian
    ) -> tuple[Float[Tensor, "S *runs N H"], Float[Tensor, " S"], LatentStatistics]:
        """Latents that expectations are taken at, their weights, and the sums over latents alone."""
        n_latents = self.prior_variances.shape[-1]
        shapes = tuple(x.shape[-2:]), tuple(posterior.mean.shape[-2:])
        if shapes != ((posterior.mean.shape[-2], self.n_features), (x.shape[-2], n_latents)):
            raise InputError(
                f"Data {shapes[0]} and posterior means {shapes[1]} do not fit; expected "
                f"(N, {self.n_features}) and (N, {n_latents})."
            )
        nodes, weights = self.rule.nodes(posterior.mean)
        squares = (posterior.mean.square() + posterior.deviation.square()).sum(-2, dtype=torch.float64)
        logarithms = posterior.deviation.log().sum(-2, dtype=torch.float64)
        sums = LatentStatistics(squares, logarithms, float(x.shape[-2]))
        return posterior.mean + posterior.deviation * nodes, weights, sums

    def latent_parts(self, stats: S) -> tuple[Float[Tensor, "*runs"], Float[Tensor, "*runs"]]:
        """E log p(z) and H[q]."""
        squares = stats.latent_squares / stats.count
        prior = (squares / self.prior_variances + torch.log(2 * math.pi * self.prior_variances)).sum(-1)
        return -prior / 2, stats.latent_entropies.sum(-1)

    def prior_entropy(self) -> Float[Tensor, "*runs"]:
        """H[p(z)]."""
        return (LOG_2_PI_E + self.prior_variances.log()).sum(-1) / 2

    def draw_latents(self, n_points: int, generator: torch.Generator) -> Float[Tensor, "N H"]:
        """Latents of the prior; InputError for several runs at once."""
        if self.runs:
            raise InputError(f"Only a single model can be sampled, not {self.runs} runs at once.")
        noise = self.prior_variances.new_empty(n_points, *self.prior_variances.shape)
        return self.prior_variances.sqrt() * noise.normal_(generator=generator)

    def log_prior(self, z: Float[Tensor, "*batch H"]) -> Float[Tensor, "*batch"]:
        """Log p(z) of latents `z`."""
        return _log_normal(z.square(), self.prior_variances)


@dataclass(frozen=True)
class VAE(Decoding[GaussianStatistics]):
    """x_d ~ N(μ_d(z), ψ_d e^{s_d(z)}), the decoder's outputs being μ, or μ and s.

    `decoder` is a network, and `rule` takes expectations.  `noise` ψ is σ² (…), one for all features,
    or (…, D).  The `prior_variances` v (…, H) distinguish VAE-1, where they stay 1, from VAE-2.  The
    `mean_link` "sigmoid" makes μ a sigmoid of the outputs, and the `scale_link` "softplus" e^s the square of
    a softplus.
    """

    noise: Float[Tensor, "*noise"]
    mean_link: str = field(default="identity", kw_only=True)
    scale_link: str = field(default="exp", kw_only=True)

    fitted_names: ClassVar[tuple[str, ...]] = ("prior_variances", "noise")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("link of the mean", self.mean_link, MEAN_LINKS)
        check_choice("link of the scale", self.scale_link, LOG_VARIANCE_LINKS)
        shape = self.runs if self.noise.shape == self.runs else (*self.runs, self.n_features)
        check_parameter("noise", self.noise, shape, positive=True)
        if self.decoder.sizes[1] not in (self.n_features, 2 * self.n_features):
            raise InputError(
                f"A decoder of {self.n_features} features cannot have {self.decoder.sizes[1]} outputs."
            )

    @property
    def n_features(self) -> int:
        is_one = self.noise.shape == self.runs
        return self.decoder.sizes[1] if is_one else self.noise.shape[-1]

    @property
    def noise_variances(self) -> Float[Tensor, "*runs D"]:
        """ψ in each feature."""
        noise = self.noise.unsqueeze(-1) if self.noise.shape == self.runs else self.noise
        return noise.expand(*self.runs, self.n_features)

    def decode(self, z: Float[Tensor, "*batch H"]) -> tuple[Tensor, Tensor | None]:
        """Mean μ of x given `z`, and s, which is None where it is 0."""
        raw, *scales = self.decoder(z).split(self.n_features, -1)
        log_scale = LOG_VARIANCE_LINKS[self.scale_link](scales[0]) if scales else None
        return MEAN_LINKS[self.mean_link](raw), log_scale

    def statistics(self, x: Float[Tensor, "*#runs N D"], posterior: DiagonalGaussian) -> GaussianStatistics:
        z, weights, sums = self.latents(x, posterior)
        mean, log_scale = self.decode(z)
        errors = (x - mean).square()
        if log_scale is None:
            log_scales = torch.zeros_like(self.noise_variances, dtype=torch.float64)
        else:
            errors = errors * (-log_scale).exp()
            log_scales = _expected(log_scale, weights)
        return GaussianStatistics(**vars(sums), errors=_expected(errors, weights), log_scales=log_scales)

    def parts(self, stats: GaussianStatistics) -> Parts:
        errors = stats.errors / stats.count / self.noise_variances
        likelihood = (errors + math.log(2 * math.pi)).sum(-1) + self._log_variances(stats)
        return Parts(-likelihood / 2, *self.latent_parts(stats))

    def entropies(self, stats: GaussianStatistics) -> EntropyTerms:
        likelihood = (self.n_features * LOG_2_PI_E + self._log_variances(stats)) / 2
        return EntropyTerms(self.latent_parts(stats)[1], self.prior_entropy(), likelihood)

    def _log_variances(self, stats: GaussianStatistics) -> Float[Tensor, "*runs"]:
        """Mean of Σ_d E log σ_d²(z)."""
        return (self.noise_variances.log() + stats.log_scales / stats.count).sum(-1)

    def fitted(self, stats: GaussianStatistics) -> VAE:
        noise = stats.errors / stats.count
        noise = noise.mean(-1) if self.noise.shape == self.runs else noise
        prior = stats.latent_squares / stats.count
        return self.replace(prior_variances=prior.to(self.prior_variances), noise=noise.to(self.noise))

    def temperature(self) -> Mapping[str, Tensor]:
        return {"prior_variances": -self.prior_variances, "noise": -self.noise}

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N H"]]:
        z = self.draw_latents(n_points, generator)
        mean, variances = self._moments(z)
        return mean + variances.sqrt() * torch.empty_like(mean).normal_(generator=generator), z

    def log_joint(
        self, x: Float[Tensor, "*#batch D"], z: Float[Tensor, "*#batch H"]
    ) -> Float[Tensor, "*#batch"]:
        mean, variances = self._moments(z)
        return _log_normal((x - mean).square(), variances) + self.log_prior(z)

    def _moments(self, z: Float[Tensor, "*batch H"]) -> tuple[Float[Tensor, "*batch D"], Tensor]:
        """Mean and variances of x given z."""
        mean, log_scale = self.decode(z)
        return mean, self.noise_variances * (1.0 if log_scale is None else log_scale.exp())


@dataclass(frozen=True)
class BernoulliVAE(Decoding[BernoulliStatistics]):
    """p(x_d = 1 | z) = sigmoid(η_d(z)), η being the outputs of the `decoder`; x may be in between, too.

    `prior_variances` (…, H) are v, and `rule` takes expectations.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("prior_variances",)

    @property
    def n_features(self) -> int:
        return self.decoder.sizes[1]

    def statistics(self, x: Float[Tensor, "*#runs N D"], posterior: DiagonalGaussian) -> BernoulliStatistics:
        z, weights, sums = self.latents(x, posterior)
        logits = self.decoder(z)
        normalizer = softplus(logits)
        log_likelihood = _expected(x * logits - normalizer, weights).sum(-1)
        entropy = _expected(normalizer - logits * logits.sigmoid(), weights).sum(-1)
        return BernoulliStatistics(**vars(sums), log_likelihood=log_likelihood, noise_entropy=entropy)

    def parts(self, stats: BernoulliStatistics) -> Parts:
        return Parts(stats.log_likelihood / stats.count, *self.latent_parts(stats))

    def entropies(self, stats: BernoulliStatistics) -> EntropyTerms:
        noise = stats.noise_entropy / stats.count
        return EntropyTerms(self.latent_parts(stats)[1], self.prior_entropy(), noise)

    def fitted(self, stats: BernoulliStatistics) -> BernoulliVAE:
        return self.replace(prior_variances=(stats.latent_squares / stats.count).to(self.prior_variances))

    def temperature(self) -> Mapping[str, Tensor]:
        last = [f"decoder.{self.decoder.depth - 1}.{kind}" for kind in ("weight", "bias")]
        return {"prior_variances": -self.prior_variances} | {name: self.parameters[name] for name in last}

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N H"]]:
        z = self.draw_latents(n_points, generator)
        return torch.bernoulli(self.decoder(z).sigmoid(), generator=generator), z

    def log_joint(
        self, x: Float[Tensor, "*#batch D"], z: Float[Tensor, "*#batch H"]
    ) -> Float[Tensor, "*#batch"]:
        logits = self.decoder(z)
        return (x * logits - softplus(logits)).sum(-1) + self.log_prior(z)


def _expected(values: Float[Tensor, "S *runs N D"], weights: Float[Tensor, " S"]) -> Float[Tensor, "*runs D"]:
    """Σ_n E of `values` at nodes with these `weights`, in float64."""
    return torch.tensordot(weights, values, 1).sum(-2, dtype=torch.float64)


def _log_normal(squares: Tensor, variances: Tensor) -> Tensor:
    """Log density of independent Gaussians from squares of their errors, summed over dimensions."""
    return -(squares / variances + torch.log(2 * math.pi * variances)).sum(-1) / 2
