"""Bars as SVG, by hand: small, with no font, script or style sheet of anybody's, readable on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from eval.benchmarks.speed.types import Panel, number

_WIDTH, _LABEL, _VALUE = 680, 190, 110  # of the picture, the labels to the left, the numbers to the right
_BAR, _STEP, _TITLE, _GAP = 14, 24, 34, 16
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.b{fill:#4f7ddb}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#7ba2f0}}"
)


def draw(panels: Sequence[Panel], caption: str) -> str:
    """One picture, panels below each other, each on a scale of its own from 0."""
    parts: list[str] = []
    y = 8
    for panel in panels:
        longest = max((value for _, value in panel.bars), default=0.0) or 1.0
        parts.append(f'<text class="t" x="8" y="{y + 16}">{escape(panel.title)}</text>')
        y += _TITLE
        for label, value in panel.bars:
            width = max(1.0, value / longest * (_WIDTH - _LABEL - _VALUE))
            middle = y + _BAR - 3
            parts.append(f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect class="b" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>')
            parts.append(f'<text x="{_LABEL + width + 8:.1f}" y="{middle}">{number(value)} {escape(panel.unit)}</text>')
            y += _STEP
        y += _GAP
    parts.append(f'<text x="8" y="{y + 4}" opacity=".7">{escape(caption)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 16}" width="{_WIDTH}" role="img">'
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>"
        f"<style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )
