"""Pages of a collection: complete, in order, each asked for once and as the link says."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bitbucket_fdw.api import Listing, OwnNumbers, Pages, ScanContext, paging
from bitbucket_fdw.errors import BadResponse, NotFound, TooManyRequests
from tests.api.helpers import SECRET, STATES, client_of, items, page, scan_of
from tests.api.scripted import Answer
from tests.support.documents import documents

PULL_REQUESTS = "/repositories/acme/website/pullrequests"
COMMITS = "/repositories/acme/website/commits"
PIPELINES = "/repositories/acme/website/pipelines"


def parameters(request):
    return parse_qsl(request.query, keep_blank_values=True)


# --- against the emulator ---


def test_all_pages_are_read_in_order(client, emulator):
    found = items(client, PULL_REQUESTS, *STATES, ("fields", "next,values.id"), ("pagelen", "50"))
    expected = [document["id"] for document in documents(emulator, "pull_requests")]
    assert len(expected) > 100
    assert [item["id"] for item in found] == expected[::-1]
    assert len(emulator.requests()) == -(-len(expected) // 50)


def test_no_parameter_is_sent_twice(client, emulator):
    items(client, PULL_REQUESTS, *STATES, ("fields", "next,values.id"), ("pagelen", "50"))
    requests = emulator.requests()
    assert len(requests) > 1
    for request in requests:
        sent = [pair for pair in parameters(request) if pair[0] != "state"]
        assert len({name for name, _ in sent}) == len(sent)
        assert [value for name, value in parameters(request) if name == "state"] == [
            state for _, state in STATES
        ]


def test_a_query_survives_from_page_to_page(client, emulator):
    q = 'title ~ "a" AND state = "OPEN"'
    found = items(client, PULL_REQUESTS, ("q", q), ("pagelen", "2"), ("fields", "next,values.id"))
    expected = {
        d["id"]
        for d in documents(emulator, "pull_requests")
        if "a" in d["title"].lower() and d["state"] == "OPEN"
    }
    assert {item["id"] for item in found} == expected
    assert len(expected) > 2
    assert {dict(parameters(request))["q"] for request in emulator.requests()} == {q}


def test_iterator_paged_commits_have_no_size_and_no_page(client, emulator):
    pages = Pages(client, scan_of(client), Listing(COMMITS, (("pagelen", "30"),)))
    hashes = [commit["hash"] for values in pages for commit in values]
    assert pages.size is None
    assert len(hashes) == len(set(hashes))
    assert set(hashes) == {d["hash"] for d in documents(emulator, "commits")}
    assert len(emulator.requests()) == -(-len(hashes) // 30)


def test_an_empty_collection_has_one_page_without_values(client, emulator):
    pages = list(
        Pages(client, scan_of(client), Listing("/repositories/acme/empty/refs/branches", ()))
    )
    assert pages == [[]]
    assert len(emulator.requests()) == 1


def test_nothing_is_requested_before_the_first_page_is_wanted(client, emulator):
    pages = Pages(client, scan_of(client), Listing(PULL_REQUESTS, (("pagelen", "2"),)))
    iterator = iter(pages)
    assert emulator.requests() == []
    next(iterator)
    assert len(emulator.requests()) == 1


def test_a_consumer_of_one_page_has_cost_one_request(client, emulator):
    scan = scan_of(client)
    pages = Pages(client, scan, Listing(PULL_REQUESTS, (*STATES, ("pagelen", "10"))))
    iterator: Any = iter(pages)
    next(iterator)
    iterator.close()
    scan.stop()
    assert scan.requests == 1
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize(("enough", "ahead"), [(None, 3), (21, 3), (20, 2), (15, 2)])
def test_nothing_is_read_ahead_beyond_what_is_enough(client, enough, ahead):
    asked = []

    class Watched(ScanContext):
        def submit(self, function, *args):
            asked.append(args)
            return super().submit(function, *args)

    scan = Watched(client.workers, 10)
    query = (*STATES, ("pagelen", "10"))
    iterator = iter(Pages(client, scan, Listing(PULL_REQUESTS, query), enough=enough))
    assert [len(next(iterator)), len(next(iterator))] == [10, 10]
    assert len(asked) == ahead
    # What looked like enough may not be: rows can be dropped on their way.
    assert len(next(iterator)) == 10


def test_lossy_pipelines_are_read_to_their_size(client, emulator):
    emulator.fault("*/pipelines", kind="no_next", count=None)
    query = (("pagelen", "10"), ("fields", "next,size,page,pagelen,values.build_number"))
    found = items(client, PIPELINES, *query, strategy=OwnNumbers())
    expected = [document["build_number"] for document in documents(emulator, "pipelines")]
    assert len(expected) > 20
    assert [item["build_number"] for item in found] == expected
    assert len(emulator.requests()) == -(-len(expected) // 10)


def test_lossy_pipelines_without_a_size_are_read_until_a_page_is_empty(client, emulator):
    emulator.fault("*/pipelines", kind="no_next", count=None)
    query = (("pagelen", "10"), ("fields", "page,pagelen,values.build_number"))
    found = items(client, PIPELINES, *query, strategy=OwnNumbers())
    assert len(found) == len(documents(emulator, "pipelines"))


def test_links_of_a_listing_with_numbers_of_our_own_are_not_followed(client, emulator):
    query = (("pagelen", "10"), ("sort", "-created_on"))
    found = items(client, PIPELINES, *query, strategy=OwnNumbers())
    assert len(found) == len(documents(emulator, "pipelines"))
    asked = [dict(parameters(request)) for request in emulator.requests()]
    asked.sort(key=lambda query: int(query.get("page", 1)))  # some are under way together
    numbers = [{"page": str(page)} if page > 1 else {} for page in range(1, len(asked) + 1)]
    assert asked == [{**dict(query), **number} for number in numbers]


def test_a_fan_out_of_pages_stops_at_the_budget(client, emulator):
    scan = scan_of(client, max_requests=2)
    with pytest.raises(TooManyRequests) as caught:
        items(client, PULL_REQUESTS, *STATES, ("pagelen", "10"), scan=scan)
    assert "max_requests is 2" in caught.value.message
    assert "max_requests" in caught.value.hint
    assert len(emulator.requests()) == 2


# --- links that no documentation allows ---


def test_a_relative_next_is_resolved(scripted):
    server = scripted(
        {
            "/2.0/things?pagelen=2": page(1, 2, next="/2.0/things?page=b"),
            "/2.0/things?page=b": page(3, 4, next="?page=c"),
            "/2.0/things?page=c": page(5),
        }
    )
    assert items(client_of(server), "/things", ("pagelen", "2")) == [1, 2, 3, 4, 5]
    assert server.targets == ["/2.0/things?pagelen=2", "/2.0/things?page=b", "/2.0/things?page=c"]


def test_next_is_taken_as_it_is(scripted):
    """Nothing of the first request's query is added to an opaque link."""
    server = scripted(
        lambda target: page(2) if "mark" in target else page(1, next="/2.0/things?mark=%2Fx%2By")
    )
    assert items(client_of(server), "/things", ("q", "id > 1"), ("pagelen", "1")) == [1, 2]
    assert server.targets[1] == "/2.0/things?mark=%2Fx%2By"


