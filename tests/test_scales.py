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
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


class Rounds:
    """The E-step of a fixed dictionary, and the ELBO after each."""

    def __init__(self, x, dictionary):
        self.x, self.dictionary = x, dictionary
        self.first, self.posterior, self.elbos = initial_scales(x, dictionary.shape[1]), None, []

    def __call__(self, variance, scales):
        self.posterior = infer_diagonal(self.x, self.dictionary, scales, variance, start=self.posterior)
        stats = PosteriorStatistics.from_batch(self.x, self.posterior, self.dictionary)
        self.elbos.append(float(entropy_elbo(stats)))
        return stats

    def patiently(self, n_rounds):
        """Every round at the closed forms of the one before."""
        scales = self.first
        for _ in range(n_rounds):
            scales = closed_form_scales(self(*scales), torch.float64)
        return self.elbos


@pytest.mark.parametrize(("n_latents", "at_most"), [(4, 15), (8, 70), (12, 100)])
def test_momentum_ends_where_patient_rounds_end_with_fewer_of_them(n_latents, at_most):
    x, model = sampled_problem(n_points=60, n_features=8, n_latents=n_latents)
    x = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    quick = Rounds(x, model.dictionary)
    stats = alternate(quick, *quick.first, tolerance=1e-4, max_rounds=400)
    patient = Rounds(x, model.dictionary).patiently(400)
    assert float(entropy_elbo(stats)) == quick.elbos[-1] > patient[-1] - 2e-3
    assert len(quick.elbos) <= at_most


def test_the_last_round_is_at_closed_form_scales_and_gains_little():
    x, model = sampled_problem(n_points=60, n_features=8, n_latents=8)
    rounds, asked = Rounds(x, model.dictionary), []

    def e_step(variance, scales):
        stats = rounds(variance, scales)
        asked.append((variance, scales, *closed_form_scales(stats, torch.float64)))
        return stats

    alternate(e_step, *rounds.first, tolerance=1e-3, max_rounds=400)
    *_, (*_, variance, scales), (last_variance, last_scales, *_) = asked
    assert torch.allclose(last_variance, variance) and torch.allclose(last_scales, scales)
    assert 0 <= rounds.elbos[-1] - rounds.elbos[-2] < 1e-3
    assert any(not torch.allclose(later[1], sooner[3]) for sooner, later in pairwise(asked))


def test_rounds_end_at_their_number():
    x, model = sampled_problem(n_points=20)
    rounds = Rounds(x, model.dictionary)
    alternate(rounds, *rounds.first, tolerance=1e-12, max_rounds=3)
    assert len(rounds.elbos) == 3
