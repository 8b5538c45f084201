"""The envelope of a page: the members around its items.

Source: the API's "Pagination" page. Only ``values`` and ``next`` are promised. The other members
are optional: one that cannot be read without doubt is treated as if it were not there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .failures import said


class Unreadable(ValueError):
    """An answer that is no page; its text is a sentence that says why."""


class Envelope(NamedTuple):
    """One page: its items, and what the answer says of the others.

    :param next: the link to the next page as it came; an empty one is none.
    :param size: items of the whole listing.
    :param page: this page's number, counted from one.
    :param pagelen: the most items a page holds.
    """

    values: list[Any]
    next: str | None = None
    size: int | None = None
    page: int | None = None
    pagelen: int | None = None

    @classmethod
    def read(cls, answer: Any) -> Envelope:
        """From an answer's JSON; :class:`Unreadable` if it is no page."""
        if not isinstance(answer, dict) or not isinstance(answer.get("values"), list):
            raise Unreadable("It has no list of values.")
        link = answer.get("next")
        if link is not None and not isinstance(link, str):
            raise Unreadable("Its link to the next page is not an address.")
        return cls(
            answer["values"],
            link or None,
            whole(answer.get("size")),
            whole(answer.get("page")),
            whole(answer.get("pagelen")),
        )

    @classmethod
    def read_array(cls, answer: Any) -> Envelope:
        """From the JSON of an endpoint that answers an array of all items, or one page of them."""
        return cls(answer) if isinstance(answer, list) else cls.read(answer)

    @classmethod
    def read_object(cls, answer: Any) -> Envelope:
        """From the JSON of an endpoint that answers the one item there is."""
        if not isinstance(answer, dict):
            raise Unreadable("It is no object.")
        return cls([answer])


_MOST = 2**53  # things that nobody has; floats are exact up to it


def whole(value: Any) -> int | None:
    """A number of things that an answer tells, also as text or as a float; ``None`` for what is
    no such number.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < _MOST else None


def complaint(answer: Any) -> str | None:
    """What an error document says that came with a status of success; ``None`` if it is none."""
    if not isinstance(answer, dict) or "values" in answer:
        return None
    if answer.get("type") != "error" and not isinstance(answer.get("error"), dict):
        return None
    return said(answer) or "It does not say why."
