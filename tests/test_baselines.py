"""The baselines learn as the paper's procedure and Monte Carlo should, and end near fast EM."""

import math

import pytest
import torch
from problems import random_problem

from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import infer_lbfgs
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import (
    classical_elbo,
    entropy_elbo,
    optimal_noise_variance,
    optimal_prior_scales,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.sparse_codes.bars.data import bars
from paperlib.papers.sparse_codes.learners.monte_carlo import fit_monte_carlo
from paperlib.papers.sparse_codes.learners.paper_em import (
    dictionary_gradient,
    fit_paper_em,
    infer_as_the_paper,
)

BASELINES = [fit_paper_em, fit_monte_carlo]
LONG_ENOUGH = {  # for the bars below
    fit_paper_em: {"n_epochs": 20, "batch_size": 100, "max_iterations": 30},
    fit_monte_carlo: {"n_epochs": 20},
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy_bars(n_points=300, dtype=torch.float32):
    """Bars in so much noise that every procedure finds the same optimum."""
    return bars(n_points, size=3, noise_std=0.5, generator=seeded(1), dtype=dtype).x


def fit(learn, x, n_latents=6, seed=0, **options):
    return learn(x, n_latents, **{"n_epochs": 2, "progress": False, "generator": seeded(seed), **options})


@pytest.mark.parametrize("likelihood", [1.0, 0.3])
def test_the_dictionary_gradient_is_that_of_the_classical_elbo_at_optimal_scales(likelihood):
    """Lemma 1: the same gradients at λ and σ² of Theorem 2; δ only scales it, γ is not in it."""
    x, posterior, dictionary = random_problem("diagonal", seed=3)
    free = (dictionary * torch.tensor([0.5, 1.0, 2.0, 3.0]).double()).requires_grad_()
    stats = PosteriorStatistics.from_batch(x, posterior, free / free.norm(dim=0))
    scales = optimal_prior_scales(stats).detach(), optimal_noise_variance(stats).detach()
    (wanted,) = torch.autograd.grad(classical_elbo(stats, *scales), free)
    weights = EntropyWeights(prior=7.0, likelihood=likelihood)
    found = dictionary_gradient(x, posterior, free, weights)
    torch.testing.assert_close(found, likelihood * wanted)
    torch.testing.assert_close((found * free).sum(0), torch.zeros(4).double(), atol=1e-10, rtol=0)


def test_one_epoch_on_one_minibatch_is_one_e_step_and_one_gradient_step():
    """Against Lemma 1's gradient in closed form, at unit columns: (xνᵀ − W̃(ννᵀ + T))/Nσ², made tangential."""
    x, rate = noisy_bars(40, torch.float64), 0.3
    first = normalize_columns(torch.randn(9, 6, generator=seeded()).double())
    posterior = infer_as_the_paper(x, first, EntropyWeights(), 100, 20)
    variance = optimal_noise_variance(PosteriorStatistics.from_batch(x, posterior, first))
    second_moment = posterior.mean.T @ posterior.mean + posterior.covariance().sum(0)
    gradient = (x.T @ posterior.mean - first @ second_moment) / (len(x) * variance)
    tangential = gradient - first * (first * gradient).sum(0)
    result = fit(fit_paper_em, x, n_epochs=1, learning_rate=rate)
    torch.testing.assert_close(result.model.dictionary, normalize_columns(first + rate * tangential))


def test_the_paper_s_e_step_finds_what_infer_lbfgs_finds():
    x = noisy_bars(60, torch.float64)
    dictionary = normalize_columns(torch.randn(9, 6, generator=seeded()).double())
    elbos = [
        float(entropy_elbo(PosteriorStatistics.from_batch(x, posterior, dictionary)))
        for posterior in (
            infer_as_the_paper(x, dictionary, EntropyWeights(), 300, 20),
            infer_lbfgs(x, dictionary, max_iterations=300),
        )
    ]
    # flat where λ is free: the two stop 7e-4 nats apart
    assert elbos[0] == pytest.approx(elbos[1], abs=5e-3)


@pytest.mark.parametrize("learn", BASELINES)
def test_baselines_climb_and_end_near_fast_em(learn):
    x = noisy_bars()
    result = fit(learn, x, **LONG_ENOUGH[learn])
    elbos = [row["elbo"] for row in result.history]
    assert elbos[-1] > elbos[0] + 5 and elbos[-1] >= elbos[-2]
    assert result.elbo == pytest.approx(fit_em(x, 6, generator=seeded(), progress=False).elbo, abs=0.4)


@pytest.mark.parametrize("learn", BASELINES)
def test_result_is_judged_on_all_data_with_its_own_scales(learn):
    x, seen = noisy_bars(90), []
    result = fit(learn, x, batch_size=40, callback=seen.append)  # the last minibatch is smaller
    stats = PosteriorStatistics.from_batch(x, result.posterior, result.model.dictionary)
    assert result.elbo == pytest.approx(float(entropy_elbo(stats)), abs=1e-5)
    assert torch.allclose(result.model.dictionary.norm(dim=0), torch.ones(6), atol=1e-5)
    assert [row["step"] for row in result.history] == [1, 2, 2] and len(seen) == 2
    assert result.history[-1]["phase"] == "final" and result.history[-1]["elbo"] == result.elbo


@pytest.mark.parametrize("learn", BASELINES)
def test_same_seed_same_numbers_other_seed_others(learn):
    x = noisy_bars(50)
    first, again, other = (fit(learn, x, seed=seed).model.dictionary for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_monte_carlo_keeps_posteriors_in_the_order_of_the_data():
    x = torch.cat([torch.zeros(30, 9), 5 * noisy_bars(30)])
    posterior = fit(fit_monte_carlo, x, batch_size=20).posterior
    assert posterior.mean[:30].abs().mean() < posterior.mean[30:].abs().mean() / 3


def test_monte_carlo_shifts_with_the_units_of_the_data():
    """Rates have the data's units: the same dictionary, and an ELBO lower by D log(unit)."""
    x = noisy_bars(100, torch.float64)
    plain, scaled = fit(fit_monte_carlo, x), fit(fit_monte_carlo, 8 * x)
    assert torch.allclose(plain.model.dictionary, scaled.model.dictionary, atol=1e-5)
    assert scaled.elbo == pytest.approx(plain.elbo - 9 * math.log(8), abs=1e-4)


def test_prior_annealing_stays_finite():
    result = fit(fit_paper_em, noisy_bars(60), n_epochs=5, annealing="prior")
    weights = [row["prior_weight"] for row in result.history]
    assert weights == sorted(weights, reverse=True) and weights[0] == 10 and weights[-1] == 1
    numbers = [value for row in result.history for value in row.values() if isinstance(value, float)]
    assert all(math.isfinite(number) for number in numbers)


@pytest.mark.parametrize("learn", BASELINES)
def test_divergence_raises(learn):
    with pytest.raises(FloatingPointError, match="epoch 1; lower the learning rate"):
        fit(learn, noisy_bars(50), batch_size=25, learning_rate=1e30)


@pytest.mark.parametrize("learn", BASELINES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": torch.full((5, 4), math.inf)}, "NaN or infinite"),
        ({"n_latents": 0}, "n_latents must be positive"),
        ({"n_epochs": 0}, "n_epochs must be positive"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
    ],
)
def test_bad_input_is_refused_before_any_work(learn, options, message):
    with pytest.raises(ValueError, match=message):
        fit(learn, **{"x": torch.ones(5, 4), **options})


@pytest.mark.parametrize(
    ("learn", "options", "message"),
    [
        (fit_paper_em, {"annealing": "steel"}, "Unknown annealing 'steel'"),
        (fit_paper_em, {"max_iterations": 0}, "max_iterations must be positive"),
        (fit_paper_em, {"history": 0}, "history must be positive"),
        (fit_monte_carlo, {"n_samples": 0}, "n_samples must be positive"),
        (fit_monte_carlo, {"n_steps": 0}, "n_steps must be positive"),
        (fit_monte_carlo, {"posterior_rate": -1.0}, "posterior_rate must be positive"),
    ],
)
def test_bad_input_of_one_baseline_is_refused(learn, options, message):
    with pytest.raises(ValueError, match=message):
        fit(learn, torch.ones(5, 4), **options)
