"""What a program has to be told to connect, whatever the form in which it is told.

The forms themselves are written in ``connection_formats``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WRITE_MODES = ("immediate", "commit")
ON_ROLLBACK = ("warn", "undo")

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class CannotWrite(ValueError):
    """A value that a form cannot hold, such as one with the end of a line in it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Settings:
    """A connection to one database, and what is set for each session that is begun with it.

    :param name: of the data source or service.
    :param host: a name, an address, or the directory of a Unix socket.
    :param password: None if it stays out of what is written.
    :param schemas: the search path; empty if the role's own is kept.
    :param write_mode: None leaves it to the options of the server.
    :param on_rollback: likewise.
    :param updatable_cursors: whether rows have a ctid of their own, as on the bundled host.
    :param labels: whether results name columns as the imported tables label them.
    :param parameters: more of PostgreSQL's parameters, such as ``TimeZone``.
    :param libpq: more of libpq's keywords with their values, such as ``sslrootcert``.
    :param secrets: those that programs hide, such as ``sslpassword``; empty if they stay out.
    :param options: PostgreSQL's command-line options besides, as libpq's ``options`` has them.
    :param driver: the ODBC driver, as it is registered.
    """

    name: str
    host: str
    port: int
    database: str
    user: str
    password: str | None = None
    schemas: tuple[str, ...] = ()
    write_mode: str | None = None
    on_rollback: str | None = None
    read_only: bool = False
    updatable_cursors: bool = False
    labels: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    libpq: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    options: str = ""
    driver: str = "PostgreSQL Unicode"

    def __post_init__(self) -> None:
        """Refuse what no form can hold."""
        for what, text in self._texts():
            if _CONTROL.search(text):
                raise CannotWrite(
                    f"the {what} contains a control character or the end of a line",
                    "A data source has one line for each setting. Rename it at the server.",
                )
        if "," in self.host:
            raise CannotWrite(
                f"{self.host!r} are several hosts", "Name one of them: --dsn 'host=…'."
            )
        for name, _ in self.parameters:
            if not _PARAMETER.fullmatch(name):
                raise CannotWrite(
                    f"{name!r} is not the name of a parameter", "Write --set TimeZone=UTC."
                )

    def _texts(self) -> list[tuple[str, str]]:
        return [
            ("name", self.name),
            ("host", self.host),
            ("name of the database", self.database),
            ("user", self.user),
            ("password", self.password or ""),
            ("driver", self.driver),
            *(("name of the schema", schema) for schema in self.schemas),
            *((f"value of {name}", value) for name, value in (*self.parameters, *self.keywords)),
            *(("value of options", option) for option in self.given_options),
        ]

    @property
    def keywords(self) -> tuple[tuple[str, str], ...]:
        """More of libpq's keywords with their values, secrets among them."""
        return (*self.libpq, *self.secrets)

    @property
    def holds_secret(self) -> bool:
        """Whether only the owner may read what is written."""
        return self.password is not None or bool(self.secrets)

    @property
    def given_options(self) -> list[str]:
        """The parts of ``options``, as PostgreSQL splits them: at blanks without a backslash."""
        found = re.findall(r"(?:\\(?s:.)|[^\s\\])+", self.options, re.ASCII)
        return [re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in found]

    @property
    def search_path(self) -> str:
        """The value of ``search_path``: identifiers, quoted where they have to be."""
        return ",".join(map(_identifier, self.schemas))

    @property
    def session(self) -> list[tuple[str, str]]:
        """PostgreSQL's parameters to set, besides ``search_path`` and what labels take."""
        chosen = [
            ("bitbucket_fdw.write_mode", self.write_mode),
            ("bitbucket_fdw.on_rollback", self.on_rollback),
            ("default_transaction_read_only", "on" if self.read_only else None),
        ]
        return [*((name, value) for name, value in chosen if value), *self.parameters]

    @property
    def sslmode(self) -> str:
        """libpq's sslmode. libpq's own default, which psqlODBC and JDBC's driver do not share."""
        return dict(self.libpq).get("sslmode", "prefer")


def _identifier(name: str) -> str:
    """A name as a list of identifiers in a parameter's value has it; keywords need no quotes."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
