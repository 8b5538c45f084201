"""Transaction hooks: which, in what order, and when they fail."""

import pytest
from cluster import Session

TRANSACTION_HOOKS = (
    "begin", "pre_commit", "commit", "rollback", "sub_begin", "sub_commit", "sub_rollback",
)  # fmt: skip


@pytest.fixture
def table(session: Session) -> str:
    return session.table("id int", rows="[(1,)]", label="t")


def hooks(session: Session, *more: str) -> list[str]:
    """Hooks called since the last time, those with a level as name(level)."""
    return [
        c["hook"] + (f"({c['level']})" if "level" in c else "")
        for c in session.calls(*TRANSACTION_HOOKS, *more)
    ]


def test_autocommit(session: Session, table: str) -> None:
    session.rows(f"SELECT * FROM {table}")
    assert hooks(session, "after_execute", "end_scan") == [
        "begin", "after_execute", "end_scan", "pre_commit", "commit",
    ]  # fmt: skip


def test_begin_is_told_of_serializable(session: Session, table: str) -> None:
    for level, serializable in (("READ COMMITTED", 0), ("SERIALIZABLE", 1)):
        session.execute(f"BEGIN ISOLATION LEVEL {level}")
        session.execute(f"SELECT * FROM {table}")
        session.execute("COMMIT")
        (call,) = session.calls("begin")
        assert call["serializable"] == serializable


