"""The page of operations: every one has a table or a reason, and no declaration makes one up."""

import re
from collections import Counter

import pytest

from bitbucket_fdw.reference import coverage
from bitbucket_fdw.reference.coverage import PLANNED, REASONS, YET, Operation, Reason
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.writing.requests import verbs

OPERATIONS = coverage.operations()
PAGE = coverage.page("notice")


def test_an_operation_is_listed_once():
    assert max(Counter((o.method, coverage.shape(o.path)) for o in OPERATIONS).values()) == 1
    assert {o.method for o in OPERATIONS} == {"GET", "POST", "PUT", "DELETE"}
    assert {o.mark for o in OPERATIONS} == {"", "deprecated", "removed"}
    assert len(OPERATIONS) > 300


def test_every_operation_has_a_table_or_a_reason():
    lacking = [o for o in OPERATIONS if not coverage.used_by(o) and not coverage.reason(o)]
    assert list(map(str, lacking)) == []


def test_what_has_a_table_needs_no_reason():
    excused = [o for o in OPERATIONS if coverage.used_by(o) and any(r.holds(o) for r in REASONS)]
    assert list(map(str, excused)) == []


@pytest.mark.parametrize("known", REASONS, ids=lambda known: known.why[:40])
def test_a_reason_is_of_operations_that_there_are(known):
    for pattern in known.operations:
        assert any(Reason("", (pattern,)).holds(o) for o in OPERATIONS), pattern


def test_what_is_planned_is_there():
    groups = {pattern.removesuffix("/*").removesuffix("*") for pattern in PLANNED}
    for group in groups:
        of_group = Reason("", (group, f"{group}/*", f"{group}*"))
        assert any(of_group.holds(o) for o in OPERATIONS), group


def test_declarations_name_operations_of_the_api_alone():
    assert coverage.unknown() == []


def test_an_operation_that_nobody_knows_of_has_neither():
    for method, path in (("GET", "/planets"), ("GET", "/repositories/{workspace}/{repo_slug}/x")):
        operation = Operation(method, path)
        assert coverage.used_by(operation) == []
        assert coverage.reason(operation) is None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_an_operation_for_each_command_that_it_takes(table):
    found = {
        use.verb
        for operation in OPERATIONS
        for use in coverage.used_by(operation)
        if use.table == table.name
    }
    assert found - {"ROLLBACK"} == {"SELECT", *verbs(table)}


def test_what_belongs_to_a_change_is_of_its_command():
    def names(operation: str) -> dict[str, set[str]]:
        method, path = operation.split()
        shape = coverage.shape(path.replace("R/", "/repositories/{w}/{r}/"))
        found: dict[str, set[str]] = {}
        for use in coverage.uses()[method, shape]:
            found.setdefault(use.table, set()).add(use.verb)
        return found

    assert names("POST R/pullrequests/{id}/merge")["pull_requests"] == {"UPDATE"}
    assert names("POST R/pullrequests/{id}/approve")["pull_request_participants"] >= {"INSERT"}
    assert names("GET R/refs/branches")["branches"] == {"SELECT"}
    assert names("GET R/refs/branches/{name}")["pull_requests"] == {"UPDATE"}


def test_the_page_counts_what_it_lists():
    *_, every = re.findall(r"^\| all \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    used = re.findall(r"^\| `([A-Z]+ \S+)`.*\| (.+) \|$", PAGE, re.MULTILINE)
    rest = re.findall(r"^- `([A-Z]+ \S+)`", PAGE, re.MULTILINE)
    assert tuple(map(int, every)) == (len(OPERATIONS), len(used), len(rest))
    assert sorted([operation for operation, _ in used] + rest) == sorted(map(str, OPERATIONS))
    parts = [tuple(map(int, row)) for row in re.findall(r"\| (\d+) \| (\d+) \| (\d+) \|", PAGE)]
    assert tuple(map(sum, zip(*parts[:-1], strict=True))) == parts[-1]
    for _, tables in used:
        for name in re.findall(r"\[(\w+)\]", tables):
            assert name in BY_NAME
    assert YET in PAGE
