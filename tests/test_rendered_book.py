"""The rendered book as a reader without a network meets it: every page opened in headless Chromium.

No console error, no request to another host, mathematics rendered, every picture there, every link alive;
light and dark, on a screen and on a phone; by keyboard; without what axe-core calls serious. Screenshots are
kept in _build/screenshots. `make inspect` runs these tests, which other runs of pytest leave out: they need
Chromium, axe-core and the built book.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browser import Browser

from paperlib.book.printing import find_browser

pytestmark = pytest.mark.rendered

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
AXE = ROOT / "tests" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")
LOOKS = {
    "phone": {"width": 390, "scheme": "light"},
    "dark": {"width": 1280, "scheme": "dark"},
    "light": {"width": 1280, "scheme": "light"},
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
    raw: [...document.querySelectorAll("article p")].map((text) => text.textContent)
      .filter((text) => /\\|\\s*(—|-+)\\s*\\|/.test(text)),
  };
})()
"""
# How far the page can be scrolled sideways, and figures that the dark theme would show on a dark ground.
MEASURE = """
({
  sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  dim: [...document.querySelectorAll("article img")]
    .filter(() => matchMedia("(prefers-color-scheme: dark)").matches)
    .filter((image) => getComputedStyle(image).backgroundColor !== "rgb(255, 255, 255)")
    .map((image) => image.src),
})
"""
JUDGE = """
axe.run({resultTypes: ["violations"], %s}).then(({violations}) => violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id}: ${nodes.length} times, ${nodes[0].target} ${nodes[0].html.slice(0, 200)}`))
"""
RULES = {"light": "", "dark": 'runOnly: ["color-contrast"]'}  # colors alone differ
STILL = """
document.head.insertAdjacentHTML("beforeend",
  "<style>* {transition: none !important; scroll-behavior: auto !important}</style>")
"""
# axe-core looks at every element, and formulas have most of a page's.
WITHOUT_FORMULAS = "document.querySelectorAll('mjx-container').forEach((formula) => formula.remove())"


def find_pages(folder: Path) -> list[Path]:
    """The pages to read; those in _static are the theme's own templates."""
    return sorted(page for page in folder.rglob("*.html") if "_static" not in page.parts)


def name(page: Path) -> str:
    return page.relative_to(HTML).as_posix()


def sends_on(page: Path) -> bool:
    """Whether the page only sends the reader on to another, which is opened itself."""
    return 'http-equiv="Refresh"' in page.read_text(encoding="utf-8")


PAGES = [page for page in find_pages(HTML) if not sends_on(page)]
# Listings of source code are all alike: two stand for them.
LISTINGS = [page for page in PAGES if "_modules" in page.parts and page.stem not in ("index", "special")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    browser = Browser(find_browser(), tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


# ---- what a reader sees


def test_there_is_a_book():
    assert PAGES, "there is no book in _build/html: run `make reproduce`"
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert 'class="math' in text and "<img" in text, "the book has no formula or no picture at all"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_reads_well_offline_in_every_look(browser, page):
    browser.look(**LOOKS["light"])
    browser.open(page.as_uri())
    problems = find_missing(browser)
    browser.run(STILL)
    looks = {} if page in LISTINGS else LOOKS
    for look, settings in looks.items():
        browser.look(**settings)
        problems += [f"{look}: {problem}" for problem in find_misplaced(browser)]
        browser.photograph(SCREENSHOTS / look / page.relative_to(HTML).with_suffix(".jpg"))
    problems += find_inaccessible(browser) if looks else []
    assert problems == []


def find_missing(browser: Browser) -> list[str]:
    """What the open page asks other hosts for, its errors, and what is not shown."""
    seen = browser.run(PROBE)
    problems = [f"asks for {url}" for url in browser.requests() if not url.startswith(LOCAL)]
    problems += [f"console error: {error}" for error in browser.errors()]
    problems += [f"picture missing: {url}" for url in seen["missing"]]
    problems += [f"table not rendered: {text[:80]}" for text in seen["raw"]]
    if seen["rendered"] < seen["formulas"] or seen["broken"]:
        problems.append(f"formulas not rendered or broken: {seen}")
    return problems


def find_misplaced(browser: Browser) -> list[str]:
    """How far the open page scrolls sideways, and figures without a white ground in the dark."""
    seen = browser.run(MEASURE)
    sideways = [f"scrolls {seen['sideways']} pixels sideways"] if seen["sideways"] > 0 else []
    return sideways + [f"dark axes on a dark page: {image}" for image in seen["dim"]]


def find_inaccessible(browser: Browser) -> list[str]:
    """What axe-core calls serious or critical."""
    assert AXE.is_file(), "axe-core is missing: `make inspect` installs it"
    browser.run(WITHOUT_FORMULAS)
    browser.run(AXE.read_text(encoding="utf-8"))
    problems = []
    for look, rules in RULES.items():
        browser.look(**LOOKS[look])
        problems += [f"{look}: {violation}" for violation in browser.run(JUDGE % rules)]
    return problems


def test_a_broken_page_is_noticed(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<title>x</title><img src='none.png'><span class='math'>\\(x\\)</span>"
        "<article style='width: 3000px'><img src='none.png'><p>| a | | — | | 1 |</p></article>"
        "<script src='http://127.0.0.1:9/a.js'></script><script>console.error('no'); undefinedName()</script>"
    )
    browser.look(**LOOKS["dark"])
    browser.open(page.as_uri())
    seen = "\n".join(find_missing(browser))
    signs = ["asks for http://127.0.0.1:9/a.js", "undefinedName", '"no"', "NOT_FOUND"]
    signs += ["table not", "formulas not"]
    assert [sign for sign in signs if sign not in seen] == []
    assert seen.count("picture missing") == 2
    assert [problem.split()[0] for problem in find_misplaced(browser)] == ["scrolls", "dark"]
    assert any(problem.startswith("light: image-alt: 2 times") for problem in find_inaccessible(browser))


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
def test_the_keyboard_reaches_the_text_first_and_shows_where_it_is(browser, look):
    browser.look(**LOOKS[look])
    browser.open((HTML / "book" / "sparse_codes" / "theorem2.html").as_uri())
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


def test_the_search_opens_and_closes_by_keyboard(browser):
    browser.look(**LOOKS["light"])
    browser.open((HTML / "book" / "intro.html").as_uri())
    browser.press("k", modifiers=2)
    assert browser.run("document.activeElement.name") == "q"
    browser.press("Escape")
    assert browser.run(
        "document.activeElement.name !== 'q' || !document.querySelector('.search-button__wrapper.show')"
    )


def test_the_search_finds_pages_and_functions_without_a_network(browser):
    for words, expected in {"softened": "theorem2.html", "entropy_elbo": "api/sparse_coding.html"}.items():
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


def test_each_notebook_can_be_downloaded_executed_and_as_source():
    sources = HTML / "_sources"
    notebooks = sorted(sources.rglob("*.ipynb"))
    assert notebooks, "the book was rendered without executed notebooks: run `make reproduce`"
    for path in notebooks:
        assert any(cell.get("outputs") for cell in nbformat.read(path, 4).cells), path.name
        page = HTML / path.relative_to(sources).with_suffix(".html")
        links = {(page.parent / link).resolve() for link in Links(page).links}
        assert {path, path.with_suffix(".md")} <= {link for link in links if link.is_file()}


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


def test_every_link_leads_somewhere():
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
