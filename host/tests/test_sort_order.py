"""The order a wrapper is asked for is the column's own, whatever a query makes of the column."""

import itertools
import json

import psycopg
import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("asks for the column's order whatever is made of the column")

# Values whose order depends on the type they are taken for. The wrapper sorts them as Python does,
# which is the order of the column's own type here.
VALUES = {
    "id": ("int", [5, -1, 300, -70, 0, 8]),
    "ids": ("int[]", [[5], [-1], [300], [-70, 2], [0], [8]]),
    "t": ("text", ["b", "A", "a", "B", "b ", "\u00e4"]),
    "v": ("varchar(9)", ["b", "A", "a", "B", "b ", "\u00e4"]),
    "c": ("char(3)", ["b", "A", "a", "B", "c", "\u00e4"]),
    "ts": ("text[]", [["b"], ["A"], ["a"], ["B"], ["b", "a"], ["c"]]),
}
CASTS = {
    "id": ["bigint", "oid", "regclass", "text", "numeric"],
    "ids": ["bigint[]", "oid[]"],
    "t": ["citext", "bpchar", "varchar", "name", "varchar(1)"],
    "v": ["citext", "bpchar", "text", "name", "varchar(1)"],
    "c": ["citext", "text", "varchar"],
    "ts": ["citext[]", "varchar[]", "bpchar[]"],
}
EXPRESSIONS = [
    *VALUES,
    *(f"{column}::{cast}" for column, casts in CASTS.items() for cast in casts),
    *(f'{c} COLLATE "{collation}"' for c in ("t", "v") for collation in ("C", "en-x-icu")),
    "t::citext::text", "id::oid::int", "v::bpchar::varchar", 't::citext COLLATE "C"',
]  # fmt: skip
OPERATORS = ["<", ">", "~<~", "~>~", "*<"]
SORTED = [*VALUES, "v::text", "t::varchar", "id::oid::int", "t::citext::text"]
"""What the wrapper may be asked to sort by: these say no more than the column."""

ROWS = (
    "sorted(json.loads('''{}'''), key=lambda row: [row[k.attname] for k in sortkeys or ()],"
    " reverse=bool(sortkeys and sortkeys[0].is_reversed))"
)


@pytest.fixture
def tables(session: Session) -> tuple[str, str]:
    """A foreign table, and a local one of the same rows."""
    session.execute("CREATE EXTENSION IF NOT EXISTS citext")
    columns = ", ".join(f"{name} {type_name}" for name, (type_name, _) in VALUES.items())
    rows = [
        dict(zip(VALUES, row, strict=True))
        for row in zip(*(values for _, values in VALUES.values()), strict=True)
    ]
    foreign = session.table(
        columns,
        rows=ROWS.format(json.dumps(rows)),
        sortable="[k for k in sortkeys if k.collate is None][:1]",
        size="(10**6, 100)",
    )
    session.execute(f"DROP TABLE IF EXISTS own; CREATE TEMP TABLE own AS SELECT * FROM {foreign}")
    # A presorted scan is preferred wherever there may be one.
    session.execute("SET enable_hashagg = off; SET enable_sort = off; SET enable_hashjoin = off")
    session.journal()
    return foreign, "own"


def checked(session: Session, tables: tuple[str, str], expression: str, using: str) -> None:
    foreign, own = tables
    order = f"ORDER BY {expression}{using}"
    ranks = dict(session.rows(f"SELECT id, dense_rank() OVER ({order}) FROM {own}"))
    found = [ranks[i] for (i,) in session.rows(f"SELECT id FROM {foreign} {order}")]
    assert found == sorted(ranks.values())
    first = [ranks[i] for (i,) in session.rows(f"SELECT id FROM {foreign} {order} LIMIT 2")]
    assert first == sorted(ranks.values())[:2]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_order_and_groups(session: Session, tables: tuple[str, str], expression: str) -> None:
    if "icu" in expression:
        session.require_icu()
    checked(session, tables, expression, "")
    checked(session, tables, expression, " DESC")
    for query in (
        f"SELECT count(*) FROM {{}} GROUP BY {expression} ORDER BY 1",
        f"SELECT count(*) FROM (SELECT DISTINCT {expression} AS x FROM {{}}) AS s",
        f"SELECT count(*) FROM (SELECT {expression} AS x FROM {{0}} UNION"
        f" SELECT {expression} FROM {{0}}) AS s",
        f"SELECT sum(n) FROM (SELECT row_number() OVER (PARTITION BY {expression}) AS n"
        " FROM {}) AS s",
    ):
        assert session.rows(query.format(tables[0])) == session.rows(query.format(tables[1])), query


def test_order_by_operators(session: Session, tables: tuple[str, str]) -> None:
    """Every operator on every expression that takes it."""
    tried = 0
    for expression, operator in itertools.product(EXPRESSIONS, OPERATORS):
        using = f" USING {operator}"
        try:
            session.execute(f"EXPLAIN SELECT 1 FROM own ORDER BY {expression}{using}")
        except psycopg.Error:
            continue  # the type has no such operator
        checked(session, tables, expression, using)
        tried += 1
    assert tried > 40


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_the_wrapper_is_asked(
    session: Session, tables: tuple[str, str], expression: str
) -> None:
    if "icu" in expression:
        session.require_icu()
    session.rows(f"SELECT 1 FROM {tables[0]} ORDER BY {expression}")
    asked = [call["sortkeys"] for call in session.calls("can_sort")]
    column = expression.split("::")[0].split(" ")[0]
    if expression in SORTED:
        assert [key[0] for keys in asked for key in keys] == [column]
        assert [key[4] for keys in asked for key in keys] == [None]
    elif "COLLATE" in expression and "::" not in expression:
        assert [key[4] for keys in asked for key in keys] == [expression.split('"')[1]]
    else:
        assert asked == []


def test_a_column_with_a_collation_of_its_own(session: Session) -> None:
    table = session.table('t text COLLATE "C"', rows="[('a',)]", sortable="sortkeys")
    for clause, collation in (
        ("", None),
        (' COLLATE "C"', None),
        (' COLLATE "default"', "default"),
    ):
        session.journal()
        session.rows(f"SELECT t FROM {table} ORDER BY t{clause}")
        assert [k[4] for c in session.calls("can_sort") for k in c["sortkeys"]] == [collation]


def test_order_above_an_outer_join(session: Session, tables: tuple[str, str]) -> None:
    foreign, own = tables
    session.execute("SET enable_nestloop = on")
    query = f"SELECT f.id FROM {own} o LEFT JOIN {foreign} f ON f.id = o.id + 1 ORDER BY f.id"
    local = query.replace(foreign, own)
    assert session.rows(query) == session.rows(local)
