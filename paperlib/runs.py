"""Training and scoring on image patches as runs: a configuration, a folder, results with provenance.

A run's folder holds `config.json`, `checkpoint.pt` and `history.jsonl` (after every epoch) and at the end
`dictionary.npy`, `dictionary.png` and `metrics.json`.  Files are written beside and moved into place, so that
a reader, or a resumed run after a kill, never sees half a file.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib.data import Images, PatchSampler
from paperlib.data.readers import read_dictionary
from paperlib.elbo.annealing import schedule
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.inference import E_STEPS, closed_form_scales, fit_posterior
from paperlib.models.sparse_coding.metrics import dead_fields, posterior_gini
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import EMState, FitResult, fit_em
from paperlib.models.sparse_coding.trainers.em import FAMILIES
from paperlib.plotting import plot_fields
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError
from paperlib.system.files import write_atomically
from paperlib.system.provenance import commit, device_name, versions
from paperlib.system.validation import check_counts, check_positive

RESULTS = ("checkpoint.pt", "history.jsonl", "metrics.json")  # of a run, beside its config.json
GINI_POINTS = 1_000  # data points whose posterior samples the Gini index is taken over, as in Table 1


@dataclass(frozen=True)
class TrainingConfig:
    """All that decides a run's numbers, apart from the images themselves and the machine.

    Parameters
    ----------
    patch_size : int
        Width and height of a patch in pixels.
    patches, latents : int
        N and H.
    posterior : {"diagonal", "full"}
        Covariance of the posteriors.
    annealing : str
        Name of a schedule, as for `paperlib.elbo.annealing.schedule`.
    epochs, batch_size : int
        Passes over the patches, and patches of a minibatch.
    learning_rate : float
        Of the dictionary.
    polish : int, optional
        Iterations of L-BFGS at the end, as for `paperlib.models.sparse_coding.trainers.fit_em`.
    fresh, reseed : bool
        Draw new patches in every epoch; give fields that explain nothing a new direction.
    seed : int
        Of patches and training.
    device, dtype : str
        Where and in which precision to compute.
    """

    patch_size: int = 16
    patches: int = 51_200
    latents: int = 100
    posterior: str = "diagonal"
    annealing: str = "none"
    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 0.2
    polish: int | None = None
    fresh: bool = False
    reseed: bool = False
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"

    def check(self) -> None:
        """Refuse numbers and names that cannot work.

        Raises
        ------
        InputError
            With the first thing that is wrong.
        """
        check_counts(patch_size=self.patch_size, patches=self.patches, latents=self.latents,
                     epochs=self.epochs, batch_size=self.batch_size)  # fmt: skip
        check_positive(learning_rate=self.learning_rate)
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be float32 or float64, not {self.dtype!r}.")
        schedule(self.annealing, self.epochs)
        if self.posterior not in FAMILIES:
            raise InputError(
                f"Training with {self.posterior} posteriors is not available; use {' or '.join(FAMILIES)}."
            )
        if self.seed < 0 or (self.polish or 0) < 0:
            raise InputError("seed and polish must be 0 or more.")


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
    identity = {"config": asdict(config), "images": {"source": images.source, "sha256": images.sha256}}
    if first := processes.rank == 0:
        _claim(folder, identity, resume)
    processes.wait()
    if (folder / "metrics.json").exists():
        return json.loads((folder / "metrics.json").read_text())
    dtype = getattr(torch, config.dtype)

    def draw(epoch: int) -> torch.Tensor:
        numbers = epoch * config.patches + np.arange(processes.rank, config.patches, processes.count)
        return sampler.take(numbers).to(config.device, dtype)

    x = None if config.fresh else draw(0)
    checkpoint = folder / "checkpoint.pt"

    def save(state: EMState) -> None:
        shared = {name: processes.gather(getattr(state, name), config.patches) for name in ("mean", "std")}
        if first:
            write_atomically(checkpoint, lambda path: torch.save(state.to_dict() | shared, path))
            _write_history(folder, state.history)

    result = fit_em(
        draw if x is None else x, config.latents, family=config.posterior, n_epochs=config.epochs,
        annealing=config.annealing, batch_size=config.batch_size, learning_rate=config.learning_rate,
        polish=config.polish, reseed=config.reseed,
        generator=torch.Generator().manual_seed(config.seed), callback=save,
        state=load_checkpoint(checkpoint, config.device, processes), processes=processes,
        progress=progress and first,
    )  # fmt: skip
    if not first:
        return {}
    _write_history(folder, result.history)
    few, model = slice(GINI_POINTS), result.model
    x = draw(config.epochs - 1) if x is None else x
    posterior = E_STEPS[config.posterior](
        x[few], model.dictionary, model.prior_scales, model.noise_variance, start=result.posterior[few]
    )
    return _write_result(folder, result, posterior, config, identity)


def score(
    dictionary: torch.Tensor,
    images: Images,
    *,
    patches: int = 10_240,
    seed: int = 0,
    posterior: str = "diagonal",
) -> dict:
    """Judge a dictionary on patches: optimal posteriors, ONE σ² and ONE λ for the whole set.

    Parameters
    ----------
    dictionary : tensor (D, H)
        D must be a square number, rows in row-major pixel order; columns are normalized here.
    images : Images
        Whitened images.
    patches, seed : int
        How many patches, and which.
    posterior : {"diagonal", "low-rank", "full"}
        Family of the posteriors.

    Returns
    -------
    dict
        `elbo`, `entropies`, `gini`, `gini_sd`, `dead_fields`, `noise_variance` and what was judged on.

    Raises
    ------
    InputError
        If D is not a square number, or patches cannot be drawn.
    """
    check_positive(patches=patches)
    side = round(len(dictionary) ** 0.5)
    if side**2 != len(dictionary):
        raise InputError(
            f"The dictionary has {len(dictionary)} rows, which is no square number of pixels; "
            "expected features × fields, for example 256 × 100 for patches of 16×16."
        )
    x = PatchSampler(images, side, seed).draw(patches).to(dictionary)
    fitted, stats = fit_posterior(x, normalize_columns(dictionary), posterior)
    return {
        **judge(stats, fitted, seed),
        "posterior": posterior,
        "patches": patches,
        "patch_size": side,
        "latents": dictionary.shape[1],
        "seed": seed,
        "images": {"source": images.source, "sha256": images.sha256},
        "versions": versions(),
        "commit": commit(),
    }


def judge(stats: PosteriorStatistics, posterior: GaussianPosterior, seed: int) -> dict:
    """ELBO, entropies, Gini index (samples seeded by `seed`) and dead fields as plain numbers."""
    terms = entropies(stats)
    noise_variance, prior_scales = closed_form_scales(stats, torch.float64)
    generator = torch.Generator(posterior.mean.device).manual_seed(seed)
    gini, gini_sd = posterior_gini(posterior[:GINI_POINTS], generator=generator)
    return {
        "elbo": float(terms.elbo),
        "entropies": {
            "posterior": float(terms.posterior),
            "prior": float(terms.prior),
            "likelihood": float(terms.likelihood),
        },
        "gini": gini,
        "gini_sd": gini_sd,
        "dead_fields": dead_fields(prior_scales, noise_variance).numel(),
        "noise_variance": float(noise_variance),
    }


def load_dictionary(path: Path, *, device: str = "cpu", dtype: str = "float32") -> torch.Tensor:
    """Dictionary (D, H) of a file as a tensor (see `paperlib.data.readers.read_dictionary`)."""
    return torch.from_numpy(np.ascontiguousarray(read_dictionary(path), dtype=dtype)).to(device)


def choose_device(name: str) -> str:
    """`auto` as `cuda` where there is one, else `cpu`; others as they are if they exist here.

    Raises
    ------
    InputError
        If CUDA is asked for and there is none, or the name is unknown.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"Unknown device {name!r}; choose auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "CUDA was asked for, but PyTorch finds no CUDA device here; use --device cpu or auto."
        )
    return name


