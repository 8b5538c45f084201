"""The command ``bitbucket-fdw`` and its subcommands."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from . import browser as logins
from .extension import install_extension

if TYPE_CHECKING:
    import psycopg
    from typing_extensions import LiteralString

    Connection = psycopg.Connection[tuple[Any, ...]]
    Check = Mapping[str, Any]


@click.group()
@click.version_option(__version__, prog_name="bitbucket-fdw")
def main() -> None:
    """Bitbucket Cloud as PostgreSQL tables."""


main.add_command(install_extension)


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run an emulator of Bitbucket Cloud's REST API on this machine.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> None:
    """Run an emulator of Bitbucket Cloud's REST API; ``--help`` lists its options."""
    try:
        from ..emulator.__main__ import main as run
    except ImportError as error:
        raise click.ClickException(
            f"the emulator needs {error.name}: pip install 'bitbucket_fdw[emulator]'"
        ) from error
    sys.exit(run(list(arguments)))


_dsn = click.option(
    "--dsn",
    default="",
    metavar="DSN",
    help="Connection string or URI of the database; parts left out come from PGHOST, PGDATABASE …",
)


@main.command(short_help="Log in to Bitbucket for your user mapping.")
@click.argument("server")
@_dsn
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=logins.PORT,
    show_default=True,
    help="Port to come back to.",
)
@click.option("--headless", is_flag=True, help="Open no browser: show the address, ask for a code.")
@click.option(
    "--callback-url",
    metavar="URL",
    help="With --headless: address to come back to  [default: http://localhost:PORT/]",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 86400),
    default=300,
    show_default=True,
    help="Seconds to wait for the browser.",
)
def login(
    server: str, dsn: str, port: int, headless: bool, callback_url: str | None, timeout: int
) -> None:
    """Log in to Bitbucket for your user mapping of SERVER (OAuth 2 and OAuth 1).

    PostgreSQL keeps the tokens. The user mapping needs client_id and client_secret of an OAuth
    consumer (or, for OAuth 1, consumer_key and consumer_secret).
    """
    if callback_url and not headless:
        raise click.UsageError("--callback-url goes with --headless")
    state = logins.new_state()
    with _connected(dsn) as connection:
        if headless:
            callback_url = callback_url or f"http://localhost:{port}/"
            click.echo(
                f"Open this address:\n\n  {_address(connection, server, callback_url, state)}\n"
            )
            click.echo("Then paste the address that you are led back to (or just the code).")
            pasted = click.prompt("Address or code", err=True)
            code = _came_back(lambda: logins.code_from(pasted, state))
        else:
            code, callback_url = _by_browser(connection, server, port, state, timeout)
        [(auth, expires_in, scopes, whose)] = _rows(
            connection,
            "SELECT auth, expires_in, scopes, user_mapping FROM "
            "bitbucket.oauth_access_token(%s, %s, %s, %s)",
            (server, code, callback_url, state),
        )
    click.echo(f"Logged in: the user mapping of {whose} for server {server} has auth '{auth}' now.")
    if scopes:
        click.echo(f"Scopes: {scopes}")
    if expires_in:
        click.echo(f"The token holds for {expires_in} seconds and is renewed when it runs out.")


def _by_browser(
    connection: Connection, server: str, port: int, state: str, timeout: int
) -> tuple[str, str]:
    """The code that a browser brings back, and the address it was brought to."""
    try:
        listener = logins.Listener(port, state)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on port {port}: {error.strerror}. Take another one with --port (it "
            "has to be in the consumer's callback URL), or --headless."
        ) from None
    with listener:
        address = _address(connection, server, listener.callback_url, state)
        click.echo(f"Waiting for the browser. If none opens, open this address:\n\n  {address}\n")
        webbrowser.open(address)
        return _came_back(lambda: listener.wait(timeout)), listener.callback_url


def _came_back(wait: Callable[[], str]) -> str:
    try:
        return wait()
    except logins.LoginFailed as error:
        raise click.ClickException(str(error)) from None


def _address(connection: Connection, server: str, callback_url: str, state: str) -> str:
    [(address,)] = _rows(
        connection,
        "SELECT bitbucket.oauth_authorization_url(%s, %s, %s)",
        (server, callback_url, state),
    )
    return str(address)


_WIDEST = 10_000  # columns; the table takes as many as its texts
_COLOURS = {"ok": "green", "no_resources": "yellow", "removed": "yellow"}


@main.command(short_help="Check the connection to Bitbucket.")
@click.argument("server")
@click.argument("workspace", required=False)
@_dsn
@click.option("--curl", is_flag=True, help="Show how to repeat each failed check with curl.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def verify(server: str, workspace: str | None, dsn: str, curl: bool, as_json: bool) -> None:
    """Check the connection, the credential and each imported table of SERVER.

    The exit status is 1 unless every check is ok.
    """
    with _connected(dsn) as connection:
        cursor = connection.execute("SELECT * FROM bitbucket.verify(%s, %s)", (server, workspace))
        names = [column.name for column in cursor.description or ()]
        checks = [dict(zip(names, row, strict=True)) for row in cursor]
    failed = [check for check in checks if check["status"] != "ok"]
    if as_json:
        click.echo(json.dumps(checks, indent=2, ensure_ascii=False))
    else:
        _print_checks(checks, failed if curl else ())
    sys.exit(1 if failed else 0)


def _print_checks(checks: Iterable[Check], with_curl: Iterable[Check]) -> None:
    """Print a table, and how to repeat some of the checks with curl."""
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


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    """A connection whose errors end the command with PostgreSQL's message, detail and hint."""
    try:
        import psycopg
    except ImportError as error:
        raise click.ClickException(
            f"this needs {error.name}: pip install 'bitbucket_fdw[tools]'"
        ) from error
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


def _rows(connection: Connection, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
    return connection.execute(query, parameters).fetchall()
