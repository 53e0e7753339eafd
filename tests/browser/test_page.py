"""Stories of the page, told in a real browser against the real service.

Every story ends by checking that nothing was asked of another host and that no policy was broken (see conftest.py).
"""

from __future__ import annotations

import re

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.page import Page
from tests.conftest import LiveServer

pytestmark = pytest.mark.browser

HARBOUR = "The harbour was opened in 1911 by Mayor Ilse Brandt."
FERRY = "The ferry Aurora sails at noon every Tuesday."


def test_an_answer_streams_in_and_every_sentence_has_a_footnote(page: Page) -> None:
    page.ask("Who opened the harbour in 1911?")

    sentences = page.turn(".sentence")
    assert HARBOUR in sentences[0].text
    assert all(sentence.find_elements("css selector", ".marker") for sentence in sentences)
    assert HARBOUR in page.turn(".footnote blockquote")[0].text
    assert "harbour.txt" in page.turn(".footnote")[0].text
    assert page.asked()[0]["stream"] is True
    assert "text/event-stream" in [response["mimeType"] for response in page.responses]


@pytest.mark.parametrize(
    ("question", "cited"),
    [("Who opened the harbour in 1911?", HARBOUR), ("When does the ferry Aurora sail?", FERRY)],
)
def test_a_marker_opens_the_document_at_the_cited_words(page: Page, question: str, cited: str) -> None:
    page.ask(question)
    quoted = str(page.turn(".footnote blockquote")[0].get_property("textContent"))

    page.turn(".marker")[0].click()
    page.wait(lambda: page.all("#source mark"))

    # emoji.md has three ships before the words: counted in UTF-16 units the mark would start three characters late.
    assert page.text("#source mark") == quoted
    assert cited in quoted
    assert len(page.all("#source mark")) == 1
    assert page.run(
        "const mark = document.querySelector('#source mark').getBoundingClientRect();"
        "const pane = document.querySelector('#source-scroll').getBoundingClientRect();"
        "return mark.top >= pane.top && mark.top <= pane.bottom;"
    )


def test_a_footnote_opens_the_same_words_as_its_marker(page: Page) -> None:
    page.ask("Who opened the harbour in 1911?")

    page.turn(".footnote")[0].click()
    page.wait(lambda: page.all("#source mark"))

    assert page.text("#source mark") == page.turn(".footnote blockquote")[0].get_property("textContent")


def test_everything_can_be_done_from_the_keyboard(page: Page) -> None:
    page.run("document.activeElement.blur();")
    page.press("/")
    assert page.focused.get_attribute("id") == "question"

    page.press("Who opened")
    page.press(Keys.ENTER, shift=True)
    page.press("the harbour in 1911?", Keys.ENTER)
    page.wait(lambda: page.turn(".colophon"))
    assert page.turn(".question")[0].get_property("textContent") == "Who opened\nthe harbour in 1911?"

    for opener in ("footnote-title", "marker"):
        tab_back_to(page, opener)
        label = page.focused.get_attribute("aria-label")
        assert (
            page.run("return getComputedStyle(arguments[0]).outlineStyle;", page.focused) != "none"
            or page.run("return getComputedStyle(arguments[0], '::after').outlineStyle;", page.focused) != "none"
        )

        page.press(Keys.ENTER if opener == "marker" else Keys.SPACE)
        page.wait(lambda: page.all("#source mark"))
        assert page.focused.get_attribute("id") == "source-scroll"

        page.press(Keys.ESCAPE)
        assert not page.one("#source").is_displayed()
        assert opener in str(page.focused.get_attribute("class")).split()
        assert page.focused.get_attribute("aria-label") == label


def tab_back_to(page: Page, class_name: str) -> None:
    for _ in range(40):
        page.press(Keys.TAB, shift=True)
        if class_name in str(page.focused.get_attribute("class")).split():
            return
    raise AssertionError(f"no .{class_name} can be reached with the Tab key")


def test_what_the_documents_do_not_say_is_said_not_to_be_there(page: Page) -> None:
    page.ask("Which vaccine did the chemist Okonkwo patent?")

    assert "don't say" in page.turn(".answer")[0].text.replace("’", "'")
    assert page.turn(".reason")[0].text
    assert not page.turn(".marker")
    assert not page.turn(".footnote")

    page.turn(".passage .footnote-title")[0].click()
    page.wait(lambda: page.all("#source mark"))
    assert page.text("#source mark").strip() in page.text("#source-text")


