"""axe-core looks over the page in each of its states, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"


def faults(page: Page) -> list[tuple[Any, ...]]:
    """``(rule, impact, elements)`` of what is serious or critical."""
    if not page.run("return 'axe' in window;"):
        page.run(AXE.read_text("utf-8"))
    found = page.run_module("return (await axe.run(document, { resultTypes: ['violations'] })).violations;")
    return [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_anyone_out(page: Page, scheme: str) -> None:
    page.run("document.documentElement.dataset.theme = arguments[0];", scheme)
    assert faults(page) == []

    page.ask("Who opened the harbour in 1911?")
    page.ask("Which vaccine did the chemist Okonkwo patent?")
    assert faults(page) == []

    page.click(page.all(".marker")[0])
    page.wait(lambda: page.all("#source mark"))
    assert faults(page) == []
    page.one("#source-close").click()

    for name, part in (("history", ".entry"), ("index", "#index-facts dd"), ("settings", "#settings-list dd")):
        page.open_drawer(name)
        page.wait(lambda part=part: page.all(part))  # type: ignore[misc]
        assert faults(page) == [], name
        page.close_drawer(name)

    page.run("document.getElementById('key-dialog').showModal();")
    assert faults(page) == []
