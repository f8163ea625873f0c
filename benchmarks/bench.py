"""Side by side: every way to learn a sparse code, on the same patches, judged by the same held-out ELBO.

`make bench` runs what results/<profile>.json lacks, a method at a time.  An interrupted run goes on: until
everything is there, results are kept beside that file in <profile>.part.json.  All methods have one thread;
`scaling` measures what more of them bring.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median

import click
import torch
from exactness import exactness
from scaling import measure_ceilings, scaling, threads
from threadpoolctl import threadpool_limits
from torch import Tensor

from paperlib.data import Images, PatchSampler, load_images
from paperlib.elbo.history import Snapshot
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.trainers import fit_amortized, fit_em
from paperlib.papers.sparse_codes.learners.monte_carlo import fit_monte_carlo
from paperlib.papers.sparse_codes.learners.paper_em import fit_paper_em
from paperlib.papers.sparse_codes.learners.scikit_learn import learn_minibatch_dictionary
from paperlib.papers.sparse_codes.learners.sparsenet import fit_sparsenet
from paperlib.system.files import write_atomically
from paperlib.system.provenance import commit, versions

SKLEARN_EPOCHS = 3  # the third gains next to nothing
SPARSENET_BATCH = 100  # the original's
SPARSENET_EPOCHS = 20  # worth of patches: in the full profile about 10,000 batches, the original's number
REPEAT_WITHIN = 60.0  # seconds: a method that has taken longer is not run again
RESULTS = Path(__file__).parent / "results"
Curve = Iterator[tuple[float, Tensor]]  # seconds of learning so far, dictionary (D, H)


@dataclass(frozen=True)
class Profile:
    """Sizes of a benchmark."""

    patch_size: int
    patches: int
    latents: int
    epochs: int
    test_patches: int
    exact_patches: int  # on which Newton's E-step is checked
    alphas: tuple[float, ...]  # of scikit-learn
    patch_sizes: tuple[int, ...]  # of the scaling in D
    repeats: int


PROFILES = {
    "quick": Profile(8, 4_000, 36, 3, 2_000, 2_000, (0.05, 0.2), (6, 8), repeats=1),
    "full": Profile(16, 51_200, 100, 10, 5_120, 10_240, (0.02, 0.05, 0.1), (8, 12, 16), repeats=3),
}


@click.command()
@click.option("--profile", default="full", show_default=True, type=click.Choice(list(PROFILES)))
@click.option("--images", default=None, help="As of `paperlib train`.")
def main(profile: str, images: str | None) -> None:
    """Run the methods and measurements that results/PROFILE.json lacks."""
    torch.set_num_threads(1)
    sizes, source = PROFILES[profile], load_images(images)
    stamp = {"commit": commit(), "date": date.today().isoformat()}
    path = RESULTS / f"{profile}.json"
    part = path.with_suffix(".part.json")  # not tracked, so that the commit stays that of a clean checkout

    def draw(n: int, patch_size: int = sizes.patch_size, seed: int = 0) -> Tensor:
        return PatchSampler(source, patch_size, seed).draw(n)

    x, x_test = draw(sizes.patches), draw(sizes.test_patches, seed=1)
    found = methods(x, source, sizes)
    setting = {
        "profile": profile, "sizes": asdict(sizes), "images": source.describe(), "machine": machine(),
        "versions": versions() | {"scikit-learn": version("scikit-learn")},
    }  # fmt: skip
    results = begin(part if part.exists() else path, setting, list(found))
    for name, learn in found.items():
        if name not in results["methods"]:
            click.echo(name)
            results["methods"][name] = run(learn, x_test, sizes.repeats) | stamp
            save(part, results)
    measurements = {
        "ceilings": lambda: {"rows": measure_ceilings()},
        "scaling": lambda: {"rows": scaling(draw, sizes, results["ceilings"]["rows"], click.echo)},
        "exactness": lambda: all_cores(
            exactness, x, draw(sizes.exact_patches, seed=1), sizes.latents, sizes.epochs
        ),
    }
    for name, measure in measurements.items():
        if name not in results:
            click.echo(name)
            results[name] = measure() | stamp
            save(part, results)
    save(path, results)
    part.unlink(missing_ok=True)


def begin(path: Path, setting: dict, names: list[str]) -> dict:
    """Results of these methods so far; none of another setting."""
    results = json.loads(path.read_text()) if path.exists() else {}
    if json.loads(json.dumps(setting)) != {key: results.get(key) for key in setting}:
        return setting | {"methods": {}}
    return results | {"methods": {name: row for name, row in results["methods"].items() if name in names}}


def methods(x: Tensor, images: Images, sizes: Profile) -> dict[str, Callable[[], Curve]]:
    """Name → function that learns and yields its dictionaries on the way."""
    epochs, latents = sizes.epochs, sizes.latents

    def trainer(fit, **options):
        return lambda: learn_with(fit, x, latents, **options)

    found = {
        "EM, diagonal": trainer(fit_em, n_epochs=epochs),
        "EM, diagonal, 5 epochs": trainer(fit_em, n_epochs=5, polish=0),
        "EM, diagonal, 3 times the epochs": trainer(fit_em, n_epochs=3 * epochs),
        "EM, full covariances": trainer(fit_em, n_epochs=epochs, family="full"),
        "paper's EM": trainer(fit_paper_em, n_epochs=epochs),
        "paper's EM, prior annealing": trainer(fit_paper_em, n_epochs=epochs, annealing="prior"),
        "Monte Carlo": trainer(fit_monte_carlo, n_epochs=epochs),
        "amortised": trainer(fit_amortized, n_epochs=epochs),
        "semi-amortised": trainer(fit_amortized, n_epochs=epochs, refinement_steps=5),
    }
    for alpha in sizes.alphas:
        found[f"scikit-learn, alpha = {alpha}"] = lambda alpha=alpha: learn_with_sklearn(x, latents, alpha)
    found["sparsenet"] = lambda: learn_with_sparsenet(images, sizes)
    return found


def learn_with(fit: Callable, x: Tensor, n_latents: int, **options) -> Curve:
    """Dictionaries after every epoch and at the end; the time of keeping them is not counted."""
    points = []

    def keep(now: Snapshot) -> None:
        points.append((now.history[-1]["seconds"], normalize_columns(now.dictionary.detach().clone())))

    result = fit(
        x, n_latents, generator=torch.Generator().manual_seed(0), callback=keep, progress=False, **options
    )
    yield from points
    yield result.history[-1]["seconds"], result.model.dictionary


def learn_with_sklearn(x: Tensor, n_latents: int, alpha: float) -> Curve:
    """MiniBatchDictionaryLearning on one thread; its penalty alpha is what the user would have to search."""
    points, started = [], time.perf_counter()

    def keep(now: Snapshot) -> None:
        points.append((time.perf_counter() - started, now.dictionary))

    with threadpool_limits(1):  # NumPy's threads, which PyTorch's setting does not reach
        learn_minibatch_dictionary(x, n_latents, alpha=alpha, n_epochs=SKLEARN_EPOCHS, callback=keep)
    yield from points


def learn_with_sparsenet(images: Images, sizes: Profile) -> Curve:
    """Olshausen & Field's algorithm with the original settings; it draws patches of the images by itself."""
    n_batches = SPARSENET_EPOCHS * sizes.patches // SPARSENET_BATCH
    points, started = [], time.perf_counter()

    def keep(now: Snapshot) -> None:
        if now.step % (n_batches // SPARSENET_EPOCHS) == 0:
            points.append((time.perf_counter() - started, now.dictionary))

    fit_sparsenet(
        images, sizes.patch_size, sizes.latents, n_batches=n_batches, batch_size=SPARSENET_BATCH,
        generator=torch.Generator().manual_seed(0), callback=keep,
    )  # fmt: skip
    yield from points


def run(learn: Callable[[], Curve], x_test: Tensor, repeats: int) -> dict:
    """Held-out ELBO over seconds, with diagonal posteriors and at the end with full ones as well.

    Repeats have the same seed and so the same dictionaries: the first is judged, and `repeat_difference` is
    the largest difference of the others' last ELBOs from its last one.  Seconds are medians over repeats.
    """
    runs = [list(learn())]  # learning first, so that judging does not warm or cool the machine in between
    while len(runs) < repeats and sum(points[-1][0] for points in runs) < REPEAT_WITHIN:
        runs.append(list(learn()))
    seconds = [median(times) for times in zip(*([s for s, _ in points] for points in runs), strict=True)]
    elbos = [held_out(x_test, dictionary, "diagonal") for _, dictionary in runs[0]]
    others = [held_out(x_test, points[-1][1], "diagonal") for points in runs[1:]]
    return {
        "curve": [{"seconds": round(s, 3), "elbo": elbo} for s, elbo in zip(seconds, elbos, strict=True)],
        "full_elbo": held_out(x_test, runs[0][-1][1], "full"),
        "repeats": len(runs),
        "repeat_seconds": [round(points[-1][0], 3) for points in runs],
        "repeat_difference": max((abs(elbo - elbos[-1]) for elbo in others), default=0.0),
    }


def held_out(x_test: Tensor, dictionary: Tensor, family: str) -> float:
    stats = all_cores(fit_posterior, x_test, dictionary, family)[1]
    return round(float(entropy_elbo(stats)), 4)


def all_cores(function: Callable, *arguments):
    """What is not timed may use the whole machine."""
    with threads(os.cpu_count() or 1):
        return function(*arguments)


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "cores": len(names) or None}


def save(path: Path, results: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda part: part.write_text(json.dumps(results, indent=1)))


if __name__ == "__main__":
    main()
