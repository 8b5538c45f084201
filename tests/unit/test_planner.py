"""Requests planned for SQL conditions: the tables' own declarations are what is under test."""

import pytest

from bitbucket_fdw.errors import BitbucketError
from bitbucket_fdw.pushdown import Qual, Refusals, Request, conditions_of, plan
from bitbucket_fdw.pushdown.local_filter import meets
from bitbucket_fdw.pushdown.plan import Kind, Sort
from bitbucket_fdw.reading.costs import requests, rows
from bitbucket_fdw.tables import BY_NAME

ONE = {"workspace": "acme", "repository": "website"}
ALL = {"workspace": "acme"}
UUID = "12345678-9abc-def0-1234-56789abcdef0"


def planned(table, *quals, columns=(), bound=ONE, **rest):
    declared = BY_NAME[table]
    conditions, left = conditions_of(
        [Qual(*qual) for qual in quals], {c.name: c for c in declared.columns}
    )
    needed = frozenset(columns) | {qual[0] for qual in quals}
    return plan(Request(declared, bound, conditions, tuple(map(str, left)), needed, **rest))


def parameters(result):
    """The query parameters of the plan's only request."""
    [query] = result.queries
    return dict(query.pairs())


def values(result):
    return {binding.parameter: binding.values for binding in result.bindings}


def test_only_needed_fields_are_asked_for_and_always_next():
    result = planned("pull_requests", columns=["title", "author_uuid"])
    assert parameters(result)["fields"] == (
        "next,size,page,pagelen,values.title,values.author.uuid,values.id"
    )


def test_without_q_every_state_is_asked_for():
    [query] = planned("pull_requests", columns=["title"]).queries
    states = [value for name, value in query.pairs() if name == "state"]
    assert states == ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]


def test_with_q_state_is_left_out_because_it_is_ignored():
    result = planned("pull_requests", ("title", "~~", "%x%"), columns=["title"])
    assert "state" not in parameters(result)
    assert parameters(result)["q"] == 'title ~ "x"'


def test_state_goes_inside_q():
    result = planned("pull_requests", ("state", "=", "OPEN"), columns=["title"])
    assert parameters(result)["q"] == 'state = "OPEN"'


def test_pagelen_is_the_endpoints_maximum_or_the_limit():
    assert parameters(planned("pull_requests", columns=["id"]))["pagelen"] == "50"
    assert parameters(planned("branches", columns=["name"]))["pagelen"] == "100"
    limited = planned("branches", columns=["name"], limit=5, offset=2)
    assert parameters(limited)["pagelen"] == "7"
    assert "pagelen" not in parameters(planned("branches", ("name", "=", "x"), columns=["name"]))


def test_sort_is_sent():
    result = planned("pull_requests", columns=["id"], sort=Sort("created_on", True))
    assert parameters(result)["sort"] == "-created_on"
    assert "values.created_on" in parameters(result)["fields"]


def test_a_key_is_read_as_an_item():
    result = planned("pull_requests", ("id", "=", 7), columns=["title"])
    assert (result.kind, result.path.rpartition("/")[2]) == (Kind.ITEM, "{id}")
    assert values(result)["id"] == (7,)
    assert parameters(result) == {"fields": "id,title"}


def test_several_keys_are_one_query_where_the_key_can_be_filtered():
    result = planned("pull_requests", ("id", ("=", True), [1, 2]), columns=["title"])
    assert result.kind is Kind.COLLECTION
    assert parameters(result)["q"] == "id IN (1, 2)"


def test_keys_that_are_named_bound_the_estimate():
    result = planned("pull_requests", ("id", ("=", True), [1, 2]), columns=["title"])
    assert rows(result, lambda *_: 1000) == 2
    assert requests(result, lambda *_: 1000) == 1


def test_several_keys_are_items_where_it_can_not():
    result = planned("projects", ("key", ("=", True), ["A", "B"]), columns=["name"], bound=ALL)
    assert result.kind is Kind.ITEM
    assert values(result)["key"] == ("A", "B")


