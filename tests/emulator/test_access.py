"""Credentials, scopes, visibility, removed endpoints and the forms of errors."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.client import WEBSITE, Client


def slugs(api: Client, credential: str | None) -> set[str]:
    return {row["slug"] for row in api.values("/repositories/acme", credential, pagelen=100)}


def test_each_caller_sees_its_repositories(api: Client) -> None:
    assert len(slugs(api, "ada-read")) == 9
    assert len(slugs(api, "workspace")) == 9
    assert slugs(api, "ben-write") == {"website", "design-system", "orphan-fork"}
    assert slugs(api, None) == {"design-system", "orphan-fork"}
    assert slugs(api, "website") == {"website"}


def test_hidden_and_absent_repositories_look_alike(api: Client) -> None:
    hidden = api.get("/repositories/acme/mobile.app", "ben-write")
    absent = api.get("/repositories/acme/no-such", "ben-write")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json() == absent.json()


def test_role_narrows_the_list(api: Client) -> None:
    path = "/repositories/acme"
    assert len(api.values(path, role="admin", pagelen=100)) == 9
    assert [r["slug"] for r in api.values(path, "ben-write", role="member")] == ["website"]
    assert api.values(path, "ben-write", role="contributor") == []
    assert api.get(path, role="boss").status_code == 400


@pytest.mark.parametrize("slug", ["website", "WebSite", "WEBSITE"])
def test_slugs_match_whatever_their_case(api: Client, slug: str) -> None:
    assert api.json(f"/repositories/acme/{slug}")["slug"] == "website"


def test_uuids_need_their_braces(api: Client) -> None:
    repository = api.json(WEBSITE)
    workspace = repository["workspace"]["uuid"]
    assert api.json(f"/repositories/{workspace}/{repository['uuid']}")["slug"] == "website"
    assert api.get(f"/repositories/acme/{repository['uuid'].strip('{}')}").status_code == 404
    uuid = api.json(f"{WEBSITE}/pipelines")["values"][0]["uuid"]
    assert api.json(f"{WEBSITE}/pipelines/{uuid}")["build_number"] == 1
    assert api.get(f"{WEBSITE}/pipelines/{uuid.strip('{}')}").status_code == 404
    assert api.json(f"{WEBSITE}/pipelines/1")["uuid"] == uuid


@pytest.mark.parametrize("credential", ["expired", "revoked"])
def test_credentials_that_ran_out(api: Client, credential: str) -> None:
    response = api.get("/repositories/acme", credential)
    assert response.status_code == 401


def test_401_comes_with_and_without_a_body(api: Client) -> None:
    assert api.get("/repositories/acme", "expired").content == b""
    assert "expired" in api.message(api.get("/repositories/acme", "revoked"), 401)
    wrong = requests.get(f"{api.base}{WEBSITE}", auth=("ada@acme.example", "wrong"), timeout=5)
    assert wrong.status_code == 401
    malformed = {"Authorization": "Basic %%%"}
    assert requests.get(f"{api.base}/user", headers=malformed, timeout=5).status_code == 401


def test_api_tokens_are_no_bearer_tokens(api: Client) -> None:
    headers = {"Authorization": "Bearer emulator-token-ada-read"}
    assert requests.get(f"{api.base}/user", headers=headers, timeout=5).status_code == 401


def test_anonymous_callers_need_a_credential_for_private_things(api: Client) -> None:
    assert api.get("/user", None).status_code == 401
    assert api.get("/user/workspaces", None).status_code == 401
    assert api.get("/workspaces/acme/members", None).status_code == 401
    assert api.get(WEBSITE, None).status_code == 404
    assert api.get("/repositories/acme/design-system/pullrequests", None).status_code == 200


def test_missing_scopes_are_named(api: Client) -> None:
    response = api.get(f"{WEBSITE}/pullrequests", "ada-no-pullrequest")
    assert response.status_code == 403
    detail = response.json()["error"]["detail"]
    assert detail["required"] == ["read:pullrequest:bitbucket"]
    assert response.headers["X-Accepted-OAuth-Scopes"] == "read:pullrequest:bitbucket"
    assert "read:repository:bitbucket" in response.headers["X-OAuth-Scopes"]
    response = api.get(f"{WEBSITE}/pullrequests", "no-pullrequest")
    assert response.json()["error"]["detail"]["required"] == ["pullrequest"]


def test_new_scopes_imply_nothing(api: Client) -> None:
    assert api.get(WEBSITE, "ada-write-only").status_code == 403


def test_some_classic_scopes_imply_others(api: Client) -> None:
    # "pullrequest" and "project" imply "repository", which this token was not given by name.
    assert "repository" not in api.known["workspace"]["scopes"]
    assert api.get(WEBSITE, "workspace").status_code == 200
    assert api.get(f"{WEBSITE}/issues", "workspace").status_code == 403


def test_headers_tell_the_kind_of_credential(api: Client) -> None:
    api_token, token = api.get(WEBSITE), api.get(WEBSITE, "workspace")
    assert api_token.headers["X-Credential-Type"] == "api_token"
    assert token.headers["X-Credential-Type"] == "workspace_access_token"
    assert "X-RateLimit-Limit" in token.headers
    assert "X-RateLimit-Limit" not in api_token.headers


@pytest.mark.parametrize(
    "path",
    [
        "/user",
        "/workspaces/acme/permissions",
        "/workspaces/acme/permissions/repositories",
        "/user/workspaces/acme/permission",
    ],
)
def test_access_tokens_are_refused_by_some_endpoints(api: Client, path: str) -> None:
    assert api.get(path, "workspace").status_code == 403
    assert api.get(path, "ada-read").status_code == 200


def test_email_filter_is_for_administrators_and_limited(api: Client) -> None:
    path = "/workspaces/acme/members"
    rows = api.values(path, q='user.email IN ("ada@acme.example", "x@acme.example")')
    assert [row["user"]["email"] for row in rows] == ["ada@acme.example"]
    assert "email" not in api.values(path)[0]["user"]
    assert api.get(path, "ben-write", q='user.email IN ("a@b.c")').status_code == 403
    many = ", ".join(f'"{n}@acme.example"' for n in range(91))
    assert api.get(path, q=f"user.email IN ({many})").status_code == 400
    assert api.get(path, q='user.email = "ada@acme.example"').status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/workspaces",
        "/repositories",
        "/user/permissions/repositories",
        "/user/permissions/workspaces",
        "/snippets",
    ],
)
def test_cross_workspace_listings_are_gone(api: Client, path: str) -> None:
    assert api.message(api.get(path), 410).startswith("CHANGE-2770")


def test_the_issue_tracker_may_be_gone(emulator_factory: Any) -> None:
    api = Client(emulator_factory(issues="removed"))
    for path in ("issues", "issues/1", "issues/1/comments", "components", "versions"):
        response = api.get(f"{WEBSITE}/{path}")
        assert api.message(response, 410).startswith("CHANGE-3071")
        assert response.json()["error"]["data"]["announcement_url"]
    assert api.write("POST", f"{WEBSITE}/issues", {"title": "x"}).status_code == 410


def test_repositories_without_a_tracker(api: Client) -> None:
    assert not api.json("/repositories/acme/design-system")["has_issues"]
    assert api.get("/repositories/acme/design-system/issues").status_code == 404


def test_unknown_addresses_are_html(api: Client) -> None:
    for path in ("/no/such", f"{WEBSITE}/nothing", f"{WEBSITE}/issues/1/nothing"):
        response = api.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")
        assert b"profile-leak@acme.example" in response.content


def test_unknown_methods_are_405(api: Client) -> None:
    response = api.write("PATCH", WEBSITE, {})
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


def test_the_pipelines_service_words_errors_its_own_way(api: Client) -> None:
    body = api.get(f"{WEBSITE}/pipelines/9999").json()
    assert "type" not in body
    assert body["error"]["message"] == "Not found"
    assert "9999" in body["error"]["detail"]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (f"{WEBSITE}/pullrequests", {"states": "OPEN"}),
        (f"{WEBSITE}/pullrequests/1", {"pagelen": "10"}),
        (f"{WEBSITE}/commits", {"q": 'message ~ "x"'}),
        (f"{WEBSITE}/commits", {"sort": "date"}),
        (f"{WEBSITE}/environments", {"q": 'name = "Test"'}),
        ("/workspaces/acme/members", {"sort": "user.nickname"}),
        (f"{WEBSITE}/pipelines", {"branch": "main"}),
        (f"{WEBSITE}/issues", {"state": "open"}),
    ],
)
def test_unknown_parameters_are_refused(api: Client, path: str, parameters: dict[str, str]) -> None:
    assert "Unknown query parameter" in api.message(api.get(path, **parameters), 400)


def test_repeated_parameters_are_refused(api: Client) -> None:
    message = api.message(api.get(f"{WEBSITE}/issues", pagelen=["10", "10"]), 400)
    assert "more than once" in message


@pytest.mark.parametrize("resource", ["diff", "diffstat", "patch"])
def test_pull_request_diffs_redirect(api: Client, resource: str) -> None:
    number = next(d["id"] for d in api.state("pull_requests") if d["source"]["repository"])
    response = api.get(f"{WEBSITE}/pullrequests/{number}/{resource}")
    assert response.status_code == 302
    target = response.headers["Location"]
    assert f"/acme/website/{resource}/" in target
    assert api.get(target).status_code == 200
