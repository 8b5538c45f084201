"""Tokens that run out: got, renewed once, kept; against the emulator's authorization server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bitbucket_fdw.api import Listing, Pages, ScanContext
from bitbucket_fdw.errors import (
    BadResponse,
    Cancelled,
    ConnectionFailure,
    OptionError,
    SignInError,
    TokenStoreError,
    Unauthorized,
)
from tests.auth.conftest import get


def person(authorization, **more: str) -> dict[str, str]:
    return {**authorization.client(), "refresh_token": authorization.refresh_token(**more)}


# --- client credentials ---


def test_a_client_gets_a_token_and_keeps_it(authorization, sign_in, connect):
    signs = sign_in(**authorization.client())
    assert get(connect(signs), "/repositories/acme")
    assert get(connect(sign_in(**authorization.client())), "/repositories/acme")
    assert authorization.count("client_credentials") == 1


def test_a_token_is_renewed_before_its_time_is_up(authorization, sign_in, connect, emulator):
    authorization.settings(expires_in=1)
    client = connect(sign_in(**authorization.client()))
    get(client, "/repositories/acme")
    time.sleep(1.1)
    get(client, "/repositories/acme")
    assert authorization.count("client_credentials") == 2
    assert [r.status for r in emulator.requests()] == [200, 200]  # no 401 was needed


def test_a_token_that_is_refused_early_is_renewed_and_the_request_repeated(
    authorization, sign_in, connect, emulator
):
    client = connect(sign_in(**authorization.client()))
    get(client, "/repositories/acme")
    authorization.expire()
    assert get(client, "/repositories/acme")
    assert [r.status for r in emulator.requests()] == [200, 401, 200]
    assert authorization.count("client_credentials") == 2


def test_renewal_in_the_middle_of_paging_goes_on_where_it_was(
    authorization, sign_in, connect, emulator
):
    client = connect(sign_in(**authorization.client()))
    scan = ScanContext(client.workers, 1000)
    path, query = "/repositories/acme/website/pullrequests", (("pagelen", "20"), ("state", "OPEN"))
    rows = []
    for number, page in enumerate(Pages(client, scan, Listing(path, query))):
        rows += [item["id"] for item in page]
        if number == 0:
            authorization.expire()
    assert len(rows) == len(set(rows)) == get(client, f"{path}?state=OPEN")["size"] > 20
    assert authorization.count("client_credentials") == 2


@pytest.mark.parametrize("skew", [-86_400, 86_400])
def test_a_clock_that_is_wrong_does_no_harm(authorization, sign_in, connect, monkeypatch, skew):
    now = time.time
    client = connect(sign_in(**authorization.client()))
    get(client, "/repositories/acme")
    monkeypatch.setattr(time, "time", lambda: now() + skew)
    for _ in range(3):
        get(client, "/repositories/acme")
    authorization.expire()
    get(client, "/repositories/acme")
    # A clock that jumped ahead costs one token more, not one for each request.
    assert authorization.count("client_credentials") <= 3


def test_a_wrong_client_secret_is_said_to_be_one(authorization, sign_in, connect):
    client = connect(
        sign_in(client_id=authorization.client()["client_id"], client_secret="wrong-secret")
    )
    with pytest.raises(SignInError) as raised:
        get(client)
    assert "client_secret" in raised.value.hint
    assert 'auth "oauth2_client", client_id "emulatorconsumerkey' in raised.value.detail
    assert "wrong-secret" not in str(raised.value)
    assert authorization.count("client_credentials") == 0


# --- refresh tokens ---


def test_a_refresh_token_from_elsewhere_begins_a_chain(authorization, sign_in, connect, store):
    mapping = person(authorization)
    assert get(connect(sign_in(**mapping)))["nickname"] == "ada"
    authorization.expire()
    assert get(connect(sign_in(**mapping)))["nickname"] == "ada"
    authorization.expire()
    assert get(connect(sign_in(**mapping)))["nickname"] == "ada"
    assert authorization.count("refresh_token") == 3
    assert authorization.count("refresh_token refused") == 0
    assert len(list(store.glob("*.token"))) == 1


def test_another_refresh_token_begins_another_chain(authorization, sign_in, connect, store):
    client = authorization.client()
    ada = {**client, "refresh_token": authorization.refresh_token("ada")}
    ben = {**client, "refresh_token": authorization.refresh_token("ben")}
    assert get(connect(sign_in(**ada)))["nickname"] == "ada"
    assert get(connect(sign_in(**ben)))["nickname"] == "ben"
    assert get(connect(sign_in(**ada)))["nickname"] == "ada"
    assert len(list(store.glob("*.token"))) == 2


def test_a_refresh_token_is_of_no_use_to_another_client(authorization, sign_in, connect):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    other = connect(sign_in(**{**mapping, "client_secret": "wrong-secret"}))
    with pytest.raises(SignInError):
        get(other)


def test_a_revoked_login_says_how_to_renew_it(authorization, sign_in, connect):
    client = connect(sign_in(**person(authorization)))
    get(client)
    authorization.revoke()
    with pytest.raises(SignInError) as raised:
        get(client)
    assert "bitbucket-fdw login" in raised.value.hint
    assert "emulator-refresh" not in str(raised.value)


def test_before_the_first_login_the_error_says_so(authorization, sign_in, connect):
    client = connect(sign_in(auth="oauth2_code", **authorization.client()))
    with pytest.raises(SignInError, match="nobody has logged in") as raised:
        get(client)
    assert "bitbucket-fdw login" in raised.value.hint
    assert authorization.requests() == []


def test_a_login_that_the_store_has_lost_is_said_to_be_lost(authorization, sign_in, connect):
    client = connect(sign_in(login="0123456789abcdef", **authorization.client()))
    with pytest.raises(SignInError, match="does not hold"):
        get(client)


# --- many at once ---


def test_threads_that_all_see_a_401_renew_once(authorization, sign_in, connect):
    client = connect(sign_in(**person(authorization)), concurrency=16)
    get(client)
    authorization.expire()
    with ThreadPoolExecutor(16) as pool:
        users = list(pool.map(lambda _: get(client)["nickname"], range(32)))
    assert users == ["ada"] * 32
    assert authorization.count("refresh_token") == 2
    assert authorization.count("refresh_token refused") == 0


PROCESS = """
import sys
from bitbucket_fdw import options
from bitbucket_fdw.api import Client, ScanContext, Settings, Shared
from bitbucket_fdw.sign_in.schemes import SignIn
given = dict(pair.split("=", 1) for pair in sys.argv[1:])
values = options.parse(given, options.SERVER, options.MAPPING)
shared = Shared()
signs = SignIn.of(values, renewals=shared.renewals)
settings = Settings(base_url=values["base_url"], retry_limit=0)
client = Client(settings, signs.credential(), shared)
print("ready", flush=True)
sys.stdin.readline()
print(client.get(client.url("/user"), ScanContext(client.workers, 10)).json["nickname"])
"""


def processes(number: int, mapping: dict[str, str], authorization, emulator) -> list:
    given = {
        "base_url": emulator.base_url,
        "oauth_url": authorization.oauth_url,
        **mapping,
    }
    command = [sys.executable, "-c", PROCESS, *(f"{k}={v}" for k, v in given.items())]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(number)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    return started


def test_processes_that_all_find_an_expired_token_renew_once(
    authorization, sign_in, connect, emulator
):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    authorization.expire()
    started = processes(12, mapping, authorization, emulator)
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    users = [process.communicate(timeout=60)[0].strip() for process in started]
    assert users == ["ada"] * 12
    assert authorization.count("refresh_token") == 2
    assert authorization.count("refresh_token refused") == 0


# --- what goes wrong on the way ---


def test_a_crash_between_receiving_and_storing_is_told_at_the_next_use(
    authorization, sign_in, connect, emulator
):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    authorization.expire()
    dying = PROCESS.replace(
        'print("ready"',
        "import os\n"
        "from bitbucket_fdw.between_sessions.tokens import TokenStore\n"
        "TokenStore._fill = lambda *_: os.kill(os.getpid(), 9)\n"
        'print("ready"',
    )
    given = {"base_url": emulator.base_url, "oauth_url": authorization.oauth_url, **mapping}
    done = subprocess.run(
        [sys.executable, "-c", dying, *(f"{k}={v}" for k, v in given.items())],
        input="\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9
    assert authorization.count("refresh_token") == 2
    # The old token is spent: the lock is free, and there is a clear error instead of a hang.
    with pytest.raises(SignInError) as raised:
        get(connect(sign_in(**mapping)))
    assert "Sign in again" in raised.value.hint


def test_a_crash_is_survived_where_the_server_allows_a_second_use(
    authorization, sign_in, connect, emulator
):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    authorization.expire()
    authorization.settings(refresh_grace=60)
    # The answer to the first use is lost on its way.
    emulator.fault("/site/oauth2/access_token", kind="truncate", count=1)
    assert get(connect(sign_in(**mapping)))["nickname"] == "ada"
    assert authorization.count("refresh_token refused") == 0


def test_a_token_that_cannot_be_stored_is_not_used(authorization, sign_in, connect, store):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    authorization.expire()
    client = connect(sign_in(**mapping))
    store.chmod(0o755)
    with pytest.raises(TokenStoreError):
        get(client)
    store.chmod(0o700)
    assert authorization.count("refresh_token") == 1  # found out before the token was spent
    assert get(client)["nickname"] == "ada"


def test_an_authorization_server_that_is_down_is_told_apart_from_the_api(
    authorization, sign_in, connect, emulator
):
    client = connect(sign_in(**authorization.client()))
    emulator.fault("/site/oauth2/access_token", kind="reset", count=100)
    with pytest.raises(ConnectionFailure) as raised:
        get(client)
    assert raised.value.path == "/site/oauth2/access_token"
    assert raised.value.sent is False
    assert "emulator-consumer-secret" not in str(raised.value)


def test_a_passing_failure_of_the_authorization_server_is_waited_out(
    authorization, sign_in, connect, emulator
):
    client = connect(sign_in(**authorization.client()))
    emulator.fault("/site/oauth2/access_token", kind="status", status=503, count=2)
    assert get(client, "/repositories/acme")


def test_an_answer_that_is_no_token_is_not_echoed(authorization, sign_in, connect, emulator):
    client = connect(sign_in(**authorization.client()))
    emulator.fault("/site/oauth2/access_token", kind="cut_json", count=100)
    with pytest.raises(BadResponse) as raised:
        get(client)
    assert "emulator-access" not in str(raised.value)


def test_a_cancel_waits_for_a_token_that_is_on_its_way(
    authorization, sign_in, connect, shared, emulator
):
    mapping = person(authorization)
    get(connect(sign_in(**mapping)))
    authorization.expire()
    client = connect(sign_in(**mapping))
    emulator.fault("/site/oauth2/access_token", kind="slow", delay_ms=700, count=1)
    under_way = threading.Event()
    keep = shared.renewals.keep

    def kept(*arguments):
        under_way.set()
        return keep(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared.renewals, "keep", kept)
        scan = client.scan(under_way.is_set)
        with pytest.raises(Cancelled):
            scan.wait(scan.submit(client.get, client.url("/user"), scan))
    assert get(connect(sign_in(**mapping)))["nickname"] == "ada"
    assert authorization.count("refresh_token refused") == 0
    assert authorization.count("refresh_token") == 2


# --- schemes without renewal ---


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"email": "ada@acme.example", "token": "emulator-token-expired"}, "api_token"),
        ({"token": "emulator-token-revoked"}, "access_token"),
        ({"auth": "oauth2_token", "token": "emulator-token-revoked"}, "oauth2_token"),
        ({"username": "ada", "password": "wrong-password"}, "basic"),
        ({"consumer_key": "emulatorconsumerkey0001", "consumer_secret": "wrong"}, "oauth1"),
    ],
)
def test_a_refused_credential_is_named_with_the_way_to_renew_it(sign_in, connect, mapping, says):
    with pytest.raises(Unauthorized) as raised:
        get(connect(sign_in(**mapping)))
    assert f'auth "{says}"' in raised.value.detail
    assert raised.value.hint
    for secret in ("emulator-token", "wrong"):
        assert secret not in str(raised.value)


def test_an_access_token_from_elsewhere_works_until_it_runs_out(
    authorization, sign_in, connect, store
):
    get(connect(sign_in(**person(authorization))))
    [entry] = store.glob("*.token")
    token = json.loads(entry.read_text())["access_token"]
    client = connect(sign_in(auth="oauth2_token", token=token))
    assert get(client)["nickname"] == "ada"
    authorization.expire()
    with pytest.raises(Unauthorized) as raised:
        get(client)
    assert "oauth2_code" in raised.value.hint


def test_oauth1_requests_are_signed_with_their_query(authorization, sign_in, connect):
    client = connect(sign_in(**authorization.consumer1()))
    found = get(client, "/repositories/acme?pagelen=2&fields=values.slug,size")
    assert len(found["values"]) == 2


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_oauth1_with_a_wrong_clock_is_told_to_look_at_it(
    authorization, sign_in, connect, monkeypatch, skew
):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + skew)
    with pytest.raises(Unauthorized) as raised:
        get(connect(sign_in(**authorization.consumer1())))
    assert "clock" in raised.value.hint


def test_an_unknown_option_is_still_refused(sign_in):
    with pytest.raises(OptionError, match="unknown option"):
        sign_in(tokn="x")
