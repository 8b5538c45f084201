"""The text of ``odbc.ini``, ``odbcinst.ini`` and ``pg_service.conf``: finding an entry, writing it.

Other entries, and comments, stay as they are to the byte.

unixODBC takes a line for what it is by its first character. libpq passes over blanks before it, and
knows ``#`` for comments alone. Parameters called ``exact`` choose libpq's way.
"""

from __future__ import annotations

import re

_BLANKS = " \t\v\f\r"
_HEADER = re.compile(rf"[{_BLANKS}]*\[([^\]\r\n]*)(\]?)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # nothing else ends a line for those who read these files


def names(text: str) -> list[str]:
    """The names of the entries in a file of ODBC, in order."""
    found = (_name(line, exact=False) for line in _LINE.findall(text))
    return [name.strip() for name in found if name is not None]


def read_entry(text: str, name: str, *, exact: bool = False) -> dict[str, str] | None:
    """The settings of the first entry with that name, by their names in lower case; None if none.

    As unixODBC or libpq reads it: of a repeated setting, the first counts.

    :param exact: see :func:`with_entry`.
    """
    lines = _LINE.findall(text)
    found = _find(lines, name, exact=exact)
    if found is None:
        return None
    settings: dict[str, str] = {}
    for line in lines[found[0] + 1 : found[1]]:
        key, equals, value = line.partition("=")
        if equals and (exact or not line[:1].isspace()) and not _is_comment(line, exact=exact):
            settings.setdefault(key.strip().lower(), value.strip())
    return settings


def with_entry(text: str, name: str, lines: list[str], *, exact: bool = False) -> str:
    """The text with the entry, in the place of the first with that name, or at the end.

    Comments within the entry that is replaced stay behind it. So does what unixODBC passes over,
    from a header with blanks before it.

    :param lines: of the entry, its header first.
    :param exact: whether libpq reads the file: capitals and blanks in names make a difference.
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
    replaced = present[first + 1 : last]
    kept = _kept_for_libpq(replaced) if exact else _kept_for_odbc(replaced)
    return "".join([*present[:first], *new, *kept, *present[last:]])


def _kept_for_libpq(replaced: list[str]) -> list[str]:
    """Comments. One that begins with ``;`` gets a ``#``: libpq would refuse all of the service."""
    return [
        line if _is_comment(line, exact=True) else f"# {line}"
        for line in replaced
        if _is_comment(line.lstrip(_BLANKS), exact=False)
    ]


def _kept_for_odbc(replaced: list[str]) -> list[str]:
    kept, after_header = [], False
    for line in replaced:
        after_header = after_header or _HEADER.match(line) is not None
        if _is_comment(line, exact=False) or (after_header and line[:1].isspace()):
            kept.append(line)
    return kept


def _find(lines: list[str], name: str, *, exact: bool) -> tuple[int, int] | None:
    """The line of the entry's header, and the line behind its last setting or comment.

    Comments and empty lines right before the next header belong to that.
    """
    at = [
        (number, found)
        for number, line in enumerate(lines)
        if (found := _name(line, exact=exact)) is not None
    ]
    ends = (*(number for number, _ in at[1:]), len(lines))
    for (first, found), following in zip(at, ends, strict=False):
        if (found == name) if exact else (found.strip().lower() == name.strip().lower()):
            last = following
            while last > first + 1 and not _is_setting(lines[last - 1], exact=exact):
                last -= 1
            return first, last
    return None


def _name(line: str, *, exact: bool) -> str | None:
    """The name in a header; of one that libpq cannot match, none that a service has."""
    match = _HEADER.match(line)
    if match is None or (not exact and line[:1] != "["):
        return None
    return match[1] if match[2] or not exact else "]"


def _is_comment(line: str, *, exact: bool) -> bool:
    return line.lstrip(_BLANKS).startswith("#") if exact else line.startswith((";", "#"))


def _is_setting(line: str, *, exact: bool) -> bool:
    return bool(line.strip()) and not _is_comment(line, exact=exact)
