"""Plots as SVG, which any browser shows: bars and lines, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from .questions import BY_NAME

_COLOURS = {
    "bitbucket_fdw": "#0b7a4b",
    "ideal": "#4a4a4a",
    "loop": "#3b6fb6",
    "naive": "#b3692b",
    "atlassian": "#8a4fa3",
    "dlt": "#a33b3b",
}
_TIMES = "\N{MULTIPLICATION SIGN}"
_FONT = 'font-family="sans-serif" font-size="12"'


def drawn(results: dict[str, Any]) -> dict[str, str]:
    """Every plot that the results have figures for, by its file's name."""
    made = {}
    for latency, by_question in results["questions"].get("numbers", {}).items():
        ratios = {name: _ratios(cells) for name, cells in by_question.items()}
        title = f"Times as long as an ideal client takes ({latency} ms until each answer)"
        ended = {
            (BY_NAME[name].title, side)
            for name, cells in by_question.items()
            for side, cell in cells.items()
            if cell["beyond"] is not None
        }
        groups = {BY_NAME[name].title: found for name, found in ratios.items() if found}
        made[f"questions-{latency}ms"] = bars(title, groups, ended)
    growth = results.get("measures", {}).get("growth", {})
    for kind in ("pull requests", "repositories"):
        lines = {
            side: [
                (float(what.split()[0].replace(",", "")), value)
                for what, value in growth.items()
                if what.endswith(f"{kind}, {side}, s")
            ]
            for side in ("bitbucket_fdw", "ideal")
        }
        if all(lines.values()):
            name = kind.replace(" ", "-")
            made[f"growth-{name}"] = curves(f"Seconds to read all {kind}", kind, lines)
    return made


def _ratios(cells: Mapping[str, Any]) -> dict[str, float]:
    ideal = cells["ideal"]["median"]
    found = {}
    for side, cell in cells.items():
        taken = cell["median"] if cell["beyond"] is None else cell["beyond"]
        if side != "ideal" and ideal and taken is not None and not cell["wrong"]:
            found[side] = taken / ideal
    return found


def bars(
    title: str,
    groups: Mapping[str, Mapping[str, float]],
    ended: Collection[tuple[str, str]] = (),
) -> str:
    """A group of bars for each name, one for each side; the longer, the slower.

    :param ended: names and sides that were ended, so that their values are too small.
    """
    left, right, height, gap = 300, 60, 11, 10
    longest = max((value for group in groups.values() for value in group.values()), default=1)
    decades = max(1.0, math.log10(max(longest, 1.01)))
    width = 560
    parts, y = [], 52
    for name, group in groups.items():
        middle = y + height * len(group) / 2 + 4
        parts.append(
            f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>'
        )
        for side, value in group.items():
            sign = "&gt; " if (name, side) in ended else ""
            length = max(1.0, width * math.log10(max(value, 1.0)) / decades)
            parts.append(
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{height - 2}" '
                f'fill="{_COLOURS.get(side, "#777")}"/>'
                f'<text x="{left + length + 4:.1f}" y="{y + height - 2}" font-size="9">'
                f"{sign}{value:.3g}</text>"
            )
            y += height
        y += gap
    lines = []
    for decade in range(math.floor(decades) + 1):
        x, told = left + width * decade / decades, f"{10**decade} {_TIMES}"
        lines.append(
            f'<line x1="{x:.1f}" y1="46" x2="{x:.1f}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="42" text-anchor="middle" font-size="10">{told}</text>'
        )
    sides = list(dict.fromkeys(side for group in groups.values() for side in group))
    return _svg(left + width + right, y + 30, title, [*lines, *parts, _legend(sides, left, y + 16)])


def curves(title: str, across: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line for each side through its points."""
    points = [point for line in lines.values() for point in line]
    left, top, width, height = 70, 40, 480, 260
    low_x, high_x = _decades([x for x, _ in points])
    low_y, high_y = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + width * (math.log10(x) - low_x) / (high_x - low_x),
            top + height * (1 - (math.log10(y) - low_y) / (high_y - low_y)),
        )

    parts = []
    for decade in range(low_x, high_x + 1):
        x, y = place(10**decade, 10**low_y)
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{10**decade:,}</text>'
        )
    for decade in range(low_y, high_y + 1):
        x, y = place(10**low_x, 10.0**decade)
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g} s</text>'
        )
    for side, line in lines.items():
        colour = _COLOURS.get(side, "#777")
        placed = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">{across}</text>'
    )
    parts.append(_legend(list(lines), left, top + height + 56))
    return _svg(left + width + 40, top + height + 72, title, parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _legend(sides: Sequence[str], x: int, y: int) -> str:
    parts = []
    for index, side in enumerate(sides):
        at, colour = x + index * 110, _COLOURS.get(side, "#777")
        parts.append(
            f'<rect x="{at}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
            f'<text x="{at + 14}" y="{y}">{escape(side)}</text>'
        )
    return "".join(parts)


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" {_FONT}>\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
