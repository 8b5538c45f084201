"""Errors and messages of wrappers, and interrupts, in every hook."""

import threading

import psycopg
import pytest
from cluster import Session

# A statement that reaches each hook.
STATEMENTS = {
    "init": "SELECT * FROM {}",
    "begin": "SELECT * FROM {}",
    "get_rel_size": "SELECT * FROM {}",
    "get_path_keys": "SELECT * FROM {0} a JOIN {0} b USING (id)",
    "can_sort": "SELECT * FROM {} ORDER BY id",
    "can_limit": "SELECT * FROM {} LIMIT 1",
    "after_execute": "SELECT * FROM {}",
    "iterate": "SELECT * FROM {}",
    "explain": "EXPLAIN SELECT * FROM {}",
    "end_scan": "SELECT * FROM {}",
    "rowid_column": "DELETE FROM {}",
    "modify_batch_size": "INSERT INTO {} VALUES (1)",
    "insert": "INSERT INTO {} VALUES (1)",
    "bulk_insert": "INSERT INTO {} VALUES (1), (2)",
    "update": "UPDATE {} SET name = 'x'",
    "delete": "DELETE FROM {}",
    "end_modify": "DELETE FROM {}",
    "pre_commit": "SELECT * FROM {}",
    "sub_begin": "DO $$ BEGIN PERFORM * FROM {}; EXCEPTION WHEN no_data_found THEN END $$",
    "sub_commit": "DO $$ BEGIN PERFORM * FROM {}; EXCEPTION WHEN no_data_found THEN END $$",
}
LATE = {
    "commit": "SELECT * FROM {}",
    "rollback": "SELECT 1 / (id - 1) FROM {}",
    "sub_rollback": (
        "DO $$ BEGIN PERFORM 1 / (id - 1) FROM {};"
        " EXCEPTION WHEN division_by_zero THEN NULL; END $$"
    ),
}


def failing_table(session: Session, hook: str, **options: str) -> str:
    batch = {"batch": "10"} if hook == "bulk_insert" else {}
    return session.table(
        "id int, name text", rows="[(1, 'a'), (2, 'b')]", noted="1", **batch, **options
    )


@pytest.mark.parametrize("hook", STATEMENTS)
def test_error_in_every_hook(session: Session, hook: str) -> None:
    table = failing_table(session, hook, fail=hook)
    for _ in range(3):
        error = session.error(STATEMENTS[hook].format(table))
        assert error.message_primary == "Error in python: ValueError"
        assert error.message_detail == f"failed in {hook}"
        if session.cluster.host == "bundled":
            assert error.sqlstate == "HV000"
    # What was interrupted so leaves nothing behind.
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP fail)")
    session.execute(STATEMENTS[hook].format(table))
    assert session.value(f"SELECT count(*) FROM {table}") == 2


@pytest.mark.parametrize("hook", STATEMENTS)
def test_error_within_a_subtransaction_in_every_hook(session: Session, hook: str) -> None:
    if hook in ("pre_commit", "sub_begin", "sub_commit"):
        pytest.skip("not within one")
    table = failing_table(session, hook, fail=hook)
    session.execute("BEGIN; SAVEPOINT a; SAVEPOINT b")
    session.error(STATEMENTS[hook].format(table))
    session.execute(f"ROLLBACK TO b; ALTER FOREIGN TABLE {table} OPTIONS (DROP fail)")
    session.execute(f"SELECT * FROM {table}; COMMIT")


def interrupt(session: Session, function: str) -> threading.Timer:
    def run() -> None:
        with session.cluster.connect() as connection:
            connection.execute(f"SELECT {function}(%s)", [session.pid])

    timer = threading.Timer(0.2, run)
    timer.start()
    return timer


@pytest.mark.parametrize("hook", STATEMENTS)
def test_cancel_in_every_hook(session: Session, hook: str) -> None:
    table = failing_table(session, hook, hang=hook)
    timer = interrupt(session, "pg_cancel_backend")
    # Uninterrupted, the wrapper gives up with another error after half a minute.
    error = session.error(STATEMENTS[hook].format(table))
    timer.join()
    if session.cluster.host == "bundled":
        assert error.sqlstate == "57014"
        assert error.message_primary == "canceling statement due to user request"
    else:
        assert error.message_detail in ("interrupted", None)
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP hang)")
    session.execute(STATEMENTS[hook].format(table))


