"""The rendered book as a reader without a network meets it: every page opened in headless Chromium.

No console error, no request to another host, mathematics rendered, every picture there, every link alive.
Skipped where Chromium or the book is missing; with PAPERLIB_REQUIRE_BROWSER=1 that is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

HTML = Path(__file__).parents[1] / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    "--remote-debugging-pipe",
]
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")
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


def need(condition: object, reason: str) -> None:
    if not condition:
        (pytest.fail if os.environ.get("PAPERLIB_REQUIRE_BROWSER") else pytest.skip)(reason)


class Browser:
    """Headless Chromium, told what to do through its debugging pipe (Chrome DevTools Protocol)."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on descriptor 4.
        script = f'exec 3<&{commands} 4>&{answers}; exec "$@" 2>/dev/null'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "browser", program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
        )
        os.close(commands)
        os.close(answers)
        self._buffer = b""
        self._last = 0
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def call(self, method: str, **parameters: object) -> dict:
        """Send a command and wait for its result; events that come in between are kept."""
        self._last += 1
        message: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        while b"\0" not in self._buffer:
            data = os.read(self._answers, 1 << 16)
            assert data, "Chromium ended"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path) -> dict:
        """Open a page, wait until it is complete, and return what `PROBE` finds."""
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        answer = self.call("Runtime.evaluate", expression=PROBE, awaitPromise=True, returnByValue=True)
        return answer["result"]["value"]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def errors(self) -> list[str]:
        """What the console shows as an error since the page was opened."""
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"]))
            if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
                found.append(json.dumps(parameters["args"]))
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        return found

    def requests(self) -> list[str]:
        """The addresses asked for since the page was opened."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [parameters["request"]["url"] for parameters in sent]


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


def test_every_page_reads_offline_without_errors(browser, pages):
    problems, formulas, pictures = [], 0, 0
    for page in pages:
        if 'http-equiv="Refresh"' in page.read_text(encoding="utf-8"):
            continue  # sends the reader on to a page that is opened itself
        seen = browser.open(page)
        formulas += seen["formulas"]
        pictures += seen["pictures"]
        foreign = [url for url in browser.requests() if not url.startswith(LOCAL)]
        problems += [f"{name(page)}: asks for {url}" for url in foreign]
        problems += [f"{name(page)}: console error {error}" for error in browser.errors()]
        problems += [f"{name(page)}: picture missing: {url}" for url in seen["missing"]]
        if seen["rendered"] < seen["formulas"] or seen["broken"]:
            problems.append(f"{name(page)}: formulas not rendered or broken: {seen}")
    assert problems == []
    assert formulas and pictures, "the book has no formula or no picture at all"


def test_a_broken_page_is_noticed(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<title>x</title><img src='none.png'><span class='math'>\\(x\\)</span>"
        "<script src='http://127.0.0.1:9/a.js'></script><script>console.error('no'); undefinedName()</script>"
    )
    seen = browser.open(page)
    assert [url.rsplit("/", 1)[1] for url in seen["missing"]] == ["none.png"]
    assert seen["rendered"] < seen["formulas"]
    assert "http://127.0.0.1:9/a.js" in browser.requests()
    errors = "\n".join(browser.errors())
    assert all(sign in errors for sign in ("undefinedName", '"no"', "ERR_FILE_NOT_FOUND"))


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
