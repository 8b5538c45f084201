"""What EXPLAIN says of a plan, and that it asks nothing for it."""

import re
import uuid

import pytest

from bitbucket_fdw.pushdown import Qual, plan
from bitbucket_fdw.pushdown.request import Refusals
from bitbucket_fdw.reading import costs, explain
from bitbucket_fdw.reading.sizes import Sizes
from bitbucket_fdw.reading.unknown_values import shown, with_placeholders
from bitbucket_fdw.tables import BY_NAME, TABLES
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, REPOSITORY, WORKSPACE, Session

UUID, OTHER = (uuid.UUID(int=n) for n in (1, 2))


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def lines(api: FakeApi, table: str, *quals, verbose: bool = False, **asked) -> list[str]:
    planned = plan(Session.of(api).request(table, *quals, **asked))
    return explain.lines(planned, Sizes().guess, verbose)


def test_a_listing_is_shown_with_its_filter_and_requests(api):
    found = lines(api, "pull_requests", ("state", "=", "OPEN"))
    assert found[:2] == [f"Bitbucket: GET {AT}/pullrequests", 'q: state = "OPEN"']
    assert found[-1].startswith("Estimated requests: ")
    assert api.calls == []


def test_an_estimate_beyond_what_is_allowed_says_so(api):
    planned = plan(Session.of(api).request("commit_statuses"))
    allowed = explain.lines(planned, Sizes().guess, False, most=200)
    assert re.fullmatch(r"Estimated requests: \d{4} \(preview_requests is 200\)", allowed[-1]), (
        allowed[-1]
    )
    assert "preview" not in explain.lines(planned, Sizes().guess, False, most=100_000)[-1]


def test_verbose_shows_what_is_asked_of_each_item(api):
    short = lines(api, "pull_requests", ("state", "=", "OPEN"))
    long = lines(api, "pull_requests", ("state", "=", "OPEN"), verbose=True)
    assert not any(line.startswith(("fields:", "pagelen:")) for line in short)
    assert any(line.startswith("fields: ") and "values.state" in line for line in long)
    assert any(line.startswith("pagelen: ") for line in long)
    assert short[-1] == long[-1]


def test_an_item_a_count_and_nothing_at_all(api):
    assert lines(api, "issues", ("id", "=", 7))[0] == f"Bitbucket: GET {AT}/issues/7"
    assert "(only its size)" in lines(api, "pull_requests", key=False)[0]
    none = lines(api, "issues", ("id", "=", 7), ("id", "=", 8))
    assert len(none) == 1
    assert none[0].startswith("Bitbucket: no request (")


def test_a_fan_out_is_shown_with_what_it_fans_out_over(api):
    found = lines(api, "pull_requests", bound=WORKSPACE)
    assert found[0] == "For each of: GET /repositories/acme"
    [own] = [line for line in found if line.startswith("Bitbucket: GET ")]
    assert own.endswith("/{repository}/pullrequests")


def test_conditions_on_a_parent_are_shown_where_they_are_tested(api):
    found = lines(api, "pull_requests", ("repository", "~~", "web%"), bound=WORKSPACE)
    assert any(line.startswith("  Only where: ") and "web%" in line for line in found)


def test_a_commit_by_its_hash_is_shown_with_the_look_at_the_listing(api):
    found = lines(api, "commits", ("hash", "=", "a" * 40))
    [look] = [line for line in found if line.startswith("If found: GET ")]
    assert "whether it is listed" in look


def test_many_values_are_counted_and_not_listed(api):
    many = ("id", ("=", True), list(range(2000)))
    assert any(re.fullmatch(r"and \d+ more like it", line) for line in lines(api, "issues", many))
    assert sum(line.startswith("q: ") for line in lines(api, "issues", many, verbose=True)) > 1
    found = lines(api, "pipeline_steps", ("pipeline_uuid", ("=", True), [UUID, OTHER]))
    assert "pipeline_uuid: 2 values" in found


