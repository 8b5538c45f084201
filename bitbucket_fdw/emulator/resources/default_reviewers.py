"""Default reviewers: of repositories, of projects, and both together.

Seen live by users, 2026: page numbers, at most 100 a page; the listings of projects and of the
effective ones wrap each account, and say in ``reviewer_type`` where it comes from; a project's item
is the bare account; an effective one may be inactive. Assumed: whoever is one in the repository and
in the project is listed once, as one of the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, error, not_found
from bitbucket_fdw.emulator.levels import PROJECT, REPOSITORY, project_of
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Item, Resource
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Project, Repository, Store

_NUMBERED = Listing(PageRules(numbered=True))
_SCOPES: dict[str, Any] = {"classic": "pullrequest", "new": "read:pullrequest"}

# By the place of the repository in its workspace, again and again: also none at all.
_OF_REPOSITORIES = (("ada", "fatima", "oauth-app"), (), ("hana",), ("goro", "emre"))
_OF_PROJECTS = {
    "WEB": ("goro", "fatima"),
    "OPS": ("emre",),
    "MOB": ("chloe",),
    "CORE": ("ben",),
}
_INACTIVE_IN = "WEB"


def administered_project(call: Call) -> Project:
    """The project in the path, which the caller must administer; 403 if not."""
    found = project_of(call)
    whole = call.credential.workspace == call.workspace().slug
    if not whole and call.credential.user not in call.workspace().administrators:
        raise error(403, "You do not have permission to administer this project.")
    return found


ADMINISTERED_PROJECT = replace(PROJECT, find=administered_project)


def _missing(key: str) -> Any:
    return not_found(f"{key} is not a default reviewer")


def _of_key(reviewers: dict[str, Json], key: str) -> Json | None:
    """A reviewer by UUID or account id, never by name."""
    name = "uuid" if key.startswith("{") else "account_id"
    found = (r for r in reviewers.values() if account_of(r).get(name) == key)
    return next(found, None)


def account_of(reviewer: Json) -> Json:
    """The account of a listed reviewer, wrapped or not."""
    found: Json = reviewer.get("user", reviewer)
    return found


def wrapped(account: Json, reviewer_type: str) -> Json:
    """An account as the listings show it that say where it comes from."""
    return {"type": "default_reviewer", "reviewer_type": reviewer_type, "user": account}


def _of_repository(sample: Sample, repository: Repository) -> Iterator[Json]:
    store = sample.store
    place = list(store.workspaces[repository.workspace].repositories).index(repository.slug)
    for nickname in _OF_REPOSITORIES[place % len(_OF_REPOSITORIES)]:
        yield store.users[nickname]


def _of_project(sample: Sample, project: Project) -> Iterator[Json]:
    key = project.document["key"]
    accounts = [sample.store.users[nickname] for nickname in _OF_PROJECTS.get(key, ())]
    if key == _INACTIVE_IN:
        name, uuid = "Former colleague", sample.uuid()
        former = sample.store.documents.user("former", name, uuid, f"557058:{uuid[1:-1]}")
        accounts.append({**former, "account_status": "inactive"})
    for account in accounts:
        yield wrapped(account, "project")


PROJECT_DEFAULT_REVIEWERS = Resource(
    "project_default_reviewers",
    ADMINISTERED_PROJECT,
    "/default-reviewers",
    classic="project:admin",
    new="read:pullrequest",
    public=False,
    listing=_NUMBERED,
    item=Item(
        "user.uuid",
        _missing,
        variable="selected_user",
        find=lambda project, key: _of_key(project.below["project_default_reviewers"], key),
    ),
    shown=lambda call, document: account_of(document),
    sample=_of_project,
)
DEFAULT_REVIEWERS = Resource(
    "default_reviewers",
    REPOSITORY,
    "/default-reviewers",
    **_SCOPES,
    listing=_NUMBERED,
    item=Item(
        "uuid",
        _missing,
        variable="target_username",
        find=lambda repository, key: _of_key(repository.below["default_reviewers"], key),
    ),
    sample=_of_repository,
)


def effective(store: Store, repository: Repository) -> dict[str, Json]:
    """The reviewers of a repository and of its project, by UUID."""
    project = store.workspaces[repository.workspace].projects[repository.document["project"]["key"]]
    of_project = PROJECT_DEFAULT_REVIEWERS.documents(project)
    of_repository = DEFAULT_REVIEWERS.documents(repository)
    return {
        **{reviewer["user"]["uuid"]: reviewer for reviewer in of_project},
        **{account["uuid"]: wrapped(account, "repository") for account in of_repository},
    }


def refresh(store: Store, workspace: str) -> None:
    """Compute the effective reviewers of a workspace's repositories anew."""
    for repository in store.workspaces[workspace].repositories.values():
        kept = EFFECTIVE_DEFAULT_REVIEWERS.stored(repository)
        kept.clear()
        kept.update(effective(store, repository))


EFFECTIVE_DEFAULT_REVIEWERS = Resource(
    "effective_default_reviewers",
    REPOSITORY,
    "/effective-default-reviewers",
    **_SCOPES,
    listing=_NUMBERED,
    sample=lambda sample, repository: effective(sample.store, repository).values(),
)

RESOURCES = (PROJECT_DEFAULT_REVIEWERS, DEFAULT_REVIEWERS, EFFECTIVE_DEFAULT_REVIEWERS)
