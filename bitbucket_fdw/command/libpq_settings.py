"""What libpq makes of a connection string, the environment and the password file."""

from __future__ import annotations

from dataclasses import dataclass

# Settings of their own in what is written, or of no use in it.
_TAKEN_APART = frozenset(
    (
        *("host", "hostaddr", "port", "dbname", "user", "password"),
        *("service", "servicefile", "passfile", "options"),
        *("application_name", "fallback_application_name", "sslcertmode"),
    )
)


class BadConnectionString(Exception):
    """libpq cannot read it, or names no such service."""


@dataclass(frozen=True)
class Resolved:
    """The parts of a connection, with libpq's defaults where nothing names them.

    :param password: from the string, PGPASSWORD or the password file; None if none has it.
    :param others: libpq's other keywords that differ from its defaults.
    """

    host: str
    port: int
    database: str
    user: str
    password: str | None
    others: tuple[tuple[str, str], ...]


def resolve(conninfo: str) -> Resolved:
    """Take a connection string or URI apart, without waiting for the server."""
    from psycopg import pq

    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        if not connection.db or not connection.user:
            raise BadConnectionString(connection.error_message.decode("utf-8", "replace").strip())
        values = {o.keyword.decode(): o.val.decode() for o in connection.info if o.val is not None}
        defaults = {o.keyword.decode(): (o.compiled or b"").decode() for o in connection.info}
        others = tuple(
            (keyword, value)
            for keyword, value in values.items()
            if keyword not in _TAKEN_APART and value != defaults[keyword]
        )
        return Resolved(
            # Without one, libpq takes a socket whose directory differs between its builds.
            host=values.get("host") or values.get("hostaddr") or "localhost",
            port=int(values.get("port") or defaults["port"]),
            database=connection.db.decode(),
            user=connection.user.decode(),
            password=(connection.password or b"").decode() or None,
            others=others,
        )
    finally:
        connection.finish()


def answers(conninfo: str) -> bool:
    """Whether a PostgreSQL listens there, whoever may connect."""
    from psycopg import pq

    said = pq.PGconn.ping(conninfo.encode())
    return said in (pq.Ping.OK, pq.Ping.REJECT)
