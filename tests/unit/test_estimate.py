"""The numbers that have PostgreSQL's planner choose between listings and keys."""

from dataclasses import replace

import pytest

from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown import Qual, Request, conditions_of, plan
from bitbucket_fdw.pushdown.conditions import Condition
from bitbucket_fdw.pushdown.plan import Binding, Query
from bitbucket_fdw.pushdown.planner import MAX_ITEMS
from bitbucket_fdw.pushdown.q import MAX_LIST
from bitbucket_fdw.pushdown.request import Refusals
from bitbucket_fdw.reading import costs
from bitbucket_fdw.reading.sizes import MOST_FILTERS, Sizes
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.tables.addresses import fill
from bitbucket_fdw.tables.endpoints import path_parameters

ONE = {"workspace": "acme", "repository": "website"}


def binding(name, bound=None):
    table = BY_NAME[name]
    types = {"timestamptz": "timestamp with time zone"}
    columns = {c.name: ({}, types.get(c.type, c.type)) for c in table.columns}
    return TableBinding.of({"table": name, **(ONE if bound is None else bound)}, columns)


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


def lists_of(name, joined, sizes, bound=None, *quals, **more):
    """What a join may hand over, of a table below a repository, if there is such a level."""
    table = BY_NAME[name]
    if bound is None:
        bound = {n: ONE[n] for n in ONE if n in path_parameters(table.collection.path)}
    conditions, _ = conditions_of([Qual(*q) for q in quals], {c.name: c for c in table.columns})
    asked = Request(table, bound, conditions, **more)
    lists = costs.list_keys(binding(name, bound), sizes.guess, frozenset(joined), asked)
    return {columns: rest for columns, *rest in lists}


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
    lists = lists_of(name, (), Sizes(), ONE)
    most, rows_of_one, rows_of_most = lists[(key,)]
    assert most == costs.MOST_IN_LIST == MAX_LIST == MAX_ITEMS
    assert rows_of_most == pytest.approx(requests * rows_of_one)


def sizes_of_everything(table, size):
    """Sizes of a session that has seen so many items in each listing of a table and its parents."""
    sizes = Sizes()
    while table is not None:
        path = fill(table.collection.path, dict.fromkeys(table.parameters(), "1") | ONE)
        sizes.learn(table, path, size)
        table = table.parent and table.parent.table
    return sizes


def filters_by(table, column):
    return bool(column.query or (column.filter and table.collection.q))


FILTERED = [
    (table.name, column.name)
    for table in TABLES
    for column in table.columns
    if filters_by(table, column) and column.data_type.sample is not None
    if column.name not in {item.key for item in table.items}
]


@pytest.mark.parametrize(("name", "column"), FILTERED)
def test_a_join_may_hand_over_any_column_that_bitbucket_filters_by(name, column):
    """If it saves a request: of a listing of one page, or of a column with one value, it does not.

    Other columns are never offered, nor one by which Bitbucket refused to filter.
    """
    table = BY_NAME[name]
    large = sizes_of_everything(table, 3_000)
    without = lists_of(name, (), large)
    offered = lists_of(name, (column,), large)
    assert offered.keys() - without.keys() <= {(column,)}
    most, rows_of_one, rows_of_most = offered[(column,)]
    assert most == costs.MOST_IN_LIST
    assert 0 < rows_of_one <= rows_of_most
    small = sizes_of_everything(table, 1)
    assert lists_of(name, (column,), small).keys() == lists_of(name, (), small).keys()
    if not table.column(column).query:
        refused = Refusals(filters=frozenset({(name, column)}))
        left = lists_of(name, (column,), large, refused=refused).keys()
        assert (column,) not in left - without.keys()


def test_a_join_hands_over_no_column_that_bitbucket_does_not_filter_by():
    for table in TABLES:
        large = sizes_of_everything(table, 3_000)
        names = [c.name for c in table.columns if not filters_by(table, c)]
        assert lists_of(table.name, names, large) == lists_of(table.name, (), large)


def test_a_join_on_a_repository_too_asks_each_for_its_own():

    def offered(*joined):
        lists = lists_of("pull_requests", joined, Sizes(), {"workspace": "acme"})
        return {columns: rows for columns, (_, rows, _) in lists.items()}

    alone, both = offered("author_uuid"), offered("author_uuid", "repository")
    assert ("repository", "author_uuid") not in alone
    assert both[("repository", "author_uuid")] < both[("author_uuid",)] / 10
    assert both[("author_uuid",)] == alone[("author_uuid",)]