def test_a_long_list_of_numbers_is_spread_over_requests_that_share_no_value():
    result = planned("issues", ("id", ("=", True), list(range(220))), columns=["title"])
    asked = [int(n) for query in result.queries for n in query.q[7:-1].split(", ")]
    # As many in each as there are items on a page.
    assert [query.q.count(",") + 1 for query in result.queries] == [100, 100, 20]
    assert sorted(asked) == list(range(220))


def test_only_one_long_list_is_spread():
    result = planned(
        "issues", ("id", ("=", True), list(range(199))), ("votes", ("=", True), list(range(199)))
    )
    assert len(result.queries) == 2
    assert not result.exact


def test_a_long_list_of_texts_stays_local():
    names = [f"name-{i:04}-{'x' * 40}" for i in range(60)]
    result = planned("pull_requests", ("title", ("=", True), names), columns=["title"])
    assert result.queries[0].q is None
    assert result.local


def test_an_address_never_gets_too_long():
    wide = "日本語" * 100  # nine characters each once encoded
    result = planned(
        "pull_requests", ("title", "=", wide), ("source_branch_name", "=", wide), columns=["id"]
    )
    assert result.queries[0].q == f'title = "{wide}"'
    assert len(result.local) == 1


def test_a_pipeline_is_read_by_uuid_or_by_build_number():
    by_uuid = planned("pipelines", ("uuid", "=", UUID), columns=["state_name"])
    by_number = planned("pipelines", ("build_number", "=", 7), columns=["state_name"])
    assert by_uuid.kind is by_number.kind is Kind.ITEM
    assert [b.column for b in by_number.bindings] == ["workspace", "repository", "build_number"]


def test_pipelines_take_query_parameters_instead_of_q():
    result = planned("pipelines", ("target_ref_name", "=", "main"), columns=["uuid"])
    assert parameters(result)["target.ref_name"] == "main"
    assert "q" not in parameters(result)


def test_no_condition_fans_out_over_the_parents():
    result = planned("pull_requests", columns=["id"], bound=ALL)
    assert result.parent.path == "/repositories/{workspace}"
    assert (
        parameters(result.parent)["fields"] == "next,size,page,pagelen,values.slug,values.full_name"
    )


def test_named_repositories_are_asked_alone():
    result = planned(
        "pull_requests", ("repository", ("=", True), ["a", "b"]), columns=["id"], bound=ALL
    )
    assert result.parent is None
    assert values(result)["repository"] == ("a", "b")


def test_spellings_of_one_slug_are_values_of_their_own():
    result = planned("branches", ("repository", ("=", True), ["Web", "web"]), bound=ALL)
    assert values(result)["repository"] == ("Web", "web")


def test_a_grandparent_is_narrowed_by_what_is_known():
    result = planned("pull_request_comments", ("repository", "=", "a"), columns=["id"], bound=ALL)
    assert result.parent.parent is None
    assert values(result.parent) == {"workspace": ("acme",), "repository": ("a",)}


def test_issues_fan_out_over_repositories_that_have_a_tracker():
    result = planned("issues", columns=["id"], bound=ALL)
    assert "values.has_issues" in parameters(result.parent)["fields"]


def test_default_branch_commits_ask_for_the_default_branch_first():
    result = planned("default_branch_commits", columns=["hash"])
    assert (result.parent.kind, result.parent.columns) == (
        Kind.ITEM,
        ("workspace", "slug", "mainbranch_name"),
    )


@pytest.mark.parametrize(
    "quals",
    [
        [("repository", "=", "other")],
        [("id", "=", 1), ("id", "=", 2)],
        [("id", ("=", True), [])],
        [("id", "=", 1), ("id", ("=", True), [2, 3])],
    ],
)
def test_contradictions_take_no_request(quals):
    assert planned("pull_requests", *quals, columns=["title"]).kind is Kind.NOTHING


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_takes_no_request(name):
    assert planned("branches", ("name", "=", name), columns=["name"]).kind is Kind.NOTHING
    assert planned("branches", ("repository", "=", name), bound=ALL).kind is Kind.NOTHING


