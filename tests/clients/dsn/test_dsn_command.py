"""``bitbucket-fdw dsn``: what it prints, and what it writes among what is there."""

from __future__ import annotations

import stat

import pytest
from devkit.cluster import SUPERUSER
from devkit.tree import BUNDLED

from bitbucket_fdw.command import connection_formats as formats
from tests.clients.dsn.conftest import WHERE, pyodbc_shows


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


@pytest.mark.parametrize("asked", [("--workspace", "acme", "--repository", "website"), ()])
def test_a_missing_password_is_what_the_hint_is_about(dsn, asked, tmp_path):
    nothing = {"PGPASSWORD": "", "PGPASSFILE": str(tmp_path / "pgpass")}
    refused = dsn("--dsn", dsn.dsn(), *asked, **nothing)
    assert refused.returncode == bool(asked)
    hint = refused.stderr.partition("HINT: ")[2]
    assert str(tmp_path / "pgpass") in hint
    assert "PGPASSWORD" in hint
    assert ("--schema" in hint) == bool(asked)
    wrong = dsn("--dsn", dsn.dsn(), *asked, PGPASSWORD="wrong")
    assert "~/.pgpass" in wrong.stderr.partition("HINT: ")[2]
    # What is said then helps.
    (tmp_path / "pgpass").write_text(f"127.0.0.1:*:*:{SUPERUSER}:{dsn.password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    assert dsn("--dsn", dsn.dsn(), *asked, **nothing).stderr == ""


def test_a_password_is_not_what_an_absent_server_lacks(dsn):
    refused = dsn("--dsn", dsn.dsn(port=1), "--workspace", "acme", PGPASSWORD="")
    assert refused.stderr.partition("HINT: ")[2] == "Name the schema: --schema.\n"


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        (["websit"], "Perhaps you meant website."),
        (["website", "WEBSITE"], "schema WEBSITE. Perhaps you meant website."),
        (["zzz"], "There are: website."),
        (["website"], None),
        (["website", "public", "it's"], "schema it's."),
    ],
)
def test_a_schema_that_is_not_there_is_warned_of(dsn, schemas, said):
    options = [f"--schema={schema}" for schema in schemas]
    done = dsn("mine", "--dsn", dsn.dsn(), *options, "--write")
    assert done.returncode == 0
    assert ("WARNING" in done.stderr) == (said is not None)
    assert (said or "") in done.stderr


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
