"""``bitbucket-fdw dsn``: what is given with ``--dsn`` is kept, and what is secret stays secret."""

from __future__ import annotations

import os
import stat

import psycopg
import pytest
import sqlalchemy

from tests.clients.dsn.conftest import pyodbc_shows

SECRET = "TOPSECRET"
FORMS = ("odbc", "windows", "jdbc", "service", "sqlalchemy")
THEIRS = r"-c default_transaction_read_only=on -c work_mem=4242kB -c a.b=c\ d"
ASKED = tuple(
    f"SELECT current_setting('{name}')"
    for name in ("default_transaction_read_only", "work_mem", "a.b", "application_name")
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("keyword", ["sslpassword", "scram_client_key"])
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_printed_as_the_password_is(dsn, form, keyword):
    given = dsn.dsn(**{keyword: SECRET})
    plain = dsn("mine", "--as", form, "--dsn", given)
    assert plain.returncode == 0, plain.stderr
    assert SECRET not in plain.stdout + plain.stderr
    assert f"Left out: {keyword}" in plain.stderr
    asked = dsn("mine", "--as", form, "--dsn", given, "--with-password")
    if form == "jdbc" and keyword != "sslpassword":
        assert keyword in asked.stderr
    else:
        assert SECRET in asked.stdout


@pytest.mark.parametrize("form", ["odbc", "service"])
def test_only_the_owner_reads_a_file_with_a_secret(dsn, form):
    file = dsn.ini if form == "odbc" else dsn.services
    file.write_text("")
    file.chmod(0o644)
    arguments = ("mine", "--as", form, "--dsn", dsn.dsn(sslpassword=SECRET))
    assert dsn(*arguments, "--write").returncode == 0
    assert SECRET not in file.read_text()
    assert mode(file) == 0o644
    # Whoever has the password of a key needs no other one.
    done = dsn(*arguments, "--write", "--with-password", PGPASSWORD="")
    assert done.returncode == 0, done.stderr
    assert SECRET in file.read_text()
    assert mode(file) == 0o600
    name = {"odbc": "data source", "service": "service"}[form]
    assert name not in dsn.wrong(*arguments[:3])
    file.chmod(0o644)
    found = dsn.checked(*arguments[:3])[name]
    assert found["status"] == "wrong"
    assert "sslpassword" in found["found"]
    assert SECRET not in str(found)
    everyone = dsn(*arguments, "--write", "--system", "--with-password")
    assert everyone.returncode == 2


def test_a_service_with_a_password_that_others_can_read_is_found(dsn):
    dsn("mine", "--as", "service", "--dsn", dsn.dsn(), "--write", "--with-password")
    dsn.services.chmod(0o644)
    assert dsn.wrong("mine", "--as", "service") == {"service"}


@pytest.mark.parametrize("source", ["string", "environment"])
def test_sessions_begin_as_the_given_connection_says(dsn, source):
    """In each form, with what the command itself sets beside it."""
    env = {"PGOPTIONS": THEIRS} if source == "environment" else {}
    parts = {"application_name": "it's mine"} | ({} if env else {"options": THEIRS})
    ours = ("--schema", "website", "--write-mode", "commit", "--with-password")

    def put(form, *more):
        done = dsn("mine", "--as", form, "--dsn", dsn.dsn(**parts), *ours, *more, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    asked = (
        *ASKED,
        "SELECT current_setting('search_path')",
        "SELECT current_setting('bitbucket_fdw.write_mode')",
    )
    expected = ["on", "4242kB", "c d", "it's mine", "website", "commit"]
    put("odbc", "--write")
    assert [rows[0][0] for rows in pyodbc_shows(dsn, "mine", *asked)] == expected
    engine = sqlalchemy.create_engine(put("sqlalchemy"))
    with engine.connect() as connection:
        assert [connection.execute(sqlalchemy.text(q)).scalar() for q in asked] == expected
    engine.dispose()
    put("service", "--write")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSERVICEFILE", str(dsn.services))
        with psycopg.connect("service=mine") as session:
            assert [session.execute(q).fetchone()[0] for q in asked] == expected
    shown = put("jdbc")
    assert "ApplicationName=it%27s%20mine" in shown
    assert "default_transaction_read_only%3Don" in shown


def test_a_service_is_found_where_files_have_blanks_before_headers(dsn):
    """libpq passes over them."""
    dsn.services.write_text("[mine]\nhost=old\n\n  [other]\n  host=precious\n")
    arguments = ("--as", "service", "--dsn", dsn.dsn(), "--schema", "website", "--write")
    assert dsn("mine", *arguments).returncode == 0
    assert "\n  [other]\n  host=precious\n" in dsn.services.read_text()
    assert dsn("other", *arguments).returncode == 0
    assert "precious" not in dsn.services.read_text()
    for name in ("mine", "other"):
        assert dsn.wrong(name, "--as", "service") == set()


@pytest.mark.parametrize("name", ["ODBC", "ODBC Data Sources"])
def test_sections_of_the_driver_manager_are_left_alone(dsn, name):
    before = dsn.ini.read_text()
    done = dsn(name, "--dsn", dsn.dsn(), "--write")
    assert done.returncode == 1
    assert "driver manager" in done.stderr
    assert dsn.ini.read_text() == before


@pytest.mark.parametrize("form", ["odbc", "service"])
def test_what_is_no_file_is_not_replaced(dsn, form, tmp_path):
    place = tmp_path / "pipe"
    os.mkfifo(place)
    env = {"ODBCINI": str(place), "PGSERVICEFILE": str(place)}
    done = dsn("mine", "--as", form, "--dsn", dsn.dsn(), "--write", **env)
    assert done.returncode == 1
    assert "not a regular file" in done.stderr
    assert stat.S_ISFIFO(place.stat().st_mode)


def test_what_libpq_cannot_read_is_told_without_its_text(dsn):
    dsn("mine", "--dsn", dsn.dsn(), "--write")
    dsn.ini.write_text(dsn.ini.read_text().replace("[mine]\n", f"[mine]\npqopt = a {SECRET}\n"))
    found = dsn.checked("mine")["connection"]
    assert "pqopt" in found["found"]
    assert SECRET not in str(found)
