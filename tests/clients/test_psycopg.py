"""psycopg, Python's PostgreSQL driver: types both ways, prepared statements, cursors, COPY."""

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from psycopg import Error


@pytest.fixture
def connection(db):
    db.execute("CREATE SCHEMA website")
    db.execute('IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO website')
    with db.connect() as connection:
        db.emulator.clear()
        yield connection


@pytest.fixture
def seen(db):
    """A pull request as Bitbucket has it, whose author still has an account."""
    state = db.emulator.call("GET", "state?collection=pull_requests&repository=acme/website")
    documents = (row["document"] for row in state["pull_requests"])
    return next(d for d in documents if d["author"] and "uuid" in d["author"] and d["reviewers"])


def requests(db):
    return [request.path for request in db.emulator.requests()]


@pytest.mark.parametrize("binary", [False, True])
def test_values_arrive_as_python_types(connection, seen, binary):
    cursor = connection.cursor(binary=binary)
    cursor.execute(
        "SELECT id, title, draft, author_uuid, created_on, reviewers, reason "
        "FROM website.pull_requests WHERE id = %s",
        (seen["id"],),
    )
    [row] = cursor
    assert row == (
        seen["id"],
        seen["title"],
        seen["draft"],
        uuid.UUID(seen["author"]["uuid"]),
        datetime.fromisoformat(seen["created_on"]),
        seen["reviewers"],
        seen["reason"],
    )


@pytest.mark.parametrize("prepare", [False, True])
def test_parameters_travel_to_bitbucket(db, connection, seen, prepare):
    conditions = {
        "id = %s": seen["id"],
        "id = ANY(%s)": [seen["id"], 2],
        "author_uuid = %s": uuid.UUID(seen["author"]["uuid"]),
        "created_on <= %s": datetime.fromisoformat(seen["created_on"]),
        "state = %s": seen["state"],
        "title = %s": seen["title"],
    }
    for condition, value in conditions.items():
        db.emulator.clear()
        statement = f"SELECT id FROM website.pull_requests WHERE {condition}"
        for _ in range(2):
            found = connection.execute(statement, (value,), prepare=prepare).fetchall()
            assert (seen["id"],) in found, condition
        for request in db.emulator.requests():
            item = request.path.endswith(f"/{seen['id']}")
            assert item or "q=" in request.query, condition


def test_a_null_parameter_matches_nothing(connection):
    found = connection.execute(
        "SELECT id FROM website.issues WHERE assignee_uuid = %s", (None,)
    ).fetchall()
    assert found == []


def test_a_session_in_another_time_zone_sees_the_same_instants(db, connection):
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    [[created]] = connection.execute("SELECT created_on FROM website.issues WHERE id = 1")
    assert created.utcoffset() == timedelta(hours=9)
    found = connection.execute(
        "SELECT id FROM website.issues WHERE created_on = %s", (created.astimezone(timezone.utc),)
    ).fetchall()
    assert (1,) in found


def test_a_server_side_cursor_reads_page_by_page(db, connection):
    with connection.transaction(), connection.cursor("rows") as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT id FROM website.pull_requests")
        first = [next(cursor) for _ in range(10)]
        assert len(set(first)) == 10
        assert len(requests(db)) == 1
        rest = list(cursor)
    assert len(set(first + rest)) == len(first) + len(rest)
    assert len(requests(db)) > 1


def test_copy_streams_rows_out(db, connection):
    with connection.cursor().copy("COPY (SELECT id FROM website.issues) TO STDOUT") as copy:
        copied = {int(row[0]) for row in copy.rows()}
    assert copied == {number for (number,) in db.rows("SELECT id FROM website.issues")}


def test_an_error_leaves_the_session_usable(db, connection, host):
    db.emulator.fault("*/refs/tags*", kind="status", status=403, count=1)
    with pytest.raises(Error) as failed:
        connection.execute("SELECT * FROM website.tags")
    assert "403" in failed.value.diag.message_primary
    assert failed.value.diag.message_hint
    # Multicorn2 has no way to pass on an SQLSTATE.
    assert failed.value.sqlstate == {"bundled": "42501", "multicorn2": "XX000"}[host]
    assert connection.execute("SELECT id FROM website.issues WHERE id = 1").fetchall() == [(1,)]
