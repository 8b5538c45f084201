"""Logging in by SQL functions, and what the wrapper does with the login afterwards."""

from __future__ import annotations

import contextlib
import json
import stat
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg import errors

from tests.auth.conftest import CALLBACK, Mapped, eventually

SLUGS = "SELECT count(*) FROM repositories"
STATE = "a-state-that-nobody-can-guess"


def begin(mapped: Mapped, state: str | None = None, callback: str = CALLBACK) -> str:
    return mapped.database.value(
        "SELECT bitbucket.oauth_authorization_url('bitbucket', %s, %s)", (callback, state)
    )


def finish(mapped: Mapped, code: str, state: str, callback: str = CALLBACK) -> tuple:
    [row] = mapped.database.rows(
        "SELECT * FROM bitbucket.oauth_access_token('bitbucket', %s, %s, %s)",
        (code, callback, state),
    )
    return row


def fails(mapped: Mapped, statement: str, parameters: Any = None) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        mapped.database.rows(statement, parameters)
    return raised.value


def test_the_address_has_what_the_authorization_server_wants(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    url = begin(mapped, STATE)
    assert url.startswith(f"{authorization.oauth_url}/authorize?")
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": [authorization.client()["client_id"]],
        "redirect_uri": [CALLBACK],
        "state": [STATE],
    }


