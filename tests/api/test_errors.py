"""What an answer's status and body become."""

from __future__ import annotations

import pytest

from bitbucket_fdw.api import Delivery
from bitbucket_fdw.errors import (
    BadResponse,
    BitbucketError,
    Forbidden,
    Gone,
    NotFound,
    RateLimited,
    Rejected,
    RequestError,
    ServerFailure,
    Unauthorized,
)
from tests.api.helpers import SECRET, client_of, fetch, scan_of
from tests.api.scripted import Answer

WEBSITE = "/repositories/acme/website"
PRIVATE_WORDS = ("<html", "<!DOCTYPE", "profile-leak", "Ada Example", "Something went wrong")


def error_of(client, path, *parameters):
    with pytest.raises(RequestError) as caught:
        fetch(client, path, *parameters)
    return caught.value


# --- as the emulator words them ---


@pytest.mark.parametrize("credential", ["expired", "revoked"])
def test_401_points_to_the_user_mapping(client_factory, credential):
    error = error_of(client_factory(credential), WEBSITE)
    assert isinstance(error, Unauthorized)
    assert (error.method, error.path, error.status) == ("GET", WEBSITE, 401)
    assert "user mapping" in error.hint
    assert error.sqlstate == "28000"


def test_403_names_the_scope_that_is_missing(client_factory):
    error = error_of(client_factory("ada-no-pullrequest"), f"{WEBSITE}/pullrequests")
    assert isinstance(error, Forbidden)
    assert "wants scope read:pullrequest:bitbucket" in error.hint
    assert "read:repository:bitbucket" in error.hint  # what it has


def test_403_names_classic_scopes_for_access_tokens(client_factory):
    error = error_of(client_factory("no-pullrequest"), f"{WEBSITE}/pullrequests")
    assert isinstance(error, Forbidden)
    assert "wants scope pullrequest;" in error.hint


def test_404_with_json_says_what_bitbucket_said(client):
    error = error_of(client, "/repositories/acme/nowhere")
    assert isinstance(error, NotFound)
    assert "may not have access to this repository" in error.detail
    assert "Check the workspace and repository" in error.hint


def test_a_404_page_is_never_echoed(client):
    error = error_of(client, "/no/such/endpoint")
    assert isinstance(error, NotFound)
    assert error.detail is None
    assert not any(word in str(error) for word in PRIVATE_WORDS)


def test_410_gives_the_announcement(client):
    error = error_of(client, "/workspaces")
    assert isinstance(error, Gone)
    assert "CHANGE-2770" in error.detail
    assert "https://developer.atlassian.com/" in error.detail


def test_400_gives_the_reason(client):
    error = error_of(client, f"{WEBSITE}/pullrequests", ("pagelen", "100"))
    assert isinstance(error, Rejected)
    assert error.detail == "Invalid pagelen"


def test_400_to_a_read_points_to_the_conditions_and_to_a_change_to_what_it_sets(client_factory):
    client = client_factory("ada-write")
    assert "conditions" in error_of(client, f"{WEBSITE}/pullrequests", ("pagelen", "100")).hint
    scan, url = scan_of(client), client.url(f"{WEBSITE}/issues")
    with pytest.raises(Rejected) as caught:
        scan.wait(scan.submit(client.send, "POST", url, {}, False, scan, Delivery()))
    assert "statement sets" in caught.value.hint
    assert "conditions" not in caught.value.hint


def test_the_pipelines_service_is_quoted_by_its_detail(client):
    error = error_of(client, f"{WEBSITE}/pipelines/99999")
    assert isinstance(error, NotFound)
    assert "No pipeline with id 99999 exists" in error.detail


# What the client itself adds to a 429 that does not say how long to wait.
ROLLING_HOUR = (
    "Bitbucket counts the requests of the last hour: it may take up to 60 minutes until it answers "
    "again."
)


