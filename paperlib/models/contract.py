"""What every model offers, so that anything generic (gap identity, EM, tests, pages) works for it."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.criteria import Direction, find_direction
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice, check_positive

POINTS_AT_ONCE = 512  # bounds the memory of `elbo_of_points`; results do not depend on it


@runtime_checkable
class Variational(Protocol):
    """Posteriors q⁽ⁿ⁾(z) of N data points, of whatever family."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any:
        """Posteriors of the data points that `index` (slice, mask or integer tensor) selects."""

    def entropy(self) -> Float[Tensor, " N"]:
        """H[q] of each data point, in nats."""

    def sample(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Draw `n_samples` latents of each data point (S, N, …)."""


M = TypeVar("M", bound="Model")
T = TypeVar("T", bound="ExactModel")
S = TypeVar("S", bound=Statistics)
Q = TypeVar("Q", bound=Variational)


class Model(ABC, Generic[S, Q]):
    """A generative model p(z) p(x|z), with sums of type S over data points under posteriors of type Q.

    A model is a frozen dataclass; its tensors are its parameters, other fields what is not learned.  It
    refuses bad values when it is made, and `log_joint` is a normalized density for all parameters near its
    own.
    """

    @property
    @abstractmethod
    def fitted_names(self) -> tuple[str, ...]:
        """Names of the parameters that `fitted` has in closed form; a class variable if they are fixed."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def replace(self: M, **tensors: Tensor) -> M:
        """The same model with other parameters, `tensors` by name; InputError if it cannot have these."""
        for name in tensors:
            check_choice("parameter", name, self.parameters)
        return dataclasses.replace(self, **tensors)  # type: ignore[type-var]

    @abstractmethod
    def sample(self, n_points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `n_points` data points x (N, …) and their latents z (N, …)."""

    @abstractmethod
    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Log density log p(x, z) in nats, of each data point; leading dimensions of z broadcast."""

    @abstractmethod
    def statistics(self, x: Tensor, posterior: Q) -> S:
        """Sums over data points that the ELBO of `x` under `posterior` is a function of.

        They may depend on parameters, but not on those in `fitted_names`.
        """

    @abstractmethod
    def elbo(self, stats: S) -> Float[Tensor, ""]:
        """ELBO in nats a data point, at the model's parameters and differentiable in them."""

    @abstractmethod
    def entropies(self, stats: S) -> EntropyTerms:
        """The entropies that the ELBO becomes; those that depend on z are means over the posteriors."""

    @abstractmethod
    def fitted(self: M, stats: S) -> M:
        """The M-step: parameters `fitted_names` at the maximum of the ELBO, the others as they are."""

    def natural_parameters(self, z: Tensor) -> Tensor:
        """Natural parameters of p(z) and, at each latent `z` (K, …), of p(x|z), all in one vector.

        They are differentiable in the model's parameters.  A model that gives them has its temperature
        found; one whose temperature is written down need not.
        """
        raise InputError(f"{type(self).__name__} says neither its natural parameters nor its temperature.")

    def find_temperature(self, learned: Collection[str] | None = None, n_latents: int = 32) -> Direction:
        """The direction in which all natural parameters η grow by themselves, or that there is none.

        Parameters
        ----------
        learned : collection of str, optional
            Names of the parameters that are learned; all, if left out.
        n_latents : int
            At how many latents, samples of the model, p(x|z) is to follow; its direction depends on none.

        Raises
        ------
        InputError
            If the model does not say its natural parameters, or they are not finite.
        """
        check_positive(n_latents=n_latents)
        _, z = self.sample(n_latents, torch.Generator(next(iter(self.parameters.values())).device))

        def eta(parameters: Mapping[str, Tensor]) -> Tensor:
            return self.replace(**parameters).natural_parameters(z)

        return find_direction(eta, self.parameters, learned)

    def temperature(self) -> Mapping[str, Tensor]:
        """Direction dθ/dτ by name: along it log p(z) and log p(x|z) grow by themselves, normalized.

        The natural parameters η(θ) of prior and noise have η = (∂η/∂θ) dθ/dτ: minus itself for a variance
        or a scale, itself for natural parameters.  `paperlib.models.gap` uses it.  It is found by
        `find_temperature` unless a model writes it down; InputError if there is none.
        """
        found = self.find_temperature()
        if not found.exists:
            raise InputError(
                f"{type(self).__name__} has no temperature: a share of {found.residual:.2g} of its natural "
                "parameters cannot follow. Let it learn a scale, or write its temperature down."
            )
        return found.along


class ExactModel(Model[S, Q]):
    """A model whose posteriors are tractable and whose M-step is closed: it can be learned by EM."""

    @abstractmethod
    def posterior(self, x: Tensor) -> Q:
        """The exact posteriors p(z|x) of data `x` (N, …); there the ELBO is the mean of log p(x)."""

    def log_likelihood(self, x: Tensor) -> Float[Tensor, ""]:
        """Mean of log p(x) over data `x` (N, …), in nats."""
        return self.elbo(self.statistics(x, self.posterior(x)))

    def fit(
        self: T,
        x: Tensor,
        tolerance: float = 1e-10,
        max_rounds: int = 10_000,
        restrict: Callable[[Any], Any] = lambda posterior: posterior,
    ) -> tuple[T, Any]:
        """EM on data `x` (N, …) from this model's parameters on.

        It ends with a round that gains less than `tolerance` nats a data point, or after `max_rounds`.  For
        posteriors of another family `restrict` has the best of it in place of the exact ones, as
        `Categorical.truncated` does.

        Returns
        -------
        model, posterior
            The model after the last M-step, and the posteriors that this had, at which it is stationary.

        Raises
        ------
        InputError
            If data are not those of such a model, a number is not positive, or EM ends at infinity or at a
            variance of 0, which the model refuses: start elsewhere, or give it more data.
        FloatingPointError
            If learning leaves the finite numbers.
        """
        return variational_em(self, x, lambda model, _: restrict(model.posterior(x)), tolerance, max_rounds)


def variational_em(
    model: M,
    x: Tensor,
    infer: Callable[[M, Any], Any],
    tolerance: float = 1e-10,
    max_rounds: int = 10_000,
) -> tuple[M, Any]:
    """EM on data `x` (N, …) with posteriors of any family, from a `model` on.

    The E-step `infer` gets the model and the posteriors of the round before, None in the first.  For the end
    by `tolerance` or `max_rounds`, what is returned and what is raised see `ExactModel.fit`.
    """
    check_positive(tolerance=tolerance, max_rounds=max_rounds)
    posterior, before = None, -torch.inf
    for _ in range(max_rounds):
        posterior = infer(model, posterior)
        stats = model.statistics(x, posterior)
        model = model.fitted(stats)
        elbo = float(model.elbo(stats))
        if not abs(elbo) < torch.inf:
            raise FloatingPointError("The ELBO is not finite; start from other parameters.")
        if elbo - before < tolerance:
            break
        before = elbo
    return model, posterior


def monte_carlo_elbo(
    model: Model[Any, Any], x: Tensor, posterior: Variational, n_samples: int, generator: torch.Generator
) -> Float[Tensor, ""]:
    """ELBO in nats a data point by reparameterized samples: unbiased, differentiable in all parameters."""
    log_joint = model.log_joint(x, posterior.sample(n_samples, generator))
    return log_joint.mean() + posterior.entropy().mean()


def elbo_of_points(model: Model[Any, Any], x: Float[Tensor, "N D"], posterior: Any) -> Float[Tensor, " N"]:
    """ELBO of each data point by itself, in nats; `posterior` is a dataclass of tensors (N, …)."""

    def elbo(point: Float[Tensor, " D"], *parameters: Tensor) -> Float[Tensor, ""]:
        alone = type(posterior)(*(parameter.unsqueeze(0) for parameter in parameters))
        return model.elbo(model.statistics(point.unsqueeze(0), alone))

    return torch.vmap(elbo, chunk_size=POINTS_AT_ONCE)(x, *vars(posterior).values())
