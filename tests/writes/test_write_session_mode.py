"""The mode that a session chooses, and what its queries see of changes that wait."""

import pytest
from devkit.tree import BUNDLED

from tests.writes.writing import R, document, documents, insert

ISSUES = f"{R}/issues"
CHOOSE = "SET bitbucket_fdw.write_mode = {}"


@pytest.fixture
def chosen(session_in):
    """A session on a server of mode ``immediate`` that has chosen ``commit``."""
    session = session_in("website")
    session.run(CHOOSE.format("commit"))
    return session


# --- choosing ---


@pytest.mark.parametrize("value", ["commit", "'commit'", "'COMMIT'"])
def test_a_session_can_have_its_changes_wait(sql, emulator, value):
    sql.run(CHOOSE.format(value))
    sql.run("BEGIN")
    assert sql.run(insert("one")).sent == []
    assert sql.run("ROLLBACK").notices == []
    assert len(sql.run(insert("two")).sent) == 1


def test_or_have_them_sent_at_once(queued):
    queued.run(CHOOSE.format("immediate"))
    queued.run("BEGIN")
    assert len(queued.run(insert("one")).sent) == 1
    assert len(queued.run("ROLLBACK").warnings) == 1


@pytest.mark.parametrize(
    "back", ["RESET bitbucket_fdw.write_mode", CHOOSE.format("DEFAULT"), CHOOSE.format("''")]
)
def test_a_choice_can_be_taken_back(chosen, back):
    chosen.run(back)
    chosen.run("BEGIN")
    assert len(chosen.run(insert("one")).sent) == 1
    chosen.run("ROLLBACK")


def test_a_choice_for_a_transaction_ends_with_it(sql):
    sql.run("BEGIN")
    sql.run("SET LOCAL bitbucket_fdw.write_mode = 'commit'")
    assert sql.run(insert("one")).sent == []
    assert len(sql.run("COMMIT").sent) == 1
    sql.run("BEGIN")
    assert len(sql.run(insert("two")).sent) == 1
    sql.run("ROLLBACK")


def test_a_value_that_is_none_is_an_error_where_it_matters(sql):
    sql.run(CHOOSE.format("'later'"))
    assert sql.value("SELECT count(*) FROM issues") > 0
    for statement in (insert("one"), "UPDATE issues SET title = 'x' WHERE id = 1"):
        with sql.failing("22023", match='invalid value "later" for the setting') as failed:
            sql.run(statement)
        assert "immediate, commit" in failed.message
        assert "RESET bitbucket_fdw.write_mode" in failed.hint
        assert failed.done.sent == []


def test_a_transaction_in_which_something_waits_stays_so(chosen):
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET title = 'a' WHERE id = 1")
    chosen.run(CHOOSE.format("immediate"))
    assert chosen.run("UPDATE issues SET title = title || 'b' WHERE id = 1").sent == []
    done = chosen.run("COMMIT")
    assert [body["title"] for _, _, body in done.sent] == ["a", "ab"]
    chosen.run("BEGIN")
    assert len(chosen.run("UPDATE issues SET title = 'c' WHERE id = 1").sent) == 1
    chosen.run("ROLLBACK")


def test_a_session_can_have_its_changes_taken_back(sql, emulator):
    before = document(emulator, "issues", 1)["title"]
    sql.run("SET bitbucket_fdw.on_rollback = 'undo'")
    sql.run("BEGIN")
    sql.run("UPDATE issues SET title = 'x' WHERE id = 1")
    assert sql.run("ROLLBACK").notices == []
    assert document(emulator, "issues", 1)["title"] == before


# --- seeing what waits ---


def test_a_row_is_read_back_as_it_will_be(chosen, emulator):
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET title = 'new', kind = 'task' WHERE id = 2")
    for where in (
        "id = 2",
        "title = 'new'",
        "id IN (2, 3) AND title = 'new'",
        "md5(title) = md5('new')",
    ):
        found = chosen.run(f"SELECT id, title, kind FROM issues WHERE {where}").rows
        assert found == [(2, "new", "task")], where
    old = document(emulator, "issues", 2)["title"]
    assert chosen.run("SELECT id FROM issues WHERE id = 2 AND title = %s", (old,)).rows == []
    chosen.run("ROLLBACK")
    assert chosen.value("SELECT title FROM issues WHERE id = 2") == old