def test_an_abbreviated_hash_takes_no_request():
    assert planned("commits", ("hash", "=", "abc123"), columns=["hash"]).kind is Kind.NOTHING


def test_limit_zero_takes_no_request():
    assert planned("branches", columns=["name"], limit=0).kind is Kind.NOTHING


@pytest.mark.parametrize(
    ("quals", "q", "fields"),
    [
        ([], None, "size"),
        ([("state", "=", "OPEN")], 'state = "OPEN"', "size,values.state"),
        ([("draft", "=", "t")], "draft = true", "size,values.draft"),
    ],
)
def test_counting_asks_for_the_size_and_one_filtered_value(quals, q, fields):
    result = planned("pull_requests", *quals)
    assert result.kind is Kind.COUNT
    assert result.queries[0].q == q
    assert ("fields", fields) in result.queries[0].parameters
    assert (("pagelen", "10") in result.queries[0].parameters) == (q is not None)
    listed = dict(result.uncounted(result.queries[0]).parameters)
    assert listed["pagelen"] == "50"
    assert "values.id" in listed["fields"]


@pytest.mark.parametrize(
    ("table", "quals"),
    [
        ("pull_requests", [("title", "=", "x")]),  # letter case is not known to matter
        ("pull_requests", [("created_on", ">", "2024-01-01 00:00:00+00")]),  # widened
        ("pull_requests", [("id", ">", 5)]),  # each row has an id of its own
        ("pull_requests", [("reason", "=", "x")]),  # local
        ("commits", []),  # no size
        ("pipelines", [("target_ref_name", "=", "main")]),
    ],
)
def test_what_cannot_be_counted_by_size(table, quals):
    assert planned(table, *quals).kind is not Kind.COUNT


def test_columns_the_listing_lacks_are_read_item_by_item():
    result = planned("workspaces", columns=["name"], bound={})
    assert result.hydrate == "/workspaces/{workspace}"
    asked = "next,size,pagelen,values.workspace.slug,values.slug"
    assert parameters(result)["fields"] == asked
    assert dict(result.hydrate_query.parameters)["fields"] == "workspace.slug,slug,name"
    assert planned("workspaces", columns=["slug"], bound={}).hydrate is None


def test_a_column_that_an_item_lacks_is_read_from_the_listing():
    assert planned("workspaces", columns=["name"]).kind is Kind.ITEM
    assert planned("workspaces", columns=["name"]).beside is None
    both = planned("workspaces", columns=["administrator", "name"])
    assert (both.kind, both.path) == (Kind.ITEM, "/workspaces/{workspace}")
    assert both.beside is not None
    # Its listing takes no q, so that the item cannot be found there by its key.
    quals = [("user_uuid", "=", "00000000-0000-4000-8000-000000000001"), ("project_key", "=", "A")]
    listing = planned("project_default_reviewers", *quals, columns=["reviewer_type"])
    assert listing.kind is Kind.COLLECTION
    assert planned("project_default_reviewers", *quals).kind is Kind.ITEM


def test_a_refused_filter_is_left_out():
    result = planned(
        "branches",
        ("target_commit_hash", "=", "x"),
        refused=Refusals(frozenset({("branches", "target_commit_hash")})),
    )
    assert result.queries[0].q is None


def test_exactness_decides_whether_a_limit_may_pass():
    assert planned("pull_requests", ("state", "=", "OPEN"), columns=["id"]).exact
    assert planned("pull_requests", ("id", "=", 1), columns=["id"]).exact
    assert not planned("pull_requests", ("title", "=", "x"), columns=["id"]).exact
    assert not planned("pull_requests", ("reason", "=", "x"), columns=["id"]).exact
    assert not planned("pull_requests", ("id", "=", 1), ("title", "=", "x")).exact


