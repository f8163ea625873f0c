"""The command `paperlib`: train, score, reproduce, data.

Bad input ends any command with one line on standard error and exit status 2.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import click

from paperlib.annealing import KINDS
from paperlib.cli_data import data
from paperlib.cli_reproduce import reproduce
from paperlib.data import load_images
from paperlib.errors import InputError
from paperlib.posteriors import FAMILIES

IMAGES_HELP = (
    "olshausen, photos, a .npy, .npz or .mat file, or a folder of pictures. "
    "Default: $PAPERLIB_IMAGES, else the downloaded images, else photos."
)
THREADS_HELP = "CPU threads of one operation; more than one pays only for hundreds of latents."


class OneLineErrors(click.Group):
    """A group whose commands report bad input in one line."""

    def invoke(self, context: click.Context):
        try:
            return super().invoke(context)
        except InputError as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            context.exit(2)


@click.group(cls=OneLineErrors)
@click.version_option(package_name="paperlib")
def main() -> None:
    """Sparse coding with entropy-based ELBOs."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)


@main.command()
@click.option("--images", metavar="SRC", help=IMAGES_HELP)
@click.option("--patch-size", default=16, show_default=True, help="Side of a patch in pixels.")
@click.option("--patches", default=51_200, show_default=True, help="Number of patches, N.")
@click.option("--latents", default=100, show_default=True, help="Number of latents and fields, H.")
@click.option("--posterior", default="diagonal", show_default=True, type=click.Choice(["diagonal"]),
              help="Covariance of the Gaussian posteriors.")  # fmt: skip
@click.option("--annealing", default="none", show_default=True, type=click.Choice(list(KINDS)),
              help="Which entropy is weighted by a schedule (Eq. 17).")  # fmt: skip
@click.option("--epochs", default=10, show_default=True, help="Passes over the patches.")
@click.option("--batch-size", default=128, show_default=True, help="Patches a dictionary step.")
@click.option("--learning-rate", default=0.04, show_default=True, help="First dictionary rate; falls to 0.")
@click.option("--polish", default=30, show_default=True,
              help="Iterations of L-BFGS over all patches after the epochs.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Decides patches, first dictionary and order.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"]))
@click.option("--threads", default=1, show_default=True, help=THREADS_HELP)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for everything written.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def train(
    images: str | None, device: str, threads: int, out: Path, resume: bool, quiet: bool, **settings
) -> None:  # fmt: skip
    """Learn a dictionary from image patches.

    Writes dictionary.npy (float32, features × fields, unit columns, pixels row by row), metrics.json,
    history.jsonl and dictionary.png into the folder --out.

    \b
    Examples:
      paperlib train --out runs/first
      paperlib train --images olshausen --annealing prior --out runs/annealed
      paperlib train --images my_pictures/ --patch-size 12 --latents 64 --out runs/mine
      paperlib train --out runs/first --resume
    """
    from paperlib import runs

    runs.use_threads(threads)
    config = runs.TrainingConfig(device=runs.choose_device(device), **settings)
    config.check()
    metrics = runs.train(config, load_images(images), out, resume=resume, progress=not quiet)
    click.echo(
        f"ELBO {metrics['elbo']:.3f} nats a patch on {metrics['images']['source']}, "
        f"{metrics['dead_fields']} dead fields, {metrics['seconds']:.1f} s: {out}"
    )


@main.command()
@click.argument("dictionary", type=click.Path(path_type=Path), metavar="DICT.{npy,npz,mat}")
@click.option("--images", metavar="SRC", help=IMAGES_HELP)
@click.option("--patches", default=10_240, show_default=True, help="Number of patches.")
@click.option("--seed", default=0, show_default=True, help="Decides which patches.")
@click.option("--posterior", default="diagonal", show_default=True, type=click.Choice(list(FAMILIES)),
              help="Covariance of the Gaussian posteriors.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"]))
@click.option("--threads", default=1, show_default=True, help=THREADS_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(
    dictionary: Path, images: str | None, patches: int, seed: int, posterior: str, device: str, dtype: str,
    threads: int, as_json: bool,
) -> None:  # fmt: skip
    """Judge a dictionary by its ELBO, with one noise variance and one set of prior scales for all patches.

    \b
    Examples:
      paperlib score runs/first/dictionary.npy --seed 1
      paperlib score sparsenet.mat --images olshausen --posterior full --json
    """
    from paperlib import runs

    runs.use_threads(threads)
    fields = runs.load_dictionary(dictionary, device=runs.choose_device(device), dtype=dtype)
    result = runs.score(fields, load_images(images), patches=patches, seed=seed, posterior=posterior)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    terms = result["entropies"]
    click.echo(f"images      {result['images']['source']}, {patches} patches, seed {seed}")
    click.echo(f"ELBO        {result['elbo']:.3f} nats a patch ({posterior} posteriors)")
    click.echo(f"H[q]        {terms['posterior']:.3f}")
    click.echo(f"H[p(z)]     {terms['prior']:.3f}")
    click.echo(f"H[p(x|z)]   {terms['likelihood']:.3f}")
    click.echo(f"Gini        {result['gini']:.3f} ± {result['gini_sd']:.3f}")
    click.echo(f"dead fields {result['dead_fields']} of {result['latents']}")


main.add_command(reproduce)
main.add_command(data)
