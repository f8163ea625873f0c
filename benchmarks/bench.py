"""Side by side: every way to learn a sparse code, on the same patches, judged by the same held-out ELBO.

`make bench` runs what is missing in benchmarks/results/<profile>.json, a method at a time, so that an
interrupted run goes on.  All methods have one thread; the part `scaling` measures what more of them bring.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import click
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch import Tensor

from paperlib.data import PatchSampler, load_images
from paperlib.inference import fit_posterior
from paperlib.model import normalize_columns
from paperlib.objectives import entropy_elbo
from paperlib.runs import versions, write_atomically
from paperlib.trainers import fit_amortized, fit_em, fit_monte_carlo, fit_paper_em

SKLEARN_BATCH = 256  # its default
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
    alphas: tuple[float, ...]
    repeats: int


PROFILES = {
    "quick": Profile(8, 4_000, 36, 3, 2_000, (0.05, 0.2), repeats=1),
    "full": Profile(16, 51_200, 100, 10, 5_120, (0.05, 0.1, 0.2, 0.4), repeats=3),
}


@click.command()
@click.option("--profile", default="full", show_default=True, type=click.Choice(list(PROFILES)))
@click.option("--images", default=None, help="As of `paperlib train`.")
def main(profile: str, images: str | None) -> None:
    """Run the methods and measurements that results/PROFILE.json lacks."""
    torch.set_num_threads(1)
    sizes, source = PROFILES[profile], load_images(images)
    x = PatchSampler(source, sizes.patch_size, seed=0).draw(sizes.patches)
    x_test = PatchSampler(source, sizes.patch_size, seed=1).draw(sizes.test_patches)
    setting = {"sizes": asdict(sizes), "images": source.describe(), "machine": machine()}
    path = RESULTS / f"{profile}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if json.loads(json.dumps(setting)) != {key: results.get(key) for key in setting}:
        results = setting | {"date": date.today().isoformat(), "versions": versions(), "methods": {}}
    for name, learn in methods(x, sizes).items():
        if name not in results["methods"]:
            click.echo(name)
            results["methods"][name] = run(learn, x_test)
            save(path, results)
    for name, measure in {"scaling": scaling, "ceilings": ceilings}.items():
        if name not in results:
            click.echo(name)
            results[name] = measure(x, sizes)
            save(path, results)


def methods(x: Tensor, sizes: Profile) -> dict[str, Callable[[], Curve]]:
    """Name → function that learns and yields its dictionaries on the way."""
    epochs, latents = sizes.epochs, sizes.latents

    def trainer(fit, **options):
        return lambda: learn_with(fit, x, latents, **options)

    found = {
        "EM, diagonal": trainer(fit_em, n_epochs=epochs),
        "EM, diagonal, 1 epoch": trainer(fit_em, n_epochs=1, polish=5),
        "EM, diagonal, 2 epochs": trainer(fit_em, n_epochs=2, polish=10),
        "EM, diagonal, 3 epochs": trainer(fit_em, n_epochs=3, polish=20),
        "EM, diagonal, 5 epochs": trainer(fit_em, n_epochs=5, polish=0),
        "EM, diagonal, 3 times the epochs": trainer(fit_em, n_epochs=3 * epochs),
        "EM, full covariances, 1 epoch": trainer(fit_em, family="full", n_epochs=1, polish=0),
        "paper's EM": trainer(fit_paper_em, n_epochs=epochs),
        "paper's EM, prior annealing": trainer(fit_paper_em, n_epochs=epochs, annealing="prior"),
        "Monte Carlo": trainer(fit_monte_carlo, n_epochs=epochs),
        "amortised": trainer(fit_amortized, n_epochs=epochs),
        "semi-amortised": trainer(fit_amortized, n_epochs=epochs, refinement_steps=5),
    }
    for alpha in sizes.alphas:
        found[f"scikit-learn, alpha = {alpha}"] = lambda alpha=alpha: learn_with_sklearn(x, latents, alpha)
    return found


def learn_with(fit: Callable, x: Tensor, n_latents: int, **options) -> Curve:
    """Dictionaries after every epoch and at the end; the time of keeping them is not counted."""
    points = []

    def keep(state) -> None:
        dictionary = state.model.dictionary if hasattr(state, "model") else state.dictionary
        points.append((state.history[-1]["seconds"], normalize_columns(dictionary.detach().clone())))

    result = fit(
        x, n_latents, generator=torch.Generator().manual_seed(0), callback=keep, progress=False, **options
    )
    yield from points
    yield result.history[-1]["seconds"], result.model.dictionary


def learn_with_sklearn(
    x: Tensor, n_latents: int, alpha: float, epochs: int = 3, batch_size: int = 256
) -> Curve:
    """MiniBatchDictionaryLearning, three epochs; its penalty alpha is what the user would have to search."""
    learner = MiniBatchDictionaryLearning(
        n_latents, alpha=alpha, batch_size=SKLEARN_BATCH, fit_algorithm="cd", random_state=0
    )
    seconds = 0.0
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch))
        started = time.perf_counter()
        for index in order.split(SKLEARN_BATCH):
            learner.partial_fit(x[index].numpy())
        seconds += time.perf_counter() - started
        fields = torch.from_numpy(learner.components_).to(x).T
        yield seconds, normalize_columns(fields + 1e-12 * torch.ones_like(fields))


def run(learn: Callable[[], Curve], x_test: Tensor) -> dict:
    """Held-out ELBO over seconds, with diagonal posteriors and at the end with full ones as well."""
    points = list(learn())  # first, so that judging does not warm or cool the machine in between
    curve = [
        {"seconds": round(seconds, 3), "elbo": held_out(x_test, dictionary, "diagonal")}
        for seconds, dictionary in points
    ]
    return {"curve": curve, "full_elbo": held_out(x_test, points[-1][1], "full")}


def held_out(x_test: Tensor, dictionary: Tensor, family: str) -> float:
    return round(float(entropy_elbo(fit_posterior(x_test, dictionary, family)[1])), 4)


def scaling(x: Tensor, sizes: Profile) -> list[dict]:
    """Seconds of one epoch of EM over N, H, posteriors and threads, without what comes after the epochs."""
    base = {"n": sizes.patches, "h": sizes.latents, "family": "diagonal", "threads": 1}
    small = sizes.patches // 8
    varied = [
        {}, {"n": sizes.patches // 2}, {"n": sizes.patches // 4},
        {"n": small, "h": sizes.latents // 2}, {"n": small}, {"n": small, "h": 2 * sizes.latents},
        {"n": small, "threads": 2},
        {"n": small, "family": "full"}, {"n": small, "family": "full", "threads": 2},
    ]  # fmt: skip
    return [row | {"seconds": epoch_seconds(x, row, sizes.repeats)} for row in (base | v for v in varied)]


def epoch_seconds(x: Tensor, row: dict, repeats: int) -> float:
    """Median over repeats of an epoch that is not the first."""
    torch.set_num_threads(row["threads"])
    times: list[float] = []

    def keep(state) -> None:
        times.append(state.history[-1]["seconds"])

    fit_em(x[: row["n"]], row["h"], family=row["family"], n_epochs=repeats + 1, polish=0, callback=keep,
           generator=torch.Generator().manual_seed(0), progress=False)  # fmt: skip
    torch.set_num_threads(1)
    return round(float(torch.tensor(times).diff().median()), 4)


def ceilings(x: Tensor, sizes: Profile) -> dict:
    """What this machine can do with one thread: products of matrices, and copies in memory."""
    matrix, block = torch.randn(1024, 1024), torch.randn(2**25)
    return {
        "flops": 2 * 1024**3 / best_seconds(lambda: matrix @ matrix),
        "bytes_per_second": 2 * 4 * 2**25 / best_seconds(lambda: block.clone()),
    }


def best_seconds(operation: Callable[[], object], repeats: int = 10) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        operation()
        times.append(time.perf_counter() - started)
    return min(times)


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "cores": len(names) or None}


def save(path: Path, results: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda part: part.write_text(json.dumps(results, indent=1)))


if __name__ == "__main__":
    main()
