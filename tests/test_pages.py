"""The pages of the book: all listed, every notebook with its profiles, checked numbers with a reference."""

from __future__ import annotations

import functools
import re

import nbformat
import pytest
import yaml
from references import CHECKED, FOLDER, ROOT, has_checked_cells, tags

from paperlib import book

plan = functools.cache(lambda profile: book.plan(ROOT, profile, "photos"))


@functools.cache
def referenced_tasks() -> list[book.Task]:
    return [task for task in plan("smoke") if has_checked_cells(task)]


def test_every_page_is_in_the_table_of_contents():
    pages = book.read_pages(ROOT)
    assert len(pages) == len(set(pages))
    assert set(pages) == set((ROOT / "book").rglob("*.md"))


@pytest.mark.parametrize("profile", book.PROFILES)
def test_every_notebook_has_its_parameters_in_every_profile(profile):
    tasks = plan(profile)
    assert [task.name for task in tasks] == list(book.find_notebooks(ROOT))


def test_the_smoke_and_laptop_profiles_promise_to_be_quick():
    for profile, limit in {"smoke": 3, "laptop": 20}.items():
        minutes = [task.minutes for task in plan(profile)]
        assert max(sum(minutes) / 2, *minutes) <= limit


def test_the_paper_profile_promises_a_night():
    assert sum(task.minutes for task in plan("paper")) / 2 <= 12 * 60


def test_every_page_that_shows_results_of_record_depends_on_them():
    entries = yaml.safe_load((ROOT / "book" / "profiles.yml").read_text(encoding="utf-8"))
    for task in plan("smoke"):
        reads = r"read_(?:records|complete)\(\"([\w/]+)"
        for page in re.findall(reads, task.source.read_text(encoding="utf-8")):
            assert f"results/paper/{page}/*" in entries[task.name].get("files", []), task.name


def test_there_is_a_reference_for_each_notebook_with_checked_cells():
    paths = {FOLDER / f"{task.name}.ipynb" for task in referenced_tasks()}
    assert paths == set(FOLDER.rglob("*.ipynb")), "run `make references`"


def test_references_come_from_the_pages_as_they_are():
    for task in referenced_tasks():
        reference = nbformat.read(FOLDER / f"{task.name}.ipynb", 4)
        cells = [cell for cell in reference.cells if "injected-parameters" not in tags(cell)]
        source = book.read_notebook(task.source).cells
        message = f"the reference is not made from book/{task.name}.md as it is: run `make references`"
        assert [(cell.cell_type, cell.source, tags(cell)) for cell in cells] == [
            (cell.cell_type, cell.source, tags(cell)) for cell in source
        ], message
        injected = [cell.source for cell in reference.cells if "injected-parameters" in tags(cell)]
        namespace: dict[str, object] = {}
        exec("\n".join(injected), namespace)
        assert {name: namespace.get(name) for name in task.parameters} == task.parameters, message


def test_checked_cells_have_an_output_to_compare_with():
    # nbval passes over a cell without stored output
    for path in FOLDER.rglob("*.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            assert bool(cell.get("outputs")) == (CHECKED in tags(cell)), (path.name, cell.source)


def test_no_note_to_ourselves_is_left():
    files = [*ROOT.glob("*.md"), *(ROOT / "book").rglob("*.md"), *(ROOT / "paperlib").rglob("*.py")]
    notes = re.compile(r"\b(TODO|FIXME|XXX|TBD|WIP)\b|lorem ipsum", re.IGNORECASE)
    found = {path.name: notes.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: words for name, words in found.items() if words} == {}


def test_every_work_cited_can_be_found():
    entries = (ROOT / "book" / "references.bib").read_text(encoding="utf-8").split("\n@")
    nowhere = [entry.split(",")[0] for entry in entries if not re.search(r"\b(doi|url|isbn)\s*=", entry)]
    assert len(entries) > 10 and nowhere == []
