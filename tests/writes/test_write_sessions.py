"""Several sessions at once, and sessions that end while they write."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from devkit.tree import BUNDLED

from tests.writes.writing import R, document, documents, once_sent

ISSUES = f"{R}/issues"


def logged(cluster, since):
    """What the server has logged from an offset on."""
    return cluster.log.read_bytes()[since:].decode("utf-8", "replace")


def eventually(condition):
    """Wait until something holds that another process has to do."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def end(session, db, emulator):
    """End a session by force while its UPDATE of issue 1 is under way."""

    def terminate():
        db.execute(f"SELECT pg_terminate_backend({session.pid})")

    # Multicorn2 reports the cancelled statement first, and ends after that.
    with once_sent(emulator, "PUT", terminate), pytest.raises(psycopg.Error):
        session.run("UPDATE issues SET title = 'x' WHERE id = 1")
    with pytest.raises(psycopg.OperationalError):
        session.connection.execute("SELECT 1")


def test_two_sessions_do_not_see_each_others_journal(session_in, emulator):
    one, two = session_in("undone"), session_in("undone")
    one.run("BEGIN")
    two.run("BEGIN")
    one.run("INSERT INTO issues (title) VALUES ('one')")
    two.run("INSERT INTO issues (title) VALUES ('two')")
    one.run("ROLLBACK")
    two.run("COMMIT")
    titles = {issue["title"] for issue in documents(emulator, "issues")}
    assert "two" in titles
    assert "one" not in titles


def test_two_sessions_change_the_same_row(session_in, emulator):
    one, two = session_in("website"), session_in("website")
    one.run("BEGIN")
    one.run("UPDATE issues SET title = 'one' WHERE id = 1")
    # No lock: there are none at Bitbucket. Different columns do not overwrite each other.
    two.run("UPDATE issues SET kind = 'task' WHERE id = 1")
    one.run("COMMIT")
    issue = document(emulator, "issues", 1)
    assert (issue["title"], issue["kind"]) == ("one", "task")


def test_a_row_that_another_session_has_deleted(session_in):
    one, two = session_in("website"), session_in("queued")
    two.run("BEGIN")
    two.run("UPDATE issues SET title = 'x' WHERE id = 1")
    one.run("DELETE FROM issues WHERE id = 1")
    with two.failing("HV00R", match="PUT .*/issues/1 was answered 404"):
        two.run("COMMIT")


def test_threads_of_sessions_write_at_once(session_in, emulator):
    sessions = [session_in(schema) for schema in ("website", "undone", "queued", "acme") * 2]
    before = len(documents(emulator, "issues"))

    def work(number):
        session = sessions[number]
        for turn in range(5):
            place = ("repository, ", "'website', ") if session.schema == "acme" else ("", "")
            session.connection.execute("BEGIN")
            session.connection.execute(
                f"INSERT INTO issues ({place[0]}title) VALUES ({place[1]}'{number}.{turn}')"
            )
            session.connection.execute(
                f"UPDATE issues SET component = 'UI' WHERE title = '{number}.{turn}'"
                + (" AND repository = 'website'" if place[0] else "")
            )
            session.connection.execute("COMMIT" if turn % 2 == 0 else "ROLLBACK")

    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(work, range(len(sessions))))
    found = {issue["title"]: issue for issue in documents(emulator, "issues")[before:]}
    expected = {
        f"{number}.{turn}"
        for number, session in enumerate(sessions)
        for turn in range(5)
        if turn % 2 == 0 or session.schema in ("website", "acme")
    }
    assert set(found) == expected
    # A queued change does not see the row that the same transaction inserts.
    assert {title for title, issue in found.items() if issue["component"] is None} == {
        title for title in expected if sessions[int(title[0])].schema == "queued"
    }


def test_a_session_that_is_ended_while_it_writes_leaves_a_note_in_the_log(
    session_in, writes_db, emulator, postgres
):
    sql = session_in("website")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('sent')")
    emulator.fault("*/issues/1", method="PUT", kind="slow", delay_ms=60_000)
    begin = postgres.log.stat().st_size
    end(sql, writes_db, emulator)
    assert eventually(lambda: "2 changes stay at Bitbucket" in logged(postgres, begin))
    unknown = f"2. issues: PUT {ISSUES}/1 (it is not known"
    assert eventually(lambda: unknown in logged(postgres, begin))
    assert "was terminated by signal" not in logged(postgres, begin)
    other = session_in("website")
    assert other.run("SELECT id FROM issues WHERE id = 1").rows == [(1,)]


def test_a_session_that_is_ended_takes_back_what_it_can(session_in, writes_db, emulator, postgres):
    sql = session_in("undone")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('sent')")
    emulator.fault("*/issues/1", method="PUT", kind="slow", delay_ms=60_000)
    end(sql, writes_db, emulator)
    assert eventually(lambda: document(emulator, "issues", 46) is None)


