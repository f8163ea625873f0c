"""Learning a dictionary from image patches as a run that resumes (Section 4.2)."""

from __future__ import annotations

import json
import sys
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
from paperlib.plotting import plot_fields
from paperlib.runs.config import TrainingConfig
from paperlib.runs.folder import claim_folder, load_checkpoint, write_history
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.files import write_atomically
from paperlib.system.provenance import provenance


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
    config.check()
    sampler = PatchSampler(images, config.patch_size, config.seed)
    identity = {"config": asdict(config), "images": images.identity}
    if first := processes.rank == 0:
        claim_folder(folder, identity, resume)
    processes.wait()
    if (folder / "metrics.json").exists():
        return json.loads((folder / "metrics.json").read_text())
    dtype = getattr(torch, config.dtype)

    def draw(epoch: int) -> torch.Tensor:
        numbers = epoch * config.n_patches + np.arange(processes.rank, config.n_patches, processes.count)
        return sampler.take(numbers).to(config.device, dtype)

    x = None if config.fresh else draw(0)
    checkpoint = folder / "checkpoint.pt"

    def save(snapshot: Snapshot) -> None:
        state = snapshot.state
        shared = {name: processes.gather(getattr(state, name), config.n_patches) for name in ("mean", "std")}
        if first:
            write_atomically(checkpoint, lambda path: torch.save(state.to_dict() | shared, path))
            write_history(folder, state.history)

    result = fit_em(
        draw if x is None else x, config.n_latents, generator=torch.Generator().manual_seed(config.seed),
        callback=save, state=load_checkpoint(checkpoint, config.device, processes), processes=processes,
        progress=progress and first, **{name.name: getattr(config, name.name) for name in fields(EMSettings)},
    )  # fmt: skip
    if not first:
        return {}
    write_history(folder, result.history)
    few = slice(GINI_POINTS)
    x = draw(config.n_epochs - 1) if x is None else x
    posterior = e_step(config.family)(x[few], result.model, start=result.posterior[few])
    return _write_result(folder, result, posterior, config, identity)


def _write_result(
    folder: Path, result: FitResult, posterior: GaussianPosterior, config: TrainingConfig, identity: dict
) -> dict:
    """Dictionary, picture and, last of all, the metrics that mark the run as finished."""
    dictionary = result.model.dictionary.to("cpu", torch.float32)
    seconds = result.history[-1]["seconds"]
    metrics = {
        **judge(result.stats, posterior, config.seed),
        "seconds": seconds,
        "patches_per_second": config.n_patches * result.history[-1]["step"] / seconds,
        **identity,
        **provenance(config.device),
        "command": sys.argv[1:],
    }
    write_atomically(folder / "dictionary.npy", lambda path: np.save(path, dictionary.numpy()))
    figure = plot_fields(dictionary, (config.patch_size, config.patch_size))
    write_atomically(folder / "dictionary.png", lambda path: figure.savefig(path, dpi=150))
    write_atomically(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2)))
    return metrics
