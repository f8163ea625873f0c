"""Belief nets against sums over all latents, scikit-learn's regressions, and a general optimizer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from paperlib.elbo.binary import BinaryTable, IndependentBinary, binary_vectors
from paperlib.models.belief_nets import BeliefNet, TwoLayerBeliefNet
from paperlib.models.exponential_families import Bernoulli, Binomial, Poisson
from paperlib.models.gap import gap
from paperlib.system.errors import InputError

D, N = 6, 40


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_layer(family, seed=0):
    return BeliefNet(numbers(2), numbers(D, 2, seed=seed + 1), numbers(D, seed=seed + 2), family)


def two_layers():
    top = numbers(2), numbers(3, 2, seed=1), numbers(3, seed=2)
    return TwoLayerBeliefNet(*top, numbers(D, 3, seed=3), numbers(D, seed=4))


NETS = {
    "Bernoulli": lambda: one_layer(Bernoulli()),
    "Poisson": lambda: one_layer(Poisson()),
    "binomial": lambda: one_layer(Binomial(16)),
    "two layers": two_layers,
}


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]()


def sampled(net, n_points=N, seed=5):
    return net.sample(n_points, torch.Generator().manual_seed(seed))[0]


def test_posteriors_and_likelihood_are_sums_over_all_latents(net):
    x = sampled(net)
    vectors = [list(v) for v in itertools.product((0.0, 1.0), repeat=net.n_latents)]
    z = torch.tensor(vectors, dtype=torch.float64).unsqueeze(1).expand(-1, N, -1)
    log_joint = net.log_joint(x, z)
    posterior = net.posterior(x)
    assert_allclose(net.log_likelihood(x), log_joint.logsumexp(0).mean(), rtol=1e-12)
    assert_allclose(posterior.marginals(), torch.einsum("sn,snh->nh", log_joint.softmax(0), z), atol=1e-12)
    assert_allclose(posterior.entropy(), torch.special.entr(log_joint.softmax(0)).sum(0), atol=1e-12)


def test_independent_latents_are_a_special_table():
    q = IndependentBinary(numbers(N, 3))
    table = BinaryTable(q.table())
    assert_allclose(table.probabilities.sum(1), 1, rtol=1e-12)
    assert_allclose(table.entropy(), q.entropy(), rtol=1e-12)
    assert_allclose(table.marginals(), q.marginals(), rtol=1e-12)
    draws = [each.sample(20_000, torch.Generator().manual_seed(0)).mean(0) for each in (q, table)]
    for mean in draws:
        assert_allclose(mean, q.marginals(), atol=0.02)


@pytest.mark.parametrize("family", [Bernoulli(), Poisson()], ids=str)
def test_the_m_step_is_scikit_learns_regression(family):
    net = one_layer(family)
    x, z = net.sample(200, torch.Generator().manual_seed(0))
    indices = (z @ torch.tensor([1.0, 2.0]).double()).long()
    fitted = net.fitted(net.statistics(x, BinaryTable(torch.eye(4).double()[indices])))
    logistic = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    theirs = (
        logistic if isinstance(family, Bernoulli) else PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000)
    )
    for d in range(D):
        theirs.fit(z, x[:, d])
        assert_allclose(np.ravel(theirs.coef_), fitted.weights[d], atol=1e-5)
        assert_allclose(theirs.intercept_, fitted.biases[d], atol=1e-5)
    assert_allclose(fitted.logits.sigmoid(), z.mean(0), rtol=1e-10)


def test_mean_field_ends_where_nothing_changes_and_below_the_exact_posterior(net):
    x = sampled(net)
    start = net.mean_field(x)
    logits = start.logits.clone().requires_grad_()
    elbo = net.elbo(net.statistics(x, IndependentBinary(logits)))
    (slope,) = torch.autograd.grad(elbo, logits)
    assert slope.abs().max() < 1e-9
    assert elbo < net.log_likelihood(x)


def test_every_sweep_of_mean_field_climbs(net):
    x, q, elbos = sampled(net), None, []
    for _ in range(5):
        q = net.mean_field(x, q, max_sweeps=1)
        elbos.append(float(net.elbo(net.statistics(x, q))))
    assert (np.diff(elbos) >= -1e-12).all()


def test_all_ways_to_learn_end_at_entropies_and_the_exact_one_highest():
    truth = one_layer(Binomial(16))
    x = sampled(truth, 100)
    start = truth.climb(x)
    exact = start.fit(x, max_rounds=10)
    others = [start.fit_mean_field(x, max_rounds=10), start.fit_amortized(x, maxiter=20)]
    found = [gap(model, x, posterior) for model, posterior in (exact, *others)]
    assert max(abs(float(one.difference)) for one in found) < 1e-10
    assert all(one.elbo < found[0].elbo for one in found[1:])


def test_a_climb_ends_at_a_stationary_point_of_what_is_learned_and_nothing_else_moves():
    start = one_layer(Binomial(16))
    x = sampled(start, 100)
    found, held = start.climb(x), start.replace(logits=start.logits - 2).climb(x, ["weights", "biases"])
    assert abs(gap(found, x, found.posterior(x)).difference) < 1e-6
    assert torch.equal(held.logits, start.logits - 2)
    assert abs(gap(held, x, held.posterior(x)).difference) > 1e-3
    assert held.log_likelihood(x) < found.log_likelihood(x)


def test_data_that_latents_separate_have_no_best_weights():
    x = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]] * 5, dtype=torch.float64)
    net = BeliefNet(numbers(1), numbers(2, 1), numbers(2))
    hard = BinaryTable(torch.stack([1 - x[:, 0], x[:, 0]], 1))
    with pytest.raises(InputError, match="at infinity"):
        net.fitted(net.statistics(x, hard))


@pytest.mark.parametrize("bad", [0.5, -1.0])
def test_data_that_no_such_units_have_are_refused(bad):
    net = one_layer(Bernoulli())
    x = sampled(net)
    x[0, 0] = bad
    with pytest.raises(InputError, match="Bernoulli"):
        net.posterior(x)


def test_more_latents_than_can_be_summed_over_are_refused():
    with pytest.raises(InputError, match="at most"):
        BeliefNet(numbers(20), numbers(D, 20), numbers(D))
    assert binary_vectors(0).shape == (1, 0)
