"""The commands `paperlib data info` and `paperlib data fetch`."""

from __future__ import annotations

import click


@click.group()
def data() -> None:
    """Show data, or fetch the natural images.

    \b
    Examples:
      paperlib data info
      paperlib data info photos
      paperlib data info wine
      paperlib data info my_pictures/
      paperlib data fetch
    """


@data.command()
@click.argument("source", required=False)
def info(source: str | None) -> None:
    """Show what the data SOURCE are.

    SOURCE is olshausen, photos, a .npy, .npz or .mat file of images, or a folder of pictures; or a matrix: a
    .csv file, or breast_cancer, diabetes, digits, iris or wine. Without it: what PAPERLIB_IMAGES names, or
    the cache, the download or the photos, whichever is there first.
    """
    from paperlib.data.download import cache_folder, cached_olshausen
    from paperlib.data.matrix import load_source

    found = load_source(source)
    for name, value in {
        "source": found.source,
        **found.facts,
        "sha256": found.sha256,
        "cache": cached_olshausen() or f"{cache_folder()} (IMAGES.mat is not there)",
    }.items():
        click.echo(f"{name + ':':<15}{value}")


@data.command()
def fetch() -> None:
    """Download the paper's images, the ten whitened ones of Olshausen & Field, into the cache.

    The cache is PAPERLIB_CACHE or the user's cache folder. The file is checked before it is kept, so
    PAPERLIB_OLSHAUSEN_URL may name any mirror.
    """
    from paperlib.data.download import fetch_olshausen

    click.echo(fetch_olshausen())
