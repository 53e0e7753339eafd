"""Stories of the drawers, the theme, the suggestions and the key."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.settings import Settings
from tests.browser.page import Page
from tests.browser.test_access import faults
from tests.conftest import LiveServer, serve_app

pytestmark = pytest.mark.browser


def test_the_settings_are_shown_as_the_server_runs(page: Page) -> None:
    page.open_drawer("settings")
    page.wait(lambda: page.all("#settings-list dt"))
    shown = {
        str(name.get_property("textContent")): str(value.get_property("textContent"))
        for name, value in zip(page.all("#settings-list dt code"), page.all("#settings-list dd"), strict=True)
    }
    assert list(shown) == list(Settings.model_fields)
    assert shown["source"].startswith("documents")
    assert shown["passages"] == "8"
    assert shown["reader"] == "on"


def test_light_and_dark_are_chosen_and_remembered(page: Page) -> None:
    emulate(page, "light")
    light = background(page)
    emulate(page, "dark")
    dark = background(page)
    assert light != dark

    page.open_drawer("settings")
    page.one("input[value=light]").click()
    assert background(page) == light
    page.open("/")
    assert background(page) == light
    page.open_drawer("settings")
    assert page.one("input[value=light]").is_selected()
    page.one("input[value=system]").click()
    assert background(page) == dark


def emulate(page: Page, scheme: str) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


def background(page: Page) -> str:
    return str(page.run("return getComputedStyle(document.documentElement).backgroundColor;"))


def test_a_suggestion_asks_a_question_that_is_answered(page: Page, live_server: LiveServer) -> None:
    (live_server.source / "faq.md").write_text(
        "# When does the ferry Aurora sail?\n\nThe ferry Aurora sails at noon every Tuesday.\n"
    )
    live_server.footnote.rebuild(lambda *_: None)
    page.open("/")

    suggestion = page.one("#suggestions .suggestion")
    question = suggestion.text
    suggestion.click()
    page.wait(lambda: page.turn(".colophon"))

    assert page.turn(".question")[0].text == question == "When does the ferry Aurora sail?"
    assert page.turn(".marker")
    assert not page.one("#opening").is_displayed()


def test_a_build_tells_what_it_skipped_and_why(page: Page, live_server: LiveServer) -> None:
    (live_server.source / "market.txt").write_text("The market square is paved with granite.\n")
    (live_server.source / "scan.bin").write_bytes(b"\x00\x01\x02")
    page.open_drawer("index")
    page.one("#rebuild").click()
    page.wait(lambda: "Rebuilt" in page.text("#job-outcome"))
    page.wait(lambda: "scan.bin" in page.text("#panel-contents"))

    assert "1 file skipped" in page.text("#job-outcome")
    assert "scan.bin: " in page.text("#job-outcome")


def test_deletions_are_named_and_wait_for_a_word(page: Page, live_server: LiveServer) -> None:
    boats = [live_server.source / f"boat {number:02}.txt" for number in range(12)]
    for number, path in enumerate(boats):
        path.write_text(f"Boat {number} lies at quay {number}.\n")
    live_server.footnote.rebuild(lambda *_: None)
    page.open("/")
    for path in boats[:8]:
        path.unlink()
    page.resize(390, 844)
    page.open_drawer("index")
    page.one("#rebuild").send_keys(Keys.ENTER)
    page.wait(lambda: page.all("#job-problem .notice"))
    told = page.text("#job-problem")
    assert "8 of 15 documents would be removed from the index" in told
    assert [node.text for node in page.all("#job-problem li")] == [*(path.name for path in boats[:5]), "and 3 more"]
    assert live_server.footnote.describe()["documents"] == 15
    assert page.run("return document.documentElement.scrollWidth;") <= 390
    assert faults(page) == []

    page.press(Keys.TAB, Keys.TAB)  # past the link to the reference
    assert page.focused.text == "Remove them and rebuild"
    page.press(Keys.ENTER)
    page.wait(lambda: "8 deleted" in page.text("#job-outcome"))
    assert page.text("#job-problem") == ""
    assert page.focused.get_attribute("id") == "rebuild"
    page.wait(lambda: page.fact("Documents") == "7")


def test_deletions_that_nobody_here_asked_about_are_named_too(page: Page, live_server: LiveServer) -> None:
    """As when the folder is watched."""
    boats = [live_server.source / f"boat {number:02}.txt" for number in range(12)]
    for number, path in enumerate(boats):
        path.write_text(f"Boat {number} lies at quay {number}.\n")
    live_server.footnote.rebuild(lambda *_: None)
    for path in boats[:8]:
        path.unlink()
    live_server.footnote.jobs.start()
    live_server.footnote.jobs.wait()
    page.open("/")
    page.open_drawer("index")
    page.wait(lambda: "8 of 15 documents would be removed from the index" in page.text("#job-problem"))
    live_server.footnote.rebuild(lambda *_: None, confirm_deletions=True)
    page.run("document.dispatchEvent(new Event('visibilitychange'));")  # it looks again
    page.wait(lambda: page.text("#job-problem") == "")
    assert page.fact("Documents") == "7"


def test_the_documents_are_filtered_by_name_and_by_state(page: Page, live_server: LiveServer) -> None:
    (live_server.source / "blank.txt").write_text("  \n")
    live_server.footnote.rebuild(lambda *_: None)
    (live_server.source / "emoji.md").write_text("Changed since.\n")
    page.open("/")
    page.open_drawer("index")
    assert len(page.all("#panel-contents li")) == 4

    page.one("#documents-filter").send_keys("HARB")
    assert listed(page) == ["harbour.txt"]
    assert page.text("#documents-found") == "1 of 4 files"
    page.one("#documents-filter").clear()
    page.one("#documents-filter").send_keys("skipped", Keys.TAB)
    assert listed(page) == ["blank.txt"]
    assert "holds no text" in page.text("#panel-contents")
    page.one("#documents-filter").clear()
    page.one("#documents-state").send_keys("1 changed since the build")
    assert listed(page) == ["Signals"]

    page.one("#panel-contents button").click()
    page.wait(lambda: "ferry Aurora" in page.text("#source-text"))
    assert not page.one("#index-panel").is_displayed()
    page.press(Keys.ESCAPE)
    assert page.focused.get_attribute("id") == "index-toggle"


def listed(page: Page) -> list[str]:
    return [node.text for node in page.all("#panel-contents .contents-title")]


@pytest.mark.parametrize("name", ["history", "index", "settings"])
def test_a_drawer_holds_the_focus_and_gives_it_back(page: Page, name: str) -> None:
    page.one(f"#{name}-toggle").send_keys(Keys.ENTER)
    page.wait(lambda: page.one(f"#{name}-panel").is_displayed())
    for _ in range(12):
        page.press(Keys.TAB)
        inside = page.run(
            "const at = document.activeElement;"
            "return at === document.body || document.getElementById(arguments[0]).contains(at);",
            f"{name}-panel",
        )
        assert inside  # the body stands for the browser's own controls

    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.one(f"#{name}-panel").is_displayed())
    assert page.focused.get_attribute("id") == f"{name}-toggle"


class Locked:
    """The application behind a key, which knows nothing of it."""

    KEY = "open-sesame"

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", [])).get(b"authorization", b"")
        if scope["type"] == "http" and scope["path"].startswith("/v1/") and given != b"Bearer " + self.KEY.encode():
            self.refused += 1
            body = json.dumps({"title": "A key is needed", "status": 401, "detail": "Send a key."}).encode()
            headers = [(b"content-type", b"application/problem+json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)


@pytest.fixture
def locked(chromium: webdriver.Chrome, live_server: LiveServer) -> Iterator[Page]:
    chromium.execute_cdp_cmd("Network.enable", {})
    for url in serve_app(Locked(create_app(live_server.footnote))):
        page = Page(chromium, url)
        chromium.get(url)
        yield page
        assert page.elsewhere() == []
        assert page.complaints() == []
        chromium.get("about:blank")


def test_a_key_is_asked_for_once_and_sent_from_then_on(locked: Page) -> None:
    locked.wait(lambda: locked.one("#key-dialog").is_displayed())
    assert locked.focused.get_attribute("id") == "key"

    locked.press("wrong", Keys.ENTER)
    locked.wait(lambda: locked.one("#key-dialog").is_displayed() and locked.one("#key-refused").is_displayed())
    locked.press(Locked.KEY, Keys.ENTER)
    locked.wait(lambda: locked.all("#opening-contents li"))
    assert not locked.one("#key-dialog").is_displayed()

    locked.ask("Who opened the harbour in 1911?")
    locked.turn(".marker")[0].click()
    locked.wait(lambda: locked.all("#source mark"))
    assert not locked.all("#source-place a")  # a link sends no key
    locked.open("/")  # kept for the tab
    assert not locked.one("#key-dialog").is_displayed()
    assert locked.run("return Object.values(localStorage).join();").count(Locked.KEY) == 0

    locked.open_drawer("settings")
    locked.button("Forget it", "#settings-key").click()
    assert "No key" in locked.text("#settings-key")
    assert locked.run("return sessionStorage.getItem('footnote.key');") is None


def test_who_has_no_key_is_told_so_and_may_enter_one_later(locked: Page) -> None:
    locked.wait(lambda: locked.one("#key-dialog").is_displayed())
    locked.press(Keys.ESCAPE)
    locked.wait(lambda: "A key is needed" in locked.text("#opening-contents"))
    locked.ask("Who opened the harbour in 1911?")
    assert "A key is needed" in locked.turn("[role=alert]")[0].text

    locked.button("Enter a key", ".turn").click()
    locked.wait(lambda: locked.one("#key-dialog").is_displayed())
    locked.press(Locked.KEY, Keys.ENTER)
    locked.wait(lambda: locked.turn(".colophon"))
    assert len(locked.all(".turn")) == 1
