"""Every error this package raises on purpose.

    BitbucketError
    ├── OptionError              an unknown, misplaced or malformed option
    │   └── SecretDenied         a reference to a secret that the mapping may not use
    ├── NoUserMapping            nothing says how to sign in
    ├── DeclarationError         a table's columns do not fit the entity it names
    ├── ConditionMissing         a scan without a condition on a column that requires one
    ├── TooManyRequests          a scan would pass max_requests
    ├── HourUsedUp               a scan would take more requests than the hour has left
    ├── Cancelled                the statement was cancelled or timed out
    ├── SignInError              a token could not be had, or there has been no login
    ├── CtidError                a ctid stands for no row, or for several
    ├── CacheError               the cache of answers cannot be used
    ├── TokenStoreError          tokens cannot be kept, or not be read
    ├── WriteError               a change that is not sent
    │   ├── ReadOnly             a table, verb or column that cannot be written
    │   ├── MissingValue         a required value is NULL
    │   ├── InvalidValue         a value that Bitbucket does not take
    │   ├── RowUnknown           the row to change cannot be told
    │   ├── AlreadyExists        a row that Bitbucket would overwrite
    │   └── ChangedSince         a row that a rollback would delete with what others wrote
    └── RequestError             one HTTP request failed (knows table, method and path)
        ├── Unauthorized         401
        ├── Forbidden            403
        ├── NotFound             404 on a collection
        ├── Gone                 410, the endpoint was removed
        ├── Rejected             any other 4xx
        ├── NotReady             202 to a read: Bitbucket is still preparing the answer
        ├── RateLimited          429 after the last retry
        ├── ServerFailure        5xx or 555 after the last retry
        ├── ConnectionFailure    no answer after the last retry
        ├── OutcomeUnknown       a write that may or may not have been applied
        ├── NotStored            a write that was answered as if it had been stored
        └── BadResponse          an answer that is not the JSON it should be

Each error carries a message (what failed), a detail (why), a hint (what to do about it) and an
SQLSTATE for hosts that pass one on. None of them may hold a credential.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

R = TypeVar("R", bound="RequestError")


class BitbucketError(Exception):
    """Base of all errors; ``str()`` gives the message, detail and hint on one line.

    ``unsettled`` is whether a change may have reached Bitbucket all the same.
    """

    sqlstate: ClassVar[str] = "HV000"  # fdw_error
    unsettled: bool = False

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        return "  ".join(parts)


class OptionError(BitbucketError):
    """An unknown, misplaced or malformed option."""

    sqlstate = "HV00D"  # fdw_invalid_option_name


class SecretDenied(OptionError):
    """A user mapping refers to a secret of the server that it may not use."""

    sqlstate = "42501"  # insufficient_privilege


class NoUserMapping(BitbucketError):
    """There is no user mapping, or it does not say how to sign in."""

    sqlstate = "42704"  # undefined_object, as PostgreSQL has it for a missing mapping


class DeclarationError(BitbucketError):
    """A foreign table has a column that its Bitbucket entity does not."""

    sqlstate = "HV005"  # fdw_column_name_not_found


class ConditionMissing(BitbucketError):
    """A scan has no condition on a column that requires one: see ``tables.columns.Column``."""

    sqlstate = "0A000"  # feature_not_supported


class TooManyRequests(BitbucketError):
    """A scan would need more requests than the server option max_requests allows."""

    sqlstate = "54000"  # program_limit_exceeded


class HourUsedUp(BitbucketError):
    """A scan would need more requests than the hour has left for the credential.

    ``frees_at`` is when there are more, in seconds since 1970; ``None`` if there are never enough.
    """

    sqlstate = "53400"  # configuration_limit_exceeded

    def __init__(self, message: str, *, detail: str, hint: str, frees_at: float | None) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.frees_at = frees_at


class Cancelled(BitbucketError):
    """The user, statement_timeout or a shutdown asked the statement to stop."""

    sqlstate = "57014"  # query_canceled


class SignInError(BitbucketError):
    """OAuth gave no token: there has been no login, or it has lapsed or was revoked."""

    sqlstate = "28000"  # invalid_authorization_specification


class CtidError(BitbucketError):
    """A row's ctid cannot be told, or would stand for several rows."""

    sqlstate = "0A000"  # feature_not_supported


