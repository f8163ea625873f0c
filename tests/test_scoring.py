"""Learners are judged alike, on patches they have not seen; figures show what they are given."""

import numpy as np
import pytest
import torch

from paperlib.data import Images, PatchSampler
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.metrics import gini
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.papers.sparse_codes.sparsenet import experiment as scoring
from paperlib.papers.sparse_codes.sparsenet.experiment import score_learner
from paperlib.papers.sparse_codes.sparsenet.figures import plot_scores, plot_weights
from paperlib.papers.sparse_codes.sparsenet.groups import describe_learner
from paperlib.system.errors import InputError

SIZES = {"patch_size": 4, "n_patches": 300, "n_latents": 5, "n_test": 200}
OPTIONS = {
    "sparsenet": {"n_batches": 10, "learning_rate": [5.0, 1.0]},
    "minibatch": {"alpha": 0.1, "n_epochs": 1},
    "pca": {},
    "ica": {"max_iterations": 5},
    "em": {"n_epochs": 1, "polish": 1, "annealing": "prior"},
}


@pytest.fixture(scope="module")
def texture():
    noise = np.random.default_rng(0).laplace(scale=0.2, size=(3, 40, 41))
    return Images(tuple(noise[..., 1:] + noise[..., :-1]), "texture")


def score(images, learner, seed=0, **options):
    return score_learner(images=images, learner=learner, seed=seed, **SIZES, **OPTIONS[learner] | options)


@pytest.mark.parametrize("learner", scoring.LEARNERS)
def test_every_learner_is_judged_on_other_patches(learner, texture):
    outcome = score(texture, learner)
    dictionary = torch.from_numpy(outcome.arrays["dictionary"])
    x = PatchSampler(texture, 4, 10_000).draw(200)
    assert dictionary.shape == (16, 5) and outcome.numbers["fields"] == 5
    for family, judged in outcome.numbers["judged"].items():
        elbo = float(entropy_elbo(fit_posterior(x, dictionary, family)[1]))
        assert judged["elbo"] == pytest.approx(elbo, abs=1e-3)
        terms = judged["entropies"]
        assert judged["elbo"] == pytest.approx(terms["posterior"] - terms["prior"] - terms["likelihood"])
    assert describe_learner({"learner": learner, **OPTIONS[learner]})


def test_gini_is_that_of_ten_samples_a_patch(texture):
    outcome = score(texture, "pca")
    x = PatchSampler(texture, 4, 10_000).draw(200)
    posterior, _ = fit_posterior(x, torch.from_numpy(outcome.arrays["dictionary"]))
    index = gini(posterior.sample(10, torch.Generator().manual_seed(1)))
    judged = outcome.numbers["judged"]["diagonal"]
    assert judged["gini"] == pytest.approx(float(index.mean()), abs=0.01)
    assert judged["gini_sd"] == pytest.approx(float(index.std()), rel=0.1)


def test_full_posteriors_score_no_less_than_diagonal_ones(texture):
    judged = score(texture, "minibatch").numbers["judged"]
    assert judged["full"]["elbo"] >= judged["diagonal"]["elbo"] - 1e-3


def test_sparsenet_tells_its_own_cost(texture):
    numbers = score(texture, "sparsenet").numbers
    assert len(numbers["costs"]) == 10
    assert numbers["cost"] == pytest.approx(np.mean(numbers["costs"][-2:]), abs=1e-3)
    assert numbers["milliseconds"] > 0 and 0.3 < numbers["gain"] < 3


def test_a_heavier_penalty_costs_more(texture):
    light, heavy = (score(texture, "sparsenet", sparsity=beta).numbers["cost"] for beta in (1.0, 4.0))
    assert heavy > light


def test_same_seed_same_dictionary_other_seed_another(texture):
    first, again, other = (score(texture, "em", seed).arrays["dictionary"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_learner_that_leaves_columns_at_zero_is_judged_by_the_others(texture, monkeypatch):
    monkeypatch.setitem(scoring.LEARNERS, "pca", lambda *_: (torch.eye(16)[:, :3], {}))
    outcome = score(texture, "pca")
    assert outcome.numbers["fields"] == 3 and outcome.arrays["dictionary"].shape == (16, 3)


def test_unknown_learners_are_refused(texture):
    with pytest.raises(InputError, match="Unknown learner 'magic'"):
        score_learner(images=texture, learner="magic", seed=0, **SIZES)


def test_names_tell_the_choices_and_nothing_else():
    names = {
        "sparsenet, β = 2.2": {"learner": "sparsenet", "seed": 3, "learning_rate": 1.0},
        "sparsenet, β = 1.1, η falling": {
            "learner": "sparsenet", "sparsity": 1.1, "learning_rate": [5.0, 1.0],
        },
        "dictionary learning, α = 0.05": {"learner": "minibatch", "alpha": 0.05, "n_patches": 9},
        "PCA": {"learner": "pca"},
        "FastICA": {"learner": "ica"},
        "entropy ELBO": {"learner": "em", "annealing": "none"},
        "entropy ELBO, prior annealing": {"learner": "em", "annealing": "prior"},
        "entropy ELBO, full": {"learner": "em", "family": "full"},
    }  # fmt: skip
    assert {describe_learner(config): config for config in names.values()} == names


def judged(elbo):
    numbers = {"elbo": elbo, "gini": 0.47, "gini_sd": 0.04}
    return {"diagonal": numbers, "full": numbers | {"elbo": elbo + 1}}


def test_scores_are_sorted_with_a_mark_for_every_run_and_family():
    figure = plot_scores({"good": [judged(9.0), judged(9.5)], "bad": [judged(1.0)]}, "title")
    elbo, gini_axes = figure.axes
    assert [label.get_text() for label in elbo.get_yticklabels()] == ["bad", "good"]
    drawn = sorted(float(line.get_xdata()[0]) for line in elbo.lines if len(line.get_xdata()))
    assert drawn == [1.0, 2.0, 9.0, 9.5, 10.0, 10.5]
    assert len(gini_axes.containers) == 6
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_grids_have_a_panel_each_and_the_reference_in_all():
    grid = {2.0: [judged(3.0)], 1.0: [judged(1.0), judged(2.0)]}
    figure = plot_weights({"β": grid, "α": grid}, [judged(4.0), judged(6.0)])
    for axes in figure.axes:
        lines = [list(line.get_ydata()) for line in axes.lines]
        diagonal = [[1.5, 3.0], [1.0, 2.0], [3.0], [5.0, 5.0]]
        assert lines == [*diagonal, *([value + 1 for value in line] for line in diagonal)]
    assert figure._repr_png_().startswith(b"\x89PNG")
