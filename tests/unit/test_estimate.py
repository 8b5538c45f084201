"""The numbers that have PostgreSQL's planner choose between listings and keys."""

import pytest

from bitbucket_fdw import estimate
from bitbucket_fdw.binding import TableBinding
from bitbucket_fdw.execution import Sizes
from bitbucket_fdw.pushdown import Request, plan
from bitbucket_fdw.tables import BY_NAME

ONE = {"workspace": "acme", "repository": "website"}


def binding(name):
    table = BY_NAME[name]
    types = {"timestamptz": "timestamp with time zone"}
    columns = {c.name: ({}, types.get(c.type, c.type)) for c in table.columns}
    return TableBinding.of({"table": name, **ONE}, columns)


@pytest.mark.parametrize("seen", [0, 1, 40])
def test_reading_by_key_is_cheaper_than_a_fan_out_whatever_was_seen_last(seen):
    # PostgreSQL takes rows times width for the cost of a scan and of a lookup by key alike.
    sizes = Sizes()
    table = BY_NAME["commit_statuses"]
    sizes.learn(table, "/repositories/acme/website/commit/1/statuses", seen)
    everything = plan(Request(table, ONE, columns=frozenset({"state"})))
    width = estimate.width(everything, sizes.guess)
    full = estimate.rows(everything, sizes.guess) * width
    keys = dict(estimate.path_keys(binding("commit_statuses"), sizes.guess))
    twenty_lookups = 20 * keys[("commit_hash",)] * width
    assert estimate.requests(everything, sizes.guess) > 1000
    assert twenty_lookups < full / 10
