"""Errors and warnings as the host passes them to PostgreSQL."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from logging import ERROR, INFO, WARNING
from typing import Any, NoReturn, TypeVar, cast

from multicorn.utils import log_to_postgres

from ..api.credentials import redact
from ..errors import BitbucketError
from ..plain_text import visible
from ..postgres import server_log, statement_text
from ..postgres.encoding import sayable
from ..writing.journal import RollbackOutcome
from .backend_state import STATE
from .hints import advised
from .session_requests import log_line

F = TypeVar("F", bound=Callable[..., Any])


def _say(level: int, message: str, detail: str | None = None, hint: str | None = None) -> None:
    """Send a message to PostgreSQL's client. Every message goes through here.

    A server may repeat in its answer what it was sent, credentials among it. So secrets are
    replaced here, whatever the message is made of.
    """
    secrets = STATE.clients.secrets_in_use()
    shown = [text and sayable(redact(text, secrets)) for text in (message, detail, hint)]
    log_to_postgres(shown[0], level, detail=shown[1], hint=shown[2])


def report(error: BitbucketError, table: str | None) -> NoReturn:
    """Raise ``error`` as a PostgreSQL error; the host passes on its SQLSTATE if it can."""
    message = error.message
    # Some name the table themselves, by Bitbucket's name for it: "branches takes no UPDATE".
    if table and not message.startswith(f"{table} "):
        message = f"{table}: {message}"
    try:
        _say(ERROR, message, error.detail, error.hint)
    except Exception as raised:
        raised.sqlstate = error.sqlstate  # type: ignore[attr-defined]
        raise raised from None
    raise error  # not reached: at ERROR the host's function raises


def conceal(error: Exception) -> None:
    """Raise another error in place of an unexpected one that would show a secret.

    The host shows the text of such an error and logs its traceback. Libraries quote in both what
    they could not work with, and that may be a credential.
    """
    secrets = STATE.clients.secrets_in_use()
    told = visible("".join(traceback.format_exception(error)))
    if redact(told, secrets) != told:
        name = type(error).__name__
        raise RuntimeError(f"{name}: {sayable(redact(str(error), secrets))}") from None


def reporting(hook: F) -> F:
    """Turn this package's errors in a hook into PostgreSQL errors."""

    @functools.wraps(hook)
    def reported(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            result = hook(self, *args, **kwargs)
            tell_notes()
            return result
        except BitbucketError as error:
            tell_notes()
            report(advised(error, getattr(self, "table", None)), getattr(self, "name", None))
        except Exception as error:
            conceal(error)
            raise

    return cast(F, reported)


def warn(message: str, detail: str | None = None, hint: str | None = None) -> None:
    """Send the client a WARNING."""
    _say(WARNING, message, detail, hint)


def notice(message: str) -> None:
    """Send the client a NOTICE."""
    _say(INFO, message)


def tell_notes() -> None:
    """Pass on what came up on threads that talk to Bitbucket."""
    log_requests()
    for message, detail, hint in STATE.clients.shared.notes.take():
        warn(message, detail, hint)


def log_requests() -> None:
    """Write the requests that option ``log_requests`` asks for to PostgreSQL's log."""
    for made in STATE.requests.take_unlogged():
        server_log.write(sayable(redact(log_line(made), STATE.clients.secrets_in_use())))


def enter_transaction() -> None:
    """Let the journal know the transaction; warn of changes that one before it lost."""
    lost = STATE.journal.enter(statement_text.transaction_start())
    if lost:
        warn(
            f"{'1 change' if len(lost) == 1 else f'{len(lost)} changes'} of a prepared transaction "
            "will never be sent",
            detail="\n".join(f"{number}. {change}" for number, change in enumerate(lost, 1)),
            hint="Do not PREPARE transactions that write to Bitbucket.",
        )


def tell_left_out() -> None:
    """Tell what rows were left out for: each thing once in a statement, and all at once."""
    for told in STATE.omissions.take(STATE.told.current()):
        _say(INFO if told.mild else WARNING, told.message, told.detail, told.hint)


def tell(aftermath: RollbackOutcome) -> None:
    """Warn of changes that a rollback could not take back."""
    if aftermath.message:
        warn(aftermath.message, aftermath.detail)
