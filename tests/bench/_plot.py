"""Plots as SVG, written by hand: lines over logarithmic axes, each named at its end.

Nothing but text is needed, and the same points give the same file.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 150, 48, 56
_COLOURS = ("#0b6e99", "#c2410c", "#3f7d20", "#7c3aed", "#b45309", "#be123c")
_LEAST_APART = 16  # pixels between two names
_FONT = 'font-family="sans-serif" font-size="13"'


def log_plot(title: str, unit: str, below: str, lines: Mapping[str, Points]) -> str:
    """All points must be above 0; ``below`` says what the horizontal axis counts."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    across = _Axis(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    up = _Axis(min(ys), max(ys), _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 24, f"{title} ({unit})", bold=True),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, below, anchor="middle"),
        *(_grid(across, up)),
    ]
    places = _names(lines, up)
    for colour, (name, points) in zip(_COLOURS, lines.items(), strict=False):
        parts += _line(name, [(across.at(x), up.at(y)) for x, y in points], colour, places[name])
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axis:
    """From values to pixels; it begins and ends at a tick."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        every = [base * 10.0**power for power in range(-3, 10) for base in (1, 2, 5)]
        first = max(tick for tick in every if tick <= least * 1.0001)
        last = min(tick for tick in every if tick >= most * 0.9999)
        self.ticks = [tick for tick in every if first <= tick <= last]
        if len(self.ticks) > 8:
            self.ticks = [one for one in self.ticks if math.log10(one) % 1 < 1e-6]
        self._from, self._span = math.log10(first), math.log10(last / first) or 1.0
        self._begin, self._length = begin, end - begin

    def at(self, value: float) -> float:
        return self._begin + self._length * (math.log10(value) - self._from) / self._span


def _grid(across: _Axis, up: _Axis) -> list[str]:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    parts = []
    for tick in across.ticks:
        x = across.at(tick)
        parts.append(_stroke(x, top, x, bottom))
        parts.append(_text(x, bottom + 20, f"{tick:,.10g}", anchor="middle"))
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(_stroke(left, y, right, y))
        parts.append(_text(left - 8, y + 4, f"{tick:,.10g}", anchor="end"))
    return parts


def _names(lines: Mapping[str, Points], up: _Axis) -> dict[str, float]:
    """How low each line's name stands: at its end, but not over another's."""
    ends = sorted((up.at(points[-1][1]), name) for name, points in lines.items())
    places: dict[str, float] = {}
    lowest = -math.inf
    for y, name in ends:
        lowest = places[name] = max(y, lowest + _LEAST_APART)
    return places


def _line(name: str, pixels: Points, colour: str, place: float) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in pixels]
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return [line, *dots, _text(pixels[-1][0] + 10, place + 4, name, colour=colour)]


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="#d4d4d4"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False, colour: str = ""
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} {_FONT}{weight} fill="{colour or "#333333"}">{escape(text)}</text>'
