"""Planning, executing and rendering: what reruns and why, and how failures are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from paperlib import book
from paperlib.book import NO_IMAGES, BookError, plan, reproduce
from paperlib.book.notebooks import code_cell_lines
from paperlib.book.printing import print_page
from paperlib.book.report import expected_minutes
from paperlib.book.tasks import sha256
from paperlib.system.errors import InputError
from paperlib.system.files import write_json
from paperlib.system.locks import locked

FRONT_MATTER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
PARAMETERS_CELL = """
```{code-cell} ipython3
:tags: [parameters]

seed = 0
size: int = 2
```
"""
LATER = "def later():\n    from paperlib import other"


def notebook(*cells: str, parameters: str = PARAMETERS_CELL) -> str:
    code = "".join(f"\n```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
    return f"{FRONT_MATTER}\n# A notebook\n{parameters}{code}"


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with one page of prose and two notebooks, `first` and `second`."""
    folder = tmp_path / "a {folder} with spaces"
    (folder / "book").mkdir(parents=True)
    (folder / "paperlib").mkdir()
    (folder / "paperlib" / "module.py").write_text("ONE = 1\n")
    (folder / "paperlib" / "other.py").write_text("def two():\n    from paperlib import module\n")
    (folder / "constraints.txt").write_text("numpy==2\n")
    (folder / "_config.yml").write_text("title: Test\nexecute: {execute_notebooks: 'off'}\n")
    for name in ("CHANGELOG.md", "CITATION.cff", "book/environment.md"):
        (folder / name).write_text("# Title\n")
    (folder / "book" / "intro.md").write_text("# Prose\n\nNothing to run.\n")
    (folder / "book" / "first.md").write_text(notebook("print(size + seed)"))
    (folder / "book" / "second.md").write_text(notebook(f"print(size + seed)\n{LATER}"))
    toc = {"format": "jb-book", "root": "book/intro"}
    toc["chapters"] = [{"file": "book/first", "sections": [{"file": "book/second"}]}]
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    write_profiles(folder, first={"size": 3})
    return folder


def write_profiles(folder: Path, **parameters: dict) -> None:
    entries = {
        name: {
            "images": False,
            **{
                profile: {"minutes": 0.1, "parameters": parameters.get(name, {})} for profile in book.PROFILES
            },
        }
        for name in ("first", "second")
    }
    (folder / "book" / "profiles.yml").write_text(yaml.safe_dump(entries))


def pretend_executed(folder: Path, profile: str = "smoke") -> None:
    """Results as an execution leaves them, without the seconds it takes."""
    for task in plan(folder, profile):
        task.folder.mkdir(parents=True, exist_ok=True)
        content = nbformat.writes(book.read_notebook(task.source)).encode()
        task.output.write_bytes(content)
        record = {"inputs": task.inputs, "output_sha256": sha256(content), "seconds": 1.0}
        write_json(task.manifest, record)


def reasons(folder: Path, profile: str = "smoke") -> dict[str, list[str]]:
    return {task.name: task.reasons() for task in plan(folder, profile)}


# ---- what runs