@pytest.mark.parametrize("columns", [["pull_request_id"], ["repository"], []])
@pytest.mark.parametrize("quals", [[], [("pull_request_id", "=", 7)]])
def test_rows_in_a_list_are_there_whichever_columns_are_needed(columns, quals):
    """Without a field inside the list the answer would hold no list, and so no rows."""
    result = planned("pull_request_participants", *quals, columns=columns)
    assert "participants.user.uuid" in parameters(result)["fields"]


def test_a_key_that_is_null_asks_nothing():
    assert planned("issues", ("id", "=", None)).kind is Kind.NOTHING
    assert planned("issue_comments", ("issue_id", "=", None)).kind is Kind.NOTHING
    assert planned("issues", ("assignee_nickname", "=", None)).kind is Kind.COLLECTION


REFUSES_DRAFT = Refusals(frozenset({("pull_requests", "draft")}))


def test_a_refused_filter_is_checked_before_rows_are_counted_off():
    result = planned(
        "pull_requests",
        ("draft", "=", "t"),
        ("state", "=", "OPEN"),
        columns=["title"],
        limit=5,
        refused=REFUSES_DRAFT,
    )
    assert parameters(result)["pagelen"] == "50", "more may have to be read than is wanted"
    draft, state = result.checks
    assert "draft" in result.columns
    row = {"draft": True, "state": "OPEN", "title": "x"}
    assert meets(row, (draft, state))
    assert not meets({**row, "draft": False}, (draft, state))
    assert not meets({**row, "state": None}, (draft, state))
    with pytest.raises(ValueError, match="draft"):
        meets({**row, "draft": "perhaps"}, (draft, state))


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        ("=", 2, [2]),
        ("<>", 2, [1, 3]),
        ("<", 2, [1]),
        ("<=", 2, [1, 2]),
        (">", 2, [3]),
        (">=", 2, [2, 3]),
        (("=", True), [1, 3], [1, 3]),
    ],
)
def test_numbers_are_checked_here_as_postgresql_compares_them(operator, value, kept):
    refused = Refusals(frozenset({("repositories", "size")}))
    result = planned(
        "repositories", ("size", operator, value), bound=ALL, offset=1, refused=refused
    )
    assert [n for n in (1, 2, 3, None) if meets({"size": n}, result.checks)] == kept


def test_uuids_are_checked_here_however_they_are_written():
    refused = Refusals(frozenset({("repositories", "uuid")}))
    result = planned("repositories", ("uuid", "=", UUID), bound=ALL, limit=1, refused=refused)
    assert meets({"uuid": f"{UUID.upper()}"}, result.checks)
    assert not meets({"uuid": UUID.replace("1", "2")}, result.checks)


@pytest.mark.parametrize(
    "qual",
    [("title", "=", "x"), ("title", "~~", "x%"), ("created_on", ">", "2024-01-01 00:00:00+00")],
)
def test_what_cannot_be_checked_here_for_certain_is_never_counted_off(qual):
    with pytest.raises(BitbucketError, match="LIMIT"):
        planned("pull_requests", qual, limit=5)


def test_an_order_that_is_refused_is_not_sent():
    refused = Refusals(sorts=frozenset({("pull_requests", "created_on")}))
    sort = Sort("created_on", True)
    result = planned("pull_requests", columns=["id"], sort=sort, limit=5, refused=refused)
    assert result.sort_here
    assert "sort" not in parameters(result)
    assert parameters(result)["pagelen"] == "50"
    assert "values.created_on" in parameters(result)["fields"]


def test_what_a_parent_refuses_is_left_out_of_its_own_request():
    refused = Refusals(frozenset({("pull_requests", "id")}))
    quals = (("pull_request_id", ("=", True), [3, 4]), ("state", "=", "RESOLVED"))
    result = planned("pull_request_tasks", *quals, bound=ALL, refused=refused)
    assert [query.q for query in result.queries] == ['state = "RESOLVED"']
    assert result.parent is not None
    assert {query.q for query in result.parent.queries} == {None}