@pytest.mark.parametrize("form", ["html", "text", "empty"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 429, 500, 503, 555])
def test_a_body_that_is_not_json_is_never_echoed(client_factory, emulator, status, form):
    emulator.fault("*/website", kind="status", status=status, form=form, count=None)
    error = error_of(client_factory(retry_limit=0), WEBSITE)
    assert error.status == status
    assert error.detail == (ROLLING_HOUR if status == 429 else None)
    assert not any(word in str(error) for word in PRIVATE_WORDS)
    assert str(status) in error.message


# --- in forms that only a script can give ---

CLASSES = [
    (400, Rejected),
    (401, Unauthorized),
    (403, Forbidden),
    (404, NotFound),
    (409, Rejected),
    (410, Gone),
    (418, Rejected),
    (429, RateLimited),
    (500, ServerFailure),
    (501, ServerFailure),
    (555, ServerFailure),
]


@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_each_status_has_its_class(scripted, status, kind):
    server = scripted(lambda _: Answer({"error": {"message": "why"}}, status=status))
    error = error_of(client_of(server), "/things")
    assert type(error) is kind
    why = f"why. {ROLLING_HOUR}" if status == 429 else "why"
    assert (error.status, error.detail) == (status, why)
    assert error.hint


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"type": "error", "error": {"message": "m", "detail": "d"}}, "m. d"),
        (
            {"error": {"message": "m", "detail": {"required": ["a", "b"], "granted": []}}},
            "m. required: a, b; granted: none",
        ),
        ({"error": {"message": "m", "fields": {"title": ["too long", "odd"]}}}, "title: too long"),
        ({"error": {"message": "m", "fields": {"title": "too long"}}}, "title: too long"),
        ({"error": {"message": "m", "fields": ["title", "state"]}}, "title, state"),
        ({"error": {"message": "m", "fields": "title"}}, "m. title"),
        ({"error": {"message": "Ends.", "detail": "See it.\n\nHere."}}, "Ends. See it. Here."),
        ({"error": {"message": "same", "detail": "same"}}, "same"),
        ({"error": "invalid_grant", "error_description": "used"}, "invalid_grant. used"),
        ({"error": {"message": "two\nlines\tand  spaces"}}, "two lines and spaces"),
        ({"error": {"message": None, "detail": 7}}, None),
        ({"error": None}, None),
        ({"error": []}, None),
        ({}, None),
        ([], None),
        ("text", None),
    ],
)
def test_error_bodies_of_any_shape_are_read(scripted, body, detail):
    error = error_of(client_of(scripted(lambda _: Answer(body, status=400))), "/things")
    if detail is None:
        assert error.detail is None
    else:
        assert detail in error.detail


def test_a_long_message_is_cut(scripted):
    body = {"error": {"message": "x" * 10_000}}
    error = error_of(client_of(scripted(lambda _: Answer(body, status=400))), "/things")
    assert len(error.detail) < 600


def test_a_secret_that_bitbucket_repeats_is_blotted_out(scripted):
    body = {"error": {"message": f"no such token: {SECRET}"}}
    error = error_of(client_of(scripted(lambda _: Answer(body, status=401))), "/things")
    assert SECRET not in str(error)
    assert "***" in error.detail


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"{", b"\xff\xfe", b"{}x"])
def test_a_success_that_is_not_json_is_an_error(scripted, body):
    server = scripted(lambda _: Answer(body, content_type="text/html; charset=utf-8"))
    error = error_of(client_of(server), "/things")
    assert isinstance(error, BadResponse)
    assert "hello" not in str(error)
    assert f"{len(body)} bytes" in error.detail
    assert "base_url" in error.hint


@pytest.mark.parametrize("status", [201, 204, 304])
def test_an_unexpected_success_is_an_error(scripted, status):
    error = error_of(client_of(scripted(lambda _: Answer(status=status))), "/things")
    assert isinstance(error, BadResponse)
    assert error.status == status


def test_every_error_has_its_own_sqlstate():
    def below(kind: type[BitbucketError]) -> list[type[BitbucketError]]:
        return [kind, *(deeper for sub in kind.__subclasses__() for deeper in below(sub))]

    for kind in below(BitbucketError):
        assert len(kind.sqlstate) == 5
        assert kind.sqlstate.isalnum()