def test_an_execution_is_up_to_date_and_leaves_outputs_and_a_manifest(project):
    lines = []
    reproduce(project, profile="smoke", build=False, echo=lines.append)
    assert reasons(project) == {"first": [], "second": []}
    first, second = plan(project, "smoke")
    outputs = [
        cell.outputs[0].text
        for task in (first, second)
        for cell in nbformat.read(task.output, 4).cells
        if cell.get("outputs")
    ]
    assert outputs == ["3\n", "2\n"]  # parameters of the profile, and the notebook's own
    manifest = json.loads(first.manifest.read_text())
    assert manifest["parameters"] == {"size": 3} and manifest["status"] == "executed"
    assert {"python", "torch", "numpy"} <= set(manifest["versions"])
    assert sorted(path.name for path in first.folder.iterdir() if not path.name.startswith(".")) == [
        "first.ipynb",
        "first.json",
        "second.ipynb",
        "second.json",
    ]
    text = "\n".join(lines)
    assert text.index("run (never executed)") < text.index("1/2") < text.index("executed\nsecond")

    again = []
    reproduce(project, profile="smoke", build=False, echo=again.append)
    assert sum("up to date" in line for line in again) == 4  # both notebooks, in the plan and in the table
    assert not any("1/" in line for line in again)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda folder: (folder / "book" / "first.md").write_text(notebook("print(seed)")),
            {"first": ["source changed"], "second": []},
        ),
        (
            lambda folder: write_profiles(folder, first={"size": 4}),
            {"first": ["parameters changed"], "second": []},
        ),
        (
            lambda folder: (folder / "paperlib" / "module.py").write_text("ONE = 2\n"),
            {"first": [], "second": ["paperlib/module.py changed"]},
        ),
        (lambda folder: (folder / "paperlib" / "new.py").write_text(""), {"first": [], "second": []}),
        (
            lambda folder: [
                (folder / "paperlib" / f"{name}.py").write_text(f"from paperlib import {further}  # new\n")
                for name, further in {"__init__": "new", "other": "module", "module": "new"}.items()
            ],
            {"first": [], "second": ["3 modules of paperlib changed"]},
        ),
        (
            lambda folder: (folder / "constraints.txt").write_text("numpy==3\n"),
            {"first": ["environment changed"], "second": ["environment changed"]},
        ),
        (
            lambda folder: (folder / "_build" / "executed" / "smoke" / "second.ipynb").unlink(),
            {"first": [], "second": ["never executed"]},
        ),
        (
            lambda folder: (folder / "_build" / "executed" / "smoke" / "second.ipynb").write_text("{}"),
            {"first": [], "second": ["executed notebook changed"]},
        ),
        (lambda folder: (folder / "book" / "intro.md").write_text("# New"), {"first": [], "second": []}),
    ],
)
def test_each_change_reruns_what_depends_on_it(project, change, expected):
    pretend_executed(project)
    assert reasons(project) == {"first": [], "second": []}
    change(project)
    assert reasons(project) == expected


@pytest.mark.parametrize("damage", [b"", b"null", b"[]", b"{}", b"\xff\x00", b'{"inputs": 1}'])
def test_a_damaged_manifest_counts_as_missing(project, damage):
    pretend_executed(project)
    (project / "_build" / "executed" / "smoke" / "second.json").write_bytes(damage)
    assert reasons(project) == {"first": [], "second": ["never executed"]}


def test_one_process_at_a_time_makes_the_book(project):
    pretend_executed(project)
    with locked(project / "_build" / "lock", "the book"):
        reproduce(project, profile="smoke", dry_run=True, echo=lambda line: None)
        with pytest.raises(InputError, match=rf"Another process .*process {os.getpid()}"):
            reproduce(project, profile="smoke", build=False, echo=lambda line: None)
    reproduce(project, profile="smoke", build=False, echo=lambda line: None)


def test_another_checkouts_code_is_refused(project):
    (project / "paperlib" / "__init__.py").write_text("")
    with pytest.raises(InputError, match="This is the paperlib of"):
        reproduce(project, profile="smoke", echo=pytest.fail)


def test_notebooks_compute_with_the_checkouts_own_code_whatever_the_environment_says(project, monkeypatch):
    (project / "paperlib" / "__init__.py").write_text("HERE = 1\n")
    (project / "book" / "first.md").write_text(notebook("import paperlib; print(paperlib.HERE)"))
    foreign = project / "foreign" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(project / "foreign"))
    (task,) = plan(project, "smoke", only=["first"])
    executed, problem = book.Papermill().run(task.source, task.parameters, task.failed_output, {})
    assert problem == ""
    assert [cell.outputs[0].text for cell in executed.cells if cell.get("outputs")] == ["1\n"]


def test_parameters_arrive_as_they_are(project):
    values = {"size": 1e-10, "seed": [1, None, True, "a 'text'"]}
    write_profiles(project, first=values)
    (project / "book" / "first.md").write_text(notebook("print(repr((size, seed)))"))
    reproduce(project, profile="smoke", only=["first"], build=False, echo=lambda line: None)
    (task,) = plan(project, "smoke", only=["first"])
    outputs = [cell.outputs for cell in nbformat.read(task.output, 4).cells if cell.get("outputs")]
    assert outputs[0][0].text.strip() == repr((values["size"], values["seed"]))


