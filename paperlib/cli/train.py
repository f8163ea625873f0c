"""The command `paperlib train`: learn a dictionary from image patches (Section 4.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paperlib.cli import options


@click.command()
@options.images
@click.option("--patch-size", default=16, show_default=True, help="Side of a patch in pixels.")
@click.option("--patches", default=51_200, show_default=True, help="Number of patches, N.")
@click.option("--latents", default=100, show_default=True, help="Number of latents and fields, H.")
@click.option("--posterior", default="diagonal", show_default=True, type=click.Choice(["diagonal", "full"]),
              help="Covariance of the Gaussian posteriors.")  # fmt: skip
@click.option("--annealing", default="none", show_default=True,
              type=click.Choice(["none", "prior", "likelihood", "energy"]),
              help="Which entropy is weighted by a schedule (Eq. 17).")  # fmt: skip
@click.option("--epochs", default=10, show_default=True, help="Passes over the patches.")
@click.option("--batch-size", default=256, show_default=True, help="Patches a dictionary step.")
@click.option("--learning-rate", default=0.2, show_default=True, help="First dictionary rate; falls to 0.")
@click.option("--polish", type=int, help="Iterations of L-BFGS over all patches after the epochs "
              "(default: 20 with diagonal posteriors, 5 with full ones).")  # fmt: skip
@click.option("--fresh", is_flag=True, help="New patches in every epoch: --patches bounds the memory, not N.")
@click.option("--reseed", is_flag=True, help="Between epochs, give dead fields a new direction.")
@click.option("--seed", default=0, show_default=True, help="Decides patches, first dictionary and order.")
@options.device
@options.dtype
@options.threads
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for everything written.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def train(
    images: str | None,
    device: str,
    threads: int | None,
    out: Path,
    resume: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Learn a dictionary from image patches.

    Writes dictionary.npy (float32, features × fields, unit columns, pixels row by row), metrics.json,
    history.jsonl and dictionary.png into the folder --out.

    \b
    Examples:
      paperlib train --out runs/first
      paperlib train --images olshausen --annealing prior --out runs/annealed
      paperlib train --images my_pictures/ --patch-size 12 --latents 64 --out runs/mine
      paperlib train --posterior full --out runs/exact
      paperlib train --fresh --patches 100_000 --epochs 1000 --out runs/endless
      paperlib train --out runs/first --resume
      torchrun --standalone --nproc-per-node=4 --max-restarts=3 -m paperlib train --out runs/b --resume
    """
    from paperlib import runs
    from paperlib.data import load_images
    from paperlib.system.distributed import launched_processes

    runs.use_threads(threads)
    config = runs.TrainingConfig(device=runs.choose_device(device), **settings)
    config.check()
    with launched_processes(config.device) as processes:
        metrics = runs.train(
            config, load_images(images), out, resume=resume, processes=processes, progress=not quiet
        )
    if processes.rank > 0:
        return
    click.echo(
        f"ELBO {metrics['elbo']:.3f} nats a patch on {metrics['images']['source']}, "
        f"{metrics['dead_fields']} dead fields, {metrics['seconds']:.1f} s: {out}"
    )
