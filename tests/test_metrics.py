"""Gini index, matching of fields and dead fields, against slow or closed-form oracles."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding.metrics import dead_fields, gini, posterior_gini
from paperlib.papers.sparse_codes.bars.data import bar_fields
from paperlib.papers.sparse_codes.fields.matching import is_recovered, match_fields
from paperlib.papers.sparse_codes.fields.measures import energy_outside, fine_fields
from paperlib.system.errors import InputError

# not only zeros, and nothing so small that its square or ratio underflows
vectors = arrays(
    np.float64,
    st.integers(1, 30),
    elements=st.one_of(st.just(0.0), st.floats(1e-100, 1e100), st.floats(-1e100, -1e-100)),
).filter(lambda z: bool(np.any(z)))


@settings(deadline=None)
@given(vectors)
def test_gini_is_half_the_relative_mean_absolute_difference(z):
    magnitude = np.abs(z) / np.abs(z).max()
    differences = np.abs(magnitude[:, None] - magnitude[None, :]).mean()
    expected = differences / (2 * magnitude.mean())
    assert gini(torch.from_numpy(z)).item() == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(vectors, st.floats(1e-50, 1e50), st.randoms(use_true_random=False))
def test_gini_ignores_scale_sign_and_order(z, factor, random):
    shuffled = list(-factor * z)
    random.shuffle(shuffled)
    first, second = gini(torch.from_numpy(z)), gini(torch.tensor(shuffled, dtype=torch.float64))
    torch.testing.assert_close(first, second, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_gini_closed_forms(n):
    one_hot = torch.zeros(n, dtype=torch.float64)
    one_hot[n // 2] = -3.0
    assert gini(one_hot).item() == pytest.approx(1 - 1 / n, abs=1e-14)
    assert gini(torch.full((n,), -2.5, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-14)
    assert gini(torch.zeros(n, dtype=torch.float64)).item() == pytest.approx(0, abs=1e-14)
    ramp = torch.arange(1, n + 1, dtype=torch.float64)  # G = (n − 1)/(3n)
    assert gini(ramp).item() == pytest.approx((n - 1) / (3 * n), abs=1e-14)


def test_gini_of_laplace_latents_is_one_half():
    # |z| is exponential, whose Gini index is 1/2
    z = torch.distributions.Laplace(0.0, 3.0).icdf((torch.arange(100_000, dtype=torch.float64) + 0.5) / 1e5)
    assert gini(z).item() == pytest.approx(0.5, abs=1e-4)


def test_gini_along_a_dimension():
    z = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    columns = gini(z, dim=1)
    assert columns.shape == (3, 5)
    torch.testing.assert_close(columns[2, 3], gini(z[2, :, 3]))


@pytest.mark.parametrize("z", [torch.tensor([1.0, torch.nan]), torch.tensor([torch.inf]), torch.empty(0)])
def test_gini_refuses_what_has_no_index(z):
    with pytest.raises(InputError, match="Gini"):
        gini(z)


def test_posterior_gini_of_a_narrow_posterior_is_that_of_its_means():
    mean = torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    posterior = DiagonalGaussian(mean, torch.full_like(mean, 1e-9))
    average, deviation = posterior_gini(posterior, generator=torch.Generator().manual_seed(0))
    assert average == pytest.approx((0.75 + 0) / 2, abs=1e-6)
    assert deviation == pytest.approx(0.375, abs=1e-6)


def test_posterior_gini_of_half_normal_latents():
    # |z| of a standard normal has the Gini index √2 − 1
    mean = torch.zeros(20, 2000, dtype=torch.float64)
    average, deviation = posterior_gini(
        DiagonalGaussian(mean, torch.ones_like(mean)), n_samples=5, generator=torch.Generator().manual_seed(1)
    )
    assert average == pytest.approx(np.sqrt(2) - 1, abs=2e-3)
    assert 0 < deviation < 0.02


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("extra", [0, 2])
def test_matching_against_all_permutations(seed, extra):
    generator = torch.Generator().manual_seed(seed)
    learned = torch.randn(6, 4 + extra, generator=generator, dtype=torch.float64)
    truth = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    cosine = np.abs(
        [
            [np.dot(t, f) / np.linalg.norm(t) / np.linalg.norm(f) for f in learned.T.numpy()]
            for t in truth.T.numpy()
        ]
    )
    choices = list(permutations(range(4 + extra), 4))
    best = max(choices, key=lambda choice: cosine[range(4), choice].sum())
    match = match_fields(learned, truth)
    assert tuple(match.permutation.tolist()) == best
    np.testing.assert_allclose(match.cosine.numpy(), cosine[range(4), best], atol=1e-12)
    for threshold in (0.2, 0.3, 0.4, 0.5):
        possible = any((cosine[range(4), choice] > threshold).all() for choice in choices)
        assert is_recovered(learned, truth, threshold) == possible


def test_order_and_sign_are_undone():
    generator = torch.Generator().manual_seed(0)
    truth = bar_fields(5)
    order = torch.randperm(10, generator=generator)
    signs = torch.tensor([1.0, -1.0] * 5)
    match = match_fields((signs * truth)[:, order] * 0.1, truth)
    torch.testing.assert_close(match.signs * (signs * truth)[:, order][:, match.permutation], truth)
    torch.testing.assert_close(match.cosine, torch.ones(10))


def test_one_field_cannot_stand_for_two_bars():
    truth = bar_fields(5)
    doubled = truth.clone()
    doubled[:, 3] = truth[:, 4]
    assert is_recovered(truth, truth)
    assert not is_recovered(doubled, truth)


def test_field_of_zeros_matches_nothing():
    learned = bar_fields(3)
    learned[:, 0] = 0
    assert match_fields(learned, bar_fields(3)).cosine[0] == 0
    assert not is_recovered(learned, bar_fields(3))


@pytest.mark.parametrize(
    ("learned", "message"),
    [
        (torch.ones(8, 6), "cannot be matched"),
        (torch.ones(9, 5), "cannot be matched"),
        (torch.full((9, 6), torch.nan), "NaN"),
    ],
)
def test_unusable_fields(learned, message):
    with pytest.raises(InputError, match=message):
        match_fields(learned, bar_fields(3))


def test_dead_fields_are_those_far_below_the_noise():
    scales = torch.tensor([1.0, 1e-6, 0.3, 0.019])
    assert dead_fields(scales, torch.tensor(0.04)).tolist() == [1, 3]
    assert dead_fields(scales, torch.tensor(1e-14)).tolist() == []


def test_fine_fields_are_localized_waves_of_high_frequency():
    axis = torch.arange(16.0) - 7.5
    row, column = torch.meshgrid(axis, axis, indexing="ij")

    def wave(frequency, width):
        return torch.cos(2 * math.pi * frequency * row) * torch.exp(-(row**2 + column**2) / (2 * width**2))

    noise = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    fields = torch.stack([wave(0.35, 1.5), wave(0.1, 1.5), wave(0.35, 100.0), noise], 0).flatten(1).T
    assert fine_fields(fields / fields.norm(dim=0)).tolist() == [0]


def test_energy_outside_is_what_least_squares_leaves():
    generator = torch.Generator().manual_seed(0)
    x, fields = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((50, 8), (8, 3)))
    codes = np.linalg.lstsq(fields.numpy(), x.T.numpy(), rcond=None)[0]
    left = x.T.numpy() - fields.numpy() @ codes
    wanted = np.square(left).sum() / float(x.square().sum())
    doubled = torch.cat([fields, fields[:, :1]], 1)  # a copy adds nothing
    for dictionary in (fields, doubled):
        assert energy_outside(x, dictionary) == pytest.approx(wanted, abs=1e-12)
