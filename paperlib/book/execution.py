"""Executing: notebooks run with papermill, several at once; results appear whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import yaml
from nbformat import NotebookNode
from tqdm import tqdm

from paperlib.book.failures import BookError, find_failure
from paperlib.book.notebooks import number_cells, read_notebook
from paperlib.book.tasks import Task, sha256
from paperlib.system.files import find_root, write_atomically, write_json
from paperlib.system.provenance import provenance

# Operations here are small: a second thread waits longer than it works (a notebook alone took twice as long
# with two), and takes the core from the notebook beside it.  Scheduling is by notebook, and by `JOBS`.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

# glibc gives large temporaries back to the system as soon as they are freed, and the page faults of fetching
# them anew took a quarter of learning with full covariances.  These are the largest threshold that every
# version accepts [bytes], and room for what is kept; other C libraries take no notice, the user's values win.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}

# The images source that a notebook without images sees: asking for some is then an error.
NO_IMAGES = "none-because-profiles.yml-says-images-false"


def execute_tasks(
    tasks: Sequence[Task], jobs: int, echo: Callable[[str], None] = print, *, reuse: bool = False
) -> dict[str, float]:
    """Execute tasks, longest first, `jobs` at a time; the first failing cell stops all.

    Jobs that no notebook needs go to the experiments in them.  With `reuse` these take results that are
    there, whatever code computed them.  Returns seconds by name.
    """
    if not tasks:
        return {}
    workers, jobs = max(1, jobs // len(tasks)), min(jobs, len(tasks))
    papermill = Papermill()
    seconds: dict[str, float] = {}
    total = sum(len(read_notebook(task.source).cells) for task in tasks)
    bar = tqdm(total=total, unit="cell", desc="Executing", disable=not sys.stderr.isatty())
    with bar, ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(execute_task, task, papermill, bar.update, workers=workers, reuse=reuse): task.name
            for task in sorted(tasks, key=lambda task: -task.minutes)
        }
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                name = futures[future]
                seconds[name] = future.result()
                bar.clear()
                echo(f"  {number}/{len(tasks)}  {name}: {seconds[name]:.1f} s")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            papermill.stop()
            raise
    return seconds


def execute_task(
    task: Task, papermill: Papermill, advance: Callable[[int], Any], *, workers: int = 1, reuse: bool = False
) -> float:
    """Execute one notebook and put it, with its manifest, in place; both appear whole or not at all.

    `workers` and `reuse` are for its experiments (`paperlib.records.Results`).  Returns the seconds it took;
    when a cell fails, a BookError says notebook, cell number, source line and error.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    environment = {
        "PAPERLIB_IMAGES": NO_IMAGES,
        **({task.data.variable: task.data.source} if task.data else {}),
        "PAPERLIB_RESULTS": str(task.results),
        "PAPERLIB_REUSE": "1" if reuse else "",
        "PAPERLIB_WORKERS": str(workers),
    }
    notebook, problem = papermill.run(task.source, task.parameters, task.failed_output, environment, advance)
    if failure := find_failure(task, notebook):
        raise BookError(failure)
    if problem:
        raise BookError(f"{task.name}: papermill failed:\n{problem}")
    seconds = time.perf_counter() - clock
    content = nbformat.writes(strip_volatile(notebook)).encode()
    manifest = {
        "notebook": task.name,
        "profile": task.profile,
        "status": "executed",
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "parameters": task.parameters,
        "data": task.data.description if task.data else None,
        **provenance(),
        "inputs": task.inputs,
        "output_sha256": sha256(content),
    }
    write_atomically(task.output, lambda path: path.write_bytes(content))
    write_json(task.manifest, manifest)
    task.failed_output.unlink()
    return seconds


class Papermill:
    """Runs notebooks with papermill, each in a process of its own, and can stop them all."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End the notebooks that run now; none starts afterwards."""
        self._stopped = True
        for process in list(self._running):
            process.terminate()

    def run(
        self,
        source: Path,
        parameters: dict[str, Any],
        output: Path,
        environment: dict[str, str],
        advance: Callable[[int], Any] = lambda cells: None,
    ) -> tuple[NotebookNode, str]:
        """Execute a MyST notebook into `output`; returns it, complete or not, and papermill's complaint.

        `parameters` are values for names of the cell tagged ``parameters``, `environment` is beside that of
        this process, and `advance` is told the number of cells done since it was last called.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)
        prepared = output.with_name(f"{source.stem}.input.ipynb")
        nbformat.write(read_notebook(source), prepared)
        # Names relative to the folder: papermill would read braces in a path as placeholders.
        command = [sys.executable, "-m", "papermill", prepared.name, output.name, "--kernel", "python3"]
        command += ["--cwd", str(source.parent), "--parameters_yaml", yaml.safe_dump(parameters)]
        paths, root = [os.environ.get("PYTHONPATH", "")], find_root(source.parent)
        if (root / "paperlib" / "__init__.py").is_file():  # the environment could bring another checkout's
            paths.insert(0, str(root))
        isolated = {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "JUPYTER_PREFER_ENV_PATH": "1",  # a kernel of the same name in the user's home must not win,
            "JUPYTER_PATH": "",  # nor one elsewhere,
            "IPYTHONDIR": str(output.parent / ".ipython"),  # nor the user's startup files take part,
            "MATPLOTLIBRC": matplotlib.get_data_path(),  # nor choices of how figures look
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        with subprocess.Popen(
            [*command, "--progress-bar"],
            cwd=output.parent,
            env={**KEEP_MEMORY, **os.environ, **ONE_THREAD, **isolated, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            self._running.add(process)
            if self._stopped:
                process.terminate()
            assert process.stderr is not None  # it is a pipe
            log = follow_progress(process.stderr, advance)
        self._running.discard(process)
        prepared.unlink()
        if not output.is_file():
            raise BookError(f"{source.stem}: papermill stopped before the first cell:\n{log}")
        return nbformat.read(output, as_version=4), log if process.returncode else ""


def follow_progress(stream: Iterable[str], advance: Callable[[int], Any]) -> str:
    """Read papermill's messages to the end; cells done go to `advance`, the last messages are returned."""
    done = 0
    tail: list[str] = []
    for line in stream:  # with universal newlines each update of papermill's progress bar is a line
        if match := re.search(r"(\d+)/\d+ \[", line):
            advance(int(match[1]) - done)
            done = int(match[1])
        elif line.strip():
            tail = [*tail[-19:], line.rstrip()]
    return "\n".join(tail)


def strip_volatile(notebook: NotebookNode) -> NotebookNode:
    """The notebook without times, paths and random ids; changed in place."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return number_cells(notebook)
