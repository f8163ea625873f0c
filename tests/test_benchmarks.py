"""The counts that the benchmark predicts times from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib.models.sparse_coding.trainers import fit_em

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("family", ["diagonal", "full"])
def test_products_of_matrices_are_counted_as_pytorch_counts_them(family, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from costs import visit_cost

    n, n_features, n_latents = 256, 48, 64
    x = torch.randn(n, n_features, generator=torch.Generator().manual_seed(0))

    counts = []
    with FlopCounterMode(display=False) as counter:
        fit_em(x, n_latents, family=family, n_epochs=2, polish=0, progress=False,
               callback=lambda _: counts.append(counter.get_total_flops()),
               generator=torch.Generator().manual_seed(0))  # fmt: skip
    operations = (counts[1] - counts[0]) / n
    assert visit_cost(family, n_features, n_latents).operations == pytest.approx(operations, rel=0.05)
