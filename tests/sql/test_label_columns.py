"""bitbucket.label_columns: labels of result columns from a session's first query on."""

import pytest
from devkit.tree import BUNDLED

QUERY = "SELECT id, title FROM labelled LIMIT 0"


@pytest.fixture
def names(db):
    """The columns' names that a session gets for the query, after some statements."""
    db.execute(
        "CREATE FOREIGN TABLE labelled (id bigint OPTIONS (label 'Id'),"
        " title text OPTIONS (label 'Title')) SERVER bitbucket"
        " OPTIONS (table 'issues', workspace 'acme', repository 'website');"
        "GRANT SELECT ON labelled TO PUBLIC"
    )

    def ask(*statements):
        db.notices.clear()
        with db.connect() as connection:
            answers = [connection.execute(s).fetchone()[0] for s in statements]
            return answers, [c.name for c in connection.execute(QUERY).description]

    return ask


def test_a_sessions_first_query_has_labels(db, names, host):
    answers, found = names("SELECT bitbucket.label_columns()")
    assert answers == [host == BUNDLED]
    if host == BUNDLED:
        assert found == ["Id", "Title"]
        assert db.notices == []
    else:
        assert found == ["id", "title"]
        assert db.notices == ["WARNING: result columns have no labels on Multicorn2"]


def test_labels_are_turned_off(db, names):
    on, off = "SELECT bitbucket.label_columns()", "SELECT bitbucket.label_columns(false)"
    answers, found = names(on, off)
    assert (answers[1], found) == (False, ["id", "title"])


def test_nothing_depends_on_the_schema_of_the_host(db, names, host):
    db.execute("CREATE SCHEMA elsewhere; ALTER EXTENSION multicorn SET SCHEMA elsewhere")
    assert names("SELECT bitbucket.label_columns()")[0] == [host == BUNDLED]
