"""``bitbucket-fdw dsn --check``: opens a data source, and says what is wrong with it.

Everything is read from PostgreSQL's catalog and from files: no request is made to Bitbucket.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from . import connection_files, ini_files
from .connection_settings import ON_ROLLBACK, WRITE_MODES
from .extras import invoked_as
from .libpq_settings import answers
from .server_facts import Facts, Run, ask
from .suggestions import instead_of

OK, WRONG, NOT_CHECKED = "ok", "wrong", "not checked"
TIMEOUT = 10  # seconds to connect
_PACKAGES = "apt-get install unixodbc odbc-postgresql"


@dataclass(frozen=True)
class Check:
    """One check: what was found, and what to do unless it is ok."""

    check_name: str
    status: str
    found: str
    what_to_do: str | None = None


class CannotOpen(Exception):
    """A client could not open the data source, and says why."""


# --- an ODBC data source ---


def check_odbc(name: str) -> list[Check]:
    """All that is found out about an ODBC data source of this machine."""
    place, entry = find_odbc(name)
    if entry is None or place is None:
        return [_no_entry(name)]
    checks = [_entry(name, place, entry), driver_check(entry), *settings_checks(entry)]
    try:
        conninfo = conninfo_of(entry)
    except CannotOpen as failure:
        to_do = "Write keyword=value, and '…' around a value with blanks in it."
        return [*checks, Check("connection", WRONG, str(failure), to_do)]
    client = "libpq"
    try:
        with _opened_by_odbc(name, conninfo, entry) as (client, run):
            facts = ask(run)
    except CannotOpen as failure:
        closed = why_closed(conninfo) or Check(
            "connection",
            WRONG,
            str(failure),
            "libpq gets in with the same settings, so that it is the driver or its settings.",
        )
        return [*checks, closed]
    opened = Check("connection", OK, f"opened through {client}")
    if client != "libpq":
        checks[1] = Check("driver", OK, f"{entry.get('driver')} is loaded")
    return [*checks, opened, *session_checks(facts), cursors_check(entry, facts)]


def find_odbc(name: str) -> tuple[Path | None, dict[str, str] | None]:
    """The file that has the data source, the user's before everybody's, and its settings."""
    for system in (False, True):
        path = connection_files.odbc_ini(system=system)
        entry = ini_files.read_entry(connection_files.read(path), name)
        if entry is not None:
            return path, entry
    return None, None


def _no_entry(name: str) -> Check:
    files = [connection_files.odbc_ini(system=system) for system in (False, True)]
    known = {found for path in files for found in ini_files.names(connection_files.read(path))}
    found = f"there is no [{name}] in {files[0]} or {files[1]}. {instead_of([name], known)}"
    write = f"{invoked_as()} dsn '{name}' --write"
    to_do = f"Write it: {write}"
    unread = connection_files.odbc_ini_below_home()
    if unread and ini_files.read_entry(connection_files.read(unread), name) is not None:
        found = f"it is in {unread}, which unixODBC does not read: it does not go by HOME"
        to_do = f"Set ODBCINI={unread}. Or write it where unixODBC reads it: {write}"
    return Check("data source", WRONG, found.strip(), to_do)


def _entry(name: str, place: Path, entry: Mapping[str, str]) -> Check:
    secrets = secrets_of(entry)
    if secrets and connection_files.others_can_read(place):
        return Check(
            "data source",
            WRONG,
            f"[{name}] in {place} has {_listed(secrets)}, and other users can read the file",
            f"chmod 600 {place}",
        )
    return Check("data source", OK, f"[{name}] in {place}")


def secrets_of(entry: Mapping[str, str]) -> list[str]:
    """The settings of an entry that nobody else may read, those in ``pqopt`` among them."""
    from .libpq_settings import secret_keywords

    hidden = sorted(secret_keywords())
    in_pqopt = entry.get("pqopt", "")
    # Its text is searched, so that what libpq at hand cannot read is found as well.
    return [
        keyword
        for keyword in hidden
        if entry.get(keyword) or re.search(rf"(^|\s){keyword}\s*=\s*(?!''(\s|$))\S", in_pqopt)
    ]


def _listed(secrets: list[str]) -> str:
    return "a password" if secrets == ["password"] else ", ".join(secrets)


def driver_check(entry: Mapping[str, str]) -> Check:
    """Whether the driver is registered and its file is there."""
    driver = entry.get("driver")
    if not driver:
        return Check(
            "driver", WRONG, "the data source names no driver", "Add: Driver = PostgreSQL Unicode"
        )
    file = driver
    if "/" not in driver:
        registry = connection_files.odbcinst_ini()
        registered = ini_files.read_entry(connection_files.read(registry), driver)
        if registered is None:
            return Check(
                "driver",
                WRONG,
                f"{driver} is not registered in {registry}",
                f"Install psqlODBC, which registers it ({_PACKAGES}), or name a registered driver: "
                "odbcinst -q -d",
            )
        file = registered.get("driver64") or registered.get("driver") or ""
    # A bare name is looked for where the system has its libraries.
    if not file or ("/" in file and not Path(file).exists()):
        return Check(
            "driver",
            WRONG,
            f"{driver}: its library {file or '(none is named)'} is not there",
            f"Install psqlODBC: {_PACKAGES}",
        )
    return Check("driver", OK, f"{driver}: {file}")


def settings_checks(entry: Mapping[str, str]) -> Iterator[Check]:
    """Settings of the driver with which values or changes are lost."""
    if entry.get("unknownsaslongvarchar", "0") != "1":
        yield Check(
            "long values",
            WRONG,
            "without UnknownsAsLongVarchar = 1, programs get 255 bytes of jsonb values",
            "Set UnknownsAsLongVarchar = 1.",
        )
    if entry.get("rowversioning", "0") == "1":
        yield Check(
            "row versions",
            WRONG,
            "with RowVersioning = 1, changes are compared by xmin, the same in all foreign rows",
            "Set RowVersioning = 0.",
        )

    statements = entry.get("connsettings", "").split(";")
    is_set = any(statement.strip()[:4].upper() == "SET " for statement in statements)
    if entry.get("readonly", "0") == "1" and is_set:
        yield Check(
            "statements",
            WRONG,
            "with ReadOnly = 1 the driver refuses SET in ConnSettings, too, and says nothing",
            "Set pqopt = options='-c search_path=…' instead, as dsn --read-only does.",
        )


def cursors_check(entry: Mapping[str, str], facts: Facts) -> Check:
    """Whether ``UpdatableCursors`` fits the host; psqlODBC's own default is 1."""
    on = entry.get("updatablecursors", "1") == "1"
    if on and not facts.bundled:
        return Check(
            "cursors",
            WRONG,
            "UpdatableCursors is 1, and on Multicorn2 all rows have the same ctid",
            "Set UpdatableCursors = 0, or install the bundled host.",
        )
    return Check("cursors", OK, f"UpdatableCursors is {'1' if on else '0'}")


