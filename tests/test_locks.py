"""One process at a time, files that are whole or missing, memory asked for before it is needed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from paperlib.system.errors import InputError
from paperlib.system.files import read_json, write_atomically, write_json
from paperlib.system.locks import locked
from paperlib.system.memory import check_memory, free_memory

HOLD = """
import sys, time
from pathlib import Path
from paperlib.system.locks import locked
with locked(Path(sys.argv[1]), "the book"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, tmp_path / "lock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_holds_a_lock_and_gets_it_when_that_process_is_killed(holder, tmp_path):
    def take():
        with locked(tmp_path / "lock", "the book"):
            return (tmp_path / "lock").read_text()

    with pytest.raises(InputError, match=rf"at work on the book \(process {holder.pid} on .* since 20"):
        take()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert f"process {os.getpid()} " in take()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"null", b"[1]", b"\xff\x00", b'{"a": 1}', b"[" * 100_000])
def test_json_that_the_program_wrote_counts_as_missing_once_damaged(damage, tmp_path, caplog):
    path = tmp_path / "a.json"
    assert read_json(path) == {} and not caplog.text
    write_json(path, {"a": [1.5, None, "é"]})
    assert read_json(path) == {"a": [1.5, None, "é"]}
    path.write_bytes(damage)
    assert read_json(path) == {} and "counts as missing" in caplog.text


def test_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"number": 1.5})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_json(path) in ({}, {"number": 1.5})  # the latter: a blank between the parts


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_modes_are_those_of_the_user(mask, tmp_path):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", lambda path: path.write_text("a"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


def test_what_killed_writes_left_goes_with_the_next(tmp_path):
    (tmp_path / ".[a]-0123abcd.txt").write_text("half of a fi")
    write_atomically(tmp_path / "[a].txt", lambda path: path.write_text("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["[a].txt"]


def test_memory_that_there_is_not_is_refused_with_both_numbers():
    check_memory(free_memory() / 2, "This")
    with pytest.raises(InputError, match=r"^This needs 72 TiB of memory, and [\d.,]+ [GMT]iB are free"):
        check_memory(72 * 2.0**40, "This")
