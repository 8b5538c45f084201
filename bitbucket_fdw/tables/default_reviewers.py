"""Who is proposed as a reviewer of new pull requests (the API's Pullrequests and Projects groups).

Documented: the endpoints. Seen live by users, 2026: pages have numbers and at most 100 accounts;
PUT takes no body and no Content-Type; an account is addressed by UUID or account id, never by a
user name; the effective ones may be accounts that are no longer active. The listings of projects
and of effective ones wrap each account, with the place that it comes from, and the item of a
project is the bare account. It is not known what the answer to a PUT of a project is, so that
either form is read. Nor is it known whether an account is listed once or twice where both the
repository and its project have it: all that is listed is shown. An account may be gone, and has no
UUID then, or its UUID is masked.
"""

from .columns import Column, column
from .endpoints import Collection, Item, Paging
from .projects import OF_PROJECT
from .repositories import OF_REPOSITORY
from .shared_columns import account, project_columns, repository_columns
from .table import Scopes, Table
from .writing import Unique, Write, Writes

_REPOSITORY = "/repositories/{workspace}/{repository}"
_OF_REPOSITORY = f"{_REPOSITORY}/default-reviewers"
_OF_PROJECT = "/workspaces/{workspace}/projects/{project}/default-reviewers"
_ONE = "/{user_uuid}"
_WHO = "the default reviewer"
_ADVICE = (
    (400, "Only those who can read the repository can be default reviewers."),
    (404, "Accounts go by UUID: workspace_members has those of all members."),
)


def _writes(path: str) -> Writes:
    """A row is made and taken away by its address alone.

    Bitbucket answers a second PUT like the first one. So an INSERT looks first whether the row is
    there: a rollback would otherwise take away what was there before.
    """
    return Writes(
        insert=Write("PUT", path, advice=_ADVICE),
        delete=Write("DELETE", path),
        refusals=(("UPDATE", "A row has nothing to change: delete it and insert another one."),),
        recreate=True,
        unique=Unique(("user_uuid",)),
        disturbs=("effective_default_reviewers",),
    )


def _reviewer_type() -> Column:
    return column("reviewer_type", "text", "Where it was made one: repository or project")


class DefaultReviewers(Table):
    name = "default_reviewers"
    family = "pull_requests"
    description = "Default reviewers of a repository, without those of its project"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(_OF_REPOSITORY, paging=Paging.NUMBERS)
    items = (Item(f"{_OF_REPOSITORY}{_ONE}", key="user_uuid", parameter="user_uuid"),)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "user_uuid")
    always = "user_display_name"
    rows = 3
    columns = (*repository_columns(), *account("user", "", _WHO))
    writes = _writes(f"{_OF_REPOSITORY}{_ONE}")
    examples = (
        "SELECT user_display_name, user_type FROM default_reviewers ORDER BY 1",
        "-- repositories without one of their own\n"
        "SELECT r.slug FROM repositories r WHERE NOT EXISTS (\n"
        "    SELECT FROM acme.default_reviewers d WHERE d.repository = r.slug)",
    )


class EffectiveDefaultReviewers(Table):
    name = "effective_default_reviewers"
    family = "pull_requests"
    description = "Default reviewers of a repository, with those of its project"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(
        f"{_REPOSITORY}/effective-default-reviewers", paging=Paging.NUMBERS, unique=False
    )
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "user_uuid")
    always = "reviewer_type"
    rows = 5
    columns = (*repository_columns(), *account("user", "user", _WHO), _reviewer_type())
    writes = Writes(
        refusals=tuple(
            (verb, "Change default_reviewers, or project_default_reviewers.")
            for verb in ("INSERT", "UPDATE", "DELETE")
        )
    )
    examples = (
        "SELECT user_display_name, reviewer_type FROM effective_default_reviewers ORDER BY 1",
        "-- default reviewers who are no members any more\n"
        "SELECT user_display_name, array_agg(repository ORDER BY repository) AS repositories\n"
        "FROM acme.effective_default_reviewers e WHERE NOT EXISTS (\n"
        "    SELECT FROM acme.workspace_members m WHERE m.user_uuid = e.user_uuid)\n"
        "GROUP BY 1",
    )


class ProjectDefaultReviewers(Table):
    name = "project_default_reviewers"
    family = "pull_requests"
    level = "workspace"
    description = "Default reviewers of all repositories of a project"
    scopes = Scopes(("project:admin",), ("read:pullrequest:bitbucket",))
    collection = Collection(_OF_PROJECT, paging=Paging.NUMBERS)
    items = (
        Item(
            f"{_OF_PROJECT}{_ONE}",
            key="user_uuid",
            parameter="user_uuid",
            lacks=("reviewer_type",),
        ),
    )
    parent = OF_PROJECT
    primary_key = ("workspace", "project_key", "user_uuid")
    always = "user_display_name"
    typed = True
    rows = 3
    columns = (
        *project_columns(),
        *account("user", "user", _WHO, others=("",), unless="reviewer_type"),
        _reviewer_type(),
    )
    writes = _writes(f"{_OF_PROJECT}{_ONE}")
    examples = (
        "SELECT project_key, user_display_name FROM project_default_reviewers ORDER BY 1, 2",
        "SELECT user_display_name FROM project_default_reviewers WHERE project_key = 'WEB'",
    )
