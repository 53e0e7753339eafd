"""HTML made of texts. ``h`` and ``tag`` are the only places where one becomes markup; what they give can be joined."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files


def page(title: str, body: str) -> str:
    """A whole page in one file: no scripts, no network."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"{h('title', title)}\n<style>\n{_css()}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


@cache
def _css() -> str:
    return (files("eval") / "templates" / "report.css").read_text("utf-8")


def h(name: str, text: str, css: str = "") -> str:
    """An element that holds a text."""
    return tag(name, escape(text), css)


def tag(name: str, inner: str, css: str = "", **attributes: str) -> str:
    """An element that holds markup."""
    named = attributes | ({"class": css} if css else {})
    listed = "".join(f' {key}="{escape(value)}"' for key, value in named.items())
    return f"<{name}{listed}>{inner}</{name}>"


def table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(tag("th", escape(text), scope="col") for text in head)
    table = tag("table", tag("thead", tag("tr", cells)) + tag("tbody", "".join(rows)))
    return tag("div", table, "wide")
