"""Posteriors and scales in turn: momentum ends where patient rounds without it end, and sooner."""

from itertools import pairwise

import pytest
import torch
from problems import sampled_problem

from paperlib.models.sparse_coding.inference import (
    alternate,
    closed_form_scales,
    infer_diagonal,
    initial_scales,
)
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


class Rounds:
    """The E-step of a fixed dictionary, and the ELBO after each."""

    def __init__(self, x, dictionary):
        self.x, self.dictionary = x, dictionary
        self.posterior, self.elbos = None, []
        self.first = SparseCodingModel(dictionary, *initial_scales(x, dictionary.shape[1]))

    def __call__(self, model):
        self.posterior = infer_diagonal(self.x, model, start=self.posterior)
        stats = PosteriorStatistics.from_batch(self.x, self.posterior, self.dictionary)
        self.elbos.append(float(entropy_elbo(stats)))
        return stats

    def patiently(self, n_rounds):
        """Every round at the closed forms of the one before."""
        model = self.first
        for _ in range(n_rounds):
            model = SparseCodingModel(self.dictionary, *closed_form_scales(self(model), torch.float64))
        return self.elbos


@pytest.mark.parametrize(("n_latents", "at_most"), [(4, 15), (8, 70), (12, 100)])
def test_momentum_ends_where_patient_rounds_end_with_fewer_of_them(n_latents, at_most):
    x, model = sampled_problem(n_points=60, n_features=8, n_latents=n_latents)
    x = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    quick = Rounds(x, model.dictionary)
    stats = alternate(quick, quick.first, tolerance=1e-4, max_rounds=400)
    patient = Rounds(x, model.dictionary).patiently(400)
    assert float(entropy_elbo(stats)) == quick.elbos[-1] > patient[-1] - 2e-3
    assert len(quick.elbos) <= at_most


def test_the_last_round_is_at_closed_form_scales_and_gains_little():
    x, model = sampled_problem(n_points=60, n_features=8, n_latents=8)
    rounds, asked = Rounds(x, model.dictionary), []

    def e_step(model):
        stats = rounds(model)
        asked.append((model.prior_scales, model.noise_variance, *closed_form_scales(stats, torch.float64)))
        return stats

    alternate(e_step, rounds.first, tolerance=1e-3, max_rounds=400)
    *_, (*_, scales, variance), (last_scales, last_variance, *_) = asked
    assert torch.allclose(last_variance, variance) and torch.allclose(last_scales, scales)
    assert 0 <= rounds.elbos[-1] - rounds.elbos[-2] < 1e-3
    assert any(not torch.allclose(later[0], sooner[2]) for sooner, later in pairwise(asked))


def test_rounds_end_at_their_number():
    x, model = sampled_problem(n_points=20)
    rounds = Rounds(x, model.dictionary)
    alternate(rounds, rounds.first, tolerance=1e-12, max_rounds=3)
    assert len(rounds.elbos) == 3
