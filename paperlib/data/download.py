"""Download of the paper's images: Olshausen & Field's IMAGES.mat, kept in the user's cache.

Nothing enters or leaves the cache unchecked: the file is known by its git blob id.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from paperlib.system.errors import InputError
from paperlib.system.files import write_atomically

FILE_NAME = "IMAGES.mat"
ADVICE = "name a local copy or another source with --images or PAPERLIB_IMAGES (photos needs no network)"

logger = logging.getLogger(__name__)


class DownloadError(InputError):
    """The images could not be downloaded: no answer, a broken connection or a wrong file."""


def cache_folder() -> Path:
    """Folder of downloaded files: PAPERLIB_CACHE, or the user's cache folder on this system."""
    try:
        return Path(os.environ.get("PAPERLIB_CACHE") or pooch.os_cache("paperlib")).expanduser()
    except RuntimeError:  # the user has no home
        return Path(tempfile.gettempdir()) / f"paperlib-{os.getuid()}"


@dataclass
class RemoteFile:
    """A file that is downloaded into the cache, known by its git blob id.

    Parameters
    ----------
    url : str
        Where it is; PAPERLIB_OLSHAUSEN_URL may name a mirror.
    blob_id : str
        That of its content: any other is refused.
    timeout, deadline : float
        Seconds without an answer, and in all, after which to give up.
    limit : int
        Bytes that it has at most.
    failures : dict
        By address what failed in this process, so that the automatic choice waits for each only once.
    """

    url: str
    blob_id: str
    timeout: float = 10.0
    deadline: float = 300.0
    limit: int = 100_000_000
    failures: dict[str, str] = field(default_factory=dict)

    def cached(self) -> Path | None:
        """Its path in the cache; None if it is not there, is not the right one or cannot be read."""
        path = cache_folder() / FILE_NAME
        try:
            return path if path.is_file() and git_blob_id(path.read_bytes()) == self.blob_id else None
        except OSError:
            return None

    def fetch(self, retry: bool = True) -> Path:
        """Its path in the cache, downloaded with a progress bar if it is not there yet.

        Unless `retry`, an address that already failed in this process is not asked again.

        Raises
        ------
        DownloadError
            If there is no answer, the connection breaks, the file is not the expected one (it is not kept
            then) or the cache cannot be written.
        """
        if (cached := self.cached()) is not None:
            return cached
        url = os.environ.get("PAPERLIB_OLSHAUSEN_URL") or self.url
        if url in self.failures and not retry:
            raise DownloadError(self.failures[url])
        try:
            content = self._download(url)
        except DownloadError as error:
            self.failures[url] = str(error)
            raise
        path = cache_folder() / FILE_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda part: part.write_bytes(content))
        except OSError as error:
            raise DownloadError(
                f"The download cannot be written to {path.parent} ({error.strerror or error}); "
                "name a writable folder with PAPERLIB_CACHE."
            ) from error
        return path

    def _download(self, url: str) -> bytes:
        """The content; nothing is written, and no server can hold this up for longer than the deadline."""
        content, problems, end = bytearray(), list[str](), time.monotonic() + self.deadline

        def download() -> None:
            try:
                with requests.get(url, stream=True, timeout=self.timeout) as response:
                    response.raise_for_status()
                    size = response.headers.get("Content-Length", "")
                    total = int(size) if size.isdecimal() else None
                    with tqdm(total=total, desc=FILE_NAME, unit="B", unit_scale=True, leave=False) as bar:
                        for piece in response.iter_content(1 << 16):
                            content.extend(piece)
                            bar.update(len(piece))
                            if len(content) > self.limit or time.monotonic() > end:
                                break
            except Exception as error:  # a server's answer can raise anything
                problems.append(_reason(error, self.timeout))

        thread = threading.Thread(target=download, daemon=True)
        thread.start()
        thread.join(self.deadline)
        found = bytes(content)
        if thread.is_alive() or time.monotonic() > end:
            problems = [f"not there within {self.deadline:g} s"]
        elif len(found) > self.limit:
            problems = [f"more than {self.limit:,} bytes"]
        if problems:
            raise DownloadError(f"{FILE_NAME} could not be downloaded from {url} ({problems[0]}); {ADVICE}.")
        if git_blob_id(found) != self.blob_id:
            raise DownloadError(
                f"The file at {url} is not the expected {FILE_NAME} (git blob id {git_blob_id(found)} "
                f"instead of {self.blob_id}) and was not kept; {ADVICE}."
            )
        return found


OLSHAUSEN = RemoteFile(
    "http://www.rctn.org/bruno/sparsenet/IMAGES.mat", "18a1e3ab1363edeb6132e237dd84f6ea0a5c9cb2"
)


def cached_olshausen() -> Path | None:
    """Path of IMAGES.mat in the cache; None if it is not there or is not the official file."""
    return OLSHAUSEN.cached()


def fetch_olshausen() -> Path:
    """Path of IMAGES.mat in the cache, downloaded if it is not there yet; else a `DownloadError`."""
    return OLSHAUSEN.fetch()


def git_blob_id(content: bytes) -> str:
    """Name git gives to a file of this `content`: SHA-1 over ``blob <size>``, a zero byte and the bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer within {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was refused"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"status {error.response.status_code}"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
