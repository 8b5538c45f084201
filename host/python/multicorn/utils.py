"""Messages to PostgreSQL's client and log, and its interrupts."""

from __future__ import annotations

from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "MulticornException",
    "check_interrupts",
    "log_to_postgres",
]

try:
    from ._utils import _log_to_postgres, check_interrupts
except ImportError:  # not inside a PostgreSQL server, as in a wrapper's own unit tests

    def _log_to_postgres(
        message: object, level: int = 0, hint: str | None = None, detail: str | None = None
    ) -> None:
        """Do nothing: there is nobody to tell."""

    def check_interrupts() -> None:
        """Do nothing: there is nobody to interrupt."""


REPORT_CODES = {DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 4}


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


def log_to_postgres(
    message: object, level: int = INFO, hint: str | None = None, detail: str | None = None
) -> None:
    """Report a message: DEBUG as DEBUG1, INFO as NOTICE, WARNING as WARNING, at once.

    ERROR and CRITICAL raise a MulticornException instead, which becomes an ERROR or a FATAL when
    it leaves the wrapper. Raises KeyError for any other level.
    """
    code = REPORT_CODES.get(level)
    if code is None:
        raise KeyError("Not a valid log level")
    if level in (ERROR, CRITICAL):
        raise MulticornException(message, code, hint, detail)
    _log_to_postgres(message, code, hint=hint, detail=detail)
