"""Constants in the neighbourhood of a value, by type: where conditions begin or cease to hold."""

from __future__ import annotations

from collections.abc import Callable

# For a column without values.
DEFAULTS = {
    "text": ["x"],
    "bigint": ["1"],
    "integer": ["1"],
    "boolean": ["true"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "timestamptz": ["2024-02-29 12:00:00+00"],
    "jsonb": ["[]"],
}

EXTREME_TIMES = (
    "'infinity'",
    "'-infinity'",
    "'4000-01-01 00:00+00 BC'",
    "'0001-01-01 00:00+14'",
    "'9999-12-31 23:59:59.999999+00'",
    "'12000-01-01 00:00+00'",
)


def _text_neighbours(value: str) -> list[str]:
    return [
        value.upper(),
        value.swapcase(),
        value[:-1],
        f"{value} ",
        f" {value}",
        "",
        'with "quotes"',
        "back\\slash",
        "new\nline",
        "100% _sure_",
        "ümläut",
    ]


def _number_neighbours(value: str) -> list[str]:
    near = [int(value) + delta for delta in (-1, 1)]
    return [str(number) for number in (*near, 0, -1, 2**31, 2**63 - 1, -(2**63))]


def _uuid_neighbours(value: str) -> list[str]:
    return [value.upper(), "00000000-0000-0000-0000-000000000000", f"{{{value}}}"]


def _time_neighbours(value: str) -> list[str]:
    day = value[:10]
    return [f"{day} 00:00:00+00", f"{day} 23:59:59.999999+00", f"{day} 12:30:00.000001-03:30"]


NEIGHBOURS: dict[str, Callable[[str], list[str]]] = {
    "text": _text_neighbours,
    "bigint": _number_neighbours,
    "integer": _number_neighbours,
    "uuid": _uuid_neighbours,
    "timestamptz": _time_neighbours,
}
