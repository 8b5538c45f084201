"""``bitbucket-fdw dsn``: each form is read by its own program; ``--check`` tells what is wrong."""

from __future__ import annotations

import ctypes
import json
import os
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from devkit.cluster import SUPERUSER, identifier, literal
from devkit.tree import BUNDLED
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_fdw.command import connection_formats as formats
from bitbucket_fdw.command.connection_settings import CannotWrite, Settings
from bitbucket_fdw.command.ini_files import with_entry
from bitbucket_fdw.command.libpq_settings import resolve
from tests.clients.conftest import Site, add_dsn

ROOT = Path(__file__).resolve().parents[2]
NASTY = "a;b}c=d#e' f\"g+h%41i ä😀"
PLAIN = Settings("bitbucket", "localhost", 5432, "base", "me")
text = st.text(
    st.one_of(
        st.sampled_from(list(";}{=#'\"+% ,&?/@:[]ä😀")),
        st.characters(codec="utf-8", categories=["L", "N", "P", "S"]),
    ),
    min_size=1,
    max_size=20,
)


class Command:
    """The command, in an environment whose files are below one directory."""

    def __init__(self, site, host: str) -> None:
        self.site = site
        self.host = host
        self.ini = site.odbc.directory / "odbc.ini"
        self.services = site.odbc.directory / "services"
        password = site.db.cluster.password_file.read_text().strip()
        self.env = {
            **site.odbc.env,
            "PYTHONPATH": str(ROOT),
            "PGSERVICEFILE": str(self.services),
            "PGPASSWORD": password,
        }

    @property
    def password(self) -> str:
        return self.env["PGPASSWORD"]

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it; it must make no request and show no password."""
        self.site.db.emulator.clear()
        done = subprocess.run(
            [sys.executable, "-m", "bitbucket_fdw.command", "dsn", *arguments],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert self.site.db.emulator.requests() == []
        return done

    def dsn(self, **parts: object) -> str:
        """The database of the test by TCP."""
        cluster = self.site.db.cluster
        named = {"host": "127.0.0.1", "port": cluster.port, "user": SUPERUSER, **parts}
        return psycopg.conninfo.make_conninfo(dbname=self.site.db.name, **named)

    def checked(self, *arguments: str, **env: str) -> dict[str, dict[str, str]]:
        """What ``--check`` says, by the names of the checks."""
        done = self(*arguments, "--check", "--json", **env)
        found = {check["check_name"]: check for check in json.loads(done.stdout)}
        wrong = {name for name, check in found.items() if check["status"] != "ok"}
        assert done.returncode == bool(wrong)
        assert all(found[name]["what_to_do"] for name in wrong)
        return found

    def wrong(self, *arguments: str, **env: str) -> set[str]:
        found = self.checked(*arguments, **env)
        return {name for name, check in found.items() if check["status"] != "ok"}


@pytest.fixture(scope="module")
def imported(db_factory):
    """A database for the tests that change nothing in it: importing is what takes time."""
    database = db_factory()
    import_website(database)
    return database


def import_website(database):
    database.execute(
        'CREATE SCHEMA website; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket '
        "INTO website OPTIONS (names 'flat')"
    )


@pytest.fixture
def site(request, imported, emulator, odbc_factory):
    """The repository in a database; in one of its own for a test that asks for ``db``."""
    if "db" in request.fixturenames:
        database = request.getfixturevalue("db")
        import_website(database)
    else:
        database = imported
    odbc = odbc_factory(database)
    add_dsn(odbc, "website", ConnSettings="SET search_path TO website")
    return Site(database, odbc)


@pytest.fixture
def dsn(site, host):
    return Command(site, host)


def pyodbc_shows(dsn, name, *queries, env=None):
    """The rows of queries by pyodbc, in a process of its own: unixODBC keeps what it has read."""
    program = (
        "import json, pyodbc, sys; c = pyodbc.connect('DSN=' + sys.argv[1], autocommit=True);"
        "print(json.dumps([[list(r) for r in c.execute(q)] for q in sys.argv[2:]], default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, *queries],
        env={**dsn.site.odbc.env, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- each form by its own reader ---


@pytest.fixture(scope="module")
def odbcinst():
    """unixODBC's own reader of ini files."""
    try:
        library = ctypes.CDLL("libodbcinst.so.2")
    except OSError as error:
        pytest.skip(f"unixODBC is not installed: {error}")

    def read(path, section, key):
        buffer = ctypes.create_string_buffer(4096)
        names = (section.encode(), key.encode(), b"")
        library.SQLGetPrivateProfileString(*names, buffer, 4096, str(path).encode())
        return buffer.value.decode()

    return read