@pytest.mark.parametrize("end", [{}, {"next": None}])
def test_next_absent_is_the_end(scripted, end):
    server = scripted(lambda _: page(1, **end))
    assert items(client_of(server), "/things") == [1]
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        "{other}/2.0/things?page=2",
        "//{other_host}/2.0/things?page=2",
        "{other_by_name}/2.0/things?page=2",  # another host name for the same address
        "https://127.0.0.1:{own_port}/2.0/things?page=2",
        "http://user@{other_host}/2.0/things",
    ],
)
def test_next_leading_elsewhere_is_an_error_and_no_credential_goes_there(scripted, elsewhere):
    other = scripted(lambda _: page(2))
    other_host = urlsplit(other.url).netloc
    link = ""
    own = scripted(lambda _: page(1, next=link))
    link = elsewhere.format(
        other=other.url,
        other_host=other_host,
        other_by_name=f"http://localhost:{urlsplit(other.url).port}",
        own_port=urlsplit(own.url).port,
    )
    with pytest.raises(BadResponse) as caught:
        items(client_of(own), "/things")
    assert other.received == []
    assert len(own.received) == 1
    assert "leads away from the API's host" in caught.value.message
    assert SECRET not in str(caught.value)


BESIDE = [
    "/admin",
    "/2.0things",
    "/2.0/../admin",
    "/2.0/%2e%2e/admin",
    "/2.0/things/..%2f..%2fadmin",
    "/2.0/things/..%5C..%5Cadmin",
    "/",
    "",
]


