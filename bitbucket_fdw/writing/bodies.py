"""Pure: the JSON bodies of requests that write, and whether an answer shows what a body said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidValue, MissingValue
from ..tables.host_values import in_body
from ..tables.table import Table
from ..tables.writing import Field, Write

Row = Mapping[str, Any]

_ACCOUNT = ("uuid", "account_id")
_GROUP = ("slug",)


def body_of(table: type[Table], write: Write, known: Row, values: Row) -> dict[str, Any] | None:
    """The body of a request; ``None`` if it has none.

    :param known: what is known of the row, by column; values that are sent along come from here.
    :param values: the values to set, by column.

    Raises :class:`InvalidValue` for a value that Bitbucket does not take.
    """
    fields = write.sent
    if not fields:
        return None
    present = ((f, known.get(f.column)) for f in write.always)
    along = {f.column: f.absent if value is None else value for f, value in present}
    always = {column: value for column, value in along.items() if value is not None}
    return _body(table, fields.values(), {**always, **values})


def check_null(table: type[Table], write: Write, changed: Row) -> None:
    """Raise :class:`MissingValue` for a NULL that stands for nothing which Bitbucket takes.

    :param changed: the values that a statement sets, by column. (What a request takes back or sends
        along besides may well be NULL: it is what Bitbucket has shown.)
    """
    inserted = table.writes.insert.fields if table.writes.insert else ()
    required = {field.column for field in (*inserted, *write.fields) if field.required}
    for field in write.fields:
        if field.column not in changed or changed[field.column] is not None:
            continue
        if field.sparse or field.nullable or field.absent is not None or field.clear is not None:
            continue
        if field.column in required or _cleared(table, field) is None:
            raise MissingValue(
                f"{field.column} cannot be set to NULL",
                hint=_instead(table, field, None),
            )


def is_shown(field: Field, sent: Any, answered: Any) -> bool:
    """Whether an answer's value of a column is the one that was sent; both are typed.

    Accounts and groups are the same if what names them is, in whatever order they come.
    """
    if answered is None:
        answered = field.absent
    if field.sparse and sent in (None, "", []):
        return answered in (None, "", [])
    if sent is None:
        return answered in (None, field.absent)
    if field.accounts or field.groups:
        wanted = _accounts(field, sent) if field.accounts else _groups(field, sent)
        there = _named(answered, _ACCOUNT if field.accounts else _GROUP)
        # An entry may be there several times, also under another of its names.
        return all(any(_names(one, other) for other in there) for one in wanted) and all(
            any(_names(one, other) for one in wanted) for other in there
        )
    return bool(sent == answered)


def _instead(table: type[Table], field: Field, value: Any) -> str:
    """What to do instead of setting a value that the API does not take."""
    name, nothing = table.nothing or (None, None)
    gone = field.column == name and value in (None, nothing)
    kind = table.column(field.column).data_type
    able = field.values or (("true", "false") if kind.body is bool else ())
    said = (
        "DELETE the row instead." if gone else "",
        f"It can be: {', '.join(able)}." if able else "Leave the column out, or give a value.",
    )
    return " ".join(filter(None, said))


def _names(sent: dict[str, str], answered: dict[str, str]) -> bool:
    """Whether an entry that was sent is of the account or group that an answer has."""
    return sent.items() <= answered.items()


def _body(table: type[Table], fields: Iterable[Field], values: Row) -> dict[str, Any]:
    body: dict[str, Any] = {}
    given = [field for field in fields if field.column in values]
    # NULLs come first. An account has two columns, and a NULL in one of them must not clear the
    # account that the other one sets.
    for field in sorted(given, key=lambda field: values[field.column] is not None):
        value = values[field.column]
        path = field.path or table.column(field.column).path or field.column
        if value is None and field.absent is not None:
            value = field.absent
        if field.sparse and value in (None, "", []):
            continue
        if value is None:
            _put(body, field.clear or path, _cleared(table, field))
        else:
            _put(body, path, _checked(table, field, value))
    return body


def _checked(table: type[Table], field: Field, value: Any) -> Any:
    """A value as it is sent. Raises :class:`InvalidValue` for one that Bitbucket does not take."""
    if field.values and value not in field.values:
        raise InvalidValue(
            f"{value!r} is no {field.column}",
            hint=_instead(table, field, value),
        )
    data_type = table.column(field.column).data_type
    if not isinstance(value, data_type.body):
        raise InvalidValue(f"{field.column} is of type {data_type.name}, and {value!r} is not")
    if field.longest and isinstance(value, str) and len(value) > field.longest:
        raise InvalidValue(
            f"{field.column} has {len(value)} characters",
            hint=f"Bitbucket takes at most {field.longest}.",
        )
    if field.accounts:
        return _accounts(field, value)
    if field.groups:
        return _groups(field, value)
    return _filled(field, value) if field.filled else in_body(value)


def _cleared(table: type[Table], field: Field) -> Any:
    """What is sent for NULL, because Bitbucket's schemas allow ``null`` for some objects only."""
    if field.clear is not None:
        return None
    if field.accounts:
        return []
    return None if field.values else table.column(field.column).data_type.null_in_body


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        if not isinstance(body.get(name), dict):  # absent, or cleared by another column
            body[name] = {}
        body = body[name]
    body[last] = value


def _named(value: Any, names: tuple[str, ...]) -> list[dict[str, str]]:
    """What names each entry of a list; a text stands for the first of the names."""
    found = []
    for entry in value if isinstance(value, list) else [None]:
        members = entry if isinstance(entry, dict) else {names[0]: entry}
        known = {name: str(members[name]) for name in names if isinstance(members.get(name), str)}
        if "uuid" in known:
            known["uuid"] = f"{{{known['uuid'].strip('{}').lower()}}}"
        found.append(known)
    return found


def _accounts(field: Field, value: Any) -> list[dict[str, str]]:
    accounts = _named(value, _ACCOUNT)
    if not all(accounts):
        raise InvalidValue(
            f"{field.column} is no list of accounts",
            hint='Give UUIDs, \'["{…}"]\', or objects with "uuid" or "account_id".',
        )
    return [{"uuid": known["uuid"]} if "uuid" in known else known for known in accounts]


def _groups(field: Field, value: Any) -> list[dict[str, str]]:
    groups = _named(value, _GROUP)
    if not all(groups):
        raise InvalidValue(
            f"{field.column} is no list of groups",
            hint='Give slugs, \'["developers"]\', or objects with "slug".',
        )
    return groups


def _filled(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidValue(f"{field.column} is no list of objects")
    return [{**dict(field.filled), **entry} for entry in value]