def test_profiles_have_results_of_their_own(project):
    pretend_executed(project, "smoke")
    assert reasons(project, "laptop") == {"first": ["never executed"], "second": ["never executed"]}


def test_images_matter_only_to_notebooks_that_use_them(project, tmp_path):
    import numpy as np

    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).normal(size=(2, 8, 8)).astype("float32"))
    profiles = yaml.safe_load((project / "book" / "profiles.yml").read_text())
    del profiles["second"]["images"]
    (project / "book" / "profiles.yml").write_text(yaml.safe_dump(profiles))
    first, second = plan(project, "smoke", str(path))
    assert first.data is None and first.inputs["data"] == "not used"
    assert second.data.source == str(path.resolve())
    np.save(path, np.random.default_rng(1).normal(size=(2, 8, 8)).astype("float32"))
    _, changed = plan(project, "smoke", str(path))
    assert {key for key in second.inputs if second.inputs[key] != changed.inputs[key]} == {"data"}


def test_a_notebook_can_use_other_data(project):
    profiles = yaml.safe_load((project / "book" / "profiles.yml").read_text())
    profiles["first"] = {**profiles["first"], "data": "wine"}
    (project / "book" / "profiles.yml").write_text(yaml.safe_dump(profiles))
    code = "from paperlib.data import load_matrix\nprint(load_matrix().values.shape)"
    (project / "book" / "first.md").write_text(notebook(code))
    reproduce(project, profile="smoke", only=["first"], build=False, echo=lambda line: None)
    (task,) = plan(project, "smoke", only=["first"])
    assert task.reasons() == [] and task.read_manifest()["data"].startswith("wine (scikit-learn): 178 points")
    outputs = [cell.outputs for cell in nbformat.read(task.output, 4).cells if cell.get("outputs")]
    assert "(178, 13)\n" in [output.text for output in outputs[0]]


def test_a_notebook_that_declares_no_images_cannot_load_any(monkeypatch):
    from paperlib.data import load_images

    monkeypatch.setenv("PAPERLIB_IMAGES", NO_IMAGES)
    with pytest.raises(InputError, match="images-false"):
        load_images()


def test_the_plan_executes_nothing(project):
    lines = []
    reproduce(project, profile="smoke", dry_run=True, echo=lines.append)
    assert not (project / "_build").exists()
    assert [line.split()[0] for line in lines if "never executed" in line] == ["first", "second"]


@given(st.lists(st.integers(0, 500), max_size=20), st.integers(1, 8))
def test_the_expected_time_is_within_grahams_bounds(minutes, jobs):
    expected, longest = expected_minutes(minutes, jobs), max(minutes, default=0)
    assert longest <= expected
    assert sum(minutes) <= jobs * expected <= sum(minutes) + (jobs - 1) * longest


def test_the_expected_time_is_that_of_longest_first():
    assert expected_minutes([3, 3, 5, 3, 4], jobs=2) == 10  # 5, 3 and 4, 3, 3; the best is 9


# ---- bad input, refused before anything runs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "huge"}, r"^Unknown profile 'huge'; choose one of smoke, laptop, paper\.$"),
        ({"only": ["third", "first"]}, r"^Unknown notebook third: choose from first, second, or add it"),
        ({"jobs": 0}, r"^JOBS must be at least 1, but is 0\.$"),
    ],
)
def test_bad_arguments_are_named(project, arguments, message):
    with pytest.raises(InputError, match=message):
        reproduce(project, echo=pytest.fail, **{"profile": "smoke", **arguments})


