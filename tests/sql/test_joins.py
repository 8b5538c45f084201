"""Joins: item reads where these are cheaper, one scan where that is, the same rows either way."""

from __future__ import annotations

import pytest

from bitbucket_fdw.tables import BY_NAME
from tests.sql.querying import Both, only, paths
from tests.support.declared import joins_to_parents, required

ISSUE = "/repositories/acme/website/issues"
PULL_REQUEST = "/repositories/acme/website/pullrequests"


@pytest.fixture
def picked(fresh: Both) -> Both:
    """A local table ``picked`` with three ids, in a temporary schema that both sides see."""
    fresh.db.execute("CREATE TEMPORARY TABLE picked (id bigint, note text)")
    fresh.db.execute("INSERT INTO picked VALUES (3, 'a'), (7, 'b'), (9, 'c')")
    fresh.db.execute("ANALYZE picked")
    return fresh


# Multicorn2 3.2 loses a join's conditions beside the key, so that no key is offered there.
keys_only = pytest.mark.skipif(
    "not config.getoption('--host') == 'bundled'",
    reason="join keys are offered to hosts that keep a join's other conditions",
)
BY_KEY = "SELECT p.id, p.title, note FROM picked JOIN pull_requests p USING (id)"


@keys_only
def test_a_few_keys_are_read_one_by_one_if_that_is_wanted(picked):
    picked.db.execute("SET multicorn.enable_batched_join = off")
    picked.run("SELECT count(*) FROM pull_requests", on="website")  # its size is known now
    plan = picked.explain(BY_KEY)
    assert "Nested Loop" in plan
    assert "Batched Join" not in plan
    result = picked.query(BY_KEY)
    assert sorted(paths(result)) == [f"{PULL_REQUEST}/{number}" for number in (3, 7, 9)]


@keys_only
def test_a_few_keys_are_read_by_one_list(picked):
    assert "Batched Join" in picked.explain(BY_KEY)
    request = only(picked.query(BY_KEY))
    assert request.path == PULL_REQUEST
    assert request.q == "id IN (3, 7, 9)"


@keys_only
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT p.title FROM generate_series(1, 20) g JOIN pull_requests p ON p.id = g",
        "SELECT g, p.title FROM generate_series(140, 164) g LEFT JOIN pull_requests p ON p.id = g",
        "SELECT g FROM generate_series(140, 164) g "
        "WHERE EXISTS (SELECT FROM pull_requests p WHERE p.id = g)",
    ],
)
def test_many_keys_are_one_request(picked, statement):
    assert only(picked.query(statement)).path == PULL_REQUEST


@keys_only
@pytest.mark.parametrize("batched", ["on", "off"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT p.id, c.id FROM pull_requests p JOIN pull_request_comments c "
        "ON c.pull_request_id = p.id WHERE p.id < 9",
        "SELECT l.build_number, s.name FROM pipelines l LEFT JOIN pipeline_steps s "
        "ON s.pipeline_uuid = l.uuid WHERE l.build_number IN (1, 2, 3, 99999)",
        "SELECT picked.id, p.id FROM picked LEFT JOIN pull_requests p ON p.id = picked.id * 100",
        "SELECT note FROM picked WHERE NOT EXISTS "
        "(SELECT FROM pull_requests p WHERE p.id = picked.id * 50)",
        "SELECT picked.id, c.id FROM picked JOIN pull_requests p USING (id) "
        "JOIN pull_request_comments c ON c.pull_request_id = p.id AND c.user_uuid = p.author_uuid",
    ],
)
def test_lists_of_keys_give_the_same_rows(picked, statement, batched):
    picked.db.execute(f"SET multicorn.enable_batched_join = {batched}")
    picked.query(statement)


FILTERED = [
    ("pull_requests", "author_uuid"),
    ("pull_requests", "source_branch_name"),
    ("pull_requests", "title"),
    ("pull_requests", "updated_on"),
    ("pull_requests", "draft"),
    ("issues", "assignee_account_id"),
    ("issues", "milestone"),
    ("branches", "target_commit_hash"),
    ("pipelines", "target_commit_hash"),
    ("pipelines", "creator_uuid"),
]


@keys_only
@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN", "IN"])
@pytest.mark.parametrize(("table", "column"), FILTERED)
def test_values_of_a_column_that_is_no_key_give_the_same_rows(fresh, table, column, join):
    fresh.db.execute(
        f"CREATE TEMPORARY TABLE wanted AS SELECT DISTINCT ON (t.v) t.v, upper(t.v::text) AS up "
        f"FROM (SELECT {column} AS v FROM website.{table}) t ORDER BY t.v LIMIT 4"
    )
    fresh.db.execute("ANALYZE wanted; SET enable_hashjoin = off; SET enable_mergejoin = off")
    key = BY_NAME[table].primary_key[-1]
    if join == "IN":
        fresh.query(f"SELECT {key} FROM {table} WHERE {column} IN (SELECT v FROM wanted)")
    else:
        fresh.query(f"SELECT v, t.{key} FROM wanted {join} {table} t ON t.{column} = wanted.v")
        fresh.query(
            f"SELECT v, t.{key} FROM wanted {join} {table} t "
            f"ON t.{column} = wanted.v AND length(t.{key}::text) > 1"
        )


