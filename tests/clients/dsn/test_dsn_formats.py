"""Each form of what ``bitbucket-fdw dsn`` writes is read by its own program as it was meant."""

from __future__ import annotations

import ctypes
import subprocess
import uuid

import psycopg
import pytest
import sqlalchemy
from devkit.cluster import identifier, literal
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_fdw.command import connection_formats as formats
from bitbucket_fdw.command.connection_settings import CannotWrite, Settings
from bitbucket_fdw.command.ini_files import with_entry
from bitbucket_fdw.command.libpq_settings import resolve
from tests.clients.dsn.conftest import WHERE, pyodbc_shows

NASTY = "a;b}c=d#e' f\"g+h%41i ä😀"
text = st.text(
    st.one_of(
        st.sampled_from(list(";}{=#'\"+% ,&?/@:[]ä😀")),
        st.characters(codec="utf-8", categories=["L", "N", "P", "S"]),
    ),
    min_size=1,
    max_size=20,
)


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
