"""Claims about choosing a model on a stream."""

from __future__ import annotations

from functools import partial

import numpy as np

from paperlib.papers.three_entropies.streaming.experiment import bic
from paperlib.papers.three_entropies.streaming.tables import AUTHORS, ends
from paperlib.records.claims import Claim, Finding, Groups, Verdict

PAGE = "streaming"
LESS = 9.0  # times
NEAR = 1.5  # nats a batch


def _right_model(runs: Groups) -> Finding:
    config, mean = runs["stream"][0].config, ends(runs["stream"])[0]
    scores = np.stack([bic(mean[1, :, model], h) for model, h in enumerate(config["n_latents"])], 1)
    best = np.array(config["n_latents"])[scores.argmin(1)]
    right = best == np.array(config["dimensions"])[:, None]
    text = f"in {right.sum()} of {right.size} segments of {right.shape[1]} streams"
    return Finding(text, Verdict.of(bool(right.all()), partly=bool(right.mean() > 0.5)), right.shape[1])


def _less_noise(runs: Groups) -> Finding:
    deviation = ends(runs["stream"])[1]
    ratios = deviation[0].mean(-1) / deviation[1].mean(-1)
    text = f"{ratios.min():.0f} to {ratios.max():.0f} times less, by segment and model"
    return Finding(
        text, Verdict.of(bool(ratios.min() >= LESS), partly=bool(ratios.min() > 2)), deviation.shape[-1]
    )


def _authors_numbers(runs: Groups) -> Finding:
    config, mean = runs["stream"][0].config, ends(runs["stream"])[0].mean(-1)
    theirs = [[AUTHORS[k][h] for h in config["n_latents"]] for k in config["dimensions"]]
    printed = np.moveaxis(np.array(theirs), -1, 0)[[0, 2]]
    apart = np.abs(mean - printed).max()
    text = f"means at most {apart:.1f} nats a batch from theirs"
    return Finding(text, Verdict.of(bool(apart <= NEAR)), len(runs["stream"]))


_plot = partial(Claim, "fig-streaming")
CLAIMS = [
    _plot("code", "BIC from entropies picks the right H after each switch.", _right_model),
    _plot("code", "It is far less noisy than BIC from the ELBO.", _less_noise),
    Claim("streaming-table", "code, stored results", "ELBO and entropies at the ends of the segments.",
          _authors_numbers),
]  # fmt: skip
