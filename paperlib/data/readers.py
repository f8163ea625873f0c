"""Reading of image files: arrays (.npy, .npz, .mat), folders of pictures, and the embedded photographs.

Pickled objects are never loaded.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Float
from PIL import Image, ImageOps

from paperlib.system.errors import InputError
from paperlib.system.memory import check_memory

logger = logging.getLogger(__name__)

Pixels = Float[np.ndarray, "_ _"]

PHOTOS = (
    ("sklearn", "datasets/images/china.jpg"),  # CC BY 2.0, danielbuechele (flickr)
    ("sklearn", "datasets/images/flower.jpg"),  # CC BY 2.0, vultilion (flickr)
    ("skimage", "data/astronaut.png"),  # public domain, NASA
    ("skimage", "data/brick.png"),  # CC0, CC0Textures
    ("skimage", "data/camera.png"),  # CC0, Lav Varshney
    ("skimage", "data/chelsea.png"),  # CC0, Stéfan van der Walt
    ("skimage", "data/coffee.png"),  # CC0, Rachel Michetti
    ("skimage", "data/grass.png"),  # CC0, linolafett (DeviantArt)
    ("skimage", "data/gravel.png"),  # CC0, CC0Textures
    ("skimage", "data/motorcycle_left.png"),  # Middlebury stereo benchmark 2014
)
"""Photographs of everyday scenes that come with scikit-learn and scikit-image: package, path inside it."""

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}

NUMPY_ADVICE = "write arrays of numbers to it with numpy.save or numpy.savez"

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue in gray (ITU-R BT.709, as in scikit-image)."""


def read_photos() -> list[Pixels]:
    """The embedded photographs `PHOTOS`, gray, between 0 and 1."""
    return [read_picture(_package_folder(package) / path) for package, path in PHOTOS]


