"""`SparseCoder` keeps scikit-learn's contract, and its codes and scores are those of the model."""

import math
import pickle

import numpy as np
import pytest
import scipy
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding.estimator import SparseCoder
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.sparse_codes.fields.matching import is_recovered


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def orthogonal_model(seed=0, n_features=12, n_latents=6):
    """Orthogonal fields, whose exact posterior factorizes: λ = ½ and σ = 0.1."""
    fields = torch.linalg.qr(torch.randn(n_features, n_latents, generator=seeded(seed)).double()).Q
    return SparseCodingModel(fields, torch.full((n_latents,), 0.5).double(), torch.tensor(0.01).double())


def sample(model, n_points, seed=1):
    return model.sample(n_points, seeded(seed))[0].numpy()


def coder(n_components=6, **options):
    return SparseCoder(n_components, **{"n_epochs": 5, "polish": 10, "random_state": 0, **options})


@pytest.fixture(scope="module")
def truth():
    return orthogonal_model()


@pytest.fixture(scope="module")
def fitted(truth):
    return coder(n_epochs=20, polish=30).fit(sample(truth, 2000))


def learned_numbers(estimator):
    return [estimator.components_, estimator.prior_scales_, estimator.noise_variance_]


def assert_same_numbers(first, second):
    for one, other in zip(learned_numbers(first), learned_numbers(second), strict=True):
        np.testing.assert_array_equal(one, other)


@parametrize_with_checks([SparseCoder(n_epochs=3, polish=3)])  # the defaults do the same, for longer
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_recovers_the_fields_and_scales_that_made_the_data(truth, fitted):
    assert is_recovered(torch.tensor(fitted.components_.T), truth.dictionary, threshold=0.98)
    np.testing.assert_allclose(fitted.prior_scales_, truth.prior_scales, rtol=0.15)
    assert fitted.noise_variance_ == pytest.approx(0.01, rel=0.1)


def test_fitting_is_fit_em(truth):
    """The same data, options and seed give the dictionary, λ, σ² and history of the function."""
    x = sample(truth, 300)
    estimator = coder().fit(x)
    seed = np.random.RandomState(0).randint(2**31 - 1)
    result = fit_em(torch.tensor(x), 6, n_epochs=5, polish=10, generator=seeded(seed), progress=False)
    np.testing.assert_array_equal(estimator.components_.T, result.model.dictionary)
    np.testing.assert_array_equal(estimator.prior_scales_, result.model.prior_scales)
    assert estimator.noise_variance_ == result.model.noise_variance
    assert [row["elbo"] for row in estimator.history_] == [row["elbo"] for row in result.history]
    assert estimator.n_iter_ == result.history[-1]["step"]


def test_score_of_the_training_data_is_the_sum_of_their_entropies(truth, fitted):
    """Theorem 1: at the optimal λ and σ² of the data, Eq. 4 is the sum of three entropies."""
    x = sample(truth, 2000)
    assert fitted.score(x) == pytest.approx(fitted.history_[-1]["elbo"], abs=1e-3)


def test_scores_are_below_the_evidence_and_close_to_it():
    """One field in one dimension: log p(x) by quadrature over z."""
    x = np.random.default_rng(0).laplace(size=(200, 1))
    estimator = coder(1).fit(x)
    scale, deviation = estimator.prior_scales_[0], math.sqrt(estimator.noise_variance_)

    def joint(z, point):
        return scipy.stats.laplace.pdf(z, scale=scale) * scipy.stats.norm.pdf(point, abs(z), deviation)

    def both_signs(z, point):
        return joint(z, point) + joint(z, -point)

    z = np.linspace(0, 30, 60_001)
    for point, score in zip(x[:20, 0], estimator.score_samples(x[:20]), strict=True):
        evidence = math.log(scipy.integrate.simpson(both_signs(z, point), x=z))
        assert evidence - 0.1 < score < evidence + 1e-9


