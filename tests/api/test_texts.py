"""Texts and files that lie in a store: another server, which must not see the credential."""

from __future__ import annotations

import gzip

import pytest
import requests

from bitbucket_fdw.api import JSON, KeptAnswers, Wanted, WriteCount
from bitbucket_fdw.api.wanted import as_item
from bitbucket_fdw.errors import BadResponse, RequestError
from tests.api.helpers import SECRET, client_of, scan_of
from tests.api.scripted import Answer, ScriptedServer

TEXT = Wanted("application/octet-stream", text=True, elsewhere=True)
LOG = "/2.0/log"


def text(body: bytes = b"kept", **more: object) -> Answer:
    return Answer(body, content_type="text/plain", **more)  # type: ignore[arg-type]


def leads(place: str, status: int = 307) -> Answer:
    return Answer(None, status, {"Location": place, "Set-Cookie": "session=1"})


def read(client, scan=None, wanted=TEXT):
    scan = scan or scan_of(client)
    return scan.wait(client.ask(client.url("/log"), scan, wanted))


def secrets_in(server: ScriptedServer) -> list[str]:
    """Whatever of the credential or of its session a server was sent."""
    told = [f"{r.target} {name}: {v}" for r in server.received for name, v in r.headers.items()]
    named = ("authorization", "cookie", "referer", SECRET)
    return [line for line in told if any(word in line.casefold() for word in named)]


@pytest.mark.parametrize("status", [302, 307])
def test_a_store_is_asked_without_the_credential(scripted, status):
    store = scripted({"/kept?signature=a%2Fb": text()})
    api = scripted({LOG: leads(f"{store.url}/kept?signature=a%2Fb", status)})
    assert read(client_of(api)).json == {"body": "kept", "content_length": 4}
    assert api.received[0].headers["authorization"] == f"Bearer {SECRET}"
    assert store.received[0].headers["accept"] == "application/octet-stream"
    assert len(store.received) == 1
    assert secrets_in(store) == []


def test_a_store_that_leads_back_does_not_get_the_credential_used(scripted):
    store = scripted({})
    api = scripted({LOG: leads(f"{store.url}/kept"), "/2.0/other": text(b"not signed for")})
    store.answer = lambda _: leads(f"{api.url}/2.0/other")
    assert read(client_of(api)).json["body"] == "not signed for"
    back = api.received[-1]
    assert (back.target, "authorization" in back.headers) == ("/2.0/other", False)
    assert secrets_in(store) == []


@pytest.mark.parametrize("beside", ["/elsewhere", "/2.0/../elsewhere", "/2.0/%2e%2e/elsewhere"])
def test_beside_the_api_on_its_own_host_the_credential_does_not_go_either(scripted, beside):
    api = scripted(lambda target: leads(beside) if target == LOG else text())
    assert read(client_of(api)).json["body"] == "kept"
    assert "authorization" not in api.received[-1].headers


def test_within_the_api_a_redirect_stays_signed(scripted):
    api = scripted({LOG: leads("/2.0/there"), "/2.0/there": text()})
    assert read(client_of(api)).json["body"] == "kept"
    assert [r.headers["authorization"] for r in api.received] == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize("wanted", [JSON, Wanted("*/*", text=True)])
def test_only_what_may_lie_elsewhere_is_looked_for_there(scripted, wanted):
    store = scripted(lambda _: text())
    api = scripted({LOG: leads(f"{store.url}/kept")})
    with pytest.raises(BadResponse, match="leads away"):
        read(client_of(api), wanted=wanted)
    assert store.received == []


@pytest.mark.parametrize("status", [401, 403, 404, 410, 416, 429, 500])
def test_what_a_store_refuses_is_an_error_of_its_own(scripted, status):
    store = scripted(lambda _: Answer({"error": {"message": "key=abc"}}, status))
    api = scripted({LOG: leads(f"{store.url}/kept?key=abc")})
    with pytest.raises(
        RequestError, match=f"GET /log leads to a store that answered {status}"
    ) as e:
        read(client_of(api))
    error = e.value
    assert "abc" not in f"{error.message}{error.detail}{error.hint}"
    assert len(store.received) == 1


@pytest.mark.parametrize("credential", ["ada-read", "workspace", "website"])
def test_the_emulators_store_refuses_a_credential_and_gets_none(
    emulator, client_factory, credential
):
    rows = emulator.call("GET", "state?collection=pipeline_steps&repository=acme/website")
    step = next(r["document"] for r in rows["pipeline_steps"] if r["document"]["started_on"])
    client = client_factory(credential, retry_limit=1)
    at = f"/repositories/acme/website/pipelines/{step['pipeline']['uuid']}/steps/{step['uuid']}"
    scan = client.scan()
    answer = client.get(client.url(f"{at}/log"), scan, TEXT)
    assert answer.json["body"].endswith(f"{step['name']}: ✓ ready\r\n\ufffd\0\n")
    with pytest.raises(BadResponse, match="leads away"):
        client.get(client.url(f"{at}/log"), scan, Wanted("*/*", text=True))


