"""Runs leave complete folders, refuse what cannot work, and go on after a kill with the same numbers."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from click.testing import CliRunner

from paperlib.cli import main
from paperlib.data import Images, PatchSampler, load_images
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.models.sparse_coding.trainers.em_state import EMState
from paperlib.runs.folder import load_checkpoint
from paperlib.runs.scoring import score
from paperlib.system.files import write_atomically
from paperlib.system.locks import locked

SMALL = [
    "--patch-size",
    "6",
    "--patches",
    "400",
    "--latents",
    "8",
    "--epochs",
    "3",
    "--polish",
    "2",
    "--quiet",
]
OLSHAUSEN = Path(__file__).parents[2] / "shared" / "data" / "olshausen_whitened.npy"


@pytest.fixture(scope="module")
def image_file(tmp_path_factory):
    """Sparse texture: Laplace noise, smoothed along one axis."""
    noise = np.random.default_rng(0).laplace(size=(2, 64, 65))
    path = tmp_path_factory.mktemp("images") / "texture.npy"
    np.save(path, (0.3 * (noise[..., 1:] + noise[..., :-1])).astype(np.float32))
    return str(path)


@pytest.fixture(scope="module")
def finished(image_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    result = invoke("train", "--images", image_file, *SMALL, "--out", str(folder))
    assert result.exit_code == 0, result.output
    return folder


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def refused(message, *arguments):
    """Exit status 2 and one line that says what is wrong."""
    result = invoke(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert result.exit_code == 2
    assert len(lines) == 1 and result.stderr.splitlines()[-1] == lines[0]
    assert message in lines[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["checkpoint.pt", "metrics.json"])
def test_files_of_an_unknown_run_are_not_taken_for_this_one(name, image_file, tmp_path):
    (tmp_path / name).write_text("{}")
    for more in ([], ["--resume"]):
        refused(f"holds {name} without the config.json", "train", "--images", image_file, *SMALL,
                "--out", str(tmp_path), *more)  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("text", ["{}", "[1]", "half of a fi"])
def test_a_foreign_config_is_refused(text, image_file, tmp_path):
    (tmp_path / "config.json").write_text(text)
    refused("is not of a run of paperlib", "train", "--images", image_file, *SMALL, "--out", str(tmp_path),
            "--resume")  # fmt: skip


@pytest.mark.parametrize("out", ["", "a\0b"])
def test_no_path_is_no_folder(out, image_file):
    refused("A path is empty or has a zero byte", "train", "--images", image_file, *SMALL, "--out", out)


def test_a_home_is_a_home_wherever_it_stands(image_file, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert invoke("train", "--images", image_file, *SMALL, "--out=~/run").exit_code == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_a_folder_that_another_process_works_in_is_refused(image_file, tmp_path):
    with locked(tmp_path / "lock", "the run"):
        refused("Another process is at work on the run", "train", "--images", image_file, *SMALL,
                "--out", str(tmp_path))  # fmt: skip


def test_learning_that_diverges_is_reported_in_one_line(image_file, tmp_path):
    out = str(tmp_path / "run")
    refused("lower", "train", "--images", image_file, *SMALL, "--learning-rate", "1e30", "--out", out)


def test_dictionary_is_as_documented(finished):
    dictionary = np.load(finished / "dictionary.npy", allow_pickle=False)
    assert dictionary.dtype == np.float32 and dictionary.shape == (36, 8)
    assert np.allclose(np.linalg.norm(dictionary, axis=0), 1, atol=1e-5)
    assert (finished / "dictionary.png").read_bytes().startswith(b"\x89PNG")


def test_metrics_hold_all_that_explains_the_result(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    terms = metrics["entropies"]
    assert metrics["elbo"] == pytest.approx(terms["posterior"] - terms["prior"] - terms["likelihood"])
    assert 0 < metrics["gini"] < 1 and metrics["dead_fields"] == 0
    assert metrics["seconds"] > 0 and metrics["patches_per_second"] > 0
    assert metrics["images"]["source"] == "file texture.npy" and len(metrics["images"]["sha256"]) == 64
    assert metrics["config"]["n_latents"] == 8 and metrics["versions"]["torch"] == torch.__version__
    assert "commit" in metrics


def test_history_has_a_row_for_every_epoch_and_ends_with_the_result(finished):
    rows = [json.loads(line) for line in (finished / "history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["phase"] == "em"] == [1, 2, 3]
    assert rows[-1]["elbo"] == pytest.approx(json.loads((finished / "metrics.json").read_text())["elbo"])


def test_nothing_unfinished_is_left_behind(finished):
    expected = {
        "checkpoint.pt",
        "config.json",
        "dictionary.npy",
        "dictionary.png",
        "history.jsonl",
        "metrics.json",
    }
    assert {path.name for path in finished.iterdir()} == expected


def test_a_finished_run_is_not_overwritten_but_can_be_asked_for_again(finished, image_file):
    refused("already holds a run", "train", "--images", image_file, *SMALL, "--out", str(finished))
    before = (finished / "metrics.json").stat().st_mtime_ns
    result = invoke("train", "--images", image_file, *SMALL, "--out", str(finished), "--resume")
    assert result.exit_code == 0 and (finished / "metrics.json").stat().st_mtime_ns == before


def test_resuming_with_other_settings_is_refused(finished, image_file):
    refused(
        "other settings (seed)", "train", "--images", image_file, *SMALL, "--seed", "1",
        "--out", str(finished), "--resume",
    )  # fmt: skip


def test_killed_run_resumes_to_the_same_dictionary(image_file, tmp_path):
    """SIGKILL after the first epochs; the resumed run ends with the very numbers of an undisturbed one."""
    options = ["--images", image_file, "--patch-size", "8", "--patches", "6000", "--latents", "24",
               "--epochs", "8", "--polish", "2", "--annealing", "prior", "--quiet"]  # fmt: skip
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "paperlib", "train", *options, "--out", str(killed)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (killed / "history.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL and not (killed / "metrics.json").exists()
    rows_before = len((killed / "history.jsonl").read_text().splitlines())
    assert 1 <= rows_before < 8
    for folder, more in ((killed, ["--resume"]), (whole, [])):
        main(["train", *options, "--out", str(folder), *more], standalone_mode=False)
    results = [json.loads((folder / "metrics.json").read_text()) for folder in (killed, whole)]
    assert np.array_equal(np.load(killed / "dictionary.npy"), np.load(whole / "dictionary.npy"))
    assert results[0]["elbo"] == results[1]["elbo"] and results[0]["gini"] == results[1]["gini"]


def test_atomic_write_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_score_gives_one_elbo_for_the_set(finished, image_file):
    result = invoke("score", str(finished / "dictionary.npy"), "--images", image_file,
                    "--patches", "500", "--seed", "3", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    judged = json.loads(result.stdout)
    trained = json.loads((finished / "metrics.json").read_text())
    assert judged["elbo"] == pytest.approx(trained["elbo"], abs=3)
    assert judged["images"] == trained["images"] and judged["patches"] == 500


@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_dictionaries_are_read_from_every_kind_of_file(finished, image_file, tmp_path, suffix):
    dictionary = 3 * np.load(finished / "dictionary.npy")
    path = tmp_path / f"fields.{suffix}"
    save = {
        "npz": lambda: np.savez(path, dictionary=dictionary),
        "mat": lambda: scipy.io.savemat(path, {"A": dictionary}),
    }
    save[suffix]()
    arguments = ("--images", image_file, "--patches", "300", "--json")
    scores = [
        json.loads(invoke("score", str(f), *arguments).stdout) for f in (path, finished / "dictionary.npy")
    ]
    assert scores[0]["elbo"] == pytest.approx(scores[1]["elbo"], abs=1e-3)


def test_scoring_prints_a_summary_and_full_posteriors_score_higher(finished, image_file):
    arguments = ("score", str(finished / "dictionary.npy"), "--images", image_file, "--patches", "200")
    diagonal, full = (invoke(*arguments, "--posterior", family) for family in ("diagonal", "full"))
    elbos = [float(result.stdout.split("ELBO")[1].split()[0]) for result in (diagonal, full)]
    assert elbos[1] > elbos[0]
    assert "dead fields 0 of 8" in diagonal.stdout


def test_fresh_patches_in_every_epoch(image_file, tmp_path):
    """Epoch k has the patches from k N on; the result is that of `fit_em` on them."""
    folder = tmp_path / "fresh"
    result = invoke("train", "--images", image_file, *SMALL, "--fresh", "--reseed", "--out", str(folder))
    assert result.exit_code == 0, result.output
    sampler = PatchSampler(load_images(image_file), 6, 0)
    expected = fit_em(
        lambda epoch: sampler.draw(400, start=400 * epoch), 8, n_epochs=3, polish=2, reseed=True,
        generator=torch.Generator().manual_seed(0), progress=False,
    )  # fmt: skip
    torch.testing.assert_close(
        torch.from_numpy(np.load(folder / "dictionary.npy")), expected.model.dictionary, atol=1e-4, rtol=0
    )
    assert json.loads((folder / "metrics.json").read_text())["elbo"] == pytest.approx(expected.elbo, abs=1e-4)


def test_training_with_full_posteriors_is_judged_by_them(image_file, tmp_path):
    result = invoke("train", "--images", image_file, "--patch-size", "4", "--patches", "300", "--latents",
                    "6", "--posterior", "full", "--epochs", "2", "--out", str(tmp_path / "full"))  # fmt: skip
    assert result.exit_code == 0, result.output
    trained = json.loads((tmp_path / "full" / "metrics.json").read_text())
    result = invoke("score", str(tmp_path / "full" / "dictionary.npy"), "--images", image_file,
                    "--patches", "300", "--posterior", "full", "--json")  # fmt: skip
    assert trained["elbo"] == pytest.approx(json.loads(result.stdout)["elbo"], abs=2)
    assert trained["config"]["family"] == "full" and 0 < trained["gini"] < 1


BAD_TRAINING = {
    "no latents": (["--latents", "0"], "latents must be positive, not 0"),
    "no patches": (["--patches", "0"], "patches must be positive, not 0"),
    "no epochs": (["--epochs", "0"], "epochs must be positive, not 0"),
    "negative seed": (["--seed", "-1"], "seed must be 0 or more"),
    "patch larger than the image": (["--patch-size", "65"], "do not fit into image 0"),
    "unknown device": (["--device", "tpu"], "Unknown device 'tpu'"),
    "unknown annealing": (["--annealing", "steel"], "'steel' is not one of"),
    "no threads": (["--threads", "0"], "threads must be positive"),
    "threads that crash": (["--threads", "100000"], "threads must be at most 1024"),
    "patches that fit nowhere": (["--patches", "1_000_000_000"], "of memory, and "),
    "patches beyond counting": (["--patches", str(10**12)], "patches must be at most"),
    "latents that fit nowhere": (["--latents", "1_000_000_000"], "of memory, and "),
    "epochs that fit nowhere": (["--epochs", "1_000_000_000"], "of memory, and "),
    "a batch beyond counting": (["--batch-size", str(2**70)], "batch_size must be at most"),
    "a seed beyond counting": (["--seed", str(2**64)], "seed must be 0 or more and less than"),
    "no finite rate": (["--learning-rate", "inf"], "learning_rate must be positive and finite"),
}


@pytest.mark.parametrize("case", BAD_TRAINING)
def test_bad_training_is_refused_before_anything_is_written(case, image_file, tmp_path):
    options, message = BAD_TRAINING[case]
    out = tmp_path / "out"
    refused(message, "train", "--images", image_file, *SMALL, *options, "--out", str(out))
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_is_refused_where_there_is_none(image_file, tmp_path):
    out = tmp_path / "out"
    refused(
        "finds no CUDA device", "train", "--images", image_file, *SMALL, "--device", "cuda", "--out", str(out)
    )
    assert not out.exists()


def bad_files(folder):
    """Files that must be refused, and what is said about them."""
    (folder / "text.npy").write_text("these are no numbers")
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(folder / "pickled.npz", a=np.array([{"a": 1}], dtype=object))
    np.save(folder / "nan.npy", np.full((4, 2), np.nan))
    np.save(folder / "zeros.npy", np.zeros((4, 2)))
    np.save(folder / "cube.npy", np.ones((4, 2, 3)))
    np.save(folder / "odd.npy", np.ones((7, 2)))
    scipy.io.savemat(folder / "whole.mat", {"A": np.ones((40, 20))})
    (folder / "cut.mat").write_bytes((folder / "whole.mat").read_bytes()[:1000])
    return {
        "text.npy": "not a .npy file, whatever its name says",
        "pickled.npy": "cannot be read as plain numbers",
        "pickled.npz": "cannot be read as plain numbers",
        "nan.npy": "NaN, infinite",
        "zeros.npy": "a column of zeros",
        "cube.npy": "holds 0 matrices",
        "odd.npy": "7 rows, which is no square number",
        "cut.mat": "cannot be read as a complete .mat",
        "missing.npy": "There is no file",
        "fields.txt": "not a kind of file that can be read",
    }


def test_bad_dictionaries_are_refused(image_file, tmp_path):
    for name, message in bad_files(tmp_path).items():
        refused(message, "score", str(tmp_path / name), "--images", image_file)


def test_a_folder_that_cannot_be_written_is_refused(image_file, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(
        "cannot be written", "train", "--images", image_file, *SMALL, "--out", str(tmp_path / "file" / "run")
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write to read-only folders")
def test_a_read_only_folder_is_refused(image_file, tmp_path):
    tmp_path.chmod(0o500)
    refused("cannot be written", "train", "--images", image_file, *SMALL, "--out", str(tmp_path / "run"))


def test_help_shows_examples():
    for command in ("train", "score", "reproduce"):
        text = invoke(command, "--help").stdout
        assert "Examples:" in text and f"paperlib {command}" in text


def test_a_checkpoint_with_code_inside_is_not_run(finished, image_file, tmp_path):
    """A pickled object in place of the checkpoint is refused by PyTorch, not executed."""

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    torch.save(Bomb(), tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path, "cpu", pytest.fail) is None
    assert not (tmp_path / "exploded").exists()


@pytest.mark.skipif(not OLSHAUSEN.exists(), reason="the whitened images of Olshausen & Field are not here")
def test_learned_fields_beat_random_ones_on_the_real_images():
    images = Images(tuple(np.load(OLSHAUSEN)), "olshausen")
    rows = PatchSampler(images, 8, 0).draw(2000)
    generator = torch.Generator().manual_seed(0)
    learned = fit_em(
        rows, 32, n_epochs=5, polish=5, generator=generator, progress=False
    ).model.dictionary
    random = torch.randn(64, 32, generator=generator)
    scores = [score(fields, images, n_patches=1000, seed=5)["elbo"] for fields in (learned, random)]
    assert scores[0] > scores[1] + 5


def damaged(kind, content, rng):
    """Bytes of a file that something happened to."""
    if kind == "truncated":
        return content[: int(rng.integers(len(content)))]
    place = int(rng.integers(len(content) - 64))
    other = bytes(64) if kind == "zeroed" else bytes([content[place] ^ 1 << int(rng.integers(8))])
    return content[:place] + other + content[place + len(other) :]


@pytest.mark.parametrize("kind", ["truncated", "zeroed", "flipped"])
def test_a_damaged_checkpoint_is_noted_and_never_learned_from(kind, finished, image_file, tmp_path):
    """Whatever happened to it: it is not used, or what is in it is what was written."""
    whole = (finished / "checkpoint.pt").read_bytes()
    wanted = torch.load(finished / "checkpoint.pt", weights_only=True)
    state = EMState(**wanted)
    rng = np.random.default_rng(0)
    for _ in range(25):
        (tmp_path / "checkpoint.pt").write_bytes(damaged(kind, whole, rng))
        found = load_checkpoint(tmp_path, "cpu", lambda: state)
        if found is not None:
            assert all(torch.equal(getattr(found, k), v) for k, v in wanted.items() if torch.is_tensor(v))


def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(finished, image_file, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "metrics.json").unlink()
    (out / "dictionary.npy").unlink()
    (out / "checkpoint.before.pt").write_bytes((out / "checkpoint.pt").read_bytes())
    (out / "checkpoint.pt").write_bytes(b"")
    (out / ".checkpoint-abcdefgh.pt").write_bytes(b"half of a fi")
    result = invoke("train", "--images", image_file, *SMALL, "--out", str(out), "--resume")
    assert result.exit_code == 0, result.output
    assert (out / "dictionary.npy").read_bytes() == (finished / "dictionary.npy").read_bytes()
    assert {path.name for path in out.iterdir()} == {path.name for path in finished.iterdir()}


@pytest.mark.parametrize("name", ["metrics.json", "dictionary.npy"])
@pytest.mark.parametrize("content", [None, b"", b"null", b"\xff\x00"])
def test_results_that_are_lost_or_damaged_are_written_again(name, content, finished, image_file, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / name).unlink() if content is None else (out / name).write_bytes(content)
    result = invoke("train", "--images", image_file, *SMALL, "--out", str(out), "--resume")
    assert result.exit_code == 0, result.output
    assert (out / "dictionary.npy").read_bytes() == (finished / "dictionary.npy").read_bytes()
    assert json.loads((out / "metrics.json").read_text())["elbo"] > -1e9


def test_a_full_disk_ends_training_in_one_sentence(image_file, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    command = [sys.executable, "-m", "paperlib", "train", "--images", image_file, *SMALL]
    run = subprocess.run(
        [*command, "--out", tmp_path / "run"], preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2 and "make room" in run.stderr and "Traceback" not in run.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]
