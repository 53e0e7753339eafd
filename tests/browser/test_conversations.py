"""Stories of conversations: kept, found again, renamed, taken along, deleted; and of answers that go wrong."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.answers import PAYLOAD, answer, citation, stream
from tests.browser.page import Page
from tests.conftest import LiveServer

pytestmark = pytest.mark.browser

QUESTION = "Who opened the harbour in 1911?"
HARBOUR = "The harbour was opened in 1911 by Mayor Ilse Brandt."
TUESDAY = "When does the ferry Aurora sail?"


def reload(page: Page) -> None:
    page.open("/")


def test_a_reload_brings_the_conversation_back(page: Page) -> None:
    page.ask(QUESTION)
    page.ask("Which vaccine did the chemist Okonkwo patent?")
    before = page.text("#conversation")

    reload(page)

    assert page.text("#conversation") == before
    assert not page.one("#opening").is_displayed()
    page.click(page.all(".marker")[0])
    page.wait(lambda: page.all("#source mark"))
    assert HARBOUR in page.text("#source mark")
    page.one("#source-close").click()
    page.ask("How much did it cost?")
    assert page.asked()[-1]["messages"][0] == {"role": "user", "content": QUESTION}


def test_another_tab_begins_afresh_and_finds_the_conversation_in_the_list(page: Page) -> None:
    page.ask(QUESTION)
    page.run("sessionStorage.clear();")
    reload(page)
    assert page.one("#opening").is_displayed()

    page.open_drawer("history")
    page.button(QUESTION, "#history-list").click()

    assert not page.one("#history-panel").is_displayed()
    assert HARBOUR in page.turn(".answer")[0].text
    assert page.focused.get_attribute("id") == "question"


def test_conversations_are_renamed_deleted_and_brought_back(page: Page) -> None:
    page.ask(QUESTION)
    page.one("#new-conversation").click()
    page.ask(TUESDAY)
    page.open_drawer("history")
    assert titles(page) == [TUESDAY, QUESTION]

    page.all("#history-list .entry")[1].find_element("css selector", "[aria-label^=Rename]").click()
    page.press("Harbours", Keys.ENTER)
    assert titles(page) == [TUESDAY, "Harbours"]
    assert page.focused.text == "Harbours"

    page.press(Keys.TAB, Keys.ENTER)  # rename again, and think better of it
    page.press("Lost", Keys.ESCAPE)
    assert titles(page) == [TUESDAY, "Harbours"]
    assert page.one("#history-panel").is_displayed()

    page.all("#history-list [aria-label^=Delete]")[0].click()
    assert page.focused.text == "Undo"
    page.press(Keys.ENTER)
    assert titles(page) == [TUESDAY, "Harbours"]
    page.all("#history-list [aria-label^=Delete]")[1].click()
    page.close_drawer("history")
    reload(page)
    page.open_drawer("history")
    assert titles(page) == [TUESDAY]


def titles(page: Page) -> list[str]:
    return [node.text for node in page.all("#history-list .entry-title")]


def test_deleting_what_is_on_the_page_clears_it(page: Page) -> None:
    page.ask(QUESTION)
    page.open_drawer("history")
    page.all("#history-list [aria-label^=Delete]")[0].click()
    page.close_drawer("history")

    assert page.all(".turn") == []
    assert page.one("#opening").is_displayed()


def test_all_conversations_are_deleted_from_the_settings(page: Page) -> None:
    page.ask(QUESTION)
    page.open_drawer("settings")
    page.button("Delete all", "#settings-kept").click()
    page.button("Really delete all", "#settings-kept").click()

    assert "No conversation" in page.text("#settings-kept")
    assert page.run("return Object.values(localStorage).join();").count(QUESTION) == 0


def test_a_conversation_is_exported_with_its_footnotes(page: Page, tmp_path: Path) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": False}
    )
    page.ask(QUESTION)
    page.open_drawer("history")

    page.one("#history-list [aria-label^=Export]").click()
    file = tmp_path / "who-opened-the-harbour-in-1911.md"
    page.wait(file.exists)
    text = file.read_text("utf-8")

    assert text.startswith(f"# {QUESTION}\n")
    assert f"{HARBOUR}[^1]" in text
    assert "[^1]: " in text
    assert f"“{HARBOUR}”" in text


def test_an_answer_is_copied_with_its_footnotes(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"origin": page.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page.ask(QUESTION)
    page.click(page.button("Copy", ".turn"))
    page.wait(lambda: page.button("Copied", ".turn"))

    copied = page.run_module("return navigator.clipboard.readText();")
    assert copied.startswith(f"{QUESTION}\n\n{HARBOUR}[1]")
    assert f"[1] harbour.txt: “{HARBOUR}”" in copied


def test_a_verdict_and_a_comment_reach_the_server_and_are_remembered(page: Page, live_server: LiveServer) -> None:
    page.ask(QUESTION)
    page.click(page.button("No", ".rating"))
    page.wait(lambda: "Noted" in page.text(".rating"))
    page.click(page.button("Add a comment", ".rating"))
    page.wait(lambda: page.focused.tag_name == "textarea")
    page.press("It was 1912.")
    page.click(page.button("Send", ".comment"))
    page.wait(lambda: not page.all(".comment textarea"))

    lines = (live_server.footnote.settings.data / "feedback.jsonl").read_text("utf-8").splitlines()
    assert [(json.loads(line)["verdict"], json.loads(line)["comment"]) for line in lines] == [
        ("down", ""),
        ("down", "It was 1912."),
    ]
    reload(page)
    assert page.button("No", ".rating").get_attribute("aria-pressed") == "true"
    assert page.button("Yes", ".rating").get_attribute("aria-pressed") == "false"


def test_what_came_before_a_stop_is_kept_and_can_be_asked_again(page: Page) -> None:
    sentence = {"sentence": {"text": HARBOUR, "citations": [1]}, "citations": [citation(1, HARBOUR)]}
    page.run(
        """
        const [text] = arguments; const ask = window.fetch;
        window.fetch = async (address, options) => (address !== '/v1/ask' ? ask(address, options)
          : new Response(new ReadableStream({ start(body) {
              body.enqueue(new TextEncoder().encode(text));
              options.signal.addEventListener('abort', () => body.error(options.signal.reason));
            } })));
        """,
        f"event: sentence\ndata: {json.dumps(sentence)}\n\n",
    )
    page.one("#question").send_keys(QUESTION + "\n")
    page.wait(lambda: page.turn(".sentence"))
    page.one("#stop").click()
    page.wait(lambda: "Stopped before the end." in page.turn(".turn-end")[0].text)

    reload(page)
    assert HARBOUR in page.turn(".answer")[0].text
    assert "Stopped before the end." in page.turn(".turn-end")[0].text
    page.click(page.button("Ask again", ".turn"))
    page.wait(lambda: page.turn(".colophon"))
    assert len(page.all(".turn")) == 1


@pytest.mark.parametrize(
    ("status", "title", "wait", "said"),
    [
        (429, "Too many requests", "7", "wait 7 seconds"),
        (503, "Too many questions are waiting", "300", "wait 5 minutes"),
    ],
)
def test_a_server_that_asks_to_wait_is_told_of_and_asked_again(
    page: Page, status: int, title: str, wait: str, said: str
) -> None:
    problem = json.dumps({"title": title, "status": status, "detail": "Not now."})
    page.answering("/v1/ask", status, problem, {"Retry-After": wait})
    page.ask(QUESTION)
    assert title in page.turn("[role=alert]")[0].text
    assert said in page.turn("[role=alert]")[0].text

    page.answering("/v1/ask", 200, stream(answer({"text": "Now.", "verdict": "supported", "citations": [1]})))
    page.click(page.button("Ask again", ".turn"))
    page.wait(lambda: page.turn(".colophon"))
    assert len(page.all(".turn")) == 1


def test_a_language_model_that_failed_and_sentences_that_nothing_supports_are_marked(page: Page) -> None:
    given = answer(
        {"text": "The tide turns at noon.", "verdict": "supported", "citations": [1]},
        {"text": "The moon is near.", "verdict": "unsupported", "citations": [2]},
        fallback="llm_timeout",
    )
    page.answering("/v1/ask", 200, stream(given))
    page.ask("When does the tide turn?")

    assert "did not answer in time" in page.turn(".turn-end .notice")[0].text
    good, doubted = page.turn(".sentence")
    assert "doubted" not in str(good.get_attribute("class"))
    assert "doubted" in str(doubted.get_attribute("class"))
    assert "not supported" in doubted.text


def test_hostile_words_stay_words_wherever_they_turn_up(page: Page, live_server: LiveServer) -> None:
    name = "<img src=x onerror=alert(1)>.md"
    (live_server.source / name).write_text(f"# {PAYLOAD}\n\nThe quay of {PAYLOAD} was paved in 1931.\n")
    live_server.footnote.rebuild(lambda *_: None)
    reload(page)
    elements = page.run("return document.images.length + document.scripts.length;")
    hostile = {"text": PAYLOAD, "verdict": PAYLOAD, "citations": [1]}
    given = answer(hostile, reason=PAYLOAD, mode=PAYLOAD, fallback=PAYLOAD, generation=PAYLOAD)
    given["citations"] = [citation(1, PAYLOAD, source=name, title=PAYLOAD, heading_path=[PAYLOAD])]
    page.answering("/v1/ask", 200, stream(given))

    page.ask(PAYLOAD)
    assert PAYLOAD in page.turn(".answer")[0].text
    reload(page)  # from what the browser kept
    assert PAYLOAD in page.turn(".answer")[0].text
    page.open_drawer("history")
    assert page.all("#history-list .entry-title")[0].text == PAYLOAD[:78] + " …"
    page.close_drawer("history")
    page.open_drawer("index")
    page.one("#documents-filter").send_keys("onerror")
    assert name in page.text("#panel-contents")

    time.sleep(0.2)  # an image that cannot be loaded tells so a little later
    assert page.run("return document.images.length + document.scripts.length;") == elements
    assert page.driver.title == "Footnote"
