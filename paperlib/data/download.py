"""Download of the paper's images: Olshausen & Field's IMAGES.mat, kept in the user's cache.

Nothing enters or leaves the cache unchecked: the file is known by its git blob id.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from paperlib.system.errors import InputError

OLSHAUSEN_URL = "http://www.rctn.org/bruno/sparsenet/IMAGES.mat"
OLSHAUSEN_BLOB_ID = "18a1e3ab1363edeb6132e237dd84f6ea0a5c9cb2"
FILE_NAME = "IMAGES.mat"
TIMEOUT = 10.0
ADVICE = "name a local copy or another source with --images or PAPERLIB_IMAGES (photos needs no network)"

logger = logging.getLogger(__name__)

_failures: dict[str, str] = {}
"""Addresses that already failed in this process, so that the automatic choice waits for each only once."""


class DownloadError(InputError):
    """The images could not be downloaded: no answer, a broken connection or a wrong file."""


def cache_folder() -> Path:
    """Folder of downloaded files: PAPERLIB_CACHE, or the user's cache folder on this system."""
    return Path(os.environ.get("PAPERLIB_CACHE") or pooch.os_cache("paperlib")).expanduser()


def cached_olshausen(blob_id: str | None = None) -> Path | None:
    """Path of IMAGES.mat in the cache; None if it is not there or is not the file of this `blob_id`."""
    path = cache_folder() / FILE_NAME
    return path if path.is_file() and git_blob_id(path) == (blob_id or OLSHAUSEN_BLOB_ID) else None


def fetch_olshausen(
    url: str | None = None, blob_id: str | None = None, timeout: float = TIMEOUT, retry: bool = True
) -> Path:
    """Path of IMAGES.mat in the cache, downloaded with a progress bar if it is not there yet.

    Parameters
    ----------
    url : str, optional
        Where to download from: by default PAPERLIB_OLSHAUSEN_URL (a mirror), or the official address.
    blob_id : str, optional
        Git blob id the file must have, by default the official file's.
    timeout : float
        Seconds without an answer (to connect, or between two pieces) after which to give up.
    retry : bool
        Whether to try again an address that already failed in this process.

    Raises
    ------
    DownloadError
        If there is no answer, the connection breaks, the file is not the expected one (it is not kept then)
        or the cache cannot be written.
    """
    cached = cached_olshausen(blob_id)
    if cached is not None:
        return cached
    url = url or os.environ.get("PAPERLIB_OLSHAUSEN_URL") or OLSHAUSEN_URL
    if url in _failures and not retry:
        raise DownloadError(_failures[url])
    try:
        return _download(url, blob_id or OLSHAUSEN_BLOB_ID, timeout)
    except DownloadError as error:
        _failures[url] = str(error)
        raise


def git_blob_id(path: str | Path) -> str:
    """Name git gives to a file's contents: SHA-1 over ``blob <size>``, a zero byte and the bytes."""
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _download(url: str, blob_id: str, timeout: float) -> Path:
    def download_and_check(url: str, temporary: str, _: pooch.Pooch) -> None:
        # pooch deletes the temporary file if this raises, and moves it into the cache if it does not
        _stream(url, temporary, timeout)
        found = git_blob_id(temporary)
        if found != blob_id:
            raise DownloadError(
                f"The file at {url} is not the expected {FILE_NAME} (git blob id {found} instead of "
                f"{blob_id}) and was not kept; {ADVICE}."
            )

    cache = pooch.create(cache_folder(), base_url="", registry={FILE_NAME: None}, urls={FILE_NAME: url})
    path = cache.abspath / FILE_NAME
    try:
        if path.exists():
            logger.warning("%s is not the expected file and is downloaded again.", path)
            path.unlink()
        return Path(cache.fetch(FILE_NAME, downloader=download_and_check))
    except requests.RequestException as error:
        raise DownloadError(
            f"{FILE_NAME} could not be downloaded from {url} ({_reason(error, timeout)}); {ADVICE}."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"The download cannot be written to {cache.abspath} ({error.strerror or error}); "
            "name a writable folder with PAPERLIB_CACHE."
        ) from error


def _stream(url: str, path: str, timeout: float) -> None:
    with requests.get(url, stream=True, timeout=timeout) as response:
        response.raise_for_status()
        size = int(response.headers.get("Content-Length", 0)) or None
        bar = tqdm(total=size, desc=FILE_NAME, unit="B", unit_scale=True, leave=False)
        with open(path, "wb") as file, bar:
            for piece in response.iter_content(1 << 16):
                file.write(piece)
                bar.update(len(piece))


def _reason(error: requests.RequestException, timeout: float) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer within {timeout:g} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"status {error.response.status_code}"
    return type(error).__name__