def test_scores_are_those_of_samples_from_the_posterior(truth, fitted):
    """E_q[log p(x|z) + log p(z)] by draws and scipy's densities, H[q] by scipy's."""
    x = sample(truth, 5, seed=2)
    posterior = fitted.posterior(x)
    mean, std = posterior.mean.numpy(), posterior.std.numpy()
    z = np.random.default_rng(0).normal(mean, std, size=(20_000, *mean.shape))
    likelihood = scipy.stats.norm.logpdf(x, z @ fitted.components_, math.sqrt(fitted.noise_variance_)).sum(-1)
    prior = scipy.stats.laplace.logpdf(z, scale=fitted.prior_scales_).sum(-1)
    drawn = likelihood + prior + scipy.stats.norm.entropy(scale=std).sum(-1)
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert (abs(drawn.mean(0) - fitted.score_samples(x)) < 4 * error).all()


def test_posteriors_are_optimal(truth, fitted):
    """BFGS on minus the ELBO (Eq. 4), with finite differences and scipy's E|z|, ends at the same ones."""
    x = sample(truth, 3, seed=2)
    posterior = fitted.posterior(x)
    assert isinstance(posterior, DiagonalGaussian)

    def loss(coordinates, point):
        mean, std = coordinates[:6], np.exp(coordinates[6:])
        magnitude = scipy.stats.foldnorm.mean(abs(mean) / std, scale=std)
        error = ((point - mean @ fitted.components_) ** 2).sum() + (std**2).sum()
        energy = error / (2 * fitted.noise_variance_) + (magnitude / fitted.prior_scales_).sum()
        return energy - np.log(std).sum()

    for point, mean, std in zip(x, posterior.mean.numpy(), posterior.std.numpy(), strict=True):
        found = scipy.optimize.minimize(loss, np.zeros(12), args=(point,), options={"gtol": 1e-6})
        np.testing.assert_allclose(mean, found.x[:6], atol=1e-4)
        np.testing.assert_allclose(std, np.exp(found.x[6:]), atol=1e-4)


def test_codes_are_the_latents_and_decode_to_the_data(truth, fitted):
    """Up to order and sign of the fields, and to the noise."""
    x, z = truth.sample(500, seeded(2))
    codes = fitted.transform(x.numpy())
    decoded = fitted.inverse_transform(codes)
    np.testing.assert_allclose(decoded, z.numpy() @ truth.dictionary.numpy().T, atol=0.6)
    assert np.mean((decoded - x.numpy()) ** 2) < fitted.noise_variance_


def test_units_of_the_data_scale_the_codes_and_shift_the_score(truth):
    """Theorem 2 is equivariant: x in other units, z in the same; the ELBO falls by D log(unit)."""
    x = sample(truth, 300)
    plain, scaled = coder().fit(x), coder().fit(8 * x)
    np.testing.assert_allclose(scaled.transform(8 * x), 8 * plain.transform(x), atol=1e-5)
    assert scaled.score(8 * x) == pytest.approx(plain.score(x) - 12 * math.log(8), abs=1e-6)


def test_data_are_not_centered(truth, fitted):
    """A shifted point is another point, which the fields have to explain."""
    x = sample(truth, 50)
    assert fitted.score(x + 1) < fitted.score(x) - 1
    centered = make_pipeline(StandardScaler(with_std=False), coder()).fit(x + 1)
    np.testing.assert_allclose(centered[-1].components_, coder().fit(x - x.mean(0)).components_, atol=1e-6)


def test_a_stream_is_learned_minibatch_by_minibatch(truth):
    held_out = sample(truth, 500, seed=2)
    estimator, scores = coder(), []
    for tenth in np.split(sample(truth, 5_000), 10):
        for minibatch in np.split(tenth, 5):
            estimator.partial_fit(minibatch)
        scores.append(estimator.score(held_out))
    assert scores == sorted(scores)
    assert is_recovered(torch.tensor(estimator.components_.T), truth.dictionary, threshold=0.95)
    assert estimator.n_iter_ == 50
    assert [row["step"] for row in estimator.history_] == list(range(1, 51))


