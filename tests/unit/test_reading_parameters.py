"""Lists on columns that have a query parameter of their own: a request for each value.

It was seen that Bitbucket ignores some parameters, and it is not known how it compares texts. The
rows are right whatever it does with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from bitbucket_fdw.errors import BitbucketError
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.tables.addresses import fill
from tests.support.fake_api import FakeApi, Json, Received
from tests.support.reading import AT, REPOSITORY, Session

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
