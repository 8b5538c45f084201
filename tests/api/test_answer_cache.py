"""Answers that sessions share: never another credential's, never from before a write."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bitbucket_fdw.api import Client, Credential, ScanContext, Settings
from bitbucket_fdw.api.delivery import Delivery
from bitbucket_fdw.api.notes import Notes
from bitbucket_fdw.api.shared import Shared
from bitbucket_fdw.errors import BitbucketError
from tests.api.scripted import Answer, ScriptedServer

ADA = Credential.bearer("access_token", "secret-of-ada")
BEN = Credential.bearer("access_token", "secret-of-ben")
TOLD = Notes()
"""What any session has to tell."""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where answers are kept."""
    monkeypatch.setenv("BITBUCKET_FDW_CACHE", str(tmp_path / "cache"))
    TOLD.take()
    return tmp_path / "cache"


@pytest.fixture
def server(scripted, directory) -> ScriptedServer:
    """A server whose every answer is another one."""
    served: ScriptedServer = scripted(lambda _: Answer({"number": len(served.received)}))
    return served


def session_of(server: ScriptedServer, credential: Credential = ADA, **settings: Any) -> Client:
    """Another session's client."""
    given = {"base_url": f"{server.url}/2.0", "retry_limit": 0, "cache_ttl": 600.0, **settings}
    shared = Shared()
    shared.notes = TOLD
    return Client(Settings(**given), credential, shared)


def ask(client: Client, path: str = "/things", **scan: Any) -> Any:
    return client.get(client.url(path), ScanContext(client.workers, 10, **scan)).json["number"]


def write(client: Client) -> None:
    """A write; the server takes none, but may have carried it out for all that the client knows."""
    scan = ScanContext(client.workers, 10)
    with contextlib.suppress(BitbucketError):
        client.send("POST", client.url("/things"), {}, False, scan, Delivery())


def test_one_credential_s_sessions_share_answers(server):
    assert [ask(session_of(server)) for _ in range(3)] == [1, 1, 1]
    assert TOLD.take() == []


def test_no_credential_sees_another_s_answers(server):
    others = (BEN, Credential.none(), Credential.bearer("oauth2_token", "secret-of-ada"))
    assert [ask(session_of(server, one)) for one in (ADA, *others)] == [1, 2, 3, 4]
    assert [ask(session_of(server, one)) for one in (ADA, *others)] == [1, 2, 3, 4]
    sent = [request.headers.get("authorization") for request in server.received]
    assert sent == ["Bearer secret-of-ada", "Bearer secret-of-ben", None, "Bearer secret-of-ada"]


def test_an_address_is_all_of_it(server):
    client = session_of(server)
    paths = ("/things", "/things?page=2", "/things?page=3", "/others", "/things/?page=2")
    assert [ask(client, path) for path in paths] == [1, 2, 3, 4, 5]
    assert [ask(client, path) for path in paths] == [1, 2, 3, 4, 5]


def test_a_write_of_any_session_makes_all_answers_old(server):
    reader, writer = session_of(server), session_of(server, BEN)
    assert (ask(reader), ask(reader)) == (1, 1)
    write(writer)
    assert (ask(reader), ask(reader), ask(session_of(server))) == (2, 2, 2)


def test_an_answer_from_before_a_write_is_not_kept_for_after_it(server):
    """It was asked for before, and came while the write was on its way."""
    reader, writer = session_of(server), session_of(server)
    answer = server.answer

    def meanwhile(target: str) -> Answer:
        server.answer = answer
        write(writer)
        return Answer({"number": "from before"})

    server.answer = meanwhile
    assert ask(reader) == "from before"
    assert ask(reader) == ask(session_of(server)) == 2


def test_what_must_be_fresh_is_asked_for(server):
    client = session_of(server)
    assert [ask(client), ask(client, fresh=True), ask(client)] == [1, 2, 2]


