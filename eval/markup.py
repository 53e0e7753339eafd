"""HTML made of texts. ``h`` and ``tag`` are the only places where one becomes markup; what they give can be joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


_WIDTH, _HEIGHT, _MARGIN = 480, 200, 40


def plot(points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """A line through ``points``, shares in [0, 1], with both axes from 0 to 1."""
    placed = " ".join(f"{_MARGIN + x * _WIDTH:.1f},{_MARGIN / 2 + (1 - y) * _HEIGHT:.1f}" for x, y in points)
    bottom, right = _MARGIN / 2 + _HEIGHT, _MARGIN + _WIDTH
    lines = tag("polyline", "", points=placed, fill="none", stroke="currentColor", **{"stroke-width": "2"})
    frame = f"M{_MARGIN},{_MARGIN / 2:g} V{bottom:g} H{right}"
    lines += tag("path", "", d=frame, fill="none", stroke="currentColor", **{"stroke-opacity": "0.4"})
    words = [
        ("0", _MARGIN - 14, bottom),
        ("1", _MARGIN - 14, _MARGIN / 2 + 8),
        ("1", right - 8, bottom + 16),
        (across, right - 140, bottom + 32),
        (up, _MARGIN + 6, _MARGIN / 2 + 8),
    ]
    small = {"fill": "currentColor", "font-size": "12"}
    lines += "".join(tag("text", escape(word), x=f"{x:g}", y=f"{y:g}", **small) for word, x, y in words)
    box = f"0 0 {right + 10} {_HEIGHT + 2 * _MARGIN}"
    return tag("svg", lines, "plot", viewBox=box, role="img", **{"aria-label": f"{up} over {across}"})
