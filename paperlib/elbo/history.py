"""The history of a training: a row for every epoch or step, with time, ELBO and entropies (Theorem 1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from paperlib.elbo.encoders import Encoder
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyTerms, EntropyWeights


@dataclass(frozen=True)
class Snapshot:
    """What every trainer hands to its callback: where it is.

    The tensors are those in use, which the next step changes: keep copies.  `step` counts the epochs, calls,
    restarts or batches done, and `history` has all rows so far.  If training ended here, `dictionary`,
    `prior_scales` and `noise_variance` would be the result.  There are either the `posterior` of the training
    data, in their order, or an `encoder` that infers it, and what training can go on from is the `state`,
    which has a method `to_dict`; what a trainer does not have is None.
    """

    step: int
    dictionary: Float[Tensor, "D H"]
    history: list[dict]
    prior_scales: Float[Tensor, " H"] | None = None
    noise_variance: Float[Tensor, ""] | None = None
    posterior: GaussianPosterior | None = None
    encoder: Encoder | None = None
    state: Any = None


Callback = Callable[[Snapshot], None]


class Recorder:
    """Keeps the history of a training, its time and its progress bar.

    The bar counts the rows of one `phase`, a `unit` each, `done` of `total` at first.  A training that goes
    on gives its history as `rows`; new ones are added to this very list.
    """

    def __init__(
        self, phase: str, unit: str, total: int, *, rows: list[dict] | None = None, done: int = 0,
        progress: bool = True,
    ):  # fmt: skip
        self.rows: list[dict] = [] if rows is None else rows
        self.seconds = self.rows[-1]["seconds"] if self.rows else 0.0
        self._phase, self._unit = phase, unit
        self._bar = tqdm(total=total, initial=done, desc=phase, unit=unit, disable=not progress)
        self._started = time.perf_counter()

    def record(
        self, step: int, phase: str, terms: EntropyTerms, weights: EntropyWeights | None = None, **more: Any
    ) -> None:
        """Add a row after `step` of a `phase`: ELBO, entropies, weights (1 if None), and what `more` says.

        An ELBO that is not finite is a FloatingPointError: `terms` are of no use then.
        """
        self.lap()
        if not torch.isfinite(terms.elbo):
            raise FloatingPointError(
                f"The ELBO is not finite ({phase}, {self._unit} {step}); lower the learning rate or use "
                "float64."
            )
        weights = weights or EntropyWeights()
        self.rows.append({
            "step": step, "phase": phase, "seconds": round(self.seconds, 4), "elbo": float(terms.elbo),
            **{f"{name}_entropy": float(value) for name, value in vars(terms).items()},
            "prior_weight": weights.prior, "likelihood_weight": weights.likelihood, **more,
        })  # fmt: skip
        self._bar.update(phase == self._phase)
        self._bar.set_postfix(elbo=f"{self.rows[-1]['elbo']:.2f}")

    def tell(self, callback: Callback | None, snapshot: Snapshot) -> None:
        """Hand the `snapshot` to `callback`, if there is one; the time it takes is not counted."""
        if callback is not None:
            self.lap()
            callback(snapshot)
            self._started = time.perf_counter()

    def lap(self) -> None:
        """Count the time until now."""
        now = time.perf_counter()
        self.seconds, self._started = self.seconds + now - self._started, now

    def close(self) -> None:
        """End the bar."""
        self._bar.close()
