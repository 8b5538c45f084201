"""What happened to pull requests, of one and of a whole repository: a union of four kinds.

Seen live by users, 2026: at most 50 a page; ``next`` carries its mark as ``ctx``; there is no
``size``; newest first; ``q`` and ``sort`` are ignored; the feed of the repository holds the same
entries. Not established: kinds beside the four (see ``ways``).
"""

from __future__ import annotations

from operator import attrgetter

from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.levels import PULL_REQUEST
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.pull_request_log import newest_first
from bitbucket_fdw.emulator.reshaping import renamed
from bitbucket_fdw.emulator.resource import Resource, Way
from bitbucket_fdw.emulator.resources.pull_requests import READ, may_see

RESOURCES = (
    Resource(
        "pull_request_activity",
        PULL_REQUEST,
        "/activity",
        over_all="/pullrequests/activity",
        **READ,
        listing=Listing(
            PageRules(largest=50, iterator=True, mark="ctx"), ignores_q=True, ignores_sort=True
        ),
        kept=attrgetter("activity"),
        order=newest_first,
        visible=lambda call, entry: may_see(call, entry.get("comment", {})),
        ways={
            "unknown_activity": Way(
                "Put a kind that is not documented into the log.",
                lambda entry: renamed(entry, {"changes_requested": "task"}),
            )
        },
    ),
)
