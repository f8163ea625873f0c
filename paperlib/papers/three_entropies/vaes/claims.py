"""Claims about VAE-1, VAE-2 and VAE-3 (Figs. 1b, 1c, 9; Table 1)."""

from __future__ import annotations

from functools import partial

import numpy as np

from paperlib.papers.three_entropies.curves import curve, deviation, last_deviation
from paperlib.papers.three_entropies.vaes.tables import mean_noise
from paperlib.records.claims import Claim, Finding, Groups, Verdict

PAGE = "vaes"
SMALL = 1.0  # % of the ELBO
NEAR = 5.0  # %, "a few"
LESS = 10.0  # times
SAME = 2.0  # % of the ELBO, within which runs of two parametrisations are


def _equal(runs: Groups, name: str) -> Finding:
    apart = np.median(np.abs(deviation(runs[name])), 0)
    end, half = last_deviation(runs[name]), apart[len(apart) // 2]
    text = f"median {end:.2f} % of the ELBO at the end, {half:.2f} % half way"
    return Finding(
        text, Verdict.of(bool(end < SMALL), partly=bool(end < half)), len(curve(runs[name], "elbo"))
    )


def _near(runs: Groups) -> Finding:
    apart = np.median(np.abs(deviation(runs["ring"])), 0)
    late = apart[len(apart) // 2 :]
    text = f"VAE-3, second half of learning: at most {late.max():.2f} % (median over runs)"
    return Finding(text, Verdict.of(bool(late.max() < NEAR)), len(curve(runs["ring"], "elbo")))


def _noisier(runs: Groups) -> Finding:
    ends = {name: last_deviation(runs[name]) for name in ("ring", "ring-small-batch", "ring-large-rate")}
    text = ", ".join(f"{name} {end:.2f} %" for name, end in ends.items())
    plain, *others = ends.values()
    small = bool(max(others) < NEAR)
    verdict = Verdict.of(small and bool(min(others) > plain), partly=small)
    return Finding(text, verdict, len(curve(runs["ring-small-batch"], "elbo")))


def _less_variance(runs: Groups) -> Finding:
    ratios = mean_noise(runs["digits"], "elbo") / mean_noise(runs["digits"], "entropies")
    text = "deviation of the ELBO over that of entropies: " + ", ".join(f"{ratio:.0f}" for ratio in ratios)
    return Finding(
        text, Verdict.of(bool(ratios.min() >= LESS), partly=bool(ratios.min() > 2)), len(runs["digits"])
    )


def _same_model(runs: Groups) -> Finding:
    one, other = (np.median(curve(runs[name], "elbo")[:, -1]) for name in ("digits", "vae-2"))
    apart = 100 * abs(one - other) / abs(one)
    text = f"median final ELBO {one:.1f} and {other:.1f}; VAE-2 {last_deviation(runs['vae-2']):.2f} % apart"
    equal = last_deviation(runs["vae-2"]) < SMALL
    return Finding(
        text, Verdict.of(bool(equal and apart < SAME), partly=equal), len(curve(runs["vae-2"], "elbo"))
    )


_plot = partial(Claim, "fig-vaes")
CLAIMS = [
    _plot("abstract, Fig. 1b", "The ELBO of VAE-1 on MNIST becomes the sum of entropies.",
          partial(_equal, name="digits")),
    _plot("abstract, Fig. 1c", "So does that of VAE-3 on PCA-ring.", partial(_equal, name="ring")),
    _plot("abstract, code", "Entropies are close to the ELBO also near stationary points.", _near),
    Claim("fig-deviations", "code, Fig. 9",
          "Smaller batches or larger rates leave larger, still small, deviations.",
          _noisier),
    Claim("estimates", "code, Table 1",
          "Estimates by entropies have far less variance at every number of points.",
          _less_variance),
    Claim("vae-2", "code", "VAE-2 and VAE-1 are one model in two parametrisations.", _same_model),
]  # fmt: skip
