"""A new family of posteriors is one class and its line in `FAMILIES`: everything else works with it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float
from problems import sampled_problem
from torch import Tensor

from paperlib.elbo.encoders import Encoder
from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior
from paperlib.models.sparse_coding.inference import fit_posterior, infer_lbfgs
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.trainers import fit_amortized
from paperlib.papers.sparse_codes.learners.joint import fit_jointly


@dataclass(frozen=True)
class Isotropic(GaussianPosterior):
    """q(z) = N(ν, t² I), with `size` t (N, 1)."""

    size: Float[Tensor, "N 1"]

    @classmethod
    def from_marginals(cls, marginals, gram):
        return cls(marginals.mean, marginals.deviation.mean(1, keepdim=True))

    @classmethod
    def from_outputs(cls, mean, deviation, correlation):
        return cls(mean, deviation.mean(1, keepdim=True))

    @property
    def variance(self):
        return self.size.square().expand_as(self.mean)

    def covariance(self):
        return torch.diag_embed(self.variance)

    @property
    def covariance_sum(self):
        return torch.diag(self.variance.sum(0))

    def log_det(self):
        return 2 * self.mean.shape[1] * self.size.squeeze(1).log()

    def sample(self, n_samples, generator):
        noise = torch.randn(n_samples, *self.mean.shape, dtype=self.mean.dtype, generator=generator)
        return self.mean + self.size * noise


@pytest.fixture
def isotropic(monkeypatch):
    monkeypatch.setitem(FAMILIES, "isotropic", Isotropic)


def seeded():
    return torch.Generator().manual_seed(0)


def test_posteriors_are_inferred_and_lie_between_nothing_and_the_diagonal_ones(isotropic):
    x, model = sampled_problem()
    found, stats = fit_posterior(x, model.dictionary, "isotropic")
    assert isinstance(found, Isotropic) and len(found) == len(x)
    best = float(entropy_elbo(fit_posterior(x, model.dictionary, "diagonal")[1]))
    assert best - 5 < float(entropy_elbo(stats)) < best
    mean, log_size = (tensor.requires_grad_() for tensor in infer_lbfgs(x, model, "isotropic").to_free())
    model.elbo(model.statistics(x, Isotropic.from_free([mean, log_size]))).backward()
    assert mean.grad.abs().max() < 1e-4 and log_size.grad.abs().max() < 1e-4


def test_encoders_give_them_and_trainers_learn_with_them(isotropic):
    x, _ = sampled_problem(n_points=100, n_features=6, n_latents=3)
    encoder = Encoder(6, 3, "isotropic", unit=torch.tensor(1.0).double(), generator=seeded())
    assert isinstance(encoder(x), Isotropic)
    options = {"family": "isotropic", "generator": seeded(), "progress": False}
    amortized = fit_amortized(x, 3, n_epochs=2, **options)
    jointly = fit_jointly(x, 3, max_calls=2, iterations_per_call=20, **options)
    assert all(isinstance(result.posterior, Isotropic) for result in (amortized, jointly))
    assert jointly.elbo > amortized.elbo