def test_every_plan_sees_the_same(chosen, emulator):
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET kind = 'task' WHERE id IN (1, 2)")
    chosen.run("DELETE FROM issues WHERE id = 3")
    expected = {
        issue["id"]: "task" if issue["id"] in (1, 2) else issue["kind"]
        for issue in documents(emulator, "issues")
        if issue["id"] != 3
    }
    tasks = sorted(number for number, kind in expected.items() if kind == "task")
    assert chosen.value("SELECT count(*) FROM issues") == len(expected)
    assert chosen.value("SELECT count(*) FROM issues WHERE kind = 'task'") == len(tasks)
    found = chosen.run("SELECT id FROM issues WHERE kind = 'task' ORDER BY id LIMIT 2 OFFSET 1")
    assert [row[0] for row in found.rows] == tasks[1:3]
    found = chosen.run("SELECT id FROM issues ORDER BY id LIMIT 3")
    assert [row[0] for row in found.rows] == sorted(expected)[:3]
    found = chosen.run(
        "SELECT v.id, i.kind FROM (VALUES (1), (2), (3), (4)) v (id) LEFT JOIN issues i "
        "ON i.id = v.id ORDER BY v.id"
    )
    assert found.rows == [(1, "task"), (2, "task"), (3, None), (4, expected[4])]
    assert chosen.value("SELECT EXISTS (SELECT FROM issues WHERE id = 3)") is False
    chosen.run("ROLLBACK")
    assert chosen.value("SELECT count(*) FROM issues") == len(expected) + 1


def test_conditions_on_what_is_not_touched_are_still_sent(chosen):
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET title = 'x' WHERE id = 1")
    done = chosen.run("SELECT id FROM issues WHERE kind = 'bug' AND title = 'x'")
    assert ["kind" in request.query for request in done.requests] == [True] * len(done.requests)
    assert not any("title+%3D" in request.query for request in done.requests)
    chosen.run("ROLLBACK")


def test_a_savepoints_changes_are_seen_until_it_is_rolled_back(chosen):
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET title = 'a' WHERE id = 1")
    chosen.run("SAVEPOINT s")
    chosen.run("UPDATE issues SET title = 'b' WHERE id = 1")
    assert chosen.value("SELECT title FROM issues WHERE id = 1") == "b"
    chosen.run("ROLLBACK TO s")
    assert chosen.value("SELECT title FROM issues WHERE id = 1") == "a"
    chosen.run("ROLLBACK")


def test_another_session_sees_nothing_of_it(chosen, session_in, emulator):
    other = session_in("website")
    before = document(emulator, "issues", 1)["title"]
    chosen.run("BEGIN")
    chosen.run("UPDATE issues SET title = 'mine' WHERE id = 1")
    assert other.value("SELECT title FROM issues WHERE id = 1") == before
    chosen.run("ROLLBACK")


# --- RETURNING ---


def test_what_is_known_is_returned(chosen, host):
    if host != BUNDLED:
        pytest.skip("Multicorn2 does not tell which columns RETURNING names")
    chosen.run("BEGIN")
    done = chosen.run("UPDATE issues SET title = 'x' WHERE id = 2 RETURNING id, title, repository")
    assert done.row == (2, "x", "website")
    number = chosen.value("UPDATE issues SET kind = 'task' WHERE id = 2 RETURNING ctid")
    assert chosen.run("SELECT id FROM issues WHERE ctid = %s", (number,)).row == (2,)
    assert chosen.run("DELETE FROM issues WHERE id = 2 RETURNING title").row == ("x",)
    assert chosen.run("ROLLBACK").sent == []


@pytest.mark.parametrize(
    "clause", ["updated_on", "id, content_html", "issues", "*", "assignee_account_id"]
)
def test_what_bitbucket_has_yet_to_make_is_not(chosen, clause):
    with chosen.failing("0A000", match="RETURNING.* cannot be answered before COMMIT") as failed:
        chosen.run(f"UPDATE issues SET title = 'x' WHERE id = 2 RETURNING {clause}")
    assert failed.done.sent == []
