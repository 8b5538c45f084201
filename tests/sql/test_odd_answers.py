"""Answers that no documentation allows: what they hold still reaches PostgreSQL, or is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.api.scripted import Answer, ScriptedServer
from tests.support.database import Database


@pytest.fixture
def answered(db: Database) -> Iterator[Callable[[bytes], Database]]:
    """A table ``t`` of pull requests, every request for which is answered alike."""
    servers = []

    def start(body: bytes, **answer: Any) -> Database:
        server = ScriptedServer(lambda _: Answer(body, **answer))
        servers.append(server)
        options = {"base_url": f"{server.url}/2.0", "retry_limit": "0"}
        db.create_server("odd", credentials={}, **options)
        db.execute(
            "CREATE FOREIGN TABLE t (id bigint, title text, created_on text, reviewers jsonb) "
            "SERVER odd OPTIONS (table 'pull_requests', workspace 'w', repository 'r')"
        )
        return db

    yield start
    for server in servers:
        server.close()


def page(item: bytes) -> bytes:
    return b'{"values": [%s]}' % item


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (rb"a\ud83d b", "a\ufffd b"),
        (rb"\udc00", "\ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"nul \u0000 and \ud83d", "nul \ufffd and \ufffd"),
        ("caf\u00e9".encode() + rb" \ud83d", "caf\u00e9 \ufffd"),
    ],
)
def test_half_characters_are_replaced(answered, written, stored):
    """A lone surrogate is half of a character, and has no place in PostgreSQL's encodings."""
    item = b'{"id": 1, "title": "%s", "reviewers": [{"%s": "%s"}]}' % ((written,) * 3)
    [(title, reviewers)] = answered(page(item)).rows("SELECT title, reviewers FROM t")
    assert title == stored
    assert reviewers == [{stored: stored}]


def test_half_a_character_in_another_kind_of_value(answered):
    item = rb'{"id": 1, "created_on": "2024\ud83d"}'
    assert answered(page(item)).value("SELECT created_on FROM t").startswith("2024\ufffd")


def test_half_a_character_in_an_error(answered):
    body = rb'{"error": {"message": "no \ud83d"}}'
    with pytest.raises(psycopg.Error, match="418") as caught:
        answered(body, status=418).rows("SELECT id FROM t")
    assert caught.value.diag.message_detail == "no \ufffd"


@pytest.mark.parametrize("status", [200, 400])
def test_lists_without_end_are_an_error(answered, status):
    with pytest.raises(psycopg.Error) as caught:
        answered(b"[" * 100_000, status=status).rows("SELECT id FROM t")
    assert caught.value.diag.message_primary.startswith(
        "pull_requests: GET /repositories/w/r/pullrequests"
    )


@pytest.mark.parametrize("depth", [100, 950, 960, 970, 980, 985, 990])
def test_lists_that_are_nested_deeply_are_rows_or_an_error(answered, depth):
    """What can still be read may be too deep to be written."""
    lists = "[" * depth + "]" * depth
    database = answered(page(b'{"id": 1, "reviewers": %s}' % lists.encode()))
    try:
        shown = database.value("SELECT reviewers::text FROM t").replace(" ", "")
    except psycopg.Error as error:
        shown = error.diag.message_primary
    unexpected = "pull_requests: GET /repositories/w/r/pullrequests was answered with"
    assert shown == lists or (depth > 100 and shown.startswith(unexpected))
