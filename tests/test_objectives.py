"""Theorems 1-3, Lemma 1 and annealing: identities on random problems, against autograd, quadrature, sampling.

Every formula is compared with something written in another way, so that a wrong sign or factor shows.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import random_problem, random_statistics
from scipy import integrate, optimize
from scipy import stats as distributions
from torch.func import hessian

from paperlib.elbo.posteriors import FAMILIES, DiagonalGaussian
from paperlib.elbo.terms import EntropyTerms, EntropyWeights
from paperlib.models.contract import elbo_of_points, monte_carlo_elbo
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import (
    annealed_elbo,
    classical_elbo,
    entropies,
    entropy_elbo,
    least_prior_scale,
    optimal_noise_variance,
    optimal_prior_scales,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics

families = pytest.mark.parametrize("family", FAMILIES)
seeds = pytest.mark.parametrize("seed", range(5))


# ---- Theorems 1 and 2


@families
@given(
    seed=st.integers(0, 2**32 - 1),
    n_points=st.integers(1, 20),
    n_features=st.integers(1, 12),
    n_latents=st.integers(1, 9),
)
@settings(max_examples=40)
def test_entropy_elbo_is_the_classical_elbo_at_the_closed_form_scales(
    family, seed, n_points, n_features, n_latents
):
    stats = random_statistics(family, seed, n_points=n_points, n_features=n_features, n_latents=n_latents)
    classical = classical_elbo(stats, optimal_prior_scales(stats), optimal_noise_variance(stats))
    assert entropy_elbo(stats).item() == pytest.approx(classical.item(), rel=1e-10, abs=1e-10)


@families
@seeds
def test_closed_form_scales_are_stationary_by_autograd(family, seed):
    stats = random_statistics(family, seed)
    scales = optimal_prior_scales(stats).requires_grad_()
    variance = optimal_noise_variance(stats).requires_grad_()
    by_scales, by_variance = torch.autograd.grad(classical_elbo(stats, scales, variance), [scales, variance])
    assert (by_scales * scales).abs().max() < 1e-12
    assert (by_variance * variance).abs() < 1e-12


@families
@given(seed=st.integers(0, 2**32 - 1), shift=st.lists(st.floats(-3, 3), min_size=5, max_size=5))
@settings(max_examples=30)
def test_closed_form_scales_are_the_only_maximum(family, seed, shift):
    stats = random_statistics(family, seed)
    scales, variance = optimal_prior_scales(stats), optimal_noise_variance(stats)
    factors = torch.tensor(shift, dtype=torch.float64).exp()
    moved = classical_elbo(stats, scales * factors[:4], variance * factors[4])
    # the loss is known exactly: log r + 1/r − 1 ≥ 0 for each latent, D/2 times it for the noise
    loss = factors.log() + 1 / factors - 1
    expected = entropy_elbo(stats) - loss[:4].sum() - stats.n_features / 2 * loss[4]
    assert moved.item() == pytest.approx(expected.item(), rel=1e-10, abs=1e-9)
    assert moved <= entropy_elbo(stats) + 1e-12


@families
def test_closed_form_scales_are_found_by_a_numerical_optimizer(family):
    stats = random_statistics(family, seed=11)

    def loss(logs):
        scales = torch.from_numpy(np.exp(logs))
        return -classical_elbo(stats, scales[:-1], scales[-1]).item()

    found = np.exp(optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9}).x)
    np.testing.assert_allclose(found[:-1], optimal_prior_scales(stats), rtol=1e-4)
    np.testing.assert_allclose(found[-1], optimal_noise_variance(stats), rtol=1e-4)


@families
def test_curvature_at_the_closed_form_scales(family):
    # in log λ and log σ² the ELBO's Hessian is −1 for each latent and −D/2 for the noise
    stats = random_statistics(family, seed=12)
    logs = torch.cat([optimal_prior_scales(stats), optimal_noise_variance(stats).reshape(1)]).log()
    matrix = hessian(lambda s: classical_elbo(stats, s[:-1].exp(), s[-1].exp()))(logs)
    expected = -torch.diag(torch.tensor([1.0] * 4 + [stats.n_features / 2], dtype=torch.float64))
    torch.testing.assert_close(matrix, expected, rtol=1e-10, atol=1e-12)


@families
def test_terms_are_the_entropies_of_the_distributions(family):
    x, posterior, dictionary = random_problem(family, seed=13)
    stats = PosteriorStatistics.from_batch(x, posterior, dictionary)
    terms = entropies(stats)
    posteriors = [distributions.multivariate_normal(cov=t.numpy()).entropy() for t in posterior.covariance()]
    prior = distributions.laplace(scale=optimal_prior_scales(stats).numpy()).entropy().sum()
    noise = stats.n_features * distributions.norm(scale=optimal_noise_variance(stats).sqrt().item()).entropy()
    assert terms.posterior.item() == pytest.approx(np.mean(posteriors), rel=1e-9)
    assert terms.prior.item() == pytest.approx(prior, rel=1e-12)
    assert terms.likelihood.item() == pytest.approx(noise, rel=1e-12)
    assert terms.elbo.item() == pytest.approx(np.mean(posteriors) - prior - noise, rel=1e-9)


class Mixture:
    """A skewed, two-humped density on the line, by quadrature."""

    shares, means, deviations = np.array([0.3, 0.7]), np.array([-1.2, 0.9]), np.array([0.3, 0.6])

    def pdf(self, z):
        return (
            self.shares * distributions.norm.pdf(np.asarray(z)[..., None], self.means, self.deviations)
        ).sum(-1)

    def expect(self, function):
        halves = [(-9, 0), (0, 9)]
        return sum(
            integrate.quad(lambda z: function(z) * self.pdf(z), *half, limit=200)[0] for half in halves
        )

    def entropy(self):
        return self.expect(lambda z: -math.log(self.pdf(z)))


NOT_ONLY_GAUSSIAN = {
    "mixture": Mixture(),
    "logistic": distributions.logistic(0.4, 0.5),
    "skew normal": distributions.skewnorm(4, -0.8, 1.1),
    "normal": distributions.norm(1, 0.7),
}


@pytest.mark.parametrize("q", NOT_ONLY_GAUSSIAN.values(), ids=NOT_ONLY_GAUSSIAN)
def test_theorem_1_holds_for_any_q(q):
    # one latent, three observations of one point; Eq. 6 solved numerically, not by Theorem 2's formulas
    x, w = np.array([1.4, -0.3, 0.8]), np.array([0.6, 0.0, 0.8])
    log_normal = distributions.norm.logpdf
    magnitude = q.expect(abs)

    def elbo(log_scale, log_variance):
        scale, deviation = math.exp(log_scale), math.exp(log_variance / 2)
        likelihood = q.expect(lambda z: log_normal(x, w * z, deviation).sum())
        prior = -magnitude / scale - math.log(2 * scale)
        return likelihood + prior + q.entropy()

    moments = q.expect(lambda z: z), q.expect(lambda z: z**2)
    energy = x @ x - 2 * (w @ x) * moments[0] + moments[1]
    # stationarity of each scale by bisection on the derivative
    log_scale = optimize.brentq(lambda s: -1 + magnitude * math.exp(-s), -9, 9, xtol=1e-14)
    log_variance = optimize.brentq(lambda s: -3 / 2 + energy * math.exp(-s) / 2, -9, 9, xtol=1e-14)
    step = 1e-4
    slopes = [
        (elbo(log_scale + step, log_variance) - elbo(log_scale - step, log_variance)) / (2 * step),
        (elbo(log_scale, log_variance + step) - elbo(log_scale, log_variance - step)) / (2 * step),
    ]
    assert np.abs(slopes).max() < 1e-6  # Eq. 6
    prior_entropy = distributions.laplace(scale=math.exp(log_scale)).entropy()
    noise_entropy = 3 * distributions.norm(scale=math.exp(log_variance / 2)).entropy()
    entropy_sum = q.entropy() - prior_entropy - noise_entropy
    assert elbo(log_scale, log_variance) == pytest.approx(entropy_sum, abs=1e-8)
    assert elbo(log_scale + 0.5, log_variance) < entropy_sum - 0.05  # and not elsewhere


def test_the_three_expectations_by_quadrature():
    # classical ELBO of one point and one latent, term by term as an integral
    x, w, mean, std, scale, deviation = np.array([0.5, -1.1]), np.array([0.6, 0.8]), 0.7, 0.4, 1.3, 0.9
    q = distributions.norm(mean, std)

    def integrand(z):
        likelihood = distributions.norm.logpdf(x, w * z, deviation).sum()
        return q.pdf(z) * (likelihood + distributions.laplace.logpdf(z, scale=scale) - q.logpdf(z))

    expected = sum(integrate.quad(integrand, *ends, epsabs=1e-12)[0] for ends in [(-6, 0), (0, 6)])
    tensor = lambda *values: torch.tensor(values, dtype=torch.float64)  # noqa: E731
    posterior = DiagonalGaussian(tensor([mean]), tensor([std]))
    stats = PosteriorStatistics.from_batch(tensor(x.tolist()), posterior, tensor(w.tolist()).T)
    actual = classical_elbo(stats, tensor(scale), torch.tensor(deviation**2).double())
    assert actual.item() == pytest.approx(expected, rel=1e-9)


@families
def test_elbos_of_points_are_those_of_their_statistics(family):
    x, posterior, dictionary = random_problem(family, seed=0)
    model = SparseCodingModel(dictionary, torch.linspace(0.3, 2, 4).double(), torch.tensor(0.7).double())
    alone = [
        PosteriorStatistics.from_batch(x[n : n + 1], posterior[n : n + 1], dictionary) for n in range(len(x))
    ]
    expected = [float(classical_elbo(stats, *list(vars(model).values())[1:])) for stats in alone]
    np.testing.assert_allclose(elbo_of_points(model, x, posterior), expected, atol=1e-10, rtol=0)


@families
def test_sampling_gives_the_same_elbo_without_bias(family):
    x, posterior, dictionary = random_problem(family, seed=14)
    stats = PosteriorStatistics.from_batch(x, posterior, dictionary)
    model = SparseCodingModel(
        dictionary, torch.rand(4, dtype=torch.float64) + 0.5, torch.tensor(0.7).double()
    )
    exact = classical_elbo(stats, model.prior_scales, model.noise_variance)
    generator = torch.Generator().manual_seed(0)
    estimates = torch.stack([monte_carlo_elbo(model, x, posterior, 20, generator) for _ in range(300)])
    error = estimates.std() / math.sqrt(len(estimates))
    assert abs(estimates.mean() - exact) < 4 * error
    assert error < 0.02 * abs(exact)


# ---- Theorem 3 and Lemma 1


def gradients(objective, parts):
    """Gradients of an objective of (x, posterior, dictionary) by all parameters of q and by W̃."""
    x, posterior, dictionary = parts
    leaves = [getattr(posterior, f.name).clone().requires_grad_() for f in fields(posterior)]
    leaves.append(dictionary.clone().requires_grad_())
    stats = PosteriorStatistics.from_batch(x, type(posterior)(*leaves[:-1]), leaves[-1])
    return torch.autograd.grad(objective(stats), leaves)


@families
@seeds
def test_lemma_1_gradients_agree_at_the_optimal_scales(family, seed):
    parts = random_problem(family, seed)
    stats = PosteriorStatistics.from_batch(*parts)
    scales, variance = optimal_prior_scales(stats), optimal_noise_variance(stats)  # constants here
    classical = gradients(lambda s: classical_elbo(s, scales, variance), parts)
    entropy = gradients(entropy_elbo, parts)
    for one, other in zip(classical, entropy, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)
        assert one.norm() > 1e-2  # the point is not stationary, so the agreement says something


@families
@seeds
def test_lemma_1_terms_differ_by_the_ratio_of_scales_elsewhere(family, seed):
    # one latent, so that the prior's term has one factor λ_opt/λ; the noise's term has σ²_opt/σ²
    parts = random_problem(family, seed, n_latents=1)
    stats = PosteriorStatistics.from_batch(*parts)
    one = torch.ones(1, dtype=torch.float64)
    scale_ratio, variance_ratio = 1.7, 0.6
    scale = optimal_prior_scales(stats) * scale_ratio
    variance = optimal_noise_variance(stats) * variance_ratio
    far = 1e200  # switches the other energy off: its term then has gradient 0
    pairs = [
        (
            lambda s: classical_elbo(s, one * far, variance),
            lambda s: -entropies(s).likelihood,
            variance_ratio,
        ),
        (lambda s: classical_elbo(s, scale, one[0] * far), lambda s: -entropies(s).prior, scale_ratio),
    ]
    for energy, minus_entropy, ratio in pairs:
        with_posterior = gradients(lambda s, energy=energy: energy(s) - entropies(s).posterior, parts)
        for a, b in zip(with_posterior, gradients_or_zero(minus_entropy, parts), strict=True):
            torch.testing.assert_close(ratio * a, b, rtol=1e-8, atol=1e-10)


def gradients_or_zero(objective, parts):
    """As `gradients`, for objectives that leave some parameters out."""
    return gradients(lambda s: objective(s) + 0 * entropy_elbo(s), parts)


@families
def test_hessian_of_the_entropy_elbo_is_a_schur_complement(family):
    x, posterior, dictionary = random_problem(family, seed=15, n_points=3, n_features=3, n_latents=2)
    shapes = [getattr(posterior, f.name).shape for f in fields(posterior)] + [dictionary.shape]
    start = torch.cat(
        [getattr(posterior, f.name).flatten() for f in fields(posterior)] + [dictionary.flatten()]
    )
    n = len(start)

    def statistics(parameters):
        pieces = [
            p.reshape(s) for p, s in zip(parameters.split([s.numel() for s in shapes]), shapes, strict=True)
        ]
        return PosteriorStatistics.from_batch(x, type(posterior)(*pieces[:-1]), pieces[-1])

    def full(everything):
        return classical_elbo(statistics(everything[:n]), everything[n:-1].exp(), everything[-1].exp())

    stats = statistics(start)
    logs = torch.cat([optimal_prior_scales(stats), optimal_noise_variance(stats).reshape(1)]).log()
    matrix = hessian(full)(torch.cat([start, logs]))
    block, mixed, scales = matrix[:n, :n], matrix[:n, n:], matrix[n:, n:]
    profiled = hessian(lambda p: entropy_elbo(statistics(p)))(start)
    torch.testing.assert_close(
        profiled, block - mixed @ torch.linalg.solve(scales, mixed.T), rtol=1e-9, atol=1e-9
    )
    # the block alone is smaller in the order of symmetric matrices, and differs in at most H + 1 directions
    difference = torch.linalg.eigvalsh(profiled - block)
    assert difference.min() > -1e-9
    assert (difference > 1e-9).sum() == 3


# ---- annealing


@given(st.lists(st.floats(-100, 100), min_size=6, max_size=6))
def test_weighted_terms(values):
    terms = EntropyTerms(*torch.tensor(values[:3], dtype=torch.float64))
    a, b, c = values[3:]
    expected = a * values[0] - b * values[1] - c * values[2]
    assert terms.weighted(EntropyWeights(a, b, c)).item() == pytest.approx(expected, abs=1e-9)
    assert terms.elbo.item() == pytest.approx(values[0] - values[1] - values[2], abs=1e-9)


def annealed_maximum(stats, prior, likelihood, entropy):
    """Maximum over λ, σ² of prior·E log p(z) + likelihood·E log p(x|z) + entropy·H[q], by an optimizer."""
    magnitude = stats.magnitude.numpy() / stats.count
    error = (stats.squared_residual + stats.trace) / stats.count

    def parts(logs):
        log_prior = -(np.log(2) + logs[:-1] + magnitude * np.exp(-logs[:-1])).sum()
        noise = -stats.n_features / 2 * (np.log(2 * np.pi) + logs[-1]) - error.item() / 2 * np.exp(-logs[-1])
        return prior * log_prior + likelihood * noise

    best = optimize.minimize(lambda logs: -parts(logs), np.zeros(5), method="BFGS", options={"gtol": 1e-8})
    return -best.fun + entropy * entropies(stats).posterior.item()


@families
@pytest.mark.parametrize("delta", [1 / 7, 0.5])
def test_likelihood_annealing_is_beta_annealing(family, delta):
    # β-annealing: E log p(x|z) − β KL(q, p) with β = 1/δ, up to the overall factor δ
    stats = random_statistics(family, seed=16)
    beta = 1 / delta
    beta_elbo = annealed_maximum(stats, prior=beta, likelihood=1, entropy=beta)
    annealed = entropy_elbo(stats, EntropyWeights(likelihood=delta))
    assert annealed.item() == pytest.approx(delta * beta_elbo, rel=1e-7)


@families
@pytest.mark.parametrize("alpha", [0.2, 0.7])
def test_energy_tempering_tempers_the_joint(family, alpha):
    stats = random_statistics(family, seed=17)
    tempered = annealed_maximum(stats, prior=alpha, likelihood=alpha, entropy=1)
    annealed = entropy_elbo(stats, EntropyWeights(prior=alpha, likelihood=alpha))
    assert annealed.item() == pytest.approx(tempered, rel=1e-7)


@families
def test_prior_annealing_weighs_the_log_sparsity_penalty(family):
    stats = random_statistics(family, seed=18)
    slope = entropy_elbo(stats, EntropyWeights(prior=3.0)) - entropy_elbo(stats, EntropyWeights(prior=2.0))
    penalty = sum(math.log(2 * math.e * m / stats.count) for m in stats.magnitude.tolist())
    assert slope.item() == pytest.approx(-penalty, rel=1e-10)


@families
@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_annealed_elbo_is_eq_17_unless_the_prior_outweighs_the_posterior(family, gamma):
    stats = random_statistics(family, seed=19)
    weights = EntropyWeights(prior=gamma, likelihood=0.3)
    assert annealed_elbo(stats, weights).item() == pytest.approx(entropy_elbo(stats, weights).item())


def best_ratio(excess, gamma):
    """λ/σ at which fields with ν = 0, which inflate σ², start to take part at the least input."""

    def idle_deviation(ratio):
        return optimize.brentq(lambda t: t**2 + math.sqrt(2 / math.pi) * gamma * t / ratio - 1, 0, 1)

    def needed_input(log_ratio):
        share = excess * idle_deviation(math.exp(log_ratio)) ** 2
        return -log_ratio - math.log(1 - share) / 2 if share < 1 else math.inf

    grid = np.linspace(-8, 8, 1001)
    start = grid[np.argmin([needed_input(log) for log in grid])]
    bounds = start - 0.02, start + 0.02
    return math.exp(optimize.minimize_scalar(needed_input, bounds=bounds, method="bounded").x)


@given(excess=st.floats(1.05, 50), gamma=st.floats(1.01, 10))
@settings(max_examples=20, deadline=None)
def test_at_the_least_prior_scale_fields_take_part_at_the_least_input(excess, gamma):
    weights, n_features = EntropyWeights(prior=gamma), 1000
    n_latents = round(excess * n_features)
    noise_variance = torch.tensor(0.3, dtype=torch.float64)
    least = least_prior_scale(noise_variance, weights, n_features, n_latents) / noise_variance.sqrt()
    assert least.item() == pytest.approx(min(1, best_ratio(n_latents / n_features, gamma)), rel=1e-3)
    assert least_prior_scale(noise_variance, weights, n_latents, n_features) == noise_variance.sqrt()
    tempered = EntropyWeights(prior=gamma, posterior=gamma)
    assert least_prior_scale(noise_variance, tempered, n_features, n_latents) == 0


@families
@pytest.mark.parametrize("n_latents", [4, 60])  # less than D = 6, and many more
def test_annealed_elbo_has_the_best_prior_scales_above_the_least(family, n_latents):
    stats = random_statistics(family, seed=20, n_latents=n_latents)
    sigma = optimal_noise_variance(stats).sqrt().item()
    least = sigma if n_latents <= 6 else sigma * best_ratio(n_latents / 6, gamma=3.0)
    # the least scale shall lie amid the scales
    stats = replace(stats, magnitude=stats.magnitude * least / optimal_prior_scales(stats).median())
    terms = entropies(stats)

    def minus_log_prior(magnitude):
        bounds = math.log(least), 20
        return optimize.minimize_scalar(
            lambda log: math.log(2) + log + magnitude * math.exp(-log), bounds=bounds, method="bounded",
            options={"xatol": 1e-10},
        ).fun  # fmt: skip

    prior = sum(minus_log_prior(m / stats.count) for m in stats.magnitude.tolist())
    expected = terms.posterior.item() - 3 * prior - terms.likelihood.item()
    assert annealed_elbo(stats, EntropyWeights(prior=3.0)).item() == pytest.approx(expected, rel=1e-7)


def test_collapsing_fields_gain_from_eq_17_but_not_from_the_annealed_elbo():
    x, posterior, dictionary = random_problem("diagonal", seed=21)

    def collapsed(std):
        mean, deviation = posterior.mean.clone(), posterior.deviation.clone()
        mean[:, 0], deviation[:, 0] = 0, std
        return PosteriorStatistics.from_batch(x, DiagonalGaussian(mean, deviation), dictionary)

    weights, stds = EntropyWeights(prior=2.0), [1e-2, 1e-4, 1e-6, 1e-8]
    eq_17 = [entropy_elbo(collapsed(std), weights).item() for std in stds]
    annealed = [annealed_elbo(collapsed(std), weights).item() for std in stds]
    assert eq_17 == sorted(eq_17) and eq_17[-1] - eq_17[0] > 10
    assert annealed == sorted(annealed, reverse=True) and annealed[0] - annealed[-1] > 10