def test_a_page_that_the_table_of_contents_lacks_is_named(project):
    toc = {"format": "jb-book", "root": "book/intro", "chapters": [{"file": "book/first"}]}
    (project / "_toc.yml").write_text(yaml.safe_dump(toc))
    with pytest.raises(InputError, match=r"second, which _toc\.yml does not list"):
        reproduce(project, profile="smoke", only=["second"], echo=pytest.fail)


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        (notebook("1", parameters=""), {}, "expected one cell tagged 'parameters', found 0"),
        (notebook("1", parameters=PARAMETERS_CELL * 2), {}, "expected one cell tagged 'parameters', found 2"),
        (notebook("1"), {"sizes": 1}, "unknown parameter sizes; its parameters cell sets seed, size"),
    ],
)
def test_parameters_that_papermill_would_ignore_are_refused(project, text, parameters, message):
    (project / "book" / "first.md").write_text(text)
    write_profiles(project, first=parameters)
    with pytest.raises(InputError, match=message):
        reproduce(project, profile="smoke", echo=pytest.fail)


def test_pages_and_profiles_that_do_not_match_are_refused(project):
    profiles = project / "book" / "profiles.yml"
    entries = yaml.safe_load(profiles.read_text())
    for broken, message in [
        ({"first": entries["first"]}, "no entry for second"),
        ({**entries, "third": entries["first"]}, "names third, which _toc.yml does not list"),
        ({**entries, "second": {**entries["second"], "quick": {}}}, "unknown key quick"),
        ({**entries, "second": {**entries["second"], "paper": {}}}, "paper needs minutes and parameters"),
    ]:
        profiles.write_text(yaml.safe_dump(broken))
        with pytest.raises(InputError, match=message):
            plan(project, "smoke")
    profiles.write_text(yaml.safe_dump(entries))
    (project / "book" / "second.md").unlink()
    with pytest.raises(InputError, match=r"names book/second\.md, which does not exist"):
        plan(project, "smoke")


# ---- failures


def test_code_cells_are_found_in_the_source():
    shown = "\n````md\n```{code-cell}\nno cell\n```\n````\n"
    text = shown + notebook(":tags: [x]\n\na", "", "---\ntags: [y]\n---\nb") + shown
    lines = text.splitlines()
    starts = code_cell_lines(text, ["seed = 0", "a", "", "b"])
    assert [lines[start - 1] for start in starts] == ["seed = 0", "a", "```{code-cell} ipython3", "b"]


def test_a_failing_cell_is_told_with_its_place(project, monkeypatch):
    monkeypatch.chdir(project)
    text = notebook("fine = 1", ":tags: [hide-input]\n\na = 1\nb = a / 0  # here")
    source = project / "book" / "first.md"
    source.write_text(text)
    with pytest.raises(BookError) as caught:
        reproduce(project, profile="smoke", only=["first"], build=False, echo=lambda line: None)
    line = text.splitlines().index("b = a / 0  # here") + 1
    message = str(caught.value)
    assert f"first: code cell 3 failed (book/first.md, line {line})" in message
    assert "b = a / 0  # here" in message and "ZeroDivisionError: division by zero" in message
    assert "_build/executed/smoke/first.failed.ipynb" in message
    assert reasons(project) == {"first": ["never executed"], "second": ["never executed"]}


def test_a_failure_stops_the_notebooks_beside_it_and_keeps_earlier_results(project):
    pretend_executed(project)
    before = (project / "_build" / "executed" / "smoke" / "first.ipynb").read_bytes()
    (project / "book" / "first.md").write_text(notebook("raise SystemExit(0)", "print(1)"))
    (project / "book" / "second.md").write_text(notebook("import time; time.sleep(600)"))
    with pytest.raises(BookError, match=r"first: code cell 2 failed[^$]*SystemExit"):
        reproduce(project, profile="smoke", build=False, echo=lambda line: None)
    assert (project / "_build" / "executed" / "smoke" / "first.ipynb").read_bytes() == before
    assert reasons(project) == {"first": ["source changed"], "second": ["source changed"]}


def test_a_dead_kernel_is_a_failure(project):
    (project / "book" / "first.md").write_text(notebook("import os; os._exit(1)"))
    with pytest.raises(BookError, match=r"code cell 2 failed[^$]*The kernel died"):
        reproduce(project, profile="smoke", only=["first"], build=False, echo=lambda line: None)


