"""A column that requires a condition: a scan without one is refused, and planning works."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_fdw.errors import ConditionMissing
from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown import Qual, Request, conditions_of, plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.reading import costs, explain
from bitbucket_fdw.reading.execution import Execution
from bitbucket_fdw.reading.observations import ApiRefusals, Observed
from bitbucket_fdw.reading.sizes import Sizes
from bitbucket_fdw.reference import catalog, pages
from bitbucket_fdw.tables.columns import Column, column
from bitbucket_fdw.tables.endpoints import Collection, Item
from bitbucket_fdw.tables.pipelines import PipelineSteps
from bitbucket_fdw.tables.shared_columns import repository_columns
from bitbucket_fdw.tables.table import Parent, Scopes, Table
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, REPOSITORY, WORKSPACE

UUID = "{00000000-0000-0000-0000-000000000001}"
_STEPS = "/repositories/{workspace}/{repository}/pipelines/{pipeline_uuid}/steps/"
GUESS = Sizes().guess


class Wanted(Table):
    """As the steps of pipelines, but only of those that are named."""

    name = "wanted_steps"
    family = "pipelines"
    description = "Steps of the pipelines that are named"
    scopes = Scopes(("pipeline",), ("read:pipeline:bitbucket",))
    collection = Collection(_STEPS)
    items = (Item(f"{_STEPS}{{uuid}}", key="uuid", parameter="uuid"),)
    parent = PipelineSteps.parent
    primary_key = ("workspace", "repository", "pipeline_uuid", "uuid")
    columns = (
        *repository_columns(),
        Column("pipeline_uuid", "uuid", None, "Pipeline", param="pipeline_uuid", required=True),
        column("uuid", "uuid", "Step"),
    )


class Below(Table):
    """Something below each of them."""

    name = "below_wanted_steps"
    family = "pipelines"
    description = "Something of each of them"
    collection = Collection(f"{_STEPS}{{step_uuid}}/things")
    parent = Parent(
        Wanted,
        (
            ("workspace", "workspace"),
            ("repository", "repository"),
            ("pipeline_uuid", "pipeline_uuid"),
            ("step_uuid", "uuid"),
        ),
    )
    primary_key = ("workspace", "repository", "uuid")
    columns = (*repository_columns(), column("uuid", "uuid", "Thing"))


def request(*quals: tuple[str, Any, Any], table: type[Table] = Wanted, **more: Any) -> Request:
    declared = {c.name: c for c in table.columns}
    conditions, unread = conditions_of([Qual(*qual) for qual in quals], declared)
    assert not unread
    return Request(table, REPOSITORY, conditions, columns=frozenset({"uuid"}), **more)


def run(asked: Request) -> tuple[list[Any], list[str]]:
    api = FakeApi()
    api.collection(f"{AT}/pipelines/{UUID}/steps/", [{"uuid": UUID}], key="uuid")
    client = api.client()
    execution = Execution(client, client.scan(), Observed(ApiRefusals(), client.clock))
    return list(execution.rows(plan(asked))), api.calls


@pytest.mark.parametrize(
    "quals",
    [
        (),
        (("uuid", "=", UUID),),
        (("pipeline_uuid", "<>", UUID),),
        (("pipeline_uuid", ("<>", False), [UUID]),),
    ],
    ids=["nothing", "another column", "not equal", "not in"],
)
def test_a_scan_without_the_condition_is_refused_before_any_request(quals):
    with pytest.raises(ConditionMissing) as refused:
        run(request(*quals))
    error = refused.value
    assert error.sqlstate == "0A000"
    assert error.message == "wanted_steps is not read without a condition on pipeline_uuid"
    assert "pipeline_uuid = …" in error.hint


@pytest.mark.parametrize(
    "qual", [("pipeline_uuid", "=", UUID), ("pipeline_uuid", ("=", True), [UUID])]
)
def test_equality_and_a_list_are_enough(qual):
    rows, calls = run(request(qual))
    assert len(rows) == 1
    assert [call.partition("?")[0] for call in calls] == [f"GET {AT}/pipelines/{UUID}/steps/"]


def test_what_takes_no_request_needs_no_condition():
    assert run(request(limit=0)) == ([], [])
    assert run(request(("uuid", "=", UUID), ("uuid", "=", UUID.replace("1}", "2}")))) == ([], [])
    assert run(request(("pipeline_uuid", ("=", True), []))) == ([], [])


def test_what_belongs_to_its_rows_is_refused_as_well():
    with pytest.raises(ConditionMissing, match="pipeline_uuid"):
        run(request(table=Below))


def test_planning_works_and_any_other_way_is_cheaper():
    planned = plan(request())
    assert planned.kind is Kind.REFUSED
    assert explain.lines(planned, GUESS, True) == [
        "Bitbucket: refused without a condition on pipeline_uuid"
    ]
    named = plan(request(("pipeline_uuid", "=", UUID)))
    price = {
        kind.kind: costs.rows(kind, GUESS) * costs.width(kind, GUESS) for kind in (planned, named)
    }
    assert price[Kind.REFUSED] > 10_000 * price[Kind.COLLECTION]


@pytest.mark.parametrize("bound", [REPOSITORY, WORKSPACE, {}], ids=len)
def test_joins_are_offered_by_keys_that_hold_the_column(bound):
    shown = {c.name: c for c in Wanted.columns}
    keys = costs.path_keys(TableBinding(Wanted, bound, shown, shown), GUESS)
    assert keys
    assert all("pipeline_uuid" in names for names, _ in keys)
    assert all(promised < costs.REFUSED for _, promised in keys)


def test_the_catalog_and_the_page_say_it(monkeypatch):
    monkeypatch.setattr(catalog, "TABLES", (Wanted,))
    assert [r["name"] for r in catalog.column_rows() if r["required"]] == ["pipeline_uuid"]
    page = pages.table_page(Wanted)
    assert "| **`pipeline_uuid`** | uuid |" in page
    assert "**a condition is required**" in page
    assert "A query has to say which `pipeline_uuid` it wants" in page