class CacheError(BitbucketError):
    """The cache of answers cannot be used."""

    sqlstate = "58030"  # io_error


class TokenStoreError(BitbucketError):
    """The token store cannot be read or written."""

    sqlstate = "58030"  # io_error


class WriteError(BitbucketError):
    """A change that is refused before anything is sent."""


class ReadOnly(WriteError):
    """A table, verb or column that cannot be written."""

    sqlstate = "0A000"  # feature_not_supported


class MissingValue(WriteError):
    """A value that Bitbucket requires is NULL."""

    sqlstate = "23502"  # not_null_violation


class InvalidValue(WriteError):
    """A value that Bitbucket does not take."""

    sqlstate = "22023"  # invalid_parameter_value


class RowUnknown(WriteError):
    """Which row at Bitbucket is meant cannot be told."""

    sqlstate = "HV000"  # fdw_error


class AlreadyExists(WriteError):
    """Such a row exists, and Bitbucket would overwrite it without a word."""

    sqlstate = "23505"  # unique_violation


class ChangedSince(WriteError):
    """A row that a rollback would delete is not as it was made: somebody has changed it since."""

    sqlstate = "40001"  # serialization_failure


class RequestError(BitbucketError):
    """One HTTP request failed.

    ``method`` and ``path`` identify it; the query string is left out of the message because it
    may be long, and never holds a credential. ``sent`` is false if it certainly did not go out:
    there was no connection to send it on, or no token to sign it with. ``repeatable`` is false if
    the same would come of it again.
    """

    sent: bool = True
    repeatable: bool = True

    def __init__(
        self,
        message: str,
        *,
        method: str,
        path: str,
        status: int | None = None,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.method = method
        self.path = path
        self.status = status

    def of_kind(self, kind: type[R]) -> R:
        """Another error that says the same of the same request: whoever catches one may add to it.

        :param kind: its class. Of the classes' own attributes, it has the values it begins with.
        """
        return kind(
            self.message,
            method=self.method,
            path=self.path,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
        )


class Unauthorized(RequestError):
    """401: the credential is missing, wrong, expired or revoked."""

    sqlstate = "28000"  # invalid_authorization_specification


class Forbidden(RequestError):
    """403: the credential is valid but lacks a scope or a permission.

    ``scope_missing`` is whether the answer says that it is a scope: then all repositories refuse.
    ``by_access_token`` is whether the credential is an access token, which some endpoints refuse.
    """

    sqlstate = "42501"  # insufficient_privilege
    scope_missing: bool = False
    by_access_token: bool = False


class NotFound(RequestError):
    """404 of a collection, or of something else that the statement relies on."""

    sqlstate = "HV00R"  # fdw_table_not_found


class Gone(RequestError):
    """410: Bitbucket removed the endpoint."""

    sqlstate = "0A000"  # feature_not_supported


class Rejected(RequestError):
    """Another 4xx: Bitbucket did not take the request as it was."""


class NotReady(RequestError):
    """202 to a read: what it asks for is still being prepared, and there is no answer yet."""

    sqlstate = "55000"  # object_not_in_prerequisite_state


class RateLimited(RequestError):
    """429, still after the last retry."""

    sqlstate = "53400"  # configuration_limit_exceeded


class ServerFailure(RequestError):
    """5xx or 555, still after the last retry."""

    sqlstate = "58000"  # system_error


class ConnectionFailure(RequestError):
    """No complete answer: refused, reset, timed out or cut short."""

    sqlstate = "08006"  # connection_failure


class OutcomeUnknown(RequestError):
    """A write was sent and its outcome is not known."""

    unsettled = True
    sqlstate = "08007"  # transaction_resolution_unknown


class NotStored(RequestError):
    """A new value was echoed by the answer, and the old one is still there."""

    sqlstate = "HV000"  # fdw_error


class BadResponse(RequestError):
    """The answer is not the JSON that the endpoint documents."""

    sqlstate = "HV000"  # fdw_error
