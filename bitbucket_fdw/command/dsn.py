"""``bitbucket-fdw dsn``: writes, prints and checks connection settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from . import connection_files as files
from . import connection_formats as formats
from .connection_settings import ON_ROLLBACK, WRITE_MODES, CannotWrite, Settings
from .reports import dsn_option, end_with_checks, require_psycopg

if TYPE_CHECKING:
    import psycopg

    from .libpq_settings import Resolved
    from .server_facts import Facts, Run

FORMS = ("odbc", "windows", "jdbc", "service", "sqlalchemy")
IN_FILES = ("odbc", "service")
# With these names, a workspace's schema has no table that those of its repositories have as well.
# With others, a table that a repository lacks would be found there, with the rows of all of them.
WITHOUT_OVERLAP = "cdata"
TIMEOUT = 10  # seconds to connect
_DRIVERS = {"windows": "PostgreSQL Unicode(x64)"}


@dataclass(frozen=True)
class Wanted:
    """What the person asked for."""

    form: str
    workspace: str | None
    repository: str | None
    names: str | None
    schemas: tuple[str, ...]
    write_mode: str | None
    on_rollback: str | None
    read_only: bool
    cursors: bool | None
    labels: bool | None
    parameters: tuple[tuple[str, str], ...]
    driver: str | None


@click.command("dsn", short_help="Write, print or check settings to connect programs.")
@click.argument("name", default="bitbucket")
@dsn_option
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    default="odbc",
    show_default=True,
    help="Entry of odbc.ini, command for Windows, JDBC URL, libpq service, or SQLAlchemy URL.",
)
@click.option("--workspace", metavar="WORKSPACE", help="Use the schema it was imported into.")
@click.option("--repository", metavar="SLUG", help="With --workspace: one of its repositories.")
@click.option("--names", metavar="KIND", help="With --workspace: imported with these names.")
@click.option("--schema", "schemas", multiple=True, help="Schema to use; several in order.")
@click.option("--write-mode", type=click.Choice(WRITE_MODES), help="When changes are sent.")
@click.option("--on-rollback", type=click.Choice(ON_ROLLBACK), help="What a rollback does.")
@click.option("--read-only", is_flag=True, help="Refuse changes.")
@click.option(
    "--cursors/--no-cursors",
    default=None,
    help="Cursors that change rows  [default: as the server's host can]",
)
@click.option(
    "--labels/--no-labels",
    default=None,
    help="Results name columns as the tables label them  [default: by ODBC, where they do]",
)
@click.option("--set", "parameters", multiple=True, metavar="NAME=VALUE", help="Also set this.")
@click.option("--driver", metavar="NAME", help="ODBC driver, as it is registered.")
@click.option(
    "--with-password",
    is_flag=True,
    help="Put the password in. It comes from PGPASSWORD or ~/.pgpass, or you are asked.",
)
@click.option("--write", is_flag=True, help="Write it to your own file instead of printing it.")
@click.option("--system", is_flag=True, help="With --write: to the file of all users.")
@click.option("--check", is_flag=True, help="Open what is written, and say what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print it as JSON.")
def command(
    name: str,
    dsn: str,
    with_password: bool,
    write: bool,
    system: bool,
    check: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Write, print or check the settings NAME, by which programs connect to a database.

    Without --write and --check they are printed. --check says what is wrong with an ODBC data
    source or a libpq service, and makes no request to Bitbucket. The exit status is 1 then
    unless all is well.
    """
    parameters = tuple(map(_pair, asked.pop("parameters")))
    wanted = Wanted(**asked, parameters=parameters)
    _refuse_what_does_not_go_together(wanted, write, system, check, as_json, with_password)
    require_psycopg()
    try:
        if write or not check:
            settings = _settings(name, dsn, wanted, with_password=with_password)
            _put(settings, wanted.form, write=write, system=system)
        if check:
            from .data_source_checks import check_odbc, check_service

            checks = check_odbc(name) if wanted.form == "odbc" else check_service(name)
            end_with_checks([asdict(found) for found in checks], as_json=as_json)
    except CannotWrite as error:
        raise click.ClickException(f"{error}\nHINT: {error.hint}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


def _refuse_what_does_not_go_together(
    wanted: Wanted, write: bool, system: bool, check: bool, as_json: bool, with_password: bool
) -> None:
    if (write or check) and wanted.form not in IN_FILES:
        raise click.UsageError(f"--as {wanted.form} can only be printed: there is no file of it")
    if system and not write:
        raise click.UsageError("--system goes with --write")
    if system and with_password:
        raise click.UsageError(
            "all users have to read the file of --system, so no password goes into it: programs "
            "give it when they connect, or have it in ~/.pgpass"
        )
    if as_json and not check:
        raise click.UsageError("--json goes with --check")
    if (wanted.repository or wanted.names) and not wanted.workspace:
        raise click.UsageError("--repository and --names go with --workspace")
    if wanted.workspace and wanted.schemas:
        raise click.UsageError("--workspace looks the schema up that --schema names: give one")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text}: write NAME=VALUE")
    return name.strip(), value


