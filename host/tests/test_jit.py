"""Beyond Multicorn2: costs that stand for waiting do not have a statement compiled."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("costs of any kind switch the compiler on")

EVERYTHING = (
    "SET jit TO on; SET jit_above_cost TO 0; SET jit_inline_above_cost TO 0; "
    "SET jit_optimize_above_cost TO 0"
)


@pytest.fixture
def compiling(session: Session) -> Session:
    """A session that compiles whatever it can, with a local and a foreign table."""
    session.execute(EVERYTHING)
    session.execute("CREATE TEMP TABLE local AS SELECT 1 AS id")
    if not is_compiled(session, "SELECT id FROM local WHERE id + 1 > 0"):
        pytest.skip("this PostgreSQL cannot compile")
    return session


@pytest.fixture
def foreign(session: Session) -> str:
    return session.table("id int", rows="[{'id': 1}, {'id': 2}]")


def is_compiled(session: Session, query: str) -> bool:
    return "JIT:" in session.plan(query, "analyze")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id + 1 FROM {t} WHERE id + 1 > 0",
        "SELECT l.id FROM local l JOIN {t} f ON f.id = l.id WHERE l.id + 1 > 0",
        "SELECT id FROM local WHERE id = (SELECT max(id) FROM {t}) OR id + 1 > 0",
        "WITH w AS MATERIALIZED (SELECT id + 1 AS x FROM {t}) SELECT x FROM w WHERE x > 1",
        "SELECT id FROM local WHERE id > 0 UNION ALL SELECT id FROM {t} WHERE id + 1 > 0",
    ],
)
def test_a_statement_on_a_foreign_table_is_not_compiled(
    compiling: Session, foreign: str, query: str
) -> None:
    assert not is_compiled(compiling, query.format(t=foreign))


def test_a_plan_that_is_kept_stays_as_it_is(compiling: Session, foreign: str) -> None:
    compiling.execute(f"PREPARE p AS SELECT id + 1 FROM {foreign} WHERE id + 1 > 0")
    for _ in range(7):
        assert not is_compiled(compiling, "EXECUTE p")
    assert is_compiled(compiling, "SELECT id FROM local WHERE id + 1 > 0")
