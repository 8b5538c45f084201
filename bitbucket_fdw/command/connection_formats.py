"""Connection settings in the forms that programs read: ODBC, JDBC, libpq, SQLAlchemy.

Each form has a way of its own to write characters that it uses itself. Where one has none, the
value is refused (:class:`CannotWrite`), so that nobody connects to something else.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from .connection_settings import ON_ROLLBACK, WRITE_MODES, CannotWrite, Settings

# The limits of unixODBC's reader (ini.h: INI_MAX_LINE) and of names of data sources (sqlext.h:
# SQL_MAX_DSN_LENGTH; SQLValidDSN's documentation lists the characters).
ODBC_LINE = 1000
ODBC_NAME = 32
# Sections of odbc.ini that driver managers keep for themselves.
_NO_DATA_SOURCE = ("odbc", "odbc data sources")
_NOT_IN_DSN = frozenset("[]{}(),;?*=!@\\")
# libpq before PostgreSQL 13 reads lines of 256 bytes, later ones 1024.
SERVICE_LINE = 1023

# psqlODBC shows a value's size by its type's, and some programs fetch no more than that. A
# description can have 32,768 characters.
LONG_TEXT = 65536
ROWS_PER_FETCH = 100
_WORDS = ("on", "off", *WRITE_MODES, *ON_ROLLBACK)
# Loads the host's library, which a setting alone does not, and turns labels on.
LABEL_COLUMNS = "SELECT bitbucket.label_columns()"
KEYS_TABLE = "bitbucket_keys"  # what bitbucket.show_odbc_keys makes

Entry = list[tuple[str, str]]


def odbc_entry(settings: Settings) -> Entry:
    """The settings of psqlODBC in ``odbc.ini``, in order."""
    name = settings.name
    if not name or len(name.encode()) > ODBC_NAME or _NOT_IN_DSN & set(name):
        raise CannotWrite(
            f"{name!r} cannot be the name of a data source",
            f"It has up to {ODBC_NAME} bytes, and none of [ ] {{ }} ( ) , ; ? * = ! @ \\ in it.",
        )
    if name.strip().lower() in _NO_DATA_SOURCE:
        raise CannotWrite(
            f"[{name}] in odbc.ini is the driver manager's own, and no data source",
            "Choose another name.",
        )
    entry = [
        ("Driver", settings.driver),
        ("Servername", settings.host),
        ("Port", str(settings.port)),
        ("Database", settings.database),
        ("Username", settings.user),
    ]
    if settings.password is not None:
        # The driver reads it like a part of an address: + is a blank, %2B a plus.
        entry.append(("Password", quote(settings.password, safe="")))
    entry.append(("SSLmode", settings.sslmode))
    others = [(key, value) for key, value in settings.keywords if key != "sslmode"]
    # A driver that only reads refuses SET, too. It passes libpq's options on.
    in_options = (
        _options(settings, with_search_path=True)
        if settings.read_only
        else _escaped_all(settings.given_options)
    )
    others += [("options", in_options)] if in_options else []
    pqopt = " ".join(f"{key}={_conninfo_value(value)}" for key, value in others)
    entry += [("pqopt", pqopt)] if pqopt else []
    entry += [
        ("ReadOnly", "1" if settings.read_only else "0"),
        ("UnknownsAsLongVarchar", "1"),
        ("MaxLongVarcharSize", str(LONG_TEXT)),
        ("BoolsAsChar", "0"),
        ("UseDeclareFetch", "1"),
        ("Fetch", str(ROWS_PER_FETCH)),
        ("UpdatableCursors", "1" if settings.updatable_cursors else "0"),
        ("RowVersioning", "0"),
        ("ExtraSysTablePrefixes", KEYS_TABLE),
    ]
    statements = odbc_statements(settings)
    entry += [("ConnSettings", statements)] if statements else []
    for key, value in entry:
        _check_odbc_value(key, value)
    return entry


def _check_odbc_value(key: str, value: str) -> None:
    if value != value.strip():
        raise CannotWrite(
            f"{key} begins or ends with a blank, which odbc.ini cannot hold",
            "Rename it at the server, or pass it when the program connects.",
        )
    if len(f"{key} = {value}\n".encode()) >= ODBC_LINE:
        raise CannotWrite(
            f"{key} is too long: a line of odbc.ini has up to {ODBC_LINE} bytes",
            "Give the role its settings: ALTER ROLE … SET search_path.",
        )


def odbc_statements(settings: Settings) -> str:
    """The statements for ``ConnSettings``: ASCII, without what the driver would take apart.

    psqlODBC cuts the text at each ``;`` and may read ``%`` and ``+`` as in an address.
    """
    labels = [LABEL_COLUMNS] if settings.labels else []
    if settings.read_only:  # what is SET stands in pqopt
        return "; ".join(labels)
    names = ", ".join(map(_odbc_identifier, settings.schemas))
    path = [f"SET search_path TO {names}"] if names else []
    chosen = [f"SET {name} TO {_odbc_literal(value)}" for name, value in settings.session]
    return "; ".join([*path, *chosen, *labels])


def _odbc_identifier(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_ .$-]+", name):
        return f'"{name}"'
    codes = (c if re.fullmatch(r"[A-Za-z0-9_]", c) else _utf16(c) for c in name)
    return f'U&"{"".join(codes)}"'


def _utf16(character: str) -> str:
    # Two codes beyond 65535: the driver would read the + of PostgreSQL's longer code as a blank.
    data = character.encode("utf-16-be")
    return "".join(f"\\{data[i : i + 2].hex().upper()}" for i in range(0, len(data), 2))


def _odbc_literal(value: str) -> str:
    if value in _WORDS:
        return value
    if re.fullmatch(r"[A-Za-z0-9_ .,:/@-]*", value):
        return f"'{value}'"
    codes = (c if re.fullmatch(r"[A-Za-z0-9_]", c) else _utf16(c) for c in value)
    return "E'" + "".join(codes).replace("\\", "\\u") + "'"


def ini_lines(name: str, entry: Entry) -> list[str]:
    """An entry of ``odbc.ini``."""
    return [f"[{name}]", *(f"{key} = {value}" for key, value in entry)]


def powershell(settings: Settings) -> str:
    """The command that makes the data source on Windows."""
    _require_tcp(settings)
    entry = [(key, value) for key, value in odbc_entry(settings) if key != "Driver"]
    values = ",\n    ".join(_powershell_text(f"{key}={value}") for key, value in entry)
    return (
        f"Add-OdbcDsn -Name {_powershell_text(settings.name)} -DsnType User -Platform 64-bit "
        f"-DriverName {_powershell_text(settings.driver)} -SetPropertyValue @(\n    {values}\n)"
    )


def _powershell_text(text: str) -> str:
    # PowerShell takes the typographic quotes for quotes, too.
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


def service_entry(settings: Settings) -> Entry:
    """The keywords of a libpq service, as ``pg_service.conf`` has them."""
    if not settings.name or "]" in settings.name:
        raise CannotWrite(f"{settings.name!r} cannot be the name of a service", "Leave out ].")
    options = _options(settings, with_search_path=True)
    entry = [
        ("host", settings.host),
        ("port", str(settings.port)),
        ("dbname", settings.database),
        ("user", settings.user),
        *([("password", settings.password)] if settings.password is not None else []),
        *settings.keywords,
        *([("options", options)] if options else []),
    ]
    for key, value in entry:
        if value != value.strip():
            raise CannotWrite(
                f"{key} begins or ends with a blank, which pg_service.conf cannot hold",
                "Rename it at the server, or keep a password in ~/.pgpass.",
            )
        if len(f"{key}={value}\n".encode()) > SERVICE_LINE:
            raise CannotWrite(
                f"{key} is too long: a line of pg_service.conf has up to {SERVICE_LINE} bytes",
                "Give the role its settings: ALTER ROLE … SET search_path.",
            )
    return entry


def service_lines(name: str, entry: Entry) -> list[str]:
    """An entry of ``pg_service.conf``, which takes no blanks around the sign."""
    return [f"[{name}]", *(f"{key}={value}" for key, value in entry)]


# libpq's keywords that PostgreSQL's JDBC driver has as well, and its names for them.
_IN_JDBC = {
    **{key: key for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")},
    "application_name": "ApplicationName",
}


def jdbc_url(settings: Settings) -> str:
    """The URL for PostgreSQL's JDBC driver, which connects by TCP only."""
    _require_tcp(settings)
    options = _options(settings, with_search_path=False)
    libpq = dict(settings.keywords)
    named = [
        ("user", settings.user),
        *([("password", settings.password)] if settings.password is not None else []),
        *([("currentSchema", settings.search_path)] if settings.schemas else []),
        *([("options", options)] if options else []),
        *((name, libpq[key]) for key, name in _IN_JDBC.items() if key in libpq),
    ]
    place = f"{_url_host(settings.host)}:{settings.port}/{_url(settings.database)}"
    return f"jdbc:postgresql://{place}?" + "&".join(f"{key}={_url(value)}" for key, value in named)


