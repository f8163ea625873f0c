"""Overcomplete dictionaries: what a field contributes, kinds of fields, and the parts of the experiment."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from problems import random_problem

from paperlib.data import Images
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.fields.gabor import GaborFit
from paperlib.papers.sparse_codes.fields.measures import mean_frequency, peak_frequency
from paperlib.papers.sparse_codes.overcomplete.experiment import (
    KINDS,
    classify,
    contributions,
    falling_weights,
    gabor_fits,
    learn_overcomplete,
)
from paperlib.papers.sparse_codes.overcomplete.figures import plot_contributions, plot_gabors, plot_kinds
from paperlib.system.errors import InputError


@pytest.mark.parametrize("family", ["diagonal", "low-rank", "full"])
def test_a_contribution_is_the_error_without_the_field_less_that_with_it(family):
    x, posterior, dictionary = random_problem(family, seed=3)

    def error(fields):
        stats = PosteriorStatistics.from_batch(x, posterior, fields)
        return (stats.squared_residual + stats.trace) / stats.count

    for h, contribution in enumerate(contributions(x, posterior, dictionary)):
        left_out = dictionary.clone()
        left_out[:, h] = 0
        assert contribution == pytest.approx(float(error(left_out) - error(dictionary)), rel=1e-9)


@pytest.mark.parametrize("down, right", [(0, 2), (3, 0), (3, 4)])
def test_the_frequency_of_a_windowed_wave_is_its_own(down, right):
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    window = torch.exp(-((rows - 15.5) ** 2 + (columns - 15.5) ** 2) / (2 * 6**2))
    wave = window * torch.cos(2 * math.pi * (2 * down * rows + 2 * right * columns) / 32)
    for measure in (mean_frequency, peak_frequency):
        assert float(measure(wave.reshape(-1, 1))) == pytest.approx(math.hypot(down, right) / 16, rel=0.03)


def test_the_mean_frequency_of_noise_is_that_of_the_square():
    noise = torch.randn(16**2, 400, generator=torch.Generator().manual_seed(0))
    # mean distance from the center of a square with side 1
    mean = (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 6
    assert float(mean_frequency(noise).mean()) == pytest.approx(mean, abs=0.01)


def test_fields_that_are_not_square_have_no_frequency():
    with pytest.raises(InputError, match="not square"):
        mean_frequency(torch.ones(10, 2))


def test_kinds_follow_the_thresholds():
    fields = [  # kind, share explained, the window's widths, the fit's frequency, effective pixels, frequency
        ("Gabor", 0.9, 2.0, 9.0, 0.2, 40, 0.4),
        ("texture", 0.3, 2.0, 9.0, 0.2, 40, 0.4),
        ("texture", 0.9, 9.0, 9.0, 0.05, 40, 0.4),
        ("texture", 0.9, 3.0, 2.0, 0.4, 40, 0.4),
        ("other", 0.2, 2.0, 2.0, 0.2, 10, 0.4),
        ("other", 0.2, 2.0, 2.0, 0.2, 40, 0.1),
    ]
    gabor = torch.tensor(
        [[5, 5, along, across, wave, 0, share] for _, share, along, across, wave, *_ in fields]
    )
    pixels, frequency = torch.tensor([field[5:] for field in fields]).T
    kinds = classify(gabor, pixels, frequency, side=10)
    assert [KINDS[kind] for kind in kinds] == [kind for kind, *_ in fields]


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 10])
def test_weights_fall_to_the_last_one_and_stay(n_epochs):
    gammas = [weights.prior for weights in falling_weights(10, 2, n_epochs)]
    assert len(gammas) == n_epochs
    assert gammas == sorted(gammas, reverse=True)
    assert gammas[n_epochs // 2 :] == [2] * (n_epochs - n_epochs // 2)
    assert n_epochs == 1 or gammas[0] == 10


@pytest.fixture(scope="module")
def outcome():
    pixels = np.random.default_rng(0).normal(size=(2, 40, 40)).astype(np.float32)
    return learn_overcomplete(
        images=Images(tuple(pixels), "noise"), first_gamma=3.0, last_gamma=2.0, seed=0, patch_size=4,
        n_patches=200, n_latents=24, n_epochs=2, n_test=100,
    )  # fmt: skip


def test_the_experiment_describes_every_field(outcome):
    for name, shape in {
        "dictionary": (16, 24),
        "contribution": (24,),
        "kind": (24,),
        "gabor": (24, 7),
    }.items():
        assert outcome.arrays[name].shape == shape
        assert np.isfinite(outcome.arrays[name]).all()
    assert [row["prior_weight"] for row in outcome.numbers["history"]] == [3, 2, 1]
    assert 0 < outcome.numbers["unexplained"] < 1
    assert 0 < outcome.numbers["gini_learning"] < 1


def test_the_figures_of_fields_are_drawn(outcome):
    fits = gabor_fits(torch.from_numpy(outcome.arrays["gabor"]))
    assert len(fits) == 24 and isinstance(fits[0], GaborFit)
    figure = plot_gabors({"one": fits, "two": fits[:5]}, (4, 4))
    assert len(figure.axes) == 6
    kinds = {
        "one": {"Gabor": (0.25, 0.5), "texture": (0.25, 0.0)},
        "two": {"Gabor": (1.0, 0.0), "texture": (0, 0)},
    }
    figure = plot_kinds(kinds, {"one": {"Gabor": 0.9, "texture": 0.1}, "two": {"Gabor": 1, "texture": 0}})
    assert len(figure.axes) == 2
    assert sum(bar.get_width() for bar in figure.axes[0].patches) == pytest.approx(2)
    measures = tuple(torch.from_numpy(outcome.arrays[key]) for key in ("frequency", "contribution", "kind"))
    assert len(plot_contributions({"one": measures}, KINDS).axes) == 1
