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

    The tensors are those in use, which the next step changes: keep copies.

    Parameters
    ----------
    step : int
        Epochs, calls, restarts or batches done.
    dictionary : tensor (D, H)
        What would be the result if training ended here, with unit columns.
    history : list of dict
        All rows so far; empty where a trainer has none.
    prior_scales, noise_variance : tensors (H,) and (), optional
        Present λ and σ².
    posterior : GaussianPosterior, optional
        Present posteriors of the training data, in their order.
    encoder : Encoder, optional
        What infers posteriors instead.
    state : object, optional
        What training can go on from, with a method `to_dict`.
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

    Parameters
    ----------
    phase, unit : str
        What the rows are that the bar counts, and one of them.
    total : int
        How many there will be.
    rows : list of dict, optional
        History of the training that goes on; new rows are added to this very list.
    done : int
        How many the bar starts with.
    progress : bool
        Whether to show the bar.
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
