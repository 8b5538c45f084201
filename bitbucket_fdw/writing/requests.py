"""Pure: from a changed row and its table's declaration to the requests that write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidValue, MissingValue, ReadOnly, WriteError
from ..tables.addresses import fill, path_text
from ..tables.endpoints import path_parameters
from ..tables.table import Table
from ..tables.writing import Asked, Field, Transition, Write
from .bodies import body_of, check_null

Row = Mapping[str, Any]

_REPEATABLE = ("PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One request to send.

    :param verb: the SQL command that the request is sent for.
    :param identity: what is known of the row, by column: at least its path parameters.
    :param values: the new values, by column.
    :param body: JSON to send; ``None`` for a request without a body.
    :param write: the declaration that the request was made from.
    :param undo: the request that takes this one back, if that is known beforehand.
    :param transition: the declared transition, if the request is for one.
    """

    table: type[Table]
    verb: str
    method: str
    path: str
    identity: dict[str, Any]
    values: dict[str, Any]
    body: dict[str, Any] | None
    write: Write
    undo: WriteRequest | None = None
    transition: Transition | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending the request twice has the same effect as sending it once."""
        return self.method in _REPEATABLE

    @property
    def key(self) -> tuple[str, ...]:
        """The row's primary key as text, without parts that are not known."""
        return tuple(str(self.identity.get(name)) for name in self.table.primary_key)

    @property
    def place(self) -> dict[str, str]:
        """The path parameters, as far as the row's columns tell them."""
        known = ((c.param, self.identity.get(c.name)) for c in self.table.columns if c.param)
        return {name: path_text(value) for name, value in known if value is not None}

    def __str__(self) -> str:
        return f"{self.table.name}: {self.method} {self.path}"


# --- the three verbs ---


def insert(table: type[Table], bound: Row, values: Row) -> list[WriteRequest]:
    """The request for a new row.

    :param values: typed values; ``None`` where the statement gave none.

    Raises a :class:`WriteError` for values that Bitbucket does not take.
    """
    given = {name: value for name, value in values.items() if value is not None}
    write = table.writes.insert
    if write is not None:
        _check_columns(table, "INSERT", given, write, bound)
        _check_required(table, write.fields, given)
        _check_apart(write, given)
        return [_request(table, "INSERT", write, bound, given, given)]
    for transition in table.writes.transitions:
        if given.get(transition.column) == transition.value:
            _check_columns(table, "INSERT", given, transition.write, bound, transition.column)
            request = _request(table, "INSERT", transition.write, bound, given, {})
            return [replace(request, transition=transition)]
    raise _refused(table, "INSERT")


def update(table: type[Table], bound: Row, old: Row, changed: Row) -> list[WriteRequest]:
    """The requests that set a row's columns to ``changed``; none if that is empty.

    :param old: the row as it is when the requests are sent. A rollback restores these values.

    Raises a :class:`WriteError` for values that Bitbucket does not take.
    """
    if not changed:
        return []
    writes = table.writes
    if writes.update is None and not writes.transitions:
        raise _refused(table, "UPDATE")
    _check_only(writes.only, old, "this row cannot be changed")
    transitions = _transitions(table, changed)
    for transition in transitions:
        _check_only(transition.only, old, f"{transition.column} of this row cannot be changed")
    taken = {t.column for t in transitions}
    taken |= {f.column for t in transitions for f in t.write.fields}
    rest = {name: value for name, value in changed.items() if name not in taken}
    identity = {name: value for name, value in old.items() if name not in changed or name in rest}
    requests = []
    if rest:
        requests.append(_plain_update(table, bound, old, rest))
    for transition in transitions:
        requests.append(_transition(table, bound, {**identity, **old}, changed, transition))
    return requests


def delete(table: type[Table], bound: Row, old: Row) -> list[WriteRequest]:
    """The request that deletes a row. At least its path parameters have to be known."""
    for transition in table.writes.withdrawals:
        given = old.get(transition.column)
        if given == transition.value:
            request = _request(table, "DELETE", transition.write, bound, old, {})
            return [replace(request, undo=verdict(table, bound, old, None, given))]
    write = table.writes.delete
    if write is None:
        raise _refused(table, "DELETE")
    return [_request(table, "DELETE", write, bound, old, {})]


def verdict(
    table: type[Table], bound: Row, row: Row, present: Any, wanted: Any
) -> WriteRequest | None:
    """The request that restores a verdict, in a table with ``withdrawals``; ``None`` if none does.

    :param present: the value that the row has now; ``None``: it was withdrawn.
    :param wanted: the value that the row should have; ``None``: it should be withdrawn.
    """
    writes = table.writes
    steps = writes.withdrawals if wanted is None else writes.transitions
    value = present if wanted is None else wanted
    for step in steps:
        if step.value == value:
            return _request(table, "UPDATE", step.write, bound, row, {})
    return None


