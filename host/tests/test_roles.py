"""Whose user mapping a scan or a change goes by, and that no plan is kept for another's."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Session, quote

BEYOND = "goes by the mapping of whoever runs the statement"
WHO = "[{'id': 1, 'who': self.options['label']}]"

OBJECTS = """
CREATE ROLE owner; CREATE ROLE caller; CREATE ROLE third;
CREATE SERVER roles FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'contract.ExactWrapper');
CREATE USER MAPPING FOR owner SERVER roles OPTIONS (label 'owner');
CREATE USER MAPPING FOR caller SERVER roles OPTIONS (label 'caller');
CREATE USER MAPPING FOR third SERVER roles OPTIONS (label 'third');
CREATE USER MAPPING FOR postgres SERVER roles OPTIONS (label 'postgres');
GRANT USAGE ON FOREIGN SERVER roles TO owner, caller, third;
CREATE SCHEMA roles; GRANT ALL ON SCHEMA roles TO owner, caller, third;
SET search_path = roles;
CREATE FOREIGN TABLE t (id int, who text) SERVER roles OPTIONS (rows {rows});
CREATE TABLE parts (id int, who text) PARTITION BY LIST (id);
CREATE FOREIGN TABLE part PARTITION OF parts FOR VALUES IN (1) SERVER roles OPTIONS (rows {rows});
GRANT ALL ON t, parts TO owner, caller, third;
SET ROLE owner;
CREATE VIEW v AS SELECT * FROM t;
CREATE VIEW v_parts AS SELECT * FROM parts;
CREATE VIEW v_subqueries AS SELECT (SELECT who FROM t LIMIT 1) AS a, b.who AS b,
    EXISTS (SELECT FROM t WHERE who = 'owner') AS c FROM (SELECT DISTINCT who FROM t) b;
CREATE VIEW v_cte AS WITH c AS MATERIALIZED (SELECT who FROM t) SELECT * FROM c;
CREATE FUNCTION definer() RETURNS SETOF text SECURITY DEFINER LANGUAGE sql
    AS 'SELECT who FROM roles.t';
CREATE FUNCTION definer_plpgsql() RETURNS SETOF text SECURITY DEFINER LANGUAGE plpgsql
    AS 'BEGIN RETURN QUERY SELECT who FROM roles.t; END';
CREATE FUNCTION invoker() RETURNS SETOF text LANGUAGE plpgsql
    AS 'BEGIN RETURN QUERY SELECT who FROM roles.t; END';
