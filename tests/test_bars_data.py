"""The bars data follow the recipe of the paper (E.2)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from paperlib.papers.sparse_codes.bars.data import bar_fields, bars
from paperlib.system.errors import InputError


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_paper_recipe():
    data = bars(generator=_generator())
    assert data.x.shape == (1000, 25)
    assert data.z.shape == (1000, 10)
    assert data.x.dtype == torch.float32
    assert data.model.noise_variance.item() == pytest.approx(0.01)
    # a bar of five ones has norm √5; Laplace(1) strengths become Laplace(√5) ones of a unit-norm field
    torch.testing.assert_close(data.model.prior_scales, torch.full((10,), math.sqrt(5)))
    torch.testing.assert_close(data.model.to_standard(), bar_fields(5))


def test_fields_are_all_bars_once():
    pictures = {tuple(field.int().tolist()) for field in bar_fields(3).T}
    expected = set()
    for line in range(3):
        picture = np.zeros((3, 3), dtype=int)
        picture[line] = 1
        expected |= {tuple(picture.ravel().tolist()), tuple(picture.T.ravel().tolist())}
    assert pictures == expected


@pytest.mark.parametrize(("size", "bar_value", "noise_std"), [(5, 1.0, 0.1), (3, 2.0, 0.5)])
def test_latents_are_laplace_and_the_residual_is_gaussian_noise(size, bar_value, noise_std):
    data = bars(4000, size, noise_std, bar_value, generator=_generator(1), dtype=torch.float64)
    scale = bar_value * math.sqrt(size)
    assert stats.kstest(data.z.flatten().numpy(), stats.laplace(scale=scale).cdf).pvalue > 1e-3
    strengths = data.z / data.model.prior_scales  # Laplace(1), as in Eq. 1
    noise = data.x - bar_value * strengths @ bar_fields(size).to(torch.float64).T
    assert stats.kstest(noise.flatten().numpy(), stats.norm(scale=noise_std).cdf).pvalue > 1e-3


def test_same_seed_same_data_other_seed_other_data():
    first, again, other = (bars(50, generator=_generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    bars(10, generator=_generator())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_points": 0}, "number of points is 0"),
        ({"size": 1}, "size of the pictures is 1"),
        ({"noise_std": 0.0}, "noise_std is 0.0"),
        ({"noise_std": math.nan}, "noise_std is nan"),
        ({"bar_value": math.inf}, "bar_value is inf"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        bars(**arguments, generator=_generator())
