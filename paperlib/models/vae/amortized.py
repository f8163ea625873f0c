"""A variational autoencoder with its encoder: the ELBO as a function of all parameters of both networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.vae.network import Network
from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice

DEVIATION_LINKS = {"exp": lambda raw: (raw / 2).exp(), "softplus": softplus}
POSITIVE = ("prior_variances", "noise")  # parameters that are learned as logarithms


@dataclass(frozen=True)
class Encoder:
    """A `network` x → N(ν, diag τ²).

    The outputs are ν and log τ² or, with the `link` "softplus", what τ is a softplus of; with a `constant`
    (…, H) in place of the latter they are ν alone, and τ is the same for all data points.
    """

    network: Network
    constant: Float[Tensor, "*runs H"] | None = None
    link: str = "exp"

    def __post_init__(self) -> None:
        check_choice("link of the deviation", self.link, DEVIATION_LINKS)
        if self.constant is None and self.network.sizes[1] % 2:
            raise InputError(f"An encoder cannot have {self.network.sizes[1]} outputs; expected ν and τ, 2H.")

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Weights as `encoder.<name>`, and `encoder.constant`."""
        constant = {} if self.constant is None else {"constant": self.constant}
        return {f"encoder.{name}": tensor for name, tensor in {**self.network.weights, **constant}.items()}

    def __call__(self, x: Float[Tensor, "*any N D"]) -> DiagonalGaussian:
        """Posteriors of data `x`, differentiable in all parameters."""
        outputs = self.network(x)
        if self.constant is None:
            mean, raw = outputs.chunk(2, -1)
        else:
            mean, raw = outputs, self.constant.unsqueeze(-2).expand_as(outputs)
        return DiagonalGaussian(mean, DEVIATION_LINKS[self.link](raw))


@dataclass(frozen=True)
class AmortizedVAE:
    """A `model` and its `encoder`.

    Parameters
    ----------
    model : VAE or BernoulliVAE
        The generative model.
    encoder : Encoder
        What infers its posteriors.
    fixed : collection of str
        Names of parameters that are not learned.
    unit_columns : bool
        Whether columns of the decoder's first weights have unit length, as those of VAE-2.
    """

    model: Any
    encoder: Encoder
    fixed: frozenset[str] = field(default=frozenset(), kw_only=True)
    unit_columns: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in self.fixed:
            check_choice("parameter", name, {**self.model.parameters, **self.encoder.parameters})

    @property
    def free(self) -> dict[str, Tensor]:
        """What is learned, without constraints: variances as logarithms."""
        parameters = {**self.model.parameters, **self.encoder.parameters}
        return {
            name: tensor.log() if name in POSITIVE else tensor
            for name, tensor in parameters.items()
            if name not in self.fixed
        }

    def with_free(self, free: Mapping[str, Tensor]) -> AmortizedVAE:
        """The same with other learned parameters, the inverse of `free`."""
        tensors = {name: tensor.exp() if name in POSITIVE else tensor for name, tensor in free.items()}
        if self.unit_columns:
            first = tensors["decoder.0.weight"]
            tensors["decoder.0.weight"] = first / torch.linalg.vector_norm(first, dim=-2, keepdim=True)
        of_model = {name: tensor for name, tensor in tensors.items() if name in self.model.parameters}
        of_encoder = {
            name.removeprefix("encoder."): tensors[name] for name in tensors if name not in of_model
        }
        constant = of_encoder.pop("constant", self.encoder.constant)
        network = replace(self.encoder.network, weights={**self.encoder.network.weights, **of_encoder})
        encoder = replace(self.encoder, network=network, constant=constant)
        return replace(self, model=self.model.replace(**of_model), encoder=encoder)

    def run(self, index: int) -> AmortizedVAE:
        """The run of an `index` alone."""
        tensors = {name: tensor[index] for name, tensor in self.model.parameters.items()}
        weights = {name: tensor[index] for name, tensor in self.encoder.network.weights.items()}
        constant = None if self.encoder.constant is None else self.encoder.constant[index]
        network = replace(self.encoder.network, weights=weights)
        return replace(
            self,
            model=self.model.replace(**tensors),
            encoder=replace(self.encoder, network=network, constant=constant),
        )

    def statistics(self, x: Float[Tensor, "*any N D"]) -> Any:
        """Sums over the data `x` under the encoder's posteriors."""
        return self.model.statistics(x, self.encoder(x))

    def elbo(self, x: Float[Tensor, "*any N D"], beta: float = 1.0) -> Float[Tensor, "*runs"]:
        """ELBO in nats a data point; `beta` weighs the KL divergence from the prior."""
        likelihood, prior, posterior = self.model.parts(self.statistics(x))
        return likelihood + beta * (prior + posterior)

    def rescaling(self) -> dict[str, Tensor]:
        """Direction of `free` that multiplies ν and τ by 1 + ε/2, and divides the decoder's first weights.

        p(x|z) stays, and for a standard normal prior the derivative of the ELBO is (H − E‖z‖²)/2: what the
        prior's variances, were they learned, would have.  InputError where τ cannot be multiplied.
        """
        encoder, last = self.encoder, self.encoder.network.depth - 1
        constant = encoder.constant
        weight, bias = (encoder.parameters[f"encoder.{last}.{kind}"] for kind in ("weight", "bias"))
        n_latents = self.model.prior_variances.shape[-1]
        if encoder.link != "exp" or (constant is None and bias.shape[-1] < 2 * n_latents):
            raise InputError("This encoder cannot multiply all its τ by the same factor.")
        is_mean = torch.arange(weight.shape[-2], device=weight.device) < n_latents
        direction = {
            f"encoder.{last}.weight": weight / 2 * is_mean.unsqueeze(-1),
            f"encoder.{last}.bias": torch.where(is_mean, bias / 2, torch.ones_like(bias)),
            "decoder.0.weight": -self.model.parameters["decoder.0.weight"] / 2,
        }
        return direction if constant is None else {**direction, "encoder.constant": torch.ones_like(constant)}