@contextmanager
def reading(path: Path, what: str, advice: str) -> Iterator[None]:
    """Whatever is raised inside, an InputError names the file, `what` it should be, and gives `advice`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} cannot be read as {what} ({reason}); {advice}.") from error


def read_folder(folder: Path) -> list[Pixels]:
    """All pictures directly inside a folder, by name, gray, between 0 and 1.

    Passed over are other files, and hidden ones, which macOS leaves beside pictures.
    """
    with reading(folder, "a folder", "check its permissions"):
        paths = sorted(
            path for path in folder.iterdir()
            if path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "." and path.is_file()
        )  # fmt: skip
    if not paths:
        raise InputError(
            f"The folder {folder} holds no pictures; put files there that end in one of "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}."
        )
    return [read_picture(path) for path in paths]


def read_picture(path: Path) -> Pixels:
    """A picture as gray values between 0 and 1 (floating-point pictures keep their range)."""
    if not path.is_file():
        raise InputError(f"There is no picture {path}; reinstall the package it belongs to.")
    with reading(path, "a picture", "replace or remove it"), Image.open(path) as file:
        check_memory(40.0 * math.prod(file.size), f"{path}, of {file.width:,}×{file.height:,} pixels,")
        if (pages := getattr(file, "n_frames", 1)) > 1:
            logger.warning("%s has %d pages, of which only the first is taken.", path, pages)
        picture = _upright(file)
        if picture.mode == "F":
            gray = np.asarray(picture, dtype=np.float64)
        elif picture.mode.startswith("I"):  # 16-bit gray; TIFF has 32 bits, too
            most = 2**31 - 1 if picture.mode == "I" and file.format == "TIFF" else 2**16 - 1
            gray = np.asarray(picture, dtype=np.float64) / most
        else:
            gray = np.asarray(picture.convert("RGB"), dtype=np.float64) @ LUMINANCE / 255
    if not np.isfinite(gray).all():
        raise InputError(f"{path} has NaN or infinite pixels; replace or remove it.")
    if np.ptp(gray) == 0:
        raise InputError(f"{path} is one constant gray and cannot be whitened; remove it.")
    return gray


def _upright(file: Image.Image) -> Image.Image:
    """The picture turned as its camera says; as it is where what the camera says makes no sense."""
    try:
        return ImageOps.exif_transpose(file)
    except Exception:  # a wrong type in EXIF data can raise anything; damaged pixels will do so again
        return file


def read_array_file(path: Path) -> list[np.ndarray]:
    """Images of a .npy, .npz or .mat file, as they are.

    .npy and .npz hold arrays (n, h, w) or single images (h, w); .mat holds IMAGES, or one array of any name,
    (h, w, n) or (h, w).
    """
    arrays = read_arrays(path)
    if path.suffix.lower() != ".mat":
        return [image for array in arrays.values() for image in _split(array, path)]
    name = "IMAGES" if "IMAGES" in arrays else next(iter(arrays)) if len(arrays) == 1 else None
    if name is None:
        held = ", ".join(f"{name} {'×'.join(map(str, a.shape))}" for name, a in arrays.items()) or "none"
        raise InputError(
            f"{path} has no variable IMAGES and not exactly one array of numbers (arrays found: {held}); "
            "save the images, height × width × number, as IMAGES."
        )
    array = arrays[name]
    return _split(array if array.ndim == 2 else np.moveaxis(array, -1, 0), path)


def read_dictionary(path: Path) -> Float[np.ndarray, "D H"]:
    """Dictionary (D, H) of a .npy, .npz or .mat file: the array called `dictionary`, or the only matrix.

    Raises
    ------
    InputError
        If there is no such matrix, or it has NaN, infinite or complex values or a column of zeros.
    """
    arrays = {name: array for name, array in read_arrays(path).items() if array.ndim == 2 and array.size}
    name = "dictionary" if "dictionary" in arrays else next(iter(arrays)) if len(arrays) == 1 else None
    if name is None:
        raise InputError(
            f"{path} holds {len(arrays)} matrices; expected one, features × fields, or one called dictionary."
        )
    dictionary = arrays[name]
    if dictionary.dtype.kind not in "buif" or not np.isfinite(dictionary).all():
        raise InputError(f"{path} holds a dictionary with NaN, infinite or non-real values; mend it first.")
    if not dictionary.any(axis=0).all():
        raise InputError(f"{path} holds a dictionary with a column of zeros; remove that column.")
    return dictionary


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a .npy, .npz or .mat file by name (of .mat files, matrices, stacks of numbers)."""
    reader = {".npy": _read_npy, ".npz": _read_npz, ".mat": _read_mat}.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path} is not a kind of file that can be read; name a .npy, .npz or .mat file, "
            "or for images a folder of pictures."
        )
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    return reader(path)


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    with reading(path, "plain numbers", NUMPY_ADVICE):
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise InputError(f"{path} is not a .npy file, whatever its name says; use numpy.save.")
        return {path.stem: np.load(path, mmap_mode="c", allow_pickle=False)}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a complete .npz file, whatever its name says; use numpy.savez.")
    with reading(path, "plain numbers", NUMPY_ADVICE), np.load(path, allow_pickle=False) as archive:
        check_memory(float(sum(member.file_size for member in archive.zip.infolist())), f"Reading {path}")
        arrays = {name: archive[name] for name in archive.files}
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        start = file.read(520)
    if b"\x89HDF\r\n" in start or b"MATLAB 7.3" in start:
        raise InputError(f"{path} is an HDF5 file, as of MATLAB 7.3; save it with -v7, or as .npy.")
    with reading(path, "a complete .mat file", "fetch or save it again"):
        held = [entry for entry in scipy.io.whosmat(path) if entry[2] in _MATLAB_NUMBERS]
        shapes = {name: shape for name, shape, _ in held if len(shape) in (2, 3)}
        check_memory(8.0 * sum(map(math.prod, shapes.values())), f"Reading {path}")
        names = list(shapes)
        arrays = scipy.io.loadmat(path, variable_names=names)
    return {name: arrays[name] for name in names}


def _split(array: np.ndarray, path: Path) -> list[np.ndarray]:
    """Images of an array (n, h, w) or (h, w)."""
    if array.dtype.kind not in "buif":
        raise InputError(f"{path} holds values of type {array.dtype}; the images must be real numbers.")
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(
            f"{path} holds an array of shape {array.shape}; expected images (n, height, width) or one image "
            "(height, width)."
        )
    return [array] if array.ndim == 2 else list(array)


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None  # paperlib depends on it
    return Path(spec.origin).parent


_MATLAB_NUMBERS = {
    "double", "single", "logical", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
}  # fmt: skip
