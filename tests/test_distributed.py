"""Data-parallel training gives one process's numbers, and goes on after a process is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from paperlib.cli import main
from paperlib.system.distributed import ALONE, Processes

TRAIN = [
    "train", "--images", "photos", "--patch-size", "6", "--patches", "2001",
    "--latents", "20", "--epochs", "8", "--polish", "4", "--quiet", "--threads", "1",
]  # fmt: skip
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]


def history(folder):
    return [json.loads(line)["elbo"] for line in (folder / "history.jsonl").read_text().splitlines()]


def test_two_processes_have_the_numbers_of_one_also_where_one_is_killed_and_started_again(tmp_path):
    alone, folder = tmp_path / "alone", tmp_path / "run"
    run = subprocess.Popen(
        [sys.executable, *TORCHRUN, "-m", "paperlib", *TRAIN, "--out", folder, "--resume"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (folder / "checkpoint.pt").exists():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.005)
    assert not (folder / "metrics.json").exists()
    os.kill(int(workers(run.pid)[-1]), signal.SIGKILL)
    main([*TRAIN, "--out", str(alone)], standalone_mode=False)
    _, messages = run.communicate(timeout=120)
    assert run.returncode == 0, messages
    assert "SIGKILL" in messages or "-9" in messages
    assert history(folder) == pytest.approx(history(alone), abs=1e-3)
    checkpoints = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (alone, folder))
    one, two = (checkpoint["mean"] for checkpoint in checkpoints)
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)  # in the order of the patches


def workers(pid):
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()


def test_every_point_belongs_to_one_process():
    points = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    shares = [Processes(rank, 3).own(points) for rank in range(3)]
    owned = [rank + 3 * place for rank, share in enumerate(shares) for place in share.tolist()]
    assert sorted(owned) == list(range(11))
    assert torch.equal(ALONE.own(points), points)
