"""The best procedure for small problems: annealed EM for a start, exact posteriors to finish, restarts.

Prior annealing with diagonal posteriors (Eq. 17, `fit_em`) takes a fraction of a second and ends
near the right fields from most first dictionaries; L-BFGS on the dictionary with exact posteriors inside
then climbs to the top.  Where a start was bad its ELBO ends lower, so the ELBO decides which one is kept.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.history import Recorder
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.inference import fit_posterior, infer_full
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.em import fit_em
from paperlib.models.sparse_coding.trainers.polish import polish_dictionary
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.system.parallel import one_thread
from paperlib.system.validation import check_positive, check_training_data

BATCHES = 20  # minibatches a pass of the annealed EM, of at most the usual size
LAST_POLISH = 100  # iterations more for the restart that is kept


@one_thread()
def fit_restarts(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    n_restarts: int = 4,
    n_epochs: int = 40,
    polish: int = 60,
    generator: torch.Generator,
    progress: bool = True,
) -> FitResult:
    """Learn a dictionary with exact full-covariance posteriors; the best of several restarts.

    Parameters
    ----------
    x : tensor (N, D)
        Data; N full covariances have to fit into memory.
    n_latents : int
        H.
    n_restarts : int
        First dictionaries, drawn at random.  The result is the one with the highest ELBO.
    n_epochs : int
        Passes of prior-annealed EM with diagonal posteriors a restart.
    polish : int
        Iterations of L-BFGS with full posteriors a restart.
    generator : torch.Generator
        CPU generator of the first dictionaries and of EM's order of visits.

    Returns
    -------
    FitResult
        History rows: `step` (restarts), `seconds`, `phase`, `elbo` and entropies with full posteriors.

    Raises
    ------
    InputError
        If data are not a finite matrix or a number is not positive.
    """
    check_training_data(x)
    check_positive(n_latents=n_latents, n_restarts=n_restarts, n_epochs=n_epochs, polish=polish)
    recorder = Recorder("restart", "restart", n_restarts, progress=progress)
    best: tuple[float, Tensor, GaussianPosterior] | None = None

    def climb(
        dictionary: Tensor, posterior: GaussianPosterior, iterations: int
    ) -> tuple[Tensor, GaussianPosterior, PosteriorStatistics]:
        return polish_dictionary(
            x, dictionary, posterior, e_step=partial(infer_full, n_steps=1), iterations=iterations,
            progress=False,
        )  # fmt: skip

    for restart in range(1, n_restarts + 1):
        annealed = fit_em(
            x, n_latents, n_epochs=n_epochs, annealing="prior", batch_size=min(128, -(-len(x) // BATCHES)),
            polish=0, generator=generator, progress=False,
        )  # fmt: skip
        dictionary, posterior, stats = climb(
            annealed.model.dictionary, infer_full(x, annealed.model), polish
        )
        recorder.record(restart, "restart", entropies(stats))
        if best is None or recorder.rows[-1]["elbo"] > best[0]:
            best = recorder.rows[-1]["elbo"], dictionary, posterior
    assert best is not None  # there is at least one restart
    dictionary, posterior, _ = climb(best[1], best[2], LAST_POLISH)
    posterior, stats = fit_posterior(x, dictionary, "full", start=posterior, tolerance=1e-5)
    recorder.record(n_restarts, "final", entropies(stats))
    recorder.close()
    return FitResult.from_posterior(dictionary, posterior, stats, recorder.rows)
