"""What the theory's pages compute with: draws, integrals and densities, a general optimizer, small runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import random_problem
from scipy import stats

from paperlib.elbo.encoders import Encoder
from paperlib.elbo.maximum import maximize
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo, optimal_noise_variance
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.theory import checks, codes, families, figures, routes
from paperlib.papers.sparse_codes.theory.experiment import learn_by_gradient, terms_and_entropies
from paperlib.papers.sparse_codes.theory.problems import Draws, float64, gaussians, optimal_scales, statistics
from paperlib.papers.sparse_codes.theory.saddle import MirroredProblem
from paperlib.plotting import Panel, plot_lines

SCALES = float64([0.7, 1.1, 0.4, 2.0]), float64(0.3)  # λ and σ² of random problems with four latents


def test_draws_are_those_of_one_generator_of_numpy_in_order():
    draw, rng = Draws(3), np.random.default_rng(3)
    assert draw.normal(2, 3).tolist() == rng.normal(size=(2, 3)).tolist()
    assert draw.laplace(4).tolist() == rng.laplace(size=4).tolist()
    assert draw.uniform(1, 2, 3).tolist() == rng.uniform(1, 2, size=3).tolist()
    assert draw.triangles(2, 3).tolist() == np.tril(rng.normal(size=(2, 3, 3)), -1).tolist()
    assert draw.dictionary(5, 2).norm(dim=0).tolist() == pytest.approx([1, 1])


def test_families_of_posteriors_share_means_and_differ_in_covariances():
    draw = Draws(0)
    mean, deviation = draw.normal(3, 2), draw.uniform(0.2, 1, 3, 2)
    found = gaussians(mean, deviation, draw.normal(3, 2, 1), draw.triangles(3, 2))
    assert all(posterior.mean is mean for posterior in found.values())
    torch.testing.assert_close(found["diagonal"].std, deviation)
    assert (found["low rank"].std > deviation).all() and (found["full"].std >= deviation).all()


def test_the_general_optimizer_ends_at_the_maximum_and_climbs_to_it():
    target = float64([1.0, -2.0, 0.5])
    found = maximize(lambda theta: 3 - (theta - target).square().sum().exp(), [0, 0, 0])
    torch.testing.assert_close(found.at, target, rtol=0, atol=1e-8)
    assert found.value == pytest.approx(2) and found.slope < 1e-8
    assert (np.diff(found.climb) > 0).all() and found.climb[-1] == found.value


def test_the_options_of_the_optimizer_are_its_methods():
    found = maximize(lambda theta: -theta.pow(4).sum(), [1.0, 2.0], "L-BFGS-B", maxiter=2)
    assert len(found.climb) == 2


@pytest.mark.parametrize(("nu", "tau"), [(0.0, 1.0), (-1.3, 0.2), (0.4, 2.5)])
def test_the_integral_of_the_magnitude_is_the_mean_of_the_folded_normal(nu, tau):
    assert checks.integrate_magnitude(nu, tau) == pytest.approx(
        stats.foldnorm(abs(nu) / tau, scale=tau).mean()
    )


@pytest.mark.parametrize("family", ["diagonal", "low-rank", "full"])
def test_the_terms_from_densities_add_to_the_elbo(family):
    x, q, dictionary = random_problem(family, seed=1)
    terms = checks.elbo_terms(x, q, dictionary, *SCALES)
    expected = classical_elbo(PosteriorStatistics.from_batch(x, q, dictionary), *SCALES)
    torch.testing.assert_close(sum(terms), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(terms[2], q.entropy().mean())


def test_sums_over_the_plane_integrate_across_kinks():
    plane, line, lengths = checks.quadrature_on_plane()
    dz = torch.from_numpy(np.outer(stats.norm.pdf(line) * lengths, stats.norm.pdf(line) * lengths)).flatten()
    assert float(dz.sum()) == pytest.approx(1, abs=1e-12)
    assert float((dz * plane.abs().prod(1)).sum()) == pytest.approx(2 / np.pi, abs=1e-12)


def test_relative_errors_are_those_of_the_dtypes_own_points():
    grid = np.array([0.1, 1 / 3, 7.0])
    assert checks.relative_errors(torch.square, lambda a: a * a, grid, torch.float64).max() == 0
    off = checks.relative_errors(lambda a: 1.5 * a, lambda a: a, grid, torch.float32)
    np.testing.assert_allclose(off, 0.5, rtol=1e-6)


def test_terms_are_entropies_where_scales_are_optimal_and_the_elbo_everywhere():
    stats_ = statistics(*Draws(0).parameters(8, 6, 4))
    terms, minus_entropies = terms_and_entropies(stats_, *optimal_scales(stats_))
    torch.testing.assert_close(terms, minus_entropies)
    terms, minus_entropies = terms_and_entropies(stats_, *SCALES)
    torch.testing.assert_close(terms.sum(), classical_elbo(stats_, *SCALES))
    assert (terms - minus_entropies)[:2].abs().min() > 0.1


def test_a_run_by_gradient_climbs_and_says_how_far_scales_are_from_their_optimum():
    draw, generator = Draws(1), torch.Generator().manual_seed(1)
    x, _ = draw.model(5, 3, noise_variance=0.1).sample(50, generator)
    encoder = Encoder(5, 3, unit=x.square().mean().sqrt(), generator=generator)
    run = learn_by_gradient(x, encoder, draw.dictionary(5, 3), n_steps=60)
    assert run.terms.shape == run.entropies.shape == (60, 3)
    assert run.terms[-1].sum() > run.terms[0].sum() + 1
    gaps = run.terms - run.entropies  # minus the derivatives by log σ² and log λ
    torch.testing.assert_close(gaps[:, 0], 5 / 2 * (1 - run.noise_ratio))
    torch.testing.assert_close(gaps[:, 1], (1 - run.prior_ratios).sum(1))


def test_routes_to_one_optimum_are_compared_by_their_iterations():
    start = routes.make_start(seed=0, n_points=20)
    ones = torch.ones(2).double()
    of = {
        "classical": routes.Route(
            lambda sums, _: classical_elbo(sums, ones, optimal_noise_variance(sums)), 0, unit=False
        ),
        "learned": routes.Route(
            lambda sums, logs: classical_elbo(sums, logs[:2].exp(), logs[2].exp()), 3, unit=True
        ),
        "entropy": routes.Route(lambda sums, _: entropy_elbo(sums), 0, unit=True),
    }
    runs = {name: [routes.climb(route, start)] for name, route in of.items()}
    ends = [values[-1] for (values,) in runs.values()]
    np.testing.assert_allclose(ends, ends[0], atol=1e-5)
    table = routes.routes_table(runs)
    assert [row[0] for row in table.rows] == [*of]
    assert int(table.rows[2][3]) < int(table.rows[0][3])


def test_iterations_are_counted_until_little_is_left():
    assert routes.count_iterations(np.array([0.0, 0.5, 0.95, 1.0]), 0.1) == 3


def sparse_problem():
    draw = Draws(2)
    fields = draw.dictionary(8, 5)
    return draw.laplace(6, 5) @ fields.T + 0.3 * draw.normal(6, 8), fields, draw.uniform(0.3, 0.6, 5)


def test_codes_of_the_lasso_satisfy_its_conditions():
    x, fields, omega = sparse_problem()
    nu = codes.lasso_codes(x, fields, omega)
    push = (x - nu @ fields.T) @ fields
    active = nu != 0
    assert 0 < active.sum() < nu.numel()
    torch.testing.assert_close(push[active], (omega * nu.sign())[active], rtol=0, atol=1e-8)
    assert (push.abs() <= omega + 1e-8).all()


def test_softened_codes_are_stationary_and_tend_to_those_of_the_lasso():
    x, fields, omega = sparse_problem()
    sparse, soft = codes.lasso_codes(x, fields, omega), torch.zeros(6, 5).double()
    for tau in (1.0, 0.1, 1e-2, 1e-3, 1e-4):
        soft = codes.soften(x, fields, omega, tau, start=soft)
        slope = (soft @ fields.T - x) @ fields + omega * torch.erf(soft / tau / 2**0.5)
        assert slope.abs().max() < 1e-6
    torch.testing.assert_close(soft, sparse, rtol=0, atol=1e-3)


def test_weighted_codes_are_stationary():
    x, fields, _ = sparse_problem()
    weights = EntropyWeights(prior=2.0)

    def objective(nu):
        return entropy_elbo(codes.statistics_of_codes(x, nu, 0.1, fields), weights)

    nu = codes.weighted_codes(x, fields, 2.0, 0.1, start=torch.zeros(6, 5).double())
    assert torch.func.grad(objective)(nu).abs().max() < 1e-6
    assert objective(nu) > objective(0.9 * nu)


@pytest.mark.parametrize(("seed", "ascending"), [(4, 0), (3, 1)])
def test_one_mirrored_problem_has_a_maximum_and_one_a_saddle(seed, ascending):
    problem = MirroredProblem(seed)
    torch.testing.assert_close(problem.x[5:], problem.x[:5] * torch.tensor([1.0, -1.0]).double())
    phi = problem.stationary_point()
    assert torch.func.grad(problem.entropy_elbo)(phi).norm() < 1e-12
    torch.testing.assert_close(problem.elbo(phi, problem.best_theta(phi)), problem.entropy_elbo(phi))
    for hessian in problem.hessians(phi):
        assert (torch.linalg.eigvalsh(hessian) > 0).sum() == ascending


THETAS = {
    "Gaussian, mean and variance": [0.4, 2.0], "categorical, probabilities": [0.3, 1.0, 2.0],
    "Gamma, shape and rate": [2.0, 0.7],
}  # fmt: skip


@pytest.mark.parametrize("name", families.FAMILIES)
def test_entropies_of_families_are_those_of_their_samples(name):
    family = families.FAMILIES[name]
    theta = float64(THETAS.get(name, [1.3]))
    assert len(theta) == family.n_parameters
    y = family.density(theta).sample((200_000,)).double()
    minus = family.log_likelihood(y, theta)
    assert family.entropy(theta.numpy()) == pytest.approx(-float(minus), abs=0.02)


def test_families_are_fitted_by_their_averages():
    y = Draws(0).laplace(200) + 3
    theta, value = families.fit(
        lambda t: families.FAMILIES["Gaussian, mean and variance"].log_likelihood(y, t), 2
    )
    np.testing.assert_allclose(theta, [y.mean(), y.var(correction=0)], rtol=1e-6)
    assert value == pytest.approx(-stats.norm(scale=theta[1] ** 0.5).entropy())


def assert_drawn(figure, n_panels):
    assert len(figure.axes) == n_panels
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_terms_of_the_elbo_have_a_panel_each_with_the_entropy_beside_them():
    figure = figures.plot_terms({name: torch.rand(9, 2) for name in "abcd"})
    assert_drawn(figure, 4)
    assert all(len(axes.lines) == 2 for axes in figure.axes)


def test_samples_are_drawn_with_their_fields_and_the_density_of_a_latent():
    model = Draws(0).model(2, 3, noise_variance=0.1)
    assert_drawn(figures.plot_samples(*model.sample(100, torch.Generator().manual_seed(0)), model), 2)


def test_data_in_the_plane_have_a_panel_for_each_example():
    x, dictionary = Draws(0).normal(10, 2), Draws(1).dictionary(2, 2)
    assert_drawn(figures.plot_plane({"first": (x, dictionary), "second": (x, dictionary)}), 2)


def test_lines_are_values_or_functions_of_what_they_are_over():
    x = np.linspace(0, 2, 5)
    figure = plot_lines(Panel(x, {"values": x**2, "function": lambda value: torch.tensor(value) ** 2}, "x"))
    values, function = figure.axes[0].lines
    assert values.get_ydata().tolist() == function.get_ydata().tolist()
