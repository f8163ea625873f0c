"""What holds for every test: types and shapes checked, seeds fixed, one thread, no network."""

from __future__ import annotations

import os
import random
import socket

import matplotlib
import numpy as np
import pytest
import typechecking
from hypothesis import settings
from jaxtyping import install_import_hook

# Kernels of the reference notebooks and commands under test inherit this: the embedded photographs, whatever
# the user's own settings are, and a download that is refused at once.
os.environ.update(
    PAPERLIB_IMAGES="photos",
    PAPERLIB_OLSHAUSEN_URL="http://127.0.0.1:9/IMAGES.mat",
    OMP_NUM_THREADS="1",
    PYDEVD_DISABLE_FILE_VALIDATION="1",
)
if "PAPERLIB_UNTYPED" not in os.environ:  # tests/mutations.py
    install_import_hook("paperlib", "typechecking.checked")
matplotlib.use("Agg")
settings.register_profile("paperlib", deadline=None, derandomize=True)
settings.load_profile("paperlib")


@pytest.fixture(autouse=True)
def seeds():
    """The same global generators and one thread for every test; tests pass their own generators besides."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries under test that use it
    random.seed(0)


@pytest.fixture(autouse=True)
def types_checked():
    """Types and shapes at the first calls of every test."""
    typechecking.start_checking()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory, monkeypatch):
    """A cache of downloads that is empty and nobody's own."""
    monkeypatch.setenv("PAPERLIB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for another machine fails; this machine's own addresses are allowed."""
    local = {"localhost", "127.0.0.1", "::1", "", None}
    getaddrinfo, connect = socket.getaddrinfo, socket.socket.connect

    def checked_getaddrinfo(host, *args, **kwargs):
        if host not in local:
            pytest.fail(f"the test looked up the host {host!r}: tests need no network")
        return getaddrinfo(host, *args, **kwargs)

    def checked_connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in local:
            pytest.fail(f"the test connected to {address[0]!r}: tests need no network")
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", checked_getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", checked_connect)
