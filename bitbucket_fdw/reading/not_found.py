"""What an answer of 403, 404 or 410 means: an error, or rows that are not there.

One rule for every plan, so that ``= x``, ``IN (x)``, a join on x and a full scan agree:

- A workspace or repository that a table's *options* name has to be there and to answer. All else
  is the error that Bitbucket gave.
- One that a spanning table comes upon, or that the query names, and that refuses, is left out with
  a warning (or is an error, by option ``on_denied``). So is a project. One that is not there has no
  rows. What refuses the credential wherever it asks is an error.
- A feature that a repository has turned off has no rows, with a warning.
- An item that is not there is no row, and what belongs to it has none.
- Some listings refuse, though what they belong to is there, if there is nothing to list. Then there
  are no rows, with a warning.
- A listing that somebody has to set up first refuses until then, as its repository would.

Bitbucket answers 404 for an item that is not there, and as well for a whole repository that is
not there or not visible. So after an item's 404 its listing is looked at, once per listing and
session: it tells the one from the other, and a feature that is off, in one request. Any answer
of that listing, or of another item in it, tells as much.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..errors import Forbidden, Gone, NotFound, RequestError
from ..pushdown.plan import Never, Query
from ..tables import PLACES
from ..tables.addresses import fill
from ..tables.columns import Column
from ..tables.endpoints import GUARDED, SLUGS, Item, Shape, path_parameters
from ..tables.json_readers import BadValue
from ..tables.json_values import extractor
from ..tables.table import Table
from .omissions import Omission, Omissions
from .presence import Presence

Parameters = dict[str, str]

REFUSALS = (Forbidden, NotFound, Gone)
"""The errors that :class:`RefusalJudge` judges."""

# "Invalid page" and "Invalid pagelen" (seen live by users) tell of the request, and not of what it
# asks for.
_ABOUT_PAGES = re.compile("invalid page", re.IGNORECASE)
_UUID = re.compile(r"\{.*\}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RefusalJudge:
    """Judges refusals for one table's scan.

    :param ask: gets a path, after its template, with a query; the answer's JSON.
    :param known: what the session has seen to be there.
    :param omissions: is told what rows are left out for.
    :param strict: whether a repository that refuses is an error in a spanning table as well.

    ``reader`` is the name of the table that is read, for messages. ``bound`` are the path
    parameters that its options fix. Whoever runs a plan sets both.

    The methods return where there are no rows, and raise the error otherwise. ``parameters`` are
    the path's, as they were asked.
    """

    def __init__(
        self,
        ask: Callable[[str, str, Query], Any],
        known: Presence,
        omissions: Omissions,
        strict: bool,
    ) -> None:
        self._ask = ask
        self.known = known
        self._omissions = omissions
        self._strict = strict
        self._not_set_up: set[tuple[str, str]] = set()
        self.reader = ""
        self.bound: frozenset[str] = frozenset()

    def answered(self, table: type[Table], parameters: Parameters) -> None:
        """Note that the table's listing, or an item of it, is there."""
        self.known.note(fill(table.collection.path, parameters))

    def is_skipped(self, table: type[Table], parameters: Parameters) -> bool:
        """Whether a listing would refuse as others of its repository did: nobody has set it up."""
        if table.set_up is None or not self._not_set_up:
            return False
        return (table.name, _slug(table.collection.path, parameters)) in self._not_set_up

    def listing(
        self,
        error: RequestError,
        table: type[Table],
        parameters: Parameters,
        listed: bool = False,
    ) -> None:
        """Judge a listing's refusal: does what the listing belongs to exist?

        :param listed: whether it was read just before, and therefore exists.
        """
        path = table.collection.path
        self.known.forget(fill(path, parameters))
        if isinstance(error, Forbidden):
            return self._denied(error, table, path, parameters)
        parent = table.parent
        if parent is None or (isinstance(error, Gone) and not _is_optional(table)):
            raise error
        item, parameter = _leading_item(table)
        may_be_none = table.may_be_none()
        optional = table.feature or table.absent_without or may_be_none
        if parameter in self.bound and not optional:
            raise error
        found: Any = {}
        if not listed or not (table.unlistable or table.set_up):
            found = self._look_up(parent.table, item, parameter, parameters, table.absent_without)
            if found is None:
                return None
        needed = parent.table.column(table.absent_without) if table.absent_without else None
        if needed is not None and _value(needed, found) is None:
            return None
        if table.feature is not None:
            slug = _slug(path, parameters)
            why = table.removed or error.detail or f"{error.message}."
            self._omissions.add(self.reader, Omission("off", table.feature, slug, why))
            return None
        if may_be_none and isinstance(error, NotFound):
            return None
        if table.unlistable is not None and error.status in table.unlistable.statuses:
            name = "/".join(parameters[part] for part in path_parameters(path))
            why = error.detail or f"{error.message}."
            what = table.unlistable.what
            self._omissions.add(self.reader, Omission("unlistable", what, name, why))
            return None
        if table.set_up is not None:
            error.hint = table.set_up
            self._not_set_up.add((table.name, _slug(path, parameters)))
        return self._denied(error, table, path, parameters, table.set_up)

    def item(
        self,
        error: RequestError,
        table: type[Table],
        item: Item,
        parameters: Parameters,
        leads: bool = False,
    ) -> None:
        """Judge an item's refusal: does its listing exist?

        :param leads: whether the item was needed for the rows that belong to it, which then has no
            rows. If it is a repository or a workspace, a warning says so.
        """
        if isinstance(error, Forbidden):
            return self._denied(error, table, item.path, parameters)
        if item.parameter in self.bound:
            raise error
        try:
            self._probe(table, parameters)
        except REFUSALS as refused:
            return self.listing(refused, table, parameters)
        if leads and item.parameter in SLUGS:
            slug = _slug(item.path, parameters)
            self._omissions.add(self.reader, Omission("missing", item.parameter, slug))
        return None

    def spelling(self, table: type[Table], parameter: str, parameters: Parameters) -> str | None:
        """How Bitbucket spells a slug of a path; ``None`` if nothing has that name.

        Bitbucket accepts a UUID in place of a slug, and any letter case. A comparison in SQL does
        not. Slugs are always in lower case. So only for other values one request is made, once.
        """
        given = parameters[parameter]
        if not may_be_respelled(given):
            return given
        owner, item = _owner(table, parameter)
        asked = {**parameters, item.parameter: given}
        path = fill(item.path, asked)
        spelled = self.known.spelling(path)
        if spelled is None:
            found = self._look_up(owner, item, item.parameter, asked)
            if found is None:
                return None
            spelled = _value(owner.column(item.key), found) or given
            self.known.note_spelling(path, spelled)
        if spelled != given:
            self.respelled(parameter, given, spelled)
        return spelled

    def respelled(self, what: str, given: str, spelled: str) -> None:
        """Note, for a warning, that a query spells a name otherwise than Bitbucket does."""
        self._omissions.add(self.reader, Omission("respelled", what, given, spelled))

    def never(self, never: Never) -> None:
        """Note, for a notice, that a query names a value which no row can have."""
        if never.spelled is not None:
            self.respelled(never.column, never.value, never.spelled)
        else:
            omission = Omission("malformed", never.column, never.value, never.form or "")
            self._omissions.add(self.reader, omission)

    def unlisted(self, digest: str) -> None:
        """Note, for a warning, that a commit exists but is in no listing."""
        self._omissions.add(self.reader, Omission("unlisted", "commit", digest))

    def _look_up(
        self,
        table: type[Table],
        item: Item,
        parameter: str,
        parameters: Parameters,
        wanted: str | None = None,
    ) -> Any:
        """An item that rows belong to; ``None`` if it does not exist, and so has no rows."""
        asked = {**parameters, item.parameter: parameters[parameter]}
        columns = [table.column(name) for name in (item.key, wanted) if name]
        fields = ",".join(filter(None, (part for c in columns for part in (c.path, c.within))))
        try:
            found = self._ask(item.path, fill(item.path, asked), Query((("fields", fields),)))
        except REFUSALS as error:
            self.item(error, table, item, asked, leads=True)
            return None
        self.answered(table, asked)
        return found if isinstance(found, dict) else {}

    def _probe(self, table: type[Table], parameters: Parameters) -> None:
        """Raise the error of a listing that does not answer."""
        path = fill(table.collection.path, parameters)
        if not self.known.answers(path):
            pagelen = (("pagelen", "1"),) if table.collection.pagelen else ()
            small = table.key_column().path if table.collection.shape is Shape.OBJECT else "next"
            self._ask(table.collection.path, path, Query((("fields", small or ""), *pagelen)))
            self.known.note(path)

    def _denied(
        self,
        error: RequestError,
        table: type[Table],
        template: str,
        parameters: Parameters,
        advice: str | None = None,
    ) -> None:
        places = [name for name in path_parameters(template) if name in GUARDED]
        if self._strict or _is_of_credential(error, table):
            raise error
        if not places or places[-1] in self.bound:
            raise error
        why = f"{error.message}. {error.detail or ''}".strip()
        if table.for_whom and isinstance(error, Forbidden):
            advice = f"{table.for_whom} can read {table.name}."
        if advice is not None:
            why = f"{why}\n{advice}"
        self._omissions.add(
            self.reader, Omission("denied", places[-1], _slug(template, parameters), why)
        )