@settings(max_examples=60)
@given(user=text, database=text, password=text, schema=text)
def test_unixodbc_reads_what_was_meant(
    odbcinst, tmp_path_factory, user, database, password, schema
):
    meant = Settings(
        "CData ODBC Bitbucket Source", "db", 1, database, user, password, schemas=(schema,)
    )
    try:
        entry = formats.odbc_entry(meant)
    except CannotWrite as refused:
        assert user != user.strip() or database != database.strip(), refused  # noqa: PT017
        return
    # Each in a file of its own: unixODBC keeps for a while what it has read.
    path = tmp_path_factory.mktemp("ini") / "odbc.ini"
    before = "; a comment\n[other]\nServername = other\n"
    path.write_text(with_entry(before, meant.name, formats.ini_lines(meant.name, entry)))
    for key, value in entry:
        assert odbcinst(path, meant.name, key) == value
    assert odbcinst(path, "other", "Servername") == "other"


@settings(max_examples=60)
@given(user=text, database=text, password=text, schema=text)
def test_libpq_reads_what_was_meant(tmp_path_factory, user, database, password, schema):
    meant = Settings("one", "127.0.0.1", 1, database, user, password, schemas=(schema,))
    try:
        entry = formats.service_entry(meant)
    except CannotWrite as refused:
        blank = [t for t in (user, database, password) if t != t.strip()]
        assert blank, refused  # noqa: PT017
        return
    path = tmp_path_factory.mktemp("services") / "services"
    path.write_text(with_entry("", "one", formats.service_lines("one", entry), exact=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSERVICEFILE", str(path))
        found = resolve("service=one")
        assert (found.user, found.database, found.password) == (user, database, password)
        asked = psycopg.pq.PGconn.connect_start(b"service=one")
        options = {o.keyword: o.val for o in asked.info}[b"options"]
        asked.finish()
    assert options.decode() == dict(entry)["options"]


@pytest.fixture
def nasty(dsn):
    """A role, a password, a database and a schema whose names need every escape."""
    database = f"{NASTY} {uuid.uuid4().hex[:6]}"
    cluster = dsn.site.db.cluster
    cluster.sql(f"CREATE ROLE {identifier(NASTY)} LOGIN SUPERUSER PASSWORD{literal(NASTY)}")
    cluster.sql(f"CREATE DATABASE {identifier(database)} TEMPLATE template1")
    yield Settings("nasty", "127.0.0.1", cluster.port, database, NASTY, NASTY, (NASTY, "b c"))
    cluster.sql(f"DROP DATABASE {identifier(database)} WITH (FORCE)")
    cluster.sql(f"DROP ROLE {identifier(NASTY)}")


WHO = "SELECT current_user::text, current_database()::text"
WHERE = "SELECT current_setting('search_path')"
MODE = "SELECT current_setting('bitbucket_fdw.write_mode')"


def expected(meant):
    return [
        [[meant.user, meant.database]],
        [[", ".join('"' + name.replace('"', '""') + '"' for name in meant.schemas)]],
        [["commit"]],
    ]


@pytest.mark.parametrize("read_only", [False, True])
def test_every_name_gets_through_odbc(dsn, nasty, read_only):
    meant = Settings(**{**vars(nasty), "write_mode": "commit", "read_only": read_only})
    lines = formats.ini_lines(meant.name, formats.odbc_entry(meant))
    dsn.ini.write_text(with_entry(dsn.ini.read_text(), meant.name, lines))
    rows = pyodbc_shows(dsn, "nasty", WHO, WHERE, MODE)
    rows[1][0][0] = rows[1][0][0].replace('","', '", "')  # as it was given, and not as SET shows it
    assert rows == expected(meant)


def test_every_name_gets_through_libpq(dsn, nasty, tmp_path):
    meant = Settings(**{**vars(nasty), "write_mode": "commit"})
    dsn.services.write_text(
        "\n".join(formats.service_lines(meant.name, formats.service_entry(meant)))
    )
    shown = subprocess.run(
        ["psql", "-X", "-At", "-F\x1f", "service=nasty", "-c", WHO, "-c", WHERE, "-c", MODE],
        env={**dsn.env, "PGPASSWORD": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [[line.split("\x1f")] for line in shown.stdout.splitlines()]
    path = [[rows[1][0][0].replace('","', '", "')]]  # as it was given, and not as SET shows it
    assert [rows[0], path, rows[2]] == expected(meant)


def test_every_name_gets_through_sqlalchemy(nasty):
    meant = Settings(**{**vars(nasty), "write_mode": "commit"})
    engine = sqlalchemy.create_engine(formats.sqlalchemy_url(meant))
    with engine.connect() as connection:
        ask = sqlalchemy.text
        rows = [[list(r) for r in connection.execute(ask(q))] for q in (WHO, WHERE, MODE)]
    engine.dispose()
    rows[1][0][0] = rows[1][0][0].replace('","', '", "')
    assert rows == expected(meant)


# --- the command ---


@pytest.mark.parametrize("form", ["odbc", "windows", "jdbc", "service", "sqlalchemy"])
def test_it_prints_no_password_unless_asked(dsn, form):
    plain = dsn("bitbucket", "--as", form, "--dsn", dsn.dsn(), "--schema", "website")
    assert plain.returncode == 0, plain.stderr
    assert "website" in plain.stdout
    assert dsn.password not in plain.stdout + plain.stderr
    asked = dsn("bitbucket", "--as", form, "--dsn", dsn.dsn(), "--with-password")
    assert dsn.password in asked.stdout


def test_the_host_decides_about_cursors(dsn):
    bundled = dsn.host == BUNDLED
    shown = dsn("--dsn", dsn.dsn()).stdout
    assert f"UpdatableCursors = {int(bundled)}" in shown
    assert "UpdatableCursors = 1" in dsn("--dsn", dsn.dsn(), "--cursors").stdout
    assert "UpdatableCursors = 0" in dsn("--dsn", dsn.dsn(), "--no-cursors").stdout


def test_a_server_that_cannot_be_asked_gets_the_careful_settings(dsn):
    done = dsn("--dsn", dsn.dsn(port=1), "--schema", "website")
    assert done.returncode == 0
    assert "UpdatableCursors = 0" in done.stdout
    assert "--cursors" in done.stderr
    refused = dsn("--dsn", dsn.dsn(port=1), "--workspace", "acme")
    assert refused.returncode == 1
    assert "--schema" in refused.stderr


def test_the_schema_of_a_repository_is_looked_up(dsn):
    shown = dsn("--dsn", dsn.dsn(), "--workspace", "ACME", "--repository", "website")
    assert 'ConnSettings = SET search_path TO "website"' in shown.stdout
    refused = dsn("--dsn", dsn.dsn(), "--workspace", "nobody")
    assert refused.returncode == 1
    assert "import_workspace" in refused.stderr


def test_it_is_written_among_what_is_there(dsn):
    dsn.ini.write_text("; mine\n[other]\nDriver = X\n")
    dsn.ini.chmod(0o644)
    arguments = ("CData ODBC Bitbucket Source", "--dsn", dsn.dsn(), "--schema", "website")
    assert dsn(*arguments, "--write").returncode == 0
    assert dsn.ini.read_text().startswith("; mine\n[other]\nDriver = X\n\n[CData ODBC")
    assert stat.S_IMODE(dsn.ini.stat().st_mode) == 0o644
    done = dsn(*arguments, "--write", "--with-password")
    assert done.returncode == 0
    assert stat.S_IMODE(dsn.ini.stat().st_mode) == 0o600
    assert dsn.ini.read_text().count("[CData") == 1
    rows = pyodbc_shows(dsn, arguments[0], WHERE, "SELECT Id FROM Issues WHERE Id = '1'")
    assert rows[0] == [["website"]]
    assert rows[1][0][0] == 1


def test_the_system_s_file_holds_no_password(dsn):
    refused = dsn("--dsn", dsn.dsn(), "--write", "--system", "--with-password")
    assert refused.returncode == 2
    done = dsn("all", "--dsn", dsn.dsn(), "--write", "--system", ODBCSYSINI=str(dsn.ini.parent))
    assert done.returncode == 0, done.stderr
    assert "[all]" in (dsn.ini.parent / "odbc.ini").read_text()


def test_a_password_file_serves_odbc(dsn, tmp_path):
    """A data source without a password works where libpq finds one."""
    dsn("plain", "--dsn", dsn.dsn(), "--schema", "website", "--write")
    assert dsn.password not in dsn.ini.read_text().partition("[plain]")[2]
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:*:*:{SUPERUSER}:{dsn.password}\n")
    passfile.chmod(0o600)
    env = {"PGPASSFILE": str(passfile)}
    assert pyodbc_shows(dsn, "plain", WHERE, env=env) == [[["website"]]]
    shown = dsn("--dsn", dsn.dsn(), "--with-password", **env, PGPASSWORD="").stdout
    assert f"Password = {formats.quote(dsn.password, safe='')}" in shown


def test_a_read_only_data_source_refuses_changes(dsn):
    done = dsn("ro", "--dsn", dsn.dsn(), "--schema", "website", "--read-only", "--write")
    assert done.returncode == 0
    found = dsn.checked("ro")
    assert "read-only" in found["write mode"]["found"]
    assert found["schema"]["found"] == "website"
    update = "UPDATE issues SET title = 'new' WHERE id = 1"
    refused = dsn.site.run(["isql", "-b", "-v", "ro"], stdin=update + "\n", env=dsn.env)
    assert "readonly" in refused.output + refused.errors
    assert refused.requests == []


def test_settings_that_a_read_only_data_source_passes_over_are_found(dsn):
    dsn("ro", "--dsn", dsn.dsn(), "--schema", "website", "--write", "--with-password")
    dsn.ini.write_text(dsn.ini.read_text().replace("ReadOnly = 0", "ReadOnly = 1"))
    assert dsn.wrong("ro") == {"statements"}


# --- what --check finds ---


@pytest.fixture(params=["odbc", "service"])
def written(request, dsn):
    """A good data source, and a way to change one of its lines."""
    form = request.param
    extra = ("--with-password", "--schema", "website")
    done = dsn("mine", "--as", form, "--dsn", dsn.dsn(), *extra, "--write")
    assert done.returncode == 0, done.stderr
    file = dsn.ini if form == "odbc" else dsn.services

    def change(key, value):
        before, name, after = file.read_text().partition("[mine]")
        lines = [ln for ln in after.splitlines() if ln.split("=")[0].strip().lower() != key.lower()]
        sign = " = " if form == "odbc" else "="
        lines += [f"{key}{sign}{value}"] if value is not None else []
        file.write_text(before + name + "\n".join([*lines, ""]))

    return dsn, form, change, ("mine", "--as", form)


KEYS = {
    "host": {"odbc": "Servername", "service": "host"},
    "port": {"odbc": "Port", "service": "port"},
    "password": {"odbc": "Password", "service": "password"},
    "database": {"odbc": "Database", "service": "dbname"},
    "user": {"odbc": "Username", "service": "user"},
}


def test_nothing_is_wrong_with_what_it_wrote(written):
    command, _, _, arguments = written
    found = command.checked(*arguments)
    assert {check["status"] for check in found.values()} == {"ok"}, found
    assert {"connection", "extension", "schema", "tables", "write mode"} <= set(found)
    told = "bundled" if command.host == BUNDLED else "Multicorn2"
    assert told in found["extension"]["found"]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("port", "1", "no PostgreSQL answers"),
        ("password", "wrong", "the password"),
        ("password", None, "needs a password"),
        ("database", "no_such", "no_such is not there"),
        ("user", "no_such", "no_such or the password"),
    ],
)
def test_it_says_why_nobody_gets_in(written, part, value, said):
    command, form, change, arguments = written
    change(KEYS[part][form], value)
    found = command.checked(*arguments, PGPASSWORD="")
    assert found["connection"]["status"] == "wrong"
    assert said in found["connection"]["found"]


def test_it_says_what_the_session_lacks(db, written):
    command, form, change, arguments = written
    key = {"odbc": "ConnSettings", "service": "options"}[form]

    def with_path(path, mode="immediate"):
        if form == "odbc":
            change(key, f"SET search_path TO {path}; SET bitbucket_fdw.write_mode TO {mode}")
        else:
            change(key, f"-c search_path={path} -c bitbucket_fdw.write_mode={mode}")
        return command.wrong(*arguments)

    assert with_path("website") == set()
    assert with_path("nowhere") == {"schema", "tables"}
    db.execute("CREATE SCHEMA empty")
    assert with_path("empty") == {"tables"}
    assert with_path("website", "sometimes") == {"write mode"}
    db.execute("DROP EXTENSION bitbucket_fdw CASCADE")
    assert with_path("website") == {"extension"}
    change(key, None)
    assert command.wrong(*arguments) == {"extension"}


def test_without_a_schema_any_imported_table_will_do(db, written):
    command, form, change, arguments = written
    change({"odbc": "ConnSettings", "service": "options"}[form], None)
    assert command.wrong(*arguments) == set()
    db.execute("DROP SCHEMA website CASCADE")
    assert command.wrong(*arguments) == {"tables"}


@pytest.mark.parametrize(
    ("key", "value", "check"),
    [
        ("UnknownsAsLongVarchar", "0", "long values"),
        ("UnknownsAsLongVarchar", None, "long values"),
        ("RowVersioning", "1", "row versions"),
        ("Driver", "No Such Driver", "driver"),
        ("Driver", "/no/such/driver.so", "driver"),
        ("Driver", None, "driver"),
    ],
)
@pytest.mark.parametrize("written", ["odbc"], indirect=True)
def test_it_says_which_settings_lose_data(written, key, value, check):
    command, _, change, arguments = written
    change(key, value)
    wrong = command.wrong(*arguments)
    assert check in wrong
    assert wrong <= {check, "connection"}


@pytest.mark.parametrize("value", ["1", None])  # 1 is the driver's own default
@pytest.mark.parametrize("written", ["odbc"], indirect=True)
def test_cursors_that_multicorn2_cannot_have_are_found(written, value):
    command, _, change, arguments = written
    change("UpdatableCursors", value)
    expected = set() if command.host == BUNDLED else {"cursors"}
    assert command.wrong(*arguments) == expected


@pytest.mark.parametrize("written", ["odbc"], indirect=True)
def test_a_password_that_others_can_read_is_found(written):
    command, _, _, arguments = written
    command.ini.chmod(0o644)
    assert command.wrong(*arguments) == {"data source"}


@pytest.mark.parametrize("hidden", [("pyodbc",), ("pyodbc", "isql")])
@pytest.mark.parametrize("written", ["odbc"], indirect=True)
def test_other_clients_open_it_where_pyodbc_is_missing(written, hidden, tmp_path):
    command, _, change, arguments = written
    # A module of that name that cannot be imported, and a PATH without isql.
    (tmp_path / "pyodbc.py").write_text("raise ImportError\n")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    if "isql" in hidden:
        env["PATH"] = str(tmp_path)
    found = command.checked(*arguments, **env)
    client = "libpq" if "isql" in hidden else "isql"
    assert found["connection"]["found"] == f"opened through {client}"
    assert {check["status"] for check in found.values()} == {"ok"}, found
    long = [f"schema_{number}" for number in range(60)]
    change("ConnSettings", f"SET search_path TO website, {', '.join(long)}")
    told = command.checked(*arguments, **env)["schema"]["found"]
    assert all(name in told for name in long)


def test_a_name_that_is_not_there_is_told(dsn):
    found = dsn.checked("nope")
    assert "website" in found["data source"]["found"]
    assert "--write" in found["data source"]["what_to_do"]
    assert dsn.wrong("nope", "--as", "service") == {"service"}


def test_the_table_shows_what_to_do(dsn):
    done = dsn("nope", "--check")
    assert done.returncode == 1
    assert "bitbucket-fdw dsn 'nope' --write" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--as", "jdbc", "--write"),
        ("--as", "sqlalchemy", "--check"),
        ("--as", "windows", "--write"),
        ("--system",),
        ("--json",),
        ("--repository", "website"),
        ("--workspace", "acme", "--schema", "x"),
        ("--set", "TimeZone"),
    ],
)
def test_what_does_not_go_together_is_refused(dsn, arguments):
    assert dsn(*arguments).returncode == 2
