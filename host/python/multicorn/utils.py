"""Messages to PostgreSQL's client and log, and its interrupts."""

from __future__ import annotations

from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING

from ._reports import (
    REPORT_CODES,
    MulticornException,
    check_interrupts,
    message_report,
    send_report,
)

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "REPORT_CODES",
    "WARNING",
    "MulticornException",
    "check_interrupts",
    "log_to_postgres",
]


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
    send_report(message_report(code, message, detail, hint))
