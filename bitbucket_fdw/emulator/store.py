"""The emulator's data, held in memory: JSON documents, and records around some of them.

A record holds what its document does not show, such as the files of a commit or the readers of a
repository, and the collections below it. Handlers read and change records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from bitbucket_fdw.emulator.documents import Documents
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.times import UTC

ROLES = ("read", "write", "admin")


@dataclass
class Record:
    """Something that has collections of its own.

    :param below: those of its collections that are declared as resources, by their name.
    """

    below: defaultdict[str, dict[Any, Json]] = field(
        default_factory=lambda: defaultdict(dict), kw_only=True
    )


@dataclass
class Commit(Record):
    """A commit, its repository, the paths that it touched, its comments and build statuses."""

    document: Json
    files: tuple[str, ...]
    repository: Repository = field(repr=False, compare=False)
    comments: dict[int, Json] = field(default_factory=dict)
    statuses: dict[str, Json] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """All 40 digits."""
        text: str = self.document["hash"]
        return text

    @property
    def parents(self) -> list[str]:
        """The parents' hashes."""
        return [parent["hash"] for parent in self.document["parents"]]


@dataclass
class PullRequest(Record):
    """A pull request with the collections below it.

    :param document: its JSON, as an item.
    :param commits: the hashes of its commits, oldest first.
    :param repository: the one that it would change.
    :param unrelated: whether its branches have no common history.
    :param activity: its log.
    :param conflicts: whether merging fails.
    :param merge_tasks: merges under way, by task id, each with what finishes it.
    :param seen_tasks: those of them that were looked at once.
    :param closes_branch: what ``close_source_branch`` was when it was opened.
    """

    document: Json
    source_hash: str
    destination_hash: str
    commits: list[str]
    repository: Repository = field(repr=False, compare=False)
    unrelated: bool = False
    comments: dict[int, Json] = field(default_factory=dict)
    tasks: dict[int, Json] = field(default_factory=dict)
    activity: list[Json] = field(default_factory=list)
    conflicts: bool = False
    merge_tasks: dict[str, Callable[[], None]] = field(default_factory=dict)
    seen_tasks: set[str] = field(default_factory=set)
    closes_branch: bool = False

    def __post_init__(self) -> None:
        self.closes_branch = bool(self.document.get("close_source_branch"))


@dataclass
class Issue(Record):
    """An issue with its comments."""

    document: Json
    comments: dict[int, Json] = field(default_factory=dict)


@dataclass
class Pipeline(Record):
    """A pipeline with its steps."""

    document: Json
    steps: dict[str, Json] = field(default_factory=dict)


@dataclass
class Project(Record):
    """A project of a workspace with the collections below it."""

    document: Json


@dataclass
class Step(Record):
    """A step of a pipeline, for what belongs to it."""

    document: Json


