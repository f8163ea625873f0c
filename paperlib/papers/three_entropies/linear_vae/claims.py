"""Claims about the linear VAE (Fig. 1a)."""

from __future__ import annotations

from functools import partial

import numpy as np

from paperlib.papers.three_entropies.curves import curve, deviation, last_deviation
from paperlib.records.claims import Claim, Finding, Groups, Verdict

PAGE = "linear_vae"
SMALL = 0.2  # % of the ELBO
NEAR = 0.01  # nats a data point
APART = 1.0  # nats a data point


def _equal(runs: Groups) -> Finding:
    apart = np.median(np.abs(deviation(runs["learned"])), 0)
    half, end = apart[len(apart) // 2], last_deviation(runs["learned"])
    text = f"median {end:.2f} % of the ELBO at the end, {half:.2f} % half way"
    return Finding(
        text, Verdict.of(bool(end <= SMALL), partly=bool(end < half)), len(curve(runs["learned"], "elbo"))
    )


def _maximum(runs: Groups, key: str) -> Finding:
    best = runs["learned"][0].numbers["best"][0]
    below = best - np.median(curve(runs["learned"], key)[:, -1])
    text = f"median {below:.4f} nats a data point below the maximum of {best:.4f}"
    return Finding(text, Verdict.of(bool(abs(below) <= NEAR)), len(curve(runs["learned"], key)))


def _stay_apart(runs: Groups) -> Finding:
    gaps = (curve(runs["fixed"], "elbo") - curve(runs["fixed"], "entropies"))[:, -1]
    text = f"{gaps.min():.2f} to {gaps.max():.2f} nats a data point apart at the end"
    return Finding(text, Verdict.of(bool(gaps.min() > APART)), len(gaps))


_plot = partial(Claim, "fig-linear-vae")
CLAIMS = [
    _plot("abstract, code", "The linear VAE's ELBO becomes the sum of entropies as it learns.", _equal),
    _plot("code", "Its entropies approach the exact maximum of the log-likelihood, that of PPCA.",
          partial(_maximum, key="entropies")),
    _plot("code, derived", "So does its ELBO.", partial(_maximum, key="elbo")),
    _plot("code", "With σ fixed the two curves stay apart.", _stay_apart),
]  # fmt: skip
