"""The pages that people see while they sign in: a question, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bitbucket_fdw.emulator.errors import Reply

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title} &mdash; Bitbucket emulator</title>
<style>body {{ font-family: sans-serif; max-width: 32rem; margin: 4rem auto; padding: 0 1rem; }}
button {{ font-size: 1rem; padding: .5rem 1rem; margin-right: .5rem; }}</style></head>
<body><main><h1>{title}</h1>
{body}
</main></body></html>
"""

_CONSENT = """<p><strong>{consumer}</strong> asks for access to your account.</p>
<ul>{scopes}</ul>
<form method="post" action="{action}">
<input type="hidden" name="request" value="{request}">
<p><label>Signed in as <select name="user" id="user">{users}</select></label></p>
<button type="submit" name="decision" value="grant" id="grant">Grant access</button>
<button type="submit" name="decision" value="cancel" id="cancel">Cancel</button>
</form>"""


def _reply(status: int, title: str, body: str) -> Reply:
    page = _PAGE.format(title=escape(title), body=body).encode()
    headers = {"Cache-Control": "no-store"}
    return Reply(status, page, headers, "text/html; charset=utf-8")


def consent(
    action: str,
    request: str,
    consumer: str,
    scopes: Sequence[str],
    users: Sequence[tuple[str, str]],
) -> Reply:
    """The page that asks a person whether a consumer may have what it wants.

    :param action: where the form goes.
    :param request: what the form hands on.
    :param consumer: the consumer's name.
    :param scopes: what it wants.
    :param users: who the person can say to be: nickname and shown name.
    """
    options = "".join(
        f'<option value="{escape(nickname)}">{escape(name)}</option>' for nickname, name in users
    )
    body = _CONSENT.format(
        action=escape(action),
        request=escape(request),
        consumer=escape(consumer),
        scopes="".join(f"<li>{escape(scope)}</li>" for scope in scopes),
        users=options,
    )
    return _reply(200, "Confirm access to your account", body)


def problem(message: str) -> Reply:
    """A page that says why there is no question to ask; nobody is sent anywhere."""
    return _reply(400, "This request cannot be granted", f"<p>{escape(message)}</p>")


def verifier(code: str) -> Reply:
    """The page of a sign-in without a callback: it shows the verifier to copy."""
    body = f'<p>Verification code: <code id="verifier">{escape(code)}</code></p>'
    return _reply(200, "Access granted", body)
