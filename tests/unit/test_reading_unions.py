"""Items of several kinds in one listing, told apart by ``type``: the targets of pipelines.

What a kind lacks is NULL, whatever else it has, and no kind makes another one's row fail.
"""

from typing import Any

import pytest

from bitbucket_fdw.tables.pipelines import Pipelines
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, Session

LISTING = f"{AT}/pipelines/"
HASH = "0123456789abcdef0123456789abcdef01234567"
COMMIT = {"type": "commit", "hash": HASH}
COLUMNS = tuple(c.name for c in Pipelines.columns if (c.path or "").startswith("target."))

# The members of a pipeline besides its key, and what the columns of its target have.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ref": (
        {
            "target": {
                "type": "pipeline_ref_target",
                "ref_type": "branch",
                "ref_name": "main",
                "selector": {"type": "branches", "pattern": "ma*"},
                "commit": COMMIT,
            }
        },
        {
            "target_type": "pipeline_ref_target",
            "target_ref_type": "branch",
            "target_ref_name": "main",
            "target_selector_type": "branches",
            "target_selector_pattern": "ma*",
            "target_commit_hash": HASH,
        },
    ),
    "commit": (
        {
            "target": {
                "type": "pipeline_commit_target",
                "commit": COMMIT,
                "selector": {"type": "custom", "pattern": "nightly"},
            }
        },
        {
            "target_type": "pipeline_commit_target",
            "target_selector_type": "custom",
            "target_selector_pattern": "nightly",
            "target_commit_hash": HASH,
        },
    ),
    "pull request": (
        {
            "target": {
                "type": "pipeline_pullrequest_target",
                "source": "feature",
                "destination": "main",
                "pullrequest": {"type": "pullrequest", "id": 5},
                "destination_commit": {"type": "commit", "hash": "0123456789ab"},
                "commit": COMMIT,
                "selector": None,
            }
        },
        {
            "target_type": "pipeline_pullrequest_target",
            "target_source": "feature",
            "target_destination": "main",
            "target_pullrequest_id": 5,
            "target_destination_commit_hash": "0123456789ab",
            "target_commit_hash": HASH,
        },
    ),
    "unknown": (
        {"target": {"type": "pipeline_new_target", "ref_name": None, "of": [1, {"a": 2}]}},
        {"target_type": "pipeline_new_target"},
    ),
    "without type": (
        {"target": {"ref_type": "tag", "ref_name": "v1", "commit": None}},
        {"target_ref_type": "tag", "target_ref_name": "v1"},
    ),
    "empty": ({"target": {}}, {}),
    "null": ({"target": None}, {}),
    "absent": ({}, {}),
}


def uuid(number: int) -> str:
    return f"{{00000000-0000-4000-8000-{number:012}}}"


@pytest.fixture
def session() -> Session:
    api = FakeApi()
    items = [
        {"uuid": uuid(number), "build_number": number, **members}
        for number, (members, _) in enumerate(KINDS.values(), 1)
    ]
    api.collection(LISTING, items, key="uuid")
    for item in items:
        api.on(f"{AT}/pipelines/{item['build_number']}", item)
    return Session.of(api)


def of(row: dict[str, Any]) -> dict[str, Any]:
    """A row's columns of the target that are not NULL."""
    return {name: row[name] for name in COLUMNS if row[name] is not None}


def test_each_kind_has_its_members_and_null_for_the_others(session):
    rows = list(session.rows("pipelines", columns=(*COLUMNS, "build_number")))
    found = {kind: of(row) for kind, row in zip(KINDS, rows, strict=True)}
    assert found == {kind: expected for kind, (_, expected) in KINDS.items()}
    assert session.warnings == session.doubts == []


@pytest.mark.parametrize("number", range(1, len(KINDS) + 1))
def test_one_that_is_asked_for_alone_is_the_same(session, number):
    (row,) = session.rows("pipelines", ("build_number", "=", number), columns=COLUMNS)
    assert of(row) == list(KINDS.values())[number - 1][1]
    assert session.api.calls == [f"GET {AT}/pipelines/{number}"]


@pytest.mark.parametrize("column", COLUMNS)
def test_kinds_that_lack_a_column_are_those_where_it_is_null(session, column):
    rows = session.rows("pipelines", columns=("build_number", column))
    lacking = [row["build_number"] for row in rows if row[column] is None]
    kinds = [kind for kind, (_, expected) in KINDS.items() if column not in expected]
    assert lacking == [list(KINDS).index(kind) + 1 for kind in kinds]


def test_the_page_of_each_is_made_of_its_number_and_place(session):
    rows = session.rows("pipelines", columns=("links_html_href",))
    assert [row["links_html_href"] for row in rows] == [
        f"https://bitbucket.org{AT.removeprefix('/repositories')}/pipelines/results/{number}"
        for number in range(1, len(KINDS) + 1)
    ]
    assert session.api.calls == [f"GET {LISTING}"]


def test_a_filter_by_a_member_that_others_lack_does_not_fail_for_them(session):
    # This server leaves the parameter out of account. PostgreSQL checks the rows again.
    rows = session.rows("pipelines", ("target_ref_name", "=", "main"), columns=COLUMNS)
    assert {"main"} <= {row["target_ref_name"] for row in rows}
    assert session.api.received[0]["target.ref_name"] == "main"
