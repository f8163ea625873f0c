"""Tries to break the project for some minutes, in every way that once did, and counts what held.

`make torture` prints the table; with `--write` it becomes the one that the book shows (book/tried.csv).  Each
case has random numbers of its own, from the seed, its kind and its number: a failure is printed with them,
and `--only KIND --first NUMBER` tries it again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image

from paperlib.data import Images, load_images
from paperlib.data.download import DownloadError, RemoteFile, cache_folder, git_blob_id
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.models.sparse_coding.trainers.em_state import EMState
from paperlib.records import Outcome, Record, read_records
from paperlib.records.record import FIELDS, write_record
from paperlib.runs.config import TrainingConfig
from paperlib.runs.folder import load_checkpoint
from paperlib.runs.training import train
from paperlib.system.errors import InputError
from paperlib.system.files import read_json, write_json

TABLE = Path(__file__).parents[1] / "book" / "tried.csv"
REFUSALS = (InputError, FloatingPointError)
IMAGES = Images(tuple(np.random.default_rng(0).laplace(size=(2, 40, 40)).astype(np.float32)), "noise")
RUN = {"patch_size": 6, "n_patches": 1500, "n_latents": 12, "n_epochs": 6, "polish": 6}
VARIANTS = (RUN, RUN | {"fresh": True}, RUN | {"reseed": True, "annealing": "prior"},
            RUN | {"family": "full", "n_patches": 300})  # fmt: skip
JOBS = os.cpu_count() or 1
Rng = np.random.Generator


class Broken(Exception):
    """What should have held and did not."""


def hold(condition: object, what: str) -> None:
    if not condition:
        raise Broken(what)


# ---- runs: each in a process of its own, forked, which starts in no time


def start(variant: dict, folder: Path, limit: int | None = None) -> int:
    """Train in a child; its exit status is 0, 2 for a refusal, or 3 for anything else."""
    pid = os.fork()
    if pid:
        return pid
    status = 3
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            train(TrainingConfig(**variant), IMAGES, folder, resume=True, progress=False)
            status = 0
    except REFUSALS:
        status = 2
    finally:
        os._exit(status)


def undisturbed(variant: dict) -> Path:
    """The folder of the run that nothing happened to."""
    folder = WORK / f"whole-{VARIANTS.index(variant)}"
    if not folder.exists():
        os.waitpid(start(variant, folder), 0)
    return folder


def finish(variant: dict, folder: Path) -> None:
    """Go on to the end, and hold the result against that of the run that nothing happened to."""
    _, status = os.waitpid(start(variant, folder), 0)
    hold(os.waitstatus_to_exitcode(status) == 0, "the run did not go on")
    whole = undisturbed(variant)
    same = (folder / "dictionary.npy").read_bytes() == (whole / "dictionary.npy").read_bytes()
    hold(same, "another dictionary")
    hold(read_json(folder / "metrics.json")["elbo"] == read_json(whole / "metrics.json")["elbo"], "ELBO")
    names = {path.name for path in folder.iterdir()}
    hold(names == {path.name for path in whole.iterdir()}, f"left behind: {names}")


def kills(rng: Rng, folder: Path) -> int:
    """A run killed again and again, at any time, and each time gone on with."""
    variant, done = VARIANTS[rng.integers(len(VARIANTS))], 0
    for _ in range(8):
        pid = start(variant, folder)
        time.sleep(rng.uniform(0, 0.4))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        done += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    finish(variant, folder)
    return done


def full_disk(rng: Rng, folder: Path) -> int:
    """No file can become larger than so many bytes; then there is room again."""
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    _, status = os.waitpid(start(variant, folder, int(rng.integers(1, 60_000))), 0)
    hold(os.waitstatus_to_exitcode(status) in (0, 2), "not refused")
    finish(variant, folder)
    return 1


def two_at_once(rng: Rng, folder: Path) -> int:
    """Two processes start the same run in one folder: one is refused, or comes after the other."""
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    first = start(variant, folder)
    time.sleep(rng.uniform(0, 0.05))
    second = start(variant, folder)
    found = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (first, second)]
    hold(0 in found and set(found) <= {0, 2}, f"exit statuses {found}")
    finish(variant, folder)
    return 1


def ranks(rng: Rng, folder: Path) -> int:
    """torchrun with two processes: one of them, or torchrun itself, is killed; then the run goes on."""
    np.save(folder / "images.npy", np.stack(IMAGES.pixels))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "paperlib", "train", "--images", str(folder / "images.npy"), "--patch-size", "6"]
    command += ["--patches", "3000", "--latents", "12", "--epochs", "60", "--quiet", "--resume"]
    command += ["--out", str(folder / "run")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    launcher = subprocess.Popen(command, **quiet)
    while not (folder / "run" / "checkpoint.pt").exists():
        hold(launcher.poll() is None, "torchrun ended early")
        time.sleep(0.01)
    listed = subprocess.run(["pgrep", "-P", str(launcher.pid)], capture_output=True, text=True, check=False)
    workers = [int(pid) for pid in listed.stdout.split()]
    os.kill(int(rng.choice([launcher.pid, *workers])), signal.SIGKILL)
    launcher.wait(120)
    end = time.monotonic() + 20
    while living := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        hold(time.monotonic() < end, f"workers outlive torchrun: {living}")
        time.sleep(0.1)
    hold(subprocess.run(command, **quiet, timeout=240, check=False).returncode == 0, "the run did not go on")
    hold(read_json(folder / "run" / "metrics.json"), "no result")
    return 1


# ---- files


def damage(path: Path, rng: Rng) -> None:
    """Something happens to a file."""
    content = path.read_bytes()
    place = int(rng.integers(max(len(content), 1)))
    kind = rng.integers(7)
    if kind == 0:
        path.write_bytes(content[:place])
    elif kind == 1:
        path.write_bytes(content[:place] + bytes(min(512, len(content) - place)) + content[place + 512 :])
    elif kind == 2:
        others = [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"0", b"\x93NUMPY", b"PK\x03\x04"]
        path.write_bytes(others[rng.integers(len(others))])
    elif kind == 3:
        path.write_bytes(rng.bytes(int(rng.integers(1, 4000))))
    else:
        changed = bytearray(content)
        for where in rng.integers(len(content) if kind < 6 else min(len(content), 150), size=kind - 3):
            changed[where] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)


def own_files(rng: Rng, folder: Path) -> int:
    """A file that the program wrote itself: it is read as it was, or counts as missing."""
    kind = rng.choice(["checkpoint.pt", "manifest", "record.json", "record.npz"])
    if kind == "checkpoint.pt":
        source = undisturbed(RUN) / kind
        wanted = torch.load(source, weights_only=True)
        shutil.copy(source, folder / kind)
        damage(folder / kind, rng)
        found = load_checkpoint(folder, "cpu", lambda: EMState(**wanted))
        tensors = [name for name, value in wanted.items() if torch.is_tensor(value)]
        same = found is None or all(torch.equal(getattr(found, t), wanted[t]) for t in tensors)
        hold(same, "other tensors")
    elif kind == "manifest":
        content = {"inputs": {"a": "b"}, "seconds": 1.5, "versions": {"torch": "2"}, "data": None}
        write_json(folder / kind, content)
        damage(folder / kind, rng)
        hold(read_json(folder / kind) in ({}, content), "another manifest")
    else:
        origin = dict.fromkeys(FIELDS, "") | {"schema": 1, "versions": {}}
        outcome = Outcome({"a": 1.0}, {"field": np.ones((3, 2), np.float16)})
        write_record(folder / "record.json", Record({"seed": 0}, outcome.numbers, outcome.arrays, origin))
        damage(folder / kind, rng)
        for record in read_records(folder).values():
            same = np.array_equal(record.arrays.get("field", 1), outcome.arrays["field"])
            hold(same or kind == "record.json", "other arrays")
            json.dumps(record.numbers)
    return 1


def resumed_files(rng: Rng, folder: Path) -> int:
    """A file of a finished run: the run is refused in a sentence, or ends as it did before."""
    shutil.copytree(undisturbed(RUN), folder, dirs_exist_ok=True)
    names = ["checkpoint.pt", "metrics.json", "dictionary.npy", "config.json", "history.jsonl"]
    name = str(rng.choice(names))
    damage(folder / name, rng)
    if rng.random() < 0.5 and name != "config.json":
        (folder / "metrics.json").unlink()
    _, status = os.waitpid(start(RUN, folder), 0)
    code = os.waitstatus_to_exitcode(status)
    hold(code == 0 or (code == 2 and name == "config.json"), f"exit status {code} with another {name}")
    if code == 0:
        finish(RUN, folder)
    return 1


def foreign_files(rng: Rng, folder: Path) -> int:
    """A file of the user's: it is read, or refused in a sentence."""
    stack = rng.normal(size=(3, 16, 20))
    picture = Image.fromarray(rng.integers(0, 255, (16, 20), dtype=np.uint8))
    kind = str(rng.choice(["a.npy", "a.npz", "a.mat", "p/a.png", "p/a.jpg", "p/a.tif", "p/a.gif", "p/a.bmp"]))
    path = folder / kind
    path.parent.mkdir(exist_ok=True)
    save = {"npy": lambda: np.save(path, stack), "npz": lambda: np.savez_compressed(path, a=stack),
            "mat": lambda: scipy.io.savemat(path, {"IMAGES": stack}, do_compression=True)}  # fmt: skip
    save.get(kind[-3:], lambda: picture.save(path))()
    damage(path, rng)
    with contextlib.suppress(InputError), np.errstate(all="ignore"):
        images = load_images(path if path.parent == folder else path.parent)
        hold(all(np.isfinite(image).all() for image in images.pixels), "pixels that are not finite")
    return 1


