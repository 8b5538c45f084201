"""What the planner is told of tables: their sizes, their costs, and the keys they are read by."""

import pytest

from bitbucket_fdw import estimate
from bitbucket_fdw.binding import TableBinding
from bitbucket_fdw.tables import BY_NAME


def path_keys(name, **bound):
    table = BY_NAME[name]
    types = {"timestamptz": "timestamp with time zone"}
    columns = {c.name: ({}, types.get(c.type, c.type)) for c in table.columns}
    binding = TableBinding.of({"table": name, **bound}, columns)
    return [key for key, _ in estimate.path_keys(binding, lambda table: table.rows)]


@pytest.mark.parametrize("name", ["issues", "issue_comments"])
def test_repositories_that_may_lack_a_tracker_are_no_way_to_issues(name):
    """Looked up one by one, those without a tracker would be errors; a scan passes them over."""
    assert not any("repository" in key for key in path_keys(name, workspace="acme"))
    bound = path_keys(name, workspace="acme", repository="website")
    assert ("id",) in bound


def test_repositories_are_a_way_to_what_they_all_have():
    assert ("repository",) in path_keys("branches", workspace="acme")
    assert ("repository", "id") in path_keys("pull_requests", workspace="acme")
