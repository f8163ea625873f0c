"""The paper's L-BFGS E-step against the exact ones, and its stationarity in its own objective."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from problems import random_dictionary, random_posterior, sampled_problem

from paperlib.elbo.posteriors import FAMILIES
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.contract import elbo_of_points
from paperlib.models.sparse_coding.inference import fit_posterior, infer_diagonal, infer_full, infer_lbfgs
from paperlib.models.sparse_coding.inference.lbfgs import climb, make_optimizer
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.errors import InputError

SCALES = {
    "prior_scales": torch.tensor([0.3, 0.5, 1.0, 2.0], dtype=torch.float64),
    "noise_variance": torch.tensor(0.2, dtype=torch.float64),
}
WEIGHTS = EntropyWeights(posterior=1.0, prior=1.5, likelihood=0.7)


@pytest.fixture
def data():
    model = SparseCodingModel(random_dictionary(np.random.default_rng(0), 6, 4), *SCALES.values())
    x, _ = model.sample(40, torch.Generator().manual_seed(0))
    return x, model


@pytest.mark.parametrize("family", FAMILIES)
def test_free_parameters_are_another_way_to_write_posteriors(family):
    posterior = random_posterior(np.random.default_rng(0), family, 5, 4)
    again = FAMILIES[family].from_free(posterior.to_free())
    torch.testing.assert_close(again.mean, posterior.mean)
    torch.testing.assert_close(again.covariance(), posterior.covariance())


@pytest.mark.parametrize("weights", [EntropyWeights(), WEIGHTS])
@pytest.mark.parametrize(
    ("family", "exact"),
    [("diagonal", partial(infer_diagonal, n_steps=3000)), ("full", infer_full)],
)
def test_agrees_with_the_exact_e_steps(data, family, exact, weights):
    x, model = data
    found = infer_lbfgs(x, model, family, weights=weights, max_iterations=1000)
    wanted = exact(x, model.annealed(weights))
    torch.testing.assert_close(found.mean, wanted.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.covariance(), wanted.covariance(), atol=1e-4, rtol=1e-4)


def test_richer_families_have_higher_elbos(data):
    x, model = data
    values = [
        float(elbo_of_points(model, x, infer_lbfgs(x, model, family, max_iterations=500)).mean())
        for family in ("diagonal", "low-rank", "full")
    ]
    assert values[0] < values[1] <= values[2] + 1e-8


@pytest.mark.parametrize("weights", [EntropyWeights(), EntropyWeights(likelihood=1.2)])
@pytest.mark.parametrize("family", FAMILIES)
def test_without_scales_the_entropy_elbo_is_stationary(data, family, weights):
    x, dictionary = data[0], data[1].dictionary
    posterior = infer_lbfgs(x, dictionary, family, weights=weights, max_iterations=600)
    free = [parameter.clone().requires_grad_() for parameter in posterior.to_free()]
    stats = PosteriorStatistics.from_batch(x, FAMILIES[family].from_free(free), dictionary)
    entropy_elbo(stats, weights).backward()
    assert max(float(parameter.grad.abs().max()) for parameter in free) < 1e-4


def test_more_iterations_never_lower_the_elbo(data):
    x, dictionary = data[0], data[1].dictionary
    posterior, values = None, []
    for _ in range(5):
        posterior = infer_lbfgs(x, dictionary, "full", start=posterior, max_iterations=5)
        values.append(float(entropy_elbo(PosteriorStatistics.from_batch(x, posterior, dictionary))))
    assert values == sorted(values)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_gives_finite_float32_posteriors(data, family):
    x, dictionary = data[0].float(), data[1].dictionary.float()
    posterior = infer_lbfgs(1e3 * x, dictionary, family, max_iterations=20)
    assert posterior.mean.dtype == torch.float32
    assert torch.isfinite(posterior.mean).all() and torch.isfinite(posterior.covariance()).all()


def test_bad_input_is_refused(data):
    x, model = data
    dictionary = model.dictionary
    with pytest.raises(InputError, match="Unknown posterior family 'round'"):
        infer_lbfgs(x, dictionary, "round")
    with pytest.raises(InputError, match="40 of family 'full' are wanted"):
        infer_lbfgs(x, dictionary, "full", start=infer_full(x[:5], model))
    with pytest.raises(InputError, match="max_iterations must be positive"):
        infer_lbfgs(x, dictionary, max_iterations=0)
    with pytest.raises(InputError, match="5 features, but the model has 6"):
        infer_lbfgs(x[:, :5], dictionary)
    with pytest.raises(InputError, match="NaN"):
        infer_lbfgs(torch.full_like(x, torch.nan), dictionary)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("failing", [2, 3, 5])
def test_a_step_to_where_the_objective_does_not_exist_is_taken_back(failing, dtype):
    place, goal = torch.zeros(2, dtype=dtype).requires_grad_(), torch.tensor([3.0, -1.0], dtype=dtype)
    calls = []

    def objective():
        calls.append(place.detach().clone())
        if len(calls) == failing:
            raise torch.linalg.LinAlgError("not positive definite")
        return -((place - goal) ** 4).sum()

    climb(make_optimizer([place], 200, 20), objective)
    assert len(calls) > failing and torch.allclose(place, goal, atol=0.05)
    assert torch.stack(calls).isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_posteriors_do_not_depend_on_the_units_of_the_data(data, family):
    """In float32, over thirty powers of ten; the ELBO loses D times the logarithm of the unit."""
    x, dictionary = data[0].float()[:10], data[1].dictionary.float()
    expected, stats = fit_posterior(x, dictionary, family, max_rounds=10)
    for unit in (1e-15, 1e-7, 30.0, 1e8, 1e15):
        found, of_unit = fit_posterior(unit * x, dictionary, family, max_rounds=10)
        loss = x.shape[1] * math.log(unit)
        assert float(entropy_elbo(of_unit)) + loss == pytest.approx(float(entropy_elbo(stats)), abs=5e-3)
        torch.testing.assert_close(found.std / unit, expected.std, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_richer_posteriors_never_end_below_diagonal_ones(seed):
    sizes = torch.randint(2, 12, (3,), generator=torch.Generator().manual_seed(seed)).tolist()
    x, model = sampled_problem(*sizes, dtype=torch.float32, seed=seed)
    fits = [fit_posterior(x, model.dictionary, family, max_rounds=10)[1] for family in FAMILIES]
    elbos = [float(entropy_elbo(stats)) for stats in fits]
    assert elbos[0] <= min(elbos[1:]) + 2e-3, sizes


@pytest.mark.parametrize("size", [1e-17, 1e17])
def test_data_whose_squares_float32_cannot_hold_are_refused(data, size):
    with pytest.raises(InputError, match="choose other units"):
        fit_posterior(size * data[0].float(), data[1].dictionary.float())
