"""Parents are tested by the conditions on their children's rows before these are asked."""

from __future__ import annotations

import itertools

import pytest

from bitbucket_fdw.pushdown.conditions import Condition
from bitbucket_fdw.pushdown.parent_filter import may_meet, sieve_of
from bitbucket_fdw.tables.columns import Column
from tests.sql.querying import asked, paths

LISTING = "/repositories/acme"


def children(result):
    return [path for path in paths(result) if path != LISTING]


@pytest.mark.parametrize(
    "condition",
    [
        "repository <> 'website'",
        "repository NOT IN ('website', 'mobile-app')",
        "repository LIKE 'web%'",
        "repository NOT LIKE 'web%'",
        "repository ILIKE 'WEB%'",
        "repository ~ '^(web|mobile)'",
        "repository !~ 'e'",
        "repository LIKE 'web%' AND repository <> 'website'",
        "repository IN ('website', 'mobile-app') AND repository NOT LIKE 'web%'",
        "repository LIKE 'web%' AND repository IN ('website', 'mobile-app')",
        "repository = 'website' AND repository <> 'website'",
    ],
)
@pytest.mark.parametrize("table", ["branches", "pull_requests", "default_branch_commits"])
def test_only_repositories_that_meet_a_condition_are_asked(sql, table, condition):
    result = sql.query(f"SELECT repository FROM {table} WHERE {condition}", on="acme")
    wanted = sql.db.column(
        f"SELECT repository FROM (SELECT slug AS repository, mainbranch_name FROM "
        f"acme_x.repositories) r WHERE {condition} "
        + ("AND mainbranch_name IS NOT NULL" if table == "default_branch_commits" else "")
    )
    below = {path.split("/")[3] for path in children(result) if path.count("/") > 3}
    assert below == set(wanted)


def test_a_condition_on_the_repository_reaches_the_grandparent(sql):
    where = "repository LIKE 'mobile-%'"
    result = sql.query(f"SELECT id FROM pull_request_comments WHERE {where}", on="acme")
    assert {path.split("/")[3] for path in children(result)} == {"mobile-app"}


def test_a_range_of_parents_goes_to_their_own_listing(sql):
    result = sql.query("SELECT id FROM pull_request_tasks WHERE pull_request_id < 5")
    listing, *rest = asked(result)
    assert listing.q == "id < 5"
    assert len(rest) == 4


def test_parents_that_are_excluded_are_not_asked(sql):
    result = sql.query("SELECT id FROM pull_request_comments WHERE pull_request_id NOT IN (1, 2)")
    assert not {f"{LISTING}/website/pullrequests/{n}/comments" for n in (1, 2)} & {*paths(result)}


def test_open_tasks_are_looked_for_where_there_are_any(sql):
    where = "state = 'UNRESOLVED'"
    result = sql.query(f"SELECT pull_request_id FROM pull_request_tasks WHERE {where}")
    asked_for = {path.split("/")[5] for path in paths(result) if path.endswith("/tasks")}
    assert asked_for == {str(row[0]) for row in result.rows}
    every = sql.query("SELECT pull_request_id FROM pull_request_tasks")
    assert len(every.requests) > 100


def test_the_plan_shows_what_is_tested(sql):
    plan = sql.explain("SELECT name FROM branches WHERE repository <> 'x'", on="acme")
    assert "Only where: slug <> 'x'" in plan


# --- what is dropped here, PostgreSQL drops as well ---

VALUES = ["", "website", "web-site", "WEBSITE", "i", "I", "k", "a.b", "a_b", "x\ny", "\u0130", "%"]
PATTERNS = {
    "LIKE": ["", "%", "_", "web%", "%SITE", "w_b%", "a\\_b", "a\\.b", "%e%i%", "%%", "__", "\\%"],
    "ILIKE": ["WEB%", "i", "I", "k", "\u0131", "%İ", "\u212a"],
    "~": [
        *("", "web", "^web", "site$", "^$", "a.b", "a\\.b", "(web|a)", "[a-c]", "[^a-z]", "x.y"),
        *("e?b", "we*b", "^(w|i)", "a|", "y$", "x$", "[a-z_]+$", "^[^.]+$"),
        # Not common to both, or not worth it: left alone.
        *("(?i)web", "\\mweb", "a{2}", "[[:alpha:]]", "***=a.b", "(a*)*", "a*?", "\\d", "^*"),
    ],
}
OPERATORS = {
    "LIKE": ("~~", "!~~"),
    "ILIKE": ("~~*",),
    "~": ("~", "!~"),
}
CASES = [
    (operator, pattern)
    for kind, operators in OPERATORS.items()
    for operator, pattern in itertools.product(operators, PATTERNS[kind])
]


@pytest.mark.parametrize("collation", ["C", "en-x-icu", "tr-x-icu"])
def test_postgresql_meets_nothing_that_is_dropped_here(workspace_db, collation):
    column = Column("c", "text", None, "")
    tested = 0
    for operator, pattern in CASES:
        condition = Condition(column, operator, pattern)
        if not sieve_of([condition]):
            continue
        for value in VALUES:
            told = workspace_db.value(
                f'SELECT %s::text COLLATE "{collation}" {operator.replace("%", "%%")} %s',
                [value, pattern],
            )
            assert may_meet(value, condition) or not told, (operator, pattern, value)
            tested += not told and not may_meet(value, condition)
    assert tested > 200