def test_other_conditions_of_a_scan_are_those_of_its_look_ups_too():
    """So that what a list costs is compared with what the scan costs, and not with everything."""
    repositories = ("repository", ("=", True), ["website", "mobile-app"])
    workspace = {"workspace": "acme"}
    of_two = lists_of("pull_requests", ("author_uuid",), Sizes(), workspace, repositories)
    of_all = lists_of("pull_requests", ("author_uuid",), Sizes(), workspace)
    _, one, most = of_two[("author_uuid",)]
    table = BY_NAME["pull_requests"]
    assert one <= 2 * table.collection.pagelen
    assert one < of_all[("author_uuid",)][1] / 10
    assert most <= 2 * table.rows


@pytest.mark.parametrize(("name", "column"), FILTERED)
def test_shares_of_values_are_shares(name, column):
    shares = dict(BY_NAME[name].column(column).shares)
    assert all(0 < share < 1 for share in shares.values())
    assert not shares or sum(shares.values()) == pytest.approx(1)
    closed = BY_NAME[name].column(column).filter and BY_NAME[name].column(column).filter.values
    assert not (shares and closed) or set(shares) == set(closed)


# --- what filters leave ---


def of_state(state, repository="website"):
    bound = {"workspace": "acme", "repository": repository} if repository else {"workspace": "acme"}
    return listing("pull_requests", ("state", "=", state), bound=bound)


def pulls(repository):
    return f"/repositories/acme/{repository}/pullrequests"


def learn_filtered(sizes, planned, path, size):
    [query] = planned.queries
    sizes.learn_filtered(planned.table, path, query, size)


def test_what_a_filter_left_is_guessed_by_itself():
    sizes, table = Sizes(), BY_NAME["pull_requests"]
    before = sizes.guess(of_state("OPEN"), 1)
    merged = sizes.guess(of_state("MERGED"), 1)
    assert before == table.rows * of_state("OPEN").selectivity
    learn_filtered(sizes, of_state("OPEN"), pulls("website"), 7)
    assert sizes.guess(of_state("OPEN"), 1) == 7
    assert sizes.guess(of_state("MERGED"), 1) == merged
    assert sizes.guess(of_state("OPEN", "other"), 1) == before
    assert sizes.whole(of_state("OPEN"), 1) == table.rows


def test_a_filter_by_time_is_the_same_on_the_same_day():
    sizes = Sizes()

    def since(moment):
        return listing("issues", ("created_on", ">", moment), bound=ONE)

    learn_filtered(sizes, since("2026-01-05 03:04:05+00"), "/repositories/acme/website/issues", 9)
    assert sizes.guess(since("2026-01-05 13:14:15+00"), 1) == 9
    assert sizes.guess(since("2026-01-07 03:04:05+00"), 1) != 9


def test_a_few_collections_say_little_of_what_a_filter_leaves_of_others():
    sizes, everywhere = Sizes(), of_state("OPEN", None)
    declared = BY_NAME["pull_requests"].rows * everywhere.selectivity
    for number, repository in enumerate("abc", 1):
        learn_filtered(sizes, of_state("OPEN", repository), pulls(repository), number)
        assert sizes.guess(everywhere, 6) == declared
    assert sizes.guess(everywhere, 5) == 2


def test_a_size_that_may_not_be_the_filter_s_is_not_kept():
    sizes, planned = Sizes(), listing("pipelines", ("state_name", "=", "COMPLETED"), bound=ONE)
    table = BY_NAME["pipelines"]
    assert any(column.query for column in table.columns)
    by_query = next(column.query for column in table.columns if column.query)
    query = Query(((by_query, "x"),), 'name = "y"')
    sizes.learn_filtered(table, "/repositories/acme/website/pipelines", query, 3)
    assert sizes.guess(planned, 1) == table.rows * planned.selectivity


def test_no_more_filters_are_kept_than_is_useful():
    sizes = Sizes()
    for number in range(MOST_FILTERS + 1):
        learn_filtered(sizes, listing("issues", ("title", "=", f"t{number}"), bound=ONE), "/p", 1)
    assert len(sizes._filtered["issues"]) == MOST_FILTERS


# --- narrower listings ---


NARROWER = [(table, narrower) for table in TABLES for narrower in table.narrower]
PLACE = {"workspace": "acme", "repository": "website", "id": "7"}


def whole_path(table):
    return fill(
        table.collection.path, {n: PLACE[n] for n in path_parameters(table.collection.path)}
    )


