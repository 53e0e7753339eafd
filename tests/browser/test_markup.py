"""Two hundred texts made to become markup, in every place where the page shows a text that is not its own: nothing
runs, nothing is fetched from elsewhere, and no element appears that the page does not make itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from api.compose import Footnote
from api.settings import Settings
from tests.browser.answers import answer, citation, stream
from tests.browser.page import Page
from tests.browser.payloads import payloads
from tests.conftest import serve
from tests.endpoint import endpoint, says
from tests.fakes import FakeEncoder, FakeReader

pytestmark = pytest.mark.browser

PAYLOADS = payloads()
QUESTION = "Which lamp was lit in 1925?"
GOOD = "The lamp was lit in 1925 by the keeper."

# Every element that the page makes of its own accord, anywhere.
KNOWN = {
    "html", "head", "meta", "title", "link", "script", "body", "div", "a", "header", "h1", "h2", "h3", "span", "nav",
    "button", "main", "section", "p", "ul", "ol", "li", "form", "label", "textarea", "kbd", "aside", "dialog", "dl",
    "dt", "dd", "progress", "input", "select", "option", "fieldset", "legend", "article", "sup", "details", "summary",
    "blockquote", "bdi", "mark", "noscript", "strong", "code",
}  # fmt: skip
_LOOK = """
const all = [...document.querySelectorAll("*")];
return {
  owned: window.owned ?? 0, title: document.title,
  tags: [...new Set(all.map((node) => node.tagName.toLowerCase()))],
  handlers: all.flatMap((node) => node.getAttributeNames()).filter((name) => name.startsWith("on")),
  addresses: all.flatMap((node) => ["src", "href", "action", "formaction", "data", "srcset", "poster", "ping"]
    .map((name) => node.getAttribute(name))).filter(Boolean),
  scripts: document.scripts.length, forms: document.forms.length,
};
"""


def fill(source: Path) -> None:
    """The payloads as file names, as titles, as headings and as bodies."""
    source.mkdir()
    (source / "lamp.txt").write_text(GOOD)
    (source / "all.txt").write_text("The quay warden collected these:\n\n" + "\n\n".join(PAYLOADS).replace("\0", ""))
    for n, text in enumerate(PAYLOADS):
        name = f"{n:03d} {text}".replace("/", "\u2215").replace("\0", "")
        stem = os.fsencode(name)[:200].decode("utf-8", "ignore")
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\0", "")
        body = f"<body><h1>{escaped}</h1><p>Lamp {n}: {escaped}</p></body>"
        (source / f"{stem}.html").write_text(f"<html><head><title>{n} {escaped}</title></head>{body}</html>", "utf-8")


@pytest.fixture
def hostile(chromium: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    """The page of a server over the folder, whose LLM says a good sentence and then payloads."""
    source = tmp_path / "documents"
    fill(source)
    encoder = FakeEncoder()
    said = " ".join([f"{GOOD[:-1]} [1].", *(f"{' '.join(text.split())} [1]." for text in PAYLOADS[:25])])
    with endpoint(says(said)) as llm:
        chosen = Settings(
            source=source, data=tmp_path / "data", encoder=encoder.name, reader=False, min_confidence=0.0,
            llm_url=llm.url, llm_unsupported="mark",
        )  # fmt: skip
        footnote = Footnote(chosen, encoder=lambda: encoder, reader=FakeReader, in_child=False)
        footnote.rebuild(lambda *_: None)
        for url in serve(footnote):
            chromium.execute_cdp_cmd("Network.enable", {})
            page = Page(chromium, url)
            page.forget()
            page.open("/")
            yield page
            page.driver.get("about:blank")


def assert_inert(page: Page, known: set[str] = KNOWN) -> None:
    found: dict[str, Any] = page.run(_LOOK)
    assert found["owned"] == 0
    assert set(found["tags"]) <= known, set(found["tags"]) - known
    assert found["handlers"] == []
    assert found["scripts"] <= 2 and found["forms"] <= 2
    strange = [one for one in found["addresses"] if not one.startswith(("/", "#", "blob:")) or one.startswith("//")]
    assert strange == []
    assert page.elsewhere() == []
    assert page.complaints() == []


def test_nothing_that_a_document_holds_becomes_more_than_text(hostile: Page) -> None:
    page = hostile
    assert len(PAYLOADS) == 200
    for more in page.all("#opening-contents > button"):
        page.click(more)
    page.wait(lambda: len(page.all("#opening-contents li")) == 202)
    shown = page.text("#opening-contents")
    assert sum(text.split()[0] in shown for text in PAYLOADS) > 150  # they are there, as text
    assert_inert(page)
    page.open_index_panel()
    for more in page.all("#panel-contents > button"):
        page.click(more)
    assert_inert(page)
    page.close_drawer("index")

    opener = next(node for node in page.all("#opening-contents button") if node.text == "all.txt")
    page.click(opener)
    page.wait(lambda: "quay warden" in page.text("#source-text"))
    assert sum(text in page.text("#source-text") for text in PAYLOADS) > 150
    assert_inert(page)
    address = str(page.one("#source-place a").get_attribute("href"))
    page.one("#source-close").click()
    page.driver.get(address)
    assert page.run("return document.contentType;") == "text/plain"
    assert_inert(page, {"html", "head", "body", "pre", "meta"})


def test_nothing_that_an_llm_or_an_error_says_becomes_more_than_text(hostile: Page) -> None:
    page = hostile
    page.ask(QUESTION)
    assert "onerror" in page.turn(".answer")[0].text, "the LLM's sentences are to be shown, as doubted"
    assert page.turn(".doubt")
    assert_inert(page)

    sentences = [
        {"text": text, "verdict": "supported", "why": text, "citations": [n]} for n, text in enumerate(PAYLOADS, 1)
    ]
    cited = [
        citation(n, text, title=text, source=text, heading_path=[text], sheet=text, chapter=text, source_changed=True)
        for n, text in enumerate(PAYLOADS, 1)
    ]
    passages = [{"passage_id": text, "document_id": text, "title": text, "source": text, "text": text, "start_char": 0,
                 "end_char": 1} for text in PAYLOADS]  # fmt: skip
    given = answer(
        *sentences, citations=cited, passages=passages, fallback="llm_error", standalone_question=PAYLOADS[0]
    )
    page.answering("/v1/ask", 200, stream(given), {"Content-Type": "text/event-stream"})
    page.ask(PAYLOADS[0])
    page.click(page.turn(".read summary")[0])
    assert len(page.turn(".footnote")) == 200
    assert_inert(page)
    page.run("document.querySelector('.turn:last-child .marker').click();")
    page.wait(lambda: page.text("#source-notices"))
    assert_inert(page)
    page.one("#source-close").click()

    abstained = answer(*sentences[:1], abstained=True, reason=PAYLOADS[1], passages=passages, text=PAYLOADS[2])
    page.answering("/v1/ask", 200, stream(abstained), {"Content-Type": "text/event-stream"})
    page.ask(PAYLOADS[3])
    assert_inert(page)
    together = "\n".join(PAYLOADS)
    problem = json.dumps(
        {"type": "about:blank", "title": together, "status": 503, "detail": together, "instance": together}
    )
    page.answering("/v1/ask", 503, problem, {"Content-Type": "application/problem+json"})
    page.ask(PAYLOADS[4])
    assert "onerror" in page.turn("[role=alert]")[0].text
    assert_inert(page)


def test_where_markup_is_made_from_strings_much_of_it_runs(chromium: webdriver.Chrome) -> None:
    """The null control: the same texts on a page without a policy, through innerHTML."""
    page = Page(chromium, "http://127.0.0.1:1")
    chromium.execute_cdp_cmd("Network.enable", {})
    chromium.get("data:text/html,<body></body>")
    ran = 0
    for text in PAYLOADS[:26]:
        ran += page.run_module(
            "window.owned = 0; document.body.innerHTML = given[0];"
            "await new Promise((done) => setTimeout(done, 60)); return window.owned > 0;",
            text,
        )
    page.run("document.body.innerHTML = arguments[0];", "".join(PAYLOADS[26:46]))
    deadline = time.monotonic() + 10
    while not page.elsewhere() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ran >= 8
    assert any("evil.example" in address for address in page.elsewhere())
    assert not set(page.run(_LOOK)["tags"]) <= KNOWN
