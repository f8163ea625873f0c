"""The book: plan its notebooks, execute what is not up to date with papermill, and render all pages.

    book/*.md  --papermill-->  _build/executed/<profile>/*.ipynb
               --stage-->      _build/stage
               --jupyter-book-->  _build/html

No part of the paper's mathematics is here. `make reproduce` and `paperlib reproduce` call `reproduce`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode
from tqdm import tqdm

from paperlib.errors import InputError
from paperlib.runs import commit, versions, write_atomically

PROFILES = ("smoke", "laptop", "paper")
# The images source that a notebook declared as `images: false` sees: asking for images is then an error.
NO_IMAGES = "none-because-profiles.yml-says-images-false"


class BookError(RuntimeError):
    """A notebook or the rendering of the book failed; the message says where."""


@dataclass(frozen=True)
class ImagesChoice:
    """The image source that every notebook of a run uses: what to pass on, in words, and the pixels' hash."""

    source: str
    description: str
    sha256: str


@dataclass(frozen=True)
class Task:
    """One notebook at one profile, with everything its result depends on."""

    name: str
    source: Path
    profile: str
    parameters: dict[str, Any]
    minutes: float
    images: ImagesChoice | None
    folder: Path
    inputs: dict[str, str] = field(repr=False)

    @property
    def output(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def manifest(self) -> Path:
        """How `output` came about: hashes of its inputs, seconds, versions."""
        return self.folder / f"{self.name}.json"

    @property
    def failed_output(self) -> Path:
        """The notebook as far as it got, kept for reading when a cell fails."""
        return self.folder / f"{self.name}.failed.ipynb"

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest of the last complete execution, None where there is none."""
        return json.loads(self.manifest.read_text()) if self.manifest.is_file() else None

    def reasons(self) -> list[str]:
        """Why the notebook has to run; empty where it is up to date."""
        manifest = self.read_manifest()
        if manifest is None or not self.output.is_file():
            return ["never executed"]
        changed = [name for name, digest in self.inputs.items() if manifest["inputs"].get(name) != digest]
        if not changed and manifest["output_sha256"] != _sha256(self.output.read_bytes()):
            return ["executed notebook changed"]
        return [f"{name} changed" for name in changed]


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped."""

    task: Task
    cell: int
    line: int
    code: str
    error: str

    def __str__(self) -> str:
        return (
            f"{self.task.name}: code cell {self.cell} failed ({_shown(self.task.source)}, line {self.line})\n"
            f"    {self.code}\n"
            f"{self.error}\n"
            f"The notebook up to this cell: {_shown(self.task.failed_output)}"
        )


def reproduce(
    root: Path,
    *,
    profile: str = "laptop",
    jobs: int = 2,
    only: Sequence[str] = (),
    images: str | None = None,
    dry_run: bool = False,
    execute: bool = True,
    build: bool = True,
    strict: bool = False,
    echo: Callable[[str], None] = print,
) -> None:
    """Execute the notebooks that are not up to date and build the book into ``_build/html``.

    Parameters
    ----------
    root : Path
        The project's folder, which holds ``_toc.yml``, ``_config.yml`` and ``book/``.
    profile : str
        One of `PROFILES`; what it means for each notebook stands in ``book/profiles.yml``.
    jobs : int
        Notebooks executed at once; each gets an equal share of the cores.
    only : sequence of str
        Names of the notebooks to execute; all where empty.
    images : str, optional
        Source of the natural images, as for `paperlib.data.load_images`.
    dry_run : bool
        Print the plan and do nothing.
    execute, build : bool
        Whether to execute notebooks, and whether to render the book.
    strict : bool
        Whether a warning of the rendering is an error.

    Raises
    ------
    InputError
        For an unknown profile, notebook or parameter, before anything runs.
    BookError
        When a cell fails or the book cannot be rendered.
    """
    if jobs < 1:
        raise InputError(f"JOBS must be at least 1, but is {jobs}.")
    tasks = plan(root, profile, images, only, download=execute and not dry_run)
    stale = [task for task in tasks if task.reasons()]
    _print_plan(tasks, jobs, echo)
    if dry_run:
        return
    seconds: dict[str, float] = {}
    if execute:
        seconds = execute_tasks(stale, jobs, echo)
    _print_results(tasks, seconds, echo)
    if build:
        everything = plan(root, profile, images, download=False) if only else tasks
        page = build_book(root, everything, strict=strict, echo=echo)
        echo(f"Open {page}")


# ---- planning


def plan(
    root: Path, profile: str, images: str | None = None, only: Sequence[str] = (), *, download: bool = False
) -> list[Task]:
    """The notebooks of the table of contents as tasks, checked: parameters known, files present.

    Parameters
    ----------
    root, profile, images, only
        As for `reproduce`.
    download : bool
        Whether the images may be downloaded where no source is named.

    Returns
    -------
    list of Task
        In the order of the book.
    """
    if profile not in PROFILES:
        raise InputError(f"Unknown profile {profile!r}: choose one of {', '.join(PROFILES)}.")
    profiles = read_profiles(root)
    unknown = sorted(set(only) - set(profiles))
    if unknown:
        raise InputError(f"Unknown notebook {', '.join(unknown)}: choose from {', '.join(profiles)}.")
    sources = find_notebooks(root, only)
    if missing := sorted(set(sources) - set(profiles)):
        raise InputError(f"book/profiles.yml has no entry for {', '.join(missing)}: add one.")
    if missing := [] if only else sorted(set(profiles) - set(sources)):
        raise InputError(f"book/profiles.yml names {', '.join(missing)}, not a notebook in _toc.yml.")
    uses_images = any(profiles[name].get("images", True) for name in sources)
    choice = choose_images(images, download=download) if uses_images else None
    shared = {"paperlib": hash_package(root), "environment": _sha256((root / "constraints.txt").read_bytes())}
    tasks = []
    for name, source in sources.items():
        settings = profiles[name][profile]
        task_images = choice if profiles[name].get("images", True) else None
        inputs = {
            "source": _sha256(source.read_bytes()),
            "parameters": _sha256(json.dumps(settings["parameters"], sort_keys=True).encode()),
            "images": f"{task_images.source} {task_images.sha256}" if task_images else "not used",
            **shared,
        }
        folder = root / "_build" / "executed" / profile
        parameters, minutes = settings["parameters"], float(settings["minutes"])
        check_parameters(read_notebook(source), parameters, f"book/{source.name} at profile {profile}")
        tasks.append(Task(name, source, profile, parameters, minutes, task_images, folder, inputs))
    return tasks


def read_pages(root: Path) -> list[Path]:
    """The pages of ``_toc.yml`` in order, as source files."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: Any) -> Iterable[str]:
        if isinstance(node, list):
            for item in node:
                yield from walk(item)
        elif isinstance(node, dict):
            yield from (node[key] for key in ("root", "file") if key in node)
            for key in ("parts", "chapters", "sections"):
                yield from walk(node.get(key, []))

    return [root / f"{name}.md" for name in walk(toc)]


def find_notebooks(root: Path, only: Sequence[str] = ()) -> dict[str, Path]:
    """Name → source of the executable pages (those with a kernel in their front matter), in book order."""
    pages = [page for page in read_pages(root) if not only or page.stem in only]
    for page in pages:
        if not page.is_file():
            raise InputError(f"_toc.yml names {page.relative_to(root)}, which does not exist.")
    return {page.stem: page for page in pages if "kernelspec" in _front_matter(page)}


def read_profiles(root: Path) -> dict[str, dict[str, Any]]:
    """``book/profiles.yml``, checked to hold minutes and parameters for every notebook and profile."""
    path = root / "book" / "profiles.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, entry in entries.items():
        if unknown := sorted(set(entry) - {*PROFILES, "images"}):
            raise InputError(f"book/profiles.yml, {name}: unknown key {', '.join(unknown)}.")
        for profile in PROFILES:
            settings = entry.get(profile)
            if not isinstance(settings, dict) or set(settings) != {"minutes", "parameters"}:
                raise InputError(f"book/profiles.yml, {name}: {profile} needs minutes and parameters.")
    return entries


def choose_images(images: str | None, *, download: bool) -> ImagesChoice:
    """Settle on one image source for the whole run: all pages show the same, and none waits for the network.

    Without a name and with `download` False, the cached download is taken where there is one and the embedded
    photographs otherwise.
    """
    from paperlib.data import load_images
    from paperlib.data.download import cached_olshausen

    images = images or os.environ.get("PAPERLIB_IMAGES") or None
    if images is None and not download:
        images = "olshausen" if cached_olshausen() else "photos"
    if images not in (None, "olshausen", "photos"):
        images = str(Path(images).expanduser().resolve())
    loaded = load_images(images)
    source = images or ("olshausen" if cached_olshausen() else "photos")
    return ImagesChoice(source, loaded.describe(), loaded.sha256)


def check_parameters(notebook: NotebookNode, parameters: dict[str, Any], where: str) -> None:
    """Refuse a notebook without exactly one cell tagged ``parameters``, and names that cell does not set.

    papermill itself overwrites nothing in the first case, and only warns in the second.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise InputError(f"{where}: expected one cell tagged 'parameters', found {len(cells)}.")
    known = set()
    for node in ast.parse(cells[0].source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        known |= {target.id for target in targets if isinstance(target, ast.Name)}
    if unknown := sorted(set(parameters) - known):
        raise InputError(
            f"{where}: unknown parameter {', '.join(unknown)}; its parameters cell sets "
            f"{', '.join(sorted(known)) or 'none'}."
        )


def hash_package(root: Path) -> str:
    """Hash of every module of paperlib, names included."""
    digest = hashlib.sha256()
    for path in sorted((root / "paperlib").rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


# ---- executing


def execute_tasks(tasks: Sequence[Task], jobs: int, echo: Callable[[str], None] = print) -> dict[str, float]:
    """Execute tasks, longest first, `jobs` at a time; the first failing cell stops all.

    Returns
    -------
    dict
        Name → seconds.
    """
    if not tasks:
        return {}
    jobs = min(jobs, len(tasks))
    threads = max(1, _cores() // jobs)
    papermill = Papermill()
    seconds: dict[str, float] = {}
    total = sum(len(read_notebook(task.source).cells) for task in tasks)
    bar = tqdm(total=total, unit="cell", desc="Executing", disable=not sys.stderr.isatty())
    with bar, ThreadPoolExecutor(jobs) as pool:
        futures = {
            pool.submit(execute_task, task, threads, papermill, bar.update): task.name
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
    task: Task, threads: int, papermill: Papermill, advance: Callable[[int], Any] = lambda cells: None
) -> float:
    """Execute one notebook and put it, with its manifest, in place; both appear whole or not at all.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    BookError
        When a cell fails, with notebook, cell number, source line and error.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    environment = {"PAPERLIB_IMAGES": task.images.source if task.images else NO_IMAGES}
    notebook, problem = papermill.run(
        task.source, task.parameters, task.failed_output, environment | thread_limits(threads), advance
    )
    if failure := find_failure(task, notebook):
        raise BookError(str(failure))
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
        "threads": threads,
        "parameters": task.parameters,
        "images": task.images.description if task.images else None,
        "versions": versions(),
        "commit": commit(),
        "inputs": task.inputs,
        "output_sha256": _sha256(content),
    }
    write_atomically(task.output, lambda path: path.write_bytes(content))
    write_atomically(task.manifest, lambda path: path.write_text(json.dumps(manifest, indent=2)))
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

        Parameters
        ----------
        source, output : Path
            The notebook's source, and where papermill writes after every cell.
        parameters : dict
            Values for names of the cell tagged ``parameters``.
        environment : dict
            Environment variables beside those of this process.
        advance : callable
            Told the number of cells done since it was last called.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)
        prepared = output.with_name(f"{source.stem}.input.ipynb")
        nbformat.write(read_notebook(source), prepared)
        # Names relative to the folder: papermill would read braces in a path as placeholders.
        command = [sys.executable, "-m", "papermill", prepared.name, output.name, "--kernel", "python3"]
        command += ["--cwd", str(source.parent), "--parameters_yaml", yaml.safe_dump(parameters)]
        isolated = {
            "JUPYTER_PREFER_ENV_PATH": "1",  # a kernel of the same name in the user's home must not win,
            "IPYTHONDIR": str(output.parent / ".ipython"),  # nor the user's startup files take part
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        with subprocess.Popen(
            [*command, "--progress-bar"],
            cwd=output.parent,
            env={**os.environ, **isolated, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            self._running.add(process)
            if self._stopped:
                process.terminate()
            log = follow_progress(process.stderr, advance)
        self._running.discard(process)
        prepared.unlink()
        if not output.is_file():
            raise BookError(f"{source.stem}: papermill stopped before the first cell:\n{log}")
        return nbformat.read(output, as_version=4), log if process.returncode else ""


def follow_progress(stream: Iterable[str], advance: Callable[[int], Any]) -> str:
    """Read papermill's messages to the end; cells done go to `advance`, the last messages are returned."""
    done, tail = 0, []
    for line in stream:  # with universal newlines each update of papermill's progress bar is a line
        if match := re.search(r"(\d+)/\d+ \[", line):
            advance(int(match[1]) - done)
            done = int(match[1])
        elif line.strip():
            tail = [*tail[-19:], line.rstrip()]
    return "\n".join(tail)


def find_failure(task: Task, notebook: NotebookNode) -> Failure | None:
    """The first code cell of an executed notebook that did not complete, None where all did."""
    codes = [cell.source for cell in read_notebook(task.source).cells if cell.cell_type == "code"]
    lines = code_cell_lines(task.source.read_text(encoding="utf-8"), codes)
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += "injected-parameters" not in cell.metadata.get("tags", [])
        errors = [output for output in cell.outputs if output.output_type == "error"]
        replied = "shell.execute_reply" in cell.metadata.get("execution", {}) or not cell.source.strip()
        if replied and not errors:
            continue
        offset, error = 0, "The kernel died or was stopped in this cell."
        if errors:
            error = f"{errors[0].ename}: {errors[0].evalue}"
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(errors[0].traceback))
            if match := re.search(r"Cell In\[\d+\], line (\d+)", trace):
                offset = int(match[1]) - 1
        code = cell.source.splitlines()[offset].strip()
        return Failure(task, number, lines[number - 1] + offset, code, error)
    return None


def code_cell_lines(text: str, sources: Sequence[str]) -> list[int]:
    """Line numbers, from 1, at which the code of each code cell of a MyST notebook begins."""
    lines = text.splitlines()
    starts, ticks = [], ""
    for number, line in enumerate(lines):
        if ticks:
            ticks = "" if line.rstrip() == ticks else ticks
        elif match := re.match(r"(`{3,})(\{code-cell\})?", line):
            ticks = match[1]
            if match[2]:
                first = next(iter(sources[len(starts)].splitlines()), line)
                starts.append(lines.index(first, number) + 1)
    return starts


# ---- rendering


def build_book(
    root: Path, tasks: Sequence[Task], *, strict: bool = False, echo: Callable[[str], None] = print
) -> Path:
    """Render all pages into ``_build/html``, with the outputs of those tasks that are up to date.

    Nothing is done where the same pages were rendered before. A failed rendering leaves the last good one.

    Returns
    -------
    Path
        The page to open.

    Raises
    ------
    BookError
        When jupyter-book fails; with `strict`, also on any warning.
    """
    html, record, log = (root / "_build" / name for name in ("html", "html.json", "html.log"))
    index = html / "index.html"
    state = {"pages": stage_book(root, tasks), "strict": strict}
    built = json.loads(record.read_text()) if record.is_file() and index.is_file() else {}
    if built.get("pages") == state["pages"] and built["strict"] >= strict:
        echo("The book is up to date.")
        return index
    echo(f"Building the book (messages: {_shown(log)}) ...")
    fresh = root / "_build" / "render"
    shutil.rmtree(fresh, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [".", "--path-output", str(fresh), "--all"]
    command += ["-W", "-n", "--keep-going"] if strict else []
    stage = root / "_build" / "stage"  # the extensions' path in _config.yml is relative to the current folder
    with log.open("w", encoding="utf-8") as stream:
        run = subprocess.run(command, cwd=stage, stdout=stream, stderr=subprocess.STDOUT, check=False)
    messages = [line for line in log.read_text(encoding="utf-8").splitlines() if "WARNING" in line]
    for line in messages:
        echo(line)
    if run.returncode != 0:
        raise BookError(f"jupyter-book failed (exit code {run.returncode}); see {_shown(log)}.")
    record.unlink(missing_ok=True)
    shutil.rmtree(html, ignore_errors=True)
    os.replace(fresh / "_build" / "html", html)
    write_atomically(record, lambda path: path.write_text(json.dumps(state)))
    return index


def stage_book(root: Path, tasks: Sequence[Task]) -> str:
    """Copy the book to ``_build/stage`` with executed notebooks in place of their sources.

    Returns
    -------
    str
        Hash of everything the rendered pages depend on.
    """
    folder = root / "_build" / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(root / name, folder / name)
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns(".*", "_*"))
    for task in tasks:
        if not task.reasons():
            (folder / "book" / task.source.name).unlink()
            notebook = nbformat.read(task.output, as_version=4)
            notebook.cells.append(provenance_cell(task))
            nbformat.write(notebook, folder / "book" / task.output.name)
    digest = hashlib.sha256((root / "constraints.txt").read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def provenance_cell(task: Task) -> NotebookNode:
    """The note at the end of an executed page: profile, images, seconds and versions."""
    manifest = json.loads(task.manifest.read_text())
    made_by = [f"{name} {version}" for name, version in manifest["versions"].items()]
    made_by += [f"commit {manifest['commit'][:12]}"] if manifest["commit"] else []
    text = (
        f":::{{admonition}} How this page was computed\n:class: note dropdown\n"
        f"Profile **{manifest['profile']}**, {manifest['seconds']:.1f} s, threads: {manifest['threads']}, "
        f"started {manifest['started']}. Images: {manifest['images'] or 'not used'}.\n\n"
        f"{', '.join(made_by)}\n:::"
    )
    return nbformat.v4.new_markdown_cell(text, id="provenance")


# ---- notebooks


def read_notebook(source: Path) -> NotebookNode:
    """A MyST notebook as notebook node, with cell ids that depend on the order only."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def strip_volatile(notebook: NotebookNode) -> NotebookNode:
    """The notebook without times, paths and random ids; changed in place."""
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return notebook


def find_root(start: Path) -> Path:
    """The project's folder: `start` or the nearest folder above it with the book's table of contents."""
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file() and (folder / "book" / "profiles.yml").is_file():
            return folder
    raise InputError(f"No _toc.yml and book/profiles.yml in {start} or above: run this inside the project.")


# ---- printing


def _print_plan(tasks: Sequence[Task], jobs: int, echo: Callable[[str], None]) -> None:
    rows = []
    expected = 0.0
    for task in tasks:
        reasons = task.reasons()
        expected += task.minutes if reasons else 0.0
        state = f"run ({', '.join(reasons)})" if reasons else "up to date"
        rows.append((task.name, task.profile, f"{task.minutes:g}", state))
    images = next((task.images.description for task in tasks if task.images), "not used")
    echo(f"Images: {images}")
    _print_table(("notebook", "profile", "minutes", "plan"), rows, echo)
    echo(f"Expected: {expected:.1f} minutes of notebooks, {jobs} at a time, and then the pages.")


def _print_results(tasks: Sequence[Task], seconds: dict[str, float], echo: Callable[[str], None]) -> None:
    rows = []
    for task in tasks:
        status = "executed" if task.name in seconds else "not executed" if task.reasons() else "up to date"
        manifest = task.read_manifest() if status != "not executed" else None
        rows.append((task.name, f"{manifest['seconds']:.1f}" if manifest else "-", status))
    _print_table(("notebook", "seconds", "status"), rows, echo)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], echo: Callable[[str], None]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# ---- helpers


def _front_matter(page: Path) -> dict[str, Any]:
    match = re.match(r"---\n(.*?)\n---\n", page.read_text(encoding="utf-8"), re.DOTALL)
    return (yaml.safe_load(match[1]) or {}) if match else {}


def thread_limits(threads: int) -> dict[str, str]:
    """Environment variables that limit a process to a number of threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shown(path: Path) -> str:
    """A path as the user would type it."""
    return os.path.relpath(path)
