"""What libpq makes of a connection string, the environment and the password file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Settings of their own in what is written. The keywords of a service come in place of its name.
TAKEN_APART = frozenset(
    ("host", "port", "dbname", "user", "password", "service", "servicefile", "options")
)
# Secret whatever the libpq at hand says of them: an older one does not know them all, and the keys
# from which passwords are proved are no less than passwords.
_ALWAYS_SECRET = frozenset(
    ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
)
_HIDDEN = b"*"  # how libpq marks what a dialog should hide (PQconndefaults: dispchar)


class BadConnectionString(Exception):
    """libpq cannot read it, or names no such service."""


@dataclass(frozen=True)
class Resolved:
    """The parts of a connection, with libpq's defaults where nothing names them.

    :param password: from the string, PGPASSWORD or the password file; None if none has it.
    :param password_given: whether the string or a service has it.
    :param options: PostgreSQL's command-line options, as they are given.
    :param others: libpq's other keywords that are given, or differ from its defaults.
    :param secrets: those of them that programs hide, such as the password of a key.
    """

    host: str
    port: int
    database: str
    user: str
    password: str | None
    password_given: bool
    options: str
    others: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, str], ...]


def resolve(conninfo: str) -> Resolved:
    """Take a connection string or URI apart, without waiting for the server."""
    from psycopg import pq

    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        if not connection.db or not connection.user:
            raise BadConnectionString(connection.error_message.decode("utf-8", "replace").strip())
        values = {o.keyword.decode(): o.val.decode() for o in connection.info if o.val is not None}
        defaults = {o.keyword.decode(): (o.compiled or b"").decode() for o in connection.info}
        # What libpq fills in without being told.
        defaults |= {"passfile": str(Path.home() / ".pgpass"), "sslcertmode": "allow"}
        in_string = {o.keyword.decode() for o in pq.Conninfo.parse(conninfo.encode()) if o.val}
        others = [
            (keyword, value)
            for keyword, value in values.items()
            if keyword not in TAKEN_APART and (value != defaults[keyword] or keyword in in_string)
        ]
        if not values.get("host"):  # the address stands in its place
            others = [(keyword, value) for keyword, value in others if keyword != "hostaddr"]
        port = values.get("port") or defaults["port"]
        if not port.isdecimal():
            raise BadConnectionString(f"{port} is not one port. Name one host and its port.")
        hidden = secret_keywords()
        in_environment = os.environ.get("PGPASSWORD")
        return Resolved(
            # Without one, libpq takes a socket whose directory differs between its builds.
            host=values.get("host") or values.get("hostaddr") or "localhost",
            port=int(port),
            database=connection.db.decode(),
            user=connection.user.decode(),
            password=(connection.password or b"").decode() or None,
            password_given=values.get("password", in_environment) != in_environment,
            options=values.get("options", ""),
            others=tuple((key, value) for key, value in others if key not in hidden),
            secrets=tuple((key, value) for key, value in others if key in hidden),
        )
    finally:
        connection.finish()


def secret_keywords() -> frozenset[str]:
    """libpq's keywords whose values are kept from view, those of its newer versions as well."""
    from psycopg import pq

    marked = (o.keyword.decode() for o in pq.Conninfo.get_defaults() if o.dispchar == _HIDDEN)
    return _ALWAYS_SECRET.union(marked)


def answers(conninfo: str) -> bool:
    """Whether a PostgreSQL listens there, whoever may connect."""
    from psycopg import pq

    said = pq.PGconn.ping(conninfo.encode())
    return said in (pq.Ping.OK, pq.Ping.REJECT)