GRANT ALL ON v, v_parts, v_subqueries, v_cte TO caller, third;
SET ROLE third;
CREATE VIEW v_nested AS SELECT v.who AS inner, t.who AS outer FROM v JOIN t USING (id);
GRANT ALL ON v_nested TO caller;
RESET ROLE;
""".format(rows=quote(WHO))


@pytest.fixture
def roles(session: Session) -> Iterator[Session]:
    """The session of a superuser who has become "caller"."""
    session.execute(OBJECTS)
    if session.connection.info.server_version >= 150000:
        session.execute(
            "SET ROLE owner; CREATE VIEW v_invoker WITH (security_invoker) AS SELECT * FROM t;"
            "GRANT ALL ON v_invoker TO caller; RESET ROLE"
        )
    session.execute("SET ROLE caller")
    session.journal()
    yield session
    session.execute(
        "ROLLBACK; RESET ROLE; DROP OWNED BY owner, caller, third CASCADE;"
        "DROP SCHEMA roles CASCADE; DROP SERVER roles CASCADE; DROP ROLE owner, caller, third"
    )


READS: dict[str, list[tuple[Any, ...]]] = {
    "SELECT who FROM t": [("caller",)],
    "SELECT who FROM v": [("owner",)],
    "SELECT who FROM v WHERE id = 1 ORDER BY id LIMIT 1": [("owner",)],
    "SELECT * FROM v_nested": [("owner", "third")],
    "SELECT * FROM v_subqueries": [("owner", "owner", True)],
    "SELECT * FROM v_cte": [("owner",)],
    "SELECT * FROM definer()": [("owner",)],
    "SELECT * FROM definer_plpgsql()": [("owner",)],
    "SELECT * FROM invoker()": [("caller",)],
    "SELECT t.who, v.who FROM t JOIN v USING (id)": [("caller", "owner")],
    "SELECT who FROM t UNION ALL SELECT who FROM v": [("caller",), ("owner",)],
    "SELECT who, 'owner' FROM t WHERE id IN (SELECT id FROM v)": [("caller", "owner")],
    "SELECT who FROM parts": [("caller",)],
    "SELECT who FROM v_parts": [("owner",)],
    "SELECT who, (SELECT v.who FROM v WHERE v.id = t.id) FROM t": [("caller", "owner")],
}


@pytest.mark.beyond(BEYOND)
@pytest.mark.parametrize("query", READS)
def test_reading(roles: Session, query: str) -> None:
    assert roles.rows(query) == READS[query]
    roles.execute(f"PREPARE q AS {query}")
    for _ in range(7):
        assert roles.rows("EXECUTE q") == READS[query]
    roles.execute("DEALLOCATE q")
    users = {call["table"] for call in roles.calls("get_rel_size", "can_sort", "can_limit")}
    assert users == {name for row in READS[query] for name in row if isinstance(name, str)}


@pytest.mark.beyond(BEYOND)
def test_a_view_that_asks_for_its_caller(roles: Session) -> None:
    if roles.connection.info.server_version < 150000:
        pytest.skip("new in PostgreSQL 15")
    assert roles.rows("SELECT who FROM v_invoker") == [("caller",)]
    assert roles.rows("SELECT v_invoker.who, v.who FROM v_invoker, v") == [("caller", "owner")]


@pytest.mark.beyond(BEYOND)
def test_explain_of_a_view(roles: Session) -> None:
    roles.execute("EXPLAIN SELECT * FROM v; EXPLAIN DELETE FROM v")
    assert {call["table"] for call in roles.journal()} == {"owner"}


WRITES = {
    "INSERT INTO {} VALUES (1, 'x')": "insert",
    "INSERT INTO {} VALUES (1, 'x') RETURNING who": "insert",
    "UPDATE {} SET who = 'x'": "update",
    "UPDATE {} SET who = 'x' WHERE id = 1 RETURNING id, who": "update",
    "DELETE FROM {}": "delete",
    "DELETE FROM {} WHERE id = 1 RETURNING *": "delete",
    "WITH d AS (DELETE FROM {} RETURNING *) SELECT * FROM d": "delete",
}


@pytest.mark.beyond(BEYOND)
@pytest.mark.parametrize("statement", WRITES)
@pytest.mark.parametrize(
    ("target", "user"),
    [("t", "caller"), ("v", "owner"), ("parts", "caller"), ("v_parts", "owner")],
)
def test_writing(roles: Session, statement: str, target: str, user: str) -> None:
    roles.execute(statement.format(target))
    calls = roles.journal()
    assert WRITES[statement] in {call["hook"] for call in calls}
    assert {call["table"] for call in calls if "table" in call} == {user}


@pytest.mark.beyond(BEYOND)
def test_writing_with_rows_of_another(roles: Session) -> None:
    roles.execute("UPDATE v SET who = t.who FROM t WHERE t.id = v.id")
    [call] = roles.calls("update")
    assert call["table"] == "owner"
    assert call["values"] == {"id": 1, "who": "caller"}


@pytest.mark.beyond(BEYOND)
def test_copy_goes_by_whoever_copies(roles: Session) -> None:
    with roles.connection.cursor() as cursor, cursor.copy("COPY parts FROM STDIN") as copy:
        copy.write("1\tx\n")
    assert {call["table"] for call in roles.calls("insert", "begin")} == {"caller"}


def test_set_role(roles: Session) -> None:
    roles.execute("PREPARE q AS SELECT who FROM t")
    for _ in range(3):
        for role in ("caller", "third", "owner"):
            roles.execute(f"SET ROLE {role}")
            for _ in range(7):
                assert roles.rows("EXECUTE q") == [(role,)]
    roles.execute("DEALLOCATE q")


@pytest.mark.beyond(BEYOND)
def test_a_view_that_changes_hands(roles: Session) -> None:
    roles.execute("PREPARE q AS SELECT who FROM v")
    assert [roles.rows("EXECUTE q") for _ in range(7)] == [[("owner",)]] * 7
    roles.execute("RESET ROLE; ALTER VIEW v OWNER TO third; GRANT ALL ON v TO caller")
    roles.execute("SET ROLE caller")
    assert roles.rows("EXECUTE q") == [("third",)]
    roles.execute("DEALLOCATE q")


@pytest.mark.beyond(BEYOND)
def test_a_cursor_stays_with_the_role_that_opened_it(roles: Session) -> None:
    roles.execute("BEGIN; DECLARE c CURSOR FOR SELECT who FROM t; SET LOCAL ROLE NONE")
    roles.execute("SET LOCAL SESSION AUTHORIZATION third")
    assert roles.rows("FETCH ALL FROM c") == [("caller",)]
    roles.execute("ROLLBACK")


# Promises: an order, a limit, conditions that are met exactly. One role's mapping makes them and
# keeps them, another's does not.

KEPT = {"sortable": "sortkeys", "limited": "True", "exact": "True"}
PROMISED = (
    "sorted(({'id': n, 'who': self.options['label']} for n in (3, 1, 2)),"
    " key=lambda row: row['id'])[:limit] if self.options.get('sortable')"
    " else [{'id': n, 'who': self.options['label']} for n in (3, 1, 2, 0)]"
)
PROMISE_QUERY = "SELECT id, who FROM {} WHERE id > 0 ORDER BY id LIMIT 2"


def promise(roles: Session, user: str) -> None:
    options = ", ".join(f"ADD {name} {quote(value)}" for name, value in KEPT.items())
    roles.execute(f"ALTER USER MAPPING FOR {user} SERVER roles OPTIONS ({options})")


def break_promise(roles: Session, user: str) -> None:
    options = ", ".join(f"DROP {name}" for name in KEPT)
    roles.execute(f"ALTER USER MAPPING FOR {user} SERVER roles OPTIONS ({options})")


@pytest.fixture(params=["auto", "force_generic_plan"])
def promised(roles: Session, request: pytest.FixtureRequest) -> Iterator[Session]:
    rows = quote(PROMISED)
    roles.execute(f"RESET ROLE; ALTER FOREIGN TABLE t OPTIONS (SET rows {rows})")
    promise(roles, "owner")
    roles.execute(f"SET plan_cache_mode = {request.param}")
    roles.execute(f"PREPARE q AS {PROMISE_QUERY.format('t')}")
    yield roles
    roles.execute("DEALLOCATE q; RESET plan_cache_mode")


@pytest.mark.beyond("keeps the plan")
@pytest.mark.parametrize("first", ["owner", "caller"])
def test_no_plan_is_kept_for_another_role(promised: Session, first: str) -> None:
    roles = [first, "caller" if first == "owner" else "owner"]
    for role in roles * 2:
        promised.execute(f"SET ROLE {role}")
        for _ in range(7):
            assert promised.rows("EXECUTE q") == [(1, role), (2, role)]
        pushed = "Limit" not in promised.plan("EXECUTE q")
        assert pushed == (role == "owner")


@pytest.mark.beyond("keeps the plan")
@pytest.mark.parametrize("own", [True, False])
def test_no_plan_is_kept_when_a_mapping_changes(promised: Session, own: bool) -> None:
    """Its own session sees the change, and so does another."""
    other = promised if own else Session(promised.cluster, promised.dbname)
    promised.execute("SET ROLE owner; GRANT SELECT ON t TO caller")
    for _ in range(7):
        assert promised.rows("EXECUTE q") == [(1, "owner"), (2, "owner")]
    other.execute("RESET ROLE")
    break_promise(other, "owner")
    promised.execute("SET ROLE owner")
    assert promised.rows("EXECUTE q") == [(1, "owner"), (2, "owner")]
    assert "Limit" in promised.plan("EXECUTE q")
    promised.execute("RESET ROLE")
    promise(other, "owner")
    promised.execute("SET ROLE owner")
    assert "Limit" not in promised.plan("EXECUTE q")
    if not own:
        other.close()


@pytest.mark.beyond("keeps the plan")
def test_no_plan_is_kept_when_a_mapping_comes_or_goes(promised: Session) -> None:
    promised.execute("SET ROLE owner")
    for _ in range(7):
        assert promised.rows("EXECUTE q") == [(1, "owner"), (2, "owner")]
    promised.execute(
        "RESET ROLE; DROP USER MAPPING FOR owner SERVER roles;"
        "CREATE USER MAPPING FOR PUBLIC SERVER roles OPTIONS (label 'public'); SET ROLE owner"
    )
    assert promised.rows("EXECUTE q") == [(1, "public"), (2, "public")]
    assert "Limit" in promised.plan("EXECUTE q")


@pytest.mark.beyond("keeps the plan")
def test_no_plan_is_kept_when_the_server_or_the_table_changes(promised: Session) -> None:
    break_promise(promised, "owner")
    for kind in ("SERVER roles", "FOREIGN TABLE t"):
        for change, pushed in ((promising("ADD"), True), (promising("DROP"), False)):
            promised.execute(f"SET ROLE owner; {'EXECUTE q; ' * 7} RESET ROLE")
            promised.execute(f"ALTER {kind} OPTIONS ({change}); SET ROLE owner")
            assert promised.rows("EXECUTE q") == [(1, "owner"), (2, "owner")]
            assert ("Limit" not in promised.plan("EXECUTE q")) == pushed
            promised.execute("RESET ROLE")


def promising(verb: str) -> str:
    return ", ".join(
        f"{verb} {name}" + (f" {quote(value)}" if verb == "ADD" else "")
        for name, value in KEPT.items()
    )


@pytest.mark.beyond(BEYOND)
def test_a_view_keeps_its_owners_promises(promised: Session) -> None:
    promised.execute(f"PREPARE of_view AS {PROMISE_QUERY.format('v')}")
    for role in ("caller", "third", "caller"):
        promised.execute(f"SET ROLE {role}")
        for _ in range(7):
            assert promised.rows("EXECUTE of_view") == [(1, "owner"), (2, "owner")]
        assert "Limit" not in promised.plan("EXECUTE of_view")
    promised.execute("DEALLOCATE of_view")
