"""Fast EM learns, is reproducible, resumes to the same numbers, and survives every annealing."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlib.elbo.annealing import KINDS
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import fit_posterior, infer_diagonal
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import EMState, fit_em
from paperlib.models.sparse_coding.trainers.em import initial_state
from paperlib.models.sparse_coding.trainers.polish import polish_dictionary
from paperlib.papers.sparse_codes.bars.data import bars
from paperlib.papers.sparse_codes.fields.matching import is_recovered, match_fields


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sparse_data(n_points=3000, n_features=20, n_latents=10, seed=0, dtype=torch.float32):
    """Orthogonal fields, so that the exact posterior nearly factorizes: diagonal q favors orthogonal ones."""
    generator = seeded(seed)
    dictionary = torch.linalg.qr(torch.randn(n_features, n_latents, generator=generator, dtype=dtype)).Q
    model = SparseCodingModel(
        dictionary, torch.full((n_latents,), 0.5, dtype=dtype), torch.tensor(0.01, dtype=dtype)
    )
    return model.sample(n_points, generator)[0], model


def fit(x, n_latents=10, seed=0, **options):
    defaults = {"n_epochs": 3, "polish": 2, "progress": False, "generator": seeded(seed)}
    return fit_em(x, n_latents, **{**defaults, **options})


def test_recovers_a_random_dictionary_and_its_scales():
    x, truth = sparse_data()
    result = fit(x, n_epochs=20, polish=20)
    assert is_recovered(result.model.dictionary, truth.dictionary, threshold=0.98)
    assert torch.allclose(result.model.prior_scales, truth.prior_scales, rtol=0.15)
    assert torch.allclose(result.model.noise_variance, truth.noise_variance, rtol=0.1)
    assert result.elbo > float(entropy_elbo(fit_posterior(x, truth.dictionary)[1])) - 0.05


def test_result_is_judged_on_all_data_with_its_own_scales():
    x, _ = sparse_data(500)
    result = fit(x)
    stats = PosteriorStatistics.from_batch(x, result.posterior, result.model.dictionary)
    assert result.elbo == pytest.approx(float(entropy_elbo(stats)), abs=1e-5)
    assert torch.allclose(result.model.dictionary.norm(dim=0), torch.ones(10), atol=1e-5)


def test_same_seed_same_numbers_other_seed_others():
    x, _ = sparse_data(600)
    first, again, other = fit(x, seed=1), fit(x, seed=1), fit(x, seed=2)
    assert torch.equal(first.model.dictionary, again.model.dictionary)
    assert not torch.equal(first.model.dictionary, other.model.dictionary)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_interrupted_training_continues_to_the_same_numbers(stop_after):
    x, _ = sparse_data(600)
    saved = []
    whole = fit(x, annealing="prior", callback=lambda now: saved.append(copy.deepcopy(now.state.to_dict())))
    resumed = fit(x, annealing="prior", state=EMState(**saved[stop_after - 1]), seed=99)
    assert torch.equal(whole.model.dictionary, resumed.model.dictionary)
    assert [row["elbo"] for row in whole.history] == [row["elbo"] for row in resumed.history]


def test_interrupted_training_with_full_posteriors_continues_after_the_polish_before_them():
    x, _ = sparse_data(300)
    options, saved = {"family": "full", "n_epochs": 6}, []
    whole = fit(x, **options, callback=lambda now: saved.append(copy.deepcopy(now.state.to_dict())))
    assert [row["phase"] for row in whole.history[:6]] == ["em"] * 4 + ["polish"] * 2
    for state in saved[2:]:
        resumed = fit(x, **options, state=EMState(**state), seed=99)
        assert torch.equal(whole.model.dictionary, resumed.model.dictionary)


@pytest.mark.parametrize("options", [{}, {"family": "full", "n_epochs": 6}])
@pytest.mark.parametrize("fresh", [False, True])
def test_training_goes_on_from_anywhere_with_the_same_bits(options, fresh):
    """Also from the midst of a polish and of the final E-step; what was computed is not computed again."""
    x, _ = sparse_data(300)
    data, saved = (lambda epoch: x.roll(epoch, 0)) if fresh else x, []
    whole = fit(data, **options, checkpoint=lambda now: saved.append(copy.deepcopy(now.state.to_dict())))
    assert {state["stage"] for state in saved} == {"epochs", "polish", "final"}
    for state in saved:
        seen = []
        resumed = fit(data, **options, state=EMState(**state), seed=99, checkpoint=seen.append)
        assert len(seen) <= len(saved)
        assert torch.equal(whole.model.dictionary, resumed.model.dictionary)
        assert torch.equal(whole.posterior.mean, resumed.posterior.mean)
        assert [row["elbo"] for row in whole.history] == [row["elbo"] for row in resumed.history]


@pytest.mark.parametrize("seed", range(4))
def test_the_final_e_step_never_ends_below_the_polish(seed):
    """Also where fields fit the data exactly, and σ² has no limit."""
    x = torch.randn(2, 3, generator=seeded(seed), dtype=torch.float64)
    rows = fit(x, 3, n_epochs=4, polish=20, batch_size=1).history
    assert rows[-1]["elbo"] >= max(row["elbo"] for row in rows if row["phase"] == "polish") - 1e-9


def test_data_of_its_own_for_every_epoch():
    """A stream of data is learned from, each piece asked for once and in order, and interrupted at will."""
    x, truth = sparse_data(8000)
    pieces, asked, saved = x.split(800), [], []

    def draw(epoch):
        asked.append(epoch)
        return pieces[epoch]

    options = {"n_epochs": 10, "learning_rate": 0.1, "batch_size": 40}
    whole = fit(draw, **options, callback=lambda now: saved.append(copy.deepcopy(now.state.to_dict())))
    assert asked == list(range(10))
    assert is_recovered(whole.model.dictionary, truth.dictionary, threshold=0.95)
    assert len(whole.posterior) == 800
    for state in saved[3], saved[-1]:
        resumed = fit(draw, **options, state=EMState(**state), seed=99)
        assert torch.equal(whole.model.dictionary, resumed.model.dictionary)


def test_data_of_an_epoch_are_checked():
    x, _ = sparse_data(100)
    with pytest.raises(ValueError, match="7 features"):
        fit(lambda epoch: x if epoch == 0 else x[:, :7])


def test_dead_fields_are_revived_where_they_are_reseeded():
    x, truth = sparse_data()
    dead = [2, 5, 7]

    def learned(reseed):
        state = initial_state(x, 10, seeded())
        state.dictionary = truth.dictionary.clone()
        state.iterate = state.dictionary
        state.dictionary[:, dead] = truth.dictionary[:, [0, 1, 3]]
        state.prior_scales = truth.prior_scales.clone()
        state.prior_scales[dead] = 1e-4
        return fit(x, state=state, n_epochs=10, reseed=reseed)

    assert learned(reseed=False).dead_fields.tolist() == dead
    revived = learned(reseed=True)
    assert is_recovered(revived.model.dictionary, truth.dictionary, threshold=0.95)


@pytest.mark.parametrize("annealing", KINDS)
@pytest.mark.parametrize("n_latents", [10, 60])
def test_every_annealing_stays_finite_also_overcomplete(annealing, n_latents):
    x, _ = sparse_data(700)
    result = fit(x, n_latents, annealing=annealing, n_epochs=10)
    rows = [value for row in result.history for value in row.values() if isinstance(value, float)]
    assert all(math.isfinite(value) for value in rows)
    assert torch.isfinite(result.model.dictionary).all()
    assert (result.model.prior_scales > 0).all()


def test_many_idle_fields_do_not_inflate_the_noise():
    """With H ≫ D and γ = 2, posteriors at λ = σ would vary more than the data, and σ² grow on and on."""
    x, _ = sparse_data(n_points=600, n_features=8, n_latents=8)
    shares = []
    fit(
        x, n_latents=64, n_epochs=8, annealing=[EntropyWeights(prior=2.0)] * 8, polish=0,
        callback=lambda state: shares.append(float(state.noise_variance / x.square().mean())),
    )  # fmt: skip
    assert max(shares) < 1 and shares[-1] < shares[0]


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(1, 50),
    st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_sizes_and_units_work(n_points, n_features, n_latents, batch_size, unit):
    x = unit * torch.randn(n_points, n_features, generator=seeded(n_points))
    result = fit(x, n_latents, batch_size=batch_size)
    assert math.isfinite(result.elbo)


def test_elbo_shifts_with_the_units_of_the_data():
    """Data in other units: the same dictionary, and an ELBO lower by D log(unit)."""
    x, _ = sparse_data(600, dtype=torch.float64)
    plain, scaled = fit(x), fit(8 * x)
    assert torch.allclose(plain.model.dictionary, scaled.model.dictionary, atol=1e-6)
    assert scaled.elbo == pytest.approx(plain.elbo - 20 * math.log(8), abs=1e-6)


def test_history_and_callback_follow_the_epochs():
    x, _ = sparse_data(500)
    passes = []
    result = fit(x, n_epochs=4, callback=lambda now: passes.append(now.state.passes))
    assert passes == [1, 2, 3, 4]
    assert [row["step"] for row in result.history if row["phase"] == "em"] == passes
    seconds = [row["seconds"] for row in result.history]
    assert seconds == sorted(seconds)
    assert result.history[-1]["elbo"] == result.elbo


def test_unused_fields_are_reported():
    """One direction carries all signal; most of six fields have nothing to explain."""
    generator = seeded()
    direction = normalize_columns(torch.randn(10, 1, generator=generator))
    model = SparseCodingModel(direction, torch.tensor([5.0]), torch.tensor(1.0))
    result = fit(model.sample(2000, generator)[0], 6, n_epochs=30, learning_rate=0.01)
    threshold = 0.1 * result.model.noise_variance.sqrt()
    assert result.dead_fields.tolist() == (result.model.prior_scales < threshold).nonzero().flatten().tolist()
    assert result.history[-1]["dead_fields"] == len(result.dead_fields)


def test_polish_increases_the_elbo_and_keeps_the_best():
    data = bars(400, generator=seeded(3), dtype=torch.float64)
    dictionary = normalize_columns(
        data.model.dictionary + 0.1 * torch.randn(25, 10, generator=seeded()).double()
    )
    posterior, before = fit_posterior(data.x, dictionary)

    def e_step(*arguments, start):
        return infer_diagonal(*arguments, start=start, n_steps=10)

    polished, posterior, stats = polish_dictionary(
        data.x, dictionary, posterior, e_step=e_step, iterations=25, progress=False
    )
    assert float(entropy_elbo(stats)) > float(entropy_elbo(before)) + 0.5
    assert isinstance(posterior, DiagonalGaussian) and len(posterior) == 400
    assert torch.allclose(polished.norm(dim=0), torch.ones(10).double())


def test_full_posteriors_learn_overlapping_fields_that_diagonal_ones_cannot_hold():
    dictionary = normalize_columns(torch.randn(9, 6, generator=seeded()) + 0.5)
    truth = SparseCodingModel(dictionary, torch.ones(6), torch.tensor(0.05))
    x, _ = truth.sample(600, seeded(1))
    options = {"n_epochs": 20, "batch_size": 20, "polish": 20}
    full, diagonal = (fit(x, 6, family=family, **options) for family in ("full", "diagonal"))
    optimal = float(entropy_elbo(fit_posterior(x, full.model.dictionary, "full", tolerance=1e-6)[1]))
    assert full.elbo == pytest.approx(optimal, abs=1e-2)
    assert full.elbo > diagonal.elbo + 0.1
    worst = [match_fields(r.model.dictionary, dictionary).cosine.min() for r in (full, diagonal)]
    assert worst[0] > worst[1]


def test_numbers_do_not_depend_on_the_threads():
    x, _ = sparse_data(300)

    def elbo(threads):
        torch.set_num_threads(threads)
        try:
            return fit(x, family="full", n_epochs=2, polish=1).elbo
        finally:
            torch.set_num_threads(1)

    assert elbo(2) == pytest.approx(elbo(1), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "low-rank"}, "Unknown posterior family 'low-rank'"),
        ({"x": torch.full((5, 4), math.inf)}, "NaN or infinite"),
        ({"x": torch.zeros(5, 4)}, "all zero"),
        ({"n_latents": 0}, "n_latents must be positive"),
        ({"n_epochs": 0}, "n_epochs must be positive"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"polish": -1}, "polish must be 0 or more"),
        ({"annealing": "steel"}, "Unknown annealing 'steel'"),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message):
    x = options.pop("x", torch.ones(5, 4))
    with pytest.raises(ValueError, match=message):
        fit(x, options.pop("n_latents", 2), **options)
