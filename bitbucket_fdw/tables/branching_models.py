"""Which branches a repository develops on and releases from, and how branches are named.

Documented: the endpoints, and that a PUT changes only what it names (the API's Branching model
group). Seen live by users, 2026: ``settings`` answer administrators only; ``production`` is absent
while it is off; ``development.branch`` is absent while there is no such branch; a type of branches
lacks ``enabled`` while it is on; a branch that is named has to be there, unless the main branch is
followed; ``default_branch_deletion`` is text in some clients, "true" or "false", and true or false
by the schema, so that both are read. Every model says its type (documented), and it is assumed that
``development`` can be null.
"""

from __future__ import annotations

from .columns import Column, column
from .endpoints import Collection, Shape
from .projects import OF_PROJECT
from .repositories import OF_REPOSITORY
from .shared_columns import project_columns, repository_columns
from .table import Scopes, Table
from .writing import Field, Write, Writes

_REPOSITORY = "/repositories/{workspace}/{repository}"
_PROJECT = "/workspaces/{workspace}/projects/{project}"
_KINDS = ("feature", "bugfix", "release", "hotfix")


def _one(path: str) -> Collection:
    return Collection(path, pagelen=None, size=False, shape=Shape.OBJECT)


def _follows(what: str) -> Column:
    return column(f"{what}.use_mainbranch", "boolean", f"Whether {what} follows the main branch")


def _name(what: str) -> Column:
    return column(f"{what}.name", "text", f"Branch of {what}; NULL where it is none by name")


def _prefixes() -> tuple[Column, ...]:
    return (
        column("branch_types", "jsonb", "Types of branches that are in use, with their prefixes"),
        *(
            column(
                "branch_types",
                "text",
                f"What names of {kind} branches begin with; NULL if the type is not in use",
                name=f"{kind}_prefix",
                member=("kind", kind, "prefix"),
            )
            for kind in _KINDS
        ),
    )


def _settings() -> tuple[Column, ...]:
    return (
        _name("development"),
        _follows("development"),
        column("development.is_valid", "boolean", "Whether there is such a branch"),
        _name("production"),
        _follows("production"),
        column("production.enabled", "boolean", "Whether there is one; NULL while it is off"),
        column("production.is_valid", "boolean", "Whether there is such a branch"),
        column(
            "branch_types",
            "jsonb",
            "Types of branches with their prefixes; a type without enabled is in use",
        ),
        column(
            "default_branch_deletion",
            "text",
            "Whether a merge deletes the source branch if nobody says otherwise: true or false",
        ),
    )


_FIELDS = (
    Field("default_branch_deletion", values=("true", "false"), nullable=True),
    Field("development_name", clear="development.name"),
    Field("development_use_mainbranch"),
    Field("production_name", sparse=True),
    Field("production_use_mainbranch", sparse=True),
    Field("production_enabled", absent=False),
    Field("branch_types", filled=(("enabled", True),)),
)
_CHECKED = (
    *("development_name", "development_use_mainbranch", "production_name"),
    *("production_use_mainbranch", "production_enabled"),
)


def _writes(path: str, what: str) -> Writes:
    return Writes(
        update=Write(
            "PUT",
            path,
            _FIELDS,
            checked=_CHECKED,
            # What is turned off, or follows the main branch, has no name any more.
            together=(
                ("development_name", "development_use_mainbranch"),
                ("production_enabled", "production_name", "production_use_mainbranch"),
            ),
            advice=(
                (
                    400,
                    "A branch that is named has to be there. To follow the main branch instead, "
                    "set development_use_mainbranch or production_use_mainbranch.",
                ),
            ),
        ),
        refusals=(
            ("INSERT", f"Every {what} has one row: UPDATE it."),
            ("DELETE", f"Every {what} has one row: UPDATE it."),
        ),
    )


def _refused(table: str) -> Writes:
    return Writes(refusals=tuple((v, f"Change {table}.") for v in ("INSERT", "UPDATE", "DELETE")))