def test_a_client_that_goes_away_in_a_transaction_rolls_back(session_in, emulator):
    sql = session_in("undone")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('sent')")
    sql.connection.close()
    assert eventually(lambda: document(emulator, "issues", 46) is None)


def test_a_cancel_from_another_session(session_in, writes_db, emulator):
    sql = session_in("website")
    emulator.fault("*/issues/1", method="DELETE", kind="slow", delay_ms=60_000)

    def cancel():
        writes_db.execute(f"SELECT pg_cancel_backend({sql.pid})")

    with once_sent(emulator, "DELETE", cancel), sql.failing("57014") as failed:
        sql.run("DELETE FROM issues WHERE id = 1")
    assert failed.done.stays == [
        f"issues: DELETE {ISSUES}/1 (it is not known whether it was applied)"
    ]


def test_a_cancel_in_the_middle_of_many_rows(session_in, writes_db, emulator):
    sql = session_in("website")
    emulator.fault("*/issues", method="POST", kind="slow", delay_ms=60_000, after=3)

    def cancel():
        eventually(lambda: sum(r.method == "POST" for r in emulator.requests()) == 4)
        writes_db.execute(f"SELECT pg_cancel_backend({sql.pid})")

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with sql.failing("57014") as failed:
            sql.run("INSERT INTO issues (title) SELECT 't' FROM generate_series(1, 9)")
    finally:
        thread.join()
    assert failed.done.stays == [
        *(f"issues: POST {ISSUES} ({number})" for number in (46, 47, 48)),
        f"issues: POST {ISSUES} (it is not known whether it was applied)",
    ]


# --- two-phase commit ---


@pytest.fixture
def prepared(writes_db):
    """Whatever is left prepared is rolled back."""
    yield
    for name in writes_db.column("SELECT gid FROM pg_prepared_xacts"):
        writes_db.execute(f"ROLLBACK PREPARED '{name}'")


@pytest.mark.parametrize("mode", ["website", "undone", "queued"])
def test_a_transaction_that_has_written_cannot_be_prepared(
    session_in, prepared, emulator, host, mode
):
    if host != BUNDLED:
        pytest.skip("Multicorn2 3.2 lets it be prepared")
    sql = session_in(mode)
    before = len(documents(emulator, "issues"))
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('t')")
    with sql.failing("0A000", match="cannot PREPARE") as failed:
        sql.run("PREPARE TRANSACTION 'p'")
    stays = [f"issues: POST {ISSUES} (46)"] if mode == "website" else []
    assert failed.done.stays == stays
    # The session goes on, and nothing of the transaction is left in it.
    done = sql.run("UPDATE issues SET title = 'x' WHERE id = 1")
    assert [method for method, _, _ in done.sent] == ["PUT"]
    assert len(documents(emulator, "issues")) == before + len(stays)


@pytest.mark.parametrize("end", ["COMMIT PREPARED 'p'", "ROLLBACK PREPARED 'p'"])
def test_what_waited_for_a_prepared_transaction_is_not_sent_by_another(
    session_in, prepared, emulator, host, end
):
    if host == BUNDLED:
        pytest.skip("the bundled host refuses to prepare it")
    sql = session_in("queued")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('t')")
    assert sql.run("PREPARE TRANSACTION 'p'").sent == []
    with sql.doing() as done:
        sql.run(end)
        sql.run("UPDATE issues SET title = 'x' WHERE id = 1")
    assert [method for method, _, _ in done.sent] == ["PUT"]
    assert done.warnings == ["1 change of a prepared transaction will never be sent"]
    assert done.stays == [f"issues: POST {ISSUES}"]


def test_a_rollback_does_not_take_back_a_prepared_transaction(session_in, prepared, emulator, host):
    if host == BUNDLED:
        pytest.skip("the bundled host refuses to prepare it")
    sql = session_in("undone")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('t')")
    sql.run("PREPARE TRANSACTION 'p'")
    sql.run("COMMIT PREPARED 'p'")
    sql.run("BEGIN")
    sql.run("INSERT INTO issues (title) VALUES ('u')")
    assert sql.run("ROLLBACK").sent == [("DELETE", f"{ISSUES}/47", None)]


def test_a_transaction_that_has_only_read_can_be_prepared(session_in, prepared):
    sql = session_in("website")
    sql.run("BEGIN")
    sql.run("SELECT count(*) FROM issues")
    sql.run("PREPARE TRANSACTION 'p'")
    sql.run("COMMIT PREPARED 'p'")
    assert len(sql.run("INSERT INTO issues (title) VALUES ('t')").sent) == 1
