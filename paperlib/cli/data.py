"""The commands `paperlib data info` and `paperlib data fetch`: the natural images."""

from __future__ import annotations

from collections import Counter

import click


@click.group()
def data() -> None:
    """Show or fetch the natural images.

    \b
    Examples:
      paperlib data info
      paperlib data info photos
      paperlib data info my_pictures/
      paperlib data fetch
    """


@data.command()
@click.argument("source", required=False)
def info(source: str | None) -> None:
    """Show what the images SOURCE are.

    SOURCE is olshausen, photos, a .npy, .npz or .mat file, or a folder of pictures. Without it: what
    PAPERLIB_IMAGES names, or the cache, the download or the photos, whichever is there first.
    """
    from paperlib.data.download import cache_folder, cached_olshausen
    from paperlib.data.images import load_images

    images = load_images(source)
    counts = Counter(f"{height}×{width}" for height, width in images.shapes)
    sizes = ", ".join(f"{count} of {size}" for size, count in counts.items())
    for name, value in {
        "source": images.source,
        "images": f"{len(images)} ({sizes} pixels)",
        "mean variance": f"{images.mean_variance:.6g}",
        "sha256": images.sha256,
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
