"""Documents written as JSON in which some values are left open.

A declaration of a resource has its sample documents in this form, because it looks like an answer
of Bitbucket: whoever adds a resource writes one document down and marks what differs from one to
the next.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import Any

from bitbucket_fdw.emulator.errors import Json


class _Text(string.Template):
    idpattern = r"[a-z_]+(?:\.[a-z_]+)*"


class Template:
    """A document with open values: names after ``$``, such as ``$run``, or paths: ``$run.uuid``.

    A string that is nothing but such a name becomes the value itself, of whatever type. A name
    within a longer string becomes part of that text. A member whose value stands for something
    that is not there is left out; null is a value like any other.

    :param text: the JSON.
    :raises json.JSONDecodeError: if it is none.
    """

    def __init__(self, text: str) -> None:
        self._document: Json = json.loads(text)

    def fill(self, given: Mapping[str, Any]) -> Json:
        """A new document.

        :param given: what the names stand for.
        :raises KeyError: if a longer string has a name that stands for nothing.
        """
        filled: Json = _filled(self._document, given)
        return filled


_NOTHING = object()


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        members = ((name, _filled(part, given)) for name, part in value.items())
        return {name: part for name, part in members if part is not _NOTHING}
    if isinstance(value, list):
        return [part for each in value if (part := _filled(each, given)) is not _NOTHING]
    if not isinstance(value, str):
        return value
    alone = _Text.pattern.fullmatch(value)
    if alone and alone["named"]:
        return _value_of(alone["named"], given)
    return _Text(value).substitute(_Paths(given))


def _value_of(path: str, given: Mapping[str, Any]) -> Any:
    found: Any = given
    for name in path.split("."):
        try:
            found = found[name]
        except (KeyError, TypeError):  # it has no such member, or no members at all
            return _NOTHING
    return found


class _Paths(dict[str, Any]):
    """Values by their paths, as ``string.Template`` asks for them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__()
        self._given = given

    def __missing__(self, path: str) -> Any:
        found = _value_of(path, self._given)
        if found is _NOTHING:
            raise KeyError(path)
        return found
