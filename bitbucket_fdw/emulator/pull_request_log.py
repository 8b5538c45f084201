"""What happened to a pull request, as its log has it: whoever changes one adds an entry here.

Stated: an entry has the pull request and one member that tells its kind, ``update``, ``approval``,
``changes_requested`` or ``comment``. Seen live by users, 2026: ``changes`` calls the state
``status``, in other words than ``state`` does.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import PullRequest, Store

# How the log of a pull request's changes calls its states (seen live by users, 2026).
_STATUSES = {
    "OPEN": "open",
    "MERGED": "fulfilled",
    "DECLINED": "rejected",
    "SUPERSEDED": "superseded",
}
_SNAPSHOT = (
    *("title", "description", "state", "draft", "reason", "source", "destination", "reviewers"),
)


def add_update(
    store: Store, pull: PullRequest, before: Json, after: Json, date: str, author: Json | None
) -> None:
    """Log that a pull request was changed, or opened.

    :param before: its document until then; empty when it was opened.
    :param after: its document from then on.
    :param date: when it changed.
    :param author: who changed it.
    """
    snapshot = {name: copy(after[name]) for name in _SNAPSHOT}
    update = {**snapshot, "author": author, "date": date, "changes": _changes(before, after)}
    _add(store, pull, "update", update)


def add_verdict(store: Store, pull: PullRequest, participant: Json) -> None:
    """Log that somebody has approved a pull request, or requested changes."""
    kind = "approval" if participant["approved"] else "changes_requested"
    about = store.documents.pull_request_reference(pull.document)
    date, user = participant["participated_on"], participant["user"]
    _add(store, pull, kind, {"date": date, "user": user, "pullrequest": about})


def add_comment(store: Store, pull: PullRequest, comment: Json) -> None:
    """Log that somebody has commented."""
    _add(store, pull, "comment", comment)


def _add(store: Store, pull: PullRequest, kind: str, detail: Json) -> None:
    about = store.documents.pull_request_reference(pull.document)
    pull.activity.insert(0, {"pull_request": about, kind: detail})


def newest_first(entries: list[Json]) -> list[Json]:
    """Entries of one or more logs by their time."""
    return sorted(entries, key=_when, reverse=True)


def _when(entry: Json) -> datetime:
    [detail] = (value for kind, value in entry.items() if kind != "pull_request")
    return times.parse(detail.get("date") or detail["created_on"])


def _changes(before: Json, after: Json) -> Json:
    if not before:
        return {}
    found: Json = {
        name: {"old": before[name], "new": after[name]}
        for name in ("title", "description", "draft")
        if before[name] != after[name]
    }
    if before["state"] != after["state"]:
        old, new = (_STATUSES[document["state"]] for document in (before, after))
        found["status"] = {"old": old, "new": new}
    added = [user for user in after["reviewers"] if user not in before["reviewers"]]
    removed = [user for user in before["reviewers"] if user not in after["reviewers"]]
    reviewers = {name: who for name, who in (("added", added), ("removed", removed)) if who}
    return {**found, "reviewers": reviewers} if reviewers else found
