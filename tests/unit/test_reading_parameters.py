"""Lists on columns that have a query parameter of their own: a request for each value.

It was seen that Bitbucket ignores some parameters, and it is not known how it compares texts. The
rows are right whatever it does with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from bitbucket_fdw.errors import BitbucketError
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.tables.addresses import fill
from tests.support.fake_api import FakeApi, Json, Received, error
from tests.support.reading import AT, REPOSITORY, WORKSPACE, Session

PARAMETERS = [
    (table.name, column.name) for table in TABLES for column in table.columns if column.query
]
COUNT = 600
DIFFERENT = 6
COMMIT = "1" * 40
Compare = Callable[[Any, str], bool]

SERVERS: dict[str, Compare] = {
    "exact": lambda value, asked: str(value) == asked,
    "ignored": lambda value, asked: True,
    "without regard to case": lambda value, asked: str(value).lower() == asked.lower(),
    "by the beginning": lambda value, asked: str(value).startswith(asked[:3]),
}


def value_of(name: str, column: str, number: int) -> str:
    """One of a few values; every other one differs from another by the case of a letter."""
    declared = BY_NAME[name].column(column)
    if declared.type == "uuid":
        return f"{{{UUID(int=number)}}}"
    if declared.pattern:
        return f"{number:040x}"
    return f"{'aA'[number % 2]}-{number // 2}"


def put(item: Json, path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        item = item.setdefault(name, {})
    item[last] = value


def items_of(name: str, column: str, count: int) -> list[Json]:
    table = BY_NAME[name]
    made = []
    for number in range(count):
        item: Json = {}
        key = table.key_column()
        put(item, key.path or "", f"{{{UUID(int=number)}}}" if key.type == "uuid" else number)
        path = table.column(column).path or ""
        put(item, path, None if number % 7 == 6 else value_of(name, column, number % DIFFERENT))
        made.append(item)
    return made


def bound_of(name: str) -> dict[str, str]:
    """Values of all parameters of a listing's path."""
    given = {**REPOSITORY, "commit_hash": COMMIT}
    return {parameter: given[parameter] for parameter in BY_NAME[name].parameters()}


def value_at(item: Json, path: str) -> Any:
    for name in path.split("."):
        item = item[name]
    return item


@pytest.fixture(params=PARAMETERS, ids=":".join)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


def session_of(place: tuple[str, str], server: str, count: int = COUNT) -> Session:
    """An API whose listing selects by the parameter in some way."""
    name, column = place
    table = BY_NAME[name]
    api, items = FakeApi(), items_of(name, column, count)
    path = fill(table.collection.path, bound_of(name))
    declared = table.column(column)

    def answer(request: Received) -> Any:
        asked = request[declared.query or ""]
        selected = FakeApi()
        wanted = [
            item
            for item in items
            if asked is None or SERVERS[server](value_at(item, declared.path or ""), asked)
        ]
        selected.collection(path, wanted)
        return selected.without_faults(request)

    api.on(path, answer)
    # A commit's rows are given if a branch leads to it.
    api.collection(f"{AT}/refs", [{"name": "main", "target": {"hash": COMMIT}}])
    api.collection(f"{AT}/commits", [{"hash": COMMIT}], key="hash")
    session = Session.of(api)
    # Its size is known then.
    assert len(list(session.rows(name, bound=bound_of(name)))) == count
    api.taken()
    return session


def listings(session: Session, name: str) -> list[Received]:
    path = fill(BY_NAME[name].collection.path, bound_of(name))
    return [request for request in session.api.received if request.path == path]


def keys(session: Session, place: tuple[str, str], values: list[str]) -> list[Any]:
    """The keys of the rows that have one of the values, as PostgreSQL would keep them."""
    name, column = place
    rows = list(
        session.rows(name, (column, ("=", True), values), columns=(column,), bound=bound_of(name))
    )
    key = BY_NAME[name].primary_key[-1]
    wanted = {value.strip("{}") for value in values}
    return sorted(row[key] for row in rows if str(row[column]).strip("{}") in wanted)