def test_statement_timeout(session: Session) -> None:
    table = failing_table(session, "iterate", hang="iterate")
    session.execute("SET statement_timeout = '100ms'")
    error = session.error(f"SELECT * FROM {table}")
    if session.cluster.host == "bundled":
        assert error.message_primary == "canceling statement due to statement timeout"
    else:
        assert error.message_detail in ("interrupted", None)


@pytest.mark.beyond("jumps out of live frames")
@pytest.mark.parametrize("hook", ["get_rel_size", "after_execute", "iterate", "insert", "end_scan"])
def test_check_interrupts_unwinds_python(session: Session, hook: str) -> None:
    table = failing_table(session, hook, check_interrupts=hook)
    session.execute("SET statement_timeout = '100ms'")
    error = session.error(STATEMENTS[hook].format(table))
    assert error.sqlstate == "57014"
    if hook == "iterate":
        assert len(session.calls("close")) == 1


@pytest.mark.beyond("ends the session with the wrapper's error")
@pytest.mark.parametrize("way", ["hang", "check_interrupts"])
def test_pg_terminate_backend(session: Session, way: str) -> None:
    table = failing_table(session, "iterate", **{way: "iterate"})
    timer = interrupt(session, "pg_terminate_backend")
    with pytest.raises(psycopg.errors.AdminShutdown):
        session.execute(f"SELECT * FROM {table}")
    timer.join()


@pytest.mark.beyond("jumps out of live frames")
def test_check_interrupts_while_aborting_does_nothing(session: Session) -> None:
    table = session.table(
        "id int",
        rows="[(1,)]",
        fail="rollback",
        exception="RuntimeError(check_interrupts())",
    )
    session.error(f"SELECT 1 / (id - 1) FROM {table}")
    assert [n.detail for n in session.notices] == ["None"]


@pytest.mark.beyond("crashes, or repeats the abort without end")
@pytest.mark.parametrize("hook", LATE)
def test_late_hooks_only_warn(session: Session, hook: str) -> None:
    table = session.table("id int", rows="[(1,)]", fail=hook)
    if hook == "rollback":
        assert session.error(LATE[hook].format(table)).sqlstate == "22012"
    else:
        session.execute(LATE[hook].format(table))
    assert [(n.severity, n.detail) for n in session.notices] == [("WARNING", f"failed in {hook}")]


@pytest.mark.parametrize(
    ("expression", "name", "detail"),
    [
        ("KeyError('x')", "KeyError", "'x'"),
        ("ValueError('two\\nlines')", "ValueError", "two\nlines"),
        ("ValueError('100%s')", "ValueError", "100%s"),
        ("type('Odd', (Exception,), {})('x')", "Odd", "x"),
        ("KeyboardInterrupt('x')", "KeyboardInterrupt", "x"),
        ("SystemExit('x')", "SystemExit", "x"),
    ],
)
def test_exceptions(session: Session, expression: str, name: str, detail: str) -> None:
    table = failing_table(session, "iterate", fail="iterate", exception=expression)
    error = session.error(f"SELECT * FROM {table}")
    assert error.message_primary == f"Error in python: {name}"
    assert error.message_detail == detail


@pytest.mark.beyond("crashes, or other details")
@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("ValueError()", None),
        ("ValueError('\\ud800')", "\\ud800"),
        ("ValueError(Loud())", "(not printable)"),
        ("StopIteration('x')", "generator raised StopIteration"),
    ],
)
def test_odd_exceptions(session: Session, expression: str, detail: str | None) -> None:
    table = failing_table(session, "iterate", fail="iterate", exception=expression)
    assert session.error(f"SELECT * FROM {table}").message_detail == detail


def test_traceback_goes_to_the_log_only(session: Session) -> None:
    table = failing_table(session, "iterate", fail="iterate", exception="ValueError('find me')")
    error = session.error(f"SELECT * FROM {table}")
    assert "Traceback" not in (error.message_detail or "")
    log = session.cluster.log.read_text(errors="replace")
    report = log[log.rindex("Error in python: ValueError") :]
    assert "Traceback (most recent call last)" in report
    assert "in iterate" in report
    assert "ValueError: find me" in report


@pytest.mark.beyond("has one SQLSTATE for all")
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("'HV00L'", "HV00L"),
        ("'28000'", "28000"),
        ("'00000'", "HV000"),
        ("'02000'", "HV000"),
        ("'hv00l'", "HV000"),
        ("'HV0'", "HV000"),
        ("'HV00é'", "HV000"),
        ("5", "HV000"),
        ("None", "HV000"),
    ],
)
def test_sqlstate(session: Session, state: str, expected: str) -> None:
    base = "type('E', (Exception,), {'sqlstate': %s})('x')"
    table = failing_table(session, "iterate", fail="iterate", exception=base % state)
    assert session.error(f"SELECT * FROM {table}").sqlstate == expected


