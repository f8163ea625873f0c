"""The paper's Table 1 as printed, what the authors' public scripts give, and which of our epochs compare."""

from __future__ import annotations

import math

from paperlib.papers.sparse_codes.judging import epochs
from paperlib.records import Record

TABLE_1_KEYS = ("elbo", "likelihood_entropy", "posterior_entropy", "prior_entropy")
TABLE_1 = {  # as printed: kind of annealing, ELBO, H[p(x|z)], mean H[q], H[p(z)]
    "no annealing": ("none", 32.40, -234.70, -98.97, 103.33),
    "annealing 1, early": ("prior", -218.72, 10.71, -365.22, -157.21),
    "annealing 1, middle": ("prior", -17.29, -144.81, -112.68, 49.41),
    "annealing 1, end": ("prior", 29.65, -235.50, -99.67, 106.18),
    "annealing 2, early": ("likelihood", -228.33, 30.59, -234.02, -36.27),
    "annealing 2, middle": ("likelihood", -17.77, -115.24, -72.77, 60.24),
    "annealing 2, end": ("likelihood", 29.74, -234.98, -99.43, 105.80),
}
AUTHORS = {  # the public scripts, run again: ELBO, H[p(x|z)], mean H[q], H[p(z)], Gini index
    "no annealing": (102.4, -234.66, -98.59, 33.69, 0.459),
    "annealing 1, early": (-151.5, 8.37, -355.54, -212.40, 0.623),
    "annealing 1, end": (104.8, -234.24, -98.87, 30.51, 0.475),
    "annealing 2, end": (103.3, -233.13, -98.43, 31.42, 0.470),
}
PATCH_SIZE, N_LATENTS = 16, 100  # of the printed table
H_LOG_2 = N_LATENTS * math.log(2)  # what a factor 2 in each prior scale adds to the prior's entropy


def is_last(label: str) -> bool:
    """Whether a printed row is of the end of a run."""
    return label.endswith("end") or label == "no annealing"


def like_table_1(record: Record) -> bool:
    """Whether a record is of images and sizes as the printed table's, so that numbers can be compared."""
    config, images = record.config, record.provenance["images"]["source"]
    return config["patch_size"] == PATCH_SIZE and config["n_latents"] == N_LATENTS and "olshausen" in images


def table_1_row(record: Record, label: str) -> dict:
    """The epoch of a run that a printed row is compared with: the last, or that of the closest H[p(x|z)]."""
    rows = epochs(record)
    if is_last(label):
        return rows[-1]
    return min(rows, key=lambda row: abs(row["likelihood_entropy"] - TABLE_1[label][2]))


def implied_ratios(likelihood: float, posterior: float, prior: float) -> tuple[float, float]:
    """Geometric means of λ/σ and τ/σ over the latents, which the table's three entropies imply."""
    half_log = math.log(2 * math.pi * math.e) / 2
    log_sigma = likelihood / PATCH_SIZE**2 - half_log
    log_tau = posterior / N_LATENTS - half_log
    log_lambda = prior / N_LATENTS - math.log(2 * math.e)
    return math.exp(log_lambda - log_sigma), math.exp(log_tau - log_sigma)
