"""Reads of the issue tracker, removed from Bitbucket Cloud on 2026-08-20.

By default the tracker still answers, so that the tables over it can be tried; with
``--issues removed`` every address below answers 410. A repository without a tracker gives 404.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator import filters
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, not_found
from bitbucket_fdw.emulator.reads.repositories import REPOSITORY
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Issue, Repository

routes = Routes()

ISSUES = f"{REPOSITORY}/issues"
ISSUE = f"{ISSUES}/{{issue_id}}"
READ: dict[str, Any] = {"classic": "issue", "new": "read:issue", "issue_tracker": True}

_ISSUES = Listing(filters=filters.ISSUES, sorts=filters.ISSUES)
_COMMENTS = Listing(filters=filters.ISSUE_COMMENTS, sorts=filters.ISSUE_COMMENTS)


def tracker(call: Call) -> Repository:
    """The repository in the path; 404 when it has no issue tracker."""
    found = call.repository()
    if not found.document["has_issues"]:
        raise not_found("Repository has no issue tracker.")
    return found


def issue_of(call: Call) -> Issue:
    """The issue in the path; 404 when there is none."""
    number = call.number("issue_id", "Issue")
    found = tracker(call).issues.get(number)
    if found is None:
        raise not_found(f"No Issue matches the given query: {number}")
    return found


@routes.add("GET", ISSUES, **READ, listing=_ISSUES)
def issues(call: Call) -> list[Json]:
    """The issues, newest first."""
    return [issue.document for issue in reversed(tracker(call).issues.values())]


@routes.add("GET", ISSUE, **READ)
def issue(call: Call) -> Json:
    """An issue."""
    return issue_of(call).document


@routes.add("GET", f"{ISSUE}/comments", **READ, listing=_COMMENTS)
def comments(call: Call) -> list[Json]:
    """The comments on an issue, oldest first."""
    return list(issue_of(call).comments.values())


@routes.add("GET", f"{ISSUE}/comments/{{comment_id}}", **READ)
def comment(call: Call) -> Json:
    """A comment on an issue."""
    found = issue_of(call).comments.get(call.number("comment_id", "Comment"))
    if found is None:
        raise not_found("Comment not found")
    return found


def _item(call: Call, items: dict[int, Json]) -> Json:
    found = items.get(call.number("id", "Item"))
    if found is None:
        raise not_found("Not found")
    return found


@routes.add("GET", f"{REPOSITORY}/components", **READ, listing=Listing())
def components(call: Call) -> list[Json]:
    """The components of a tracker."""
    return list(tracker(call).components.values())


@routes.add("GET", f"{REPOSITORY}/components/{{id}}", **READ)
def component(call: Call) -> Json:
    """A component."""
    return _item(call, tracker(call).components)


@routes.add("GET", f"{REPOSITORY}/milestones", **READ, listing=Listing())
def milestones(call: Call) -> list[Json]:
    """The milestones of a tracker."""
    return list(tracker(call).milestones.values())


@routes.add("GET", f"{REPOSITORY}/milestones/{{id}}", **READ)
def milestone(call: Call) -> Json:
    """A milestone."""
    return _item(call, tracker(call).milestones)


@routes.add("GET", f"{REPOSITORY}/versions", **READ, listing=Listing())
def versions(call: Call) -> list[Json]:
    """The versions of a tracker."""
    return list(tracker(call).versions.values())


@routes.add("GET", f"{REPOSITORY}/versions/{{id}}", **READ)
def version(call: Call) -> Json:
    """A version."""
    return _item(call, tracker(call).versions)
