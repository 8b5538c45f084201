"""What a declaration says about INSERT, UPDATE and DELETE. Data only, as in :mod:`.table`."""

from __future__ import annotations

from typing import Any, NamedTuple


class Field(NamedTuple):
    """A writable column and where its value goes in a request's body.

    NULL is sent as ``null`` if ``clear`` names an object, as an empty list for a list of accounts,
    and as an empty text where Bitbucket's schemas allow only texts.

    :param path: dotted path in the body; the column's own path if left out.
    :param clear: the path of the object above ``path`` that is set to ``null`` for NULL.
    :param values: all values that the API takes, if they are a closed set.
    :param required: if true, an INSERT without the column is refused before it is sent. So is an
        UPDATE that sets it to NULL.
    :param nullable: whether ``null`` is sent for NULL in place of one of the ``values``.
    :param accounts: if true, the value is a list of accounts: UUIDs, or objects with ``uuid`` or
        ``account_id``.
    :param groups: if true, the value is a list of groups: slugs, or objects with ``slug``. Groups
        are written by their slug everywhere in the API, and by nothing else.
    :param sparse: if true, nothing is sent for NULL, an empty text or an empty list. Bitbucket
        refuses such values, and takes their absence for the same.
    :param absent: the value that a row has whose JSON lacks the member. It is sent where the
        present value is sent along and the row has none, and for NULL.
    :param filled: for a list of objects: members that Bitbucket leaves out of an object, and the
        values that they have then. They are sent, because a request without them keeps what is
        there.
    :param longest: how many characters the API takes; 0 if no limit is known.
    """

    column: str
    path: str | None = None
    clear: str | None = None
    values: tuple[str, ...] = ()
    required: bool = False
    nullable: bool = False
    accounts: bool = False
    groups: bool = False
    sparse: bool = False
    absent: Any = None
    filled: tuple[tuple[str, Any], ...] = ()
    longest: int = 0


class Asked(NamedTuple):
    """A value that is read from Bitbucket before the request, if the statement does not give it.

    :param column: the field that gets the value.
    :param path: path of the value in the JSON of the row's item.
    :param elsewhere: path template of another endpoint, which is read if the item does not have the
        value. Its parameters are columns of the row.
    :param elsewhere_path: path of the value in that endpoint's JSON.
    """

    column: str
    path: str
    elsewhere: str
    elsewhere_path: str


class Write(NamedTuple):
    """The request of one SQL command. The path's parameters come from the row.

    :param fields: what the body contains, as far as it is given or changed. Without fields the
        request has no body.
    :param answers: for an answer that is not the item but a member of it: that member's name.
    :param always: what the body contains even if it does not change, with its present value, which
        is read immediately before.
    :param keeps: columns that Bitbucket may empty although the request does not name them. The
        answer is compared with what was read before, and lost values are put back.
    :param echoed: columns of which the answer shows the new value even if it was not stored. They
        are read again.
    :param asked: values that are read from Bitbucket before the request.
    :param apart: groups of columns; a statement may give values for one of the groups only.
    :param query: the request's query parameters.
    :param checked: columns of which the answer has to show what was sent. It is an error if it
        shows something else. Lists of accounts and groups may come in any order.
    :param reads_back: whether the answer does not show the row, as for a change that is only taken
        on. The row is then read, several times if need be, until what ``checked`` names is as it
        was sent. If it never is, it is not known whether the change was made. So far only
        environments need this; stopping a pipeline is answered in the same way.
    :param together: groups of columns. If one of a group changes, Bitbucket may forget the others
        of it, so that all of them are sent to take the change back.
    :param advice: hints for answers of an HTTP status, as pairs: what may be the reason for it, and
        what to do.
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
    checked: tuple[str, ...] = ()
    reads_back: bool = False
    together: tuple[tuple[str, ...], ...] = ()
    advice: tuple[tuple[int, str], ...] = ()

    @property
    def sent(self) -> dict[str, Field]:
        """All that the body can have, by column."""
        return {field.column: field for field in (*self.always, *self.keeps, *self.fields)}


class Transition(NamedTuple):
    """A value of a column that is reached by a request of its own, such as merging.

    :param undo: the value that takes the change back, if Bitbucket can do that.
    :param settled: HTTP statuses by which Bitbucket may say that the row has the value already. The
        row is then read to see whether it has.
    :param only: a column, and the value that it must have for this request to be possible.
    """

    column: str
    value: Any
    write: Write
    undo: Any = None
    settled: tuple[int, ...] = ()
    only: tuple[str, Any] | None = None


class Default(NamedTuple):
    """A column that Bitbucket fills in when it is left out.

    :param column: the column.
    :param of_parent: the column of the parent's row that Bitbucket takes the value from.
    :param missing: the error if the parent's row has no value there; ``hint`` says what to do.
    """

    column: str
    of_parent: str
    missing: str
    hint: str


class Unique(NamedTuple):
    """Columns that no two rows may share.

    :param where: a column and its value: only rows with this value must differ. ``None``: all rows
        must differ.
    :param default: one of the columns that Bitbucket fills in when it is left out.
    :param origin: a column with the full name of a repository, without regard to letter case. If it
        is left out, it means the row's own repository.
    """

    columns: tuple[str, ...]
    where: tuple[str, Any] | None = None
    default: Default | None = None
    origin: str | None = None


class Writes(NamedTuple):
    """What can be written to a table. A command without an entry is refused, with a reason.

    :param transitions: changes that take a request of their own, by UPDATE (or by INSERT if the
        table's rows consist of nothing else).
    :param refusals: commands with the reasons why they are refused.
    :param only: a column, and the value that it has in rows that can be changed at all.
    :param withdrawals: the requests by which DELETE withdraws a row, one for each value of a
        column.
    :param own: the column of the account that a row belongs to. Only rows of the account that the
        credential acts for can be written.
    :param withdraw: the request that takes back an inserted row, if DELETE is not possible.
    :param recreate: whether a deleted row can be made again.
    :param anew: how a row that was made again differs from the old one; empty if it does not.
    :param upserts: whether PUT makes a row that does not exist. An UPDATE then has to look first
        whether the row exists.
    :param unique: columns that a new row must not share with an existing one, because Bitbucket
        would overwrite the existing row without an error.
    :param told_apart: for a table in which Bitbucket allows several rows with the same key: columns
        in which such rows differ. These rows cannot be changed.
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
        """The columns besides the key whose present values every UPDATE has to know."""
        only = [pair[0] for pair in (self.only, *(t.only for t in self.transitions)) if pair]
        return tuple(dict.fromkeys((*only, *self.told_apart)))

    def refusal(self, verb: str) -> str | None:
        """The reason why a command is refused, if the declaration gives one."""
        return dict(self.refusals).get(verb)