def test_without_a_state_each_login_gets_its_own(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    states = {parse_qs(urlsplit(begin(mapped)).query)["state"][0] for _ in range(3)}
    assert len(states) == 3
    assert min(map(len, states)) >= 32


def test_a_login_makes_tables_readable_as_the_person(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    error = fails(mapped, SLUGS)
    assert "nobody has logged in" in str(error)
    auth, expires_in, scopes, user = mapped.log_in("ada")
    assert (auth, expires_in, user) == ("oauth2_code", 7200, "postgres")
    assert "repository" in scopes
    assert mapped.database.value(SLUGS) == 9
    mapped.log_in("ben")
    assert 0 < mapped.database.value(SLUGS) < 9


def test_the_scheme_need_not_be_named_before_the_login(mapped, authorization):
    mapped.set(**authorization.client())
    mapped.log_in()
    assert mapped.options()["auth"] == "oauth2_code"
    assert mapped.database.value(SLUGS) == 9


def test_the_catalog_holds_no_token(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    row = mapped.log_in()
    options = mapped.options()
    assert set(options) == {"auth", "client_id", "client_secret", "login"}
    for text in (*map(str, row), *options.values()):
        assert "emulator-access" not in text
        assert "emulator-refresh" not in text


def test_the_store_is_the_servers_alone(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    assert stat.S_IMODE(mapped.store.stat().st_mode) == 0o700
    owner = mapped.database.cluster.data.stat().st_uid
    files = list(mapped.store.iterdir())
    assert files
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_uid == owner


def test_a_login_takes_the_place_of_a_refresh_token(mapped, authorization):
    mapped.set(refresh_token=authorization.refresh_token("ben"), **authorization.client())
    assert mapped.database.value(SLUGS) < 9
    mapped.log_in("ada")
    assert "refresh_token" not in mapped.options()
    assert mapped.database.value(SLUGS) == 9


@pytest.mark.parametrize(
    ("state", "callback"),
    [
        ("a-state-that-was-never-sent-out", CALLBACK),
        (STATE, "http://localhost:44444/"),
        ("", CALLBACK),
    ],
)
def test_a_way_back_that_was_not_begun_here_is_refused(mapped, authorization, state, callback):
    mapped.set(auth="oauth2_code", **authorization.client())
    back = authorization.visit(begin(mapped, STATE))
    with pytest.raises(psycopg.Error, match="no login was begun"):
        finish(mapped, back["code"], state, callback)
    assert "login" not in mapped.options()
    assert authorization.count("authorization_code") == 0


def test_a_state_is_good_once(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    back = authorization.visit(begin(mapped, STATE))
    finish(mapped, back["code"], back["state"])
    with pytest.raises(psycopg.Error, match="no login was begun"):
        finish(mapped, back["code"], back["state"])


def test_a_state_belongs_to_the_client_it_was_made_for(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    back = authorization.visit(begin(mapped, STATE))
    mapped.set(auth="oauth2_code", client_id="another", client_secret="another")
    with pytest.raises(psycopg.Error, match="no login was begun"):
        finish(mapped, back["code"], back["state"])


def test_a_state_that_can_be_guessed_is_refused(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    with pytest.raises(psycopg.Error, match="at least 16"):
        begin(mapped, "1234")


@pytest.mark.parametrize("callback", ["", "localhost:33333", "javascript:x", "http://a/#b"])
def test_a_callback_that_is_no_address_is_refused(mapped, authorization, callback):
    mapped.set(auth="oauth2_code", **authorization.client())
    with pytest.raises(psycopg.Error, match="not an address to come back to"):
        begin(mapped, callback=callback)


def test_a_wrong_code_is_refused_unseen(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    begin(mapped, STATE)
    with pytest.raises(psycopg.Error) as raised:
        finish(mapped, "emulator-code-wrong", STATE)
    assert raised.value.diag.message_primary.endswith(
        "Bitbucket gave no token for grant authorization_code"
    )
    assert "invalid_grant" in raised.value.diag.message_detail
    assert "emulator-code-wrong" not in str(raised.value)


@pytest.mark.parametrize("missing", ["code", "callback_url", "state"])
def test_a_missing_parameter_is_an_error(mapped, authorization, missing):
    mapped.set(auth="oauth2_code", **authorization.client())
    given = {"code": "c", "callback_url": CALLBACK, "state": STATE, missing: None}
    with pytest.raises(errors.NullValueNotAllowed):
        mapped.database.rows(
            "SELECT * FROM bitbucket.oauth_access_token('bitbucket', %s, %s, %s)",
            tuple(given.values()),
        )


@pytest.mark.parametrize(
    "mapping",
    [
        {"email": "ada@acme.example", "token": "emulator-token-ada-read"},
        {"token": "emulator-token-workspace"},
        {"auth": "none"},
        {"auth": "oauth2_client", "client_id": "a", "client_secret": "b"},
    ],
)
def test_nobody_logs_in_for_other_schemes(mapped, mapping):
    mapped.set(**mapping)
    with pytest.raises(psycopg.Error, match="nobody logs in for auth"):
        begin(mapped)


# --- tokens in use ---


def test_a_scan_goes_on_when_its_token_runs_out(mapped, authorization, emulator):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    database = mapped.database
    database.execute(
        "CREATE FOREIGN TABLE pulls (id bigint, workspace text, repository text) SERVER bitbucket "
        "OPTIONS (table 'pull_requests', workspace 'acme', repository 'website')"
    )
    with database.connect(autocommit=False) as session, session.cursor("walk") as cursor:
        cursor.itersize = 1
        cursor.execute("SELECT id FROM pulls")
        ids = [row[0] for row in cursor.fetchmany(10)]
        authorization.expire()
        ids += [row[0] for row in cursor.fetchall()]
    assert len(ids) == len(set(ids)) == 150
    assert 401 in [request.status for request in emulator.requests()]
    assert authorization.count("refresh_token") == 1


def test_a_write_whose_token_has_run_out_is_sent_once_more_and_made_once(
    mapped, authorization, emulator
):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    mapped.database.execute(
        "CREATE FOREIGN TABLE issues (id bigint, title text, workspace text, repository text) "
        "SERVER bitbucket OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    authorization.expire()
    result = mapped.database.query("INSERT INTO issues (title) VALUES ('once') RETURNING id")
    assert [request.status for request in result.requests] == [401, 201]
    assert mapped.database.value("SELECT count(*) FROM issues WHERE title = 'once'") == 1
    assert authorization.count("refresh_token") == 1


def test_fifty_sessions_with_an_expired_token_make_one_refresh_request(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    sessions = [mapped.database.connect() for _ in range(50)]
    authorization.expire()
    counts: list[int] = []
    problems: list[Exception] = []
    start = threading.Barrier(len(sessions))

    def ask(session: psycopg.Connection) -> None:
        start.wait(60)
        try:
            counts.append(session.execute(SLUGS).fetchone()[0])
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=ask, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems
    assert counts == [9] * 50
    assert authorization.count("refresh_token") == 1
    assert authorization.count("refresh_token refused") == 0


def test_a_revoked_login_says_whose_and_how_to_renew_it(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    authorization.revoke()
    error = fails(mapped, SLUGS)
    assert error.diag.sqlstate in ("28000", "HV000", "XX000")
    assert "Bitbucket gave no token" in error.diag.message_primary
    assert 'auth "oauth2_code", client_id "emulatorconsumerkey' in error.diag.message_detail
    assert "bitbucket-fdw login" in error.diag.message_hint


def test_refresh_gets_another_token_now(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    [entry] = [p for p in mapped.store.glob("*.token") if "emulator-access" in p.read_text()][-1:]
    entry = max(mapped.store.glob("*.token"), key=lambda path: path.stat().st_mtime_ns)
    before = json.loads(entry.read_text())
    [row] = mapped.database.rows("SELECT * FROM bitbucket.oauth_refresh('bitbucket')")
    after = json.loads(entry.read_text())
    assert row[:2] == ("oauth2_code", 7200)
    assert before["access_token"] != after["access_token"]
    assert before["refresh_token"] != after["refresh_token"]
    assert authorization.count("refresh_token") == 1
    assert mapped.database.value(SLUGS) == 9


def test_refresh_is_for_oauth2_only(mapped):
    mapped.set(token="emulator-token-workspace")
    with pytest.raises(psycopg.Error, match="has no token to refresh"):
        mapped.database.rows("SELECT * FROM bitbucket.oauth_refresh('bitbucket')")


def test_client_credentials_need_no_login(mapped, authorization):
    mapped.set(auth="oauth2_client", **authorization.client())
    assert mapped.database.value(SLUGS) > 0
    with mapped.database.connect() as other:
        other.execute(SLUGS)
    assert authorization.count("client_credentials") == 1
    mapped.database.rows("SELECT * FROM bitbucket.oauth_refresh('bitbucket')")
    assert authorization.count("client_credentials") == 2


def test_a_killed_backend_leaves_a_login_that_works_or_says_so(mapped, authorization, emulator):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    authorization.expire()
    emulator.fault("/site/oauth2/access_token", kind="slow", delay_ms=600, count=1)
    with mapped.database.connect() as session:
        pid = session.info.backend_pid
        thread = threading.Thread(target=_ignore_errors, args=(session,))
        thread.start()
        eventually(
            lambda: any(r["path"].endswith("/access_token") for r in authorization.requests()[1:])
        )
        mapped.database.rows("SELECT pg_terminate_backend(%s)", (pid,))
        thread.join(30)
    # Ending the session waited for the token that was on its way, and kept it.
    assert mapped.database.value(SLUGS) == 9
    assert authorization.count("refresh_token") == 1
    assert authorization.count("refresh_token refused") == 0


def _ignore_errors(session: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        session.execute(SLUGS)


# --- OAuth 1 ---


def test_oauth1_without_a_token_signs_as_the_consumer(mapped, authorization):
    mapped.set(**authorization.consumer1())
    assert mapped.database.value(SLUGS) == 9


def test_oauth1_login_is_kept_in_the_store(mapped, authorization):
    mapped.set(auth="oauth1", **authorization.consumer1())
    auth, expires_in, _, _ = mapped.log_in("ben")
    assert (auth, expires_in) == ("oauth1", None)
    assert set(mapped.options()) == {"auth", "consumer_key", "consumer_secret", "login"}
    assert 0 < mapped.database.value(SLUGS) < 9
    with mapped.database.connect() as other:
        assert other.execute(SLUGS).fetchone()[0] < 9


def test_oauth1_with_a_wrong_secret_is_refused(mapped, authorization):
    wrong = {**authorization.consumer1(), "consumer_secret": "wrong-secret"}
    mapped.set(auth="oauth1", **wrong)
    with pytest.raises(psycopg.Error, match="was answered 401") as raised:
        begin(mapped)
    assert "wrong-secret" not in str(raised.value)
    error = fails(mapped, SLUGS)
    assert "clock" in error.diag.message_hint


def test_oauth1_with_a_wrong_state_is_refused(mapped, authorization):
    mapped.set(auth="oauth1", **authorization.consumer1())
    back = authorization.visit(begin(mapped, STATE))
    with pytest.raises(psycopg.Error, match="no login was begun"):
        finish(mapped, back["oauth_verifier"], "another-state-altogether")


def test_oauth1_with_a_wrong_verifier_is_refused(mapped, authorization):
    mapped.set(auth="oauth1", **authorization.consumer1())
    authorization.visit(begin(mapped, STATE))
    with pytest.raises(psycopg.Error, match="access_token was answered 40"):
        finish(mapped, "wrong-verifier", STATE)


# --- rights, transactions, planning ---


def test_an_ordinary_user_logs_in_for_their_own_mapping(mapped, authorization):
    role = mapped.role("clerk")
    mapped.set(user=role, auth="oauth2_code", **authorization.client())
    mapped.database.execute(f"SET ROLE {role}")
    try:
        assert mapped.log_in("ben")[3] == role
        assert mapped.database.value(SLUGS) < 9
    finally:
        mapped.database.execute("RESET ROLE")


def test_the_mapping_for_public_is_its_owners_to_log_in_for(mapped, authorization):
    role = mapped.role("clerk")
    mapped.database.execute("DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket")
    mapped.set(user="PUBLIC", auth="oauth2_code", **authorization.client())
    mapped.database.execute(f"SET ROLE {role}")
    error = fails(mapped, "SELECT bitbucket.oauth_authorization_url('bitbucket', %s)", (CALLBACK,))
    assert "one for PUBLIC" in str(error)
    mapped.database.execute("RESET ROLE")
    assert mapped.log_in("ada")[3] == "public"
    mapped.database.execute(f"SET ROLE {role}")
    assert mapped.database.value(SLUGS) == 9
    mapped.database.execute("RESET ROLE")


def test_a_user_without_usage_on_the_server_is_refused(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    role = mapped.role("stranger")
    mapped.database.execute(f"REVOKE USAGE ON FOREIGN SERVER bitbucket FROM {role}")
    mapped.database.execute(f"SET ROLE {role}")
    for statement in (
        "SELECT * FROM bitbucket.verify('bitbucket')",
        "SELECT bitbucket.oauth_authorization_url('bitbucket', 'http://localhost/')",
        "SELECT * FROM bitbucket.oauth_refresh('bitbucket')",
    ):
        assert "permission denied" in str(fails(mapped, statement))
    mapped.database.execute("RESET ROLE")


def test_a_read_only_transaction_says_why_not(mapped):
    with mapped.database.connect(autocommit=False) as session:
        session.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(errors.ReadOnlySqlTransaction, match=r"bitbucket\.verify"):
            session.execute("SELECT * FROM bitbucket.verify('bitbucket')")


def test_explain_does_nothing(mapped, authorization, emulator):
    mapped.set(auth="oauth2_client", **authorization.client())
    mapped.database.execute(
        "CREATE FOREIGN TABLE service (argument text, result text) SERVER bitbucket "
        "OPTIONS (service 'oauth_refresh')"
    )
    text = mapped.database.explain("SELECT result FROM service WHERE argument = '{}'")
    assert "service oauth_refresh" in text
    mapped.database.explain("SELECT * FROM bitbucket.verify('bitbucket')")
    assert authorization.requests() == []
    assert emulator.requests() == []
    assert len(mapped.database.rows("SELECT result FROM service WHERE argument = '{}'")) == 1
    assert authorization.count("client_credentials") == 1


@pytest.mark.parametrize("condition", ["", "WHERE argument <> '{}'", "WHERE argument IS NULL"])
def test_a_service_without_an_argument_does_nothing(mapped, authorization, condition):
    mapped.set(auth="oauth2_client", **authorization.client())
    mapped.database.execute(
        "CREATE FOREIGN TABLE service (argument text, result text) SERVER bitbucket "
        "OPTIONS (service 'oauth_refresh')"
    )
    error = fails(mapped, f"SELECT result FROM service {condition}")
    assert "takes one argument" in str(error)
    assert authorization.requests() == []


def test_an_unknown_service_is_an_error(mapped):
    mapped.database.execute(
        "CREATE FOREIGN TABLE service (argument text, result text) SERVER bitbucket "
        "OPTIONS (service 'no_such')"
    )
    error = fails(mapped, "SELECT result FROM service WHERE argument = '{}'")
    assert "no service" in str(error)


def test_functions_leave_nothing_behind(mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    mapped.database.rows("SELECT * FROM bitbucket.verify('bitbucket')")
    fails(mapped, "SELECT * FROM bitbucket.oauth_access_token('bitbucket', 'a', 'b', 'c')")
    left = mapped.database.column("SELECT relname FROM pg_class WHERE relname ~ '^bitbucket_'")
    assert left == []


def test_cancelling_a_login_takes_effect(mapped, authorization, emulator):
    mapped.set(auth="oauth2_client", **authorization.client())
    emulator.fault("/site/oauth2/access_token", kind="slow", delay_ms=20_000, count=1)
    with mapped.database.connect() as session:
        session.execute("SET statement_timeout = '300ms'")
        began = time.monotonic()
        with pytest.raises(psycopg.Error):
            session.execute("SELECT * FROM bitbucket.oauth_refresh('bitbucket')")
        # The wait for a token on its way is short; the endless answer is not waited for.
        assert time.monotonic() - began < 10
        session.execute("SET statement_timeout = 0")
        assert session.execute("SELECT 1").fetchone() == (1,)
