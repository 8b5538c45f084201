"""What the bundled host tells is not guessed from the statement's text."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, only
from tests.support.database import WRAPPER, Database

bundled = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'", reason="Multicorn2 leaves it to be guessed"
)

# A wrapper whose every look at the statement's text is an error.
DEAF = """
from bitbucket_fdw.postgres import statement_text
from bitbucket_fdw.wrapper import *

def text():
    raise AssertionError("the statement's text was looked at")

statement_text.text = text
"""


@pytest.fixture
def deaf(db: Database) -> Database:
    """A database whose server cannot see what text the client sends."""
    module = db.cluster.directory / "python" / "deaf_wrapper.py"
    module.write_text(DEAF)
    module.chmod(0o644)
    name = WRAPPER.rpartition(".")[2]
    db.execute(f"ALTER SERVER bitbucket OPTIONS (SET wrapper 'deaf_wrapper.{name}')")
    db.execute("CREATE SCHEMA web")
    db.execute('IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web')
    db.close()  # a backend that has not imported the module yet
    return db


STATEMENTS = (
    "SELECT row_to_json(t) FROM web.tags t",
    "SELECT array_agg(name) FROM web.tags",
    "SELECT count(*) FROM web.tags WHERE name::char(3) = 'v1' OR name = 'x' COLLATE \"C\"",
    "SELECT t.name FROM web.tags t JOIN web.branches b ON b.name = t.name",
    "INSERT INTO web.issues (title) VALUES ('a'), ('b') RETURNING id",
    "UPDATE web.issues SET title = 'c' WHERE title = 'a' RETURNING title",
    "DELETE FROM web.issues WHERE title = 'b'",
    "SELECT name FROM web.tags WHERE length(name) > 1 LIMIT 1",
    "SELECT EXISTS (SELECT FROM web.tags)",
    "EXPLAIN (VERBOSE) SELECT array_agg(name) FROM web.tags WHERE name = 'x'",
    "DO $$ BEGIN UPDATE web.issues SET title = 'd' WHERE title = 'c'; END $$",
    "BEGIN; INSERT INTO web.issues (title) VALUES ('e'); SAVEPOINT a; "
    "INSERT INTO web.issues (title) VALUES ('f'); ROLLBACK",
)


@bundled
def test_the_text_of_a_statement_is_never_looked_at(deaf: Database) -> None:
    for statement in STATEMENTS:
        deaf.query(statement)


@bundled
def test_the_module_of_that_test_does_raise(deaf: Database) -> None:
    """Something that does look at the text, so that the test above can fail."""
    deaf.execute(
        "CREATE FOREIGN TABLE looked (name text) SERVER bitbucket OPTIONS (table 'tags', "
        "workspace 'acme', repository 'website')"
    )
    module = deaf.cluster.directory / "python" / "deaf_wrapper.py"
    module.write_text(
        DEAF + "\nfrom bitbucket_fdw.wrapper.host import HOST\nHOST._tells_whole_rows = False\n"
    )
    deaf.close()
    with pytest.raises(Exception, match="text was looked at"):
        deaf.rows("SELECT name FROM looked")


@bundled
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT array_agg(slug) FROM repositories",
        "SELECT to_json(slug) FROM repositories",
        "SELECT jsonb_agg(slug ORDER BY slug) FROM repositories",
        "SELECT slug, 'row_to_json(t)' FROM repositories",
    ],
)
def test_a_function_that_could_take_a_row_asks_for_its_columns_only(
    sql: Both, statement: str
) -> None:
    named = only(sql.query("SELECT slug FROM repositories", on="acme")).fields
    assert only(sql.query(statement, on="acme")).fields == named
    assert len(named) < 5


def test_a_function_that_does_take_a_row_has_all_of_it(sql: Both) -> None:
    assert sql.query("SELECT row_to_json(t)::jsonb FROM tags t").rows


@bundled
def test_a_word_in_the_statement_keeps_no_condition_from_being_shipped(sql: Both) -> None:
    statement = "SELECT id FROM issues WHERE state = 'new' AND title::char(4) <> 'none'"
    assert only(sql.query(statement)).q == 'state = "new"'


@bundled
def test_a_long_statement_costs_no_look_at_it(sql: Both) -> None:
    values = ", ".join(f"({n}, 'update {n}')" for n in range(9_000))
    statement = f"SELECT i.id FROM issues i WHERE i.id IN (SELECT n FROM (VALUES {values}) v(n, t))"
    assert len(statement) > 180_000
    assert sql.query(statement).rows


@pytest.mark.parametrize("command", ["ROLLBACK", "ROLLBACK AND CHAIN", "ABORT WORK"])
def test_a_rollback_of_everything_is_told_of_once(db: Database, command: str) -> None:
    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (issues) FROM SERVER bitbucket INTO public'
    )
    db.execute("BEGIN; INSERT INTO issues (title) VALUES ('a'); SAVEPOINT s")
    db.execute("INSERT INTO issues (title) VALUES ('b'); SAVEPOINT t")
    db.execute("INSERT INTO issues (title) VALUES ('c')")
    said = db.query(command).notices
    assert len(said) == 1, said
    assert "3 changes" in said[0]
    db.execute("ROLLBACK")


def test_a_savepoint_is_told_of_by_itself(db: Database) -> None:
    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (issues) FROM SERVER bitbucket INTO public'
    )
    db.execute("BEGIN; INSERT INTO issues (title) VALUES ('a'); SAVEPOINT s")
    db.execute("INSERT INTO issues (title) VALUES ('b')")
    assert len(db.query("ROLLBACK TO s").notices) == 1
    assert len(db.query("ROLLBACK").notices) == 1
