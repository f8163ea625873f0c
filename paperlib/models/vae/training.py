"""Learning all parameters of variational autoencoders: Adam on batches, or exactly to a stationary point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.maximum import flatten, maximize
from paperlib.models.vae.amortized import POSITIVE, AmortizedVAE
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_data, check_positive

CUTOFF = 1e-10  # of curvatures relative to the largest: along those below it Newton's method stays


class Adam:
    """Adam on the ELBO of batches, of all runs of a `vae` at once.

    `rate` is the learning rate, and `variance_rate`, by default the same, that of the logarithms of variances
    of noise and prior.  Runs have nothing in common but batches.
    """

    def __init__(self, vae: AmortizedVAE, rate: float = 1e-3, variance_rate: float | None = None):
        check_positive(rate=rate, variance_rate=rate if variance_rate is None else variance_rate)
        self._first = vae
        self._leaves = {name: tensor.clone().requires_grad_() for name, tensor in vae.free.items()}
        rates = {name: variance_rate or rate if name in POSITIVE else rate for name in self._leaves}
        groups = [{"params": [leaf], "lr": rates[name]} for name, leaf in self._leaves.items()]
        self._optimizer = torch.optim.Adam(groups, fused=True)

    @property
    def vae(self) -> AmortizedVAE:
        """What is learned so far."""
        return self._first.with_free({name: leaf.detach().clone() for name, leaf in self._leaves.items()})

    def step(self, x: Float[Tensor, "*any N D"]) -> tuple[AmortizedVAE, Any]:
        """A step for a batch `x`, of all runs or of each.

        Returns
        -------
        vae, stats
            What there was before the step, and its sums over the batch; cut from the graph.

        Raises
        ------
        FloatingPointError
            If the ELBO is not finite.
        """
        vae = self._first.with_free(self._leaves)
        stats = vae.statistics(x)
        elbo = vae.model.elbo(stats).sum()
        if not torch.isfinite(elbo):
            raise FloatingPointError("The ELBO is not finite; lower the learning rate.")
        self._optimizer.zero_grad()
        (-elbo).backward()
        self._optimizer.step()
        return vae, stats


def shuffled(
    x: Float[Tensor, "N D"], batch_size: int, n_epochs: int, generator: torch.Generator
) -> Iterator[list[Tensor]]:
    """For each of `n_epochs` the batches of data `x`, in an order of its own; `batch_size` points each."""
    check_data(x)
    check_counts(batch_size=batch_size, n_epochs=n_epochs)
    for _ in range(n_epochs):
        order = torch.randperm(len(x), generator=generator)
        yield [x[chosen] for chosen in order.split(batch_size)]


def settle(vae: AmortizedVAE, x: Float[Tensor, "N D"], beta: float = 1.0) -> tuple[AmortizedVAE, float]:
    """A stationary point of the ELBO of all data `x`, by L-BFGS and then Newton's method in float64.

    For few parameters and exact expectations.  Parameters may leave the ELBO as it is along whole directions.

    Parameters
    ----------
    vae : AmortizedVAE
        Where to start, in float64.
    x : tensor (N, D)
        Data.
    beta : float
        Weight of the KL divergence.

    Returns
    -------
    vae, slope
        The stationary point, and the largest magnitude of a derivative there.
    """
    start, shaped = flatten(vae.free)
    if start.dtype != torch.float64:
        raise InputError(f"A stationary point is found in float64, not in {start.dtype}.")

    def elbo(vector: Tensor) -> Tensor:
        return vae.with_free(shaped(vector)).elbo(x, beta)

    found = maximize(elbo, start, "L-BFGS-B", maxiter=3000, maxcor=50, ftol=1e-15, gtol=1e-9)
    point, slope = _newton(lambda vector: -elbo(vector), found.at)
    return vae.with_free(shaped(point)), slope


def _newton(loss: Any, point: Tensor, max_steps: int = 30, goal: float = 1e-12) -> tuple[Tensor, float]:
    """Newton's method on the gradient, for as long as it makes that smaller."""

    def slopes(at: Tensor) -> Tensor:
        at = at.detach().requires_grad_()
        return torch.autograd.grad(loss(at), at)[0]

    slope = slopes(point)
    for _ in range(max_steps):
        if slope.abs().max() < goal:
            break
        hessian = torch.autograd.functional.hessian(loss, point)
        step = torch.linalg.lstsq(hessian, slope, rcond=CUTOFF, driver="gelsd").solution
        after = slopes(point - step)
        if not after.norm() < slope.norm():
            break
        point, slope = point - step, after
    return point, float(slope.abs().max())
