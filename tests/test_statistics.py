"""The sums over data points: their definitions, and that they add in any order and grouping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import random_problem, random_statistics
from scipy import stats as distributions

from paperlib.elbo.posteriors import FAMILIES
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError

N = 40
FIELDS = ("squared_residual", "trace", "magnitude", "log_det")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_sum_is_what_its_name_says(family):
    x, posterior, dictionary = random_problem(family, seed=0)
    stats = PosteriorStatistics.from_batch(x, posterior, dictionary)
    covariance, weights = posterior.covariance().numpy(), dictionary.numpy()
    residual = [
        np.linalg.norm(x[i].numpy() - weights @ posterior.mean[i].numpy()) ** 2 for i in range(len(x))
    ]
    folded = distributions.foldnorm(
        c=posterior.mean.abs() / posterior.std, scale=posterior.std.numpy()
    )  # |z| of a Gaussian z
    assert (stats.count, stats.n_features) == tuple(x.shape)
    assert stats.squared_residual.item() == pytest.approx(sum(residual), rel=1e-12)
    assert stats.trace.item() == pytest.approx(
        sum(np.trace(weights @ t @ weights.T) for t in covariance), rel=1e-12
    )
    assert stats.log_det.item() == pytest.approx(np.linalg.slogdet(covariance)[1].sum(), rel=1e-10)
    np.testing.assert_allclose(stats.magnitude, folded.mean().sum(0), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
@settings(max_examples=15)
def test_any_partition_in_any_order_gives_the_same_elbo(family, dtype, data):
    x, posterior, dictionary = random_problem(family, seed=1, n_points=N)
    x, posterior, dictionary = x.to(dtype), posterior.to(dtype), dictionary.to(dtype)
    whole = PosteriorStatistics.from_batch(x, posterior, dictionary)
    order = torch.tensor(data.draw(st.permutations(range(N))))
    cuts = sorted(data.draw(st.sets(st.integers(1, N - 1), min_size=9, max_size=9)))  # ten unequal batches
    batches = torch.tensor_split(order, cuts)
    parts = [PosteriorStatistics.from_batch(x[i], posterior[i], dictionary) for i in batches]
    total = sum(parts)
    assert total.count == N
    for name in FIELDS:
        torch.testing.assert_close(getattr(total, name), getattr(whole, name), rtol=1e-6, atol=1e-6)
    assert entropy_elbo(total).item() == pytest.approx(entropy_elbo(whole).item(), abs=1e-6)
    weights = EntropyWeights(prior=7.0)
    assert entropy_elbo(total, weights).item() == pytest.approx(entropy_elbo(whole, weights).item(), abs=1e-6)
    scales, variance = torch.ones(4, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert classical_elbo(total, scales, variance).item() == pytest.approx(
        classical_elbo(whole, scales, variance).item(), rel=1e-6
    )


def test_averaging_the_elbos_of_minibatches_is_another_number():
    # the reason for statistics: scales that are optimal per minibatch are optimistic
    x, posterior, dictionary = random_problem("diagonal", seed=2, n_points=N)
    parts = [
        PosteriorStatistics.from_batch(x[i : i + 4], posterior[i : i + 4], dictionary) for i in range(0, N, 4)
    ]
    average = torch.stack([entropy_elbo(part) for part in parts]).mean()
    assert average > entropy_elbo(sum(parts)) + 0.1


def test_statistics_are_summed_in_float64():
    x, posterior, dictionary = random_problem("diagonal", seed=3)
    stats = PosteriorStatistics.from_batch(x.float(), posterior.to(torch.float32), dictionary.float())
    assert {getattr(stats, name).dtype for name in FIELDS} == {torch.float64}


def test_weighing_down_keeps_every_mean():
    stats = random_statistics("full", seed=4)
    torch.testing.assert_close(entropy_elbo(stats * 0.25), entropy_elbo(stats))
    mixed = stats * 0.5 + random_statistics("full", seed=5)
    assert mixed.count == 1.5 * stats.count


def test_gradients_flow_through_the_sums():
    x, posterior, dictionary = random_problem("low-rank", seed=6)
    dictionary.requires_grad_()
    entropy_elbo(PosteriorStatistics.from_batch(x, posterior, dictionary)).backward()
    assert dictionary.grad.norm() > 0


@pytest.mark.parametrize("which", ["points", "features", "latents"])
def test_shapes_that_do_not_fit_are_refused(which):
    x, posterior, dictionary = random_problem("diagonal", seed=7)
    if which == "points":
        x = x[:-1]
    elif which == "features":
        x = x[:, :-1]
    else:
        dictionary = dictionary[:, :-1]
    with pytest.raises(InputError, match=r"do not fit; expected \(N, D\), \(N, H\) and \(D, H\)"):
        PosteriorStatistics.from_batch(x, posterior, dictionary)


@pytest.mark.parametrize("sizes", [{"n_features": 9}, {"n_latents": 3}])
def test_statistics_of_different_problems_do_not_add(sizes):
    with pytest.raises(InputError, match="of different sizes cannot be added"):
        random_statistics("diagonal", seed=8) + random_statistics("diagonal", seed=9, **sizes)


@dataclass(frozen=True)
class Nested(Statistics):
    size_names: ClassVar[tuple[str, ...]] = ("width",)

    inner: PosteriorStatistics
    width: int
    weight: float


class Equals(Processes):
    """So many processes that all have the same sums."""

    def add(self, tensors):
        return [self.count * tensor for tensor in tensors]


def test_sums_over_processes_are_sums_and_sizes_and_counts_stay_what_they_are():
    stats = Nested(random_statistics("full", seed=10), width=3, weight=0.5)
    total, expected = stats.over(Equals(0, 3)), stats + stats + stats
    assert (total.inner.count, total.inner.n_features, total.width, total.weight) == (21, 6, 3, 1.5)
    assert isinstance(total.inner.count, int)
    for one, other in zip(total.sums(), expected.sums(), strict=True):
        torch.testing.assert_close(one, other)
    assert stats.over(ALONE) is stats


def test_nested_statistics_are_weighed_and_refused_like_others():
    stats = Nested(random_statistics("full", seed=10), width=3, weight=0.5)
    assert ((stats * 2).inner.count, (stats * 2).width) == (14, 3)
    with pytest.raises(InputError, match="width are of different sizes"):
        stats + Nested(stats.inner, width=4, weight=0.5)
    with pytest.raises(TypeError):
        stats + stats.inner
