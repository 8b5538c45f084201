"""Accounts named in the bodies of writes."""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, error
from bitbucket_fdw.emulator.store import Repository


def acting_user(call: Call) -> Json:
    """The account that a write is recorded under; 403 when the credential acts for nobody."""
    if call.actor is None:
        raise error(403, "This credential does not act for an account.")
    return call.actor


def member(call: Call, repository: Repository, key: str, value: Any, field: str) -> Json:
    """The workspace member with a ``uuid`` or an ``account_id``; 400 when there is none.

    :param key: which of the two it is.
    :param value: the UUID or the account id.
    :param field: the field of the body that holds it, which the error names.
    """
    workspace = call.store.workspaces[repository.workspace]
    for membership in workspace.members.values():
        user: Json = membership["user"]
        if user.get(key) == value:
            # A membership tells more of the account than other documents do.
            return call.store.user_by(key, value) or user
    message = f"{value} is not a member of this workspace."
    raise error(400, f"{field}: {message}", fields={field: [message]})


def reviewers(call: Call, repository: Repository, given: list[Json], author: Json) -> list[Json]:
    """The accounts of a ``reviewers`` list, each known by its uuid or account_id."""
    found = []
    for item in given:
        key = "uuid" if "uuid" in item else "account_id"
        if key not in item:
            message = "A reviewer needs a uuid or an account_id."
            raise error(400, f"reviewers: {message}", fields={"reviewers": [message]})
        user = member(call, repository, key, item[key], "reviewers")
        if user["uuid"] == author.get("uuid"):
            message = f"{user['display_name']} is the author and cannot be included as a reviewer."
            raise error(400, f"reviewers: {message}", fields={"reviewers": [message]})
        if user not in found:
            found.append(user)
    return found
