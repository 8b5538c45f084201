"""Writes of projects and repositories.

Stated: a project's key may change, and then ``Location`` says where it is; PUT creates what is not
there; a project that still has repositories cannot be deleted (403); a repository without a
project goes to the oldest one. Assumed: a project key or slug that is taken answers 409; renaming
a repository here leaves its slug alone.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, error, not_found, repository_not_found
from bitbucket_fdw.emulator.levels import REPOSITORY
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Project, Repository, Workspace
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

PROJECT_WRITE: dict[str, Any] = {
    "classic": "project:admin",
    "new": "admin:project",
    "public": False,
}
REPOSITORY_WRITE: dict[str, Any] = {
    "classic": "repository:admin",
    "new": "admin:repository",
    "public": False,
}
REPOSITORY_DELETE: dict[str, Any] = {
    "classic": "repository:delete",
    "new": "delete:repository",
    "public": False,
}

PROJECTS = "/workspaces/{workspace}/projects"
PROJECT = f"{PROJECTS}/{{project_key}}"

_PROJECT_FIELDS = {
    "key": Rule(required=True, pattern=r"[A-Z][A-Z0-9_]*", longest=128),
    "name": Rule(required=True, longest=128),
    "description": Rule(blank=True),
    "is_private": Rule("boolean"),
}
_REPOSITORY_FIELDS = {
    "name": Rule(longest=128),
    "scm": Rule(choices=("git",)),
    "description": Rule(nullable=True, blank=True),
    "is_private": Rule("boolean"),
    "has_issues": Rule("boolean"),
    "has_wiki": Rule("boolean"),
    "language": Rule(nullable=True, blank=True),
    "fork_policy": Rule(choices=("allow_forks", "no_public_forks", "no_forks")),
    "project.key": Rule(),
    "mainbranch.name": Rule(),
}


def _administered(call: Call) -> Workspace:
    """The workspace in the path, which the caller must administer."""
    workspace = call.workspace()
    token = call.credential
    whole = token.workspace == workspace.slug and token.repository is None
    if not whole and call.credential.user not in workspace.administrators:
        raise error(403, "You do not have permission to administer this workspace.")
    return workspace


def _new_uuid(call: Call, name: str) -> str:
    return f"{{{uuid5(NAMESPACE_URL, f'{name} {call.store.next_id()}')}}}"


def _add_project(call: Call, workspace: Workspace, key: str, given: Json) -> Json:
    now = call.store.now()
    project = call.store.documents.project(
        workspace.document,
        key,
        given["name"],
        _new_uuid(call, key),
        description=given.get("description") or "",
        is_private=given.get("is_private", True),
        created_on=now,
        updated_on=now,
        has_publicly_visible_repos=False,
    )
    workspace.projects[key] = Project(project)
    return project


@routes.add("POST", PROJECTS, **PROJECT_WRITE)
def create_project(call: Call) -> Reply:
    """Create a project."""
    workspace = _administered(call)
    given = read(call.body, _PROJECT_FIELDS)
    _refuse_taken_key(workspace, given["key"])
    project = _add_project(call, workspace, given["key"], given)
    return Reply(201, project, {"Location": project["links"]["self"]["href"]})


def _refuse_taken_key(workspace: Workspace, key: str) -> None:
    if key in workspace.projects:
        message = "A project with this key already exists."
        raise error(409, f"key: {message}", fields={"key": [message]})


@routes.add("PUT", PROJECT, **PROJECT_WRITE)
def put_project(call: Call) -> Reply:
    """Change a project, or create the one that is not there."""
    workspace, key = _administered(call), call.path["project_key"]
    record = workspace.projects.get(key)
    if record is None:
        rules = {name: rule for name, rule in _PROJECT_FIELDS.items() if name != "key"}
        made = _add_project(call, workspace, key, read(call.body, rules))
        return Reply(201, made, {"Location": made["links"]["self"]["href"]})
    given = read(call.body, _PROJECT_FIELDS, partial=True)
    headers: dict[str, str] = {}
    if "description" in given:
        given["description"] = given["description"] or ""
    if given.get("key", key) != key:
        _refuse_taken_key(workspace, given["key"])
        _move_project(call, workspace, record, given["key"])
        headers["Location"] = record.document["links"]["self"]["href"]
    record.document.update(given, updated_on=call.store.now())
    return Reply(200, record.document, headers)


def _move_project(call: Call, workspace: Workspace, record: Project, key: str) -> None:
    """Give a project a new key, and with it new links."""
    project = record.document
    skeleton = ("type", "uuid", "key", "name", "owner", "workspace", "links")
    more = {name: value for name, value in project.items() if name not in skeleton}
    record.document = call.store.documents.project(
        workspace.document, key, project["name"], project["uuid"], **more
    )
    workspace.projects = {
        (key if old is record else name): old for name, old in workspace.projects.items()
    }
    for repository in workspace.repositories.values():
        if repository.document["project"]["uuid"] == project["uuid"]:
            reference = call.store.documents.project_reference(record.document)
            repository.document["project"] = reference


@routes.add("DELETE", PROJECT, **PROJECT_WRITE)
def delete_project(call: Call) -> Reply:
    """Delete a project that has no repositories."""
    workspace, key = _administered(call), call.path["project_key"]
    project = workspace.projects.get(key)
    if project is None:
        raise not_found(f"Project {key} does not exist")
    for repository in workspace.repositories.values():
        if repository.document["project"]["uuid"] == project.document["uuid"]:
            raise error(403, "This project still contains repositories.")
    del workspace.projects[key]
    return Reply(204)


def _project_of(call: Call, workspace: Workspace, key: str | None) -> Json:
    projects = workspace.projects
    found = next(iter(projects.values())) if key is None else projects.get(key)
    if found is None:
        found = next((p for p in projects.values() if p.document["uuid"] == key), None)
    if found is None:
        message = f"Project {key} does not exist."
        raise error(400, f"project: {message}", fields={"project": [message]})
    return call.store.documents.project_reference(found.document)


@routes.add("POST", REPOSITORY.template, **REPOSITORY_WRITE)
def create_repository(call: Call) -> Reply:
    """Create a repository, empty; answers 200 (stated)."""
    workspace, slug = _administered(call), call.path["repo_slug"]
    if slug.lower() in workspace.repositories:
        raise error(400, "Repository with this Slug and Owner already exists.")
    given = read(call.body, _REPOSITORY_FIELDS)
    now = call.store.now()
    document = call.store.documents.repository(
        workspace.document,
        slug.lower(),
        uuid=_new_uuid(call, slug),
        name=given.get("name", slug),
        is_private=given.get("is_private", True),
        parent=None,
        scm="git",
        description=given.get("description") or "",
        created_on=now,
        updated_on=now,
        size=0,
        language=given.get("language") or "",
        has_issues=given.get("has_issues", False),
        has_wiki=given.get("has_wiki", False),
        fork_policy=given.get("fork_policy", "no_public_forks"),
        project=_project_of(call, workspace, given.get("project.key")),
        mainbranch=None,
        override_settings={"default_merge_strategy": True, "branching_model": True},
        website=None,
    )
    repository = Repository(workspace, slug.lower(), document)
    workspace.repositories[slug.lower()] = repository
    return Reply(200, document)


@routes.add("PUT", REPOSITORY.template, **REPOSITORY_WRITE)
def update_repository(call: Call) -> Json:
    """Change a repository."""
    repository = call.repository("admin")
    given = read(call.body, _REPOSITORY_FIELDS, partial=True)
    document = repository.document
    if "project.key" in given:
        workspace = call.workspace()
        document["project"] = _project_of(call, workspace, given.pop("project.key"))
    if "mainbranch.name" in given:
        name = given.pop("mainbranch.name")
        if name not in repository.branches:
            message = f"branch not found: {name}"
            raise error(400, f"mainbranch: {message}", fields={"mainbranch": [message]})
        document["mainbranch"] = {"type": "branch", "name": name}
    for name in ("description", "language"):
        if name in given:
            given[name] = given[name] or ""
    document.update(given, updated_on=call.store.now())
    return document


@routes.add("DELETE", REPOSITORY.template, **REPOSITORY_DELETE, parameters=("redirect_to",))
def delete_repository(call: Call) -> Reply:
    """Delete a repository; its forks stay, without a parent."""
    repository = call.repository("admin")
    workspace = call.store.find_workspace(repository.workspace)
    if workspace is None:
        raise repository_not_found()
    del workspace.repositories[repository.slug]
    for other in call.store.repositories():
        parent = other.document["parent"]
        if parent and parent["uuid"] == repository.document["uuid"]:
            other.document["parent"] = None
    return Reply(204)
