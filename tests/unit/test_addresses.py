"""Addresses that need no preparation are those that a library would send as they are."""

from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_fdw.api.addresses import Root, absolute
from bitbucket_fdw.api.strategies import page_in
from bitbucket_fdw.api.transport import as_sent

BASE = "https://api.bitbucket.org/2.0"
PIECES = st.sampled_from(
    [
        *("a", "Z9", "_", "~", ".", "..", "-", "/", "//", "%7B", "%7D", "%7b", "%2F", "%2e", "%41"),
        *("%", "%zz", " ", "é", "\u200b", "?", "#", ":", "@", "\\", "=", "&", "+", ",", "\x00"),
        *("page=", "page", "p%61ge=", "12", "%31"),
    ]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)


def prepared(path, parameters):
    try:
        return str(requests.Request("GET", BASE + path, params=parameters).prepare().url)
    except ValueError as error:
        return type(error)


def made(path, parameters):
    try:
        return Root(BASE).address(path, parameters)
    except ValueError as error:
        return type(error)


@settings(max_examples=300, deadline=None)
@given(TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_addresses_are_made_as_a_library_makes_them(path, parameters):
    assert made(f"/{path}", parameters) == prepared(f"/{path}", parameters)


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT)
def test_the_query_of_an_address_is_found_as_a_library_finds_it(path, query):
    address = f"{BASE}/{path}?{query}"
    assert Root(BASE).query(address) == urlsplit(address).query


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT)
def test_a_plain_address_is_sent_as_it_is_written(path, query):
    address = f"{BASE}/{path}?{query}"
    plain = Root(BASE).plain_path(address)
    if plain is not None:
        sent = as_sent(address)
        assert (sent.scheme, sent.netloc) == ("https", "api.bitbucket.org")
        assert sent.path == f"/2.0{plain}"
        assert parse_qsl(sent.query) == parse_qsl(urlsplit(address).query)
        assert sent.fragment == ""


@pytest.mark.parametrize(
    "path",
    [
        "/repositories/acme/website/pullrequests?q=state+%3D+%22OPEN%22&fields=values.id&page=2",
        "/repositories/acme/%7B12345678-0000-4000-8000-000000000001%7D/commits?ctx=a_b-c~d",
        "/workspaces/",
    ],
)
def test_usual_addresses_are_plain(path):
    assert Root(BASE).plain_path(BASE + path) == path.partition("?")[0]


@pytest.mark.parametrize(
    "address",
    [
        "https://api.bitbucket.org/2.0",
        "https://api.bitbucket.org/2.0evil/x",
        "https://api.bitbucket.org/2.0/../1.0/x",
        "https://api.bitbucket.org/2.0/x/%2e%2e/%2e%2e/y",
        "https://api.bitbucket.org/2.0/x%2F..%2F..",
        "https://api.bitbucket.org/2.0/x\\y",
        "https://api.bitbucket.org/2.0/x?a#b",
        "https://api.bitbucket.org/2.0/x?a=é",
        "https://api.bitbucket.org/2.0/x\n",
        "https://api.bitbucket.org/2.0/x?a\n",
        "https://api.bitbucket.org:8443/2.0/x",
        "https://api.bitbucket.org@evil.example/2.0/x",
        "http://api.bitbucket.org/2.0/x",
        "https://API.bitbucket.org/2.0/x",
    ],
)
def test_whatever_may_lead_elsewhere_is_looked_at_closely(address):
    assert Root(BASE).plain_path(address) is None


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_the_number_of_a_page_is_read_as_a_library_reads_it(query):
    address = f"{BASE}/x?{query}"
    marks = [value for name, value in parse_qsl(urlsplit(address).query) if name == "page"]
    number = int(marks[0]) if len(marks) == 1 and marks[0].isdigit() else None
    # Without a number pages are read one after the other, which is right in any case.
    assert page_in(address) == (number if address.isprintable() else None)


@pytest.mark.parametrize(
    "link",
    [
        *(
            "https://a.example/x?y=1",
            "http://a.example:1/x",
            "//a.example/x",
            "/x?page=2",
            "?page=2",
        ),
        *("x", "", "https:///x", "https:x", "HTTPS://a.example/x", "ftp://a.example/x", "#x"),
    ],
)
def test_a_link_leads_where_a_browser_goes(link):
    assert absolute(link, f"{BASE}/things?page=1") == urljoin(f"{BASE}/things?page=1", link)
