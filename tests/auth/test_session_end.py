"""The end of a session while it has a token renewed: the login outlives it."""

from __future__ import annotations

import psycopg
import pytest

from tests.auth.conftest import Mapped, eventually

SLUG = "SELECT slug FROM repositories LIMIT 1"


@pytest.fixture
def expired(mapped: Mapped, authorization) -> Mapped:
    """A login whose access token has run out, at an authorization server that has become slow."""
    given = {**authorization.client(), "refresh_token": authorization.refresh_token()}
    mapped.set(auth="oauth2_code", **given)
    assert mapped.database.value(SLUG)
    mapped.database.close()
    authorization.expire()
    # Longer than a cancelled statement waits for a token.
    mapped.database.emulator.fault("/site/oauth2/access_token", kind="slow", delay_ms=4000, count=1)
    return mapped


def refreshes(authorization) -> int:
    return int(authorization.count("refresh_token"))


def test_a_cancelled_statement_and_the_end_of_its_session(expired, authorization):
    with expired.database.connect() as session:
        session.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.Error, match="cancel"):
            session.execute(SLUG)
    assert expired.database.value(SLUG)
    assert (refreshes(authorization), authorization.count("refresh_token refused")) == (2, 0)


def test_a_terminated_session(expired, authorization):
    emulator = expired.database.emulator
    victim = expired.database.connect()
    victim.pgconn.send_query(SLUG.encode())
    eventually(lambda: emulator.call("GET", "faults")["faults"][0]["hits"] == 1)
    expired.database.execute(f"SELECT pg_terminate_backend({victim.info.backend_pid})")
    victim.close()
    assert expired.database.value(SLUG)
    assert (refreshes(authorization), authorization.count("refresh_token refused")) == (2, 0)