def test_a_follow_up_sends_the_turns_before_it(page: Page) -> None:
    page.ask("Who opened the harbour in 1911?")
    answer = page.run(
        "return [...document.querySelectorAll('.turn:last-child .sentence')]"
        ".map((sentence) => sentence.firstChild.data).join(' ');"
    )
    page.ask("How much did it cost?")

    assert page.asked()[0]["messages"] == []
    assert page.asked()[1]["messages"] == [
        {"role": "user", "content": "Who opened the harbour in 1911?"},
        {"role": "assistant", "content": answer},
    ]

    page.one("#new-conversation").click()
    assert page.one("#opening").is_displayed()
    page.ask("When was the lighthouse added?")
    assert page.asked()[2]["messages"] == []


def test_a_rebuild_shows_its_progress_and_what_it_did(page: Page, live_server: LiveServer) -> None:
    before = len(page.all("#opening-contents li"))
    page.open_index_panel()
    assert page.fact("Documents") == str(before)
    page.run(
        "window.phases = [];"
        "new MutationObserver(() => window.phases.push(document.querySelector('#job-phase').textContent))"
        ".observe(document.querySelector('#job-phase'), { childList: true });"
    )
    (live_server.source / "market.txt").write_text("The market square is paved with granite from Vanga.\n")

    page.one("#rebuild").click()
    page.wait(lambda: "Rebuilt" in page.text("#job-outcome"))

    assert page.run("return window.phases;")
    assert "1 added" in page.text("#job-outcome")
    page.wait(lambda: page.fact("Documents") == str(before + 1))
    assert f"{before + 1} documents" in page.text("#index-summary")
    page.wait(lambda: "market.txt" in page.text("#panel-contents"))
    page.close_drawer("index")
    page.ask("What is the market square paved with?")
    assert "granite" in page.turn(".answer")[0].text


def test_a_footnote_says_when_its_file_has_changed_since(page: Page, live_server: LiveServer) -> None:
    harbour = live_server.source / "harbour.txt"
    indexed = harbour.read_bytes()
    harbour.write_text("The harbour was closed.\n")
    try:
        page.ask("Who opened the harbour in 1911?")
        assert "changed since it was indexed" in page.turn(".footnote")[0].text

        page.turn(".marker")[0].click()
        page.wait(lambda: page.all("#source mark"))
        assert "changed since it was indexed" in page.text("#source-notices")
        assert HARBOUR in page.text("#source mark")
    finally:
        harbour.write_bytes(indexed)


def test_a_document_can_be_opened_without_a_question(page: Page) -> None:
    title = next(
        entry.find_element("css selector", "button")
        for entry in page.all("#opening-contents li")
        if "harbour.txt" in str(entry.get_property("textContent"))
    )

    page.click(title)
    page.wait(lambda: HARBOUR in page.text("#source-text"))

    assert not page.all("#source mark")
    page.one("#source-close").click()
    assert page.focused == title


def test_a_hostile_document_is_only_text(page: Page) -> None:
    payload = "<img src=x onerror=alert(1)>"
    elements = page.run("return document.images.length + document.scripts.length;")
    hostile = next(
        entry.find_element("css selector", "button")
        for entry in page.all("#opening-contents li")
        if "hostile.html" in str(entry.get_property("textContent"))
    )

    page.click(hostile)
    page.wait(lambda: "<img" in page.text("#source-text"))
    assert "<" in page.text("#source-title")
    page.one("#source-close").click()
    page.ask(payload)

    assert page.turn(".question")[0].text == payload
    assert page.run("return document.images.length + document.scripts.length;") == elements
    assert page.driver.title == "Footnote"


