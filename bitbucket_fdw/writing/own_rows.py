"""Rows that only their own account can write: verdicts on pull requests.

The endpoints that approve a pull request, or request changes, name no account: they act for the
account that calls them. So before a row is changed it has to be known that it is the caller's own.
``GET /user`` tells whose credential it is, but it refuses access tokens (403, seen live) and
credentials without a scope for it. Then the change is sent first, and its answer tells whose
verdict was changed. If it was not the row's, the caller's own verdict is put back, and the
statement fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from ..errors import (
    BitbucketError,
    Cancelled,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    RowUnknown,
    Unauthorized,
)
from ..pushdown.typed_values import typed
from ..tables.json_values import column_value
from .current_rows import CurrentRows
from .requests import WriteRequest, verdict

Row = dict[str, Any]
Given = dict[uuid.UUID, Any]  # each account's verdict on one pull request, where it has one
Send = Callable[[WriteRequest], Any]


class OwnRows:
    """For a table whose declaration names its rows' ``own`` account, and one account each."""

    def __init__(self, current_rows: CurrentRows) -> None:
        self._current_rows = current_rows
        self._table = current_rows.table
        self._own = self._table.writes.own or ""
        self._state = next((t.column for t in self._table.writes.withdrawals), "")
        # The path of the state in an answer, which is a single element of the list with the rows.
        keys = self._table.column(self._state).keys if self._state else ()
        self._told = keys[1:] if keys[:1] == (self._table.collection.explode,) else keys
        self._account_known = True

    def require_own(self, row: Row) -> None:
        """Raise :class:`RowUnknown` if it is known by now that the row is another account's."""
        mine = self._account()
        self._account_known = mine is not None
        if mine is not None and row.get(self._own) != mine:
            raise _of_another(f"Only rows with {self._own} {mine} can be written by it.")

    def send(
        self, request: WriteRequest, send: Send, to_take_back: bool
    ) -> tuple[Any, WriteRequest | None]:
        """Send a change; returns the answer, and the request that takes the change back.

        :param to_take_back: whether the change may have to be taken back, so that an INSERT has to
            know what it replaces.
        """
        if request.verb == "INSERT":
            before = self._given(request) if to_take_back else {}
            answer = send(request)
            caller = self._answered(answer)
            row = {**request.identity, self._own: caller}
            now = column_value(answer, self._told)
            return answer, self._verdict(row, now, before.get(caller) if caller else None)
        if self._account_known:
            return send(request), request.undo
        return self._send_and_see(request, send), request.undo

    def _send_and_see(self, request: WriteRequest, send: Send) -> Any:
        """Send a change without knowing the account; put it back if it was not the row's."""
        meant = request.identity[self._own]
        before = self._given(request)
        try:
            answer = send(request)
        except NotFound:
            if request.verb == "DELETE" and meant in before:
                raise _of_another("The credential has no such verdict itself.") from None
            raise
        try:
            caller = self._answered(answer) or self._withdrawn(request, before)
            if caller in (None, meant):
                return answer
            self._put_back(request, caller, before.get(caller), send)
        except BitbucketError as error:
            error.unsettled = True  # the change was applied, to the row of some account
            raise
        raise _of_another(f"Only rows with {self._own} {caller} can be written by it.")

    def _withdrawn(self, request: WriteRequest, before: Given) -> uuid.UUID | None:
        """The account whose verdict was withdrawn; ``None`` if that is not clear."""
        meant: uuid.UUID = request.identity[self._own]
        try:
            after = self._given(request)
        except Cancelled:
            raise
        except BitbucketError as error:
            raise OutcomeUnknown(
                "it is not known whose verdict was withdrawn",
                method=request.method,
                path=request.path,
                detail=str(error),
                hint="SELECT the pull request's verdicts.",
            ) from None
        if meant not in after:
            return meant
        # Somebody else may have withdrawn a verdict at the same time. If two are gone, it is not
        # clear which one was the caller's, and neither is put back.
        gone: list[uuid.UUID] = [account for account in before if account not in after]
        if len(gone) == 1:
            return gone[0]
        raise _of_another("The credential has no such verdict itself.")

    def _put_back(self, request: WriteRequest, caller: Any, wanted: Any, send: Send) -> None:
        present = None if request.verb == "DELETE" else request.values[self._state]
        back = self._verdict({**request.identity, self._own: caller}, present, wanted)
        try:
            if back is not None:
                send(back)
        except BitbucketError as error:
            did = "was withdrawn" if present is None else f"is {present}"
            raise _of_another(
                f"Only rows with {self._own} {caller} can be written by it.",
                f"The credential acts for itself, so that its own {did}: {error.message}.",
            ) from None

    def _verdict(self, row: Row, present: Any, wanted: Any) -> WriteRequest | None:
        return verdict(self._table, self._current_rows.binding.bound, row, present, wanted)

    # --- reading ---

    def callers(self, identity: Row) -> Row:
        """The identity of the caller's own row. Raises :class:`RowUnknown` if it is not known."""
        mine = self._account()
        if mine is None:
            raise _of_another("The credential may not know its own account.")
        return {**identity, self._own: mine}

    def _account(self) -> uuid.UUID | None:
        """The account that the credential acts for; ``None`` if Bitbucket does not tell it."""
        client, scan = self._current_rows.client, self._current_rows.scan()
        url = client.url("/user", (("fields", "uuid"),))
        try:
            user = scan.wait(scan.submit(client.get, url, scan)).json
        except (Unauthorized, Forbidden):
            return None  # if the credential is the reason, the change itself will fail as well
        return self._uuid(user)

    def _given(self, request: WriteRequest) -> Given:
        *place, account = self._table.primary_key
        known = {**request.identity, **self._current_rows.bound_values()}
        tests = {name: typed(self._table.column(name), known[name]) for name in place}
        columns = frozenset({*self._table.primary_key, self._state})
        rows = self._current_rows.found(tests, columns)
        return {row[account]: row[self._state] for row in rows if row[self._state] is not None}

    def _answered(self, answer: Any) -> uuid.UUID | None:
        """The account in an answer, which is the JSON of a participant."""
        return self._uuid(answer.get("user")) if isinstance(answer, dict) else None

    def _uuid(self, user: Any) -> uuid.UUID | None:
        text = user.get("uuid") if isinstance(user, dict) else None
        found = typed(self._table.column(self._own), str(text).strip("{}"))
        return found if isinstance(found, uuid.UUID) else None


def _of_another(hint: str, detail: str | None = None) -> RowUnknown:
    return RowUnknown("the row is another account's", detail=detail, hint=hint)
