"""Rows without the parts of their keys that Bitbucket makes, although these are NOT NULL."""

import pytest
from devkit.tree import BUNDLED

TITLES = "SELECT title FROM issues WHERE title LIKE 'without %' ORDER BY title"
NOT_NULL = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = 'issues'::regclass AND attnotnull AND attnum > 0 ORDER BY 1
"""


@pytest.fixture(autouse=True)
def imported(sql):
    """The tables are as an import makes them."""
    assert sql.run(NOT_NULL).rows == [("id",), ("repository",), ("workspace",)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO issues (title) VALUES ('without a number')",
        "INSERT INTO issues (id, repository, title) VALUES (DEFAULT, NULL, 'without a number')",
        "INSERT INTO issues (title) SELECT 'without a number'",
        "WITH made AS (INSERT INTO issues (title) VALUES ('without a number') RETURNING id) "
        "SELECT id FROM made",
    ],
)
def test_insert(sql, statement):
    sql.run(statement)
    assert sql.run(TITLES).rows == [("without a number",)]


def test_rows_are_returned_with_the_key_that_bitbucket_made(sql):
    made = sql.run("INSERT INTO issues (title) VALUES ('without a number') RETURNING *").rows
    assert made == sql.run("SELECT * FROM issues WHERE title = 'without a number'").rows


def test_copy(sql, host):
    if host != BUNDLED:
        pytest.skip("COPY FROM to a foreign table crashes the server on Multicorn2 3.2")
    with sql.connection.cursor() as cursor, cursor.copy("COPY issues (title) FROM STDIN") as rows:
        rows.write_row(("without a number",))
    assert sql.run(TITLES).rows == [("without a number",)]


def test_a_partition(sql, writes_db, host):
    if host != BUNDLED:
        pytest.skip("rows that are routed to a foreign partition crash Multicorn2 3.2")
    writes_db.execute(
        """
        CREATE TABLE public.parted (id bigint, title text, kind text) PARTITION BY LIST (kind);
        CREATE FOREIGN TABLE public.tasks (id bigint NOT NULL, title text, kind text)
            SERVER bitbucket OPTIONS ("table" 'issues', workspace 'acme', repository 'website');
        ALTER TABLE public.parted ATTACH PARTITION public.tasks FOR VALUES IN ('task');
        """
    )
    try:
        sql.run("INSERT INTO public.parted (title, kind) VALUES ('without a number', 'task')")
        assert sql.run(TITLES).rows == [("without a number",)]
    finally:
        writes_db.execute("DROP TABLE public.parted")
