"""Runs on images: what is judged while they learn and at the end is the same quantity on the same patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paperlib.data import Images, PatchSampler
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.metrics import posterior_gini
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.papers.sparse_codes.judging import held_out_patches
from paperlib.papers.sparse_codes.learners.paper_em import fit_paper_em
from paperlib.papers.sparse_codes.natural_images.experiment import TRACED_POINTS, Trace, learn_images


@pytest.fixture(scope="module")
def unequal() -> Images:
    """Noise whose contrast rises from image to image, so that patches differ in their ELBO."""
    noise = np.random.default_rng(0).normal(size=(4, 40, 40)) * np.array([0.5, 1.0, 2.0, 4.0])[:, None, None]
    return Images(tuple(noise.astype(np.float32)), "noise")


def test_what_is_traced_of_the_papers_em_are_the_posteriors_visited_last(unequal):
    x = PatchSampler(unequal, 4, 0).draw(520)
    trace = Trace(x[-20:], x[:20], "diagonal", interval=1, keep_fields=False)
    posteriors = []

    def callback(now):
        trace(now)
        posteriors.append(now.posterior)

    fit_paper_em(
        x, 4, n_epochs=1, generator=torch.Generator().manual_seed(0), progress=False, callback=callback
    )
    last, first = (
        posterior_gini(q, generator=torch.Generator().manual_seed(0))
        for q in (posteriors[0][-20:], posteriors[0][:20])
    )
    assert (trace.rows[0]["gini"], trace.rows[0]["gini_sd"]) == last != first


@pytest.mark.parametrize("method", ["em", "amortized"])
def test_the_end_is_judged_on_the_patches_that_the_epochs_were(unequal, method):
    n_test = TRACED_POINTS + 512
    outcome = learn_images(
        images=unequal, method=method, annealing="none", seed=0, patch_size=4, n_patches=200, n_latents=8,
        n_epochs=2, n_test=n_test, **({"polish": 0} if method == "em" else {}),
    )  # fmt: skip
    *epochs, end = outcome.numbers["history"]
    judged = outcome.numbers["judged"]["encoder" if method == "amortized" else "diagonal"]
    assert len(epochs) == 2 and all("held_out" in row for row in epochs)
    assert end["held_out"] == pytest.approx(epochs[-1]["held_out"], abs=0.1)
    assert end["held_out"] != pytest.approx(judged["elbo"], abs=0.02), "some patches are as good as all"
    assert judged["elbo"] == pytest.approx(np.mean(judged["blocks"]), abs=1e-3)
    if method == "em":
        traced = held_out_patches(unequal, 4, n_test)[:TRACED_POINTS]
        _, stats = fit_posterior(traced, torch.from_numpy(outcome.arrays["dictionary"]))
        assert end["held_out"] == pytest.approx(float(entropy_elbo(stats)), abs=0.01)
