"""Variational autoencoders: the contract, the gap along all parameters, learning, and many runs at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.gap import gap
from paperlib.models.linear_gaussian import PPCA
from paperlib.models.vae import (
    VAE,
    Adam,
    AmortizedVAE,
    BernoulliVAE,
    Cubature,
    Encoder,
    GaussHermite,
    Network,
    Samples,
    settle,
    shuffled,
)
from paperlib.papers.three_entropies.vaes.rows import ROWS
from paperlib.system.errors import InputError
from paperlib.testing import ModelContract

D, H, N = 3, 2, 40
DOUBLE = {"dtype": torch.float64}


def network(*sizes, generator, **options):
    return Network.random(sizes, generator, activation="tanh", **DOUBLE, **options)


def uniform(*shape, generator):
    return 0.3 + torch.rand(shape, generator=generator, **DOUBLE)


def normal(*shape, generator):
    return torch.randn(shape, generator=generator, **DOUBLE)


class TestVAE(ModelContract):
    def random_model(self, generator):
        decoder = network(H, 4, D, generator=generator)
        noise = uniform(generator=generator)
        return VAE(decoder, uniform(H, generator=generator), noise, rule=GaussHermite(12))

    def random_posterior(self, model, x, generator):
        return DiagonalGaussian(
            normal(len(x), H, generator=generator), uniform(len(x), H, generator=generator)
        )

    def fit(self, x, generator):
        model = self.random_model(generator)
        posterior = self.random_posterior(model, x, generator)
        return model.fitted(model.statistics(x, posterior)), posterior


class TestLinearVAE(TestVAE):
    def random_model(self, generator):
        noise = uniform(generator=generator)
        return VAE(
            network(H, D, generator=generator), uniform(H, generator=generator), noise, rule=Cubature()
        )


class TestVAEOfVaryingNoise(TestVAE):
    def random_model(self, generator):
        decoder = network(H, 4, 2 * D, generator=generator, n_biases=D)
        noise = uniform(D, generator=generator)
        return VAE(decoder, uniform(H, generator=generator), noise, rule=GaussHermite(12))


class TestBernoulliVAE(TestVAE):
    def random_model(self, generator):
        decoder = network(H, 4, D, generator=generator)
        return BernoulliVAE(decoder, uniform(H, generator=generator), rule=GaussHermite(12))

    def fit(self, x, generator):
        decoder = network(H, D, generator=generator)
        model = BernoulliVAE(decoder, uniform(H, generator=generator), rule=GaussHermite(8))
        encoder = Encoder(network(D, H, generator=generator), torch.zeros(H, **DOUBLE))
        vae, slope = settle(AmortizedVAE(model, encoder), x)
        assert slope < 1e-9
        return vae.model, vae.encoder(x)


def amortized(generator, rule, *, n_biases=None, **options):
    """VAE-1 with an encoder, its parameters random."""
    model = VAE(
        network(H, 4, D, generator=generator),
        torch.ones(H, **DOUBLE),
        uniform(generator=generator),
        rule=rule,
    )
    encoder = Encoder(network(D, 4, 2 * H, generator=generator, n_biases=n_biases))
    return AmortizedVAE(model, encoder, **options)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sampled=st.booleans())
def test_with_a_standard_prior_the_gap_is_a_derivative_along_both_networks(seed, sampled):
    """However expectations are taken: by samples, as long as both sides have the same."""
    generator = torch.Generator().manual_seed(seed)
    x = normal(N, D, generator=generator)
    vae = amortized(generator, GaussHermite(8), fixed=frozenset({"prior_variances"}))
    leaves = {name: tensor.requires_grad_() for name, tensor in vae.free.items()}
    rule = Samples(2, torch.Generator().manual_seed(seed)) if sampled else GaussHermite(8)
    moving = vae.with_free(leaves)
    moving = AmortizedVAE(VAE(**vars(moving.model) | {"rule": rule}), moving.encoder)
    stats = moving.statistics(x)
    elbo = moving.model.elbo(stats)
    direction = {**vae.rescaling(), "noise": -torch.ones((), **DOUBLE)}
    slopes = torch.autograd.grad(elbo, [leaves[name] for name in direction])
    along = sum((slope * step).sum() for slope, step in zip(slopes, direction.values(), strict=True))
    difference = elbo - moving.model.entropies(stats).elbo
    torch.testing.assert_close(difference, along, rtol=1e-10, atol=1e-10 * float(elbo.detach().abs()))


def test_rescaling_leaves_the_noise_as_it_is():
    generator = torch.Generator().manual_seed(0)
    x, vae = normal(N, D, generator=generator), amortized(generator, GaussHermite(8))
    free = vae.free
    shift = {name: 1e-6 * step for name, step in vae.rescaling().items()}
    moved = vae.with_free(free | {name: free[name] + step for name, step in shift.items()})
    one, other = (each.model.parts(each.statistics(x)) for each in (vae, moved))
    assert abs(float(one.likelihood - other.likelihood)) < 1e-11
    assert float(other.posterior - one.posterior) == pytest.approx(H * 0.5e-6, rel=1e-4)
    with pytest.raises(InputError):
        amortized(generator, GaussHermite(8), n_biases=H).rescaling()


@pytest.mark.parametrize(
    "rule", [GaussHermite(3), Cubature(), Samples(200_000, torch.Generator().manual_seed(0))]
)
def test_rules_integrate_squares_and_products(rule):
    """E (a·z)² = (a·ν)² + Σ a² τ², exactly by quadrature."""
    posterior = DiagonalGaussian(torch.tensor([[0.3, -1.0]], **DOUBLE), torch.tensor([[0.5, 2.0]], **DOUBLE))
    a = torch.tensor([1.0, 0.7], **DOUBLE)
    nodes, weights = rule.nodes(posterior.mean)
    found = (weights @ ((posterior.mean + posterior.deviation * nodes) @ a).square()).item()
    expected = float((posterior.mean @ a).square() + posterior.variance @ a.square())
    assert found == pytest.approx(expected, rel=0.02 if isinstance(rule, Samples) else 1e-12)


def test_runs_side_by_side_are_those_alone():
    """Models with a leading dimension have the ELBOs, entropies and steps of each by itself."""
    generator = torch.Generator().manual_seed(0)
    x = normal(N, D, generator=generator)
    singles = [amortized(generator, GaussHermite(5)) for _ in range(3)]
    many = {name: torch.stack([vae.free[name] for vae in singles]) for name in singles[0].free}
    fields = {name: tensor.expand(3, *tensor.shape) for name, tensor in singles[0].model.parameters.items()}
    weights = {name.removeprefix("decoder."): tensor for name, tensor in fields.items() if "decoder" in name}
    of_encoder = {k: v.expand(3, *v.shape) for k, v in singles[0].encoder.network.weights.items()}
    model = VAE(Network(weights, "tanh"), fields["prior_variances"], fields["noise"], rule=GaussHermite(5))
    together = AmortizedVAE(model, Encoder(Network(of_encoder, "tanh"))).with_free(many)
    learner, alone = Adam(together, 0.01), [Adam(vae, 0.01) for vae in singles]
    for _ in range(3):
        learner.step(x)
        for one in alone:
            one.step(x)
    stats = learner.vae.statistics(x)
    for run, one in enumerate(alone):
        same = one.vae.statistics(x)
        assert torch.allclose(learner.vae.model.elbo(stats)[run], one.vae.model.elbo(same), rtol=1e-10)
        terms = learner.vae.model.entropies(stats)
        torch.testing.assert_close(learner.vae.run(run).elbo(x), one.vae.elbo(x))
        assert torch.allclose(terms.elbo[run], one.vae.model.entropies(same).elbo, rtol=1e-10)


def test_a_linear_vae_settles_at_ppca():
    """The maximum of the likelihood, in closed form, is that of the ELBO, and τ² = σ²/λ there."""
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([2.0, 1.0, 0.3, 0.3, 0.3], **DOUBLE)
    x = normal(200, 5, generator=generator) * scales
    decoder, encoder = network(H, 5, generator=generator), network(5, H, generator=generator)
    model = VAE(decoder, torch.ones(H, **DOUBLE), torch.tensor(0.5, **DOUBLE), rule=Cubature())
    start = AmortizedVAE(
        model, Encoder(encoder, torch.zeros(H, **DOUBLE)), fixed=frozenset({"prior_variances"})
    )
    vae, slope = settle(start, x)
    best = PPCA.stationary(x, H)
    assert slope < 1e-9
    assert float(vae.elbo(x)) == pytest.approx(float(best.log_likelihood(x)), abs=1e-9)
    assert float(vae.model.noise) == pytest.approx(float(best.noise), rel=1e-6)
    largest = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[-H:]
    deviation = vae.encoder(x).deviation[0].square().sort().values
    assert torch.allclose(deviation, (best.noise / largest).sort().values, rtol=1e-5)
    found = gap(vae.model, x, vae.encoder(x))
    assert abs(float(found.difference)) < 1e-9


def test_learning_closes_the_gap_and_unit_columns_stay():
    generator = torch.Generator().manual_seed(0)
    x = normal(N, D, generator=generator)
    learner = Adam(amortized(generator, GaussHermite(5), unit_columns=True), 0.03, 0.1)
    before = gap(learner.vae.model, x, learner.vae.encoder(x))
    for batches in shuffled(x, 20, 30, generator):
        for batch in batches:
            learner.step(batch)
    after = gap(learner.vae.model, x, learner.vae.encoder(x))
    assert after.elbo > before.elbo
    assert abs(after.difference) < abs(before.difference) / 3
    first = learner.vae.model.decoder.weights["0.weight"]
    assert torch.allclose(torch.linalg.vector_norm(first, dim=0), torch.ones(H, **DOUBLE))


def test_shuffled_data_are_all_there_in_every_epoch():
    x = torch.arange(10.0).unsqueeze(1)
    for batches in shuffled(x, 4, 3, torch.Generator().manual_seed(0)):
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert torch.equal(torch.cat(batches).sort(0).values, x)


def test_what_does_not_fit_is_refused():
    generator = torch.Generator().manual_seed(0)
    vae = amortized(generator, GaussHermite(3))
    weights = dict(vae.model.decoder.weights)
    for wrong in (
        lambda: Network(weights | {"1.bias": torch.zeros(9)}),
        lambda: Network({name: weights[name] for name in ("0.weight", "1.bias")}),
        lambda: Network(weights, "no activation"),
        lambda: Encoder(network(D, 3, generator=generator)),
        lambda: AmortizedVAE(vae.model, vae.encoder, fixed=frozenset({"nothing"})),
        lambda: Adam(vae, 0.0),
        lambda: VAE(network(H, D + 1, generator=generator), torch.ones(H, **DOUBLE), torch.ones(D, **DOUBLE)),
        lambda: settle(AmortizedVAE(VAE(Network.random([1, 2], generator), torch.ones(1), torch.ones(())),
                                    Encoder(Network.random([2, 2], generator))), torch.ones(3, 2)),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()


def test_an_elbo_that_is_not_finite_ends_learning():
    generator = torch.Generator().manual_seed(0)
    learner = Adam(amortized(generator, GaussHermite(3)))
    with pytest.raises(FloatingPointError):
        learner.step(torch.full((2, D), 1e200, **DOUBLE))


@pytest.mark.parametrize("name", ["vae-2-fixed", "vae-1-fixed", "vae-0", "bernoulli-vae"])
def test_rows_of_the_table_are_as_they_are_to_be(name):
    row = ROWS[name]()
    assert row.as_expected and row.identity < 1e-10
