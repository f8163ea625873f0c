"""Options that several commands share."""

from __future__ import annotations

import click

images = click.option(
    "--images",
    metavar="SRC",
    help="olshausen, photos, a .npy, .npz or .mat file, or a folder of pictures. "
    "Default: $PAPERLIB_IMAGES, else the downloaded images, else photos.",
)
device = click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda")
dtype = click.option(
    "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"])
)
threads = click.option(
    "--threads", type=int, help="CPU threads, each with batches of its own (default: one a core)."
)