class _Settings(Table):
    family = "settings"
    always = "development_use_mainbranch"
    typed = True
    every_parent = True
    rows = 1


class _OfRepository(_Settings):
    parent = OF_REPOSITORY
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    primary_key = ("workspace", "repository")


class _OfProject(_Settings):
    level = "workspace"
    parent = OF_PROJECT
    primary_key = ("workspace", "project_key")


def _model() -> tuple[Column, ...]:
    return (
        _name("development"),
        _follows("development"),
        column("development.branch.name", "text", "The same branch; NULL while it is not there"),
        column("development.branch.target.hash", "text", "Commit that this branch is at"),
        _name("production"),
        _follows("production"),
        column("production.branch.name", "text", "The same branch; NULL while it is not there"),
        *_prefixes(),
    )


class BranchingModels(_OfRepository):
    name = "branching_models"
    description = "The branching model of a repository itself"
    collection = _one(f"{_REPOSITORY}/branching-model")
    columns = (*repository_columns(), *_model())
    writes = _refused("branching_model_settings")
    examples = (
        "SELECT development_name, production_name, feature_prefix FROM branching_models",
        "SELECT repository, development_name FROM acme.branching_models\n"
        "WHERE development_branch_name IS NULL",
    )


class EffectiveBranchingModels(_OfRepository):
    name = "effective_branching_models"
    description = "The branching model that a repository has, be it its own or its project's"
    collection = _one(f"{_REPOSITORY}/effective-branching-model")
    columns = (*repository_columns(), *_model())
    writes = _refused("branching_model_settings, or project_branching_model_settings")
    examples = (
        "SELECT development_name, hotfix_prefix FROM effective_branching_models",
        "-- branches whose names have no prefix of the model\n"
        "SELECT b.name FROM branches b, effective_branching_models m\n"
        "WHERE b.name NOT IN (m.development_name, coalesce(m.production_name, ''))\n"
        "AND NOT starts_with(b.name, m.feature_prefix)",
    )


class BranchingModelSettings(_OfRepository):
    name = "branching_model_settings"
    description = "How the branching model of a repository is set up"
    scopes = Scopes(("repository:admin",), ("admin:repository:bitbucket",))
    collection = _one(f"{_REPOSITORY}/branching-model/settings")
    columns = (*repository_columns(), *_settings())
    writes = _writes(f"{_REPOSITORY}/branching-model/settings", "repository")
    examples = (
        "SELECT production_enabled, default_branch_deletion FROM branching_model_settings",
        "SELECT repository FROM acme.branching_model_settings WHERE NOT development_is_valid",
    )


class ProjectBranchingModels(_OfProject):
    name = "project_branching_models"
    description = "The branching model of a project, which its repositories can inherit"
    scopes = Scopes(("project:admin",), ("read:repository:bitbucket",))
    collection = _one(f"{_PROJECT}/branching-model")
    columns = (
        *project_columns(),
        *(_name("development"), _follows("development")),
        *(_name("production"), _follows("production")),
        *_prefixes(),
    )
    writes = _refused("project_branching_model_settings")
    examples = (
        "SELECT project_key, development_name, release_prefix FROM project_branching_models",
        "SELECT feature_prefix FROM project_branching_models WHERE project_key = 'WEB'",
    )


class ProjectBranchingModelSettings(_OfProject):
    name = "project_branching_model_settings"
    description = "How the branching model of a project is set up"
    scopes = Scopes(("project:admin",), ("admin:project:bitbucket",))
    collection = _one(f"{_PROJECT}/branching-model/settings")
    columns = (*project_columns(), *_settings())
    writes = _writes(f"{_PROJECT}/branching-model/settings", "project")
    examples = (
        "SELECT project_key, branch_types FROM project_branching_model_settings",
        "SELECT production_enabled FROM project_branching_model_settings WHERE project_key = 'OPS'",
    )
