"""The numbers that have PostgreSQL's planner choose between listings and keys."""

import pytest

from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown import Qual, Request, conditions_of, plan
from bitbucket_fdw.pushdown.planner import MAX_ITEMS
from bitbucket_fdw.pushdown.q import MAX_LIST
from bitbucket_fdw.reading import costs
from bitbucket_fdw.reading.sizes import Sizes
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
    width = costs.width(everything, sizes.guess)
    full = costs.rows(everything, sizes.guess) * width
    keys = dict(costs.path_keys(binding("commit_statuses"), sizes.guess))
    twenty_lookups = 20 * keys[("commit_hash",)] * width
    assert costs.requests(everything, sizes.guess) > 1000
    assert twenty_lookups < full / 10


def listing(name, *quals, bound=None):
    table = BY_NAME[name]
    columns = {c.name: c for c in table.columns}
    conditions, _ = conditions_of([Qual(*qual) for qual in quals], columns)
    bound = bound or {"workspace": "acme"}
    return plan(Request(table, bound, conditions, columns=frozenset({table.primary_key[-1]})))


def of(repository):
    return listing("branches", ("repository", "=", repository))


def path(repository):
    return f"/repositories/acme/{repository}/refs/branches"


def sizes_of(**seen):
    sizes = Sizes()
    for repository, size in seen.items():
        sizes.learn(BY_NAME["branches"], path(repository), size)
    return sizes


def test_a_collection_that_was_seen_is_guessed_by_itself():
    sizes = sizes_of(one=700, two=3)
    assert sizes.guess(of("one"), 1) == 700
    assert sizes.guess(of("two"), 1) == 3
    both = listing("branches", ("repository", ("=", True), ["one", "two"]))
    assert sizes.guess(both, 2) == 351.5


@pytest.mark.parametrize("seen", [{"empty": 0}, {"empty": 0, "small": 4}])
def test_a_few_small_collections_say_nothing_of_the_others(seen):
    declared = BY_NAME["branches"].rows
    sizes = sizes_of(**seen)
    assert sizes.guess(of("other"), 1) == declared
    assert sizes.guess(listing("branches"), 12) == declared
    assert sizes_of(huge=9000).guess(listing("branches"), 12) == 9000


def test_most_of_the_collections_say_what_all_of_them_have():
    sizes = sizes_of(a=1, b=2, c=3)
    assert sizes.guess(listing("branches"), 6) == BY_NAME["branches"].rows
    assert sizes.guess(listing("branches"), 5) == 2
    elsewhere = listing("branches", bound={"workspace": "globex"})
    assert sizes.guess(elsewhere, 3) == BY_NAME["branches"].rows


def test_an_empty_collection_is_no_reason_to_read_the_others_one_by_one():
    """A join by the repository's key stays a join of listings."""
    sizes = Sizes()
    pulls, commits = BY_NAME["pull_requests"], BY_NAME["commits"]
    before = costs.rows(listing("pull_requests"), sizes.guess)
    sizes.learn(BY_NAME["repositories"], "/repositories/acme", 12)
    sizes.learn(pulls, "/repositories/acme/empty/pullrequests", 0)
    assert costs.rows(listing("pull_requests"), sizes.guess) == 12 * pulls.rows
    assert before == BY_NAME["repositories"].rows * pulls.rows
    assert costs.rows(listing("commits"), sizes.guess) == 12 * commits.rows


@pytest.mark.parametrize(
    ("name", "key", "requests"),
    [
        ("pull_requests", "id", 1),
        ("issues", "id", 1),
        ("pull_request_comments", "pull_request_id", costs.MOST_IN_LIST),
        ("pipeline_steps", "pipeline_uuid", costs.MOST_IN_LIST),
    ],
)
def test_a_list_of_keys_is_one_request_where_bitbucket_filters_by_them(name, key, requests):
    lists = {columns: more for columns, *more in costs.list_keys(binding(name), Sizes().guess)}
    most, rows_of_one, rows_of_most = lists[(key,)]
    assert most == costs.MOST_IN_LIST == MAX_LIST == MAX_ITEMS
    assert rows_of_most == pytest.approx(requests * rows_of_one)