def test_a_local_filter_and_a_local_order_are_named(api):
    session = Session.of(api)
    session.observations.of(session.client).refusals.learn(
        Refusals(sorts=frozenset({("pull_requests", "created_on")}))
    )
    planned = plan(session.request("pull_requests", sort="-created_on", limit=5))
    assert "Sorted locally: created_on DESC" in explain.lines(planned, Sizes().guess, False)
    found = lines(api, "pull_requests", ("description", "=", "x"))
    assert any(line.startswith("Filtered locally: description") for line in found)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
@pytest.mark.parametrize("bound", [WORKSPACE, REPOSITORY], ids=["workspace", "repository"])
def test_every_table_can_be_explained_without_a_request(api, table, bound):
    fixed = {name: value for name, value in bound.items() if name in table.parameters()}
    if table.level == "workspace" and "repository" in bound:
        fixed.pop("repository", None)
    for sort in ("", *(c.name for c in table.columns if c.sort)):
        planned = plan(Session.of(api).request(table.name, bound=fixed, sort=sort))
        for verbose in (False, True):
            found = explain.lines(planned, Sizes().guess, verbose)
            if any(column.required for column in table.columns):
                assert found[0].startswith("Bitbucket: refused without a condition on ")
                continue
            assert found[-1].startswith("Estimated requests: ")
            assert int(found[-1].split()[2]) >= 1
        assert costs.rows(planned, Sizes().guess) > 0
        assert costs.width(planned, Sizes().guess) >= 1
    assert api.calls == []


# --- whether an estimate is a guess ---


def estimate(sizes, *quals, table="pull_requests", wanted=None, **asked):
    planned = plan(Session.of(FakeApi()).request(table, *quals, **asked))
    found = explain.lines(planned, sizes.guess, False, None, wanted, sizes.bounds)
    return found[-1].removeprefix("Estimated requests: ")


def seen(size, table="pull_requests", path=f"{AT}/pullrequests"):
    sizes = Sizes()
    sizes.learn(BY_NAME[table], path, size)
    return sizes


OPEN = ("state", "=", "OPEN")


def test_a_listing_that_was_not_seen_is_a_guess():
    assert estimate(Sizes()) == "20 (guess)"
    assert estimate(seen(120)) == "3"
    elsewhere = seen(120, path="/repositories/acme/other/pullrequests")
    assert estimate(elsewhere).endswith(" (guess)")


def test_what_a_filter_leaves_is_a_guess_unless_it_is_a_page_at_most():
    assert estimate(seen(5000), OPEN) == "5 (guess)"
    assert estimate(seen(50), OPEN) == "1"
    sizes = seen(5000)
    filtered = plan(Session.of(FakeApi()).request("pull_requests", OPEN))
    sizes.learn_filtered(filtered.table, f"{AT}/pullrequests", filtered.queries[0], 120)
    assert estimate(sizes, OPEN) == "3"


def test_what_cannot_be_another_number_is_no_guess():
    assert estimate(Sizes(), ("id", "=", 7)) == "1"
    assert estimate(Sizes(), ("id", ("=", True), [1, 2, 3])) == "1"
    assert estimate(Sizes(), limit=5) == "1"
    assert estimate(Sizes(), wanted=5) == "1"


def test_a_condition_that_is_not_sent_makes_a_limit_a_guess():
    assert estimate(Sizes(), ("description", "=", "x"), wanted=5) == "1 (guess)"
    assert estimate(seen(40), ("description", "=", "x"), wanted=5) == "1"


def test_a_fan_out_is_a_guess_until_most_of_its_listings_were_seen():
    sizes = seen(3, "repositories", "/repositories/acme")
    assert estimate(sizes, bound=WORKSPACE).endswith(" (guess)")
    for number in range(2):
        sizes.learn(BY_NAME["pull_requests"], f"/repositories/acme/{number}/pullrequests", 70)
    assert estimate(sizes, bound=WORKSPACE) == "7"
    like = ("repository", "~~", "web%")
    assert estimate(sizes, like, bound=WORKSPACE).endswith(" (guess)")


# --- values that only the execution knows ---


