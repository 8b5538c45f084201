"""Sample issues with their comments, and the components, milestones and versions they name."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from bitbucket_fdw.emulator.data import text
from bitbucket_fdw.emulator.data.accounts import PEOPLE, anybody
from bitbucket_fdw.emulator.data.plan import FIRST_DAY, LAST_DAY
from bitbucket_fdw.emulator.documents import rendered
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.issue_words import KINDS, PRIORITIES, STATES
from bitbucket_fdw.emulator.sample import former_user
from bitbucket_fdw.emulator.store import Issue, Repository, Store
from bitbucket_fdw.emulator.times import bare_form, offset_form

_TRACKER: dict[str, tuple[str, ...]] = {
    "component": ("UI", "API", "Back office"),
    "milestone": ("M1", "M2 'spring'", "M10"),
    "version": ("1.0", "1.1", "2.0-beta"),
}


def add_issues(
    store: Store, repository: Repository, rng: Random, total: int, first_id: int
) -> None:
    """Add ``total`` issues; comment ids go on from ``first_id``."""
    documents = store.documents
    reference = documents.repository_reference(repository.document)
    tracker = _add_tracker(store, repository)
    people = [store.users[nickname] for nickname, _ in PEOPLE]
    span = (LAST_DAY - FIRST_DAY).total_seconds()
    comment_id = first_id
    for number in range(1, total + 1):
        created = FIRST_DAY + timedelta(
            seconds=int(span * (number - rng.random()) / total), microseconds=rng.randrange(10**6)
        )
        updated = created + timedelta(hours=rng.randrange(2000), microseconds=rng.randrange(10**6))
        raw = text.paragraph(rng)
        document = documents.issue(
            reference,
            number,
            text.title(rng, number),
            reporter=_reporter(store, rng),
            assignee=rng.choice(people) if rng.random() < 0.6 else None,
            created_on=offset_form(created),
            updated_on=offset_form(min(updated, LAST_DAY)),
            edited_on=_edited(rng, updated),
            state=rng.choice(STATES),
            kind=rng.choice(KINDS),
            priority=rng.choice(PRIORITIES),
            milestone=_maybe(rng, tracker["milestone"]),
            version=_maybe(rng, tracker["version"]),
            component=_maybe(rng, tracker["component"]),
            votes=rng.choice((0, 0, 0, 1, 2, 17)),
            watches=number % 4,
            content=rendered(raw),
        )
        issue = Issue(document)
        repository.issues[number] = issue
        for _ in range(rng.choices((0, 1, 3), (50, 30, 20))[0]):
            comment_id += 1
            created += timedelta(hours=rng.randrange(1, 90), microseconds=rng.randrange(10**6))
            issue.comments[comment_id] = _comment(
                store, document, comment_id, created, rng, _reporter(store, rng)
            )


def _add_tracker(store: Store, repository: Repository) -> dict[str, list[Json]]:
    places = {
        "component": repository.components,
        "milestone": repository.milestones,
        "version": repository.versions,
    }
    for kind, names in _TRACKER.items():
        for number, name in enumerate(names, start=1):
            item = store.documents.tracker_item(kind, repository.full_name, number, name)
            places[kind][number] = item
    return {kind: list(items.values()) for kind, items in places.items()}


def _maybe(rng: Random, items: list[Json]) -> Json | None:
    if rng.random() < 0.4:
        return None
    item = rng.choice(items)
    return {key: item[key] for key in ("type", "id", "name", "links")}


def _reporter(store: Store, rng: Random) -> Json | None:
    chance = rng.random()
    if chance < 0.05:
        return None  # reported by someone who had not signed in
    return former_user() if chance < 0.1 else anybody(store, rng, chance)


def _edited(rng: Random, updated: datetime) -> str | None:
    if rng.random() < 0.7:
        return None
    # Seen live, rarely: a time without its zone.
    return bare_form(updated) if rng.random() < 0.2 else offset_form(updated)


def _comment(
    store: Store, issue: Json, number: int, created: datetime, rng: Random, user: Json | None
) -> Json:
    path = f"/repositories/{issue['repository']['full_name']}/issues/{issue['id']}"
    return store.documents.comment(
        "issue_comment",
        path,
        number,
        text.remark(rng),
        created_on=offset_form(created),
        updated_on=None if rng.random() < 0.7 else offset_form(created + timedelta(minutes=5)),
        user=user,
        issue=store.documents.issue_reference(issue),
    )