def test_stores_without_end_are_an_error(scripted):
    store = scripted({})
    store.answer = lambda _: leads(f"{store.url}/on")
    with pytest.raises(BadResponse, match="store that answered 307"):
        read(client_of(scripted({LOG: leads(f"{store.url}/on")})))
    assert len(store.received) < 10


@pytest.mark.parametrize("at_store", [True, False])
def test_a_text_may_be_as_large_as_max_answer_size(scripted, at_store):
    allowed, beyond = b"x" * 2**20, b"x" * (2**20 + 1)
    store = scripted(lambda _: text(allowed))
    api = scripted(lambda _: leads(f"{store.url}/kept") if at_store else text(allowed))
    client = client_of(api, max_answer_size=2**20, max_text_size=2**21)
    assert read(client).size == 2**20
    store.answer = lambda _: text(beyond)
    if not at_store:
        api.answer = lambda _: text(beyond)
    with pytest.raises(BadResponse, match="more than 1 MiB"):
        read(client)


@pytest.mark.parametrize("at_store", [True, False])
@pytest.mark.parametrize(
    ("body", "shown", "length"),
    [
        (b"x" * 9, "x" * 9, 9),
        (b"x" * 10, "x" * 10, 10),
        (b"x" * 11, "x" * 10, 11),
        ("é".encode() * 6, "é" * 5, 12),
        (b"x" + "é".encode() * 6, "x" + "é" * 4, 13),
        (b"x" * 9 + "€".encode() * 9, "x" * 9, 36),
        (b"x" * 9 + b"\xff\xff", "x" * 9 + "\ufffd", 11),
        (b"x" * 3 * 2**20, "x" * 10, 3 * 2**20),
    ],
)
def test_a_text_is_cut_before_a_character_that_does_not_fit(
    scripted, at_store, body, shown, length
):
    store = scripted(lambda _: text(body))
    api = scripted(lambda _: leads(f"{store.url}/kept") if at_store else text(body))
    answer = read(client_of(api, max_text_size=10, max_answer_size=2**20))
    assert (answer.json["body"], answer.json["content_length"]) == (shown, length)
    assert answer.json.get("cut_short", False) == (len(body) > 10)
    assert answer.size <= 10


def test_the_length_of_a_text_that_was_cut_is_not_that_of_its_compressed_form(scripted):
    squeezed = gzip.compress(b"x" * 2**20)
    api = scripted(lambda _: text(squeezed, headers={"Content-Encoding": "gzip"}))
    answer = read(client_of(api, max_text_size=10))
    assert answer.json == {"body": "x" * 10, "content_length": None, "cut_short": True}
    assert len(squeezed) < 2**20


def test_of_a_long_text_only_the_beginning_is_read(scripted, monkeypatch):
    api = scripted(lambda _: text(b"x" * 64 * 2**20))
    client, taken = client_of(api, max_text_size=10), []
    pieces = requests.Response.iter_content

    def counted(response, size):
        for piece in pieces(response, size):
            taken.append(len(piece))
            yield piece

    monkeypatch.setattr(requests.Response, "iter_content", counted)
    assert read(client).json["content_length"] == 64 * 2**20
    assert sum(taken) < 2**20


def test_the_bound_on_texts_is_not_one_on_json(scripted):
    api = scripted(lambda _: Answer({"a": "x" * 100}))
    assert read(client_of(api, max_text_size=10), wanted=JSON).json == {"a": "x" * 100}


def test_the_body_of_a_redirect_is_bounded_too(scripted):
    store = scripted(lambda _: text())
    long = Answer(b"x" * 2**21, 307, {"Location": f"{store.url}/kept"}, "text/html")
    with pytest.raises(BadResponse, match="more than 1 MiB"):
        read(client_of(scripted({LOG: long}), max_answer_size=2**20))


def test_one_execution_asks_for_a_text_once_and_not_in_place_of_the_json(scripted):
    api = scripted({LOG: text(b'{"a": "b\\u0000"}')})
    client = client_of(api)
    scan = client.scan(kept=KeptAnswers(WriteCount()))
    first, again = read(client, scan), read(client, scan)
    assert first.json == again.json == as_item(b'{"a": "b\\u0000"}', None)
    assert len(api.received) == 1
    assert read(client, scan, JSON).json == {"a": "b\0"}
    assert [r.headers["accept"] for r in api.received] == [TEXT.accept, JSON.accept]


def test_the_cache_of_answers_between_sessions_holds_no_text(scripted, monkeypatch, tmp_path):
    monkeypatch.setenv("BITBUCKET_FDW_CACHE", str(tmp_path / "cache"))
    store = scripted(lambda _: text())
    answers = {LOG: leads(f"{store.url}/kept?key=abc"), "/2.0/json": Answer({"a": 1})}
    api = scripted(answers)
    client = client_of(api, cache_ttl=60.0)
    for _ in range(2):
        read(client)
    assert len(api.received) == len(store.received) == 2
    assert client.get(client.url("/json"), client.scan()).json == {"a": 1}
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"key=abc" in content for content in kept)
