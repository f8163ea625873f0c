"""VAE-1 and VAE-2 on images of digits, VAE-3 on PCA-ring (Figs. 1b, 1c, 9, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from paperlib.data import Matrix
from paperlib.models.vae import Samples
from paperlib.papers.three_entropies.learning import in_the_plane, learn, make_vae, values
from paperlib.papers.three_entropies.problems import linear_data
from paperlib.papers.three_entropies.vaes.estimates import estimate_noise, times
from paperlib.records import Outcome

SHOWN = 10  # of so many data points one is drawn


def learn_digits(
    data: Matrix, *, seed: int, n_runs: int, n_epochs: int, batch_size: int, variance_rate: float = 1e-3,
    rate: float = 1e-3, learned: Sequence[str] = ("noise",), n_latents: int = 2,
    hidden: Sequence[int] = (50, 50), n_looks: int = 40, sizes: Sequence[int] = (10, 100, 1000),
) -> Outcome:  # fmt: skip
    """Runs of VAE-1 or, with ``"prior_variances"`` `learned`, VAE-2: their curves, and what estimates cost.

    A sample of z a data point and step; ELBO and entropies of all data after epochs.
    """
    x = data.points()
    x = x / x.max()
    generator = torch.Generator().manual_seed(seed)
    rule = Samples(1, generator)
    vae = make_vae(x.shape[1], n_latents, hidden, rule, generator, n_runs=n_runs, learned=learned)
    vae, curves = learn(
        vae, x, generator, partial(values, x=x), batch_size=batch_size, n_epochs=n_epochs, n_looks=n_looks,
        rate=rate, variance_rate=variance_rate,
    )  # fmt: skip
    one = vae.run(0)
    costs = {"noise": estimate_noise(one, x, sizes, generator), "seconds": times(one, x)}
    ends = {"variance": vae.model.noise.tolist(), "prior_variances": vae.model.prior_variances.tolist()}
    plane = {name: array[::SHOWN] for name, array in in_the_plane(vae, x).items()}
    return Outcome(curves | costs | ends, plane)


def learn_ring(
    *, seed: int, n_points: int, n_runs: int, n_epochs: int, batch_size: int = 2000, rate: float = 1e-3,
    n_looks: int = 50,
) -> Outcome:  # fmt: skip
    """Runs of VAE-3 of two latents on PCA-ring data, with a sample of z a data point and step."""
    generator = torch.Generator().manual_seed(seed)
    x = linear_data(n_points, generator, ring=True)[0]
    vae = make_vae(x.shape[1], 2, (50, 50), Samples(1, generator), generator, n_runs=n_runs, varies=True)
    vae, curves = learn(
        vae, x, generator, partial(values, x=x), batch_size=batch_size, n_epochs=n_epochs, n_looks=n_looks,
        rate=rate,
    )  # fmt: skip
    return Outcome(curves, {name: array[::SHOWN] for name, array in in_the_plane(vae, x).items()})
