"""The errors that Bitbucket Cloud answers, in their several body forms.

Stated (REST introduction, "Standardized error responses"): ``{"type": "error", "error": {"message",
"fields", "detail", "id", "data"}}``. Seen live: HTML for addresses it does not know, plain text and
empty bodies for some 401, 404 and 429, ``detail`` as an object for a missing scope, and the useful
text of the pipelines service in ``detail`` with no ``type``. The wording is ours where Atlassian
does not state it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

JSON_TYPE = "application/json; charset=utf-8"

# A page like the ones Bitbucket's web front end sends: it names the signed-in person, so whoever
# echoes a body that is not JSON leaks this line, and a test can look for it.
HTML_PAGE = """<!DOCTYPE html>
<html><head><title>{title} &mdash; Bitbucket</title></head>
<body data-current-user='{{"displayName": "Ada Example", "email": "profile-leak@acme.example"}}'>
<h1>{title}</h1></body></html>
"""

ANNOUNCEMENTS = {
    "CHANGE-2770": "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770",
    "CHANGE-3071": "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-3071",
}


@dataclass
class Reply:
    """One answer: a status, a body (JSON object or list, or raw bytes) and extra headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    def encoded(self) -> bytes:
        """The body as bytes on the wire."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


class ApiError(Exception):
    """Raised by a handler to answer with an error; :attr:`reply` is what goes out."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(
    status: int,
    message: str,
    *,
    detail: Any = None,
    fields: Any = None,
    data: Json | None = None,
    headers: dict[str, str] | None = None,
) -> ApiError:
    """An error with Atlassian's JSON body."""
    inner: Json = {"message": message}
    if fields is not None:
        inner["fields"] = fields
    if detail is not None:
        inner["detail"] = detail
    if data is not None:
        inner["data"] = data
    return ApiError(Reply(status, {"type": "error", "error": inner}, headers or {}))


def bad_request(message: str, **more: Any) -> ApiError:
    """400 with the usual body."""
    return error(400, message, **more)


def invalid(**fields: str | list[str]) -> ApiError:
    """400 for a body whose fields failed validation; dots are written ``__`` in the names."""
    listed = {
        name.replace("__", "."): [text] if isinstance(text, str) else text
        for name, text in fields.items()
    }
    return error(400, "Bad request", fields=listed)


def not_found(message: str, **more: Any) -> ApiError:
    """404 with the usual body."""
    return error(404, message, **more)


def repository_not_found() -> ApiError:
    """404 of a repository that is absent or that the caller may not see."""
    return not_found(
        "You may not have access to this repository or it no longer exists in this workspace. "
        "If you think this repository exists and you have access, make sure you are authenticated."
    )


def pipelines_error(status: int, message: str, detail: str, key: str) -> ApiError:
    """An error as the pipelines service words it: no ``type``, the useful text in ``detail``."""
    body = {"error": {"message": message, "detail": detail, "data": {"key": key}}}
    return ApiError(Reply(status, body))


def pipelines_not_found(what: str, key: str, service: str) -> ApiError:
    """404 of the pipelines service.

    :param what: what is not there.
    :param key: what it was asked for by.
    :param service: the service's name in the error.
    """
    detail = f"No {what} with id {key} exists"
    return pipelines_error(404, "Not found", detail, f"{service}.not-found")


def removed(change: str) -> ApiError:
    """410 of an endpoint that Atlassian has taken away, under its changelog number."""
    return error(
        410,
        f"{change} - Functionality has been deprecated",
        data={"announcement_url": ANNOUNCEMENTS[change]},
    )


def html(status: int, title: str) -> ApiError:
    """An HTML page in place of JSON."""
    page = HTML_PAGE.format(title=title).encode()
    return ApiError(Reply(status, page, {}, "text/html; charset=utf-8"))


def plain(status: int, text: str, headers: dict[str, str] | None = None) -> ApiError:
    """A plain-text body; none at all when ``text`` is empty."""
    body = text.encode() if text else None
    return ApiError(Reply(status, body, headers or {}, "text/plain; charset=utf-8"))


def missing_scope(granted: list[str], required: list[str]) -> ApiError:
    """403 of a credential that lacks a scope; ``detail`` is an object here."""
    return error(
        403,
        "Your credentials lack one or more required privilege scopes.",
        detail={"granted": granted, "required": required},
    )
