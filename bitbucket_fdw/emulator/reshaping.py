"""Documents made from others: some of their members only, or with other names.

Declarations use this for what a document shows of another one, and for the other forms of a
document that reports disagree about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bitbucket_fdw.emulator.errors import Json


def members_of(document: Json, *names: str) -> Json:
    """Some members of a document, as far as it has them."""
    return {name: document[name] for name in names if name in document}


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A document whose members have other names, at every depth.

    :param value: the document, or what stands in it.
    :param names: the old names with the new ones.
    """
    if isinstance(value, list):
        return [renamed(element, names) for element in value]
    if not isinstance(value, dict):
        return value
    return {names.get(name, name): renamed(part, names) for name, part in value.items()}


def narrowed(document: Json, member: str, *names: str) -> Json:
    """A document that shows of one of its members only some of that one's members."""
    return {**document, member: members_of(document[member], *names)}
