"""Reading of image files: arrays (.npy, .npz, .mat), folders of pictures, and the embedded photographs.

Pickled objects are never loaded.
"""

from __future__ import annotations

import importlib.util
import zipfile
import zlib
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError

from paperlib.system.errors import InputError

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

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue in gray (ITU-R BT.709, as in scikit-image)."""


def read_photos() -> list[Pixels]:
    """The embedded photographs `PHOTOS`, gray, between 0 and 1."""
    return [read_picture(_package_folder(package) / path) for package, path in PHOTOS]


def read_folder(folder: Path) -> list[Pixels]:
    """All pictures directly inside a folder, by name, gray, between 0 and 1; other files are passed over."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise InputError(
            f"The folder {folder} holds no pictures; put files there that end in one of "
            f"{', '.join(sorted(PICTURE_SUFFIXES))}."
        )
    return [read_picture(path) for path in paths]


def read_picture(path: Path) -> Pixels:
    """A picture as gray values between 0 and 1 (floating-point pictures keep their range)."""
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode == "F":
                gray = np.asarray(picture, dtype=np.float64)
            elif picture.mode.startswith("I"):  # 16-bit gray
                gray = np.asarray(picture, dtype=np.float64) / (2**16 - 1)
            else:
                gray = np.asarray(picture.convert("RGB"), dtype=np.float64) @ LUMINANCE / 255
    except FileNotFoundError as error:
        raise InputError(f"There is no picture {path}; reinstall the package it belongs to.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}); replace or remove it.") from error
    if not np.isfinite(gray).all():
        raise InputError(f"{path} has NaN or infinite pixels; replace or remove it.")
    if np.ptp(gray) == 0:
        raise InputError(f"{path} is one constant gray and cannot be whitened; remove it.")
    return gray


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
    try:
        with path.open("rb") as file:
            is_numpy = file.read(6) == b"\x93NUMPY"
        array = np.load(path, mmap_mode="c", allow_pickle=False) if is_numpy else None
    except (ValueError, EOFError, OSError) as error:
        raise _unreadable(path, error, "numpy.save") from error
    if array is None:
        raise InputError(f"{path} is not a .npy file, whatever its name says; write it with numpy.save.")
    return {path.stem: array}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a complete .npz file, whatever its name says; use numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error, "numpy.savez") from error


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    try:
        held = scipy.io.whosmat(path)
        names = [name for name, shape, kind in held if kind in _MATLAB_NUMBERS and len(shape) in (2, 3)]
        arrays = scipy.io.loadmat(path, variable_names=names)
    except NotImplementedError as error:
        raise InputError(f"{path} is a MATLAB 7.3 (HDF5) file; save it with -v7, or as .npy.") from error
    except Exception as error:  # scipy raises anything from TypeError to zlib.error on a damaged file
        raise InputError(f"{path} is not a complete .mat file ({error}); fetch or save it again.") from error
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


def _unreadable(path: Path, error: Exception, writer: str) -> InputError:
    return InputError(
        f"{path} cannot be read as plain numbers ({error}); write an array of numbers to it with {writer}."
    )


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None  # paperlib depends on it
    return Path(spec.origin).parent


_MATLAB_NUMBERS = {
    "double", "single", "logical", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
}  # fmt: skip