def test_an_interrupted_run_goes_on_where_it_stopped(project):
    (project / "book" / "second.md").write_text(notebook("import time; time.sleep(600)"))
    # A background job's children ignore SIGINT, and these tests may run in one.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from paperlib.cli.reproduce import reproduce; reproduce()"
    )
    command = [sys.executable, "-u", "-c", script, "--profile", "smoke", "--jobs", "2", "--no-book"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for line in process.stdout:
            if b"1/2  first" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors.decode()
    assert b"the same command goes on from there" in errors
    assert reasons(project) == {"first": [], "second": ["never executed"]}


# ---- the command


def run_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paperlib", "reproduce", *arguments]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # the project under test has a folder paperlib, too
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_exits_with_2_and_one_line_on_bad_input(project):
    result = run_command(project, "--profile", "huge")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "choose one of smoke, laptop, paper" in result.stderr


def test_the_command_exits_with_1_on_a_failing_cell(project):
    (project / "book" / "first.md").write_text(notebook("undefined_name"))
    result = run_command(project, "--profile", "smoke", "--only", "first", "--no-book")
    assert result.returncode == 1
    assert "NameError: name 'undefined_name' is not defined" in result.stderr


# ---- rendering


def test_staging_takes_only_results_that_are_up_to_date(project):
    pretend_executed(project)
    for task in plan(project, "smoke"):
        record = task.read_manifest()
        record |= {"profile": "smoke", "started": "now", "data": None}
        record |= {"versions": {"torch": "2"}, "commit": None, "device": "a processor"}
        write_json(task.manifest, record)
    (project / "book" / "second.md").write_text(notebook("changed = 1"))
    digest = book.stage_book(project, plan(project, "smoke"))
    stage = project / "_build" / "stage"
    pages = sorted(path.relative_to(stage).as_posix() for path in (stage / "book").iterdir())
    assert pages == [
        "book/environment.md", "book/first.ipynb", "book/intro.md", "book/profiles.yml", "book/second.md",
    ]  # fmt: skip
    source, kept = (folder / "book" / "first.md" for folder in (project, stage / "sources"))
    assert kept.read_bytes() == source.read_bytes()
    environment = (stage / "book" / "environment.md").read_text()
    assert "a processor" in environment and "[first](first) | smoke | 1.0 | now" in environment
    assert "second" not in environment.split("## Pages")[1].replace("seconds", "")
    last = nbformat.read(stage / "book" / "first.ipynb", 4).cells[-1].source
    assert "Profile **smoke**" in last and "torch 2" in last and "Data: none" in last
    assert digest == book.stage_book(project, plan(project, "smoke"))
    (project / "book" / "intro.md").write_text("# Other prose\n")
    assert digest != book.stage_book(project, plan(project, "smoke"))


def test_the_reference_is_made_anew_when_code_changes(project):
    digest = book.stage_book(project, [])
    (project / "paperlib" / "module.py").write_text("ONE = 1  # documented otherwise\n")
    assert digest != book.stage_book(project, [])


def test_the_book_is_rendered_once_and_a_warning_is_an_error_only_where_asked(project):
    (project / "book" / "intro.md").write_text("# Prose\n\n[nowhere](#missing)\n")
    with pytest.raises(BookError, match="jupyter-book failed"):
        book.build_book(project, [], strict=True, echo=lambda line: None)
    assert not (project / "_build" / "html").exists()
    lines = []
    index = book.build_book(project, [], echo=lines.append)
    assert index.is_file() and any("WARNING" in line for line in lines)
    built = os.stat(index).st_mtime_ns
    again = []
    book.build_book(project, [], echo=again.append)
    assert again == ["The book is up to date."] and os.stat(index).st_mtime_ns == built


def test_printing_without_a_browser_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="Chromium is needed"):
        book.print_book(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_prints_nothing_is_a_failure(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("x")
    with pytest.raises(BookError, match="could not print"):
        print_page("true", page, tmp_path / "book.pdf")
