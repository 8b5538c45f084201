"""Keys as ctids, and conditions on ctids as conditions on keys."""

import re

import pytest

from bitbucket_fdw.errors import CtidError
from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.foreign_tables.ctids import KEPT, Ctids
from bitbucket_fdw.pushdown.conditions import Qual
from bitbucket_fdw.pushdown.request import Request
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.issues import Issues
from bitbucket_fdw.tables.refs import Tags

CTID = re.compile(r"\((\d+),(\d+)\)")


def ctids_of(table, **bound):
    return Ctids(TableBinding(table, bound, {}, {}))


REPOSITORY = {"workspace": "w", "repository": "r"}


def narrowed(ctids, table, operator, value):
    return ctids.narrowed(Request(table), [Qual("ctid", operator, value)], False)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("bound", [{}, {"workspace": "w"}, REPOSITORY], ids=len)
def test_a_ctid_is_valid_and_the_same_for_every_spelling_of_a_key(table, bound):
    samples = {"bigint": ("7", 7), "integer": ("7", 7), "uuid": (
        "{6c2c6a4c-4b0e-4e37-9d35-3c16d77b6f43}", "6C2C6A4C-4B0E-4E37-9D35-3C16D77B6F43",
    )}  # fmt: skip
    one, other = {}, {}
    for column in map(table.column, table.primary_key):
        spelled = samples.get(column.type, ("Main", "main") if column.param else ("Main", "Main"))
        one[column.name], other[column.name] = spelled
    ctids = ctids_of(table, **bound)
    ctid = ctids.scan(False).of(one)
    assert ctid == ctids.scan(False).of(other) == ctids.of_written(one)
    block, offset = map(int, CTID.fullmatch(ctid).groups())
    assert 0 <= block < 2**32
    assert 0 < offset < 2**16


@pytest.mark.parametrize("number", [0, 1, 42, 2**32 - 1, 2**32, 2**40 + 5, 2**47])
def test_a_number_is_coded_so_that_it_can_be_read_back(number):
    ctids = ctids_of(Issues, **REPOSITORY)
    ctid = ctids.of_written({"id": number})
    if number < 2**32:
        assert ctid == f"({number},1)"
    [condition] = narrowed(ctids, Issues, "=", ctid).conditions
    assert (condition.column.name, condition.value) == ("id", (number,))
    request = narrowed(ctids, Issues, ("=", True), [ctid, None, "(5,1)", "(5,0)", "(5,65535)"])
    assert request.conditions[0].value == (number, 5)
    assert request.unread == ()


def test_keys_are_seen_by_the_ctids_that_are_made_of_them():
    ctids = ctids_of(Issues, **REPOSITORY)
    request = Request(Issues, columns=frozenset({"id"}), unseen=frozenset({"id"}))
    assert ctids.narrowed(request, [], False).unseen == {"id"}
    assert ctids.narrowed(request, [], True).unseen == set()


@pytest.mark.parametrize("number", [-1, 2**62])
def test_a_number_out_of_range_has_no_ctid(number):
    with pytest.raises(CtidError, match="too large"):
        ctids_of(Issues, **REPOSITORY).of_written({"id": number})


def test_a_digest_stands_for_keys_that_were_handed_out():
    ctids = ctids_of(Tags, workspace="w")
    one, two = ({"repository": "r", "name": name} for name in ("v1", "v2"))
    given = [ctids.scan(False).of(row) for row in (one, two)]
    assert len(set(given)) == 2
    request = narrowed(ctids, Tags, ("=", True), given)
    values = {c.column.name: c.value for c in request.conditions}
    assert values == {"repository": ("r",), "name": ("v1", "v2")}
    assert request.unread == ("ctid = ANY …",)  # other rows may meet these conditions
    fresh = narrowed(ctids_of(Tags, workspace="w"), Tags, "=", given[0])
    assert (fresh.conditions, fresh.unread) == ((), ("ctid = …",))


@pytest.mark.parametrize(
    ("operator", "value"), [(">", "(1,1)"), ("<>", "(1,1)"), (("=", False), ["(1,1)"]), ("=", None)]
)
def test_other_conditions_are_left_to_postgresql(operator, value):
    request = narrowed(ctids_of(Issues, **REPOSITORY), Issues, operator, value)
    assert request.conditions == ()
    assert len(request.unread) == 1


def test_two_keys_with_one_digest_are_an_error(monkeypatch):
    monkeypatch.setattr("bitbucket_fdw.foreign_tables.ctids._digest", lambda key: "(1,1)")
    ctids = ctids_of(Tags, **REPOSITORY)
    scan = ctids.scan(False)
    assert scan.of({"name": "a"}) == scan.of({"name": "a"}) == "(1,1)"
    with pytest.raises(CtidError, match="two rows have the same ctid"):
        scan.of({"name": "b"})
    # Of the keys that are not remembered any more, the scan still knows its own.
    ctids._known.clear()
    with pytest.raises(CtidError, match="two rows have the same ctid"):
        scan.of({"name": "b"})


def test_what_is_remembered_is_bounded():
    ctids = ctids_of(Tags, **REPOSITORY)
    for number in range(KEPT + 10):
        last = ctids.of_written({"name": str(number)})
    assert len(ctids._known) == KEPT
    assert narrowed(ctids, Tags, "=", last).conditions


def test_rows_without_a_key():
    ctids = ctids_of(Tags, **REPOSITORY)
    assert ctids.of_written({"name": None}) is None
    with pytest.raises(CtidError, match="a row without name has no ctid"):
        ctids.scan(False).of({"name": None})
    changing = ctids.scan(True)
    given = [changing.of({"name": None}) for _ in range(3)]
    assert len(set(given)) == 3
    assert all(narrowed(ctids, Tags, "=", ctid).conditions == () for ctid in given)
