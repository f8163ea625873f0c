"""Gaps of encoders are ordered as KL divergences are; sampled gradients are unbiased with variance 1/S."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from paperlib.data import Images
from paperlib.elbo.encoders import Encoder
from paperlib.elbo.posteriors import FAMILIES
from paperlib.models.contract import elbo_of_points
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.objectives import classical_elbo
from paperlib.papers.sparse_codes.amortization.experiment import (
    ITERATIONS,
    amortization_gap,
    optimal_posterior,
)
from paperlib.papers.sparse_codes.amortization.figures import (
    plot_encoder,
    plot_gap_by_contrast,
    plot_gaps,
    plot_gradient_noise,
    plot_iterations,
)
from paperlib.papers.sparse_codes.amortization.gradients import (
    analytic_gradients,
    gradient_noise,
    sampled_gradients,
)
from paperlib.papers.sparse_codes.bars.data import bars
from paperlib.system.errors import InputError

SIZES = {"n_epochs": 2, "n_patches": 256, "patch_size": 4, "n_latents": 8, "n_test": 32}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    noise = rng.laplace(size=(40, 60)).astype(np.float32)
    smooth = noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)
    return Images((smooth,), "synthetic")


@pytest.fixture(scope="module")
def problem():
    data = bars(10, size=3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return data.x, data.model


def test_optima_of_nested_families_are_ordered_for_every_point(problem):
    x, model = problem
    diagonal, low_rank, full = (
        elbo_of_points(model, x, optimal_posterior(x, model, family)) for family in FAMILIES
    )
    assert (low_rank >= diagonal - 1e-6).all() and (full >= low_rank - 1e-6).all()
    assert full.mean() > diagonal.mean() + 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_near_an_optimum_is_better(problem, family):
    x, model = problem
    optimum = optimal_posterior(x, model, family)
    best = elbo_of_points(model, x, optimum)
    generator = torch.Generator().manual_seed(0)
    for name, value in vars(optimum).items():
        step = 0.05 * value * torch.randn(value.shape, generator=generator).double()
        moved = type(optimum)(**{**vars(optimum), name: value + step})
        assert (elbo_of_points(model, x, moved) <= best + 1e-6).all()


def test_scales_of_their_own_only_raise_the_elbo(problem):
    x, model = problem
    fixed = elbo_of_points(model, x, optimal_posterior(x, model, "diagonal")).mean()
    _, stats = fit_posterior(x, model.dictionary)
    own = classical_elbo(stats, stats.magnitude / len(x), (stats.squared_residual + stats.trace) / x.numel())
    assert own > fixed


@pytest.mark.parametrize(
    ("family", "refinement_steps", "annealing"),
    [("diagonal", 0, [2.0, 1.0]), ("diagonal", 2, "none"), ("low-rank", 0, "none"), ("full", 1, "none")],
)
def test_gaps_are_those_of_one_model(images, family, refinement_steps, annealing):
    outcome = amortization_gap(
        images, family=family, refinement_steps=refinement_steps, annealing=annealing, **SIZES
    )
    test, training, record = (outcome.numbers[key] for key in ("test", "training", "of_record"))
    assert test["encoder"] <= test[family] + 1e-4
    assert test["diagonal"] <= test["low-rank"] + 1e-3 and test["low-rank"] <= test["full"] + 1e-3
    assert training["encoder"] <= training["optimum"] + 1e-4
    # λ and σ² of the test patches are better for them than the learned ones
    assert record["encoder"] >= test["encoder"] - 1e-4 and record["full"] >= test["full"] - 1e-2
    gap = outcome.arrays["gap"]
    assert gap.shape == outcome.arrays["contrast"].shape == (32,)
    assert gap.mean() == pytest.approx(test[family] - test["encoder"], abs=1e-4)
    assert [row["step"] for row in outcome.numbers["history"]] == [1, 2, 2]


def test_iterations_climb_to_the_optimum_from_both_starts(images):
    numbers = amortization_gap(images, **SIZES).numbers
    assert numbers["iterations"] == list(ITERATIONS)
    for start in ("from_encoder", "from_nothing"):
        assert numbers[start][-1] == pytest.approx(numbers["test"]["diagonal"], abs=1e-3)
    assert numbers["from_encoder"][0] >= numbers["test"]["encoder"]


def test_there_must_be_training_patches_to_compare_with(images):
    with pytest.raises(InputError, match="n_test is 500, more than the 256 patches"):
        amortization_gap(images, **{**SIZES, "n_test": 500})


def gradient_problem():
    data = bars(6, size=3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    posterior = optimal_posterior(data.x, data.model, "diagonal", max_iterations=2)
    values = (data.model.dictionary, data.model.prior_scales.log(), posterior.mean, posterior.deviation.log())
    names = ("dictionary", "prior scales", "means", "deviations")
    return data.x, dict(zip(names, values, strict=True)), data.model.noise_variance


def test_analytic_gradients_are_the_closed_forms():
    """∂/∂log λ = E|z|/λ − 1 on average; ∂/∂ν = (W̃ᵀ(x − W̃ν)/σ² − erf(ν/√2τ)/λ)/N."""
    x, free, noise_variance = gradient_problem()
    found = analytic_gradients(x, free, noise_variance)
    dictionary, log_scales, mean, log_deviation = free.values()
    scales, std = log_scales.exp(), log_deviation.exp()
    a = mean / std
    magnitude = std * (math.sqrt(2 / math.pi) * torch.exp(-(a**2) / 2) + a * torch.erf(a / math.sqrt(2)))
    assert torch.allclose(found["prior scales"], magnitude.mean(0) / scales - 1)
    slope = (x - mean @ dictionary.T) @ dictionary / noise_variance - torch.erf(a / math.sqrt(2)) / scales
    assert torch.allclose(found["means"], slope / len(x))
    assert torch.allclose((found["dictionary"] * dictionary).sum(0), torch.zeros(6).double(), atol=1e-9)


def test_sampled_gradients_approach_the_analytic_ones():
    x, free, noise_variance = gradient_problem()
    exact = analytic_gradients(x, free, noise_variance)
    sampled = sampled_gradients(x, free, noise_variance, 20_000, torch.Generator().manual_seed(1))
    for name, gradient in exact.items():
        assert torch.allclose(sampled[name], gradient, atol=0.02 * float(gradient.abs().max()) + 0.02), name


def test_sampled_gradients_are_unbiased_and_their_variance_falls_as_one_over_the_samples(images):
    numbers = gradient_noise(
        images, n_samples=[1, 4], n_draws=200, e_steps=2, batch_size=8, n_batches=3,
        **{key: SIZES[key] for key in ("n_epochs", "n_patches", "patch_size", "n_latents")},
    ).numbers  # fmt: skip
    assert list(numbers) == ["dictionary", "prior scales", "means", "deviations"]
    for name, found in numbers.items():
        assert found["misfit"] == pytest.approx(1, abs=0.5), name
        assert found["variance"][0] / found["variance"][1] == pytest.approx(4, rel=0.25), name
        assert found["signal"] > 0
    assert {name for name in numbers if "minibatch_variance" in numbers[name]} == {
        "dictionary",
        "prior scales",
    }


@pytest.mark.parametrize("wrong", [{"n_draws": 3}, {"n_batches": 1}, {"n_samples": []}, {"n_samples": [0]}])
def test_noise_of_too_few_draws_is_refused(images, wrong):
    with pytest.raises(InputError, match="needs 4 draws"):
        gradient_noise(images, **wrong)


@pytest.mark.parametrize("family", FAMILIES)
def test_diagram_shows_the_sizes_of_the_layers(family):
    encoder = Encoder(7, 11, family, unit=torch.tensor(1.0), generator=torch.Generator())
    texts = [text.get_text() for text in plot_encoder(encoder).axes[0].texts]
    for layer in (module for module in encoder.modules() if isinstance(module, torch.nn.Linear)):
        assert any(text.endswith(f"linear\n{layer.in_features}\n→ {layer.out_features}") for text in texts)
    assert sum("linear" in text for text in texts) == (7 if family == "diagonal" else 8)


def test_bars_of_gaps_end_at_their_sum():
    axes = plot_gaps({"a": [(1.0, 2.0), (2.0, 3.0)], "b": [(0.5, 0.5)]}).axes[0]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert ends == pytest.approx([1.5, 4.0, 0.5, 1.0])
    assert list(axes.lines[0].get_xdata()) == [3.0, 5.0]


def test_other_figures_have_their_panels():
    lines = {
        "diagonal": ([1, 2], {"encoder": [1.0, 0.1], "nothing": [2.0, 0.0]}),
        "full": ([1], {"encoder": [1.0]}),
    }
    assert len(plot_iterations(lines).axes) == 2
    patches = {"diagonal": (np.ones(3), np.array([0.0, 1.0, 2.0]))}
    assert len(plot_gap_by_contrast(patches).axes) == 1
    noise = {"means": {"signal": 1.0, "variance": [4.0, 1.0]}}
    axes = plot_gradient_noise([1, 4], {"here": noise}).axes[0]
    assert list(axes.lines[0].get_ydata()) == [2.0, 1.0]
