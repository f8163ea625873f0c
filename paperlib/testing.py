"""What holds for every model, as tests that its own tests inherit; pytest is needed here only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from paperlib.models.contract import ExactModel, Model
from paperlib.models.gap import gap
from paperlib.system.errors import InputError

N_POINTS, N_SAMPLES, N_BATCHES = 30, 20_000, 50
SIGMAS = 5.0  # standard errors that a mean may be off
seeds = pytest.mark.parametrize("seed", range(3))


class ModelContract(ABC):
    """Tests of a model.  A subclass named ``Test…`` says how to make one, and inherits them all.

    Everything is float64.  Data of a test come from another model of the same sizes, so that none fits.
    """

    @abstractmethod
    def random_model(self, generator: torch.Generator) -> Model[Any, Any]:
        """A model of few dimensions whose parameters are random and different from each other."""

    @abstractmethod
    def random_posterior(self, model: Model[Any, Any], x: Tensor, generator: torch.Generator) -> Any:
        """Posteriors of data `x` that are no optimum."""

    def fit(self, x: Tensor, generator: torch.Generator) -> tuple[Model[Any, Any], Any]:
        """Model learned from `x`, and posteriors at which it is stationary; by EM where they are exact.

        Override it where EM ends at infinity, as with Bernoullis: `fitted` is stationary at any posteriors.
        """
        model = self.random_model(generator)
        assert isinstance(model, ExactModel), "say how such a model is learned: override `fit`"
        return model.fit(x)

    def problem(self, seed: int) -> tuple[Model[Any, Any], Tensor, Any]:
        """A model, data that are not its own, and posteriors."""
        generator = torch.Generator().manual_seed(seed)
        x, _ = self.random_model(generator).sample(N_POINTS, generator)
        model = self.random_model(generator)
        unknown = {*model.fitted_names, *model.temperature()} - set(model.parameters)
        assert not unknown, f"fitted_names or temperature() name {unknown}, which are no parameters"
        return model, x, self.random_posterior(model, x, generator)

    def random_direction(self, model: Model[Any, Any], seed: int) -> dict[str, Tensor]:
        """Some way along the temperature, another for each parameter."""
        generator, direction = torch.Generator().manual_seed(seed), model.temperature()
        factors = torch.rand(len(direction), generator=generator, dtype=torch.float64) / 10 - 0.05
        return {name: factor * direction[name] for factor, name in zip(factors, direction, strict=True)}

    @seeds
    def test_sums_add_in_any_order_and_partition(self, seed: int) -> None:
        """Statistics of parts add up to those of all data, in float64, and weigh down."""
        model, x, posterior = self.problem(seed)
        whole = model.statistics(x, posterior)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        parts = [model.statistics(x[i], posterior[i]) for i in order.split([1, 12, 10, len(x) - 23])]
        for total, factor in ((sum(parts), 1.0), (sum(parts[::-1]) * 0.25, 0.25)):
            for one, other in zip(total.sums(), whole.sums(), strict=True):
                same(one, factor * other, "statistics() of parts must add up to those of all, in float64")
            same(model.elbo(total), model.elbo(whole), "elbo() must be per data point")

    @seeds
    def test_fitted_parameters_are_stationary_and_the_others_stay(self, seed: int) -> None:
        """The M-step is a stationary point by autograd, and better than random parameters."""
        model, x, posterior = self.problem(seed)
        stats = model.statistics(x, posterior)
        fitted = model.fitted(stats)
        leaves = {name: fitted.parameters[name].clone().requires_grad_() for name in model.fitted_names}
        moving = fitted.replace(**leaves)
        elbo = moving.elbo(moving.statistics(x, posterior))
        value = float(elbo.detach())
        assert value >= float(model.elbo(stats)), "the fitted parameters have a lower ELBO than random ones"
        for name, slope in zip(leaves, torch.autograd.grad(elbo, list(leaves.values())), strict=True):
            largest = float(slope.abs().max() * fitted.parameters[name].abs().max())
            assert largest < 1e-8 * (1 + abs(value)), f"fitted() leaves {name} a gradient of elbo(): {slope}"
        for name in set(model.parameters) - set(leaves):
            stays = torch.equal(fitted.parameters[name], model.parameters[name])
            assert stays, f"fitted() changes {name}, which fitted_names lacks"

    @seeds
    def test_the_gap_is_the_derivative_along_the_temperature_everywhere(self, seed: int) -> None:
        """ELBO minus entropies is the derivative along the temperature, at random parameters."""
        found = gap(*self.problem(seed))
        scale = float(found.elbo.abs() + found.terms.elbo.abs())
        assert abs(found.difference) > 1e-6 * scale, "the problem is no test: its gap is 0"
        what = "elbo() - entropies() must be the derivative along temperature(); one of the three is wrong"
        same(found.difference, found.derivative, what, 1e-10 * scale)

    def test_the_gap_is_zero_at_a_stationary_point(self) -> None:
        """What is learned has an ELBO that is its entropy sum."""
        x = self.problem(0)[1]
        model, posterior = self.fit(x, torch.Generator().manual_seed(1))
        found = gap(model, x, posterior)
        assert abs(found.difference) < 1e-8, f"ELBO {found.elbo}, entropies {found.terms}"

    @seeds
    def test_samples_have_the_density(self, seed: int) -> None:
        """E ∂log p(x, z)/∂θ = 0 over samples, for every parameter."""
        model = self.problem(seed)[0]
        state = torch.random.get_rng_state()
        x, z = model.sample(N_SAMPLES, torch.Generator().manual_seed(seed))
        assert torch.equal(state, torch.random.get_rng_state()), "sampling must use its own generator only"
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in model.parameters.items()}
        moving = model.replace(**leaves)
        batches = zip(x.chunk(N_BATCHES), z.chunk(N_BATCHES), strict=True)
        slopes = [
            torch.autograd.grad(moving.log_joint(*batch).mean(), list(leaves.values())) for batch in batches
        ]
        for name, slope in zip(leaves, zip(*slopes, strict=True), strict=True):
            within_errors(torch.stack(slope), 0.0, f"sample() and log_joint() differ: E ∂log p/∂{name}")

    @seeds
    def test_the_density_is_normalized_along_the_temperature(self, seed: int) -> None:
        """Densities of other parameters integrate to 1: the mean of their ratio over samples is 1."""
        model = self.problem(seed)[0]
        x, z = model.sample(N_SAMPLES, torch.Generator().manual_seed(seed))
        steps = self.random_direction(model, seed)
        other = model.replace(**{name: model.parameters[name] + step for name, step in steps.items()})
        ratio = (other.log_joint(x, z) - model.log_joint(x, z)).exp()
        within_errors(ratio, 1.0, "log_joint() is not normalized: E p_θ'/p_θ")

    @seeds
    def test_the_elbo_is_that_of_samples(self, seed: int) -> None:
        """The ELBO of statistics is the mean of log p(x, z) over samples of q, plus H[q]."""
        model, x, posterior = self.problem(seed)
        stats = model.statistics(x, posterior)
        z = posterior.sample(2000, torch.Generator().manual_seed(seed))
        log_joint = model.log_joint(x, z)
        assert log_joint.shape == z.shape[:2], "log_joint must take several latents of each data point"
        entropy = posterior.entropy().mean()
        elbo = float(model.elbo(stats))
        within_errors(log_joint.mean(1) + entropy, elbo, "elbo() and log_joint() differ: E log_joint + H[q]")
        same(model.entropies(stats).posterior, entropy, "entropies().posterior must be the mean of H[q]")

    def test_parameters_can_be_replaced(self) -> None:
        """Replacing parameters by themselves changes nothing, by others only these."""
        model, x, posterior = self.problem(0)
        elbo, same = model.elbo(model.statistics(x, posterior)), model.replace(**model.parameters)
        assert torch.equal(same.elbo(same.statistics(x, posterior)), elbo)
        for name, step in self.random_direction(model, 0).items():
            other = model.replace(**{name: model.parameters[name] + step})
            changed = [n for n, t in other.parameters.items() if not torch.equal(t, model.parameters[n])]
            assert changed == [name]

    def test_bad_input_is_refused(self) -> None:
        """Unknown names, values that are not finite and sizes that do not fit raise InputError."""
        model, x, posterior = self.problem(0)
        bad = {name: torch.full_like(tensor, torch.nan) for name, tensor in model.parameters.items()}
        for name, tensor in {"no_such_parameter": torch.ones(()), **bad}.items():
            refused(f"a model with {name} = {tensor.flatten()[0]}", lambda: model.replace(**{name: tensor}))  # noqa: B023
        refused("statistics() of other data than posteriors", lambda: model.statistics(x[:-1], posterior))
        refused("statistics() of data of another dimension", lambda: model.statistics(x[:, :-1], posterior))


def same(one: Tensor, other: Tensor, what: str, tolerance: float = 1e-10) -> None:
    """Fail with `what` must hold unless `one` and `other` are equal but for a `tolerance`."""
    torch.testing.assert_close(one, other, rtol=1e-10, atol=tolerance, msg=lambda text: f"{what}. {text}")


def refused(what: str, call: Callable[[], Any]) -> None:
    """Fail unless `call`, of `what`, raises InputError."""
    try:
        call()
    except InputError:
        return
    pytest.fail(f"{what} must raise InputError")


def within_errors(draws: Tensor, expected: float, what: str) -> None:
    """Fail unless the mean of `draws` (S, …), of `what`, is as `expected` but for its standard error."""
    mean, error = draws.mean(0), draws.std(0) / len(draws) ** 0.5
    off = ((mean - expected).abs() - 1e-10 * (1 + abs(expected))) / error.clamp(min=1e-300)
    assert bool((off < SIGMAS).all()), f"{what} is {mean} ± {error} and not {expected}"