def _settings(name: str, dsn: str, wanted: Wanted, *, with_password: bool) -> Settings:
    from .libpq_settings import BadConnectionString, resolve

    try:
        resolved = resolve(dsn)
    except BadConnectionString as error:
        raise click.ClickException(str(error)) from None
    if with_password:
        password = _password(resolved)
    else:
        password = resolved.password
        _say_which_secrets_stay_out(resolved)
    schemas, facts = _ask_server(_conninfo(dsn, resolved.host, password), wanted)
    bundled = facts is not None and facts.bundled
    # Elsewhere the first statement of a session would have no labels, and a warning.
    by_odbc = wanted.form in ("odbc", "windows")
    labelled = facts is not None and not set(schemas).isdisjoint(facts.labelled)
    return Settings(
        name=name,
        host=resolved.host,
        port=resolved.port,
        database=resolved.database,
        user=resolved.user,
        password=password if with_password else None,
        schemas=schemas,
        write_mode=wanted.write_mode,
        on_rollback=wanted.on_rollback,
        read_only=wanted.read_only,
        updatable_cursors=bundled if wanted.cursors is None else wanted.cursors,
        labels=bundled and by_odbc and labelled if wanted.labels is None else wanted.labels,
        parameters=wanted.parameters,
        libpq=resolved.others,
        secrets=resolved.secrets if with_password else (),
        options=resolved.options,
        driver=wanted.driver or _DRIVERS.get(wanted.form, Settings.driver),
    )


def _say_which_secrets_stay_out(resolved: Resolved) -> None:
    password = ["password"] if resolved.password_given else []
    secrets = [*password, *(keyword for keyword, _ in resolved.secrets)]
    if secrets:
        click.echo(f"Left out: {', '.join(secrets)}. --with-password puts it in.", err=True)


def _password(resolved: Resolved) -> str | None:
    # Whoever gives the password of a key signs in by a certificate.
    if resolved.password is not None or resolved.secrets:
        return resolved.password
    if not sys.stdin.isatty():
        raise CannotWrite(
            f"no password for {resolved.user} is known",
            "Set PGPASSWORD, or have it in ~/.pgpass.",
        )
    return str(click.prompt(f"Password of {resolved.user}", hide_input=True, err=True))


def _conninfo(dsn: str, host: str, password: str | None) -> str:
    """The connection string, with the host that is written and the password that was asked for."""
    from psycopg.conninfo import make_conninfo

    known = {} if password is None else {"password": password}
    return make_conninfo(dsn, host=host, connect_timeout=TIMEOUT, **known)


def _ask_server(conninfo: str, wanted: Wanted) -> tuple[tuple[str, ...], Facts | None]:
    """The schemas to use, and what the database says; what is needed ends the command."""
    import psycopg

    from .server_facts import absent, ask

    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:

            def run(query: str) -> Sequence[Sequence[str | None]]:
                return connection.execute(query.encode()).fetchall()

            facts = ask(run)
            if wanted.workspace is None:
                _warn_of_absent(absent(run, wanted.schemas), facts)
                return wanted.schemas, facts
            if facts.extension is None:
                raise CannotWrite(
                    "the extension bitbucket_fdw is not in this database",
                    "CREATE EXTENSION bitbucket_fdw CASCADE; or name another one with --dsn.",
                )
            return _imported(run, wanted.workspace, wanted), facts
    except psycopg.Error as error:
        password = _about_password(error)
        if wanted.workspace is not None:
            raise CannotWrite(
                f"the server cannot be asked for the schema of {wanted.workspace}: {error}",
                f"{password} Or name the schema: --schema."
                if password
                else "Name the schema: --schema.",
            ) from None
        click.echo(f"The server was not asked: {error}", err=True)
        if password:
            click.echo(f"HINT: {password}", err=True)
        if wanted.cursors is None and wanted.form in ("odbc", "windows"):
            click.echo("UpdatableCursors is 0: --cursors if it has the bundled host.", err=True)
        return wanted.schemas, None