def test_a_phone_needs_no_sideways_scrolling_and_gets_the_source_as_a_sheet(page: Page) -> None:
    page.resize(360, 740)
    fits(page)
    page.ask("Who opened the harbour in 1911? " + "x" * 200)
    page.ask("Who opened the harbour in 1911?")
    fits(page)

    page.turn(".marker")[0].click()
    page.wait(lambda: page.all("#source mark"))
    fits(page)
    assert page.one("#source").size == {"width": 360, "height": 740}
    assert page.one("#page").get_property("inert") is True
    page.one("#source-close").click()
    assert page.one("#page").get_property("inert") is False

    page.ask("Which vaccine did the chemist Okonkwo patent?")
    for drawer in ("history", "index", "settings"):
        page.open_drawer(drawer)
        fits(page)
        assert page.one(f"#{drawer}-panel .leaf").size == {"width": 360, "height": 740}
        page.close_drawer(drawer)


def test_on_a_phone_every_control_of_the_bar_can_be_reached(page: Page) -> None:
    page.resize(360, 740)
    page.ask("Who opened the harbour in 1911?")
    assert (
        page.run(
            "return [...document.querySelectorAll('.bar button')].filter((node) => {"
            "  const box = node.getBoundingClientRect();"
            "  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);"
            "  return box.right > 361 || !node.contains(there); }).map((node) => node.id);"
        )
        == []
    )


def fits(page: Page) -> None:
    assert page.run("return document.documentElement.scrollWidth;") <= 360
    assert (
        page.run(
            "return [...document.querySelectorAll('button, p, h2, h3, blockquote, dd, textarea, input, select')]"
            ".filter((node) => node.getBoundingClientRect().right > 361).map((node) => node.outerHTML);"
        )
        == []
    )


def test_a_question_can_be_stopped(page: Page) -> None:
    page.go_slow(latency_ms=30_000)
    box = page.one("#question")
    box.send_keys("Who opened the harbour in 1911?\n")
    page.wait(lambda: page.one("#stop").is_displayed())

    page.one("#stop").click()
    page.wait(lambda: "Stopped." in page.turn(".turn-end")[0].text)

    assert page.one("#send").is_displayed()
    assert page.focused == box


def test_a_service_that_cannot_be_reached_is_said_to_be_so_and_asked_again(page: Page) -> None:
    page.go_offline()
    page.ask("Who opened the harbour in 1911?")
    assert "cannot be reached" in page.turn("[role=alert]")[0].text

    page.go_online()
    page.turn("[role=alert] button")[0].click()
    page.wait(lambda: page.turn(".colophon"))

    assert len(page.all(".turn")) == 1
    assert HARBOUR in page.turn(".answer")[0].text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(page: Page, scheme: str) -> None:
    page.run("document.documentElement.dataset.theme = arguments[0];", scheme)
    colours: dict[str, str] = page.run(
        "const probe = document.body.appendChild(document.createElement('p')); const colours = {};"
        "for (const name of ['paper', 'leaf', 'ink', 'faded', 'rubric', 'on-rubric', 'highlight', 'edge']) {"
        "  probe.style.color = `var(--${name})`; colours[name] = getComputedStyle(probe).color;"
        "}"
        "probe.remove(); return colours;"
    )

    pairs = [(front, back) for front in ("ink", "faded", "rubric") for back in ("paper", "leaf")]
    for front, back in [*pairs, ("on-rubric", "rubric"), ("ink", "highlight")]:
        assert contrast(colours[front], colours[back]) >= 4.5, (front, back)  # WCAG 2.2, 1.4.3, level AA
    for back in ("paper", "leaf"):
        assert contrast(colours["edge"], colours[back]) >= 3, back  # 1.4.11: what is written into


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two rgb(r, g, b) colours, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_api_reference_works_with_no_network_but_ours(page: Page) -> None:
    page.open("/docs")
    page.wait(lambda: page.all(".opblock"))
    assert page.driver.title == "Footnote API"
    # Some of its styles and images are asked for only by an operation that is open.
    page.run(
        "document.querySelectorAll('.opblock:not(.is-open) .opblock-summary-control').forEach((one) => one.click());"
    )
    page.wait(lambda: len(page.all(".opblock.is-open .try-out__btn")) == len(page.all(".opblock")))

    index = next(block for block in page.all(".opblock-get") if "/v1/index" in block.text.replace("\u200b", "").split())
    index.find_element("css selector", ".try-out__btn").click()
    page.wait(lambda: index.find_elements("css selector", ".execute"))
    index.find_element("css selector", ".execute").click()

    page.wait(lambda: '"generation"' in index.find_element("css selector", ".live-responses-table").text)
