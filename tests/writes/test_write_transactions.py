"""COMMIT, ROLLBACK and savepoints, in every way of writing alike."""

import pytest

from tests.writes.writing import R, insert, titles

ISSUES = f"{R}/issues"
STAYS = "1 change stays at Bitbucket although the transaction was rolled back"


@pytest.fixture(params=["website", "undone", "queued"])
def any_mode(request, session_in):
    """A session in each of the three modes."""
    return session_in(request.param)


# --- all modes alike ---


def test_a_commit_keeps_everything_in_order(any_mode, emulator):
    with any_mode.doing() as done:
        any_mode.run("BEGIN")
        any_mode.run(insert("one"))
        any_mode.run("UPDATE issues SET title = 'two' WHERE id = 1")
        any_mode.run("DELETE FROM issues WHERE id = 2")
        any_mode.run("UPDATE issues SET title = 'three' WHERE id = 1")
        any_mode.run("COMMIT")
    assert done.sent == [
        ("POST", ISSUES, {"title": "one"}),
        ("PUT", f"{ISSUES}/1", {"title": "two"}),
        ("DELETE", f"{ISSUES}/2", None),
        ("PUT", f"{ISSUES}/1", {"title": "three"}),
    ]
    assert done.notices == []
    assert titles(emulator)[1] == "three"


def test_one_statement_is_a_transaction(any_mode, emulator):
    done = any_mode.run(insert("one"))
    assert done.sent == [("POST", ISSUES, {"title": "one"})]
    assert done.notices == []


def test_a_change_back_to_what_it_was_is_a_change(any_mode, emulator):
    before = titles(emulator)[1]
    any_mode.run("BEGIN")
    any_mode.run("UPDATE issues SET title = 'other' WHERE id = 1")
    any_mode.run("UPDATE issues SET title = %s WHERE id = 1", (before,))
    any_mode.run("COMMIT")
    assert titles(emulator)[1] == before


def test_released_savepoints_belong_to_the_transaction(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run("SAVEPOINT a")
    any_mode.run(insert("one"))
    any_mode.run("SAVEPOINT b")
    any_mode.run(insert("two"))
    any_mode.run("RELEASE a")
    done = any_mode.run("COMMIT")
    assert done.notices == []
    assert {"one", "two"} <= set(titles(emulator).values())


def test_what_was_read_before_a_rollback_to_a_savepoint_is_not_believed(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run("SAVEPOINT a")
    any_mode.run("UPDATE issues SET title = 'x', kind = 'task' WHERE id = 1")
    any_mode.run("ROLLBACK TO a")
    any_mode.run("UPDATE issues SET title = 'y' WHERE id = 1")
    any_mode.run("COMMIT")
    assert titles(emulator)[1] == "y"


def test_an_error_in_between_ends_the_transaction(any_mode):
    any_mode.run("BEGIN")
    any_mode.run(insert("one"))
    with any_mode.failing("22012"):
        any_mode.run("SELECT 1 / 0")
    with any_mode.failing("25P02"):
        any_mode.run(insert("two"))
    assert any_mode.run("COMMIT").sent == []  # a ROLLBACK, as PostgreSQL has it
    assert len(any_mode.run(insert("three")).sent) == 1


def test_other_ways_to_end_a_transaction(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run(insert("one"))
    any_mode.run("COMMIT AND CHAIN")
    any_mode.run(insert("two"))
    any_mode.run("ROLLBACK AND CHAIN")
    any_mode.run(insert("three"))
    any_mode.run("END")
    found = set(titles(emulator).values())
    assert {"one", "three"} <= found
    assert ("two" in found) == (any_mode.schema == "website")


# --- PL/pgSQL ---


BLOCK = """
DO $do$
BEGIN
    INSERT INTO issues (title) VALUES ('kept');
    BEGIN
        INSERT INTO issues (title) VALUES ('lost');
        INSERT INTO issues (title, kind) VALUES ('bad', 'epic');
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO issues (title) VALUES ('handled');
    END;
END $do$
"""


def test_an_exception_block_is_a_savepoint(any_mode, emulator):
    done = any_mode.run(BLOCK)
    found = [title for title in titles(emulator).values() if title in ("kept", "lost", "handled")]
    if any_mode.schema == "website":
        assert found == ["kept", "lost", "handled"]
        assert done.warnings == [STAYS]
    else:
        assert found == ["kept", "handled"]
        assert done.warnings == []


def test_the_error_reaches_the_handler(sql, writes_db):
    writes_db.execute(
        """
        CREATE OR REPLACE FUNCTION public.try(OUT state text, OUT message text, OUT detail text)
        LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO website.issues (title, component) VALUES ('t', 'no such');
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL;
        END $$
        """
    )
    state, message, detail = sql.run("SELECT * FROM public.try()").row
    assert "was answered 400" in message
    assert "does not exist" in detail
    if sql.exact:
        assert state == "HV000"


def test_a_procedure_may_commit(any_mode, writes_db, emulator):
    writes_db.execute(
        f"""
        CREATE OR REPLACE PROCEDURE {any_mode.schema}.steps() LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('one');
            COMMIT;
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('two');
            ROLLBACK;
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('three');
        END $$
        """
    )
    any_mode.run(f"CALL {any_mode.schema}.steps()")
    found = set(titles(emulator).values())
    assert {"one", "three"} <= found
    assert ("two" in found) == (any_mode.schema == "website")


# --- two ways of writing in one transaction ---


def test_servers_with_different_modes_in_one_transaction(sql, emulator):
    sql.run("BEGIN")
    sql.run("INSERT INTO website.issues (title) VALUES ('stays')")
    sql.run("INSERT INTO undone.issues (title) VALUES ('undone')")
    sql.run("INSERT INTO queued.issues (title) VALUES ('dropped')")
    done = sql.run("ROLLBACK")
    assert done.stays == [f"issues: POST {ISSUES} (46)"]
    assert done.warnings == [f"{STAYS}; 1 taken back"]
    found = set(titles(emulator).values())
    assert "stays" in found
    assert not found & {"undone", "dropped"}
