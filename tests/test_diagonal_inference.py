"""The fast diagonal E-step finds the optimum that an independent optimizer finds, and never breaks."""

import math

import numpy as np
import pytest
import torch
from problems import sampled_problem
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import fit_posterior, infer_diagonal
from paperlib.models.sparse_coding.inference.diagonal import cold_start, inverse_bound
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import (
    classical_elbo,
    entropy_elbo,
    optimal_noise_variance,
    optimal_prior_scales,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


def elbo(x, posterior, model, weights=EntropyWeights()):  # noqa: B008
    """Weighted classical ELBO whose maximizer the E-step looks for."""
    stats = PosteriorStatistics.from_batch(x, posterior, model.dictionary)
    scales, variance = model.prior_scales / weights.prior, model.noise_variance / weights.likelihood
    return float(classical_elbo(stats, scales * weights.posterior, variance * weights.posterior))


def test_optimum_is_that_of_a_general_optimizer():
    """scipy maximizes one data point's ELBO, whose prior term it gets by quadrature, not from 𝓜."""
    x, model = sampled_problem(n_points=1, n_features=4, n_latents=2)
    dictionary, scales = model.dictionary.numpy(), model.prior_scales.numpy()
    variance = float(model.noise_variance)

    def loss(parameters):
        mean, std = parameters[:2], np.exp(parameters[2:])
        error = np.square(x[0].numpy() - dictionary @ mean).sum() + np.square(std).sum()
        prior = sum(
            quad(lambda t, m=m, s=s: abs(m + s * t) * norm.pdf(t), -9, 9, points=[-m / s], epsabs=1e-12)[0]
            / scale
            for m, s, scale in zip(mean, std, scales, strict=True)
        )
        return error / (2 * variance) + prior - np.log(std).sum()

    best = minimize(loss, np.zeros(4) - 0.5, method="BFGS", options={"gtol": 1e-8})
    posterior = infer_diagonal(x, model, n_steps=2000)
    assert np.allclose(posterior.mean[0], best.x[:2], atol=1e-6)
    assert np.allclose(posterior.std[0], np.exp(best.x[2:]), atol=1e-6)


@pytest.mark.parametrize(
    "weights", [EntropyWeights(), EntropyWeights(prior=5.0), EntropyWeights(likelihood=0.2)]
)
def test_gradient_vanishes_at_the_result(weights):
    x, model = sampled_problem()
    posterior = infer_diagonal(x, model.annealed(weights), n_steps=3000)
    mean, log_std = posterior.mean.requires_grad_(), posterior.std.log().requires_grad_()
    stats = PosteriorStatistics.from_batch(x, DiagonalGaussian(mean, log_std.exp()), model.dictionary)
    objective = stats.count * classical_elbo(
        stats, model.prior_scales / weights.prior, model.noise_variance / weights.likelihood
    )
    for gradient in torch.autograd.grad(objective, [mean, log_std]):
        assert gradient.abs().max() < 1e-6


def test_ten_cold_steps_come_close_to_the_optimum():
    x, model = sampled_problem(n_points=200, n_features=64, n_latents=32)
    optimum = elbo(x, infer_diagonal(x, model, n_steps=1000), model)
    assert optimum - elbo(x, infer_diagonal(x, model, n_steps=10), model) < 0.01


def test_starts_from_no_data_if_nothing_is_given():
    x, model = sampled_problem()
    given = infer_diagonal(x, model, start=cold_start(len(x), model.prior_scales, model.noise_variance))
    plain = infer_diagonal(x, model)
    assert torch.allclose(given.mean, plain.mean) and torch.allclose(given.std, plain.std)


def test_bound_on_the_curvature_has_an_inverse_where_the_gram_matrix_is_singular():
    dictionary = torch.ones(3, 7)
    step = inverse_bound(dictionary.T @ dictionary, torch.zeros(7))
    assert torch.isfinite(step).all() and (torch.linalg.eigvalsh(step) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("variance", [1e-8, 1.0, 1e6])
def test_finite_at_extreme_scales(dtype, scale, variance):
    x, model = sampled_problem(dtype=dtype)
    scales, noise_variance = torch.full_like(model.prior_scales, scale), torch.tensor(variance, dtype=dtype)
    extreme = SparseCodingModel(model.dictionary, scales, noise_variance)
    posterior = infer_diagonal(100 * x, extreme, n_steps=100)
    assert torch.isfinite(posterior.mean).all()
    assert torch.isfinite(posterior.std).all() and (posterior.std > 0).all()


def test_posterior_of_no_data_is_optimal_at_zero_mean():
    scales, variance = torch.tensor([0.1, 3.0]).double(), torch.tensor(0.5).double()
    std = cold_start(1, scales, variance).std[0]
    assert torch.allclose(std**2 / variance + math.sqrt(2 / math.pi) * std / scales, torch.ones(2).double())


@pytest.mark.parametrize("family", ["diagonal", "low-rank", "full"])
def test_fit_posterior_ends_where_no_scale_can_improve(family):
    x, model = sampled_problem(n_points=20)
    posterior, stats = fit_posterior(x, model.dictionary, family, tolerance=1e-4)
    scales, variance = optimal_prior_scales(stats), optimal_noise_variance(stats)
    best = float(entropy_elbo(stats))
    assert torch.allclose(
        stats.magnitude, PosteriorStatistics.from_batch(x, posterior, model.dictionary).magnitude
    )
    for factor in (0.97, 1.03):
        assert float(classical_elbo(stats, scales * factor, variance)) < best
        assert float(classical_elbo(stats, scales, variance * factor)) < best


def test_richer_posteriors_have_a_higher_elbo():
    x, model = sampled_problem(n_points=60, n_features=8, n_latents=8)
    values = {
        family: float(entropy_elbo(fit_posterior(x, model.dictionary, family, tolerance=1e-5)[1]))
        for family in ("diagonal", "full")
    }
    assert values["full"] > values["diagonal"]


def test_fit_posterior_does_not_depend_on_batches_or_start():
    x, model = sampled_problem(n_points=50)
    posterior, stats = fit_posterior(x, model.dictionary, tolerance=1e-7)
    small = fit_posterior(x, model.dictionary, tolerance=1e-7, batch_size=7)[1]
    again = fit_posterior(x, model.dictionary, start=posterior, tolerance=1e-7)[1]
    assert float(entropy_elbo(small)) == pytest.approx(float(entropy_elbo(stats)), abs=1e-4)
    assert float(entropy_elbo(again)) == pytest.approx(float(entropy_elbo(stats)), abs=1e-4)


@pytest.mark.parametrize(
    ("x", "family", "message"),
    [
        (torch.full((3, 12), math.nan), "diagonal", "NaN or infinite"),
        (torch.ones(0, 12), "diagonal", "empty"),
        (torch.zeros(3, 12), "diagonal", "all zero"),
        (torch.ones(3, 12), "banana", "Unknown posterior family 'banana'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(x, family, message):
    dictionary = sampled_problem(dtype=torch.float32)[1].dictionary
    with pytest.raises(ValueError, match=message):
        fit_posterior(x, dictionary, family)
    with pytest.raises(ValueError, match="unit norm"):
        fit_posterior(torch.ones(3, 12), 2 * dictionary)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rounds": 0}, "max_rounds must be positive"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"start": DiagonalGaussian(torch.zeros(2, 7), torch.ones(2, 7))}, "holds 2 DiagonalGaussian"),
        (
            {"family": "low-rank", "start": DiagonalGaussian(torch.zeros(3, 7), torch.ones(3, 7))},
            "3 of family 'low-rank' are wanted",
        ),
    ],
)
def test_numbers_and_starts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_posterior(torch.ones(3, 12), sampled_problem(dtype=torch.float32)[1].dictionary, **options)
