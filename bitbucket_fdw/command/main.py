"""The command ``bitbucket-fdw`` and its subcommands."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .. import __version__
from . import browser as logins
from .dsn import command as dsn_command
from .extension import install_extension
from .extras import invoked_as
from .reports import connected, dsn_option, end_with_checks, needing, rows

if TYPE_CHECKING:
    from .reports import Connection


@click.group()
@click.version_option(__version__, prog_name="bitbucket-fdw")
def main() -> None:
    """Bitbucket Cloud as PostgreSQL tables."""
    # What click prints, such as "Try … --help", can then be run as it is.
    click.get_current_context().info_name = invoked_as()


main.add_command(install_extension)


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run an emulator of Bitbucket Cloud's REST API on this machine.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> None:
    """Run an emulator of Bitbucket Cloud's REST API; ``--help`` lists its options."""
    from ..emulator.__main__ import main as run

    # It imports its libraries when it has understood its options.
    with needing("emulator"):
        status = run(list(arguments))
    sys.exit(status)


@main.command(short_help="Log in to Bitbucket for your user mapping.")
@click.argument("server")
@dsn_option
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
    with connected(dsn) as connection:
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
        [(auth, expires_in, scopes, whose)] = rows(
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
    [(address,)] = rows(
        connection,
        "SELECT bitbucket.oauth_authorization_url(%s, %s, %s)",
        (server, callback_url, state),
    )
    return str(address)


@main.command(short_help="Check the connection to Bitbucket.")
@click.argument("server")
@click.argument("workspace", required=False)
@dsn_option
@click.option("--curl", is_flag=True, help="Show how to repeat each failed check with curl.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def verify(server: str, workspace: str | None, dsn: str, curl: bool, as_json: bool) -> None:
    """Check the connection, the credential and each imported table of SERVER.

    The exit status is 1 unless every check is ok.
    """
    with connected(dsn) as connection:
        cursor = connection.execute("SELECT * FROM bitbucket.verify(%s, %s)", (server, workspace))
        names = [column.name for column in cursor.description or ()]
        checks = [dict(zip(names, row, strict=True)) for row in cursor]
    end_with_checks(checks, as_json=as_json, with_curl=curl)


main.add_command(dsn_command)
