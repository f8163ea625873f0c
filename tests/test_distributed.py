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
from paperlib.system.distributed import ALONE, Processes, end_with_parent, launched_processes

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


AGREEMENT = """
import sys
import torch.distributed as dist
from paperlib.system.distributed import Processes
from paperlib.system.errors import InputError

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
both = Processes(rank, 2)
both.agree(images="a", settings={"seed": 0})
try:
    both.agree(images="a", seed=rank)
except InputError as error:
    print(error)
with both.together():
    pass
try:
    with both.together():
        if rank == 1:
            raise InputError("Königsberg has seven bridges.")
except InputError as error:
    print(error)
dist.destroy_process_group()  # else its threads may end the process by an error
"""


def test_what_one_process_refuses_all_refuse_with_the_same_sentence(tmp_path):
    command = [sys.executable, "-c", AGREEMENT]
    runs = [subprocess.Popen([*command, str(rank), tmp_path / "store"], stdout=subprocess.PIPE, text=True)
            for rank in range(2)]  # fmt: skip
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    assert "processes have different seed" in outputs[0] and "Königsberg has seven bridges." in outputs[0]


def test_under_torchrun_a_refusal_is_one_sentence(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    command = [sys.executable, *TORCHRUN, "-m", "paperlib", *TRAIN, "--out", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode != 0
    assert run.stderr.count("Error") == 1 and "holds metrics.json without" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell children")
def test_a_process_ends_with_the_one_that_started_it_even_if_that_is_killed():
    reader, writer = os.pipe()
    parent = os.fork()
    if not parent:
        if not os.fork():
            end_with_parent()
            os.write(writer, b"x")
            time.sleep(60)
        time.sleep(60)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reader, 1) == b""  # the end of the pipe, when the last that could write to it has ended


def test_a_count_of_processes_that_torchrun_did_not_set_is_passed_over(monkeypatch, caplog):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with launched_processes("cpu") as processes:
        assert processes == ALONE
    assert "WORLD_SIZE is 4" in caplog.text
