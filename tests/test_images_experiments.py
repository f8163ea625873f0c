"""Runs on images: what is judged while they learn and at the end is the same quantity on the same patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paperlib.data import Images, PatchSampler
from paperlib.models.sparse_coding.trainers import fit_paper_em
from paperlib.papers.sparse_codes.natural_images import experiment as experiments
from paperlib.papers.sparse_codes.natural_images.experiment import learn_images


@pytest.fixture(scope="module")
def unequal() -> Images:
    """Noise whose contrast rises from image to image, so that patches differ in their ELBO."""
    noise = np.random.default_rng(0).normal(size=(4, 40, 40)) * np.array([0.5, 1.0, 2.0, 4.0])[:, None, None]
    return Images(tuple(noise.astype(np.float32)), "noise")


@pytest.mark.long
def test_what_is_traced_of_the_papers_em_are_the_posteriors_visited_last(unequal, monkeypatch):
    monkeypatch.setattr(experiments, "GINI_POINTS", 20)
    traced = []
    monkeypatch.setattr(experiments, "latent_information", lambda q: traced.append(q) or q.mean)
    config = {"patch_size": 4, "n_patches": 520, "n_latents": 4, "n_epochs": 1, "n_test": 64}
    learn_images(images=unequal, method="paper", annealing="none", seed=0, **config)
    x = PatchSampler(unequal, 4, 0).draw(520)
    result = fit_paper_em(x, 4, n_epochs=1, generator=torch.Generator().manual_seed(0), progress=False,
                          callback=lambda state: traced.append(state.posterior))  # fmt: skip
    assert result and torch.equal(traced[0].mean, traced[1].mean[-20:])


@pytest.mark.long
@pytest.mark.parametrize("method", ["em", "amortized"])
def test_the_end_is_judged_on_the_patches_that_the_epochs_were(unequal, monkeypatch, method):
    monkeypatch.setattr(experiments, "TRACED_POINTS", 32)
    numbers = learn_images(
        images=unequal, method=method, annealing="none", seed=0, patch_size=4, n_patches=200, n_latents=8,
        n_epochs=2, n_test=256, **({"polish": 0} if method == "em" else {}),
    ).numbers  # fmt: skip
    *epochs, end = numbers["history"]
    judged = numbers["judged"]["encoder" if method == "amortized" else "diagonal"]
    assert len(epochs) == 2 and all("held_out" in row for row in epochs)
    assert end["held_out"] == pytest.approx(epochs[-1]["held_out"], abs=0.1)
    assert end["held_out"] != pytest.approx(judged["elbo"], abs=0.3), "32 patches are as good as all"
    assert judged["elbo"] == pytest.approx(np.mean(judged["blocks"]), abs=1e-3)
