"""Joint L-BFGS and restarts learn bars, climb the entropy ELBO, and refuse what cannot work."""

import math

import pytest
import torch

from paperlib.elbo.posteriors import FAMILIES
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.bars.data import bars
from paperlib.papers.sparse_codes.fields.matching import is_recovered
from paperlib.papers.sparse_codes.learners.joint import fit_jointly
from paperlib.papers.sparse_codes.learners.restarts import fit_restarts


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_restarts_find_all_bars_and_end_no_lower_than_the_truth():
    data = bars(200, size=2, generator=seeded(5))
    result = fit_restarts(data.x, 4, n_restarts=2, polish=20, generator=seeded(), progress=False)
    truth = fit_posterior(data.x, data.model.dictionary, "full", tolerance=1e-5)[1]
    assert is_recovered(result.model.dictionary, data.model.dictionary, threshold=0.9)
    assert result.elbo > float(entropy_elbo(truth)) - 0.05


def test_the_restart_with_the_highest_elbo_is_kept():
    data = bars(60, size=2, generator=seeded(1))
    result = fit_restarts(data.x, 4, n_restarts=3, polish=10, n_epochs=5, generator=seeded(), progress=False)
    restarts = [row["elbo"] for row in result.history if row["phase"] == "restart"]
    assert len(restarts) == 3 and result.elbo >= max(restarts) - 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_joint_learning_climbs_and_is_judged_by_its_own_statistics(family):
    data = bars(60, size=3, generator=seeded(2), dtype=torch.float64)
    result = fit_jointly(
        data.x, 6, family=family, annealing="none", max_calls=4, iterations_per_call=15,
        generator=seeded(), progress=False,
    )  # fmt: skip
    elbos = [row["elbo"] for row in result.history]
    assert elbos == sorted(elbos) and elbos[-1] > elbos[0]
    stats = PosteriorStatistics.from_batch(data.x, result.posterior, result.model.dictionary)
    assert result.elbo == pytest.approx(float(entropy_elbo(stats)), abs=1e-9)
    classical = classical_elbo(stats, result.model.prior_scales, result.model.noise_variance)
    assert result.elbo == pytest.approx(float(classical), abs=1e-9)


def test_converged_joint_learning_is_stationary_in_every_parameter():
    """At the end no E-step, which knows nothing of L-BFGS, finds better posteriors for the dictionary."""
    data = bars(30, size=2, generator=seeded(3), dtype=torch.float64)
    result = fit_jointly(data.x, 3, tolerance=1e-9, generator=seeded(), progress=False)
    again = fit_posterior(data.x, result.model.dictionary, "full", tolerance=1e-9)[1]
    assert float(entropy_elbo(again)) == pytest.approx(result.elbo, abs=1e-4)


def test_prior_annealing_finds_all_bars_and_ends_with_the_elbo_itself():
    data = bars(150, size=3, generator=seeded(2))
    result = fit_jointly(data.x, 6, annealing="prior", generator=seeded(2), progress=False)
    truth = fit_posterior(data.x, data.model.dictionary, "full", tolerance=1e-5)[1]
    assert is_recovered(result.model.dictionary, data.model.dictionary, threshold=0.9)
    assert result.history[0]["prior_weight"] > result.history[-1]["prior_weight"] == 1
    assert result.elbo > float(entropy_elbo(truth)) - 0.05


def test_same_seed_same_dictionary():
    data = bars(80, size=3, generator=seeded(4))
    first, second = (
        fit_jointly(data.x, 6, max_calls=2, iterations_per_call=20, generator=seeded(7), progress=False)
        for _ in range(2)
    )
    assert torch.equal(first.model.dictionary, second.model.dictionary)


@pytest.mark.parametrize(
    ("learn", "options", "message"),
    [
        (fit_jointly, {"x": torch.full((5, 4), math.nan)}, "NaN or infinite"),
        (fit_jointly, {"n_latents": 0}, "n_latents must be positive"),
        (fit_jointly, {"family": "banana"}, "Unknown posterior family 'banana'"),
        (fit_jointly, {"annealing": "salt"}, "Unknown annealing 'salt'"),
        (fit_jointly, {"max_calls": 0}, "max_calls must be positive"),
        (fit_restarts, {"x": torch.full((5, 4), math.inf)}, "NaN or infinite"),
        (fit_restarts, {"n_latents": -2}, "n_latents must be positive"),
        (fit_restarts, {"n_restarts": 0}, "n_restarts must be positive"),
    ],
)
def test_bad_input_is_refused_before_any_work(learn, options, message):
    arguments = {"x": torch.ones(5, 4), "n_latents": 2, **options}
    with pytest.raises(ValueError, match=message):
        learn(**arguments, generator=seeded(), progress=False)