def require(table: type[Table], verb: str) -> None:
    """Raise :class:`ReadOnly` if the table does not allow the SQL command for any row."""
    if verb not in verbs(table):
        raise _refused(table, verb)


def undo(request: WriteRequest, row: Row, bound: Row) -> WriteRequest | None:
    """The request that takes back one that was sent; ``None`` if there is none.

    :param row: the row as it is now.
    """
    if request.undo is not None or request.verb != "INSERT":
        return request.undo
    writes = request.table.writes
    if writes.delete is not None:
        return delete(request.table, bound, row)[0]
    if writes.withdraw is not None:
        return _request(request.table, "DELETE", writes.withdraw, bound, row, {})
    return None


def writable(table: type[Table], verb: str) -> tuple[str, ...]:
    """The columns that a SQL command can set, for messages and the documentation."""
    writes = table.writes
    write = {"INSERT": writes.insert, "UPDATE": writes.update}.get(verb)
    columns = [field.column for field in write.fields] if write else []
    if verb == "UPDATE" or write is None:
        for transition in writes.transitions:
            columns.append(transition.column)
            columns += [field.column for field in transition.write.fields]
    if verb == "INSERT":
        anchor = write or (writes.transitions[0].write if writes.transitions else None)
        if anchor is not None:
            columns = [*_path_columns(table, anchor), *columns]
    return tuple(dict.fromkeys(columns))


def verbs(table: type[Table]) -> tuple[str, ...]:
    """The SQL commands that change a table's rows."""
    writes = table.writes
    able = {
        "INSERT": writes.insert is not None or (bool(writes.transitions) and writes.update is None),
        "UPDATE": writes.update is not None or bool(writes.transitions),
        "DELETE": writes.delete is not None or bool(writes.withdrawals),
    }
    return tuple(verb for verb, can in able.items() if can)


# --- what has to be read before a request is sent ---


def read_before(request: WriteRequest) -> tuple[str, ...]:
    """The columns whose present values a request needs; none if it can be sent as it is.

    They are the columns that the request sends along or must not lose. With them, the columns that
    it changes are read, so that a rollback can restore them.
    """
    write, table = request.write, request.table
    given = {*request.values, *table.primary_key}
    needed = [field.column for field in (*write.always, *write.keeps) if field.column not in given]
    if not needed:
        return ()
    fields = {field.column for field in write.fields}
    return tuple(dict.fromkeys((*needed, *(name for name in request.values if name in fields))))


def asked_before(request: WriteRequest) -> tuple[Asked, ...]:
    """The values that have to be read from Bitbucket, because the statement does not give them."""
    return tuple(a for a in request.write.asked if request.values.get(a.column) is None)


def completed(request: WriteRequest, bound: Row, present: Row, found: Row) -> WriteRequest:
    """The request with what was read immediately before it is sent.

    :param present: columns of the row as it is now.
    :param found: the values of :func:`asked_before`.
    """
    table, write = request.table, request.write
    unknown = {f.column for f in write.always} - {*present, *table.primary_key, *request.values}
    identity = {name: v for name, v in request.identity.items() if name not in unknown}
    known = {**identity, **present}
    values = {name: v for name, v in request.values.items() if name not in found or v is not None}
    sent = {name: v for name, v in values.items() if name in {f.column for f in write.fields}}
    body = body_of(table, write, known, {**sent, **found})
    back = request.undo
    if back is not None and back.write is write:
        before = {name: present.get(name, value) for name, value in back.values.items()}
        back = _request(table, back.verb, write, bound, known, before)
    return replace(request, identity=known, values=values, body=body, undo=back)


def putting_back(request: WriteRequest, bound: Row, now: Row, lost: Row) -> WriteRequest:
    """The request that restores columns that another request has emptied.

    :param now: the row as the answer to the other request shows it.
    :param lost: the values that the columns had before.
    """
    return _request(request.table, "UPDATE", request.write, bound, now, lost)


# --- building requests ---


def _request(
    table: type[Table], verb: str, write: Write, bound: Row, identity: Row, values: Row
) -> WriteRequest:
    parameters = {}
    known = dict(identity)
    for parameter, column in _parameters(table, write):
        value = bound.get(parameter) if parameter in bound else identity.get(column)
        if value is None or value in ("", ".", ".."):
            raise MissingValue(
                f"{column} is missing",
                hint=f"{verb} needs it to address Bitbucket.",
            )
        known[column] = value
        parameters[parameter] = path_text(value)
    body = body_of(table, write, known, values)
    path = fill(write.path, parameters)
    return WriteRequest(table, verb, write.method, path, known, dict(values), body, write)


def _plain_update(table: type[Table], bound: Row, old: Row, changed: Row) -> WriteRequest:
    write = table.writes.update
    if write is None:
        raise _refused(table, "UPDATE")
    _check_columns(table, "UPDATE", changed, write, {})
    check_null(table, write, changed)
    groups = [group for group in write.together if not set(group).isdisjoint(changed)]
    beside = [name for group in groups for name in group if name in old]
    before = {name: old.get(name) for name in (*changed, *beside)}
    back = _request(table, "UPDATE", write, bound, old, before)
    return replace(_request(table, "UPDATE", write, bound, old, changed), undo=back)


