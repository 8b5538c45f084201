"""The caller's account. Access tokens are refused (seen live by users, 2026)."""

from __future__ import annotations

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.levels import STORE, Answer, Level
from bitbucket_fdw.emulator.resource import Resource


def _in_full(user: Json) -> Json:
    """An account as its owner sees it."""
    return {
        **user,
        "username": user.get("nickname"),
        "created_on": "2023-01-01T00:00:00.000000+00:00",
        "account_status": "active",
        "is_staff": False,
        "has_2fa_enabled": None,
        "location": None,
        "department": "Development" if user.get("type") == "user" else None,
    }


AUTHENTICATED_USER = Resource(
    "authenticated_user",
    STORE,
    "",
    classic="account",
    new="read:user",
    public=False,
    access_tokens=False,
    listing=None,
    item=Level("/user", lambda call: Answer(_in_full(call.actor or {})), member="uuid"),
    kept=lambda store: [_in_full(user) for user in store.users.values()],
    noted=lambda document: {"caller": document["nickname"]},
)

RESOURCES = (AUTHENTICATED_USER,)