@pytest.mark.parametrize("status", [201, 203, 301, 401, 403, 404, 410, 500])
def test_nothing_but_success_is_kept(server, status):
    good = server.answer
    server.answer = lambda _: Answer({"error": {"message": "no"}}, status)
    client = session_of(server)
    for _ in range(2):
        with pytest.raises(BitbucketError):
            ask(client)
    server.answer = good
    assert ask(client) == 3


def test_an_answer_lapses(server):
    client = session_of(server, cache_ttl=1.0)
    assert ask(client) == ask(client) == 1
    time.sleep(1.1)
    assert ask(client) == 2


def test_only_the_server_s_user_can_read_it_and_no_secret_is_in_it(server, directory):
    before = os.umask(0)
    try:
        client = session_of(server)
        ask(client)
        write(client)
    finally:
        os.umask(before)
    assert directory.stat().st_mode & 0o7777 == 0o700
    files = list(directory.iterdir())
    assert {file.suffix for file in files} >= {".json", ".generation"}
    assert {file.stat().st_mode & 0o077 for file in files if file.suffix == ".json"} == {0}
    assert not [file for file in files if b"secret-of-ada" in file.read_bytes()]


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o770, 0o707])
def test_a_directory_that_others_can_enter_is_done_without(server, directory, mode):
    """Whoever can write there decides what is shown as Bitbucket's."""
    directory.mkdir()
    directory.chmod(mode)
    client = session_of(server)
    assert [ask(client), ask(client)] == [1, 2]
    assert [note.detail for note in TOLD.take()] == [f'the cache "{directory}" is open to others.']
    assert list(directory.iterdir()) == []


def test_a_directory_of_somebody_else_is_done_without(server, directory):
    if os.geteuid():
        pytest.skip("takes the right to give a directory to somebody else")
    directory.mkdir(mode=0o700)
    os.chown(directory, 12345, -1)
    client = session_of(server)
    assert [ask(client), ask(client)] == [1, 2]
    assert len(TOLD.take()) == 1


def test_a_directory_that_is_opened_later_is_written_to_no_more(server, directory):
    client = session_of(server)
    assert ask(client) == 1
    directory.chmod(0o777)
    write(client)
    assert [file for file in directory.iterdir() if file.suffix == ".generation"] == []
    assert len(TOLD.take()) == 1
    assert (ask(client), ask(client)) == (2, 3)


def test_a_directory_that_is_opened_later_is_not_read_any_more(server, directory):
    """Whoever can write to it may have put something there."""
    client = session_of(server)
    assert ask(client) == 1
    directory.chmod(0o777)
    assert (ask(client), ask(client)) == (2, 3)
    assert len(TOLD.take()) == 1


def test_there_is_no_cache_where_nothing_says_where(tmp_path, monkeypatch, scripted):
    monkeypatch.delenv("BITBUCKET_FDW_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    server = scripted(lambda _: Answer({"number": 1}))
    assert ask(session_of(server)) == 1
    assert "no place to keep answers in" in TOLD.take()[0].detail
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_keeps_answers_reaches_bitbucket_as_any_other(
    server, scripted, monkeypatch, tmp_path
):
    """Signed, by no proxy of the environment, without another's credential, and bounded."""
    proxy = scripted(lambda _: Answer({"number": "from the proxy"}))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy.url)
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    server.answer = lambda _: Answer(
        {"number": len(server.received)}, headers={"Set-Cookie": "sid=1; Path=/"}
    )
    client = session_of(server, Credential.none(), max_answer_size=1000)
    assert [ask(client, path) for path in ("/one", "/two", "/one")] == [1, 2, 1]
    assert proxy.received == []
    for request in server.received:
        assert not {"authorization", "cookie"} & set(request.headers)
        assert request.headers["user-agent"].startswith("bitbucket_fdw/")
    server.answer = lambda _: Answer({"number": "x" * 2000})
    with pytest.raises(BitbucketError, match="answered with more than"):
        ask(client, "/large")
