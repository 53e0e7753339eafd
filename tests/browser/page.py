"""The page as a reader meets it: what it shows, what can be pressed, and what the browser saw it do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 20


class Page:
    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url.rstrip("/")
        self.requests: list[dict[str, Any]] = []  # as Network.requestWillBeSent tells them
        self.responses: list[dict[str, Any]] = []
        self._log: list[str] = []
        driver.get("about:blank")  # what the last story's page still asks for is not this one's
        self._logged("browser")
        self._logged("performance")

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)
        if path == "/":
            self.wait(lambda: self.all("#opening-contents li"))

    def forget(self) -> None:
        """Empty what the browser keeps of this server; the icon runs no script that would keep more."""
        self.driver.get(f"{self.url}/static/icon.svg")
        self.run("localStorage.clear(); sessionStorage.clear();")

    # What is there

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text as the document holds it: white space kept, shown or not."""
        return str(self.one(selector).get_property("textContent"))

    def turn(self, selector: str) -> list[WebElement]:
        """Elements of the last turn."""
        return self.all(f".turn:last-child {selector}")

    @property
    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def wait(self, condition: Callable[[], object]) -> None:
        """Until the condition holds; an element that is replaced meanwhile is looked up again."""
        WebDriverWait(self.driver, WAIT_S, 0.05, [StaleElementReferenceException]).until(lambda _: condition())

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def run_module(self, script: str, *arguments: object) -> Any:
        """The result of the body of an async function."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {script} }})(...arguments)"
            ".then((value) => done({ value }), (error) => done({ error: String(error) }));",
            *arguments,
        )["value"]

    # What a reader does

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, wherever the focus is."""
        actions = ActionChains(self.driver)
        if shift:
            actions.key_down(Keys.SHIFT)
        actions.send_keys(*keys)
        if shift:
            actions.key_up(Keys.SHIFT)
        actions.perform()

    def ask(self, question: str) -> None:
        """Ask, and wait until the answer has ended, however it ends."""
        turns = len(self.all(".turn"))
        box = self.one("#question")
        box.send_keys(question)
        box.send_keys("\n")
        self.wait(lambda: len(self.all(".turn")) == turns + 1 and not self.turn(".status"))

    def open_index_panel(self) -> None:
        self.one("#index-toggle").click()
        self.wait(lambda: self.all("#index-facts dd"))

    def click(self, node: WebElement) -> None:
        """Click what may be out of sight, or under the bar."""
        self.run("arguments[0].scrollIntoView({ block: 'center' });", node)
        node.click()

    def open_drawer(self, name: str) -> None:
        """ "history", "index" or "settings"."""
        self.one(f"#{name}-toggle").click()
        self.wait(lambda: self.one(f"#{name}-panel").is_displayed())

    def close_drawer(self, name: str) -> None:
        self.one(f"#{name}-panel .drawer-close").click()
        self.wait(lambda: not self.one(f"#{name}-panel").is_displayed())

    def button(self, label: str, within: str = "body") -> WebElement:
        """The one button with this text, inside ``within``."""
        (found,) = [
            node for node in self.all(f"{within} button") if str(node.get_property("textContent")).strip() == label
        ]
        return found

    def answering(self, path: str, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        """From now on the page gets this answer from ``path``, until it is opened anew."""
        self.run(
            "const [path, status, body, headers] = arguments; const ask = window.fetch;"
            "window.fetch = async (address, options) => (address === path"
            " ? new Response(body, { status, headers }) : ask(address, options));",
            path,
            status,
            body,
            headers or {},
        )

    def fact(self, term: str) -> str:
        return str(
            self.run(
                "return [...document.querySelectorAll('#index-facts dt')]"
                ".find((dt) => dt.textContent === arguments[0]).nextElementSibling.textContent;",
                term,
            )
        )

    def resize(self, width: int, height: int) -> None:
        """The size of a phone's screen; a window cannot be made this narrow."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
        )

    def go_offline(self) -> None:
        self._network(offline=True, latency_ms=0)

    def go_slow(self, latency_ms: int) -> None:
        self._network(offline=False, latency_ms=latency_ms)

    def go_online(self) -> None:
        self._network(offline=False, latency_ms=0)

    def _network(self, *, offline: bool, latency_ms: int) -> None:
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1},
        )

    # What the browser saw

    def watch(self) -> None:
        """Take in what the browser has logged since the last look; it hands each entry out once."""
        for entry in self._logged("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"])
            if message["method"] == "Network.responseReceived":
                self.responses.append(message["params"]["response"])
        self._log += [entry["message"] for entry in self._logged("browser") if entry["level"] != "DEBUG"]

    def _logged(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def asked(self) -> list[dict[str, Any]]:
        """The bodies sent to /v1/ask, in order."""
        self.watch()
        return [json.loads(request["postData"]) for request in self.requests if request["url"].endswith("/v1/ask")]

    def elsewhere(self) -> list[str]:
        """Addresses asked for on any other origin than Footnote's."""
        self.watch()
        own = (f"{self.url}/", f"blob:{self.url}/", "about:", "data:")
        return [request["url"] for request in self.requests if not request["url"].startswith(own)]

    def complaints(self) -> list[str]:
        """What the browser logged: policy violations and script errors. Failed requests are a story's own business."""
        self.watch()
        return [message for message in self._log if "Failed to load resource" not in message]
