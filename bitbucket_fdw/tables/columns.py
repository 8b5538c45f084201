"""A column of a foreign table: its type, its place in the JSON, and what Bitbucket can do with it.

Every ability (filter, sort, query parameter, part of a path) is off unless it is stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .types import TYPES, DataType


class Filter(NamedTuple):
    """How a column may appear in the query language ``q``.

    ``field`` is BBQL's dotted path. ``values`` lists all values, where the column has a closed set
    of them. Equality is then exact, whatever Bitbucket's rules for letter case are. ``absent`` is a
    BBQL test that is true for every row in which the column is NULL, if such a test is known.
    ``of_list`` says that the column is of the elements of a list, which are rows, while ``q`` tests
    the whole item: it holds if it does for any of the elements. Then only equality is sent, and it
    is wider than the condition. (Used by the reviewers of pull requests alone: participants cannot
    be filtered by. What may be sent, and what may be believed, would be wrong without it.)
    ``equality`` says that no other operator was seen to work.
    """

    field: str
    values: tuple[str, ...] = ()
    absent: str | None = None
    of_list: bool = False
    equality: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a foreign table.

    :param name: SQL name: the JSON path's words joined by underscores.
    :param type: PostgreSQL type name, one of those in ``types.TYPES``.
    :param path: dotted path in the item's JSON; ``None`` if the value only stands in the URL.
    :param description: becomes the column's comment and its line in the documentation.
    :param param: the path parameter this column supplies.
    :param filter: how ``q`` can test it.
    :param query: the query parameter that selects rows by equality, for endpoints without ``q``.
    :param query_values: all values of that parameter, where they are a closed set.
    :param sort: the ``sort`` field; only stated for columns that are never NULL and whose order
        is the same in PostgreSQL and at Bitbucket (numbers and times).
    :param pattern: a regular expression that every value matches in full. No request is made for
        other values, because they cannot exist.
    :param form: what such values look like, and what to do with another one, as a hint.
    :param sample: some value that matches ``pattern``, to estimate a plan before a value is known.
    :param longest: the most bytes that a value takes in an address, percent-encoded. Slugs have at
        most 62 characters, UUIDs 38, hashes 40.
    :param page: whether it is the address of the row's page on the web site, which is different for
        any two rows, also of different repositories.
    :param listed: whether the items of a listing have it. Otherwise only an item that is read by
        itself has it, which takes one request per row.
    :param cdata: the name that CData's driver gives it, capitals and all, if that is not made of
        the words of the column's name. See :attr:`label`.
    :param present: if true, the value is a boolean: whether there is something at ``path``.
    :param asked: listings leave it out unless ``fields`` names it.
    :param within: path of a text that ends in a slash and the value. It is used where there is no
        value at ``path`` and ``others``.
    :param others: further paths at which the value may be. They are tried in this order where there
        is no value at ``path``.
    :param unless: path of a member that says, where an item has it, that the value is at none of
        ``others``. (Used by the default reviewers of projects alone: the wrapper of an account that
        is gone has a ``type`` of its own.)
    :param union: for a column that tells which kind an item is. An item has one of several members,
        and the value is that member's name, or ``other`` for an item with none of them. Each entry
        is the path of something small in one of the members, which is what requests ask for.
        ``path`` is one of the members.
    :param begins: for a value of the URL that is the beginning of another column's value: that
        column. An item in which it is not so is not the one that was asked for. (Used by commits
        that are looked up by their first digits: Bitbucket also takes the name of a branch there.)
    :param required: no scan is made without a condition that says which values are wanted
        (equality, IN, or a join). It is for what nobody wants all of: a request for each, or items
        that no listing has. Planning works without one.
    :param anonymous: user names are cut out of the web addresses in it. Bitbucket puts the name of
        the caller into some, who may be somebody else than the reader of a shared answer.
    :param template: for an address that no answer has: it is made of this text. ``{}`` stands for
        the value at ``path`` and ``{name}`` for the path parameter of that name, each
        percent-encoded. The address is NULL if one of them is not known.
    :param distinct: about how many different values a listing has, to estimate how many items have
        one of them. It is not used for a closed set of values.
    :param shares: about which share of a listing's items, from 0 to 1, has each of some values, for
        the same purpose.
    :param member: for a value in one element of the list at ``path``: the name of a member, the
        value that it has in that element, and the name of the member that has the column's value.
    """

    name: str
    type: str
    path: str | None
    description: str
    param: str | None = None
    filter: Filter | None = None
    query: str | None = None
    query_values: tuple[str, ...] = ()
    sort: str | None = None
    pattern: str | None = None
    form: str | None = None
    sample: str | None = None
    longest: int = 80
    page: bool = False
    listed: bool = True
    present: bool = False
    cdata: str | None = None
    asked: bool = False
    within: str | None = None
    others: tuple[str, ...] = ()
    unless: str | None = None
    union: tuple[str, ...] = ()
    begins: str | None = None
    required: bool = False
    template: str | None = None
    anonymous: bool = False
    distinct: int = 10
    shares: tuple[tuple[Any, float], ...] = ()
    member: tuple[str, str, str] | None = None

    def respelled(self, value: Any) -> str | None:
        """The value of its closed set that another value is, but for the case of its letters.

        No row has the other one: Bitbucket spells each value in one way, and may add values, but
        has none twice.
        """
        known = self.filter.values if self.filter else ()
        if not isinstance(value, str) or value in known:
            return None
        return next((one for one in known if one.lower() == value.lower()), None)

    @property
    def data_type(self) -> DataType:
        """What is known of its type."""
        return TYPES[self.type]

    @property
    def keys(self) -> tuple[str, ...]:
        """The JSON path, split."""
        return tuple(self.path.split(".")) if self.path else ()

    @property
    def asked_paths(self) -> tuple[str, ...]:
        """All JSON paths that the column is read from; none for a column of the URL alone."""
        if self.union:
            return self.union
        return tuple(path for path in (self.path, *self.others, self.unless, self.within) if path)

    @property
    def label(self) -> str:
        """Its name as CData's driver writes it, such as ``AuthorUUID``."""
        return self.cdata or in_capitals(self.name)

    @property
    def flat_name(self) -> str:
        """Its name under the import options ``names 'flat'`` and ``names 'cdata'``."""
        return self.label.lower()


# How CData's driver writes words that are not one word with one capital.
_SPELLED = {
    "uuid": "UUID",
    "mainbranch": "MainBranch",
    "pullrequest": "PullRequest",
    "refname": "RefName",
}


def in_capitals(name: str) -> str:
    """The words of a name as CData's driver writes them: each with a capital, nothing between."""
    return "".join(_SPELLED.get(word, word.capitalize()) for word in name.split("_"))


def column(
    path: str,
    type: str,
    description: str,
    *,
    name: str | None = None,
    q: bool | str = False,
    values: tuple[str, ...] = (),
    absent: str | None = None,
    equality: bool = False,
    sort: bool | str = False,
    of_list: bool = False,
    **rest: Any,
) -> Column:
    """A column of the item's JSON.

    Its name is the path's words joined by underscores, unless ``name`` is given. ``q`` and ``sort``
    are true if the name of Bitbucket's field is the path; otherwise they are that name. ``values``,
    ``absent``, ``of_list`` and ``equality`` are those of :class:`Filter`. ``rest`` goes to
    :class:`Column`.
    """
    return Column(
        name or path.replace(".", "_"),
        type,
        path,
        description,
        filter=Filter(path if q is True else q, values, absent, of_list, equality) if q else None,
        sort=path if sort is True else sort or None,
        **rest,
    )


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns' names, in order."""
    return tuple(column.name for column in columns)
