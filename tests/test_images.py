"""Image sources, whitening and patches."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import skimage.color
import skimage.data
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from paperlib.cli.data import data as data_commands
from paperlib.data import Images, PatchSampler, load_images, patches, whiten
from paperlib.data.readers import PHOTOS, read_picture
from paperlib.data.whitening import whitening_filter
from paperlib.system.errors import InputError

RNG = np.random.default_rng(0)
STACK = RNG.standard_normal((3, 20, 24)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_settings(tmp_path, monkeypatch):
    """An empty cache and no named source, whatever the machine is set to."""
    monkeypatch.setenv("PAPERLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PAPERLIB_IMAGES", raising=False)


def _picture(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


# ---------------------------------------------------------------- sources


def test_photos():
    images = load_images("photos")
    assert len(images) == len(PHOTOS) == 10
    assert images.source.startswith("photos")
    assert images.mean_variance == pytest.approx(0.1, rel=1e-5)
    for image in images.pixels:
        assert image.dtype == np.float32
        assert abs(image.mean()) < 1e-6
        assert min(image.shape) >= 300


def test_whitened_photos_have_a_flatter_spectrum_than_the_photos():
    def falloff(picture):
        """Slope of log amplitude over log frequency, between 1/50 and 1/5 cycles per pixel."""
        amplitude = np.abs(np.fft.fft2(picture - picture.mean()))
        frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in picture.shape), indexing="ij"))
        band = (frequency > 0.02) & (frequency < 0.2)
        return np.polyfit(np.log(frequency[band]), np.log(amplitude[band]), 1)[0]

    photo = read_picture(Path(skimage.data.__file__).parent / "camera.png")
    assert falloff(photo) < -0.8
    assert abs(falloff(whitening_filter(photo))) < 0.5


def test_photographs_have_more_than_gaussian_kurtosis_after_whitening():
    pixels = PatchSampler(load_images("photos"), 16).draw(2000).flatten()
    assert stats.kurtosis(pixels.numpy()) > 2


@pytest.mark.parametrize("name", ["images.npy", "images.npz", "images.mat", "named.mat"])
def test_array_files_are_taken_as_they_are(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, STACK)
    elif path.suffix == ".npz":
        np.savez(path, STACK)
    elif name == "images.mat":  # as Olshausen's: number last, and other things beside
        scipy.io.savemat(
            path, {"IMAGES": np.moveaxis(STACK, 0, -1), "other": np.ones((2, 2)), "note": "text"}
        )
    else:
        scipy.io.savemat(path, {"pictures": np.moveaxis(STACK, 0, -1)})
    images = load_images(path)
    assert images.source == f"file {name}"
    np.testing.assert_array_equal(np.stack(images.pixels), STACK)


def test_single_image_and_images_of_different_sizes(tmp_path):
    np.save(tmp_path / "one.npy", STACK[0])
    np.savez(tmp_path / "several.npz", a=STACK, b=STACK[0, :10])
    assert load_images(tmp_path / "one.npy").shapes == ((20, 24),)
    assert load_images(tmp_path / "several.npz").shapes == ((20, 24),) * 3 + ((10, 24),)


def test_folder_of_pictures_is_whitened_in_order_of_names(tmp_path):
    pictures = RNG.integers(0, 256, (2, 30, 40), dtype=np.uint8)
    _picture(tmp_path / "b.png", pictures[1])
    _picture(tmp_path / "A.TIF", pictures[0])
    (tmp_path / "notes.txt").write_text("not a picture")
    images = load_images(str(tmp_path))
    assert images.source == f"folder {tmp_path.name}"
    expected = whiten([picture / 255 for picture in pictures])
    np.testing.assert_allclose(np.stack(images.pixels), np.stack(expected), atol=1e-6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "I;16", "F", "CMYK"])
def test_pictures_of_all_kinds_become_gray(tmp_path, mode):
    color = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(color[..., 0].astype(np.uint16) * 257)
        expected = color[..., 0] / 255
    elif mode == "F":
        picture = Image.fromarray(color[..., 0].astype(np.float32) / 255)
        expected = color[..., 0] / 255
    else:
        picture = Image.fromarray(color).convert(mode)
        expected = skimage.color.rgb2gray(np.asarray(picture.convert("RGB")))
    assert picture.mode == mode
    path = tmp_path / "picture.tif"
    picture.save(path)
    np.testing.assert_allclose(read_picture(path), expected, atol=1e-6)


def test_environment_names_a_source_and_an_argument_overrides_it(tmp_path, monkeypatch):
    np.save(tmp_path / "named.npy", STACK)
    monkeypatch.setenv("PAPERLIB_IMAGES", str(tmp_path / "named.npy"))
    assert load_images().source == "file named.npy"
    assert load_images("photos").source.startswith("photos")


def test_arrays_that_were_not_whitened_are_pointed_out(tmp_path, caplog):
    np.save(tmp_path / "raw.npy", RNG.integers(0, 256, (2, 20, 20), dtype=np.uint8))
    load_images(tmp_path / "raw.npy")
    assert "do not look whitened" in caplog.text


def test_hash_knows_values_shapes_and_order_but_not_the_source():
    images = Images(tuple(STACK), "a")
    assert images.sha256 == Images(tuple(STACK.astype(np.float64)), "b").sha256
    for other in (STACK[::-1], STACK.reshape(3, 24, 20), STACK + np.float32(1e-6), STACK[:2]):
        assert images.sha256 != Images(tuple(other), "a").sha256


def test_description_and_immutability():
    images = Images(tuple(STACK), "made up")
    text = images.describe()
    assert "\n" not in text
    for part in ("made up", "3 images", "20×24", images.sha256[:12]):
        assert part in text
    with pytest.raises(ValueError, match="read-only"):
        images.pixels[0][0, 0] = 1


# ---------------------------------------------------------------- bad sources


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _save(path: Path, array) -> Path:
    np.save(path, array, allow_pickle=True)
    return path


def _mat(path: Path, **variables) -> Path:
    scipy.io.savemat(path, variables)
    return path


def _npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def _damaged(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    return path


def _folder(path: Path, **files: bytes) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name.replace("_", ".")).write_bytes(content)
    return path


def _folder_with(path: Path, pixels: np.ndarray) -> Path:
    _picture(_folder(path) / "picture.tif", pixels)
    return path


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


WITH_NAN = np.where(np.arange(3 * 20 * 24).reshape(3, 20, 24) == 500, np.nan, STACK)

BAD_SOURCES = {
    "unknown name": (lambda d: "olshausn", "no image source olshausn; name olshausen, photos"),
    "no such path": (lambda d: d / "none.npy", "no image source"),
    "other suffix": (lambda d: _write(d / "a.txt", b"text"), "not a kind of file"),
    "text named .npy": (lambda d: _write(d / "a.npy", b"1 2 3"), "not a .npy file, whatever its name says"),
    "text named .npz": (lambda d: _write(d / "a.npz", b"1 2 3"), "not a complete .npz file"),
    "text named .mat": (lambda d: _write(d / "a.mat", b"one two three\n" * 40), "as a complete .mat file"),
    "empty .mat": (lambda d: _write(d / "a.mat", b""), "as a complete .mat file"),
    "pickled .npy": (
        lambda d: _save(d / "a.npy", np.array([Trap(d / "t")])),
        "cannot be read as plain numbers",
    ),
    "bare pickle": (lambda d: _write(d / "a.npy", pickle.dumps(Trap(d / "t"))), "not a .npy file"),
    "pickled .npz": (
        lambda d: _npz(d / "a.npz", x=np.array([Trap(d / "t")])),
        "cannot be read as plain numbers",
    ),
    "text values": (lambda d: _save(d / "a.npy", np.array([["a", "b"]])), "must be real numbers"),
    "complex values": (lambda d: _save(d / "a.npy", 1j * STACK), "must be real numbers"),
    "one dimension": (lambda d: _save(d / "a.npy", np.ones(5)), r"shape \(5,\)"),
    "four dimensions": (lambda d: _save(d / "a.npy", np.ones((2, 2, 2, 2))), r"shape \(2, 2, 2, 2\)"),
    "no images": (lambda d: _save(d / "a.npy", np.ones((0, 5, 5))), r"shape \(0, 5, 5\)"),
    "empty .npz": (lambda d: _npz(d / "a.npz"), "There are no images"),
    "NaN": (lambda d: _save(d / "a.npy", WITH_NAN), "Image 1 .* NaN or infinite"),
    "infinite": (lambda d: _save(d / "a.npy", np.full((4, 4), np.inf)), "NaN or infinite"),
    "too large": (lambda d: _save(d / "a.npy", np.full((4, 4), 1e300)), "NaN or infinite"),
    "truncated .npy": (lambda d: _damaged(_save(d / "a.npy", STACK), 0.5), "cannot be read as plain numbers"),
    "truncated .npz": (lambda d: _damaged(_npz(d / "a.npz", x=STACK), 0.5), "not a complete .npz file"),
    "truncated .mat": (lambda d: _damaged(_mat(d / "a.mat", IMAGES=STACK), 0.5), "as a complete .mat file"),
    "no array in .mat": (lambda d: _mat(d / "a.mat", note="text"), "no variable IMAGES .*arrays found: none"),
    "two in .mat": (lambda d: _mat(d / "a.mat", a=STACK, b=STACK), "arrays found: a 3×20×24, b 3×20×24"),
    "HDF5 .mat": (
        lambda d: _write(d / "a.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(512)),
        "MATLAB 7.3",
    ),
    "empty folder": (lambda d: _folder(d / "f"), "holds no pictures"),
    "folder of texts": (lambda d: _folder(d / "f", a_txt=b"text", b_npy=b"x"), "holds no pictures"),
    "broken picture": (lambda d: _folder(d / "f", a_png=b"text"), "a.png cannot be read as a picture"),
    "constant picture": (
        lambda d: _folder_with(d / "f", np.full((8, 9), 7, np.uint8)),
        "one constant gray and cannot be whitened",
    ),
    "picture with NaN": (
        lambda d: _folder_with(d / "f", np.array([[np.nan, 1], [0, 1]], np.float32)),
        "NaN or infinite pixels",
    ),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_bad_source_has_its_one_sentence(tmp_path, case):
    make, message = BAD_SOURCES[case]
    with pytest.raises(InputError, match=message) as error:
        load_images(make(tmp_path))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    assert not (tmp_path / "t").exists()  # nothing was unpickled


def test_truncated_picture(tmp_path):
    _picture(tmp_path / "a.png", RNG.integers(0, 256, (64, 64), dtype=np.uint8))
    _damaged(tmp_path / "a.png", 0.5)
    with pytest.raises(InputError, match=r"a\.png cannot be read as a picture"):
        load_images(tmp_path)


@pytest.mark.parametrize("pixels", [np.ones(3), np.ones((2, 3, 4)), np.ones((0, 3)), np.array(1.0)])
def test_images_are_pictures(pixels):
    with pytest.raises(InputError, match="has shape"):
        Images((pixels,), "made up")


# ---------------------------------------------------------------- whitening


@pytest.mark.parametrize(("shape", "k"), [((64, 64), (3, 5)), ((48, 64), (0, 9)), ((33, 50), (7, 0))])
def test_gain_of_a_plane_wave_is_the_papers_formula(shape, k):
    rows, columns = np.indices(shape)
    wave = np.cos(2 * np.pi * (k[0] * rows / shape[0] + k[1] * columns / shape[1]) + 0.3)
    radius = np.hypot(k[0] / shape[0], k[1] / shape[1])
    gain = radius * np.exp(-((radius / 0.4) ** 4))
    np.testing.assert_allclose(whitening_filter(5 + wave), gain * wave, atol=1e-13)


def test_square_pictures_are_whitened_as_in_olshausens_script():
    # with frequencies in cycles per picture and f₀ = 0.4·N, on the full, shifted transform
    n = 32
    pictures = RNG.standard_normal((4, n, n)) * np.array([1, 2, 3, 4])[:, None, None]
    fx, fy = np.meshgrid(np.arange(-n / 2, n / 2), np.arange(-n / 2, n / 2))
    rho = np.sqrt(fx**2 + fy**2)
    gain = rho * np.exp(-((rho / (0.4 * n)) ** 4))
    expected = np.stack([np.real(np.fft.ifft2(np.fft.fft2(p) * np.fft.fftshift(gain))) for p in pictures])
    expected *= np.sqrt(0.1) / np.sqrt(expected.var(axis=(1, 2)).mean())
    np.testing.assert_allclose(np.stack(whiten(list(pictures))), expected, atol=1e-12)


# ---------------------------------------------------------------- patches


IMAGES = Images((STACK[0], STACK[1, :10], STACK[2, :, :9]), "made up")


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**70), st.integers(0, 1000))
def test_batches_of_any_size_are_the_patches_drawn_at_once(n, batch_size, seed, start):
    sampler = PatchSampler(IMAGES, (4, 6), seed)
    whole = sampler.draw(n, start)
    batches = list(sampler.batches(n, batch_size, start))
    assert whole.shape == (n, 24) and whole.dtype == torch.float32
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert torch.equal(torch.cat(batches), whole)
    order = np.random.default_rng(0).permutation(n)
    assert torch.equal(PatchSampler(IMAGES, (4, 6), seed).take(start + order), whole[order])


def test_patches_are_pieces_of_the_images_row_by_row():
    sampler = PatchSampler(IMAGES, (4, 6), seed=1)
    image, row, column = sampler.places(np.arange(200))
    for patch, i, r, c in zip(sampler.draw(200), image, row, column, strict=True):
        np.testing.assert_array_equal(patch.reshape(4, 6), IMAGES.pixels[i][r : r + 4, c : c + 6])
    np.testing.assert_array_equal(sampler.counts(200), np.bincount(image, minlength=3))
    assert sampler.counts(200).sum() == 200


def test_every_place_is_equally_likely():
    sampler = PatchSampler(IMAGES, 8, seed=0)
    image, row, column = sampler.places(np.arange(40_000))
    places = np.ravel_multi_index((image, row, column), (3, 20, 24))
    n_places = 13 * 17 + 3 * 17 + 13 * 2
    _, counts = np.unique(places, return_counts=True)
    assert len(counts) == n_places
    assert stats.chisquare(counts).pvalue > 1e-3


def test_patch_may_be_as_large_as_the_image():
    images = Images((STACK[0],), "made up")
    patches = PatchSampler(images, (20, 24)).draw(2)
    np.testing.assert_array_equal(patches[1].reshape(20, 24), STACK[0])


def test_seeds_give_unrelated_places():
    images = Images((RNG.standard_normal((512, 512)),), "made up")

    def places(seed):
        _, row, column = PatchSampler(images, 16, seed).places(np.arange(2000))
        return np.stack([row, column])

    first = places(0)
    assert np.array_equal(first, places(0))
    for seed in (1, 2, 2**64):
        other = places(seed)
        assert (first == other).all(axis=0).sum() < 3
        assert abs(np.corrcoef(np.stack([first[0], other[0]]))[0, 1]) < 0.1


def test_random_numbers_are_split_mix_64():
    # the first outputs for seed 1234567, as published with the reference implementation
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert patches.split_mix(np.uint64(1234567), np.arange(4)).tolist() == expected


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: PatchSampler(IMAGES, 16),
            "16×16 pixels do not fit into image 1 of made up, which has 10×24",
        ),
        (lambda: PatchSampler(IMAGES, 0), "0×0 pixels is empty"),
        (lambda: PatchSampler(IMAGES, 4, seed=-1), "seed is -1"),
        (lambda: PatchSampler(IMAGES, 4).draw(0), "number of patches is 0"),
        (lambda: PatchSampler(IMAGES, 4).counts(-1), "number of patches is -1"),
        (lambda: PatchSampler(IMAGES, 4).draw(1, start=-1), "first patch is number -1"),
        (lambda: PatchSampler(IMAGES, 4).batches(5, 0), "batch size is 0"),
    ],
)
def test_bad_patches(use, message):
    with pytest.raises(InputError, match=message):
        use()


# ---------------------------------------------------------------- command line and the paper's images


def test_data_info(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    result = CliRunner().invoke(data_commands, ["info", str(tmp_path / "a.npy")])
    assert result.exit_code == 0
    images = load_images(tmp_path / "a.npy")
    for part in (
        "file a.npy",
        "3 of 20×24",
        f"{images.mean_variance:.6g}",
        images.sha256,
        str(tmp_path / "cache"),
    ):
        assert part in result.output


def test_data_info_on_a_bad_source():
    result = CliRunner().invoke(data_commands, ["info", "olshausn"])
    assert result.exit_code != 0
    assert isinstance(result.exception, InputError)


def _olshausen() -> Path:
    folder = os.environ.get("PAPERLIB_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data"
    path = Path(folder) / "olshausen_whitened.npy"
    if not path.is_file():
        pytest.skip("the paper's images are not on this machine (folder PAPERLIB_TEST_DATA)")
    return path


def test_the_papers_images():
    images = load_images(_olshausen())
    assert images.shapes == ((512, 512),) * 10
    assert images.mean_variance == pytest.approx(0.0791, abs=5e-5)
    sampler = PatchSampler(images, 16, seed=0)
    assert sampler.counts(51_200).min() > 4700  # 5120 expected, standard deviation 68
    assert stats.kurtosis(sampler.draw(5000).flatten().numpy()) > 2


def test_embedded_photos_resemble_the_papers_images():
    def spectrum(images):
        return torch.linalg.eigvalsh(torch.cov(PatchSampler(images, 16).draw(5000).T.double())).flip(0)

    photos, paper = spectrum(load_images("photos")), spectrum(load_images(_olshausen()))
    ratio = (photos / photos.sum()) / (paper / paper.sum())
    assert ratio[:150].min() > 0.5 and ratio[:150].max() < 2