def of_key(table, narrower, bound):
    key = table.column(narrower.key)
    value = Condition(key, "=", PLACE[narrower.parameter] if key.type == "text" else 7)
    return plan(Request(table, bound, (value,), columns=frozenset({key.name})))


def place_of(table):
    return {name: PLACE[name] for name in path_parameters(table.collection.path)}


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
@pytest.mark.parametrize("everywhere", [False, True], ids=["one", "all repositories"])
@pytest.mark.parametrize("ask", [Sizes.guess, Sizes.likely])
def test_a_narrower_listing_is_not_guessed_from_the_whole_one(table, narrower, everywhere, ask):
    bound = {"workspace": "acme"} if everywhere else place_of(table)
    sizes, planned = Sizes(), of_key(table, narrower, bound)
    assert planned.path == narrower.path
    before = ask(sizes, planned, 1)
    assert before == pytest.approx(narrower.rows)
    sizes.learn(table, whole_path(table), 100_000)
    assert ask(sizes, planned, 1) == before
    assert sizes.average(planned) == before
    assert costs.requests(planned, sizes.guess) == costs.requests(planned, Sizes().guess)


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_the_whole_listing_is_not_guessed_from_narrower_ones(table, narrower):
    sizes, everything = Sizes(), plan(Request(table, place_of(table)))
    own = of_key(table, narrower, place_of(table))
    sizes.learn(
        table, fill(narrower.path, {n: PLACE[n] for n in path_parameters(narrower.path)}), 2
    )
    assert sizes.guess(own, 1) == 2
    assert sizes.guess(everything, 1) == table.rows
    assert sizes.seen(table, whole_path(table)) is None


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_a_filter_of_narrower_listings_says_nothing_of_the_whole_one(table, narrower):
    bound = {"workspace": "acme"}
    everything = plan(Request(table, bound))
    query = Query((), 'permission = "admin"')
    sizes = Sizes()
    narrow = fill(narrower.path, {n: PLACE[n] for n in path_parameters(narrower.path)})
    sizes.learn_filtered(table, narrow, query, 1)
    filtered = replace(everything, queries=(query,), selectivity=0.1)
    assert sizes.guess(filtered, 1) == table.rows * 0.1
    assert sizes.guess(replace(filtered, path=narrower.path, bindings=bindings(narrower)), 1) == 1


def bindings(narrower):
    return tuple(Binding(n, None, (PLACE[n],)) for n in path_parameters(narrower.path))


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_a_narrower_listing_is_declared_smaller_than_the_whole(table, narrower):
    assert 0 < narrower.rows <= table.rows / 10


@pytest.mark.parametrize("seen", [None, 100, 14_000])
def test_a_join_with_a_few_pull_requests_reads_their_activity(seen):
    sizes, table = Sizes(), BY_NAME["pull_request_activity"]
    if seen is not None:
        sizes.learn(table, whole_path(table), seen)
    everything = plan(Request(table, ONE, columns=frozenset({"kind"})))
    width = costs.width(everything, sizes.guess)
    lookups = dict(costs.path_keys(binding(table.name), sizes.guess))
    one = round(lookups[("pull_request_id",)] * width / costs.REQUEST_COST)
    assert one == 1


# --- readings that end early ---


def test_a_reading_that_ends_early_is_not_counted_to_its_end():
    sizes = Sizes()
    sizes.learn(BY_NAME["issues"], "/repositories/acme/website/issues", 2000)
    issues = listing("issues", bound=ONE)
    assert costs.requests(issues, sizes.guess) == 2000 / issues.pagelen
    assert costs.requests(issues, sizes.guess, 3) == 1
    assert costs.requests(issues, sizes.guess, 2 * issues.pagelen) == 2


@pytest.mark.parametrize(
    ("each", "wanted", "expected"), [(10, 2, 2), (10, 15, 4), (10, 25, 7), (1, 9, 17)]
)
def test_a_fan_out_that_ends_early_asks_as_few_collections_as_it_needs(each, wanted, expected):
    """And the first page of their parents, and those that are under way when it ends."""
    branches = listing("branches")
    assert costs.requests(branches, lambda plan, _: 400 if plan.parent is None else each) > 400
    guess = {"repositories": 400, "branches": each}
    asked = costs.requests(branches, lambda plan, _: guess[plan.table.name], wanted)
    assert asked == expected


def test_empty_collections_make_an_early_end_late():
    sizes = sizes_of(a=0, b=0, c=0, d=2)
    branches = listing("branches")
    assert sizes.likely(branches, 12) < 2 < sizes.guess(branches, 12)
    assert Sizes().likely(branches, 12) == BY_NAME["branches"].rows
