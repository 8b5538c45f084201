"""``bitbucket-fdw dsn --check`` tells what is wrong, and what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from devkit.tree import BUNDLED

from bitbucket_fdw.command import connection_files
from tests.clients.dsn.conftest import ROOT


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


def test_it_names_the_schema_that_was_meant_and_some_of_many(db, written):
    command, form, change, arguments = written
    key = {"odbc": "ConnSettings", "service": "options"}[form]
    value = {"odbc": "SET search_path TO {}", "service": "-c search_path={}"}[form]
    for number in range(12):
        db.execute(
            f"CREATE SCHEMA other_{number}; IMPORT FOREIGN SCHEMA acme LIMIT TO (workspaces) "
            f"FROM SERVER bitbucket INTO other_{number}"
        )
    change(key, value.format("websit"))
    found = command.checked(*arguments)
    assert "Perhaps you meant website." in found["schema"]["what_to_do"]
    change(key, value.format("nowhere"))
    unlike = command.checked(*arguments)
    assert "and 8 more" in unlike["schema"]["what_to_do"]
    for told in (found, unlike):
        assert str(told).count("other_") <= 5


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


def test_a_file_that_unixodbc_does_not_read_is_not_ok(dsn, tmp_path, monkeypatch):
    """unixODBC takes the home of the user from the system, and not from HOME."""
    text = dsn.ini.read_text().replace("[website]", "[below home]")
    (tmp_path / ".odbc.ini").write_text(text)
    monkeypatch.delitem(dsn.env, "ODBCINI")
    found = dsn.checked("below home", HOME=str(tmp_path))["data source"]
    assert found["status"] == "wrong"
    assert "does not read" in found["found"]
    assert f"ODBCINI={tmp_path / '.odbc.ini'}" in found["what_to_do"]
    assert dsn.checked("below home", ODBCINI=str(tmp_path / ".odbc.ini"))["data source"]["found"]


@pytest.mark.skipif(shutil.which("odbcinst") is None, reason="odbcinst is not installed")
@pytest.mark.parametrize("without_odbcinst", [False, True])
def test_the_user_s_file_is_the_one_that_unixodbc_reads(tmp_path, monkeypatch, without_odbcinst):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ODBCINI", raising=False)
    told = subprocess.run(["odbcinst", "-j"], capture_output=True, text=True, check=True).stdout
    [file] = re.findall(r"USER DATA SOURCES\.*: (.+)", told)
    if without_odbcinst:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert str(connection_files.odbc_ini(system=False)) == file
    monkeypatch.setenv("ODBCINI", "/elsewhere")
    assert str(connection_files.odbc_ini(system=False)) == "/elsewhere"


def test_the_table_shows_what_to_do(dsn):
    done = dsn("nope", "--check")
    assert done.returncode == 1
    assert "bitbucket-fdw dsn 'nope' --write" in done.stdout