def explained(table, *quals, bound=REPOSITORY):
    """The lines for quals whose values are not known, as the bundled host gives them."""
    session = Session.of(FakeApi())
    columns = {c.name: c for c in BY_NAME[table].columns}
    plans = []
    for count in (2, 1):
        marked = [(Qual(*qual), True) for qual in quals]
        known = explain.with_samples(with_placeholders(marked, columns, count), columns)
        plans.append(plan(session.request(table, *(q[:3] for q in known), bound=bound)))
    is_list = any(isinstance(qual[2], list) for qual in quals)
    return explain.lines(plans[0], Sizes().guess, True, single=plans[1] if is_list else None)


def test_a_list_of_keys_is_shown_as_one_that_is_sent_for_many():
    found = explained("pull_requests", ("id", ("=", True), ["0"]))
    assert found[:2] == [f"Bitbucket: GET {AT}/pullrequests", "q: id IN (?, ?)"]
    assert found[-1] == "Estimated requests: 1 for each 50 keys"


def test_keys_in_a_path_take_a_request_each():
    found = explained("pull_request_comments", ("pull_request_id", ("=", True), ["0"]))
    assert found[0] == f"Bitbucket: GET {AT}/pullrequests/{{pull_request_id}}/comments"
    assert found[1] == "pull_request_id: each key"
    assert found[-1] == "Estimated requests: 1 for each key"


def test_a_single_value_is_shown_as_not_known():
    assert explained("issues", ("id", "=", 0))[0] == f"Bitbucket: GET {AT}/issues/?"
    assert 'q: title = "?"' in explained("issues", ("title", "=", "?"))
    steps = explained("pipeline_steps", ("pipeline_uuid", "=", "?"))
    assert steps[0] == f"Bitbucket: GET {AT}/pipelines/?/steps/"


def test_values_that_are_known_stay_as_they_are():
    assert shown("q: id IN (7, 2147483)") == "q: id IN (7, 2147483)"


LISTED = [
    (t, c) for t in TABLES for c in t.columns if c.param and c.type in ("bigint", "integer", "uuid")
]


@pytest.mark.parametrize(("table", "column"), LISTED, ids=lambda v: getattr(v, "name", v))
def test_no_placeholder_is_shown_as_if_it_were_a_value(table, column):
    others = [c for c in table.columns if c.required and c is not column]
    sample = "?" if column.type == "uuid" else 0
    more = [(c.name, "=", "?" if c.type in ("uuid", "text") else 0) for c in others]
    found = explained(table.name, (column.name, ("=", True), [sample]), *more, bound=WORKSPACE)
    assert not any("214748364" in line or "ffffffff" in line for line in found)
    assert re.fullmatch(r"Estimated requests: \d+ for each (50 keys|key)", found[-1])


ASKED_BY = [
    (t, c) for t in TABLES for c in t.columns if c.param and (c.pattern or c.type == "uuid")
]


@pytest.mark.parametrize(
    ("table", "column"), ASKED_BY, ids=lambda value: getattr(value, "name", value)
)
@pytest.mark.parametrize("operator", ["=", ("=", True)], ids=["=", "ANY"])
def test_a_value_that_is_not_known_yet_is_shown_as_some_value(api, table, column, operator):
    """As of a join. It must not look as if nothing matched, or as if there were no condition."""
    value = explain.UNKNOWN if operator == "=" else [explain.UNKNOWN]
    required = [c for c in table.columns if c.required and c is not column]
    shown = {c.name: c for c in (column, *required)}
    unknown = [Qual(c.name, "=", explain.UNKNOWN) for c in required]
    quals = explain.with_samples([Qual(column.name, operator, value), *unknown], shown)
    found = lines(api, table.name, *(qual[:3] for qual in quals), bound=WORKSPACE)
    assert not any(line.startswith("Bitbucket: refused") for line in found)
    assert not any(line.startswith("Bitbucket: no request") for line in found)
    assert not any(line.startswith("Filtered locally") for line in found)


def test_a_value_that_is_known_is_shown_as_it_is():
    for table, column in ASKED_BY:
        quals = [Qual(column.name, "=", "x"), Qual(column.name, ("=", True), ["x", "?"])]
        quals.append(Qual("title", "=", explain.UNKNOWN))
        shown = {c.name: c for c in table.columns}
        assert list(explain.with_samples(quals, shown)) == quals
