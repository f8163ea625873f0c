"""The natural images of the paper's experiments, from one of four sources behind `load_images`.

`olshausen`: the ten whitened images of Olshausen & Field (1996), as in the paper; `photos`: photographs that
come with scikit-learn and scikit-image; a .npy, .npz or .mat file; a folder of pictures.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from paperlib.data.download import OLSHAUSEN, DownloadError, RemoteFile
from paperlib.data.readers import read_array_file, read_folder, read_photos
from paperlib.data.source import Source
from paperlib.data.whitening import whiten
from paperlib.system.errors import InputError

logger = logging.getLogger(__name__)

LIKENESS = 0.9  # correlation of neighboring pixels; of whitened photographs it is about a half


@dataclass(frozen=True, eq=False)
class Images(Source):
    """Whitened images and where they come from.

    `pixels` are at least one array (height, width), finite and not empty, else InputError; sizes may differ,
    and they are kept as read-only float32 arrays.  `source` is in words, e.g. ``olshausen (cache)``.
    """

    pixels: tuple[np.ndarray, ...] = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        pixels = tuple(_checked(image, number, self.source) for number, image in enumerate(self.pixels))
        if not pixels:
            raise InputError(f"There are no images in {self.source}; give at least one.")
        object.__setattr__(self, "pixels", pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of every image."""
        return tuple(image.shape for image in self.pixels)

    @property
    def mean_variance(self) -> float:
        """Variance of the pixels of an image, averaged over images."""
        return float(np.mean([image.var(dtype=np.float64) for image in self.pixels]))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over every image's shape and its pixels as little-endian float32.

        Photographs are decoded and whitened on the spot, so their hash can differ between machines in the
        last bits of the pixels; that of files and of the official images cannot.
        """
        digest = hashlib.sha256()
        for image in self.pixels:
            digest.update(f"{image.shape[0]}x{image.shape[1]}:".encode())
            digest.update(image.astype("<f4", copy=False).tobytes())
        return digest.hexdigest()

    @property
    def facts(self) -> dict[str, str]:
        """Number and sizes of the images, and their mean variance."""
        counts = Counter(f"{height}×{width}" for height, width in self.shapes)
        sizes = ", ".join(f"{count} of {size}" for size, count in counts.items())
        return {"images": f"{len(self)} ({sizes} pixels)", "mean variance": f"{self.mean_variance:.6g}"}

    def describe(self) -> str:
        """One line: source, number and sizes of the images, mean variance, start of the hash."""
        sizes = [f"{height}×{width}" for height, width in sorted(set(self.shapes))]
        size = sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        plural = "" if len(self) == 1 else "s"
        return (
            f"{self.source}: {len(self)} image{plural} of {size} pixels, "
            f"mean variance {self.mean_variance:.4g}, sha256 {self.sha256[:12]}"
        )


def load_images(source: str | Path | None = None, *, official: RemoteFile = OLSHAUSEN) -> Images:
    """Load the images of a source.

    Parameters
    ----------
    source : str or path, optional
        - ``olshausen``: the paper's images, from the user's cache or downloaded into it;
        - ``photos``: photographs that come with scikit-learn and scikit-image, whitened;
        - a .npy or .npz file of images (n, h, w) or (h, w), or a .mat file with IMAGES (h, w, n), taken as
          they are: whitened already;
        - a folder of pictures, whitened.

        Without it PAPERLIB_IMAGES names the source; without both the order is cache, download, ``photos``.
        What was chosen, and why, is logged (the step back to ``photos`` as a warning).
    official : RemoteFile
        Where ``olshausen`` comes from.

    Raises
    ------
    InputError
        If the source does not exist, cannot be read, or holds no usable images.
    """
    source = source or os.environ.get("PAPERLIB_IMAGES")
    if not source:
        return _first_available(official)
    if source in ("photos", "olshausen") and Path(source).exists():
        logger.warning("images: %s are not those of ./%s; name that as ./%s.", source, source, source)
    if source == "photos":
        return _photos()
    if source == "olshausen":
        return _olshausen(official)
    return _from_path(Path(source).expanduser())


def _first_available(official: RemoteFile) -> Images:
    try:
        images = _olshausen(official, retry=False)
    except DownloadError as error:
        logger.warning("images: photos are used instead of olshausen, because: %s", error)
        return _photos()
    logger.info("images: %s are used, because no source is named.", images.source)
    return images


def _olshausen(official: RemoteFile, retry: bool = True) -> Images:
    cached = official.cached()
    path = cached or official.fetch(retry)
    return Images(tuple(read_array_file(path)), f"olshausen ({'cache' if cached else 'download'})")


def _photos() -> Images:
    return Images(tuple(whiten(read_photos())), "photos (scikit-learn, scikit-image)")


def _from_path(path: Path) -> Images:
    if path.is_dir():
        pictures = read_folder(path)
        variances = [picture.var() for picture in pictures]
        if max(variances) > 1e4 * min(variances):
            logger.warning("images: contrasts of the pictures in %s differ by a factor of more than 100; "
                           "they may have different ranges of values.", path)  # fmt: skip
        return Images(tuple(whiten(pictures)), f"folder {path.resolve().name}")
    if path.is_file():
        images = Images(tuple(read_array_file(path)), f"file {path.name}")
        _warn_of_axes(images)
        _warn_if_not_whitened(images)
        return images
    raise InputError(
        f"There is no image source {path}; name olshausen, photos, an existing .npy, .npz or .mat file, "
        "or an existing folder of pictures."
    )


def _warn_of_axes(images: Images) -> None:
    """Of more images than a side has pixels the axes are rather in another order."""
    height, width = images.shapes[0]
    if len(images) > min(height, width):
        logger.warning(
            "images: %s is taken as %d images of %d×%d pixels; an array has to be number × height × width, "
            "in a .mat file height × width × number.", images.source, len(images), height, width,
        )  # fmt: skip


def _warn_if_not_whitened(images: Images) -> None:
    """Whitening removes the mean, and with it that neighbors are alike."""
    power = np.mean([np.square(image.mean(dtype=np.float64)) for image in images.pixels])
    steps = np.mean([np.square(np.diff(image, axis=1)).mean(dtype=np.float64) for image in images.pixels
                     if image.shape[1] > 1] or [np.inf])  # fmt: skip
    if power > images.mean_variance or steps < 2 * (1 - LIKENESS) * images.mean_variance:
        logger.warning(
            "images: %s do not look whitened (their mean is large, or neighboring pixels are alike) and are "
            "taken as they are; to have pictures whitened, name a folder of picture files.",
            images.source,
        )


def _checked(image: np.ndarray, number: int, source: str) -> Float32[np.ndarray, "_ _"]:
    image = np.asarray(image)
    if image.ndim != 2 or image.size == 0:
        raise InputError(f"Image {number} of {source} has shape {image.shape}; expected (height, width).")
    with np.errstate(over="ignore"):  # what overflows float32 is refused below
        pixels = np.array(image, dtype=np.float32, order="C")
    if not np.isfinite(pixels).all():
        raise InputError(
            f"Image {number} of {source} has NaN or infinite pixels (as float32); remove or replace it."
        )
    pixels.flags.writeable = False
    return pixels