def _transition(
    table: type[Table], bound: Row, old: Row, changed: Row, transition: Transition
) -> WriteRequest:
    given = {f.column: changed[f.column] for f in transition.write.fields if f.column in changed}
    check_null(table, transition.write, given)
    request = _request(table, "UPDATE", transition.write, bound, old, given)
    values = {**given, transition.column: transition.value}
    request = replace(request, values=values, transition=transition)
    if table.writes.withdrawals:
        back = verdict(table, bound, old, transition.value, old.get(transition.column))
        return replace(request, undo=back)
    for other in table.writes.transitions:
        if transition.undo is not None and other.value == transition.undo:
            back = _request(table, "UPDATE", other.write, bound, old, {})
            return replace(request, undo=back)
    return request


def _transitions(table: type[Table], changed: Row) -> list[Transition]:
    """The transitions that a change asks for.

    Raises an error for a value that no transition leads to.
    """
    found = []
    for column in dict.fromkeys(t.column for t in table.writes.transitions):
        if column not in changed:
            continue
        possible = [t for t in table.writes.transitions if t.column == column]
        wanted = [t for t in possible if t.value == changed[column]]
        if not wanted:
            raise InvalidValue(
                f"{column} cannot be set to {changed[column]!r}",
                hint=f"It can be set to: {', '.join(str(t.value) for t in possible)}.",
            )
        found += wanted
    return found


# --- checks ---


def _parameters(table: type[Table], write: Write) -> list[tuple[str, str]]:
    """The write's path parameters and the columns that hold their values."""
    keys = {item.parameter: item.key for item in reversed(table.items)}
    found = []
    for parameter in path_parameters(write.path):
        column = table.column_of(parameter)
        found.append((parameter, column.name if column else keys[parameter]))
    return found


def _path_columns(table: type[Table], write: Write) -> list[str]:
    return [column for _, column in _parameters(table, write)]


def _check_columns(
    table: type[Table], verb: str, given: Row, write: Write, bound: Row, *more: str
) -> None:
    in_path = dict(_parameters(table, write)) if verb == "INSERT" else {}
    allowed = {field.column for field in write.fields} | set(in_path.values()) | set(more)
    for name, value in given.items():
        if name not in allowed:
            raise _read_only(table, verb, name)
        fixed = next((bound[p] for p, c in in_path.items() if c == name and p in bound), None)
        if fixed is not None and fixed != value:
            raise InvalidValue(
                f"{name} is {fixed!r} in this foreign table, not {value!r}",
                hint="Write to the table of the other schema, or leave the column out.",
            )


def _read_only(table: type[Table], verb: str, name: str) -> ReadOnly:
    for transition in table.writes.transitions if verb == "UPDATE" else ():
        if name in (field.column for field in transition.write.fields):
            return ReadOnly(
                f"column {name} can only be set together with {transition.column}",
                hint=f"SET {transition.column} = '{transition.value}', {name} = ….",
            )
    return ReadOnly(
        f"column {name} cannot be set by {verb}",
        hint=f"Columns that can: {', '.join(writable(table, verb))}.",
    )


def _check_apart(write: Write, given: Row) -> None:
    """Raise :class:`InvalidValue` if columns are given that Bitbucket does not take together."""
    present = [[name for name in group if name in given] for group in write.apart]
    if sum(map(bool, present)) > 1:
        raise InvalidValue(
            f"{' and '.join(group[0] for group in present if group)} exclude each other",
            hint="Give one of them: an answer to a comment stands where that one does.",
        )


def _check_only(only: tuple[str, Any] | None, old: Row, refused: str) -> None:
    """Raise :class:`WriteError` for a row without the value that rows must have to be changed."""
    if only is None or old.get(only[0]) == only[1]:
        return
    column, value = only
    wanted = "NULL" if value is None else value
    raise WriteError(
        f"{refused}, its {column} is {old.get(column)}",
        hint=f"Bitbucket changes rows with {column} {wanted} only.",
    )


def _check_required(table: type[Table], fields: Iterable[Field], given: Row) -> None:
    missing = [field.column for field in fields if field.required and field.column not in given]
    if missing:
        raise MissingValue(
            f"{', '.join(missing)} must be given",
            hint=f"Columns that can be set: {', '.join(writable(table, 'INSERT'))}.",
        )


def _refused(table: type[Table], verb: str) -> ReadOnly:
    able = verbs(table)
    why = table.writes.refusal(verb)
    return ReadOnly(
        f"{table.name} takes no {verb}",
        hint=why or (f"It takes: {', '.join(able)}." if able else "It can only be read."),
    )
