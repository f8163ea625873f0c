"""The command `paperlib score`: judge any dictionary by its ELBO (Table 1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from paperlib.cli import options


@click.command("score")
@click.argument("dictionary", type=options.UserPath(), metavar="DICT.{npy,npz,mat}")
@options.images
@click.option("--patches", "n_patches", default=10_240, show_default=True, help="Number of patches.")
@click.option("--seed", default=0, show_default=True, help="Decides which patches.")
@click.option("--posterior", "family", default="diagonal", show_default=True,
              type=click.Choice(["diagonal", "low-rank", "full"]),
              help="Covariance of the Gaussian posteriors.")  # fmt: skip
@options.device
@options.dtype
@options.threads
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score_command(
    dictionary: Path,
    images: str | None,
    device: str,
    dtype: str,
    threads: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Judge a dictionary by its ELBO, with one noise variance and one set of prior scales for all patches.

    \b
    Examples:
      paperlib score runs/first/dictionary.npy --seed 1
      paperlib score sparsenet.mat --images olshausen --posterior full --json
    """
    from paperlib.data import load_images
    from paperlib.runs.scoring import load_dictionary, score
    from paperlib.system.devices import choose_device, use_threads

    use_threads(threads)
    fields = load_dictionary(dictionary, device=choose_device(device), dtype=dtype)
    result = score(fields, load_images(images), **settings)
    click.echo(json.dumps(result, indent=2) if as_json else _as_text(result))


def _as_text(result: dict) -> str:
    terms = result["entropies"]
    return f"""\
images      {result["images"]["source"]}, {result["patches"]} patches, seed {result["seed"]}
ELBO        {result["elbo"]:.3f} nats a patch ({result["posterior"]} posteriors)
H[q]        {terms["posterior"]:.3f}
H[p(z)]     {terms["prior"]:.3f}
H[p(x|z)]   {terms["likelihood"]:.3f}
Gini        {result["gini"]:.3f} ± {result["gini_sd"]:.3f}
dead fields {result["dead_fields"]} of {result["latents"]}"""