def expected(place: tuple[str, str], numbers: set[int], count: int = COUNT) -> int:
    return sum(n % DIFFERENT in numbers and n % 7 != 6 for n in range(count))


@pytest.mark.parametrize("server", SERVERS)
def test_a_list_gives_each_row_once_however_values_are_compared(
    place: tuple[str, str], server: str
) -> None:
    session = session_of(place, server)
    values = [value_of(*place, number) for number in (0, 1, 4)]
    found = keys(session, place, values)
    assert len(found) == len(set(found)) == expected(place, {0, 1, 4})
    parameter = BY_NAME[place[0]].column(place[1]).query or ""
    assert len({request[parameter] for request in listings(session, place[0])}) == 3


def test_each_value_is_a_request_and_not_the_whole_listing(place: tuple[str, str]) -> None:
    session = session_of(place, "exact")
    whole = -(-COUNT // (BY_NAME[place[0]].collection.pagelen or 100))
    keys(session, place, [value_of(*place, number) for number in (0, 1)])
    assert len(listings(session, place[0])) < whole


def test_a_listing_of_fewer_pages_is_read_as_a_whole(place: tuple[str, str]) -> None:
    session = session_of(place, "exact", 30)
    values = [value_of(*place, number) for number in range(4)]
    assert len(keys(session, place, values)) == expected(place, set(range(4)), 30)
    assert len(listings(session, place[0])) == 1


def test_what_a_value_leaves_is_not_taken_for_the_size_of_the_listing(
    place: tuple[str, str],
) -> None:
    session = session_of(place, "exact", 4000)
    many = [value_of(*place, number) for number in range(35)]
    table = BY_NAME[place[0]]
    asked = plan(
        session.request(table.name, (place[1], ("=", True), many), bound=bound_of(table.name))
    )
    assert (asked.kind, len(asked.queries)) == (Kind.COLLECTION, 35)
    keys(session, place, many)
    assert len(listings(session, place[0])) >= 35
    whole = plan(session.request(table.name, bound=bound_of(table.name)))
    assert session.observations.of(session.client).sizes.guess(whole, 1) == 4000


def test_order_is_kept_among_the_values(place: tuple[str, str]) -> None:
    table = BY_NAME[place[0]]
    sortable = [column for column in table.columns if column.sort and column.path]
    if not sortable:
        pytest.skip("nothing to sort by")
    plans = plan(
        session_of(place, "exact").request(
            table.name,
            (place[1], ("=", True), [value_of(*place, 0), value_of(*place, 1)]),
            sort=f"-{sortable[0].name}",
            bound=bound_of(table.name),
        )
    )
    assert len(plans.queries) == 2
    assert all(dict(query.parameters)["sort"].startswith("-") for query in plans.queries)


def test_an_error_in_one_of_them_is_an_error(place: tuple[str, str]) -> None:
    session = session_of(place, "exact")
    path = fill(BY_NAME[place[0]].collection.path, bound_of(place[0]))
    session.api.fail(path, 400, "bad", after=1)
    values = [value_of(*place, number) for number in (0, 1, 2)]
    with pytest.raises(BitbucketError):
        list(session.rows(place[0], (place[1], ("=", True), values), bound=bound_of(place[0])))


def test_only_one_list_is_spread(place: tuple[str, str]) -> None:
    table = BY_NAME[place[0]]
    several = [(n, c) for n, c in PARAMETERS if n == table.name]
    quals = [(c, ("=", True), [value_of(n, c, k) for k in (0, 1, 2)]) for n, c in several]
    planned = plan(
        session_of(place, "exact").request(table.name, *quals, bound=bound_of(table.name))
    )
    assert len(planned.queries) == 3
    assert planned.whole is not None
    for one, other in itertools.combinations(planned.queries, 2):
        assert one.only != other.only


def values_of(place: tuple[str, str], *numbers: int) -> list[str]:
    return [value_of(*place, number) for number in numbers]


def test_no_parameter_is_sent_twice(place: tuple[str, str]) -> None:
    session = session_of(place, "exact")
    one, some = value_of(*place, 1), values_of(place, 0, 1, 2)
    quals = ((place[1], "=", one), (place[1], ("=", True), some))
    rows = list(session.rows(place[0], *quals, columns=place[1:], bound=bound_of(place[0])))
    assert len(rows) == expected(place, {1})
    parameter = BY_NAME[place[0]].column(place[1]).query
    for request in listings(session, place[0]):
        assert [name for name, _ in request.query].count(parameter or "") == 1


def test_under_a_limit_the_listing_is_read_once(place: tuple[str, str]) -> None:
    """Its rows come as they are found. Asking for each value may take more requests than that."""
    session = session_of(place, "exact")
    qual = (place[1], ("=", True), values_of(place, 0, 1, 2))
    stopped = session.rows(
        place[0], qual, columns=place[1:], bound=bound_of(place[0]), may_stop=True
    )
    assert next(iter(stopped))
    assert len(listings(session, place[0])) == 1
    limited = session.request(place[0], qual, bound=bound_of(place[0]))
    assert len(plan(limited).queries) == 3
    try:
        counted_off = plan(replace(limited, offset=1))
    except BitbucketError:
        return  # no host leaves LIMIT or OFFSET to a scan with this condition
    assert len(counted_off.queries) == 1


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("values", [1, 3])
def test_a_parameter_that_is_refused_is_left_out(
    place: tuple[str, str], values: int, status: int
) -> None:
    session = session_of(place, "exact")
    name, column = place
    parameter = BY_NAME[name].column(column).query or ""
    path = fill(BY_NAME[name].collection.path, bound_of(name))

    def refusing(request: Received) -> Any:
        if request[parameter] is None:
            return session.api.without_faults(request)
        return error(status, f"{parameter} is not a valid filter")

    session.api.fault(path, refusing)
    wanted = values_of(place, *range(values))
    assert len(keys(session, place, wanted)) == expected(place, set(range(values)))
    [warning] = session.warnings
    assert f"refused to filter by {column}" in warning
    if status == 400:
        session.api.taken()
        assert len(keys(session, place, wanted)) == expected(place, set(range(values)))
        assert all(request[parameter] is None for request in listings(session, name))


def test_of_many_listings_that_were_not_seen_each_is_read_once() -> None:
    """Most may be short. Their sizes are known then, and values are asked for where that pays."""
    sizes = {"long": 900, "short": 5}
    api = FakeApi.of_repositories(*sizes)
    for first, (slug, size) in enumerate(sizes.items()):
        items = items_of("pipelines", "target_ref_name", size)
        for number, item in enumerate(items):
            item["uuid"] = f"{{{UUID(int=1000 * first + number)}}}"
        _select_by(api, f"/repositories/acme/{slug}/pipelines/", items)
    session = Session.of(api)
    place = ("pipelines", "target_ref_name")
    qual = (place[1], ("=", True), ["a-0", "none"])

    def made() -> int:
        rows = list(session.rows("pipelines", qual, columns=place[1:], bound=WORKSPACE))
        found = [row for row in rows if row[place[1]] in qual[2]]
        assert len(found) == expected(place, {0}, 900) + expected(place, {0}, 5)
        return len(api.taken())

    assert made() == 1 + 9 + 1
    # Both values of the long one, of which one has two pages, and the short one as a whole.
    assert made() == 1 + 3 + 1


def _select_by(api: FakeApi, path: str, items: list[Json]) -> None:
    """Have a listing of pipelines select by the name of the branch."""

    def answer(request: Received) -> Any:
        asked = request["target.ref_name"]
        selected = FakeApi()
        wanted = [i for i in items if asked is None or i["target"]["ref_name"] == asked]
        selected.collection(path, wanted)
        return selected.without_faults(request)

    api.on(path, answer)
