"""Lines over size as SVG, both scales logarithmic, as chart.py draws bars.

Where cost grows in proportion to size a line is parallel to the dashed one; where it is flatter, it grows by less."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from eval.benchmarks.speed.types import Curves, number

_WIDTH, _GAP = 680, 28  # of the picture, and between panels
_LEFT, _RIGHT, _TOP, _HEIGHT, _BOTTOM = 44, 14, 52, 190, 40
_MARGIN = 0.12  # of the height, above the highest point and below the lowest, for numbers beside them
_SIDES = 0.14  # of the width, to both sides, for the same
_LETTER = 6.4  # width of a letter, more or less
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:13px}.s{font-size:11px;opacity:.7}"
    ".n{paint-order:stroke;stroke:#fff;stroke-width:3px}.g{stroke:#24292f;stroke-opacity:.14}"
    ".p{stroke:#24292f;stroke-opacity:.45;stroke-dasharray:3 4;fill:none}.l{fill:none;stroke-width:2}"
    ".l0{stroke:#4f7ddb}.d0{fill:#4f7ddb}.l1{stroke:#b5651d}.d1{fill:#b5651d}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{stroke:#0d1117}.g,.p{stroke:#e6edf3}"
    ".l0{stroke:#7ba2f0}.d0{fill:#7ba2f0}.l1{stroke:#e0975a}.d1{fill:#e0975a}}"
)


def draw_curves(panels: Sequence[Curves], caption: str) -> str:
    """One picture, panels side by side over the same sizes."""
    drawn = [panel for panel in panels if panel.xs]
    width = (_WIDTH - _GAP * (len(drawn) - 1)) / max(1, len(drawn))
    parts = [
        f'<g transform="translate({i * (width + _GAP):.1f} 0)">{_panel(panel, width)}</g>'
        for i, panel in enumerate(drawn)
    ]
    height = _TOP + _HEIGHT + _BOTTOM + 30
    parts.append(
        f'<text class="s" x="8" y="{height - 26}">Passages indexed, to the right; dashed: in proportion to them.</text>'
        f'<text class="s" x="8" y="{height - 10}">{escape(caption)}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">'
        f"<title>{escape('; '.join(panel.title for panel in drawn))}</title>"
        f"<style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


class _Scale:
    """A value's place between two ends, by its logarithm."""

    def __init__(self, values: Sequence[float], start: float, end: float, margin: float) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(high - low, 1.0) - (high - low)  # a decade at least, or one point would fill the panel
        span = high - low + room
        self.low, self.high = low - room / 2 - margin * span, high + room / 2 + margin * span
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        return self._start + (math.log10(value) - self.low) / (self.high - self.low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Powers of ten, and between them 2 and 5 where there would be fewer than two."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1,), (1, 2, 5)):
            found = [step * 10.0**power for power in powers for step in steps]
            within = [value for value in found if self.low <= math.log10(value) <= self.high]
            if len(within) > 1:
                break
        return within


def _panel(panel: Curves, width: float) -> str:
    every = [value for _, values in panel.lines for value in values]
    x = _Scale(panel.xs, _LEFT, width - _RIGHT, _SIDES)
    y = _Scale(every, _TOP + _HEIGHT, _TOP, _MARGIN)
    return "".join(
        (
            f'<text class="t" x="8" y="18">{escape(panel.title)}, {escape(panel.unit)}</text>',
            *_names(panel),
            *_grid(x, y, width),
            _in_proportion(panel, x, y),
            *(_line(panel, i, x, y) for i in range(len(panel.lines))),
        )
    )


def _names(panel: Curves) -> Iterator[str]:
    at = 12.0
    for i, (name, _) in enumerate(panel.lines):
        if name:
            yield f'<circle class="d{i}" cx="{at:.0f}" cy="34" r="4"/>'
            yield f'<text class="s" x="{at + 8:.0f}" y="38">{escape(name)}</text>'
            at += 24 + len(name) * _LETTER


def _grid(x: _Scale, y: _Scale, width: float) -> Iterator[str]:
    for value in y.ticks():
        yield f'<path class="g" d="M{_LEFT} {y(value):.1f}H{width - _RIGHT:.1f}"/>'
        yield f'<text class="s" x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{_short(value)}</text>'
    foot = _TOP + _HEIGHT
    for value in x.ticks():
        yield f'<path class="g" d="M{x(value):.1f} {_TOP}V{foot}"/>'
        yield f'<text class="s" x="{x(value):.1f}" y="{foot + 16}" text-anchor="middle">{_short(value)}</text>'


def _line(panel: Curves, i: int, x: _Scale, y: _Scale) -> str:
    """A line, and a number at each of its points: above those of the last line, below those of another."""
    values = panel.lines[i][1]
    places = [(x(size), y(value)) for size, value in zip(panel.xs, values, strict=True)]
    away = -10 if i == len(panel.lines) - 1 else 20
    parts = [f'<path class="l l{i}" d="M{"L".join(f"{px:.1f} {py:.1f}" for px, py in places)}"/>']
    for (px, py), value in zip(places, values, strict=True):
        parts.append(f'<circle class="d{i}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>')
        parts.append(f'<text class="n" x="{px:.1f}" y="{py + away:.1f}" text-anchor="middle">{number(value)}</text>')
    return "".join(parts)


def _in_proportion(panel: Curves, x: _Scale, y: _Scale) -> str:
    """From the first point of the first line on, as far as the panel goes."""
    first = panel.lines[0][1][0]
    top = min(panel.xs[-1], panel.xs[0] * 10**y.high / first)
    if top <= panel.xs[0]:
        return ""
    end = first * top / panel.xs[0]
    return f'<path class="p" d="M{x(panel.xs[0]):.1f} {y(first):.1f}L{x(top):.1f} {y(end):.1f}"/>'


def _short(value: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