def test_scales_of_a_stream_are_those_of_all_points_not_of_the_last_ones(truth):
    """One point more after thousands moves no λ by much, whatever its own latents are."""
    estimator = coder().fit(sample(truth, 1000))
    before = estimator.prior_scales_
    estimator.partial_fit(sample(truth, 1, seed=2))
    np.testing.assert_allclose(estimator.prior_scales_, before, rtol=0.01)


def test_a_stream_goes_on_after_pickling_as_if_nothing_had_happened(truth):
    first, second = np.split(sample(truth, 400), 2)
    estimator = coder().partial_fit(first)
    copy = pickle.loads(pickle.dumps(estimator)).partial_fit(second)
    assert_same_numbers(estimator.partial_fit(second), copy)


def test_partial_fit_after_fit_starts_from_what_was_learned(truth, fitted):
    """On more data of the same kind nothing much changes; on data of another kind the score recovers."""
    estimator = pickle.loads(pickle.dumps(fitted))
    held_out = sample(truth, 500, seed=3)
    before = estimator.score(held_out)
    assert estimator.partial_fit(sample(truth, 300, seed=2)).score(held_out) == pytest.approx(before, abs=0.2)
    assert estimator.n_iter_ == fitted.n_iter_ + 1
    other = orthogonal_model(seed=9)
    held_out = sample(other, 500, seed=3)
    before = estimator.score(held_out)
    for minibatch in np.split(sample(other, 3000, seed=2), 30):
        estimator.partial_fit(minibatch)
    assert estimator.score(held_out) > before + 20


def test_fit_forgets_what_was_learned_before(truth):
    x = sample(truth, 200)
    assert_same_numbers(coder().fit(x), coder().partial_fit(2 * x).fit(x))


def test_same_random_state_same_numbers_other_state_others(truth):
    x = sample(truth, 200)
    first = coder(random_state=1).fit(x)
    assert_same_numbers(first, coder(random_state=np.random.RandomState(1)).fit(x))
    assert not np.array_equal(first.components_, coder(random_state=2).fit(x).components_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("learn", ["fit", "partial_fit"])
def test_dtype_of_the_data_is_kept(truth, dtype, learn):
    x = sample(truth, 100).astype(dtype)
    estimator = getattr(coder(), learn)(x)
    codes = estimator.transform(x)
    arrays = [estimator.components_, estimator.prior_scales_, codes, estimator.inverse_transform(codes)]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert estimator.posterior(x).std.numpy().dtype == dtype


def test_data_may_be_read_only_reversed_or_whole_numbers(truth):
    x = np.round(10 * sample(truth, 100))
    reference = coder().fit(x)
    frozen = x[::-1].copy()[::-1]
    frozen.flags.writeable = False
    assert_same_numbers(reference, coder().fit(frozen))
    assert_same_numbers(reference, coder().fit(x.astype(int)))


def test_pickles_hold_arrays_and_clones_hold_parameters(fitted, truth):
    x = sample(truth, 20)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(x), fitted.transform(x))
    assert not any(isinstance(value, torch.Tensor) for value in vars(fitted).values())
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "components_")


def test_codes_have_names(fitted):
    assert fitted.get_feature_names_out().tolist() == [f"sparsecoder{h}" for h in range(6)]


def test_grid_search_in_a_pipeline_finds_the_number_of_fields(truth):
    """The ELBO of held-out data decides, without labels."""
    pipeline = make_pipeline(StandardScaler(with_std=False), coder())
    search = GridSearchCV(pipeline, {"sparsecoder__n_components": np.array([1, 3, 6])}, cv=2)
    search.fit(sample(truth, 1000))
    assert search.best_params_ == {"sparsecoder__n_components": 6}
    assert search.transform(sample(truth, 7)).shape == (7, 6)


HARD = {
    "one feature": lambda rng: rng.normal(size=(30, 1)),
    "one point": lambda rng: rng.normal(size=(1, 4)),
    "constant columns": lambda rng: rng.normal(size=(30, 4)) * [1, 1, 0, 0] + [0, 0, 0, 1],
    "all points the same": lambda rng: np.ones((20, 4)),
    "one direction": lambda rng: np.outer(rng.normal(size=50), np.ones(6)),
    "small": lambda rng: 1e-6 * rng.normal(size=(30, 4)),
    "large": lambda rng: 1e6 * rng.normal(size=(30, 4)),
    "units that differ": lambda rng: rng.normal(size=(30, 4)) * [1e-6, 1, 1e6, 1e-3],
    "an outlier": lambda rng: np.vstack([rng.normal(size=(30, 4)), np.full((1, 4), 1e6)]),
}


@pytest.mark.parametrize("n_components", [1, 20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", HARD)
def test_hard_data_give_finite_numbers(kind, dtype, n_components):
    x = HARD[kind](np.random.default_rng(0)).astype(dtype)
    estimator = coder(n_components).fit(x)
    for _ in range(2):
        numbers = [*learned_numbers(estimator), estimator.transform(x), estimator.score_samples(x)]
        assert all(np.isfinite(number).all() for number in numbers)
        estimator.partial_fit(x)


def test_a_point_of_zeros_has_a_code_of_zeros(fitted):
    np.testing.assert_allclose(fitted.transform(np.zeros((1, 12))), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components == 0, must be >= 1"),
        ({"n_epochs": 0}, "n_epochs must be positive"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
        ({"polish": -1}, "polish must be 0 or more"),
        ({"annealing": "steel"}, "Unknown annealing 'steel'"),
        ({"X": np.zeros((5, 4))}, "all zero"),
    ],
)
def test_what_cannot_be_learned_is_refused(options, message):
    x = options.pop("X", np.ones((5, 4)))
    with pytest.raises(ValueError, match=message):
        SparseCoder(**options).fit(x)


def test_what_failed_to_learn_is_not_fitted():
    failed = SparseCoder(2)
    with pytest.raises(ValueError, match="all zero"):
        failed.fit(np.zeros((5, 4)))
    with pytest.raises(NotFittedError):
        failed.transform(np.ones((5, 4)))


def test_what_does_not_fit_the_model_is_refused(fitted):
    with pytest.raises(ValueError, match="X has 3 features, but SparseCoder is expecting 12"):
        fitted.score(np.ones((5, 3)))
    with pytest.raises(ValueError, match="X has 3 features"):
        pickle.loads(pickle.dumps(fitted)).partial_fit(np.ones((5, 3)))
    with pytest.raises(ValueError, match="Codes have 12 columns, but there are 6 components"):
        fitted.inverse_transform(np.ones((5, 12)))


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "posterior", "score", "score_samples"])
def test_nothing_works_before_learning(method):
    with pytest.raises(NotFittedError):
        getattr(SparseCoder(), method)(np.ones((5, 4)))


@pytest.mark.parametrize("exponent", [-100, -40, 40, 100])
def test_learning_does_not_depend_on_the_units_of_the_data(exponent):
    """Also where float32 cannot hold their squares: the same fields, and all else in these units."""
    x, unit = np.random.default_rng(0).laplace(size=(60, 6)).astype(np.float32), 2.0**exponent
    one, other = (SparseCoder(4, n_epochs=2, random_state=0).fit(data) for data in (x, x * np.float32(unit)))
    np.testing.assert_allclose(other.components_, one.components_, atol=1e-5)
    np.testing.assert_allclose(other.transform(x * np.float32(unit)) / unit, one.transform(x), atol=1e-4)
    np.testing.assert_allclose(other.noise_variance_ / unit**2, one.noise_variance_, rtol=1e-4)
    shift = 6 * np.log(unit)
    assert other.score(x * np.float32(unit)) + shift == pytest.approx(one.score(x), abs=1e-3)
    assert other.history_[-1]["elbo"] + shift == pytest.approx(one.history_[-1]["elbo"], abs=1e-3)


def test_a_blank_piece_of_a_stream_is_learned_from():
    coder, x = SparseCoder(5, random_state=0), np.random.default_rng(0).laplace(size=(40, 6))
    coder.partial_fit(x).partial_fit(np.zeros((10, 6))).partial_fit(x)
    assert np.isfinite(coder.components_).all() and np.isfinite(coder.score(x))
