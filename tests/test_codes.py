"""How sparse codes are: against codes that are known, and once for each dictionary."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paperlib.data import Images
from paperlib.papers.sparse_codes.overcomplete.codes import code_sparseness, collect_codes
from paperlib.records import Record, Results

IMAGES = Images((np.random.default_rng(0).laplace(size=(30, 30)),), "noise")


@pytest.mark.parametrize("n_active", [1, 3])
def test_active_latents_are_those_that_made_the_data(n_active):
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(400, 12, generator=generator).argsort(1)
    z = torch.where(place < n_active, 20.0, 0.0) * torch.randn(400, 12, generator=generator).sign()
    dictionary = torch.eye(60, 12)  # noise in the other pixels tells how large it is
    x = z @ dictionary.T + torch.randn(400, 60, generator=generator)
    measured = code_sparseness(x, dictionary)
    assert n_active <= measured["active"] < n_active + 3
    # n equal means and zeros have the index 1 − n/H
    assert measured["gini_means"] == pytest.approx(1 - n_active / 12, abs=0.2)


def test_codes_belong_to_a_dictionary(tmp_path):
    def collect(dictionary):
        config = {"seed": 3, "patch_size": 4, "n_latents": 5}
        learned = {"em-3": Record(config, {}, {"dictionary": dictionary.astype(np.float16)}, {})}
        return collect_codes(Results(tmp_path / "results" / "smoke" / "page"), learned, IMAGES, 50)

    first, second = np.random.default_rng(1).normal(size=(2, 16, 5))
    ((name, record),) = collect(first).items()
    assert name == "em-codes-3"
    assert record.config["seed"] == 3 and record.config["n_codes"] == 50
    assert 0 < record.numbers["gini_means"] < 1 and 0 < record.numbers["active"] <= 5
    again, other = (collect(fields)["em-codes-3"] for fields in (first, second))
    assert again.provenance["started"] == record.provenance["started"] and again.numbers == record.numbers
    assert other.numbers != record.numbers
