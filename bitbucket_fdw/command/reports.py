"""What commands share: a connection whose errors end the command, and the table of checks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .extras import is_ours, what_to_install

if TYPE_CHECKING:
    import psycopg
    from typing_extensions import LiteralString

    Connection = psycopg.Connection[tuple[Any, ...]]
    Check = Mapping[str, Any]

dsn_option = click.option(
    "--dsn",
    default="",
    metavar="DSN",
    help="Connection string or URI of the database; parts left out come from PGHOST, PGDATABASE …",
)

_WIDEST = 10_000  # columns; the table takes as many as its texts
_COLOURS = {"ok": "green", "no_resources": "yellow", "removed": "yellow", "not checked": "yellow"}


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """End the command with what to install where a library of an extra is missing."""
    try:
        yield
    except ImportError as error:
        if is_ours(error):
            raise
        raise click.ClickException(what_to_install(error, extra)) from None


def require_psycopg() -> None:
    """End the command with what to install where psycopg is missing."""
    with needing("tools"):
        import psycopg  # noqa: F401


@contextmanager
def connected(dsn: str) -> Iterator[Connection]:
    """A connection whose errors end the command with PostgreSQL's message, detail and hint."""
    require_psycopg()
    import psycopg

    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        said = error.diag
        parts = (
            said.message_primary or str(error),
            said.message_detail and f"DETAIL: {said.message_detail}",
            said.message_hint and f"HINT: {said.message_hint}",
        )
        raise click.ClickException("\n".join(filter(None, parts))) from None


def rows(connection: Connection, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a query."""
    return connection.execute(query, parameters).fetchall()


def end_with_checks(checks: Sequence[Check], *, as_json: bool, with_curl: bool = False) -> None:
    """Print the checks, and end the command: with status 1 unless all of them are ok."""
    failed = [check for check in checks if check["status"] != "ok"]
    if as_json:
        click.echo(json.dumps(checks, indent=2, ensure_ascii=False))
    else:
        _print_checks(checks, failed if with_curl else ())
    sys.exit(1 if failed else 0)


def _print_checks(checks: Iterable[Check], with_curl: Iterable[Check]) -> None:
    """Print a table, and how to repeat some of the checks with curl."""
    with needing("tools"):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

    table = Table("check", "status", "found and what to do")
    for check in checks:
        said = Text(check["found"] or "")
        if check["what_to_do"]:
            said.append(f"\n{check['what_to_do']}", "bold")
        status = check["status"] or ""
        table.add_row(
            Text(check["check_name"] or ""), Text(status, _COLOURS.get(status, "red")), said
        )
    # A file or a program that reads this has no width, and a line that is broken cannot be found.
    is_narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if is_narrow else _WIDEST)
    console.print(table)
    for check in with_curl:
        if check["curl"]:
            console.print(Text(f"# {check['check_name']}\n{check['curl']}"), soft_wrap=True)
