"""The authorization server: consent, codes, rotation, expiry, revocation, OAuth 1 signatures."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests_oauthlib import OAuth1, OAuth1Session, OAuth2Session

from tests.emulator.client import WEBSITE, Client

KEY, SECRET = "emulatorconsumerkey0001", "emulator-consumer-secret"
READER, READER_SECRET = "emulatorconsumerkey0002", "emulator-reader-secret"
CALLBACK = "http://localhost:33333/"


@pytest.fixture
def site(api: Client) -> str:
    return str(api.control.root)


def authorize(site: str, **parameters: str) -> requests.Response:
    asked = {"client_id": KEY, "response_type": "code", "redirect_uri": CALLBACK, **parameters}
    asked = {name: value for name, value in asked.items() if value}
    return requests.get(
        f"{site}/site/oauth2/authorize", params=asked, allow_redirects=False, timeout=5
    )


def answer(site: str, page: requests.Response, decision: str, user: str = "ada") -> Any:
    """Press a button on a consent page; the query of the address that it leads to."""
    hidden = re.search(r'name="request" value="([^"]+)"', page.text)
    action = re.search(r'action="([^"]+)"', page.text)
    assert hidden
    assert action
    form = {"request": hidden.group(1), "decision": decision, "user": user}
    response = requests.post(site + action.group(1), data=form, allow_redirects=False, timeout=5)
    if response.status_code != 302:
        return response
    query = parse_qs(urlsplit(response.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def new_code(site: str, **parameters: str) -> str:
    code = answer(site, authorize(site, **parameters), "grant")["code"]
    return str(code)


def exchange(site: str, key: str = KEY, secret: str = SECRET, **form: str) -> requests.Response:
    return requests.post(
        f"{site}/site/oauth2/access_token", data=form, auth=(key, secret), timeout=5
    )


def granted(site: str) -> dict[str, Any]:
    response = exchange(
        site, grant_type="authorization_code", code=new_code(site), redirect_uri=CALLBACK
    )
    assert response.status_code == 200, response.text
    return dict(response.json())


def refresh(site: str, token: str) -> requests.Response:
    return exchange(site, grant_type="refresh_token", refresh_token=token)


def status_with(api: Client, token: str, path: str = "/user") -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(api.base + path, headers=headers, timeout=5).status_code


# The consent page


def test_the_page_asks_and_leads_back_with_code_and_state(site: str) -> None:
    page = authorize(site, state="s&t=1")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Acme reports" in page.text
    assert 'id="grant"' in page.text
    back = answer(site, page, "grant")
    assert back["state"] == "s&t=1"
    assert back["code"]


def test_refusing_leads_back_with_an_error(site: str) -> None:
    back = answer(site, authorize(site, state="x"), "cancel")
    assert back == {"error": "access_denied", "state": "x"}


def test_a_page_can_be_answered_once(site: str) -> None:
    page = authorize(site)
    answer(site, page, "grant")
    assert answer(site, page, "grant").status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": "unknown"},
        {"redirect_uri": "http://evil.example/"},
        {"redirect_uri": "http://localhost.evil.example/"},
        {"redirect_uri": "https://localhost:33333/"},
        {"client_id": READER, "redirect_uri": "http://localhost:4444/"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_the_consumers(
    site: str, parameters: dict[str, str]
) -> None:
    response = authorize(site, **parameters)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_any_port_will_do_where_the_callback_names_none(site: str) -> None:
    assert authorize(site, redirect_uri="http://localhost:50123/cb").status_code == 200


def test_other_response_types_are_refused(site: str) -> None:
    response = authorize(site, response_type="token")
    assert "error=unsupported_response_type" in response.headers["Location"]


def test_a_wrong_state_can_be_had(api: Client, site: str) -> None:
    api.control.call("POST", "oauth", {"wrong_state": True})
    assert answer(site, authorize(site, state="mine"), "grant")["state"] != "mine"


# The token endpoint


def test_a_code_gives_tokens_that_act_as_the_person(api: Client, site: str) -> None:
    token = granted(site)
    assert token["token_type"] == "bearer"
    assert token["expires_in"] == 7200
    assert "pullrequest:write" in token["scope"].split()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    user = requests.get(f"{api.base}/user", headers=headers, timeout=5).json()
    assert user["nickname"] == "ada"
    issue = requests.post(
        f"{api.base}{WEBSITE}/issues", json={"title": "By OAuth"}, headers=headers, timeout=5
    )
    assert issue.status_code == 201


def test_the_person_decides_who_the_token_acts_as(api: Client, site: str) -> None:
    code = answer(site, authorize(site), "grant", user="ben")["code"]
    token = exchange(
        site, grant_type="authorization_code", code=code, redirect_uri=CALLBACK
    ).json()["access_token"]
    assert status_with(api, token, "/repositories/acme/mobile.app") == 404
    assert status_with(api, token, WEBSITE) == 200


def error_of(response: requests.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["error"])


def test_codes_work_once_and_reuse_ends_the_grant(api: Client, site: str) -> None:
    form = {"grant_type": "authorization_code", "code": new_code(site), "redirect_uri": CALLBACK}
    token = exchange(site, **form).json()
    assert error_of(exchange(site, **form)) == "invalid_grant"
    assert status_with(api, token["access_token"]) == 401
    assert error_of(refresh(site, token["refresh_token"])) == "invalid_grant"


def test_codes_are_bound_and_run_out(api: Client, site: str) -> None:
    form = {"grant_type": "authorization_code", "code": new_code(site)}
    assert error_of(exchange(site, **form)) == "invalid_grant"
    assert error_of(exchange(site, **form, redirect_uri="http://localhost:1/")) == "invalid_grant"
    other = exchange(site, READER, READER_SECRET, **form, redirect_uri=CALLBACK)
    assert error_of(other) == "invalid_grant"
    assert exchange(site, **form, redirect_uri=CALLBACK).status_code == 200
    api.control.call("POST", "oauth", {"code_expires_in": 0})
    form["code"] = new_code(site)
    assert error_of(exchange(site, **form, redirect_uri=CALLBACK)) == "invalid_grant"


def test_clients_sign_in_by_basic_only(site: str) -> None:
    form = {"grant_type": "client_credentials"}
    assert error_of(exchange(site, KEY, "wrong", **form), 401) == "invalid_client"
    assert error_of(exchange(site, "nobody", SECRET, **form), 401) == "invalid_client"
    form |= {"client_id": KEY, "client_secret": SECRET}
    url = f"{site}/site/oauth2/access_token"
    assert error_of(requests.post(url, data=form, timeout=5), 401) == "invalid_client"


@pytest.mark.parametrize("grant_type", ["password", "implicit", ""])
def test_grants_that_are_gone(site: str, grant_type: str) -> None:
    form = {"grant_type": grant_type, "username": "ada", "password": "x"}
    assert error_of(exchange(site, **form)) == "unsupported_grant_type"


def test_client_credentials_act_as_an_app_user_without_refresh(api: Client, site: str) -> None:
    token = exchange(site, grant_type="client_credentials").json()
    assert "refresh_token" not in token
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    user = requests.get(f"{api.base}/user", headers=headers, timeout=5).json()
    assert user["type"] == "app_user"
    assert status_with(api, token["access_token"], WEBSITE) == 200
    assert status_with(api, token["access_token"], "/repositories/globex/reactor") == 404


def test_scopes_are_the_consumers(api: Client, site: str) -> None:
    token = exchange(site, READER, READER_SECRET, grant_type="client_credentials").json()
    assert "pullrequest:write" not in token["scope"].split()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    response = requests.post(
        f"{api.base}{WEBSITE}/issues", json={"title": "x"}, headers=headers, timeout=5
    )
    assert response.status_code == 403


def test_tokens_go_in_the_header_only(api: Client, site: str) -> None:
    token = granted(site)["access_token"]
    assert api.get("/user", None, access_token=token).status_code == 401


# Rotation, expiry, revocation


def test_refresh_tokens_rotate(api: Client, site: str) -> None:
    first = granted(site)
    second = refresh(site, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert status_with(api, second["access_token"]) == 200
    third = refresh(site, second["refresh_token"])
    assert third.status_code == 200


def test_using_a_dead_refresh_token_ends_everything(api: Client, site: str) -> None:
    first = granted(site)
    second = refresh(site, first["refresh_token"]).json()
    assert error_of(refresh(site, first["refresh_token"])) == "invalid_grant"
    assert error_of(refresh(site, second["refresh_token"])) == "invalid_grant"
    assert status_with(api, second["access_token"]) == 401


def test_a_grace_can_be_had(api: Client, site: str) -> None:
    api.control.call("POST", "oauth", {"refresh_grace": 60})
    first = granted(site)
    assert refresh(site, first["refresh_token"]).status_code == 200
    assert refresh(site, first["refresh_token"]).status_code == 200


def test_refresh_tokens_belong_to_their_consumer(site: str) -> None:
    token = granted(site)["refresh_token"]
    response = exchange(
        site, READER, READER_SECRET, grant_type="refresh_token", refresh_token=token
    )
    assert error_of(response) == "invalid_grant"
    assert refresh(site, token).status_code == 200


def test_access_tokens_run_out(api: Client, site: str) -> None:
    api.control.call("POST", "oauth", {"expires_in": 1})
    token = granted(site)
    assert token["expires_in"] == 1
    assert status_with(api, token["access_token"]) == 200
    time.sleep(1.05)
    assert status_with(api, token["access_token"]) == 401


def test_control_expires_and_revokes(api: Client, site: str) -> None:
    token = granted(site)
    assert api.control.call("POST", "oauth/expire") == {"expired": 1}
    assert status_with(api, token["access_token"]) == 401
    token = refresh(site, token["refresh_token"]).json()
    assert status_with(api, token["access_token"]) == 200
    assert api.control.call("POST", "oauth/revoke") == {"revoked": 1}
    assert status_with(api, token["access_token"]) == 401
    assert error_of(refresh(site, token["refresh_token"])) == "invalid_grant"


def test_control_counts_and_lists_without_secrets(api: Client, site: str) -> None:
    token = granted(site)
    refresh(site, token["refresh_token"])
    refresh(site, "no such token")
    shown = api.control.call("GET", "oauth")
    assert shown["counts"] == {
        "authorization_code": 1,
        "refresh_token": 1,
        "refresh_token refused": 1,
    }
    text = str(shown["requests"])
    assert token["access_token"] not in text
    assert token["refresh_token"] not in text
    assert SECRET not in text
    assert not api.control.requests(), "sign-ins are not in the API's log"


def test_settings_are_checked(api: Client, site: str) -> None:
    for body in ({"surprise": 1}, {"expires_in": "soon"}, []):
        response = requests.post(f"{site}/_emulator/oauth", json=body, timeout=5)
        assert response.status_code == 400


def test_faults_strike_the_token_endpoint_too(api: Client, site: str) -> None:
    token = granted(site)["refresh_token"]
    api.control.fault("/site/oauth2/access_token", kind="reset", when="after")
    with pytest.raises(requests.ConnectionError):
        refresh(site, token)
    # It was carried out, so the token that the client still has is dead.
    assert error_of(refresh(site, token)) == "invalid_grant"


def test_requests_oauthlib_gets_along_with_it(
    api: Client, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    session = OAuth2Session(KEY, redirect_uri=CALLBACK)
    address, state = session.authorization_url(f"{site}/site/oauth2/authorize")
    page = requests.get(address, timeout=5)
    back = answer(site, page, "grant")
    assert back["state"] == state
    session.fetch_token(f"{site}/site/oauth2/access_token", code=back["code"], auth=(KEY, SECRET))
    assert session.get(f"{api.base}/user").json()["nickname"] == "ada"


# OAuth 1


def base_of(site: str) -> str:
    return f"{site}/api/1.0/oauth"


def sign_in_1(site: str, callback: str = CALLBACK) -> OAuth1Session:
    session = OAuth1Session(KEY, client_secret=SECRET, callback_uri=callback)
    session.fetch_request_token(f"{base_of(site)}/request_token")
    page = requests.get(session.authorization_url(f"{base_of(site)}/authenticate"), timeout=5)
    back = answer(site, page, "grant")
    if callback == "oob":
        found = re.search(r'id="verifier">([^<]+)<', back.text)
        assert found
        verifier = found.group(1)
    else:
        verifier = back["oauth_verifier"]
    session.fetch_access_token(f"{base_of(site)}/access_token", verifier=verifier)
    return session


@pytest.mark.parametrize("callback", [CALLBACK, "oob"])
def test_three_legs(api: Client, site: str, callback: str) -> None:
    session = sign_in_1(site, callback)
    assert session.get(f"{api.base}/user").json()["nickname"] == "ada"
    page = session.get(f"{api.base}{WEBSITE}/issues", params={"q": 'title ~ "ä & b"'})
    assert page.status_code == 200
    made = session.post(f"{api.base}{WEBSITE}/issues", json={"title": "Signed"})
    assert made.status_code == 201


def test_one_leg_acts_as_the_consumers_owner(api: Client) -> None:
    auth = OAuth1(KEY, client_secret=SECRET)
    response = requests.get(f"{api.base}/user?fields=nickname", auth=auth, timeout=5)
    assert response.json() == {"nickname": "ada"}
    assert response.headers["X-Credential-Type"] == "oauth1"


@pytest.mark.parametrize(
    "auth",
    [
        OAuth1(KEY, client_secret="wrong"),
        OAuth1("unknownconsumerkey00001", client_secret=SECRET),
        OAuth1(KEY, SECRET, "unknowntoken0000000000000", "secret"),
        OAuth1(KEY, client_secret=SECRET, signature_method="PLAINTEXT"),
        OAuth1(KEY, client_secret=SECRET, timestamp="1500000000"),
    ],
    ids=["secret", "consumer", "token", "plaintext", "old"],
)
def test_bad_signatures(api: Client, auth: OAuth1) -> None:
    assert requests.get(f"{api.base}/user", auth=auth, timeout=5).status_code == 401


def test_the_signature_covers_the_query(api: Client) -> None:
    request = requests.Request(
        "GET", f"{api.base}{WEBSITE}/issues?pagelen=5", auth=OAuth1(KEY, client_secret=SECRET)
    ).prepare()
    with requests.Session() as session:
        request.url = str(request.url).replace("pagelen=5", "pagelen=6")
        assert session.send(request, timeout=5).status_code == 401


def test_a_nonce_works_once(api: Client) -> None:
    request = requests.Request(
        "GET", f"{api.base}/user", auth=OAuth1(KEY, client_secret=SECRET)
    ).prepare()
    with requests.Session() as session:
        assert session.send(request, timeout=5).status_code == 200
        assert session.send(request, timeout=5).status_code == 401


def test_temporary_credentials_are_good_for_one_sign_in(site: str) -> None:
    session = OAuth1Session(KEY, client_secret=SECRET, callback_uri=CALLBACK)
    temporary = session.fetch_request_token(f"{base_of(site)}/request_token")
    page = requests.get(session.authorization_url(f"{base_of(site)}/authenticate"), timeout=5)
    wrong = OAuth1(
        KEY,
        SECRET,
        temporary["oauth_token"],
        temporary["oauth_token_secret"],
        verifier="wrongverifier0000000",
    )
    url = f"{base_of(site)}/access_token"
    assert requests.post(url, auth=wrong, timeout=5).status_code == 401
    verifier = answer(site, page, "grant")["oauth_verifier"]
    session.fetch_access_token(url, verifier=verifier)
    again = OAuth1(
        KEY,
        SECRET,
        temporary["oauth_token"],
        temporary["oauth_token_secret"],
        verifier=verifier,
    )
    assert requests.post(url, auth=again, timeout=5).status_code == 401


def test_callbacks_elsewhere_are_refused(site: str) -> None:
    auth = OAuth1(KEY, client_secret=SECRET, callback_uri="http://evil.example/")
    url = f"{base_of(site)}/request_token"
    assert requests.post(url, auth=auth, timeout=5).status_code == 401


def test_oauth1_tokens_can_be_revoked(api: Client, site: str) -> None:
    session = sign_in_1(site)
    assert api.control.call("POST", "oauth/revoke") == {"revoked": 1}
    assert session.get(f"{api.base}/user").status_code == 401
