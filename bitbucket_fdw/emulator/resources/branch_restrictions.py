"""Rules on what may happen to branches of a repository.

Documented: the kinds, the members, and that ``kind`` and ``pattern`` select rules. Seen live by
users, 2026: page numbers; administrators of the repository only; old rules have no
``branch_match_kind``. Assumed: of the two members that say which branches, the one that is not used
is empty or absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bitbucket_fdw.emulator.documents import Documents
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, not_found
from bitbucket_fdw.emulator.levels import ADMINISTERED
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Choice, Item, Resource
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Repository, Store

SCOPES: dict[str, Any] = {
    "classic": "repository:admin",
    "new": "admin:repository",
    "public": False,
}
GROUPS = ("administrators", "developers")  # of each workspace, by slug

Rule = tuple[str, str, int | None, tuple[str, ...], tuple[str, ...]]


def group(workspace: str, slug: str) -> Json:
    """A group of a workspace, as rules show it."""
    return {
        "type": "group",
        "name": slug.title(),
        "slug": slug,
        "full_slug": f"{workspace}:{slug}",
    }


def rule(
    documents: Documents,
    repository: Repository,
    number: int,
    kind: str,
    branches: Json,
    value: int | None,
    users: list[Json],
    groups: list[Json],
) -> Json:
    """A rule.

    :param branches: the members that say which branches it is for.
    """
    path = f"/repositories/{repository.full_name}/branch-restrictions/{number}"
    return {
        "type": "branchrestriction",
        "id": number,
        "kind": kind,
        **branches,
        "value": value,
        "users": users,
        "groups": groups,
        "links": {"self": {"href": f"{documents.api}{path}"}},
    }


# Kind, branches (a type of branches, or a pattern), value, and those to whom it does not apply.
_BY_PATTERN: tuple[Rule, ...] = (
    ("push", "main", None, ("ada", "emre"), ("administrators",)),
    ("push", "release/*", None, ("fatima",), ()),
    ("delete", "main", None, (), ()),
    ("force", "*", None, (), ()),
    ("restrict_merges", "main", None, ("ada",), ("developers", "administrators")),
    ("require_approvals_to_merge", "main", 2, (), ()),
    ("require_approvals_to_merge", "release/*", 1, (), ()),
    ("require_passing_builds_to_merge", "main", 1, (), ()),
    ("enforce_merge_checks", "main", None, (), ()),
    ("require_tasks_to_be_completed", "main", None, (), ()),
)
_BY_MODEL: tuple[Rule, ...] = (
    ("require_approvals_to_merge", "type:development", 1, (), ()),
    ("require_passing_builds_to_merge", "type:production", 2, (), ()),
    ("force", "type:release", None, (), ()),
)
_WITHOUT_BUILDS: tuple[Rule, ...] = (
    ("push", "main", None, ("goro",), ()),
    ("require_approvals_to_merge", "type:feature", 1, (), ()),
)
# One after the other, repository by repository: also none at all.
_PLANS: tuple[tuple[Rule, ...], ...] = (_BY_PATTERN, (), _WITHOUT_BUILDS, _BY_MODEL)


def branches_of(pattern: str | None, branch_type: str | None) -> Json:
    """The members that say which branches a rule is for."""
    if branch_type is None:
        return {"branch_match_kind": "glob", "pattern": pattern}
    return {"branch_match_kind": "branching_model", "branch_type": branch_type, "pattern": ""}


def _restrictions(sample: Sample, repository: Repository) -> Iterator[Json]:
    store = sample.store
    place = list(store.workspaces[repository.workspace].repositories).index(repository.slug)
    number = sample.rng.randrange(1_000_000, 9_000_000)
    for kind, which, value, users, groups in _PLANS[place % len(_PLANS)]:
        number += sample.rng.randrange(1, 40)
        branch_type = which.removeprefix("type:") if which.startswith("type:") else None
        branches = branches_of(which, branch_type)
        if kind == "delete":  # an old one
            branches.pop("branch_match_kind")
        yield rule(
            store.documents,
            repository,
            number,
            kind,
            branches,
            value,
            _people(store, repository, users),
            [group(repository.workspace, slug) for slug in groups],
        )


def _people(store: Store, repository: Repository, nicknames: tuple[str, ...]) -> list[Json]:
    """Those of the accounts that can write to the repository."""
    able = [name for name in nicknames if repository.roles.get(name) in ("write", "admin")]
    return [store.users[name] for name in able]


BRANCH_RESTRICTIONS = Resource(
    "branch_restrictions",
    ADMINISTERED,
    "/branch-restrictions",
    **SCOPES,
    listing=Listing(PageRules(numbered=True)),
    item=Item("id", lambda key: not_found("No such restriction"), number="Branch restriction"),
    choices={
        "kind": Choice(lambda document: document["kind"]),
        "pattern": Choice(lambda document: document["pattern"]),
    },
    sample=_restrictions,
)

RESOURCES = (BRANCH_RESTRICTIONS,)
