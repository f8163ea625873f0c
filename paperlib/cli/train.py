"""The command `paperlib train`: learn a dictionary from image patches (Section 4.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paperlib.cli import options
from paperlib.runs.config import TrainingConfig


@click.command()
@options.images
@options.of_settings(TrainingConfig, without=("device", "n_steps"))
@options.device
@options.threads
@click.option("--out", required=True, type=options.UserPath(), help="Folder for everything written.")
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
    from paperlib.data import load_images
    from paperlib.runs import training
    from paperlib.system.devices import choose_device, use_threads
    from paperlib.system.distributed import launched_processes

    use_threads(threads)
    config = TrainingConfig(device=choose_device(device), **settings)
    config.check()
    with launched_processes(config.device) as processes:
        with processes.together():
            loaded = load_images(images)
        metrics = training.train(config, loaded, out, resume=resume, processes=processes, progress=not quiet)
    if processes.rank > 0:
        return
    click.echo(
        f"ELBO {metrics['elbo']:.3f} nats a patch on {metrics['images']['source']}, "
        f"{metrics['dead_fields']} dead fields, {metrics['seconds']:.1f} s: {click.format_filename(out)}"
    )
