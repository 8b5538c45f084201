"""The records that collections belong to: workspaces, repositories, and what is in repositories.

A :class:`Level` knows the address of such a record, finds the one that a request names, and visits
all of them. Endpoints, sample data and ``/_emulator/state`` use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import (
    Json,
    error,
    not_found,
    pipelines_error,
    pipelines_not_found,
)
from bitbucket_fdw.emulator.store import (
    Commit,
    Issue,
    Pipeline,
    Project,
    PullRequest,
    Repository,
    Step,
    Store,
    Workspace,
)


@dataclass(frozen=True)
class Level:
    """One kind of record.

    :param template: its address.
    :param find: gives the record that a request's path names; raises 404 where there is none.
    :param records: gives the records within one of the level above.
    :param member: the member of the record's document that tells it from the others beside it.
    :param variable: the path variable that holds it.
    :param place: what holds it in the rows of ``/_emulator/state``, by the name that tables have
        for it.
    :param above: the level above; None for the store, which is the top.
    """

    template: str
    find: Callable[[Call], Any]
    records: Callable[[Any], Iterable[Any]] = lambda above: ()
    member: str = ""
    variable: str = ""
    place: str = ""
    above: Level | None = None

    def walk(self, store: Store) -> Iterator[tuple[Json, Any]]:
        """Every record of this level, each with its place: the keys from the workspace down."""
        if self.above is None:
            yield {}, store
            return
        for place, record in self.above.walk(store):
            for found in self.records(record):
                yield {**place, self.place: found.document[self.member]}, found

    def address(self, place: Json) -> str:
        """The address of the record at ``place``."""
        path = self.template
        level: Level | None = self
        while level is not None and level.above is not None:
            value = quote(str(place[level.place]), safe="")
            path, level = path.replace(f"{{{level.variable}}}", value), level.above
        return path


STORE = Level("", lambda call: call.store)


@dataclass
class Answer:
    """What stands for a record where an address has one document, which is of the caller."""

    document: Json


# Workspaces


def member_of(call: Call) -> Workspace:
    """The workspace in the path, if the caller belongs to it; 403 if not."""
    workspace, mine = call.workspace(), call.credential
    if mine.workspace != workspace.slug and mine.user not in workspace.members:
        raise error(403, "You do not have access to this workspace.")
    return workspace


WORKSPACE = Level(
    "/workspaces/{workspace}",
    Call.workspace,
    lambda store: store.workspaces.values(),
    "slug",
    "workspace",
    "workspace",
    STORE,
)
OWN_WORKSPACE = replace(WORKSPACE, find=member_of)
REPOSITORIES_OF_WORKSPACE = replace(WORKSPACE, template="/repositories/{workspace}")


# Projects


def project_of(call: Call) -> Project:
    """The project in the path; 404 where there is none, or only members of the workspace see it."""
    workspace, key = call.workspace(), call.path["project_key"]
    found = workspace.projects.get(key)
    if found is None or not sees_project(call, found.document):
        raise not_found(f"Project {key} does not exist")
    return found


def sees_project(call: Call, project: Json) -> bool:
    """Whether a project is public, or of a workspace that the caller belongs to."""
    workspace = call.workspace()
    inside = workspace.slug == call.credential.workspace
    return inside or call.credential.user in workspace.members or not project["is_private"]


PROJECT = Level(
    "/workspaces/{workspace}/projects/{project_key}",
    project_of,
    lambda workspace: workspace.projects.values(),
    "key",
    "project_key",
    "project_key",
    WORKSPACE,
)

# Repositories


def tracker(call: Call) -> Repository:
    """The repository in the path; 404 when it has no issue tracker."""
    found = call.repository()
    if not found.document["has_issues"]:
        raise not_found("Repository has no issue tracker.")
    return found


REPOSITORY = Level(
    "/repositories/{workspace}/{repo_slug}",
    Call.repository,
    lambda workspace: workspace.repositories.values(),
    "slug",
    "repo_slug",
    "repository",
    WORKSPACE,
)
PIPELINES_OFF = "pipelines_off"  # the kind of fault under which no repository has Pipelines


def with_pipelines(call: Call) -> Repository:
    """The repository in the path; 404 while a fault has its Pipelines switched off."""
    found = call.repository()
    if PIPELINES_OFF in call.flags:
        detail = "Pipelines is not enabled for this repository"
        raise pipelines_error(404, "Not found", detail, "result-service.pipelines.disabled")
    return found


ADMINISTERED = replace(REPOSITORY, find=lambda call: call.repository("admin"))
TRACKER = replace(REPOSITORY, find=tracker)
WITH_PIPELINES = replace(REPOSITORY, find=with_pipelines)

# What has collections of its own within a repository


def commit_of(call: Call) -> Commit:
    """The commit in the path, by at least seven digits of its hash or by a ref."""
    return call.commit(call.repository(), call.path["commit"])


def pull_request_of(call: Call) -> PullRequest:
    """The pull request in the path; 404 when there is none."""
    number = call.number("pull_request_id", "Pull request")
    found = call.repository().pull_requests.get(number)
    if found is None:
        raise not_found(f"Pull request {number} not found")
    return found


def issue_of(call: Call) -> Issue:
    """The issue in the path; 404 when there is none."""
    number = call.number("issue_id", "Issue")
    found = tracker(call).issues.get(number)
    if found is None:
        raise not_found(f"No Issue matches the given query: {number}")
    return found


def pipeline_of(call: Call) -> Pipeline:
    """The pipeline in the path, by ``{uuid}`` or build number; 404 when there is none."""
    key, found = call.path["pipeline_uuid"], with_pipelines(call).pipelines
    if key in found:
        return found[key]
    if key.isascii() and key.isdigit():
        for pipeline in found.values():
            if pipeline.document["build_number"] == int(key):
                return pipeline
    raise pipelines_not_found("pipeline", key, "result-service.pipeline")


def step_of(call: Call) -> Step:
    """The step in the path; 404 when there is none."""
    key = call.path["step_uuid"]
    found = pipeline_of(call).steps.get(key)
    if found is None:
        raise pipelines_not_found("step", key, "result-service.step")
    return Step(found)


def _within(
    path: str, find: Callable[[Call], Any], kept: str, member: str, variable: str, place: str
) -> Level:
    template = f"{REPOSITORY.template}/{path}/{{{variable}}}"

    def records(repository: Repository) -> Iterable[Any]:
        return list(getattr(repository, kept).values())

    return Level(template, find, records, member, variable, place, REPOSITORY)


COMMIT = _within("commit", commit_of, "commits", "hash", "commit", "commit_hash")
PULL_REQUEST = _within(
    *("pullrequests", pull_request_of, "pull_requests", "id", "pull_request_id", "pull_request_id")
)
ISSUE = _within("issues", issue_of, "issues", "id", "issue_id", "issue_id")
PIPELINE = _within("pipelines", pipeline_of, "pipelines", "uuid", "pipeline_uuid", "pipeline_uuid")
STEP = Level(
    f"{PIPELINE.template}/steps/{{step_uuid}}",
    step_of,
    lambda pipeline: [Step(document) for document in pipeline.steps.values()],
    "uuid",
    "step_uuid",
    "step_uuid",
    PIPELINE,
)
