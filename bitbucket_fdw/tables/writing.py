"""What a declaration says about INSERT, UPDATE and DELETE. Data only, as in :mod:`.table`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """A writable column and where its value goes in a request's body.

    NULL is sent as ``null`` where ``clear`` names an object, as an empty list of accounts, and as
    an empty text where the schemas know texts only.

    :param path: dotted path in the body; the column's own path if left out.
    :param clear: the path that gets ``null`` for NULL, where that is an object above ``path``.
    :param values: all values the API takes, where they are a closed set.
    :param required: an INSERT without it is refused here.
    :param accounts: a list of accounts: UUIDs, or objects with ``uuid`` or ``account_id``.
    :param longest: how many characters the API takes; 0: no limit is known.
    """

    column: str
    path: str | None = None
    clear: str | None = None
    values: tuple[str, ...] = ()
    required: bool = False
    accounts: bool = False
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A value that is asked of Bitbucket before the request, where the statement gives none.

    :param column: the field that takes it.
    :param path: where it stands in the JSON of the row's item.
    :param elsewhere: path template of an endpoint that tells it where the item does not; its
        parameters are columns of the row.
    :param elsewhere_path: where it stands in that endpoint's JSON.
    """

    column: str
    path: str
    elsewhere: str
    elsewhere_path: str


@dataclass(frozen=True, slots=True)
class Write:
    """The request of one verb; the path's parameters come from the row.

    :param fields: what goes into the body, if it is given or changed; with none there is no body.
    :param answers: the member of the item that the answer stands for, where it is not the item.
    :param always: what goes into the body with its present value, changed or not; it is read
        immediately before.
    :param keeps: columns that Bitbucket may empty although the request does not name them: the
        answer is compared with what was read before, and what was lost is put back.
    :param echoed: columns of which the answer shows the new value whether it was stored or not:
        they are read again.
    :param asked: values that Bitbucket is asked for.
    :param apart: groups of columns of which only one may be given.
    :param query: the request's query parameters.
    """

    method: str
    path: str
    fields: tuple[Field, ...] = ()
    answers: str | None = None
    always: tuple[Field, ...] = ()
    keeps: tuple[Field, ...] = ()
    echoed: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """A value of a column that is not stored but asked for by a request of its own.

    :param undo: the value that takes it back, if Bitbucket can.
    :param settled: statuses by which Bitbucket may say that the row has the value already; then it
        is looked at.
    :param only: a column and the value it has in rows that can be changed so.
    """

    column: str
    value: Any
    write: Write
    undo: Any = None
    settled: tuple[int, ...] = ()
    only: tuple[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Default:
    """A column that Bitbucket fills in when it is left out.

    :param column: the column.
    :param of_parent: the column of the parent's row that it takes the value from.
    :param missing: what is the matter where that has none, and ``hint`` what to do.
    """

    column: str
    of_parent: str
    missing: str
    hint: str


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns that no two rows may share.

    :param where: a column and the value it has in rows that count; ``None``: all count.
    :param default: one of them that Bitbucket fills in when it is left out.
    :param origin: a column that names a repository in full, the row's own where it is left out;
        letter case does not count.
    """

    columns: tuple[str, ...]
    where: tuple[str, Any] | None = None
    default: Default | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Writes:
    """What can be written to a table. A verb without an entry is refused with the reason given.

    :param transitions: changes that take a request of their own, by UPDATE (or by INSERT where
        the table's rows consist of nothing else).
    :param only: column and value of the rows that can be changed at all.
    :param withdrawals: how DELETE takes back a row, by the value of a column.
    :param own: the column of the account that acts; rows of others cannot be written.
    :param withdraw: how a row that was inserted is taken back, where DELETE is not possible.
    :param recreate: whether a deleted row can be made again.
    :param anew: what is different about a row that was made again; empty: nothing.
    :param upserts: PUT makes a row that is not there, so that it has to be looked for first.
    :param unique: what a new row must not share with an existing one: Bitbucket would overwrite
        that one without a word.
    :param told_apart: columns by which rows are told apart where Bitbucket lets several have one
        key; such rows cannot be changed.
    :param disturbs: other tables whose listings may change, or come in another order, after a
        write.
    """

    insert: Write | None = None
    update: Write | None = None
    delete: Write | None = None
    transitions: tuple[Transition, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()
    only: tuple[str, Any] | None = None
    withdrawals: tuple[Transition, ...] = ()
    own: str | None = None
    withdraw: Write | None = None
    recreate: bool = False
    anew: str = ""
    upserts: bool = False
    unique: Unique | None = None
    told_apart: tuple[str, ...] = ()
    disturbs: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns, beside the key, that any UPDATE has to know the present value of."""
        only = [pair[0] for pair in (self.only, *(t.only for t in self.transitions)) if pair]
        return tuple(dict.fromkeys((*only, *self.told_apart)))

    def refusal(self, verb: str) -> str | None:
        """Why a verb is refused, if the declaration says."""
        return dict(self.refusals).get(verb)
