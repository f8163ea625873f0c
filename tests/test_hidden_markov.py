"""Hidden Markov models against hmmlearn, and against sums over all sequences of states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hmmlearn import hmm
from numpy.testing import assert_allclose

from paperlib.elbo.chains import IndependentStates
from paperlib.models.exponential_families import Categorical, Normal, Poisson
from paperlib.models.gap import gap
from paperlib.models.hidden_markov import HiddenMarkovModel
from paperlib.system.errors import InputError

K, T, N = 3, 5, 20


def make_model(family, natural, seed=0):
    logits = torch.randn(K + 1, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return HiddenMarkovModel(logits[0], logits[1:], torch.as_tensor(natural), family, T)


def random(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def gaussian():
    means, variances = 2 * random(K, 2), np.exp(random(K, 2, seed=2))
    theirs = hmm.GaussianHMM(K)
    theirs.means_, theirs.covars_ = means, variances
    return make_model(Normal(), np.stack([means / variances, -0.5 / variances], -1)), theirs


def poisson():
    rates = np.exp(random(K, 2))
    theirs = hmm.PoissonHMM(K)
    theirs.lambdas_ = rates
    return make_model(Poisson(), np.log(rates)[..., None]), theirs


def categorical():
    logits = random(K, 1, 4)
    model, theirs = make_model(Categorical(4), logits), hmm.CategoricalHMM(K)
    theirs.emissionprob_ = model.natural[:, 0].softmax(-1).numpy()
    return model, theirs


@pytest.fixture(params=[gaussian, poisson, categorical], ids=lambda make: make.__name__)
def pair(request):
    """A model, the same of hmmlearn, and data of another model."""
    model, theirs = request.param()
    theirs.startprob_, theirs.transmat_ = model.starts.softmax(0).numpy(), model.steps.softmax(1).numpy()
    generator = torch.Generator().manual_seed(3)
    x, _ = model.replace(natural=0.9 * model.natural, steps=-model.steps).sample(N, generator)
    return model, theirs, x


def flat(x):
    values = x.flatten(0, 1).numpy()
    return (values if (values % 1).any() else values.astype(int)), [x.shape[1]] * len(x)


def test_the_likelihood_is_hmmlearns(pair):
    model, theirs, x = pair
    assert_allclose(len(x) * float(model.log_likelihood(x)), theirs.score(*flat(x)), rtol=1e-10)


def test_the_posterior_states_are_hmmlearns(pair):
    model, theirs, x = pair
    assert_allclose(model.posterior(x).states().flatten(0, 1), theirs.predict_proba(*flat(x)), atol=1e-12)


def test_em_goes_where_hmmlearns_goes(pair):
    model, theirs, x = pair
    theirs.n_iter, theirs.tol, theirs.init_params = 3, -np.inf, ""
    if isinstance(model.family, Normal):
        theirs.min_covar, theirs.covars_prior, theirs.covars_weight = 0.0, 0.0, 0.0
        theirs.means_weight = 0.0
    theirs.fit(*flat(x))
    learned, _ = model.fit(x, tolerance=1e-300, max_rounds=3)
    assert_allclose(learned.steps.softmax(1), theirs.transmat_, rtol=1e-6)
    assert_allclose(len(x) * float(learned.log_likelihood(x)), theirs.score(*flat(x)), rtol=1e-6)


def test_posteriors_are_those_of_all_sequences_of_states():
    model, _ = gaussian()
    x, _ = model.sample(4, torch.Generator().manual_seed(0))
    paths = torch.tensor(list(itertools.product(range(K), repeat=T)))
    z = torch.nn.functional.one_hot(paths, K).double().unsqueeze(1).expand(-1, len(x), -1, -1)
    log_joint = model.log_joint(x, z)
    q, posterior = log_joint.softmax(0), model.posterior(x)
    assert_allclose(model.log_likelihood(x), log_joint.logsumexp(0).mean(), rtol=1e-12)
    assert_allclose(posterior.entropy(), torch.special.entr(q).sum(0), atol=1e-12)
    assert_allclose(posterior.states(), torch.einsum("pn,pntk->ntk", q, z), atol=1e-12)
    pairs = torch.einsum("pn,pntk,pntl->ntkl", q, z[:, :, :-1], z[:, :, 1:])
    assert_allclose(posterior.pairs(), pairs, atol=1e-12)


def test_samples_of_posteriors_have_their_probabilities():
    model, _ = gaussian()
    x, _ = model.sample(3, torch.Generator().manual_seed(0))
    for posterior in (model.posterior(x), model.mean_field(x)):
        z = posterior.sample(20_000, torch.Generator().manual_seed(1))
        assert_allclose(z.mean(0), posterior.states(), atol=0.02)
        pairs = torch.einsum("sntk,sntl->ntkl", z[:, :, :-1], z[:, :, 1:]) / len(z)
        assert_allclose(pairs, posterior.pairs(), atol=0.02)


def test_independent_states_are_best_where_nothing_changes_and_below_exact_ones():
    model, _ = gaussian()
    x, _ = model.sample(N, torch.Generator().manual_seed(0))
    found = model.mean_field(x)
    logits = found.probabilities.log().requires_grad_()
    elbo = model.elbo(model.statistics(x, IndependentStates(logits.softmax(2))))
    (slope,) = torch.autograd.grad(elbo, logits)
    assert slope.abs().max() < 1e-10
    assert elbo < model.log_likelihood(x)


def test_statistics_of_sequences_of_different_lengths_add():
    model, _ = gaussian()
    x, _ = model.sample(N, torch.Generator().manual_seed(0))
    parts = [x[:8, :3], x[8:, :1]]
    total = sum(model.statistics(part, model.posterior(part)) for part in parts)
    each = [len(part) * float(model.log_likelihood(part)) for part in parts]
    assert_allclose(N * float(model.elbo(total)), sum(each), rtol=1e-12)


def test_the_entropies_of_steps_are_the_chains_only_under_the_chains_own_states():
    """Care point: the prior's term is under q, and that need not be how often the chain is in a state."""
    model, _ = gaussian()
    x, z = model.sample(20_000, torch.Generator().manual_seed(0))
    own = model.entropies(model.statistics(x, IndependentStates(z)))
    assert_allclose(own.prior, model.chain_entropy(), rtol=1e-2)
    few, posterior = model.fit(x[:30], tolerance=1e-3)
    found = gap(few, x[:30], posterior)
    assert abs(found.difference) < 1e-10
    assert abs(found.terms.prior - few.chain_entropy()) > 1e-4


def test_data_that_are_no_sequences_of_such_emissions_are_refused():
    model, _ = poisson()
    x, _ = model.sample(2, torch.Generator().manual_seed(0))
    for bad in (x[0], x[:, :0], x[:, :, :1], x - 1):
        with pytest.raises(InputError):
            model.check_points(bad)