def conninfo_of(entry: Mapping[str, str]) -> str:
    """The connection string that the driver makes of its settings; :class:`CannotOpen` if none."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    named = {
        "host": entry.get("servername"),
        "port": entry.get("port"),
        "dbname": entry.get("database"),
        "user": entry.get("username"),
        "password": _decoded(entry.get("password", "")),
        "sslmode": entry.get("sslmode", "").lower(),
    }
    try:
        others = conninfo_to_dict(entry.get("pqopt", ""))
    except ProgrammingError:  # whose message shows a piece, which may be of a secret
        raise CannotOpen("libpq cannot read pqopt") from None
    return make_conninfo("", **{**others, **{key: value for key, value in named.items() if value}})


def _decoded(password: str) -> str:
    return unquote_to_bytes(password.replace("+", " ")).decode("utf-8", "replace")


# --- a libpq service ---


def check_service(name: str) -> list[Check]:
    """All that is found out about a libpq service."""
    from psycopg.conninfo import make_conninfo

    from .libpq_settings import BadConnectionString, resolve

    conninfo = make_conninfo("", service=name)
    try:
        resolve(conninfo)
    except BadConnectionString as error:
        to_do = f"Write it: {invoked_as()} dsn '{name}' --as service --write"
        return [Check("service", WRONG, str(error), to_do)]
    checks = [_service(name)]
    try:
        with _opened_by_libpq(conninfo, "") as run:
            facts = ask(run)
    except CannotOpen as failure:
        closed = why_closed(conninfo)
        return [*checks, closed or Check("connection", WRONG, str(failure), "Try again.")]
    return [*checks, Check("connection", OK, "opened through libpq"), *session_checks(facts)]


def _service(name: str) -> Check:
    """Whether others can read a secret in the file that has the service."""
    for system in (False, True):
        path = connection_files.service_file(system=system)
        if path is None:
            continue
        entry = ini_files.read_entry(connection_files.read(path), name, exact=True)
        if entry is None:
            continue
        secrets = secrets_of(entry)
        if secrets and connection_files.others_can_read(path):
            return Check(
                "service",
                WRONG,
                f"[{name}] in {path} has {_listed(secrets)}, and other users can read the file",
                f"chmod 600 {path}",
            )
        break
    return Check("service", OK, f"libpq finds {name}")


# --- opening ---


@contextmanager
def _opened_by_odbc(
    name: str, conninfo: str, entry: Mapping[str, str]
) -> Iterator[tuple[str, Run]]:
    """Through pyodbc, through isql, or else through libpq with what the driver would do."""
    os.environ.setdefault("PGCONNECT_TIMEOUT", str(TIMEOUT))
    try:
        import pyodbc
    except ImportError:
        pass
    else:
        try:
            connection = pyodbc.connect(f"DSN={name}", autocommit=True, timeout=TIMEOUT)
        except pyodbc.Error as error:
            raise CannotOpen(str(error.args[-1])) from None
        try:
            yield "pyodbc", lambda query: [tuple(row) for row in connection.execute(query)]
        except pyodbc.Error as error:
            raise CannotOpen(str(error.args[-1])) from None
        finally:
            connection.close()
        return
    if _isql(name, "SELECT 1") is not None:
        yield "isql", lambda query: _isql_rows(name, query)
        return
    with _opened_by_libpq(conninfo, entry.get("connsettings", "")) as run:
        yield "libpq", run


def _isql(name: str, query: str) -> subprocess.CompletedProcess[str] | None:
    """Run a query by unixODBC's isql; None where it is not installed."""
    try:
        return subprocess.run(  # noqa: S603
            ["isql", name, "-b", "-v", "-x0x1f"],  # noqa: S607
            input=query + "\n",
            capture_output=True,
            text=True,
            timeout=10 * TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise CannotOpen("isql does not end") from None


def _isql_rows(name: str, query: str) -> Sequence[Sequence[str | None]]:
    done = _isql(name, query)
    if done is None or done.returncode != 0 or "[ISQL]ERROR" in done.stdout + done.stderr:
        said = "" if done is None else (done.stdout + done.stderr).strip()
        raise CannotOpen(said or "isql fails")
    return [line.split("\x1f") for line in done.stdout.splitlines() if line]


@contextmanager
def _opened_by_libpq(conninfo: str, statements: str) -> Iterator[Run]:
    import psycopg

    try:
        timeout = psycopg.conninfo.make_conninfo(conninfo, connect_timeout=TIMEOUT)
        with psycopg.connect(timeout, autocommit=True) as connection:
            for statement in filter(str.strip, statements.split(";")):
                with suppress(psycopg.Error):  # as the driver passes over one that fails
                    connection.execute(statement.encode())
            yield lambda query: connection.execute(query.encode()).fetchall()
    except psycopg.Error as error:
        raise CannotOpen(str(error)) from None


def why_closed(conninfo: str) -> Check | None:
    """Why nobody gets in: nothing there, the password, the database. None if libpq gets in."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    from .libpq_settings import resolve

    conninfo = make_conninfo(conninfo, connect_timeout=TIMEOUT)
    parts = resolve(conninfo)
    where = f"{parts.host}, port {parts.port}"
    if not answers(conninfo):
        return Check(
            "connection",
            WRONG,
            f"no PostgreSQL answers at {where}",
            "Start it, or correct host and port. listen_addresses and firewalls decide, too.",
        )
    connection = pq.PGconn.connect(conninfo.encode())
    try:
        if connection.status == pq.ConnStatus.OK:
            return None
        said = connection.error_message.decode("utf-8", "replace").strip()
        if any(
            _gets_in(make_conninfo(conninfo, dbname=name)) for name in ("postgres", "template1")
        ):
            return Check(
                "connection",
                WRONG,
                f"the database {parts.database} is not there or not open to {parts.user}: {said}",
                "Name another database, make it, or GRANT CONNECT on it.",
            )
        if connection.needs_password and not parts.password:
            return Check(
                "connection",
                WRONG,
                f"{parts.user} needs a password, and none is given",
                "Put it into ~/.pgpass, or write it with --with-password.",
            )
        if connection.needs_password or connection.used_password:
            return Check(
                "connection",
                WRONG,
                f"{where} refuses {parts.user} or the password: {said}",
                "Correct the user and the password; write it anew with --with-password.",
            )
        return Check("connection", WRONG, said, "See pg_hba.conf and the log of the server.")
    finally:
        connection.finish()


def _gets_in(conninfo: str) -> bool:
    from psycopg import pq

    connection = pq.PGconn.connect(conninfo.encode())
    try:
        return bool(connection.status == pq.ConnStatus.OK)
    finally:
        connection.finish()


# --- what a session finds ---


def session_checks(facts: Facts) -> list[Check]:
    """The extension, the schemas, the tables in them, and what happens to changes."""
    if facts.multicorn is None or facts.extension is None:
        missing = "multicorn" if facts.multicorn is None else "bitbucket_fdw"
        return [
            Check(
                "extension",
                WRONG,
                f"the extension {missing} is not in this database",
                "CREATE EXTENSION bitbucket_fdw CASCADE; or name another database.",
            )
        ]
    host = "bundled host" if facts.bundled else "Multicorn2"
    return [
        Check("extension", OK, f"bitbucket_fdw {facts.extension} on the {host}"),
        _schemas(facts),
        _tables(facts),
        _changes(facts),
        *_labels(facts),
    ]


def _named(facts: Facts) -> list[str]:
    """The schemas that the search path names of its own; ``public`` is there by default."""
    return [name for name in facts.search_path if name != "public"]


def _schemas(facts: Facts) -> Check:
    absent = [name for name in _named(facts) if name not in facts.usable]
    if absent:
        meant = instead_of(absent, facts.imported) or "None has been imported."
        return Check(
            "schema",
            WRONG,
            f"not there, or not open to this user: {', '.join(absent)}",
            f"{meant} Correct the search path, or GRANT USAGE ON SCHEMA.",
        )
    named = ", ".join(_named(facts))
    return Check("schema", OK, named or "none is set: statements name it before each table")


def _tables(facts: Facts) -> Check:
    named = _named(facts)
    seen = named or list(facts.imported)
    count = sum(facts.imported.get(name, 0) for name in seen)
    if count:
        return Check("tables", OK, f"{count} imported tables")
    if not named and "public" in facts.imported:
        return Check("tables", OK, f"{facts.imported['public']} imported tables")
    if not facts.imported:
        to_do = "SELECT * FROM bitbucket.import_workspace('bitbucket', 'your-workspace');"
    elif set(named).isdisjoint(facts.usable):
        to_do = "See schema."
    else:
        to_do = f"Name a schema that has some. {instead_of(named, facts.imported)}"
    where = ", ".join(named) if named else "this database"
    return Check("tables", WRONG, f"no imported table is in {where}", to_do)


def _changes(facts: Facts) -> Check:
    for name, value, values in (
        ("write_mode", facts.write_mode, WRITE_MODES),
        ("on_rollback", facts.on_rollback, ON_ROLLBACK),
    ):
        if value and value not in values:
            return Check(
                "write mode",
                WRONG,
                f"bitbucket_fdw.{name} is {value!r}, and each statement would be refused",
                f"Set it to one of: {', '.join(values)}.",
            )
    if facts.read_only:
        return Check("write mode", OK, "refused: the session is read-only")
    mode = facts.write_mode or "as the server's options say (write_mode)"
    rollback = facts.on_rollback or "as the server's options say"
    return Check("write mode", OK, f"sent: {mode}; on rollback: {rollback}")


def _labels(facts: Facts) -> Iterator[Check]:
    labelled = [name for name in _named(facts) if name in facts.labelled]
    if facts.labels and not facts.bundled:
        yield Check(
            "column labels",
            WRONG,
            "multicorn.column_labels is on, and Multicorn2 does not know it",
            "Take it out of the settings, or install the bundled host: names are in lower case.",
        )
    elif facts.labels:
        yield Check("column labels", OK, "results name columns as the tables label them")
    elif labelled and facts.bundled:
        yield Check(
            "column labels", OK, "off: results name columns in lower case. --labels sets them to on"
        )