def test_one_begin_per_transaction(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SELECT * FROM {table}; SELECT * FROM {table}; COMMIT")
    session.execute(f"BEGIN; SELECT * FROM {table}; ROLLBACK")
    session.execute("BEGIN; SELECT 1; COMMIT")
    assert hooks(session) == ["begin", "pre_commit", "commit", "begin", "rollback"]


def test_rollback_after_an_error(session: Session, table: str) -> None:
    session.error(f"SELECT 1 / (id - 1) FROM {table}")
    assert hooks(session, "end_scan") == ["begin", "rollback"]


def test_two_tables(session: Session, table: str) -> None:
    other = session.table("id int", rows="[(1,)]", label="u")
    session.execute(f"BEGIN; SELECT * FROM {table}; SELECT * FROM {other}; COMMIT")
    calls = [(c["hook"], c["table"]) for c in session.calls(*TRANSACTION_HOOKS)]
    assert calls[:2] == [("begin", "t"), ("begin", "u")]
    assert sorted(calls[2:4]) == [("pre_commit", "t"), ("pre_commit", "u")]
    assert sorted(calls[4:]) == [("commit", "t"), ("commit", "u")]


def test_savepoints(session: Session, table: str) -> None:
    session.execute("BEGIN; SAVEPOINT a")
    session.execute(f"SELECT * FROM {table}")
    session.execute("SAVEPOINT b")
    session.execute(f"SELECT * FROM {table}")
    session.execute("ROLLBACK TO b; RELEASE a; COMMIT")
    assert hooks(session) == [
        "begin", "sub_begin(2)", "sub_begin(3)", "sub_rollback(3)", "sub_commit(2)",
        "pre_commit", "commit",
    ]  # fmt: skip


def test_savepoint_reused_after_rollback(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SAVEPOINT a; SELECT * FROM {table}; ROLLBACK TO a")
    session.execute(f"SELECT * FROM {table}")
    session.execute("RELEASE a; ROLLBACK")
    assert hooks(session) == [
        "begin", "sub_begin(2)", "sub_rollback(2)", "sub_begin(2)", "sub_commit(2)", "rollback",
    ]  # fmt: skip


def test_savepoints_the_table_has_no_part_in(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SELECT * FROM {table}; SAVEPOINT a; SELECT 1; RELEASE a; COMMIT")
    assert hooks(session) == ["begin", "pre_commit", "commit"]


def test_nested_exception_blocks(session: Session, table: str) -> None:
    nested = "PERFORM 1"
    for level in range(5):
        scan = f"PERFORM * FROM {table}"
        if level % 2 == 0:
            nested = f"{scan}; {nested}; RAISE division_by_zero"
        nested = f"BEGIN {nested}; {scan}; EXCEPTION WHEN division_by_zero THEN {scan}; END"
    session.execute(f"DO $$ BEGIN {nested}; END $$")
    names = hooks(session)
    assert names[0] == "begin"
    assert names[-2:] == ["pre_commit", "commit"]
    depth = 1
    for name in names[1:-2]:
        level = int(name[name.index("(") + 1 : -1])
        if name.startswith("sub_begin"):
            depth += 1
            assert level == depth
        else:
            assert level == depth
            depth -= 1
    assert depth == 1


def test_deep_subtransactions(session: Session, table: str) -> None:
    session.execute("BEGIN")
    for level in range(100):
        session.execute(f"SAVEPOINT s{level}")
    session.execute(f"SELECT * FROM {table}")
    session.execute("ROLLBACK TO s50; COMMIT")
    names = hooks(session)
    assert names[:101] == ["begin"] + [f"sub_begin({n})" for n in range(2, 102)]
    assert names[101:151] == [f"sub_rollback({n})" for n in range(101, 51, -1)]


def test_failing_pre_commit_rolls_back(session: Session) -> None:
    session.execute("CREATE TABLE IF NOT EXISTS kept (id int); TRUNCATE kept")
    table = session.table("id int", fail="pre_commit")
    session.execute("BEGIN; INSERT INTO kept VALUES (1)")
    session.execute(f"SELECT * FROM {table}")
    error = session.error("COMMIT")
    assert error.message_primary == "Error in python: ValueError"
    assert error.message_detail == "failed in pre_commit"
    assert session.rows("SELECT * FROM kept") == []
    assert hooks(session) == ["begin", "pre_commit", "rollback"]


@pytest.mark.beyond("crashes the server, or repeats the abort without end")
@pytest.mark.parametrize(
    ("hook", "statement"),
    [
        ("commit", "COMMIT"),
        ("rollback", "ROLLBACK"),
        ("sub_rollback", "ROLLBACK TO a; COMMIT"),
    ],
)
def test_hooks_that_come_too_late_to_fail(session: Session, hook: str, statement: str) -> None:
    session.execute("CREATE TABLE IF NOT EXISTS kept (id int); TRUNCATE kept")
    table = session.table("id int", fail=hook)
    session.execute("BEGIN; INSERT INTO kept VALUES (1); SAVEPOINT a")
    session.execute(f"SELECT * FROM {table}")
    session.execute(statement)
    warnings = [n[:3] for n in session.notices if n.severity == "WARNING"]
    assert warnings == [("WARNING", "Error in python: ValueError", f"failed in {hook}")]
    assert session.rows("SELECT * FROM kept") == ([] if hook == "rollback" else [(1,)])
    session.execute(f"SELECT count(*) FROM {session.table('id int')}")


@pytest.mark.parametrize("hook", ["begin", "sub_begin", "sub_commit"])
def test_hooks_that_can_fail(session: Session, hook: str) -> None:
    table = session.table("id int", rows="[(1,)]", fail=hook)
    session.execute("BEGIN; SAVEPOINT a")
    if hook == "sub_commit":
        session.execute(f"SELECT * FROM {table}")
        error = session.error("RELEASE a")
    else:
        error = session.error(f"SELECT * FROM {table}")
    assert error.message_detail == f"failed in {hook}"
    session.execute("ROLLBACK")
    names = hooks(session)
    assert names[-1] == ("rollback" if hook != "begin" else "begin")


def test_error_in_a_subtransaction(session: Session, table: str) -> None:
    session.execute(
        f"DO $$ BEGIN PERFORM 1 / (id - 1) FROM {table};"
        " EXCEPTION WHEN division_by_zero THEN NULL; END $$"
    )
    assert hooks(session) == ["begin", "sub_begin(2)", "sub_rollback(2)", "pre_commit", "commit"]


@pytest.mark.beyond("never ends the wrapper's part in a prepared transaction")
def test_prepare_after_reading(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SELECT * FROM {table}; PREPARE TRANSACTION 'p'")
    assert hooks(session) == ["begin", "pre_commit", "commit"]
    session.execute("COMMIT PREPARED 'p'")
    assert hooks(session) == []


@pytest.mark.beyond("prepares what it cannot commit later")
def test_no_prepare_after_writing(session: Session, table: str) -> None:
    session.execute(f"BEGIN; INSERT INTO {table} VALUES (1)")
    assert session.error("PREPARE TRANSACTION 'p'").sqlstate == "0A000"
    assert hooks(session) == ["begin", "rollback"]


@pytest.mark.beyond("forgets the old instance")
def test_instance_replaced_within_its_transaction(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SELECT * FROM {table}")
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET label 'new')")
    session.execute(f"SELECT * FROM {table}")
    session.execute("COMMIT")
    assert [(c["hook"], c["table"]) for c in session.calls(*TRANSACTION_HOOKS)] == [
        ("begin", "t"),
        ("begin", "new"),
        ("pre_commit", "t"),
        ("pre_commit", "new"),
        ("commit", "t"),
        ("commit", "new"),
    ]
    session.execute(f"SELECT * FROM {table}")
    assert {c["table"] for c in session.calls(*TRANSACTION_HOOKS)} == {"new"}


def test_disconnecting_within_a_transaction(session: Session, table: str) -> None:
    session.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT * FROM {table}")
    session.execute("FETCH 1 FROM c")
    session.close()
    other = Session(session.cluster, session.dbname)
    for _ in range(100):
        if not other.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [session.pid]):
            break
        other.execute("SELECT pg_sleep(0.05)")
    assert hooks(other)[-1] == "rollback"
    other.close()
