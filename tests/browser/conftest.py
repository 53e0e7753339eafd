"""A headless Chromium on the page, which reports everything it was asked to do.

Where there is no browser the stories are skipped with a notice; FOOTNOTE_REQUIRE_BROWSER=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.browser.page import Page
from tests.conftest import LiveServer


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    browser = shutil.which("chromium")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        message = "no chromium and chromedriver here: the stories of the page are not told"
        if os.environ.get("FOOTNOTE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    arguments = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,800")
    # Words that are still fading in do not count as text to the driver.
    for argument in (*arguments, "--force-prefers-reduced-motion"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The driver's path is given, so selenium has no reason to look for one elsewhere.
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, freshly opened. Whatever the story, it may ask nothing of another host and break no policy.

    A story that names ``live_server`` has a server and a folder of its own; the others share one."""
    own = "live_server" in request.fixturenames
    server: LiveServer = request.getfixturevalue("live_server" if own else "shared_server")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Network.enable", {})
    page = Page(chromium, server.url)
    page.forget()
    page.open("/")
    yield page
    page.go_online()
    assert page.elsewhere() == []
    assert page.complaints() == []
