"""Who may do what in the sample data: groups, and permissions that were given explicitly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Group, Project, Repository, Store

# Workspace, slug, name, and the nicknames of the members.
_GROUPS = (
    ("acme", "administrators", "Administrators", ("ada",)),
    ("acme", "developers", "Developers", ("emre", "fatima", "goro", "hana")),
    ("acme", "release-managers", "Release managers 🚀", ("goro", "hana")),
    ("acme", "contractors", "Contractors", ()),
    ("globex", "developers", "Developers", ("ada",)),
)

Given = Mapping[str, Mapping[str, str]]
"""To a project's or repository's address: what is given to whom."""

_PROJECT_USERS: Given = {
    "acme/WEB": {"hana": "admin"},
    "acme/OPS": {"emre": "create-repo", "fatima": "read"},
}
_PROJECT_GROUPS: Given = {
    "acme/WEB": {"developers": "write"},
    "acme/MOB": {"developers": "write", "release-managers": "admin"},
    "acme/OPS": {"developers": "create-repo", "contractors": "read"},
    "globex/CORE": {"developers": "write"},
}
_REPOSITORY_USERS: Given = {
    "acme/website": {"ben": "read", "chloe": "read", "dilip": "read", "fatima": "admin"},
    "acme/mobile.app": {"oauth-app": "read", "emre": "admin"},
}
_REPOSITORY_GROUPS: Given = {
    "acme/website": {"contractors": "read", "administrators": "admin"},
    "acme/design-system": {"release-managers": "admin"},
    "acme/orphan-fork": {"release-managers": "admin", "developers": "read"},
}


def add_groups(store: Store) -> None:
    """Add the groups of every workspace."""
    for slug, group, name, members in _GROUPS:
        workspace = store.workspaces[slug]
        document = store.documents.group(workspace.document, group, name)
        workspace.groups[group] = Group(document, members)


def _address(record: Project | Repository) -> tuple[str, str]:
    """How a project or repository is named above, and its path in the API."""
    if isinstance(record, Repository):
        return record.full_name, f"/repositories/{record.full_name}"
    workspace, key = record.document["workspace"]["slug"], record.document["key"]
    return f"{workspace}/{key}", f"/workspaces/{workspace}/projects/{key}"


def given_to_users(sample: Sample, record: Project | Repository) -> Iterator[Json]:
    """The permissions that accounts were given themselves."""
    name, _ = _address(record)
    for given in (_PROJECT_USERS, _REPOSITORY_USERS):
        for nickname, permission in given.get(name, {}).items():
            yield made(sample.store, record, "user", sample.store.users[nickname], permission)


def given_to_groups(sample: Sample, record: Project | Repository) -> Iterator[Json]:
    """The permissions that groups were given."""
    name, _ = _address(record)
    groups = sample.store.workspaces[name.partition("/")[0]].groups
    for given in (_PROJECT_GROUPS, _REPOSITORY_GROUPS):
        for slug, permission in given.get(name, {}).items():
            yield made(sample.store, record, "group", groups[slug].document, permission)


def made(
    store: Store, record: Project | Repository, kind: str, holder: Json, permission: Any
) -> Json:
    """The document of an explicit permission.

    :param kind: ``user`` or ``group``.
    :param holder: the account or the group that it is given to.
    """
    _, path = _address(record)
    return store.documents.explicit_permission(path, record.document, kind, holder, permission)