# log_to_postgres


@pytest.fixture
def messaging(session: Session) -> str:
    session.execute(
        "DROP SERVER IF EXISTS messaging CASCADE; CREATE SERVER messaging"
        " FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'contract.MessagingWrapper')"
    )
    session.notices.clear()
    return "messaging"


@pytest.mark.parametrize(("level", "severity"), [(10, "DEBUG"), (20, "NOTICE"), (30, "WARNING")])
def test_messages(session: Session, messaging: str, level: int, severity: str) -> None:
    table = session.table(
        "id int", messaging, message=f"({level}, 'the message: 100%s ä', 'a hint', 'a detail')"
    )
    session.execute("SET client_min_messages = debug1")
    assert session.rows(f"SELECT * FROM {table}") == [(1,)]
    mine = [n for n in session.notices if n.message and n.message.startswith("the message")]
    assert mine == [(mine[0].severity, "the message: 100%s ä", "a detail", "a hint")]
    assert mine[0].severity.startswith(severity)


@pytest.mark.parametrize("message", ["'text'", "5", "ValueError('text')", "{'a': 1}"])
def test_messages_of_any_type(session: Session, messaging: str, message: str) -> None:
    table = session.table("id int", messaging, message=f"(30, {message}, None, None)")
    session.rows(f"SELECT * FROM {table}")
    assert session.notices[-1] == ("WARNING", str(eval(message)), None, None)


def test_error_message(session: Session, messaging: str) -> None:
    table = session.table("id int", messaging, message="(40, 'the error', 'a hint', 'a detail')")
    error = session.error(f"SELECT * FROM {table}")
    assert error.severity_nonlocalized == "ERROR"
    assert error.message_primary == "the error"
    assert (error.message_hint, error.message_detail) == ("a hint", "a detail")
    assert len(session.calls("unwound")) == 1


def test_fatal_message(session: Session, messaging: str) -> None:
    table = session.table("id int", messaging, message="(50, 'the end', None, None)")
    with pytest.raises(psycopg.Error) as caught:
        session.execute(f"SELECT * FROM {table}")
    assert caught.value.diag.severity_nonlocalized == "FATAL"
    assert caught.value.diag.message_primary == "the end"


def test_unknown_level(session: Session, messaging: str) -> None:
    table = session.table("id int", messaging, message="(35, 'text', None, None)")
    assert session.error(f"SELECT * FROM {table}").message_detail == "'Not a valid log level'"


@pytest.mark.beyond("has no such function")
@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("(5, '', b'x', b'', b'', b'')", "no such level"),
        ("(-1, '', b'x', b'', b'', b'')", "no such level"),
        ("(2**31 - 1, '', b'x', b'', b'', b'')", "no such level"),
        ("(10**30, '', b'x', b'', b'', b'')", "OverflowError"),
        ("(2, '4', b'x', b'', b'', b'')", "SQLSTATE"),
        ("(2, '420000', b'x', b'', b'', b'')", "SQLSTATE"),
        ("(2, '', 'x', b'', b'', b'')", "TypeError"),
        ("(2, '', b'x\\0y', b'', b'', b'')", "ValueError"),
        ("(2, '')", "TypeError"),
        ("None", "SystemError"),
    ],
)
def test_a_report_that_is_none(session: Session, report: str, said: str) -> None:
    table = session.table(
        "id int", rows=f"__import__('multicorn.utils').utils.send_report({report})"
    )
    error = session.error(f"SELECT * FROM {table}")
    assert said in f"{error.message_primary} {error.message_detail}"


@pytest.mark.parametrize("level", ["'INFO'", "None", "-1", "10**30", "20.5", "[20]"])
def test_levels_of_no_kind(session: Session, messaging: str, level: str) -> None:
    table = session.table("id int", messaging, message=f"({level}, 'text', None, None)")
    assert session.error(f"SELECT * FROM {table}").message_primary.startswith("Error in python")


@pytest.mark.beyond("calls PostgreSQL from any thread")
def test_messages_from_another_thread_are_refused(session: Session) -> None:
    rows = (
        "[(repr(in_thread(lambda: log_to_postgres('x'))),), (repr(in_thread(check_interrupts)),)]"
    )
    table = session.table("v text", rows=rows)
    values = [v for (v,) in session.rows(f"SELECT v FROM {table}")]
    assert all("RuntimeError" in v and "the thread that runs the query" in v for v in values)
