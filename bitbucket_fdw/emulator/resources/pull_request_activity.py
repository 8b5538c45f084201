"""What happened to pull requests, of one and of a whole repository: a union of four kinds.

Stated: an entry has the pull request and one member that tells its kind, ``update``, ``approval``,
``changes_requested`` or ``comment``. Seen live by users, 2026: at most 50 a page; ``next`` carries
its mark as ``ctx``; there is no ``size``; newest first; ``q`` and ``sort`` are ignored; the feed of
the repository holds the same entries; ``changes`` calls the state ``status``, in other words than
``state`` does. Not established: kinds beside the four (see ``ways``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from operator import attrgetter
from typing import Any

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.documents import pull_request_update
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.levels import PULL_REQUEST
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Resource, Way
from bitbucket_fdw.emulator.resources.pull_requests import READ, may_see
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import PullRequest

_PAGES = PageRules(largest=50, iterator=True, mark="ctx")


def _when(entry: Json) -> Any:
    [detail] = (value for kind, value in entry.items() if kind != "pull_request")
    return times.parse(detail.get("date") or detail["created_on"])


def _newest_first(entries: list[Json]) -> Iterable[Json]:
    return sorted(entries, key=_when, reverse=True)


def _entries(sample: Sample, pull: PullRequest) -> Iterator[Json]:
    about = sample.store.documents.pull_request_reference(pull.document)
    for kind, detail in (*_updates(sample, pull.document), *_verdicts(pull.document, about)):
        yield {"pull_request": about, kind: detail}
    for comment in pull.comments.values():
        yield {"pull_request": about, "comment": comment}


def _verdicts(document: Json, about: Json) -> Iterator[tuple[str, Json]]:
    for person in document["participants"]:
        if person["state"]:
            kind = "approval" if person["approved"] else "changes_requested"
            date, user = person["participated_on"], person["user"]
            yield kind, {"date": date, "user": user, "pullrequest": about}


def _updates(sample: Sample, document: Json) -> Iterator[tuple[str, Json]]:
    opened = {**document, "state": "OPEN", "reason": ""}
    before = {**opened, "reviewers": []}
    if sample.rng.random() < 0.2:
        before.update(title=f"WIP {document['title']}", description="", draft=True)
    yield "update", pull_request_update({}, before, document["created_on"], document["author"])
    later = times.parse(document["created_on"]) + timedelta(minutes=1)
    if before != opened:
        date = times.offset_form(later)
        yield "update", pull_request_update(before, opened, date, document["author"])
    if document["state"] != "OPEN":
        date, who = document["updated_on"], document["closed_by"]
        yield "update", pull_request_update(opened, document, date, who)


def _may_see(call: Call, entry: Json) -> bool:
    """Whether an entry is about no comment, or about one that the caller may see."""
    return may_see(call, entry.get("comment", {}))


def _as_task(entry: Json) -> Json:
    """An entry of a kind that is not documented in place of a request for changes."""
    return {"task" if kind == "changes_requested" else kind: part for kind, part in entry.items()}


RESOURCES = (
    Resource(
        "pull_request_activity",
        PULL_REQUEST,
        "/activity",
        over_all="/pullrequests/activity",
        **READ,
        listing=Listing(_PAGES, ignores_q=True, ignores_sort=True),
        kept=attrgetter("activity"),
        order=_newest_first,
        visible=_may_see,
        sample=_entries,
        ways={"unknown_activity": Way("Put a kind that is not documented into the log.", _as_task)},
    ),
)
