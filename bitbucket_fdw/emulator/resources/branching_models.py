"""Branching models of repositories and projects, and how they are set up.

Documented: the members. Seen live by users, 2026: ``settings`` answer administrators only;
``production`` is absent while it is off, a branch while it is not there, and ``enabled`` of a type
of branches while it is on. Disputed: whether ``default_branch_deletion`` is text or a boolean.
Assumed: a name is null while the main branch is followed; a project, which has no branches, does
not say whether a name is one of a branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bitbucket_fdw.emulator.errors import Json, not_found
from bitbucket_fdw.emulator.levels import ADMINISTERED, REPOSITORY
from bitbucket_fdw.emulator.resource import Resource, Single, Way
from bitbucket_fdw.emulator.resources.default_reviewers import ADMINISTERED_PROJECT
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Project, Repository, Store

KINDS = ("bugfix", "feature", "hotfix", "release")
ADMIN_REPOSITORY: dict[str, Any] = {
    "classic": "repository:admin",
    "new": "admin:repository",
    "public": False,
}
ADMIN_PROJECT: dict[str, Any] = {
    "classic": "project:admin",
    "new": "admin:project",
    "public": False,
}


def _missing(key: str) -> Any:
    return not_found(f"{key} has no branching model")


def end(name: str | None, repository: Repository | None, **more: bool) -> Json:
    """What is set up for development or production.

    :param name: the branch; None for the main branch.
    """
    found: Json = {"name": name, "use_mainbranch": name is None, **more}
    if repository is not None:
        found["is_valid"] = (name or repository.main_branch) in repository.branches
    return found


def _settings(sample: Sample, record: Repository | Project) -> Iterator[Json]:
    rng = sample.rng
    repository = record if isinstance(record, Repository) else None
    settings: Json = {
        "type": "branching_model_settings",
        "development": end(rng.choice((None, None, "develop")), repository),
        "branch_types": [_type(kind, rng.random() < 0.8) for kind in KINDS],
        "default_branch_deletion": rng.choice(("false", None)),
    }
    if record.document.get("slug") == "website":  # the one that has everything
        settings["default_branch_deletion"] = "false"
        settings["production"] = end("main", repository, enabled=True)
    elif rng.random() < 0.5:
        settings["production"] = end("main", repository, enabled=True)
    yield settings


def _type(kind: str, enabled: bool) -> Json:
    return {"kind": kind, "prefix": f"{kind}/", **({} if enabled else {"enabled": False})}


def model(repository: Repository | None, settings: Json) -> Json:
    """The model that settings make.

    :param repository: whose branches it is about; None for a project's.
    """
    kind = "branching_model" if repository else "project_branching_model"
    types = [found for found in settings["branch_types"] if found.get("enabled", True)]
    made: Json = {"type": kind, "branch_types": types}
    for what in ("development", "production"):
        if what in settings:
            made[what] = _end_of_model(repository, settings[what])
    return made


def _end_of_model(repository: Repository | None, settings: Json) -> Json:
    found = {name: settings[name] for name in ("name", "use_mainbranch")}
    if repository is None:
        return found
    if found["use_mainbranch"]:
        found["name"] = repository.main_branch
    branch = repository.branches.get(found["name"])
    if branch is not None:
        found["branch"] = {name: branch[name] for name in ("type", "name", "target")}
    return found


def _of_repository(sample: Sample, repository: Repository) -> Iterator[Json]:
    yield model(repository, BRANCHING_MODEL_SETTINGS.documents(repository)[0])


def _of_project(sample: Sample, project: Project) -> Iterator[Json]:
    yield model(None, PROJECT_BRANCHING_MODEL_SETTINGS.documents(project)[0])


def _effective(sample: Sample, repository: Repository) -> Iterator[Json]:
    # Some repositories inherit: which ones, their number says.
    place = list(sample.store.workspaces[repository.workspace].repositories).index(repository.slug)
    repository.document["override_settings"]["branching_model"] = place % 3 != 1
    yield effective(sample.store, repository)


def effective(store: Store, repository: Repository) -> Json:
    """The repository's own model, or its project's where it does not override that."""
    if repository.document["override_settings"]["branching_model"]:
        return model(repository, BRANCHING_MODEL_SETTINGS.documents(repository)[0])
    key = repository.document["project"]["key"]
    project = store.workspaces[repository.workspace].projects[key]
    return model(repository, PROJECT_BRANCHING_MODEL_SETTINGS.documents(project)[0])


def refresh(store: Store, workspace: str) -> None:
    """Compute the models of a workspace anew from what is set up."""
    for project in store.workspaces[workspace].projects.values():
        of_project = PROJECT_BRANCHING_MODEL_SETTINGS.documents(project)
        _keep(PROJECT_BRANCHING_MODELS, project, [model(None, one) for one in of_project])
    for repository in store.workspaces[workspace].repositories.values():
        for settings in BRANCHING_MODEL_SETTINGS.documents(repository):
            _keep(BRANCHING_MODELS, repository, [model(repository, settings)])
            _keep(EFFECTIVE_BRANCHING_MODELS, repository, [effective(store, repository)])


def _keep(resource: Resource, record: Any, documents: list[Json]) -> None:
    kept = resource.stored(record)
    kept.clear()
    kept.update(enumerate(documents))


def _boolean(settings: Json) -> Json:
    known = {"true": True, "false": False}
    text = settings["default_branch_deletion"]
    return {**settings, "default_branch_deletion": known.get(text)}


_READ: dict[str, Any] = {"classic": "repository", "new": "read:repository"}
_ONE: dict[str, Any] = {"listing": None, "item": Single(_missing)}

PROJECT_BRANCHING_MODEL_SETTINGS = Resource(
    "project_branching_model_settings",
    ADMINISTERED_PROJECT,
    "/branching-model/settings",
    **ADMIN_PROJECT,
    **_ONE,
    sample=_settings,
)
PROJECT_BRANCHING_MODELS = Resource(
    "project_branching_models",
    ADMINISTERED_PROJECT,
    "/branching-model",
    classic="project:admin",
    new="read:repository",
    public=False,
    **_ONE,
    sample=_of_project,
)
BRANCHING_MODEL_SETTINGS = Resource(
    "branching_model_settings",
    ADMINISTERED,
    "/branching-model/settings",
    **ADMIN_REPOSITORY,
    **_ONE,
    sample=_settings,
    ways={
        "boolean_branch_deletion": Way(
            "Say whether branches are deleted by true or false.", _boolean
        )
    },
)
BRANCHING_MODELS = Resource(
    "branching_models", REPOSITORY, "/branching-model", **_READ, **_ONE, sample=_of_repository
)
EFFECTIVE_BRANCHING_MODELS = Resource(
    "effective_branching_models",
    REPOSITORY,
    "/effective-branching-model",
    **_READ,
    **_ONE,
    sample=_effective,
)

RESOURCES = (
    PROJECT_BRANCHING_MODEL_SETTINGS,
    PROJECT_BRANCHING_MODELS,
    BRANCHING_MODEL_SETTINGS,
    BRANCHING_MODELS,
    EFFECTIVE_BRANCHING_MODELS,
)
