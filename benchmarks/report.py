"""The results as files: JSON, a page with tables, and plots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import plots
from .questions import BY_NAME

_TIMES = "\N{MULTIPLICATION SIGN}"
OWN, IDEAL = "bitbucket_fdw", "ideal"


def write(results: dict[str, Any], directory: Path) -> None:
    """Write ``results.json``, ``results.md`` and the plots."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    (directory / "results.json").write_text(text + "\n", encoding="utf-8")
    (directory / "results.md").write_text(_page(results), encoding="utf-8")
    for name, drawn in plots.drawn(results).items():
        (directory / f"{name}.svg").write_text(drawn, encoding="utf-8")


def wrong(results: dict[str, Any]) -> list[str]:
    """A line for each side whose rows were others than those of the ideal client, and for each
    question that these two gave an error for."""
    return [
        f"{question}, {side}: {cell['wrong'] or cell['failed']}"
        for _, _, by_question in _tables(results)
        for question, by_side in by_question.items()
        for side, cell in by_side.items()
        if cell["wrong"] or (cell["failed"] and side in (IDEAL, OWN))
    ]


def table(results: dict[str, Any]) -> str:
    """All tables of questions, for a terminal as well."""
    rounds = results.get("about", {}).get("rounds", 0)
    return "\n\n".join(
        f"{_heading(links, latency)}\n\n{_questions(by_question)}{_fewer(by_question, rounds)}"
        for links, latency, by_question in _tables(results)
    )


def _tables(results: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for links, by_latency in results["questions"].items():
        for latency, by_question in by_latency.items():
            yield links, latency, by_question


def _heading(links: str, latency: str) -> str:
    where = "page numbers" if links == "numbers" else "opaque marks"
    return f"### {latency} ms until each answer, links with {where}"


def _questions(by_question: dict[str, Any]) -> str:
    sides = list(next(iter(by_question.values())))
    others = [side for side in sides if side not in (IDEAL, OWN)]
    head = ["question", "rows", "requests, least", "ideal, s", "bitbucket_fdw", *others]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, cells in by_question.items():
        ideal, own = cells[IDEAL], cells.get(OWN)
        requests = f"{_shown(own and own['requests'])} / {_shown(ideal['requests'])}"
        lines.append(
            [
                f"{BY_NAME[name].title} (`{name}`)",
                _shown(ideal["rows"]),
                requests,
                "-" if ideal["median"] is None else f"{ideal['median']:.3f}",
                "-" if own is None else _ratio(own, ideal),
                *(_ratio(cells[side], ideal) for side in others),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _fewer(by_question: dict[str, Any], rounds: int) -> str:
    """How many rounds were made, where there were fewer than were asked for."""
    made = {
        name: min(len(cell["seconds"]) for side, cell in cells.items() if side in (IDEAL, OWN))
        for name, cells in by_question.items()
    }
    fewer = ", ".join(f"`{name}` {number}" for name, number in made.items() if number < rounds)
    return (
        f"\n\nRounds of the ideal client and of bitbucket_fdw, where fewer than {rounds}: {fewer}."
        if fewer
        else ""
    )


def _shown(number: int | None) -> str:
    return "-" if number is None else str(number)


def ratio(cell: dict[str, Any], ideal: dict[str, Any]) -> float | None:
    """How many times as long as the ideal client a side took, or at least took."""
    taken = cell["median"] if cell["beyond"] is None else cell["beyond"]
    return taken / ideal["median"] if taken is not None and ideal["median"] else None


def _ratio(cell: dict[str, Any], ideal: dict[str, Any]) -> str:
    if cell["cannot"]:
        return "cannot"
    if cell["wrong"] or cell["failed"]:
        return "wrong rows" if cell["wrong"] else "error"
    found = ratio(cell, ideal)
    if found is None:
        return "-"
    sign = "" if cell["beyond"] is None else "> "
    digits = 2 if found < 10 else 0
    return f"{sign}{found:.{digits}f} {_TIMES}"


def _page(results: dict[str, Any]) -> str:
    about = results["about"]
    measured = results.get("measures", {})
    parts = [
        "# Results of script/bench",
        "",
        f"Measured {about['when'][:10]} at commit {about['commit']}, {about['processors']} "
        f"processors, load {about['load'][0]} at the start. Sample data of scale {about['scale']}; "
        f"up to {about['rounds']} rounds, of which the medians are shown. A side is shown by how "
        "many times as long as the ideal client it took; > means that it was ended.",
        "",
        table(results),
        "",
    ]
    for name, found in measured.items():
        parts += [f"### {name}", "", _measure(found), ""]
    return "\n".join(parts)


def _measure(found: dict[str, Any]) -> str:
    if "skipped" in found:
        return f"Not measured: {found['skipped']}."
    lines = ["| what | value |", "| --- | ---: |"]
    lines += [f"| {what} | {_value(value)} |" for what, value in found.items()]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return (
        f"{value:,.3f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
