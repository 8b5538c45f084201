"""The text of ``odbc.ini``, ``odbcinst.ini`` and ``pg_service.conf``: finding an entry, writing it.

Other entries, and comments, stay as they are to the byte.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\[([^\]\r\n]*)\]?")
_COMMENT = (";", "#")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # nothing else ends a line for those who read these files


def names(text: str) -> list[str]:
    """The names of the entries, in order."""
    return [name.strip() for line in _LINE.findall(text) if (name := _name(line)) is not None]


def read_entry(text: str, name: str) -> dict[str, str] | None:
    """The settings of the first entry with that name, by their names in lower case; None if none.

    As unixODBC reads it: names in any capitals, and of a repeated setting the first counts.
    """
    lines = _LINE.findall(text)
    found = _find(lines, name)
    if found is None:
        return None
    settings: dict[str, str] = {}
    for line in lines[found[0] + 1 : found[1]]:
        key, equals, value = line.partition("=")
        if equals and not line[:1].isspace() and not line.startswith(_COMMENT):
            settings.setdefault(key.strip().lower(), value.strip())
    return settings


def with_entry(text: str, name: str, lines: list[str], *, exact: bool = False) -> str:
    """The text with the entry, in the place of the first with that name, or at the end.

    Comments within the entry that is replaced stay behind it.

    :param lines: of the entry, its header first.
    :param exact: whether capitals and blanks in names make a difference, as for libpq.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    present = _LINE.findall(text)
    new = [line + end for line in lines]
    found = _find(present, name, exact=exact)
    if found is None:
        if present and not present[-1].endswith("\n"):
            present[-1] += end
        if present and present[-1].strip():
            present.append(end)
        return "".join([*present, *new])
    first, last = found
    kept = [line for line in present[first + 1 : last] if line.startswith(_COMMENT)]
    return "".join([*present[:first], *new, *kept, *present[last:]])


def _find(lines: list[str], name: str, *, exact: bool = False) -> tuple[int, int] | None:
    """The line of the entry's header, and the line behind its last setting or comment.

    Comments and empty lines right before the next header belong to that.
    """
    at = [
        (number, found) for number, line in enumerate(lines) if (found := _name(line)) is not None
    ]
    ends = (*(number for number, _ in at[1:]), len(lines))
    for (first, found), following in zip(at, ends, strict=False):
        if (found == name) if exact else (found.strip().lower() == name.strip().lower()):
            last = following
            while last > first + 1 and not _is_setting(lines[last - 1]):
                last -= 1
            return first, last
    return None


def _name(line: str) -> str | None:
    match = _HEADER.match(line)
    return match[1] if match else None


def _is_setting(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(_COMMENT)
