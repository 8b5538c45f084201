"""The issue tracker, removed from Bitbucket Cloud on 2026-08-20.

By default it still answers, so that the tables over it can be tried; with ``--issues removed``
every address below answers 410. A repository without a tracker gives 404.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from bitbucket_fdw.emulator.bbql import Field, Schema
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import not_found
from bitbucket_fdw.emulator.filters import COMMENTS, account, fields, present
from bitbucket_fdw.emulator.issue_words import KINDS, PRIORITIES, STATES
from bitbucket_fdw.emulator.items import numbered
from bitbucket_fdw.emulator.levels import ISSUE, TRACKER
from bitbucket_fdw.emulator.resource import Item, Resource

READ: dict[str, Any] = {"classic": "issue", "new": "read:issue", "issue_tracker": True}

_ISSUE: Schema = {
    **fields("number", "id votes"),
    **fields("text", "title content.raw component.name milestone.name version.name"),
    "state": Field("rank", ("state",), STATES),
    "kind": Field("rank", ("kind",), KINDS),
    "priority": Field("rank", ("priority",), PRIORITIES),
    **account("reporter"),
    **account("assignee"),
    **present("reporter"),
    **present("assignee"),
    **{name: Field("named", (name,)) for name in ("component", "milestone", "version")},
    **fields("datetime", "created_on updated_on edited_on"),
}
_COMMENT = {name: it for name, it in COMMENTS.items() if name not in ("deleted", "parent.id")}

ISSUES = Resource(
    "issues",
    TRACKER,
    "/issues",
    **READ,
    listing=Listing(filters=_ISSUE, sorts=_ISSUE),
    item=ISSUE,
    kept=lambda repository: repository.issues,
    order=reversed,
)
COMMENTS_ON_ISSUES = Resource(
    "issue_comments",
    ISSUE,
    "/comments",
    **READ,
    listing=Listing(filters=_COMMENT, sorts=_COMMENT),
    item=numbered("Comment"),
    kept=lambda issue: issue.comments,
)
# The small collections that issues choose from.
TRACKED = tuple(
    Resource(
        name,
        TRACKER,
        f"/{name}",
        **READ,
        item=Item("id", lambda key: not_found("Not found"), number="Item"),
        kept=attrgetter(name),
    )
    for name in ("components", "milestones", "versions")
)

RESOURCES = (ISSUES, COMMENTS_ON_ISSUES, *TRACKED)