@keys_only
def test_values_of_a_column_that_is_no_key_are_one_list(fresh):
    """Which takes a page or two, where the whole listing has four."""
    fresh.db.execute(
        "CREATE TEMPORARY TABLE team AS SELECT DISTINCT ON (author_uuid) author_uuid AS uuid "
        "FROM website.pull_requests ORDER BY author_uuid LIMIT 2; ANALYZE team"
    )
    join = "SELECT p.id FROM team JOIN pull_requests p ON p.author_uuid = team.uuid"
    plan = fresh.explain(join)
    assert "Keys: author_uuid" in plan
    assert "q: author.uuid IN (" in plan
    result = fresh.query(join)
    assert set(paths(result)) == {PULL_REQUEST}
    assert all("q=author.uuid+IN+" in line for line in result.lines)
    assert len(result.requests) < 4
    assert "Batched Join" not in fresh.explain(join.replace("author_uuid", "closed_by_uuid"))


@keys_only
def test_keys_are_handed_over_together_whatever_sizes_are_known(fresh):
    """Of rows, the planner knows whole numbers: one key must not seem cheaper by being alone."""
    comments = (
        "SELECT c.id FROM pull_requests p JOIN pull_request_comments c "
        "ON c.repository = p.repository AND c.pull_request_id = p.id WHERE p.state = 'OPEN'"
    )
    assert "Batched Join" in fresh.explain(comments, on="acme")
    fresh.run(comments, on="acme")
    assert "Batched Join" in fresh.explain(comments, on="acme")
    fresh.run("SELECT count(description) FROM pull_requests", on="acme")
    assert "Batched Join" in fresh.explain(comments, on="acme")


@keys_only
@pytest.mark.parametrize("column", ["source_branch_name", "author_nickname", "title"])
def test_far_more_values_than_estimated_cost_no_multiple_of_everything(fresh, column):
    """PostgreSQL supposes ten elements of an array that it does not know; sizes are known here."""
    whole = fresh.run("SELECT count(description) FROM pull_requests", on="acme")
    join = (
        f"SELECT v.name, p.id FROM unnest(ARRAY(SELECT {column} FROM website_x.pull_requests "
        "UNION SELECT 'none-' || g FROM generate_series(1, 2000) g)) v (name) "
        f"JOIN pull_requests p ON p.{column} = v.name"
    )
    result = fresh.query(join, on="acme")
    assert len(result.rows) > 100
    assert len(result.requests) <= 3 * len(whole.requests)


@keys_only
def test_keys_of_several_repositories_ask_each_for_its_own(sql):
    sql.db.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    result = sql.query(
        "SELECT v.r, p.title FROM (VALUES ('website', 3), ('website', 7), ('mobile-app', 2), "
        "('website', 9), ('mobile-app', 1)) v (r, id) "
        "JOIN pull_requests p ON p.repository = v.r AND p.id = v.id",
        on="acme",
    )
    assert sorted(path.split("/")[3] for path in paths(result)) == ["mobile-app", "website"]


@keys_only
def test_children_of_a_few_parents_are_read_parent_by_parent(picked):
    statement = (
        "SELECT c.pull_request_id, c.id FROM picked JOIN pull_request_comments c "
        "ON c.pull_request_id = picked.id"
    )
    assert "Nested Loop" in picked.explain(statement)
    result = picked.query(statement)
    assert sorted(paths(result)) == [f"{PULL_REQUEST}/{number}/comments" for number in (3, 7, 9)]


@keys_only
@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        (BY_KEY, ["q: id IN (?, ?)", "Estimated requests: 1 for each 50 keys"]),
        (
            "SELECT title FROM pull_requests WHERE id = ANY(ARRAY(SELECT id FROM picked))",
            ["q: id IN (?, ?)", "Estimated requests: 1 for each 50 keys"],
        ),
        (
            "SELECT c.id FROM picked p JOIN pull_request_comments c ON c.pull_request_id = p.id",
            ["pull_request_id: each key", "Estimated requests: 1 for each key"],
        ),
        (
            "SELECT title FROM pull_requests WHERE id = (SELECT max(id) FROM picked)",
            [f"GET {PULL_REQUEST}/?", "Estimated requests: 1"],
        ),
    ],
)
def test_explain_shows_what_is_sent_for_keys(picked, statement, lines):
    plan = picked.explain(statement)
    for line in lines:
        assert line in plan, plan
    assert "214748364" not in plan


