"""From an HTTP answer that is not a success to the error that says what to do about it.

Bitbucket's error body is ``{"type": "error", "error": {"message", "detail", "fields", "data"}}``,
with every member optional and of more than one shape; 401, 404 and 429 also come as plain text,
as HTML or with no body. A body that is not JSON is never repeated: some 404 pages hold profile
data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import requests

from ..errors import (
    BadResponse,
    Forbidden,
    Gone,
    NotFound,
    NotReady,
    RateLimited,
    Rejected,
    RequestError,
    ServerFailure,
    Unauthorized,
)

_CLASSES: dict[int, type[RequestError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Gone,
    429: RateLimited,
}

_HINTS = {
    402: "The workspace's plan does not include this: leave the table out, or change the plan.",
    401: "Check the credential in the user mapping: API tokens expire, access tokens can be "
    "revoked, and app passwords stopped working on 2026-07-28.",
    404: "Check the workspace and repository. Bitbucket also answers 404 for what the credential "
    "may not see.",
    410: "Bitbucket has removed this endpoint; there is nothing to set up on this side.",
    429: "The hourly limit of requests is used up. Wait, ask for fewer rows, or give each "
    "application a credential of its own.",
}

_IN_PROJECT = re.compile(r"/projects/[^/]")
_NO_PROJECT = (
    "Check the workspace and project. Bitbucket also answers 404 for what the credential may not "
    "see."
)
_REFUSED = (
    "Bitbucket did not take the request as it was: see what it says. Check base_url, and the "
    "values in the conditions."
)
_CHANGE_REFUSED = (
    "Bitbucket did not take the change as it was: see what it says. Check the values that the "
    "statement sets."
)


def failure(response: requests.Response, method: str, path: str) -> RequestError:
    """The error for an answer with status 400 or above (or an unexpected one).

    It says what the server said, which may be anything: see ``credentials.tidied``.
    """
    status = response.status_code
    if status == 202 and method == "GET":
        return _not_ready(response, path)
    kind = _CLASSES.get(status)
    if kind is None:
        kind = ServerFailure if status >= 500 else Rejected if status >= 400 else BadResponse
    told = said(_body(response))
    if status == 403:
        hint: str | None = _scopes_hint(response.headers)
    elif status >= 500:
        hint = "Bitbucket could not answer, also not when asked again. Try again later."
    elif status == 404 and _IN_PROJECT.search(path):
        hint = _NO_PROJECT
    else:
        hint = _HINTS.get(status, _REFUSED if method == "GET" else _CHANGE_REFUSED)
    error = kind(
        f"{method} {path} was answered {status} {response.reason or ''}".rstrip(),
        method=method,
        path=path,
        status=status,
        detail=told,
        hint=hint,
    )
    if isinstance(error, Forbidden):
        error.scope_missing = _lacks_scope(response)
    return error


def _not_ready(response: requests.Response, path: str) -> NotReady:
    """For an answer that is being prepared. A body that came with it is not the answer."""
    return NotReady(
        f"GET {path} was answered 202: Bitbucket is still preparing the answer",
        method="GET",
        path=path,
        status=202,
        detail=said(_body(response)),
        hint="Try again in some minutes. Bitbucket prepares it once, at the first request.",
    )


def _scopes_hint(headers: Mapping[str, str]) -> str:
    wants = headers.get("X-Accepted-OAuth-Scopes")
    has = headers.get("X-OAuth-Scopes")
    if wants and has is not None and _scopes(wants) <= _scopes(has):
        return "The credential has the scope; its account may not do this, or nobody may."
    if wants and has is not None:
        return f"The endpoint wants scope {wants}; the credential has: {has or 'none'}."
    if wants:
        return f"The endpoint wants scope {wants}."
    return "The credential lacks a scope or a permission."


def _lacks_scope(response: requests.Response) -> bool:
    """Whether an answer of 403 says that the credential, whatever it asks for, lacks a scope."""
    wants = response.headers.get("X-Accepted-OAuth-Scopes")
    has = response.headers.get("X-OAuth-Scopes")
    if wants and has is not None and not _scopes(wants) <= _scopes(has):
        return True
    try:
        said = json.loads(response.content)["error"]["detail"]
        return not set(said["required"]) <= set(said["granted"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return False


def _scopes(header: str) -> set[str]:
    return {scope for scope in header.replace(",", " ").split() if scope}


def _body(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def said(body: Any) -> str | None:
    """What Bitbucket said, from the JSON of an error; ``None`` from any other."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        parts = [error, _text(body.get("error_description"))]
    elif isinstance(error, dict):
        data = error.get("data")
        address = data.get("announcement_url") if isinstance(data, dict) else None
        parts = [
            _text(error.get("message")),
            _text(error.get("detail")),
            _fields(error.get("fields")),
            _text(address),
        ]
    else:
        return None
    words = dict.fromkeys(" ".join(part.split()) for part in parts if part)
    *before, last = [*words] or [""]
    return " ".join((*map(sentence, before), last)) or None


def sentence(text: str) -> str:
    """A text that another one follows."""
    return text if text.endswith((".", "!", "?", ":", ";", ",")) else f"{text}."


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _fields(value)
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    return ""


def _fields(value: Any) -> str:
    if isinstance(value, dict):
        told = ((name, "none" if member == [] else _text(member)) for name, member in value.items())
        return "; ".join(f"{name}: {text}" for name, text in told if text)
    return _text(value)
