"""Encoders give posteriors of their family; amortized learning climbs, resumes, and gains by refinement."""

import io
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlib.elbo.annealing import KINDS
from paperlib.elbo.encoders import Encoder
from paperlib.elbo.posteriors import FAMILIES
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import fit_posterior, infer_diagonal
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import (
    annealed_elbo,
    classical_elbo,
    entropy_elbo,
    optimal_noise_variance,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.amortized import fit_amortized, infer_amortized
from paperlib.models.sparse_coding.trainers.amortized_step import AmortizedLearner, AmortizedState
from paperlib.papers.sparse_codes.bars.data import bars
from paperlib.papers.sparse_codes.fields.matching import is_recovered

REFINABLE = ("diagonal", "full")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def data(n_points=300, seed=1, dtype=torch.float64):
    return bars(n_points, size=3, generator=seeded(seed), dtype=dtype)


def encoder(family, n_features=9, n_latents=6, seed=0):
    return Encoder(n_features, n_latents, family, unit=torch.tensor(2.0).double(), generator=seeded(seed))


def fit(x, n_latents=6, seed=0, **options):
    defaults = {"n_epochs": 3, "progress": False, "generator": seeded(seed)}
    return fit_amortized(x, n_latents, **{**defaults, **options})


@pytest.mark.parametrize("family", FAMILIES)
def test_encoder_gives_proper_gaussians_of_its_family(family):
    posterior = encoder(family)(3 * torch.randn(20, 9, generator=seeded()).double())
    covariance = posterior.covariance()
    assert isinstance(posterior, FAMILIES[family])
    assert posterior.mean.shape == (20, 6) and covariance.shape == (20, 6, 6)
    assert (posterior.std > 0).all()
    torch.linalg.cholesky(covariance)  # raises unless positive definite
    correlated = torch.tril(covariance, -1).abs().amax((1, 2)) > 0
    assert correlated.all() == (family != "diagonal")


@pytest.mark.parametrize("family", FAMILIES)
def test_encoder_infers_each_point_for_itself_with_gradients_in_every_weight(family):
    network, x = encoder(family), torch.randn(5, 9, generator=seeded()).double()
    together, alone = network(x), network(x[3:4])
    assert torch.allclose(together.covariance()[3:4], alone.covariance())
    (together.mean.sum() + together.covariance().sum() + together.entropy().sum()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_encoder_has_the_layers_of_the_paper():
    """D → 2D, two residual blocks through 3D units, heads for ν and τ; weights and biases."""
    n_features, n_latents = 16, 10
    sizes = [(16, 32), (32, 48), (48, 32), (32, 48), (48, 32), (32, 10), (32, 10)]
    expected = sum(n_inputs * n_outputs + n_outputs for n_inputs, n_outputs in sizes)
    network = encoder("diagonal", n_features, n_latents)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_encoder_comes_from_its_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (encoder("low-rank", seed=seed).mean.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_low_rank_learning_forms_no_covariance_of_a_data_point(monkeypatch):
    """A data point's H×H matrix would show as an (N, H, H) tensor; the largest allowed is V, (N, H, 5)."""
    shapes = []

    class Spy(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                shapes.append(tuple(result.shape))
            return result

    x = torch.randn(32, 9, generator=seeded())
    with Spy():
        fit(x, 40, family="low-rank", n_epochs=1)
    assert (32, 40, 5) in shapes and (32, 5, 5) in shapes
    assert max(math.prod(shape) for shape in shapes) < 32 * 40 * 40


@pytest.mark.parametrize(
    ("family", "refinement_steps"),
    [("diagonal", 0), ("diagonal", 4), ("low-rank", 0), ("full", 0), ("full", 2)],
)
def test_result_is_judged_on_all_data_with_its_own_scales(family, refinement_steps):
    x = data().x
    result = fit(x, family=family, refinement_steps=refinement_steps)
    dictionary = result.model.dictionary
    stats = PosteriorStatistics.from_batch(x, result.posterior, dictionary)
    classical = classical_elbo(stats, result.model.prior_scales, result.model.noise_variance)
    assert isinstance(result.posterior, FAMILIES[family]) and len(result.posterior) == len(x)
    assert result.elbo == pytest.approx(float(entropy_elbo(stats)), abs=1e-9)
    assert result.elbo == pytest.approx(float(classical), abs=1e-9)
    assert result.history[-1]["elbo"] == result.elbo
    assert torch.allclose(dictionary.norm(dim=0), torch.ones(6).double())
    assert not any(value.requires_grad for value in (dictionary, result.posterior.mean, stats.trace))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_encoder_beats_optimal_posteriors_and_refinement_approaches_them(family):
    x = data(60).x
    result = fit(x, family=family, n_epochs=20)
    dictionary = result.model.dictionary
    best = fit_posterior(x, dictionary, family, start=result.posterior, max_rounds=5)[1]
    elbos = [result.elbo]
    if family in REFINABLE:
        refined = (
            infer_amortized(x, result.encoder, result.model, refinement_steps=n_steps)[1]
            for n_steps in (3, 10)
        )
        elbos += [float(entropy_elbo(stats)) for stats in refined]
    elbos.append(float(entropy_elbo(best)))
    assert all(after >= before - 1e-4 for before, after in pairwise(elbos)), elbos
    assert elbos[-1] > elbos[0] + 1e-3


def test_encoder_of_a_result_infers_other_data():
    x, others = data().x, data(50, seed=2).x
    result = fit(x, n_epochs=5)
    same, stats = infer_amortized(x, result.encoder, result.model)
    assert torch.equal(same.mean, result.posterior.mean)
    assert float(entropy_elbo(stats)) == pytest.approx(result.elbo, abs=1e-9)
    posterior, stats = infer_amortized(others, result.encoder, result.model)
    assert len(posterior) == stats.count == 50


@pytest.mark.parametrize("refinement_steps", [0, 5])
def test_learning_finds_orthogonal_fields(refinement_steps):
    """Diagonal posteriors favor orthogonal fields, so these are what the best dictionary has."""
    fields = torch.linalg.qr(torch.randn(12, 6, generator=seeded())).Q
    truth = SparseCodingModel(fields, torch.full((6,), 0.5), torch.tensor(0.01))
    x, _ = truth.sample(1500, seeded(1))
    result = fit(x, n_epochs=40, batch_size=64, learning_rate=3e-3, refinement_steps=refinement_steps)
    ceiling = float(entropy_elbo(fit_posterior(x, fields)[1]))
    assert is_recovered(result.model.dictionary, fields, threshold=0.95)
    assert ceiling - 0.5 < result.elbo < ceiling + 0.1


def test_without_refinement_the_gradient_is_that_of_the_whole_objective():
    """Two gradients, the encoder's and the dictionary's, against one through everything at once."""
    x = data(40).x
    learner = AmortizedLearner(x, 6, "low-rank", 0, None, seeded())
    weights = EntropyWeights(prior=2.0)
    learner.differentiate(x, weights)
    gradients = torch.autograd.grad(
        -annealed_elbo(
            PosteriorStatistics.from_batch(x, learner.encoder(x), normalize_columns(learner.dictionary)),
            weights,
        ),
        learner.parameters,
    )
    for parameter, gradient in zip(learner.parameters, gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-10)


def test_with_refinement_the_dictionary_has_the_gradient_of_em_and_the_encoder_its_own():
    """W̃: w_x (Σ xνᵀ − W̃ Σ(ννᵀ + T)) / Nσ², tangential to unit columns, at the refined posteriors."""
    x, weights = data(40).x, EntropyWeights(likelihood=0.3)
    learner, plain = (AmortizedLearner(x, 6, "diagonal", n_steps, None, seeded()) for n_steps in (4, 0))
    learner.differentiate(x, weights)
    plain.differentiate(x, weights)
    dictionary = learner.dictionary.detach()
    model = SparseCodingModel(dictionary, learner.prior_scales, learner.noise_variance)
    posterior = infer_diagonal(x, model.annealed(weights), start=learner.encoder(x).detach(), n_steps=4)
    noise_variance = optimal_noise_variance(PosteriorStatistics.from_batch(x, posterior, dictionary))
    second_moment = posterior.mean.T @ posterior.mean + posterior.covariance().sum(0)
    gradient = x.T @ posterior.mean - dictionary @ second_moment
    gradient = 0.3 * (gradient - dictionary * (dictionary * gradient).sum(0)) / (len(x) * noise_variance)
    assert torch.allclose(learner.dictionary.grad, -gradient, atol=1e-10)
    assert not torch.allclose(learner.dictionary.grad, plain.dictionary.grad, atol=1e-3)
    for refined, own in zip(learner.encoder.parameters(), plain.encoder.parameters(), strict=True):
        assert torch.equal(refined.grad, own.grad)


def test_refinement_keeps_prior_scales_above_the_noise_while_the_prior_outweighs():
    x, weights = data(40).x, EntropyWeights(prior=3.0)
    learner = AmortizedLearner(x, 6, "diagonal", 4, None, seeded())
    start = learner.encoder(x).detach()
    learner.prior_scales = learner.noise_variance.sqrt() * torch.tensor([0.01, 0.1, 0.5, 1, 2, 3]).double()
    floored = learner.noise_variance.sqrt() * torch.tensor([1, 1, 1, 1, 2, 3]).double()
    model = SparseCodingModel(learner.dictionary.detach(), floored, learner.noise_variance)
    expected = infer_diagonal(x, model.annealed(weights), start=start, n_steps=4)
    assert torch.allclose(learner.refine(x, start, weights).mean, expected.mean)


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize(
    "options", [{"annealing": "prior"}, {"refinement_steps": 2}, {"family": "low-rank", "clip": 1.0}]
)
def test_interrupted_training_continues_to_the_same_numbers(options, stop_after):
    x, files = data(dtype=torch.float32).x, []

    def save(now):
        files.append(io.BytesIO())
        torch.save(now.state.to_dict(), files[-1])
        files[-1].seek(0)

    whole = fit(x, **options, callback=save)
    state = AmortizedState(**torch.load(files[stop_after - 1], weights_only=True))
    resumed = fit(x, **options, state=state, seed=99)
    assert torch.equal(whole.model.dictionary, resumed.model.dictionary)
    assert torch.equal(whole.posterior.mean, resumed.posterior.mean)
    assert [row["elbo"] for row in whole.history] == [row["elbo"] for row in resumed.history]


def test_same_seed_same_numbers_other_seed_others():
    x = data().x
    first, again, other = (fit(x, seed=seed).model.dictionary for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@settings(max_examples=15)
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 50),
    st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_sizes_and_units_work(family, n_points, n_features, n_latents, batch_size, unit):
    x = unit * torch.randn(n_points, n_features, generator=seeded(n_points))
    steps = 2 if family in REFINABLE else 0
    result = fit(x, n_latents, family=family, batch_size=batch_size, refinement_steps=steps)
    assert math.isfinite(result.elbo)


def test_minibatches_beyond_the_memory_of_scales_replace_them():
    """Whole-data batches: refinement then has the scales of the last statistics, not extrapolated ones."""
    x = data(1500).x
    saved = []
    fit(x, batch_size=1500, n_epochs=4, refinement_steps=2, callback=saved.append)
    last = saved[-1].history[-2]  # the last epoch's statistics
    entropy = 9 / 2 * math.log(2 * math.pi * math.e * saved[-1].noise_variance)
    assert entropy == pytest.approx(last["likelihood_entropy"], abs=1e-9)


def test_elbo_shifts_with_the_units_of_the_data():
    """Data in other units: the same dictionary, and an ELBO lower by D log(unit)."""
    x = data().x
    plain, scaled = fit(x, refinement_steps=2), fit(8 * x, refinement_steps=2)
    assert torch.allclose(plain.model.dictionary, scaled.model.dictionary, atol=1e-6)
    assert scaled.elbo == pytest.approx(plain.elbo - 9 * math.log(8), abs=1e-6)


def test_history_and_callback_follow_the_epochs():
    passes = []
    result = fit(data().x, n_epochs=4, callback=lambda now: passes.append(now.state.passes))
    assert passes == [1, 2, 3, 4]
    assert [row["step"] for row in result.history] == [1, 2, 3, 4, 4]
    assert [row["phase"] for row in result.history] == 4 * ["amortized"] + ["final"]
    seconds = [row["seconds"] for row in result.history]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("annealing", KINDS)
@pytest.mark.parametrize(("family", "refinement_steps"), [("diagonal", 0), ("diagonal", 3), ("full", 1)])
def test_every_annealing_stays_finite_also_overcomplete(annealing, family, refinement_steps):
    x = data(200, dtype=torch.float32).x
    result = fit(x, 20, family=family, annealing=annealing, n_epochs=5, refinement_steps=refinement_steps)
    assert all(math.isfinite(row["elbo"]) for row in result.history)
    assert (result.model.prior_scales > 0).all()


def test_clipping_shortens_gradients_and_is_off_by_default():
    x = data(40).x
    plain, loose, tight = (fit(x, clip=clip).model.dictionary for clip in (None, 1e9, 1e-9))
    assert torch.equal(plain, loose)
    assert not torch.allclose(plain, tight, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_divergence_is_an_error(family):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(data(dtype=torch.float32).x, family=family, learning_rate=1e12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": torch.full((5, 4), math.inf)}, "NaN or infinite"),
        ({"x": torch.zeros(5, 4)}, "all zero"),
        ({"n_latents": 0}, "n_latents must be positive"),
        ({"n_epochs": 0}, "n_epochs must be positive"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"annealing": "steel"}, "Unknown annealing 'steel'"),
        ({"family": "banana"}, "Unknown posterior family 'banana'"),
        ({"refinement_steps": -1}, "refinement_steps must be 0 or more"),
        ({"family": "low-rank", "refinement_steps": 2}, "'low-rank' cannot be refined"),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message):
    arguments = {"x": torch.ones(5, 4), "n_latents": 2, **options}
    with pytest.raises(ValueError, match=message):
        fit(**arguments)