@keys_only
def test_the_activity_of_a_few_pull_requests_is_read_alone_after_the_whole_was_read(picked):
    """As long as these are fewer requests than the pages of the whole listing."""
    whole = picked.run("SELECT kind FROM pull_request_activity", on="website")
    last = 10 + len(whole.requests) - 5
    assert last > 13
    picked.db.execute(f"INSERT INTO picked SELECT n FROM generate_series(10, {last - 1}) n")
    picked.db.execute("ANALYZE picked")
    joined = "SELECT a.kind FROM picked p JOIN pull_request_activity a ON a.pull_request_id = p.id"
    asked = sorted(paths(picked.query(joined)))
    assert asked == sorted(f"{PULL_REQUEST}/{n}/activity" for n in (3, 7, 9, *range(10, last)))


def test_many_keys_are_read_by_one_scan(picked):
    picked.db.execute("INSERT INTO picked SELECT g, 'd' FROM generate_series(10, 160) g")
    picked.db.execute("ANALYZE picked")
    picked.run("SELECT count(*) FROM pull_requests", on="website")
    assert "Hash Join" in picked.explain(BY_KEY)
    result = picked.query(BY_KEY)
    count = picked.db.value("SELECT count(*) FROM website_x.pull_requests")
    assert paths(result) == [PULL_REQUEST] * -(-count // 50)


def test_a_lateral_subquery_reads_by_key_on_every_host(picked):
    result = picked.query(
        "SELECT note, p.title FROM picked, LATERAL "
        "(SELECT title FROM pull_requests WHERE id = picked.id OFFSET 0) p"
    )
    assert len(result.rows) == 3
    assert sorted(paths(result)) == [f"{PULL_REQUEST}/{number}" for number in (3, 7, 9)]


CONDITIONS = [
    "p.title = picked.note",
    "p.title > picked.note",
    "p.title <> picked.note AND p.state <> picked.note",
    "(p.title < picked.note OR p.kind = picked.note)",
    "p.votes + p.id > picked.id",
    "p.kind = 'bug'",
]


@pytest.mark.parametrize("how", ["JOIN", "LEFT JOIN", "RIGHT JOIN"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_other_conditions_of_a_join_are_kept(picked, how, condition):
    """Beside the key, which may be looked up row by row."""
    picked.query(
        f"SELECT picked.id, p.id FROM picked {how} issues p ON p.id = picked.id AND {condition}"
    )


def test_a_join_on_part_of_a_key_keeps_the_rest(sql):
    sql.db.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    sql.query(
        "SELECT a.name, b.name FROM branches a JOIN tags b ON a.repository = b.repository "
        "AND a.name = b.name",
        on="acme",
    )
    sql.query(
        "SELECT a.name, b.name FROM branches a JOIN tags b ON a.repository = b.repository "
        "AND a.target_commit_hash = b.target_commit_hash",
        on="acme",
    )


def test_a_join_value_that_is_null_asks_nothing(picked):
    picked.db.execute("UPDATE picked SET id = NULL")
    result = picked.query(
        "SELECT note, p.title FROM picked LEFT JOIN LATERAL "
        "(SELECT title FROM pull_requests WHERE id = picked.id OFFSET 0) p ON true"
    )
    assert result.rows == [("a", None), ("b", None), ("c", None)]
    assert result.requests == []


def test_a_key_that_is_not_there_gives_no_row(picked):
    picked.db.execute("INSERT INTO picked VALUES (99999, 'gone')")
    picked.db.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    result = picked.query("SELECT note, p.title FROM picked LEFT JOIN pull_requests p USING (id)")
    assert ("gone", None) in result.rows


METHODS = {
    "nested loop": ("hashjoin", "mergejoin"),
    "hash": ("nestloop", "mergejoin"),
    "merge": ("nestloop", "hashjoin"),
}

JOINS = [
    "SELECT i.id, c.id FROM issues i JOIN issue_comments c ON c.issue_id = i.id",
    "SELECT i.id, c.id FROM issues i LEFT JOIN issue_comments c ON c.issue_id = i.id",
    "SELECT count(*) FROM issues i WHERE EXISTS "
    "(SELECT FROM issue_comments c WHERE c.issue_id = i.id)",
    "SELECT count(*) FROM issues i WHERE NOT EXISTS "
    "(SELECT FROM issue_comments c WHERE c.issue_id = i.id)",
    "SELECT p.build_number, s.name FROM pipelines p JOIN pipeline_steps s "
    "ON s.pipeline_uuid = p.uuid WHERE p.build_number < 6",
    "SELECT b.name, c.message FROM branches b JOIN commits c ON c.hash = b.target_commit_hash",
    "SELECT a.id, b.id FROM pull_requests a JOIN pull_requests b ON b.id = a.id + 1 WHERE a.id < 5",
    "SELECT p.id, b.name FROM pull_requests p JOIN branches b ON b.name = p.source_branch_name "
    "WHERE p.state = 'OPEN'",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("statement", JOINS)
def test_every_way_to_join_gives_the_same_rows(sql, statement, method):
    for other in METHODS[method]:
        sql.db.execute(f"SET enable_{other} = off")
    assert sql.query(statement).rows


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("join", joins_to_parents(wide=False), ids=lambda join: join[1])
def test_every_table_joins_the_one_that_leads_to_it(sql, join, method):
    """A few rows of the parent, so that no deep table is read whole."""
    parent, child, pairs = join
    for other in METHODS[method]:
        sql.db.execute(f"SET enable_{other} = off")
    key = pairs[0][0]
    busiest = f"SELECT {pairs[0][1]} FROM website_x.{child} GROUP BY 1 ORDER BY count(*) DESC, 1"
    few = ", ".join(f"'{value}'" for value in sql.db.column(f"{busiest} LIMIT 3"))
    on = " AND ".join(f"c.{own} = p.{supplier}" for supplier, own in pairs)
    if pairs[0][1] in [column.name for column in required(BY_NAME[child])]:
        on += f" AND c.{pairs[0][1]} IN ({few})"  # no other join than a loop gives it values
    source = f"FROM {parent} p %s {child} c ON {on} WHERE p.{key} IN ({few})"
    assert sql.query(f"SELECT p.{key}, c.{pairs[0][1]} {source % 'JOIN'}").rows
    sql.query(f"SELECT p.{key}, count(c.{pairs[0][1]}) {source % 'LEFT JOIN'} GROUP BY 1")
    sql.query(
        f"SELECT count(*) FROM {parent} p WHERE p.{key} IN ({few}) "
        f"AND NOT EXISTS (SELECT FROM {child} c WHERE {on})"
    )


def test_a_rescan_gives_the_same_rows_again(sql):
    """The inner side runs once per outer row; nothing of one run may leak into the next."""
    sql.db.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    sql.db.execute("SET enable_material = off; SET enable_memoize = off")
    result = sql.query(
        "SELECT a.name, b.name FROM tags a JOIN tags b ON b.name < a.name AND a.name < 'v3'"
    )
    assert result.rows


def test_a_rescan_of_a_half_read_table(sql):
    sql.query(
        "SELECT g, (SELECT id FROM pull_requests p WHERE p.id + 0 > g * 10 AND p.id + 0 < "
        "g * 10 + 2) FROM generate_series(1, 4) g"
    )


def test_lateral_subqueries(sql):
    sql.query(
        "SELECT r.slug, b.name FROM repositories r, LATERAL (SELECT name FROM branches b "
        "WHERE b.workspace = r.workspace AND b.repository = r.slug ORDER BY name LIMIT 2) b",
        on="acme",
    )


def test_a_join_over_repositories_asks_only_those(sql):
    statement = (
        "SELECT r.slug, b.name FROM repositories r JOIN branches b ON b.repository = r.slug "
        "AND b.workspace = r.workspace WHERE r.slug = 'mobile-app'"
    )
    result = sql.query(statement, on="acme")
    assert {path.split("/")[3] for path in paths(result)} == {"mobile-app"}


def test_joins_of_a_workspace_hold_for_repositories_without_a_tracker(sql):
    sql.query(
        "SELECT r.slug, i.id FROM repositories r LEFT JOIN issues i ON i.repository = r.slug",
        on="acme",
    )
    sql.query(
        "SELECT r.slug, i.title FROM repositories r JOIN issues i ON i.repository = r.slug "
        "AND i.id = 1",
        on="acme",
    )


def test_workspace_tables_join_with_repository_tables(sql):
    sql.query(
        "SELECT m.user_nickname, count(*) FROM workspace_members m JOIN pull_requests p "
        "ON p.author_uuid = m.user_uuid GROUP BY 1",
        on="acme",
    )


def test_foreign_tables_join_with_plain_ones(sql):
    sql.query(
        "SELECT p.id, x.state FROM pull_requests p JOIN website_x.pull_requests x "
        "USING (id) WHERE x.draft"
    )


def test_costs_are_about_requests(fresh):
    """A scan of many pages must look dearer than an item, and than a scan of few."""

    def cost(statement):
        [[plan]] = fresh.db.rows(f"EXPLAIN (FORMAT JSON) {statement}")
        return plan[0]["Plan"]["Total Cost"]

    fresh.run("SELECT count(*) FROM pull_requests", on="website")
    whole = cost("SELECT title FROM pull_requests")
    part = cost("SELECT title FROM pull_requests WHERE state = 'DECLINED'")
    item = cost("SELECT title FROM pull_requests WHERE id = 3")
    assert item < part < whole