def _about_password(error: psycopg.Error) -> str | None:
    """What to do where the password is what keeps the command out."""
    connection = error.pgconn
    file = os.environ.get("PGPASSFILE") or "~/.pgpass"
    if connection is not None and connection.needs_password:
        return (
            f"Put the password into {file} (a line host:port:database:user:password, mode 600) "
            "or into PGPASSWORD."
        )
    if connection is not None and connection.used_password:
        return f"If it is the password, correct it in {file}, PGPASSWORD or --dsn."
    return None


def _warn_of_absent(schemas: Sequence[str], facts: Facts) -> None:
    """A schema may be made later, so it is no error."""
    from .suggestions import instead_of

    if schemas:
        click.echo(
            f"WARNING: not in this database, or not open to you: schema {', '.join(schemas)}. "
            f"{instead_of(schemas, facts.imported)}".rstrip(),
            err=True,
        )


def _imported(run: Run, workspace: str, wanted: Wanted) -> tuple[str, ...]:
    """The search path for what was imported."""
    from .server_facts import schemas_of

    found = schemas_of(run, workspace, wanted.repository, wanted.names)
    if not found:
        place = "/".join(filter(None, (workspace, wanted.repository)))
        raise CannotWrite(
            f"{place} has not been imported into this database"
            + (f" with names {wanted.names!r}" if wanted.names else ""),
            "SELECT * FROM bitbucket.import_workspace('bitbucket', 'your-workspace');",
        )
    (schema, names), *others = found
    if others:
        also = ", ".join(other for other, _ in others)
        click.echo(f"Imported more than once, also as {also}: --names or --schema choose", err=True)
    if names == WITHOUT_OVERLAP and wanted.repository:
        return schema, *(other for other, _ in schemas_of(run, workspace, None, names)[:1])
    return (schema,)


def _put(settings: Settings, form: str, *, write: bool, system: bool) -> None:
    """Write or print."""
    if form == "jdbc":
        left_out = formats.not_in_jdbc(settings)
        if left_out:
            click.echo(
                f"Left out, since JDBC's driver has no name for it: {', '.join(left_out)}", err=True
            )
        click.echo(formats.jdbc_url(settings))
    elif form == "sqlalchemy":
        click.echo(formats.sqlalchemy_url(settings))
    elif form == "windows":
        click.echo(formats.powershell(settings))
    else:
        _put_entry(settings, form, write=write, system=system)


def _put_entry(settings: Settings, form: str, *, write: bool, system: bool) -> None:
    if form == "odbc":
        lines = formats.ini_lines(settings.name, formats.odbc_entry(settings))
    else:
        lines = formats.service_lines(settings.name, formats.service_entry(settings))
    if not write:
        click.echo("\n".join(lines))
        return
    path = files.odbc_ini(system=system) if form == "odbc" else files.service_file(system=system)
    if path is None:
        raise CannotWrite(
            "the place of everybody's pg_service.conf is not known here",
            "Name its directory in PGSYSCONFDIR: pg_config --sysconfdir tells it.",
        )
    secret = settings.holds_secret
    try:
        files.write_entry(path, settings.name, lines, secret=secret, exact=form == "service")
    except files.NoRegularFile:
        variable = "ODBCINI" if form == "odbc" else "PGSERVICEFILE"
        raise CannotWrite(
            f"{path} is not a regular file, and would be replaced by one",
            f"Name a file in {variable}.",
        ) from None
    except OSError as error:
        advice = "Write it as root." if system and os.geteuid() != 0 else "See its permissions."
        raise CannotWrite(f"{path} cannot be written: {error.strerror}", advice) from None
    click.echo(f"Wrote [{settings.name}] to {path}", err=True)
