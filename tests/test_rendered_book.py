"""The rendered book as a reader without a network meets it: every page opened in headless Chromium.

No console error, no request to another host, mathematics rendered, every picture there, every link alive;
light and dark, on a screen and on a phone; by keyboard; without what axe-core calls serious. Screenshots are
kept in _build/screenshots. Skipped where Chromium, axe-core or the book is missing; with
PAPERLIB_REQUIRE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browser import Browser

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
AXE = ROOT / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"  # put there by .ci/run
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")
LOOKS = {
    "light": {"width": 1280, "scheme": "light"},
    "dark": {"width": 1280, "scheme": "dark"},
    "phone": {"width": 390, "scheme": "light"},
}
# Runs in the page: waits for fonts, pictures and MathJax, and tells what is there.
PROBE = """
(async () => {
  for (const image of document.images) {
    image.loading = "eager";
    await image.decode().catch(() => {});
  }
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const count = (selector) => document.querySelectorAll(selector).length;
  return {
    formulas: count(".math"),
    rendered: count(".math mjx-container"),
    broken: count("[data-mjx-error], mjx-merror, merror"),
    pictures: document.images.length,
    missing: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
  };
})()
"""
# How far the page can be scrolled sideways, and figures that the dark theme would show on a dark ground.
MEASURE = """
({
  sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  dim: [...document.querySelectorAll("article img")]
    .filter((image) => getComputedStyle(image).backgroundColor !== "rgb(255, 255, 255)")
    .map((image) => image.src),
})
"""
# Formulas are MathJax's own drawings. Colors alone differ in the dark, and they do not depend on the width.
JUDGE = """
axe.run({exclude: ["mjx-container"]}, {resultTypes: ["violations"], %s}).then(({violations}) => violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id}: ${nodes.length} times, ${nodes[0].target} ${nodes[0].html.slice(0, 200)}`))
"""
RULES = {
    "light": "",
    "dark": 'runOnly: ["color-contrast"]',
    "phone": 'rules: {"color-contrast": {enabled: false}}',
}
STILL = "document.head.insertAdjacentHTML('beforeend', '<style>* {transition: none !important}</style>')"


def need(condition: object, reason: str) -> None:
    if not condition:
        (pytest.fail if os.environ.get("PAPERLIB_REQUIRE_BROWSER") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    need(program, f"none of {', '.join(BROWSERS)} is installed")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    found = find_pages(HTML)
    need(found, "there is no book in _build/html: run `make reproduce`")
    return found


def find_pages(folder: Path) -> list[Path]:
    """The pages to read; those in _static are the theme's own templates."""
    return sorted(page for page in folder.rglob("*.html") if "_static" not in page.parts)


def name(page: Path) -> str:
    return page.relative_to(HTML).as_posix()


# ---- what a reader sees


@dataclass
class Findings:
    """What is wrong with the pages, a line each, by kind."""

    offline: list[str] = field(default_factory=list)
    sideways: list[str] = field(default_factory=list)
    dim: list[str] = field(default_factory=list)
    axe: list[str] = field(default_factory=list)
    formulas: int = 0
    pictures: int = 0


@pytest.fixture(scope="module")
def findings(browser, pages) -> Findings:
    """Every page opened once and looked at in every way."""
    found = Findings()
    listings: set[str] = set()
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    for page in pages:
        if 'http-equiv="Refresh"' in page.read_text(encoding="utf-8"):
            continue  # sends the reader on to a page that is opened itself
        browser.look(**LOOKS["light"])
        inspect_offline(browser, page, found)
        browser.run(STILL)
        listing = page.parent.name if "_modules" in page.parts else ""
        if listing in listings:
            continue  # listings of source code are all alike: one of each folder stands for them
        listings |= {listing} - {""}
        if AXE.is_file():
            browser.run(AXE.read_text(encoding="utf-8"))
        for look, settings in LOOKS.items():
            browser.look(**settings)
            inspect_look(browser, name(page), look, found)
            browser.photograph(SCREENSHOTS / look / page.relative_to(HTML).with_suffix(".jpg"))
    return found


def inspect_offline(browser: Browser, page: Path, found: Findings) -> None:
    browser.open(page.as_uri())
    seen = browser.run(PROBE)
    found.formulas += seen["formulas"]
    found.pictures += seen["pictures"]
    foreign = [url for url in browser.requests() if not url.startswith(LOCAL)]
    found.offline += [f"{name(page)}: asks for {url}" for url in foreign]
    found.offline += [f"{name(page)}: console error {error}" for error in browser.errors()]
    found.offline += [f"{name(page)}: picture missing: {url}" for url in seen["missing"]]
    if seen["rendered"] < seen["formulas"] or seen["broken"]:
        found.offline.append(f"{name(page)}: formulas not rendered or broken: {seen}")


def inspect_look(browser: Browser, page: str, look: str, found: Findings) -> None:
    where = f"{page}, {look}"
    measured = browser.run(MEASURE)
    if measured["sideways"] > 0:
        found.sideways.append(f"{where}: {measured['sideways']} pixels")
    if look == "dark":
        found.dim += [f"{where}: {image}" for image in measured["dim"]]
    if AXE.is_file():
        found.axe += [f"{where}: {violation}" for violation in browser.run(JUDGE % RULES[look])]


def test_every_page_reads_offline_without_errors(findings):
    assert findings.offline == []
    assert findings.formulas and findings.pictures, "the book has no formula or no picture at all"


def test_no_page_scrolls_sideways_on_a_screen_or_a_phone(findings):
    assert findings.sideways == []


def test_figures_stand_on_white_in_the_dark_theme(findings):
    assert findings.dim == []


def test_axe_finds_nothing_serious_on_any_page(findings):
    need(AXE.is_file(), "axe-core is missing: see .ci/run")
    assert findings.axe == []


def test_a_broken_page_is_noticed(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<title>x</title><img src='none.png'><span class='math'>\\(x\\)</span>"
        "<article style='width: 3000px'><img src='none.png'></article>"
        "<script src='http://127.0.0.1:9/a.js'></script><script>console.error('no'); undefinedName()</script>"
    )
    browser.open(page.as_uri())
    seen = browser.run(PROBE)
    assert [url.rsplit("/", 1)[1] for url in seen["missing"]] == ["none.png"] * 2
    assert seen["rendered"] < seen["formulas"]
    assert "http://127.0.0.1:9/a.js" in browser.requests()
    errors = "\n".join(browser.errors())
    assert all(sign in errors for sign in ("undefinedName", '"no"', "ERR_FILE_NOT_FOUND"))
    measured = browser.run(MEASURE)
    assert measured["sideways"] > 0 and len(measured["dim"]) == 1
    if AXE.is_file():
        browser.run(AXE.read_text(encoding="utf-8"))
        assert any(violation.startswith("image-alt: 2 times") for violation in browser.run(JUDGE % ""))


# ---- what a reader does

FOCUSED = """
(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    what: element.outerHTML.slice(0, 120),
    text: element.textContent.trim(),
    visible: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight,
    marked: ring || style.boxShadow !== "none",
  };
})()
"""


@pytest.mark.parametrize("look", LOOKS)
def test_the_keyboard_reaches_the_text_first_and_shows_where_it_is(browser, pages, look):
    browser.look(**LOOKS[look])
    browser.open((HTML / "book" / "theorem2.html").as_uri())
    browser.run(STILL)
    browser.press("Tab")
    skip = browser.run(FOCUSED)
    assert skip["text"] == "Skip to main content" and skip["visible"]
    browser.press("Enter")
    stops = []
    for _ in range(25):
        browser.press("Tab")
        stops.append(browser.run(FOCUSED))
    assert [stop for stop in stops if not (stop["visible"] and stop["marked"])] == []
    assert browser.run("document.activeElement.closest('main') !== null")


def test_the_search_opens_and_closes_by_keyboard(browser, pages):
    browser.look(**LOOKS["light"])
    browser.open((HTML / "book" / "intro.html").as_uri())
    browser.press("k", modifiers=2)
    assert browser.run("document.activeElement.name") == "q"
    browser.press("Escape")
    assert browser.run(
        "document.activeElement.name !== 'q' || !document.querySelector('.search-button__wrapper.show')"
    )


def test_the_search_finds_pages_and_functions_without_a_network(browser, pages):
    for words, expected in {"softened": "theorem2.html", "entropy_elbo": "api/model.html"}.items():
        browser.open(f"{(HTML / 'search.html').as_uri()}?q={words}")
        found = browser.run("""
          new Promise((done) => {
            const found = document.getElementById("search-results").getElementsByTagName("a");
            const links = () => [...found].map((link) => link.href);
            const wait = (left) => links().length || !left ? setTimeout(() => done(links()), 200)
                                                           : setTimeout(wait, 100, left - 1);
            wait(100);
          })""")
        assert any(expected in link for link in found), (words, found)
        assert browser.errors() == []


def test_each_notebook_can_be_downloaded_executed_and_as_source(pages):
    notebooks = sorted((HTML / "_sources" / "book").glob("*.ipynb"))
    need(notebooks, "the book was rendered without executed notebooks: run `make reproduce`")
    for path in notebooks:
        assert any(cell.get("outputs") for cell in nbformat.read(path, 4).cells), path.name
        page = HTML / "book" / f"{path.stem}.html"
        links = Links(page).links
        for source in (path, path.with_suffix(".md")):
            assert source.is_file() and f"../_sources/book/{source.name}" in links


# ---- links, without a browser


class Links(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value for key, value in attributes if value}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if values.get("http-equiv") == "Refresh":
            self.links.add(values["content"].split("url=")[1])
        if tag in ("img", "script", "source", "video", "iframe") and "src" in values:
            self.loads.add(values["src"])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loads.add(values["href"])


def broken_links(folder: Path) -> list[str]:
    """Links to files or anchors that do not exist, and things loaded from elsewhere."""
    found = []
    parsed = {page.resolve(): Links(page) for page in find_pages(folder)}
    for page, content in parsed.items():
        for link in sorted(content.links | content.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in content.loads and parts.scheme != "data":
                    found.append(f"{page.name} loads {link}")
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = unquote(parts.fragment)
            if not target.is_file():
                found.append(f"{page.name} links to {link}: no such file")
            elif place and target in parsed and place not in parsed[target].anchors:
                found.append(f"{page.name} links to {link}: no such place")
    return found


def test_every_link_leads_somewhere(pages):
    assert broken_links(HTML) == []


def test_dead_links_are_noticed(tmp_path):
    (tmp_path / "a.html").write_text(
        "<a href='b.html'>1</a><a href='#x'>2</a><a href='a.html#y'>3</a><i id='y'></i><a href='https://e.org'>4</a>"
        "<img src='c.png'><script src='https://e.org/x.js'></script>"
    )
    assert broken_links(tmp_path) == [
        "a.html links to #x: no such place",
        "a.html links to b.html: no such file",
        "a.html links to c.png: no such file",
        "a.html loads https://e.org/x.js",
    ]