# ---- downloads


class BadServer(BaseHTTPRequestHandler):
    """Answers as the case's generator says."""

    def do_GET(self) -> None:
        content, rng = self.server.content, self.server.rng
        with contextlib.suppress(OSError):
            kind = rng.integers(8)
            if kind == 0:
                self.wfile.write(rng.bytes(int(rng.integers(1, 3000))))
                return
            if kind == 1:
                self.send_error(int(rng.integers(400, 600)))
                return
            self.send_response(302 if kind == 2 else 200)
            if kind == 2:
                elsewhere = ["http://[::bad", "file:///etc/passwd", "/", "\0"]
                self.send_header("Location", str(rng.choice(elsewhere)))
            length = [len(content), len(content) // 2, 10**12, "abc", "-1"][rng.integers(5)]
            if rng.random() < 0.7:
                self.send_header("Content-Length", str(length))
            if kind == 3:
                self.send_header("Content-Encoding", str(rng.choice(["gzip", "deflate", "br"])))
            self.end_headers()
            place = int(rng.integers(len(content)))
            if kind == 4:
                content = content[:place]
            elif kind == 5:
                content = content[:place] + b"x" + content[place:]
            self.wfile.write(content)
            while kind == 6:
                self.wfile.write(rng.bytes(1 << 16))
            if kind == 7:
                time.sleep(1)

    def log_message(self, *_: object) -> None:
        pass


def downloads(rng: Rng, folder: Path) -> int:
    """A server that fails in some way: the file is the right one, or refused and not kept, in time."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BadServer)
    server.daemon_threads, server.rng, server.content = True, rng, rng.bytes(20_000)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    os.environ["PAPERLIB_CACHE"] = str(folder / "cache")
    began = time.monotonic()
    remote = RemoteFile(f"http://127.0.0.1:{server.server_port}/", git_blob_id(server.content), timeout=0.2,
                        deadline=0.5, limit=1_000_000)  # fmt: skip
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = remote.fetch()
        hold(found.read_bytes() == server.content, "another file")
    except DownloadError as error:
        hold("\n" not in str(error), "more than a line")
        hold(not cache_folder().exists() or not list(cache_folder().iterdir()), "something was kept")
    finally:
        hold(time.monotonic() - began < 5, "no end in time")
        server.shutdown()
        server.server_close()
    return 1


# ---- numbers


def numbers(rng: Rng, folder: Path) -> int:
    """A random problem in random units: every number is finite and richer posteriors are no worse."""
    n, d, h = rng.integers(1, 16), rng.integers(1, 7), rng.integers(1, 9)
    dtype = torch.float32 if rng.random() < 0.5 else torch.float64
    unit = 10.0 ** rng.uniform(*((-16, 15) if dtype == torch.float32 else (-140, 140)))
    x = rng.laplace(size=(n, d)) if rng.random() < 0.7 else rng.normal(size=(n, d))
    x[rng.random(n) < rng.choice([0, 0, 0.3])] *= rng.choice([0, 30])
    data = torch.tensor(x * unit, dtype=dtype)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if rng.random() < 0.5:
        family = str(rng.choice(["diagonal", "full"]))
        settings = {"annealing": str(rng.choice(["none", "prior", "likelihood", "energy"]))}
        settings |= {"batch_size": int(rng.integers(1, 64)), "reseed": bool(rng.random() < 0.3)}
        settings |= {"learning_rate": float(10 ** rng.uniform(-3, 0)), "n_epochs": int(rng.integers(1, 4))}
        result = fit_em(data, int(h), generator=generator, progress=False, polish=int(rng.integers(4)),
                        family=family, **settings)  # fmt: skip
        model = result.model
        found = [model.dictionary, model.prior_scales, model.noise_variance, result.posterior.mean]
        hold(all(torch.isfinite(each).all() for each in found), "not finite")
        hold(all(np.isfinite(row["elbo"]) for row in result.history), "an ELBO that is not finite")
        polished = [row["elbo"] for row in result.history if row["phase"] == "polish"]
        hold(result.history[-1]["elbo"] > max(polished, default=-np.inf) - 1e-3, "the end below the polish")
    else:
        dictionary = normalize_columns(torch.randn(int(d), int(h), generator=generator).to(dtype))
        # low-rank ones take L-BFGS seconds
        families = ("diagonal", "low-rank", "full") if rng.random() < 0.01 else ("diagonal", "full")
        elbos = [float(entropy_elbo(fit_posterior(data, dictionary, each)[1])) for each in families]
        hold(np.isfinite(elbos).all(), f"ELBOs {elbos}")
        hold(min(elbos[1:]) > elbos[0] - 0.05, f"richer posteriors than {families[0]} are worse: {elbos}")
    return 1


KINDS: dict[str, tuple[Callable[[Rng, Path], int], int, str]] = {
    "kills": (kills, 200, "runs killed at any time, and gone on with: the same bits"),
    "own": (own_files, 400, "damaged files of the program: as they were, or missing"),
    "runs": (resumed_files, 100, "damaged files of finished runs: the same result, or one sentence"),
    "foreign": (foreign_files, 500, "damaged arrays and pictures: read, or one sentence"),
    "downloads": (downloads, 100, "damaged downloads: the right file, or none, in time"),
    "disk": (full_disk, 40, "disks full while a run writes: one sentence, then the same bits"),
    "two": (two_at_once, 40, "runs started twice at once: one waits or is refused"),
    "ranks": (ranks, 4, "processes of torchrun killed: none is left, and the run goes on"),
    "numbers": (numbers, 3000, "random problems in random units: finite, richer posteriors no worse"),
}  # fmt: skip


def attempt(kind: str, seed: int, number: int) -> tuple[int, str]:
    """How much one case tried, and what did not hold."""
    function, place = KINDS[kind][0], list(KINDS).index(kind)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        try:
            return function(np.random.default_rng([seed, place, number]), Path(folder)), ""
        except REFUSALS as error:
            said = str(error)
            return 1, "" if 20 < len(said) < 500 and "\n" not in said else f"an unclear sentence: {said!r}"
        except Exception:  # whatever it is, it did not hold
            return 1, traceback.format_exc().strip()


def main(pool: ProcessPoolExecutor) -> int:
    """Try all kinds, each until it was tried often enough or its share of the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write book/tried.csv")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, at most {chosen.minutes:g} minutes")
    kinds = [chosen.only] if chosen.only else list(KINDS)
    end, rows, failures = time.monotonic() + 60 * chosen.minutes, [], 0
    for place, kind in enumerate(kinds):
        until = time.monotonic() + max(end - time.monotonic(), 0) / (len(kinds) - place) * 2
        tried, failed, number = 0, 0, chosen.first
        while tried < KINDS[kind][1] and time.monotonic() < min(until, end):
            batch = range(number, number + 2 * JOBS)
            found = pool.map(partial(attempt, kind, chosen.seed), batch)
            for case, (count, problem) in zip(batch, found, strict=True):
                if problem:
                    print(f"{kind} {case} (seed {chosen.seed}): {problem}")
                tried, failed = tried + count, failed + bool(problem)
            number = batch.stop
        rows.append((KINDS[kind][2], tried, tried - failed, failed))
        failures += failed
        print("{:75} {:5} tried {:5} held {:3} failed".format(*rows[-1]), flush=True)
    if chosen.write:  # beside what there is of other kinds
        with TABLE.open(encoding="utf-8", newline="") as file:
            table = {row[0]: row for row in csv.reader(file)} | {row[0]: row for row in rows}
        wanted = ["what", *(what for *_, what in KINDS.values())]
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table[key] for key in wanted if key in table)
    return min(failures, 1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.disable()
    import warnings

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work:
        WORK = Path(work)
        for variant in VARIANTS:
            undisturbed(variant)
        with ProcessPoolExecutor(JOBS, multiprocessing.get_context("fork")) as pool:
            status = main(pool)
    sys.exit(status)
