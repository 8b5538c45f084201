"""What authorization servers are told, and what of their answers is used or said again.

They are given the client's secret, codes and refresh tokens: nothing of that may go elsewhere, nor
into an error, whatever the server answers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest

from bitbucket_fdw.api import oauth2 as module
from bitbucket_fdw.api.oauth1 import OAuth1
from bitbucket_fdw.api.oauth2 import OAuth2
from bitbucket_fdw.api.transport import Transport
from bitbucket_fdw.between_sessions.tokens import Token
from bitbucket_fdw.errors import BadResponse, BitbucketError, RequestError, SignInError
from tests.api.posting import Posted, Posting, Reply, posting
from tests.support import leaks

SECRET = "secret-of-the/client+0123456789="
CODE = "code-of-the/person+0123456789="
RENEWAL = "refresh-of-the/person+0123456789="
TEMPORARY = Token("temporary-token-0123456789", secret="temporary-secret-0123456789")
CALLBACK = "http://localhost:33333/"
STATE = "a-state-that-nobody-guesses"

STEPS: dict[str, Callable[[str], Token]] = {
    "client_credentials": lambda url: oauth2(url).from_client(),
    "authorization_code": lambda url: oauth2(url).from_code(CODE, CALLBACK),
    "refresh_token": lambda url: oauth2(url).from_refresh_token(RENEWAL),
    "request_token": lambda url: oauth1(url).request_token(CALLBACK, STATE),
    "access_token": lambda url: oauth1(url).access_token(TEMPORARY, CODE),
}
OAUTH2 = [name for name in STEPS if name not in ("request_token", "access_token")]
OAUTH1 = ["request_token", "access_token"]


def oauth2(url: str) -> OAuth2:
    return OAuth2(f"{url}/site/oauth2", "the-key", SECRET, Transport(5.0))


def oauth1(url: str) -> OAuth1:
    return OAuth1(f"{url}/api/1.0/oauth", "the-key", SECRET, Transport(5.0))


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def server() -> Iterator[Posting]:
    with posting(lambda _: Reply(status=500)) as made:
        yield made


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server, step, status):
    """It would take the secret, or the signature, to whom the answer names."""
    with posting(lambda _: Reply()) as elsewhere:
        server.answer = lambda request: Reply("", status, f"{elsewhere.url}{request.target}")
        with pytest.raises(RequestError):
            STEPS[step](server.url)
        assert elsewhere.received == []
        server.answer = lambda request: Reply("", status, f"{server.url}/elsewhere")
        with pytest.raises(RequestError):
            STEPS[step](server.url)
    assert {request.target for request in server.received} == {server.received[0].target}


@pytest.mark.parametrize("step", OAUTH2)
def test_the_client_s_secret_stands_in_the_header_alone(server, step):
    server.answer = lambda _: Reply({"access_token": "t", "token_type": "bearer"})
    STEPS[step](server.url)
    [request] = server.received
    signed = base64.b64encode(f"the-key:{SECRET}".encode()).decode()
    assert (request.method, request.target) == ("POST", "/site/oauth2/access_token")
    assert request.headers["authorization"] == f"Basic {signed}"
    assert not leaks.found(request.target + request.body, SECRET)
    expected = {
        "client_credentials": {},
        "authorization_code": {"code": CODE, "redirect_uri": CALLBACK},
        "refresh_token": {"refresh_token": RENEWAL},
    }[step]
    assert request.form == {"grant_type": step, **expected}


@pytest.mark.parametrize("step", OAUTH1)
def test_oauth1_signs_without_a_secret_in_sight(server, step):
    server.answer = lambda _: Reply("oauth_token=t&oauth_token_secret=s")
    assert (STEPS[step](server.url)) == Token("t", secret="s")
    [request] = server.received
    signed = request.headers["authorization"]
    assert 'oauth_signature_method="HMAC-SHA1"' in signed
    assert not leaks.found(signed + request.target + request.body, SECRET, TEMPORARY.secret)
    assert ("oauth_verifier=" in signed) is (step == "access_token")
    assert (TEMPORARY.access_token in signed) is (step == "access_token")
    assert (STATE in signed) is (step == "request_token")


def repeated(request: Posted) -> str:
    """All that a server could say of a request, as proxies and debug pages do."""
    sent = request.headers.get("authorization", "")
    parts = [sent, sent.removeprefix("Basic ").rstrip("="), request.body]
    if sent.startswith("Basic "):
        pair = base64.b64decode(sent.removeprefix("Basic ")).decode()
        parts += [pair, *pair.split(":")]
    return " ".join((*parts, *request.form.values()))


def told(error: BitbucketError) -> str:
    return f"{error} {error!r} {error.message} {error.detail} {error.hint}"


SECRETS = (SECRET, CODE, RENEWAL, TEMPORARY.access_token, TEMPORARY.secret, f"the-key:{SECRET}")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 410, 418, 429, 500, 503])
@pytest.mark.parametrize("form", ["of OAuth", "of the API", "of nothing"])
def test_an_answer_that_repeats_the_request_is_not_believed_and_not_repeated(
    server, step, status, form
):
    def answer(request: Posted) -> Reply:
        said = repeated(request)
        body = {
            "of OAuth": {"error": "invalid_client", "error_description": said},
            "of the API": {"type": "error", "error": {"message": said, "detail": {"x": said}}},
            "of nothing": said,
        }[form]
        return Reply(body, status, reason=f"No {request.headers['authorization']}")

    server.answer = answer
    with pytest.raises(BitbucketError) as raised:
        STEPS[step](server.url)
    assert not leaks.found(told(raised.value), *SECRETS)
    signature = server.received[0].headers["authorization"].partition("oauth_signature=")[2]
    assert not signature or signature[:20] not in told(raised.value)


@pytest.mark.parametrize(
    "token",
    ["", " ", "two words", "line\r\nX: y", "é", "\u20ac", "bell\x07", 1, None, [], {"a": "b"}],
)
def test_a_token_that_no_header_can_hold_is_none(server, token):
    server.answer = lambda _: Reply({"access_token": token, "refresh_token": "renewal-0123"})
    for step in OAUTH2:
        with pytest.raises(BadResponse, match="without a token") as raised:
            STEPS[step](server.url)
        assert "renewal-0123" not in told(raised.value)
        assert not isinstance(token, str) or len(token) < 2 or token not in told(raised.value)


@pytest.mark.parametrize("name", ["scope", "scopes"])
@pytest.mark.parametrize("step", OAUTH2)
def test_what_a_token_may_do_is_told_without_what_it_is(server, step, name):
    """It is shown by the function that makes a login."""

    def answer(request: Posted) -> Reply:
        said = f"account new-access-0123 new-renewal-0123 {repeated(request)}\x1b[31m"
        return Reply(
            {"access_token": "new-access-0123", "refresh_token": "new-renewal-0123", name: said}
        )

    server.answer = answer
    token = STEPS[step](server.url)
    assert token.scope.startswith("account *** ***")
    assert "\x1b" not in token.scope
    used = {"authorization_code": CODE, "refresh_token": RENEWAL}.get(step)
    assert not leaks.found(token.scope, "new-access-0123", "new-renewal-0123", SECRET)
    assert used is None or not leaks.found(token.scope, used)


@pytest.mark.parametrize("step", OAUTH2)
@pytest.mark.parametrize("renewal", [None, "", 0, 1, [], {"a": "b"}, True])
def test_without_another_refresh_token_the_old_one_stays_in_force(server, step, renewal):
    server.answer = lambda _: Reply({"access_token": "t", "refresh_token": renewal})
    kept = STEPS[step](server.url).refresh_token
    assert kept == (RENEWAL if step == "refresh_token" else None)


def test_another_refresh_token_takes_the_old_one_s_place(server):
    server.answer = lambda _: Reply({"access_token": "t", "refresh_token": "new"})
    assert STEPS["refresh_token"](server.url).refresh_token == "new"


@pytest.mark.parametrize("said", ["", "oauth_token=t", "oauth_token_secret=s", "{}", "\x00=%%%"])
@pytest.mark.parametrize("step", OAUTH1)
def test_oauth1_without_both_parts_is_no_token(server, step, said):
    server.answer = lambda _: Reply(said)
    with pytest.raises(BadResponse, match="without a token"):
        STEPS[step](server.url)


def test_a_refused_grant_says_what_is_to_be_done(server):
    server.answer = lambda _: Reply({"error": "invalid_grant"}, 400)
    for step, hint in (
        ("refresh_token", "Sign in again"),
        ("authorization_code", "Begin the login"),
    ):
        with pytest.raises(SignInError) as raised:
            STEPS[step](server.url)
        assert hint in raised.value.hint


def test_neither_shows_its_secret():
    for client in (oauth1("http://127.0.0.1:1"), oauth2("http://127.0.0.1:1")):
        assert not leaks.found(repr(client), SECRET)
    assert not leaks.found(repr(TEMPORARY), TEMPORARY.access_token, TEMPORARY.secret)


@pytest.mark.parametrize("step", STEPS)
def test_no_connection_is_told_without_a_secret(step):
    with pytest.raises(RequestError, match="got no complete answer") as raised:
        STEPS[step]("http://127.0.0.1:1")
    assert not leaks.found(told(raised.value), *SECRETS)
    assert "Pool" not in told(raised.value)  # the library's own text, which may quote headers


@pytest.mark.parametrize("status", [201, 202, 300, 402, 500])
@pytest.mark.parametrize("step", STEPS)
def test_a_token_beside_another_status_is_none(server, step, status):
    body = {"access_token": "t"} if step in OAUTH2 else "oauth_token=t&oauth_token_secret=s"
    server.answer = lambda _: Reply(body, status)
    with pytest.raises(RequestError, match=f"was answered {status}"):
        STEPS[step](server.url)
