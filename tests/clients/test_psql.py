"""psql: what it shows of the imported tables, and rows as CSV."""

import csv
import io
import os
import subprocess

import pytest

from bitbucket_fdw.tables import TABLES


@pytest.fixture
def psql(db):
    """Run psql on a database whose workspace was imported; its output."""
    db.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")

    def run(*commands):
        arguments = [part for command in commands for part in ("-c", command)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        done = subprocess.run(
            ["psql", "-X", "-q", "-At", db.conninfo(), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return done.stdout

    return run


def test_a_count(psql, db):
    repositories = psql("SELECT count(*) FROM acme.repositories")
    state = db.emulator.call("GET", "state?collection=repositories")["repositories"]
    assert int(repositories) == sum(row["workspace"] == "acme" for row in state)


def test_every_table_of_the_workspace_is_listed(psql):
    listed = {line.split("|")[1] for line in psql("\\det acme.*").splitlines()}
    assert listed == {table.name for table in TABLES}


def test_tables_and_columns_are_described(psql):
    described = psql("\\d+ acme__website.pull_requests")
    [table] = [table for table in TABLES if table.name == "pull_requests"]
    for column in table.columns:
        assert column.description in described
    assert table.description in psql("\\det+ acme__website.pull_requests")


def test_rows_as_csv(psql, db):
    copied = psql("COPY (SELECT id, title FROM acme__website.issues ORDER BY id) TO STDOUT CSV")
    rows = [(int(number), title) for number, title in csv.reader(io.StringIO(copied))]
    assert rows == db.rows("SELECT id, title FROM acme__website.issues ORDER BY id")


def test_a_failing_statement_prints_a_hint(psql, db):
    db.emulator.fault("*/refs/tags*", kind="status", status=404, count=1)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        psql("SELECT * FROM acme__website.tags")
    assert "ERROR:" in failed.value.stderr
    assert "HINT:" in failed.value.stderr