@pytest.mark.parametrize("way", ["link", "redirect"])
@pytest.mark.parametrize("beside", BESIDE)
def test_a_way_beside_the_api_is_an_error_and_no_credential_goes_there(scripted, beside, way):
    """The same host may serve more than the API, to which the credential is nothing."""

    def answer(target: str) -> Answer:
        if way == "link":
            return page(1, next=f"{server.url}{beside}")
        return Answer(status=302, headers={"Location": f"{server.url}{beside}"})

    server = scripted(answer)
    with pytest.raises(BadResponse, match="leads away") as caught:
        items(client_of(server), "/things")
    assert server.targets == ["/2.0/things"]
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["a..b", "..a", "a%2Fb", "%2E", "a%20.."])
def test_a_name_with_dots_is_a_name(scripted, name):
    server = scripted(lambda t: page(1, next=f"/2.0/{name}") if t == "/2.0/things" else page(2))
    assert items(client_of(server), "/things") == [1, 2]


def test_a_redirect_leading_elsewhere_is_an_error_and_no_credential_goes_there(scripted):
    other = scripted(lambda _: page(2))
    own = scripted(lambda _: Answer(status=302, headers={"Location": f"{other.url}/2.0/things"}))
    with pytest.raises(BadResponse) as caught:
        items(client_of(own), "/things")
    assert other.received == []
    assert SECRET not in str(caught.value)


def test_a_redirect_within_the_api_is_followed_with_the_credential(scripted):
    server = scripted(
        {
            "/2.0/moved": Answer(status=302, headers={"Location": "/2.0/things"}),
            "/2.0/things": page(1),
        }
    )
    assert items(client_of(server), "/moved") == [1]
    assert {r.headers["authorization"] for r in server.received} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("/2.0/things", "fields=values.id&q=a%3D%22b%26c%22&pagelen=2"),
        ("/2.0/things?topic=true", "topic=true&fields=values.id&q=a%3D%22b%26c%22&pagelen=2"),
        ("/2.0/things?pagelen=1&q=", "pagelen=1&q=&fields=values.id"),
        ("/2.0/things?fields=x", "fields=x&q=a%3D%22b%26c%22&pagelen=2"),
    ],
)
def test_a_redirect_keeps_what_was_asked_for(scripted, there, asked):
    """Case: a pull request's diffstat leads to that of its commits, and names these alone."""
    server = scripted(
        lambda target: (
            page(1)
            if target.startswith("/2.0/things")
            else Answer(status=302, headers={"Location": there})
        )
    )
    query = (("fields", "values.id"), ("q", 'a="b&c"'), ("pagelen", "2"))
    client = client_of(server)
    assert [v for vs in Pages(client, scan_of(client), Listing("/moved", query)) for v in vs] == [1]
    assert server.received[-1].target == f"/2.0/things?{asked}"


def test_redirects_without_end_are_an_error(scripted):
    server = scripted(lambda _: Answer(status=302, headers={"Location": "/2.0/things"}))
    with pytest.raises(BadResponse):
        items(client_of(server), "/things")
    assert len(server.received) < 20


def test_a_page_that_leads_to_itself_is_an_error(scripted):
    server = scripted(lambda _: page(1, next="/2.0/things"))
    with pytest.raises(BadResponse) as caught:
        items(client_of(server), "/things")
    assert "back to a page already read" in caught.value.detail
    assert len(server.received) == 1