@dataclass
class Repository(Record):
    """A repository with everything below it."""

    home: Workspace = field(repr=False, compare=False)
    slug: str
    document: Json
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, Json] = field(default_factory=dict)
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    components: dict[int, Json] = field(default_factory=dict)
    milestones: dict[int, Json] = field(default_factory=dict)
    versions: dict[int, Json] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    downloads: dict[str, Json] = field(default_factory=dict)
    hooks: dict[str, Json] = field(default_factory=dict)

    @property
    def workspace(self) -> str:
        """The slug of its workspace."""
        return self.home.slug

    @property
    def full_name(self) -> str:
        """``workspace/slug``."""
        return f"{self.workspace}/{self.slug}"

    @property
    def is_private(self) -> bool:
        """Whether only those with a role see it."""
        return bool(self.document["is_private"])

    @property
    def main_branch(self) -> str | None:
        """The name of the main branch; None in an empty repository."""
        branch = self.document["mainbranch"]
        return branch["name"] if branch else None

    @property
    def roles(self) -> dict[str, str]:
        """Who may do what: nicknames to the highest of ``read``, ``write`` and ``admin``.

        It is given to owners of the workspace, and by what accounts and their groups may do in the
        repository itself and in its project.
        """
        found = dict.fromkeys(self.home.administrators, "admin")
        project = self.home.projects.get(self.document["project"]["key"])
        for record in (self, project):
            for nickname, permission in self.home.granted(record) if record else ():
                role = "write" if permission == "create-repo" else permission
                if ROLES.index(role) > ROLES.index(found.setdefault(nickname, role)):
                    found[nickname] = role
        return found

    def role_of(self, nickname: str | None) -> str | None:
        """``admin``, ``write``, ``read`` or None."""
        given = self.roles.get(nickname) if nickname else None
        return given or (None if self.is_private else "read")

    def commit_by(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag, or a hash (at least 7 digits of it) names."""
        ref = self.branches.get(revision) or self.tags.get(revision)
        if ref is not None:
            return self.commits.get(ref["target"]["hash"])
        exact = self.commits.get(revision)
        if exact is not None or not 7 <= len(revision) < 40:
            return exact
        matches = [found for key, found in self.commits.items() if key.startswith(revision)]
        return matches[0] if len(matches) == 1 else None


@dataclass
class Group:
    """A group of a workspace. No endpoint of this version of the API tells its members.

    :param members: their nicknames.
    """

    document: Json
    members: Sequence[str]


@dataclass
class Workspace(Record):
    """A workspace: its members (nickname to membership document), projects and repositories.

    :param administrators: the nicknames of its owners.
    :param project_creators: the nicknames of others who may add projects.
    :param groups: its groups by slug.
    :param users: the accounts of everybody by nickname, also of those who are no members.
    """

    document: Json
    members: dict[str, Json] = field(default_factory=dict)
    administrators: set[str] = field(default_factory=set)
    project_creators: set[str] = field(default_factory=set)
    groups: dict[str, Group] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict, repr=False)
    emails: dict[str, str] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name in addresses."""
        text: str = self.document["slug"]
        return text

    def granted(self, record: Project | Repository) -> Iterator[tuple[str, str]]:
        """Nicknames with the explicit permissions that they have, also those of their groups."""
        for document in record.below["user_permissions"].values():
            yield document["user"]["nickname"], document["permission"]
        for slug, document in record.below["group_permissions"].items():
            for nickname in self.groups[slug].members:
                yield nickname, document["permission"]


class Store:
    """All the data. ``version`` goes up with each change, so that lists can be kept until then."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.workspaces: dict[str, Workspace] = {}
        self.users: dict[str, Json] = {}
        self.version = 0
        self._ids = count(90_000_000)
        self._latest = datetime.now(UTC)

    def next_id(self) -> int:
        """A number for a new comment or task; never one of the generated data."""
        return next(self._ids)

    def now(self) -> str:
        """The present time; never the same twice, so that what is written has an order."""
        self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
        return self._latest.isoformat(timespec="microseconds")

    def changed(self) -> None:
        """Note that a document has changed."""
        self.version += 1

    def repositories(self) -> Iterator[Repository]:
        """All repositories of all workspaces."""
        for workspace in self.workspaces.values():
            yield from workspace.repositories.values()

    def find_workspace(self, identifier: str) -> Workspace | None:
        """A workspace by slug or ``{uuid}``."""
        found = self.workspaces.get(identifier.lower())
        if found is not None or not identifier.startswith("{"):
            return found
        matches = (w for w in self.workspaces.values() if w.document["uuid"] == identifier)
        return next(matches, None)

    def find_repository(self, workspace: Workspace, identifier: str) -> Repository | None:
        """A repository by slug, whatever its case, or ``{uuid}``."""
        found = workspace.repositories.get(identifier.lower())
        if found is not None or not identifier.startswith("{"):
            return found
        for repository in workspace.repositories.values():
            if repository.document["uuid"] == identifier:
                return repository
        return None

    def user_by(self, key: str, value: str) -> Json | None:
        """A user document by ``uuid``, ``account_id`` or ``nickname``."""
        for user in self.users.values():
            if user.get(key) == value:
                return user
        return None
