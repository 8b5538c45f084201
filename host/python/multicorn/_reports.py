"""What PostgreSQL's client and log are told, and how; private to the host."""

from __future__ import annotations

import codecs
import functools
import traceback
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from typing import NoReturn, TypeAlias

try:
    from ._utils import check_interrupts, database_encoding, send_report
except ImportError:  # not inside a PostgreSQL server, as in a wrapper's own unit tests

    def database_encoding() -> str:
        """Name the encoding of what nobody is told."""
        return "UTF8"

    def send_report(report: Report, /) -> None:
        """Do nothing: there is nobody to tell."""

    def check_interrupts() -> None:
        """Do nothing: there is nobody to interrupt."""


__all__ = [
    "REPORT_CODES",
    "MulticornException",
    "Report",
    "check_interrupts",
    "failure",
    "message_report",
    "raise_postgres_error",
    "report",
    "send_report",
    "warn",
]

REPORT_CODES = {DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 4}

# What the C code reports: a value of REPORT_CODES; the SQLSTATE, empty for the level's own; then,
# in the server's encoding and empty for none, message, detail, hint, and detail for the log alone.
Report: TypeAlias = tuple[int, str, bytes, bytes, bytes, bytes]

FDW_ERROR = "HV000"
SQLSTATE_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Successful completion, warning, no data: these are no errors.
CLASSES_OF_SUCCESS = ("00", "01", "02")


class MulticornException(Exception):
    """An error whose message, hint and detail reach the client as they are.

    ``code`` is a value of REPORT_CODES: 4 ends the session, anything else the statement. Beyond
    Multicorn2: a five-character string attribute ``sqlstate`` is reported as the SQLSTATE, on
    this as on any other exception.
    """

    _is_multicorn_exception = True

    def __init__(self, message: object, code: int, hint: str | None, detail: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.detail = detail


def failure(message: str, sqlstate: str = FDW_ERROR, hint: str | None = None) -> MulticornException:
    """Make an error of the host's own, for its caller to raise."""
    error = MulticornException(message, REPORT_CODES[ERROR], hint, None)
    error.sqlstate = sqlstate  # type: ignore[attr-defined]
    return error


@functools.cache
def _codec() -> str:
    """Name Python's codec for the server's encoding; where it has none, ASCII is in all of them."""
    name = database_encoding()
    if name == "SQL_ASCII":
        return "utf-8"
    if name.startswith("WIN"):
        name = "cp" + name.removeprefix("WIN")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "ascii"


def _encode(value: object) -> bytes:
    """Write any value for a report, with escapes for what the encoding lacks; None is empty.

    Needs no catalog and no transaction, so it also serves while one is being aborted.
    """
    if value is None:
        return b""
    try:
        text = str(value).replace("\0", "\\x00")
    except Exception:
        text = "(not printable)"
    return text.encode(_codec(), "backslashreplace")


def message_report(code: int, message: object, detail: object, hint: object) -> Report:
    """Put a message together."""
    return code, "", _encode(message), _encode(detail), _encode(hint), b""


def report(exc: BaseException) -> Report:
    """Say how an exception is reported: with its traceback in the log, unless it is Multicorn's."""
    sqlstate: object = getattr(exc, "sqlstate", None)
    if not (
        isinstance(sqlstate, str)
        and len(sqlstate) == 5
        and SQLSTATE_CHARACTERS.issuperset(sqlstate)
        and not sqlstate.startswith(CLASSES_OF_SUCCESS)
    ):
        sqlstate = FDW_ERROR
    # The mark of Multicorn2's own class; also of a subclass, or of a copy, of it.
    if getattr(exc, "_is_multicorn_exception", False):
        fatal = getattr(exc, "code", None) == REPORT_CODES[CRITICAL]
        return (
            REPORT_CODES[CRITICAL if fatal else ERROR],
            sqlstate,
            _encode(getattr(exc, "message", exc)),
            _encode(getattr(exc, "detail", None)),
            _encode(getattr(exc, "hint", None)),
            b"",
        )
    message = f"Error in python: {type(exc).__name__}"
    log = "".join(traceback.format_exception(exc))
    return REPORT_CODES[ERROR], sqlstate, _encode(message), _encode(exc), b"", _encode(log)


def warn(exc: BaseException) -> None:
    """Report an exception as a WARNING, where it is too late for an error."""
    send_report((REPORT_CODES[WARNING], *report(exc)[1:]))


def raise_postgres_error(
    sqlstate: str, message: bytes, detail: bytes | None, hint: bytes | None
) -> NoReturn:
    """Raise the Python exception for an error that PostgreSQL's own code threw."""
    texts = [None if t is None else t.decode(_codec(), "replace") for t in (message, hint, detail)]
    error = failure(texts[0] or "", sqlstate, texts[1])
    error.detail = texts[2]
    raise error
