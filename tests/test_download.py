"""The download path, against a server on this machine that serves a made-up IMAGES.mat well or badly."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import scipy.io

from paperlib.data import load_images
from paperlib.data.download import DownloadError, RemoteFile, cache_folder, git_blob_id

IMAGES = np.random.default_rng(0).standard_normal((40, 48, 3))


def _mat_bytes() -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"IMAGES": IMAGES})
    return buffer.getvalue()


CONTENT = _mat_bytes()
BLOB_ID = hashlib.sha1(b"blob " + str(len(CONTENT)).encode() + b"\0" + CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT in the way the address names."""

    def do_GET(self):
        self.server.requests.append(self.path)
        behave = getattr(self, self.path.strip("/"), None)
        if behave is None:
            self.send_error(404)
        else:
            with contextlib.suppress(OSError):  # the other side hangs up
                behave()

    def right(self):
        self._head(len(CONTENT))
        self.wfile.write(CONTENT)

    def wrong(self):
        self._head(len(CONTENT))
        self.wfile.write(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))

    def cut(self):
        self._head(len(CONTENT))
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def cut_without_length(self):
        self._head(None)
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def endless(self):
        self._head(None)
        while not self.server.finished.wait(0.001):
            self.wfile.write(bytes(1 << 16))

    def bomb(self):
        self._head(None, "Content-Encoding: gzip")
        self.wfile.write(gzip.compress(bytes(10_000_000)))

    def trickle(self):
        self._head(len(CONTENT))
        while not self.server.finished.wait(0.05):
            self.wfile.write(b"x")

    def endless_head(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while not self.server.finished.wait(0.05):
            self.wfile.write(b"x")

    def malformed_length(self):
        self._head("abc")
        self.wfile.write(CONTENT[:99])

    def malformed_redirect(self):
        self.send_response(302)
        self.send_header("Location", "http://[::bad")
        self.end_headers()

    def to_a_file(self):
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.end_headers()

    def silent(self):
        self.server.finished.wait(30)

    def stalled(self):
        self.cut()
        self.server.finished.wait(30)

    def _head(self, length, *more):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for line in more:
            self.send_header(*line.split(": "))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.finished = [], threading.Event()
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.finished.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def address(server, tmp_path, monkeypatch):
    """Address of the server; the cache is a new folder."""
    monkeypatch.setenv("PAPERLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("PAPERLIB_IMAGES", raising=False)
    monkeypatch.delenv("PAPERLIB_OLSHAUSEN_URL", raising=False)
    return f"http://127.0.0.1:{server.server_port}"


def remote(url, **options):
    """The made-up file, with little patience."""
    return RemoteFile(url, BLOB_ID, **{"timeout": 0.3, "deadline": 0.6, "limit": 1_000_000, **options})


def _kept() -> list[str]:
    return [path.name for path in cache_folder().iterdir()] if cache_folder().exists() else []


def test_right_file_is_kept_and_used_again_without_asking_the_server(address, server):
    official = remote(f"{address}/right")
    first, second = (load_images(official=official) for _ in range(2))
    assert (first.source, second.source) == ("olshausen (download)", "olshausen (cache)")
    assert server.requests == ["/right"]
    assert _kept() == ["IMAGES.mat"]
    assert first.sha256 == second.sha256
    for image, expected in zip(first.pixels, np.moveaxis(IMAGES, -1, 0), strict=True):
        np.testing.assert_array_equal(image, expected.astype(np.float32))


def test_progress_is_shown(address, capfd):
    remote(f"{address}/right").fetch()
    assert "%|" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        ("wrong", "is not the expected IMAGES.mat"),
        ("cut", "the connection was cut"),
        ("cut_without_length", "is not the expected IMAGES.mat"),
        ("silent", "no answer within 0.3 s"),
        ("stalled", "no answer within 0.3 s"),
        ("missing", "status 404"),
        ("endless", "more than 1,000,000 bytes|not there within 0.6 s"),
        ("bomb", "more than 1,000,000 bytes"),
        ("trickle", "not there within 0.6 s"),
        ("endless_head", "not there within 0.6 s"),
        ("malformed_length", "not the expected|cut"),
        ("malformed_redirect", "could not be downloaded"),
        ("to_a_file", "could not be downloaded"),
    ],
)
def test_bad_download_is_refused_and_leaves_nothing_behind(address, behavior, reason):
    with pytest.raises(DownloadError, match=reason) as refusal:
        remote(f"{address}/{behavior}").fetch()
    assert _kept() == []
    assert "--images" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_no_connection(address, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match="no connection"):
        remote(f"{address}/right").fetch()


def test_damaged_file_in_the_cache_is_replaced(address):
    official = remote(f"{address}/right")
    path = official.fetch()
    path.write_bytes(CONTENT[:100])
    assert official.cached() is None
    assert official.fetch() == path
    assert path.read_bytes() == CONTENT


def test_without_a_named_source_a_failed_download_leads_visibly_to_the_photos_and_is_not_retried(
    address, server, caplog
):
    official = remote(f"{address}/wrong")
    assert load_images(official=official).source.startswith("photos")
    assert "photos are used instead of olshausen, because" in caplog.text
    assert load_images(official=official).source.startswith("photos")
    assert server.requests == ["/wrong"]


def test_a_named_source_is_never_replaced_and_always_retried(address, server):
    official = remote(f"{address}/wrong")
    for _ in range(2):
        with pytest.raises(DownloadError):
            load_images("olshausen", official=official)
    assert server.requests == ["/wrong", "/wrong"]


def test_cache_that_cannot_be_written(address, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("PAPERLIB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadError, match="PAPERLIB_CACHE"):
        remote(f"{address}/right").fetch()


def test_a_mirror_can_be_named(address, monkeypatch):
    monkeypatch.setenv("PAPERLIB_OLSHAUSEN_URL", f"{address}/right")
    assert remote(f"{address}/missing").fetch().read_bytes() == CONTENT


def test_blob_id_is_gits(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert git_blob_id(CONTENT) == BLOB_ID
    try:
        answer = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    assert answer.stdout.strip() == BLOB_ID
