"""Checks the options that somebody gave, and reads their values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import OptionError
from .declared import BY_NAME, LEVELS, MAPPING, OPTIONS, SERVER, Option
from .references import check_reference, is_reference

# Stands for a user mapping's value where only the option's name and place are to be checked.
UNSEEN = "(a value that is not looked at)"


def validate(options: Mapping[str, str], level: str) -> None:
    """Check the options of one object; :class:`OptionError` on the first fault.

    :param level: as in :data:`LEVELS`.
    """
    where = LEVELS.get(level, level)
    for name, value in options.items():
        if name == "wrapper" and where == SERVER:
            continue
        option = BY_NAME.get(name)
        if option is None or where not in option.levels:
            raise _misplaced(name, where, option)
        _parse(option, value)


def parse(options: Mapping[str, str], *levels: str) -> dict[str, Any]:
    """All options of some levels, read, with defaults; :class:`OptionError` on a fault.

    If the host hands over the levels apart, each option is also checked at its own level.
    """
    apart = getattr(options, "levels", None)
    if apart is not None:
        validate(apart.table, "table")
        validate(apart.user_mapping or {}, "user_mapping")
        validate(apart.server, "server")
    for name in options:
        option = BY_NAME.get(name)
        if option is None or not set(option.levels) & set(levels):
            raise _misplaced(name, _alternatives(levels), option)
    return {
        option.name: _parse(option, options.get(option.name, option.default))
        for option in OPTIONS
        if set(option.levels) & set(levels)
    }


def read(name: str, value: str) -> Any:
    """One option's value; :class:`ValueError` says what it must be."""
    return BY_NAME[name].parse(value)


def _alternatives(levels: Sequence[str]) -> str:
    *others, last = levels
    return f"{', '.join(others)} or {last}" if others else last


def is_secret(name: str) -> bool:
    """Whether the option's value must never be shown."""
    return BY_NAME[name].secret


def parse_one(name: str, value: str, *, followed: bool = False) -> Any:
    """One option's value, read; :class:`OptionError` on a fault.

    :param followed: the value is what a reference led to, and must not appear in an error.
    """
    return _parse(BY_NAME[name], value, followed=followed)


def _parse(option: Option, value: str | None, *, followed: bool = False) -> Any:
    if value is None or value is UNSEEN:
        return value
    try:
        if option.level == MAPPING and not followed and is_reference(value):
            if not option.secret:
                raise ValueError("must stand here itself: only secret options refer to secrets")
            check_reference(value)
            return value
        return option.parse(value)
    except ValueError as error:
        # People paste secrets into the wrong options as well. Of a user mapping, only the value of
        # "auth" is shown.
        hidden = followed or (option.level == MAPPING and option.name != "auth")
        shown = "" if hidden else f' "{value}"'
        raise OptionError(
            f'invalid value{shown} for option "{option.name}": it {error}', hint=option.help + "."
        ) from None


def _misplaced(name: str, where: str, option: Option | None) -> OptionError:
    valid = [o.name for o in OPTIONS if any(level in where for level in o.levels)]
    hint = f"Valid options here are: {', '.join(valid)}." if valid else None
    if option is not None:
        return OptionError(
            f'option "{name}" belongs to the {option.level}, not to the {where}', hint=hint
        )
    close = difflib.get_close_matches(name, valid, 1)
    if close:
        hint = f'Perhaps you meant "{close[0]}". {hint}'
    return OptionError(f'unknown option "{name}" for the {where}', hint=hint)
