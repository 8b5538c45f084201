"""Errors and warnings as the host passes them to PostgreSQL."""

from __future__ import annotations

import functools
from collections.abc import Callable
from logging import ERROR, INFO, WARNING
from typing import Any, NoReturn, TypeVar, cast

from multicorn.utils import log_to_postgres

from .. import statement
from ..advice import advised
from ..errors import BitbucketError
from ..transactions import JOURNAL, Aftermath
from ..wording import sayable

F = TypeVar("F", bound=Callable[..., Any])


def report(error: BitbucketError, table: str | None) -> NoReturn:
    """Raise ``error`` as a PostgreSQL error; the host passes on its SQLSTATE if it can."""
    message = f"{table}: {error.message}" if table else error.message
    try:
        log_to_postgres(
            sayable(message), ERROR, hint=sayable(error.hint), detail=sayable(error.detail)
        )
    except Exception as raised:
        raised.sqlstate = error.sqlstate  # type: ignore[attr-defined]
        raise raised from None
    raise error  # not reached: at ERROR the host's function raises


def reporting(hook: F) -> F:
    """Turn this package's errors in a hook into PostgreSQL errors."""

    @functools.wraps(hook)
    def reported(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return hook(self, *args, **kwargs)
        except BitbucketError as error:
            report(advised(error, getattr(self, "table", None)), getattr(self, "name", None))

    return cast(F, reported)


def warn(message: str, detail: str | None = None, hint: str | None = None) -> None:
    """Send the client a WARNING."""
    log_to_postgres(sayable(message), WARNING, detail=sayable(detail), hint=sayable(hint))


def notice(message: str) -> None:
    """Send the client a NOTICE."""
    log_to_postgres(sayable(message), INFO)


def enter_transaction() -> None:
    """Let the journal know the transaction; warn of changes that one before it lost."""
    lost = JOURNAL.enter(statement.transaction_start())
    if lost:
        log_to_postgres(
            f"{'1 change' if len(lost) == 1 else f'{len(lost)} changes'} of a prepared transaction "
            "will never be sent",
            WARNING,
            detail="\n".join(f"{number}. {change}" for number, change in enumerate(lost, 1)),
            hint="Do not PREPARE transactions that write to Bitbucket.",
        )


def tell(aftermath: Aftermath) -> None:
    """Warn of changes that a rollback could not take back."""
    if aftermath.message:
        log_to_postgres(sayable(aftermath.message), WARNING, detail=sayable(aftermath.detail))