def may_be_respelled(slug: str) -> bool:
    """Whether Bitbucket has to be asked how it spells a slug."""
    return slug != slug.lower() or _UUID.fullmatch(slug) is not None


def may_be_empty(error: RequestError, table: type[Table]) -> bool:
    """Whether a refusal beyond those that are always judged may mean that there are no rows."""
    if table.unlistable is None or _ABOUT_PAGES.search(error.detail or ""):
        return False
    return error.status in table.unlistable.statuses


def _is_of_credential(error: RequestError, table: type[Table]) -> bool:
    """Whether the credential is refused wherever it asks."""
    if not isinstance(error, Forbidden):
        return False
    return error.scope_missing or (error.by_access_token and not table.scopes.access_tokens)


def _value(column: Column, item: Any) -> Any:
    """A column's value; ``None`` if the JSON has no valid one."""
    try:
        return extractor([column])(item)[column.name]
    except BadValue:
        return None


def _slug(template: str, parameters: Parameters) -> str:
    """The workspace, and the project or repository, of a path as people write them."""
    named = [name for name in path_parameters(template) if name in GUARDED]
    return "/".join(parameters[name] for name in named)


def _leading_item(table: type[Table]) -> tuple[Item, str]:
    """The endpoint for one item of the parent, and the child's path parameter that names it."""
    assert table.parent is not None
    supplied = {supplier: parameter for parameter, supplier in table.parent.supplies}
    item = next(item for item in table.parent.table.items if item.key in supplied)
    return item, supplied[item.key]


def _is_optional(table: type[Table]) -> bool:
    """Whether the table, or one that its rows belong to, needs a feature that can be turned off."""
    parent = table.parent
    return table.feature is not None or (parent is not None and _is_optional(parent.table))


def _owner(table: type[Table], parameter: str) -> tuple[type[Table], Item]:
    """The table above whose key a path parameter is, and the endpoint for one of its items."""
    while table.parent is not None:
        supplier = dict(table.parent.supplies).get(parameter)
        if supplier is None:  # a narrower listing takes it, and its parent is of a higher level
            break
        table = table.parent.table
        for item in table.items:
            if item.key == supplier:
                return table, item
        parameter = table.column(supplier).param or parameter
    place = PLACES[SLUGS.index(parameter)]
    return place, next(item for item in place.items if item.parameter == parameter)
