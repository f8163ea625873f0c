"""Learning a dictionary from image patches as a run that resumes (Section 4.2)."""

from __future__ import annotations

import math
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from paperlib.data import Images, PatchSampler
from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.inference import e_step
from paperlib.models.sparse_coding.judging import GINI_POINTS, judge
from paperlib.models.sparse_coding.settings import EMSettings
from paperlib.models.sparse_coding.trainers import FitResult, fit_em
from paperlib.models.sparse_coding.trainers.em import check_fit
from paperlib.models.sparse_coding.trainers.em_state import initial_state
from paperlib.plotting import plot_fields
from paperlib.runs.config import TrainingConfig
from paperlib.runs.folder import (
    CHECKPOINTS,
    claimed,
    finished_metrics,
    load_checkpoint,
    of_points,
    save_checkpoint,
    write_history,
    writing,
)
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.files import hash_files, write_atomically, write_json
from paperlib.system.provenance import code_hash, provenance

SECONDS = 20  # between checkpoints of a polish or the final E-step


def train(
    config: TrainingConfig,
    images: Images,
    folder: Path,
    *,
    resume: bool = False,
    processes: Processes = ALONE,
    progress: bool = True,
) -> dict:
    """Learn a dictionary from patches of `images` and leave everything about it in `folder`.

    Parameters
    ----------
    config : TrainingConfig
        What to do; must equal that of the interrupted run when resuming.
    images : Images
        Whitened images.
    folder : Path
        Created if missing; must not hold another run.
    resume : bool
        Go on from the folder's checkpoint if there is one (a finished run is returned as it is).
    processes : Processes
        The processes that share the patches; the first one writes.

    Returns
    -------
    dict
        The content of `metrics.json`; nothing in processes other than the first.

    Raises
    ------
    InputError
        If the configuration cannot work, or the folder cannot be written or holds another run.
    """
    with processes.together():
        config.check()
        sampler = PatchSampler(images, config.patch_size, config.seed)
        share, size = config.n_patches // processes.count, getattr(torch, config.dtype).itemsize
        check_fit(config, share, sampler.n_features, config.n_latents, size)
    identity = {"config": asdict(config), "images": images.identity}
    processes.agree(images=images.sha256, settings=identity["config"], code=code_hash(fit_em))
    with ExitStack() as held:
        with processes.together():
            if processes.rank == 0:
                held.enter_context(claimed(folder, identity, resume))
        metrics = finished_metrics(folder)
        processes.agree(folder=metrics is None)
        return _learn(config, sampler, folder, identity, processes, progress) if metrics is None else metrics


def _learn(
    config: TrainingConfig,
    sampler: PatchSampler,
    folder: Path,
    identity: dict,
    processes: Processes,
    progress: bool,
) -> dict:
    """Go on from the checkpoint, if there is one, to the end."""
    first, dtype = processes.rank == 0, getattr(torch, config.dtype)

    def draw(epoch: int) -> torch.Tensor:
        numbers = epoch * config.n_patches + np.arange(processes.rank, config.n_patches, processes.count)
        return sampler.take(numbers).to(config.device, dtype)

    x = None if config.fresh else draw(0)
    saved = -math.inf

    def save(snapshot: Snapshot) -> None:
        nonlocal saved
        state = snapshot.state
        wanted = state.stage == "epochs" or time.monotonic() - saved > SECONDS
        if not processes.add([torch.tensor(first and wanted)])[0]:  # the first one decides
            return
        everything = of_points(state.to_dict(), lambda share: processes.gather(share, config.n_patches))
        if first:
            with writing(folder):
                save_checkpoint(folder, everything)
                write_history(folder, state.history)
        saved = time.monotonic()

    generator = torch.Generator().manual_seed(config.seed)
    state = load_checkpoint(
        folder, config.device,
        lambda: initial_state(draw(0) if x is None else x, config.n_latents, generator), processes,
    )  # fmt: skip
    processes.agree(checkpoint=None if state is None else (state.passes, state.stage, len(state.log)))
    result = fit_em(
        draw if x is None else x, config.n_latents, generator=generator.manual_seed(config.seed),
        checkpoint=save, state=state, processes=processes,
        progress=progress and first, **{name.name: getattr(config, name.name) for name in fields(EMSettings)},
    )  # fmt: skip
    if not first:
        return {}
    few = slice(GINI_POINTS)
    x = draw(config.n_epochs - 1) if x is None else x
    posterior = e_step(config.family)(x[few], result.model, start=result.posterior[few])
    with writing(folder):
        return _write_result(folder, result, posterior, config, identity)


def _write_result(
    folder: Path, result: FitResult, posterior: GaussianPosterior, config: TrainingConfig, identity: dict
) -> dict:
    """Dictionary, picture and, last of all, the metrics that mark the run as finished."""
    dictionary = result.model.dictionary.to("cpu", torch.float32)
    seconds = result.history[-1]["seconds"]
    write_history(folder, result.history)
    write_atomically(folder / "dictionary.npy", lambda path: np.save(path, dictionary.numpy()))
    figure = plot_fields(dictionary, (config.patch_size, config.patch_size))
    write_atomically(folder / "dictionary.png", lambda path: figure.savefig(path, dpi=150))
    metrics = {
        **judge(result.stats, posterior, config.seed),
        "seconds": seconds,
        "patches_per_second": config.n_patches * result.history[-1]["step"] / seconds,
        **identity,
        **provenance(config.device),
        "command": sys.argv[1:],
        "dictionary": hash_files(folder, [folder / "dictionary.npy"]),
    }
    write_json(folder / "metrics.json", metrics)
    (folder / CHECKPOINTS[1]).unlink(missing_ok=True)
    return metrics