def test_pages_that_lead_round_in_a_circle_are_an_error(scripted):
    server = scripted(
        {
            "/2.0/things": page(1, next="/2.0/things?page=b"),
            "/2.0/things?page=b": page(2, next="/2.0/things?page=c"),
            "/2.0/things?page=c": page(3, next="/2.0/things?page=b"),
        }
    )
    with pytest.raises(BadResponse) as caught:
        items(client_of(server), "/things")
    assert caught.value.path == "/things"
    assert len(server.received) == 3


# --- items that come again ---


def numbers_of(server):
    """Pages of a listing whose items are their own keys, and as many requests as it takes."""
    client = client_of(server, max_requests=100_000)
    return Pages(client, scan_of(client), Listing("/things", key=lambda value: value))


def by_offset(values, length=10):
    """A listing as ``values`` has it from one request to the next, in pages by their offset."""

    def answer(target: str) -> Answer:
        offset = int(dict(parse_qsl(urlsplit(target).query)).get("from", 0))
        now = values(offset)
        after = offset + length
        link = {"next": f"/2.0/things?from={after}"} if after < len(now) else {}
        return page(*now[offset:after], **link)

    return answer


def test_as_many_keys_are_remembered_of_a_long_listing_as_of_a_short_one(scripted):
    listing = range(3 * paging.REMEMBERED)
    pages = numbers_of(scripted(by_offset(lambda _: listing, 1000)))
    most = read = 0
    for values in pages:
        read += len(values)
        most = max(most, len(pages._seen))
    assert read == len(listing)
    assert most <= paging.REMEMBERED


@pytest.mark.parametrize("new", [1, 7, 9])
def test_items_that_new_ones_have_moved_on_come_once(scripted, monkeypatch, new):
    monkeypatch.setattr(paging, "REMEMBERED", 60)
    listing = range(400)

    def now(offset: int) -> list[int]:
        """With each page that is read there are more in front."""
        return [*range(-new * (offset // 10), 0), *listing]

    pages = numbers_of(scripted(by_offset(now)))
    read = list(itertools.chain.from_iterable(itertools.islice(pages, 30)))
    assert read == list(range(len(read)))


@pytest.mark.parametrize("length", [1, 2, 9, 40])
def test_a_circle_of_any_length_is_an_error(scripted, monkeypatch, length):
    monkeypatch.setattr(paging, "REMEMBERED", 60)

    def answer(target: str) -> Answer:
        at = int(dict(parse_qsl(urlsplit(target).query)).get("from", 0))
        first = at % length * 10
        return page(*range(first, first + 10), next=f"/2.0/things?from={at + 1}")

    server = scripted(answer)
    read = []
    with pytest.raises(BadResponse) as caught:
        read.extend(itertools.chain.from_iterable(numbers_of(server)))
    assert "have been on earlier pages" in caught.value.detail
    assert read == list(range(10 * length))
    assert len(server.received) <= length + 2


@pytest.mark.parametrize(
    "envelope",
    [
        [1, 2],
        {"next": None},
        {"values": {"1": 2}},
        {"values": None},
        "text",
        7,
        None,
    ],
)
def test_an_answer_that_is_no_page_is_an_error(scripted, envelope):
    body = Answer(b"null") if envelope is None else Answer(envelope)
    server = scripted(lambda _: body)
    with pytest.raises(BadResponse) as caught:
        items(client_of(server), "/things")
    assert (caught.value.method, caught.value.path) == ("GET", "/things")


@pytest.mark.parametrize("link", [7, True, ["/2.0/things?page=2"], {}])
def test_a_next_that_is_no_address_is_an_error(scripted, link):
    server = scripted(lambda _: page(1, next=link))
    with pytest.raises(BadResponse):
        items(client_of(server), "/things")


def test_an_error_on_a_later_page_is_an_error_and_not_the_end(scripted):
    server = scripted({"/2.0/things": page(1, next="/2.0/things?page=2")})
    with pytest.raises(NotFound):
        items(client_of(server), "/things")