def load_checkpoint(path: Path, device: str, processes: Processes = ALONE) -> EMState | None:
    """Training state of a checkpoint, None if there is no file; nothing in it is executed.

    Of the posteriors only the share of this one of `processes` is kept.

    Raises
    ------
    InputError
        If the file is not a checkpoint of training.
    """
    if not path.exists():
        return None
    try:
        state = EMState(**torch.load(path, map_location=device, weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, TypeError, EOFError) as error:
        raise InputError(f"{path} is not a checkpoint of training; remove it to start over.") from error
    state.random_state = state.random_state.cpu()
    share = slice(processes.rank, None, processes.count)
    state.mean, state.std = state.mean[share].contiguous(), state.std[share].contiguous()
    return state


def use_threads(threads: int | None) -> None:
    """Compute on so many threads of the CPU (`paperlib.system.parallel`), or on PyTorch's own choice.

    Raises
    ------
    InputError
        If the number is not positive.
    """
    if threads is not None:
        check_positive(threads=threads)
        torch.set_num_threads(threads)


def _claim(folder: Path, identity: dict, resume: bool) -> None:
    """Create the folder and write `config.json`, or check that it holds this very run."""
    record = folder / "config.json"
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            if left := [name for name in RESULTS if (folder / name).exists()]:
                raise InputError(
                    f"{folder} holds {left[0]} without the config.json it belongs to; name another folder."
                )
            write_atomically(record, lambda path: path.write_text(json.dumps(identity, indent=2)))
            return
    if not resume:
        raise InputError(
            f"{folder} already holds a run; add --resume to go on with it, or name another folder."
        )
    try:
        before = json.loads(record.read_text())
        changed = [key for key, value in identity["config"].items() if before["config"].get(key) != value]
        if before["images"]["sha256"] != identity["images"]["sha256"]:
            changed.append("images")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{record} is not of a run of paperlib; name another folder.") from error
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings ({', '.join(changed)}); resume it with its own, "
            "written in config.json, or name another folder."
        )
    with _explained(folder):
        write_atomically(record, lambda path: path.write_text(json.dumps(before, indent=2)))


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The output folder {folder} cannot be written ({error.strerror}); name another one."
        ) from error


def _write_history(folder: Path, history: list[dict]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in history)
    write_atomically(folder / "history.jsonl", lambda path: path.write_text(lines))


def _write_result(
    folder: Path, result: FitResult, posterior: GaussianPosterior, config: TrainingConfig, identity: dict
) -> dict:
    """Dictionary, picture and, last of all, the metrics that mark the run as finished."""
    dictionary = result.model.dictionary.to("cpu", torch.float32)
    seconds = result.history[-1]["seconds"]
    metrics = {
        **judge(result.stats, posterior, config.seed),
        "seconds": seconds,
        "patches_per_second": config.patches * result.history[-1]["step"] / seconds,
        "device": device_name(config.device),
        "threads": torch.get_num_threads(),
        **identity,
        "versions": versions(),
        "commit": commit(),
        "command": sys.argv[1:],
    }
    write_atomically(folder / "dictionary.npy", lambda path: np.save(path, dictionary.numpy()))
    figure = plot_fields(dictionary, (config.patch_size, config.patch_size))
    write_atomically(folder / "dictionary.png", lambda path: figure.savefig(path, dpi=150))
    write_atomically(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2)))
    return metrics
