"""How noisy the ELBO and its entropies are when they are estimated from few data, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E
from paperlib.models.vae import AmortizedVAE

N_REPEATS = 100
N_DRAWS = 20  # of latents, among which an estimate takes one
N_TIMED = 5


@torch.no_grad()
def estimate_noise(
    vae: AmortizedVAE, x: Float[Tensor, "N D"], sizes: Sequence[int], generator: torch.Generator
) -> dict[str, list[float]]:
    """Standard deviations of estimates from random data points, for each of `sizes`; a VAE of σ² and one run.

    `elbo` with a sample of z a point, and its parts `likelihood` and `minus_kl`; beside them `entropies`,
    `minus_noise_entropy` and `entropy_difference`, H[q] − H[p(z)].
    """
    points = _of_points(vae, x, generator)
    found: dict[str, list[float]] = {name: [] for name in points}
    for size in sizes:
        estimates: dict[str, list[float]] = {name: [] for name in points}
        for _ in range(N_REPEATS):
            chosen = torch.randint(len(x), (size,), generator=generator)
            draw = int(torch.randint(N_DRAWS, (), generator=generator))
            for name, every in points.items():
                estimates[name].append(float(every[draw % len(every), chosen].mean()))
        for name, numbers in estimates.items():
            found[name].append(float(torch.tensor(numbers).std()))
    return found


def _of_points(
    vae: AmortizedVAE, x: Float[Tensor, "N D"], generator: torch.Generator
) -> dict[str, Float[Tensor, "draws N"]]:
    """ELBO, entropies and their parts of each data point, for several draws where these matter."""
    model, posterior = vae.model, vae.encoder(x)
    likelihood = torch.stack([
        model.log_joint(x, z) - model.log_prior(z)
        for z in (posterior.sample(1, generator)[0] for _ in range(N_DRAWS))
    ])  # fmt: skip
    squares = (posterior.mean.square() + posterior.variance) / model.prior_variances
    entropy = posterior.entropy()
    cross = (squares + (LOG_2_PI_E - 1 + model.prior_variances.log())).sum(-1) / 2
    noise = (LOG_2_PI_E + model.noise_variances.log()).sum(-1).expand(1, len(x)) / 2
    minus_kl, difference = (entropy - cross)[None], (entropy - model.prior_entropy())[None]
    return {
        "elbo": likelihood + minus_kl, "likelihood": likelihood, "minus_kl": minus_kl,
        "entropies": difference - noise, "minus_noise_entropy": -noise, "entropy_difference": difference,
    }  # fmt: skip


@torch.no_grad()
def times(vae: AmortizedVAE, x: Float[Tensor, "N D"], n_points: int = 1000) -> dict[str, float]:
    """Seconds that an evaluation of `n_points` takes: of entropies, of the ELBO by 1 and by 100 samples."""
    x, model = x[:n_points], vae.model

    def entropies() -> Tensor:
        return vae.encoder(x).entropy().mean() - model.prior_entropy() - model.noise.log()

    def elbo(n_samples: int) -> Tensor:
        posterior = vae.encoder(x)
        generator = torch.Generator().manual_seed(0)
        samples = (posterior.sample(1, generator)[0] for _ in range(n_samples))
        total = [model.log_joint(x, z).mean() for z in samples]
        return torch.stack(total).mean() + posterior.entropy().mean()

    return {
        "entropies": _seconds(entropies), "elbo_1": _seconds(lambda: elbo(1)),
        "elbo_100": _seconds(lambda: elbo(100)),
    }  # fmt: skip


def _seconds(work: Callable[[], Tensor]) -> float:
    """The least of several times."""
    taken = []
    for _ in range(N_TIMED):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
