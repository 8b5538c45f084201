"""Changes that Bitbucket applied and answered in a way that says nothing of the row."""

import pytest

from tests.writes.changes import every_change
from tests.writes.writing import once_sent

CHANGES = [change for change in every_change() if change.method != "DELETE"]
DELETIONS = [change for change in every_change() if change.method == "DELETE"]
ANSWERS = {
    "200 empty": {"status": 200, "form": "empty"},
    "201 empty": {"status": 201, "form": "empty"},
    "204": {"status": 204, "form": "empty"},
    "{}": {"status": 200, "body": {}},
    "[]": {"status": 200, "body": []},
    "null": {"status": 200, "form": "text"},
    "html": {"status": 200, "form": "html"},
    "error": {"status": 200, "body": {"type": "error", "error": {"message": "?"}}},
    "no key": {"status": 200, "body": {"title": "t", "content": {"raw": "x"}}},
    "key null": {"status": 200, "body": {"id": None, "name": None, "key": None, "user": None}},
}
UNKNOWN = "(it is not known whether it was applied)"


def odd(emulator, change, answer):
    """Answer the change oddly. Whether it was carried out cannot be seen from here."""
    emulator.clear_faults()
    emulator.fault("*", kind="status", method=change.method, count=None, **ANSWERS[answer])


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_was_answered_oddly_is_unknown_and_listed(session_in, emulator, change):
    sql = session_in("hasty, acme_hasty")
    change.prepare(sql)
    for answer in ANSWERS:
        odd(emulator, change, answer)
        with sql.failing("08007", match="not known") as failed:
            sql.run(change.statement())
        assert failed.message.startswith(change.table.name), answer
        assert "SELECT the row" in failed.hint
        assert failed.done.warnings == [
            "1 change stays at Bitbucket although the transaction was rolled back"
        ], answer
        [stays] = failed.done.stays
        assert stays.startswith(f"{change.table.name}: {change.method} /")
        assert stays.endswith(UNKNOWN)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_so_it_is_with_undo_and_at_commit(session_in, emulator, change):
    for schema in ("undone, acme_undone", "queued, acme_queued"):
        sql = session_in(schema)
        emulator.reset()
        change.prepare(sql)
        odd(emulator, change, "{}")
        sql.run("BEGIN")
        with sql.failing("08007", match="not known") as failed:
            sql.run(change.statement())
            sql.run("COMMIT")
        done = sql.run("ROLLBACK")
        told = "; ".join((failed.detail, *failed.done.stays, *done.stays))
        assert UNKNOWN in told, schema
        assert f"{change.table.name}: {change.method} /" in told


@pytest.mark.parametrize("change", DELETIONS, ids=str)
def test_a_deletion_needs_no_row_in_its_answer(session_in, emulator, change):
    sql = session_in("hasty, acme_hasty")
    change.prepare(sql)
    for answer in ("200 empty", "204", "{}", "[]", "error"):
        odd(emulator, change, answer)
        done = sql.run(change.statement())
        assert [method for method, _, _ in done.sent] == ["DELETE"], answer
        assert done.warnings == []


def test_an_answer_about_another_row_is_odd_too(sql, emulator):
    emulator.fault("*/issues/3", kind="status", method="PUT", status=200, body={"id": 4})
    with sql.failing("08007", match="not known what PUT"):
        sql.run("UPDATE issues SET title = 't' WHERE id = 3")


# --- what was never sent, and what was refused ---


@pytest.mark.parametrize("change", every_change(), ids=str)
def test_what_was_refused_does_not_stay(session_in, emulator, change):
    sql = session_in("hasty, acme_hasty")
    change.prepare(sql)
    for status in (400, 401, 403, 429):
        emulator.clear_faults()
        at_once = {"retry_after": 0} if status == 429 else {}
        emulator.fault(
            "*", kind="status", method=change.method, status=status, count=None, **at_once
        )
        with sql.failing(match=f"was answered {status}") as failed:
            sql.run(change.statement())
        assert failed.done.notices == [], status


def test_what_never_left_this_machine_does_not_stay(writes_db, sql):
    """Nothing listens there, or the credential cannot be read."""
    for name, base, token in (
        ("nobody", "http://127.0.0.1:9/2.0", "t"),
        ("unsigned", None, "file:there-is-none"),
    ):
        options = {"retry_limit": "0", **({"base_url": base} if base else {})}
        credential = {"auth": "access_token", "token": token}
        writes_db.execute(f"DROP SERVER IF EXISTS {name} CASCADE")
        writes_db.create_server(name, credentials=credential, **options)
        writes_db.execute(
            f"CREATE FOREIGN TABLE public.{name} (id bigint, title text) SERVER {name} "
            "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
        )
        with sql.failing() as failed:
            sql.run(f"INSERT INTO public.{name} (title) VALUES ('t')")
        assert failed.done.notices == [], name
        writes_db.execute(f"DROP SERVER {name} CASCADE")


@pytest.mark.parametrize("change", every_change(), ids=str)
def test_a_cancel_before_it_was_sent_leaves_nothing(session_in, emulator, change):
    """It waits for Bitbucket's limit to end: that attempt was refused, the next never came."""
    sql = session_in("website, acme")
    change.prepare(sql)
    emulator.fault("*", kind="status", method=change.method, status=429, retry_after=60, count=None)
    with (
        once_sent(emulator, change.method, sql.connection.cancel),
        sql.failing("57014") as failed,
    ):
        sql.run(change.statement())
    assert failed.done.notices == []