def _require_tcp(settings: Settings) -> None:
    if settings.host.startswith(("/", "@")):
        raise CannotWrite(
            f"{settings.host} is a Unix socket, and this form connects by TCP only",
            "Name the server's address: --dsn 'host=localhost'.",
        )


def not_in_jdbc(settings: Settings) -> list[str]:
    """The keywords of libpq for which the JDBC driver has no name."""
    return [key for key, _ in settings.keywords if key not in _IN_JDBC]


def sqlalchemy_url(settings: Settings) -> str:
    """The URL for SQLAlchemy with psycopg."""
    options = _options(settings, with_search_path=True)
    # What cannot stand in its own place of a URL stands behind the question mark. SQLAlchemy 2.0
    # does not decode the name of a database.
    plain_host = not settings.host.startswith(("/", "@"))
    plain_database = re.fullmatch(r"[A-Za-z0-9_.-]+", settings.database)
    named = [
        *([] if plain_host else [("host", settings.host), ("port", str(settings.port))]),
        *([] if plain_database else [("dbname", settings.database)]),
        *([("options", options)] if options else []),
        *settings.keywords,
    ]
    secret = "" if settings.password is None else f":{_url(settings.password)}"
    place = f"{_url_host(settings.host)}:{settings.port}" if plain_host else ""
    database = settings.database if plain_database else ""
    query = "&".join(f"{key}={_url(value)}" for key, value in named)
    url = f"postgresql+psycopg://{_url(settings.user)}{secret}@{place}/{database}"
    return f"{url}?{query}" if query else url


def _url(text: str) -> str:
    return quote(text, safe="")


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _options(settings: Settings, *, with_search_path: bool) -> str:
    """The value of ``options``, with which a session begins: ``-c name=value`` for each.

    Those of the given connection come first: of a parameter that is set twice, the last counts.
    """
    chosen = [("search_path", settings.search_path)] if settings.schemas else []
    chosen = [*(chosen if with_search_path else ()), *settings.session]
    labels = [("multicorn.column_labels", "on")] if settings.labels else []
    ours = (f"-c {name}={_escaped(value)}" for name, value in (*chosen, *labels))
    given = _escaped_all(settings.given_options)
    return " ".join([*([given] if given else []), *ours])


def _escaped_all(options: list[str]) -> str:
    return " ".join(map(_escaped, options))


def _escaped(value: str) -> str:
    """PostgreSQL parts ``options`` at white space that has no backslash in front."""
    return re.sub(r"([\\\s])", r"\\\1", value)


def _conninfo_value(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:-]+", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
