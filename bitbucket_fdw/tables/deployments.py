"""Environments and the deployments to them (the API's Deployments group).

Seen live by users, 2026: the listing of deployments ignores ``q`` and refuses every ``sort``, so
that no condition is sent. Where Pipelines are turned off, both endpoints answer 404. Older answers
call the release ``deployable``, and have other names for the times of a state. A deployment may
contain only the UUID of its environment.

Environments have no PUT. A change is posted in an envelope, ``change``, and answered 202 without a
body. Only the name and ``restrictions.admin_only`` can be changed. Making one needs the type,
although the documentation does not say so (all seen live by users, 2026). Documented: a name that
is taken is a 409.
"""

from .columns import column
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import account, repository_columns
from .table import Scopes, Table
from .writing import Field, Write, Writes

_REPOSITORY = "/repositories/{workspace}/{repository}"


class _OfPipelines(Table):
    family = "pipelines"
    scopes = Scopes(("pipeline",), ("read:pipeline:bitbucket",))
    parent = OF_REPOSITORY
    feature = "Pipelines"
    primary_key = ("workspace", "repository", "uuid")


_ENVIRONMENT = f"{_REPOSITORY}/environments/{{uuid}}"
_TYPES = ("Test", "Staging", "Production")


class Deployments(_OfPipelines):
    name = "deployments"
    description = "Deployments that pipelines of a repository made"
    collection = Collection(f"{_REPOSITORY}/deployments/", paging=Paging.NUMBERS)
    items = (Item(f"{_REPOSITORY}/deployments/{{uuid}}", key="uuid", parameter="uuid"),)
    rows = 500
    columns = (
        *repository_columns(),
        column("uuid", "uuid", "Deployment UUID"),
        column("key", "text", "Key of the deployment"),
        column("version", "bigint", "Number of its version"),
        column("state.name", "text", "UNDEPLOYED, IN_PROGRESS or COMPLETED"),
        column("state.status.name", "text", "SUCCESSFUL, FAILED or STOPPED, once it is completed"),
        column("state.started_on", "timestamptz", "When it began", others=("state.start_date",)),
        column(
            "state.completed_on", "timestamptz", "When it ended", others=("state.completion_date",)
        ),
        column("state.url", "text", "Address of its page"),
        *account("deployer", "state.deployer", "whoever deployed"),
        column("environment.uuid", "uuid", "UUID of the environment"),
        column("environment.name", "text", "Name of the environment, where the answer has it"),
        column("environment.environment_type.name", "text", "Test, Staging or Production"),
        *(
            column(f"release.{path}", kind, what, others=(f"deployable.{path}",))
            for path, kind, what in (
                ("uuid", "uuid", "UUID of the release"),
                ("key", "text", "Key of the release"),
                ("name", "text", "Name of the release, such as #12"),
                ("url", "text", "Address of the release's page"),
                ("created_on", "timestamptz", "When the release was made"),
                ("pipeline.uuid", "uuid", "UUID of the pipeline that made it"),
                ("commit.hash", "text", "Full hash of the commit that is deployed"),
            )
        ),
        column("step.uuid", "uuid", "UUID of the pipeline's step that deployed"),
        column("last_update_time", "timestamptz", "When it last changed"),
    )
    writes = Writes(
        refusals=tuple(
            (verb, "Deployments are made by steps of pipelines.")
            for verb in ("INSERT", "UPDATE", "DELETE")
        )
    )
    examples = (
        "SELECT environment_name, state_status_name, count(*) FROM deployments "
        "WHERE state_name = 'COMPLETED' GROUP BY 1, 2",
        "SELECT e.name, d.state_completed_on, c.message FROM deployments d "
        "JOIN environments e ON e.uuid = d.environment_uuid "
        "JOIN commits c ON c.hash = d.release_commit_hash "
        "WHERE d.state_status_name = 'SUCCESSFUL' ORDER BY d.state_completed_on DESC LIMIT 5",
    )


class Environments(_OfPipelines):
    name = "environments"
    description = "Environments that a repository is deployed to"
    collection = Collection(f"{_REPOSITORY}/environments/", paging=Paging.NUMBERS)
    items = (Item(_ENVIRONMENT, key="uuid", parameter="uuid"),)
    rows = 3
    columns = (
        *repository_columns(),
        column("uuid", "uuid", "Environment UUID"),
        column("name", "text", "Display name"),
        column("slug", "text", "Name as it stands in addresses"),
        column("rank", "bigint", "Its place among the environments of its type"),
        column("hidden", "boolean", "Not shown on the web site"),
        column("category.name", "text", "Category"),
        column("environment_type.name", "text", "Test, Staging or Production"),
        column("environment_type.rank", "bigint", "The type's place among the types"),
        column("lock.name", "text", "OPEN or LOCKED"),
        column("environment_lock_enabled", "boolean", "Deploys to it wait for each other"),
        column("deployment_gate_enabled", "boolean", "Deploys to it take an approval"),
        column("restrictions.admin_only", "boolean", "Only administrators deploy to it"),
    )
    writes = Writes(
        insert=Write(
            "POST",
            f"{_REPOSITORY}/environments/",
            (
                Field("name", required=True),
                Field("environment_type_name", required=True, values=_TYPES),
            ),
            advice=((409, "The repository has an environment of that name."),),
        ),
        update=Write(
            "POST",
            f"{_ENVIRONMENT}/changes/",
            (
                Field("name", path="change.name"),
                Field("restrictions_admin_only", path="change.restrictions.admin_only"),
            ),
            checked=("name", "restrictions_admin_only"),
            reads_back=True,
        ),
        delete=Write("DELETE", _ENVIRONMENT),
    )
    examples = (
        "SELECT name, environment_type_name, restrictions_admin_only FROM environments",
        "SELECT e.name, max(d.state_completed_on) AS deployed FROM environments e "
        "LEFT JOIN deployments d ON d.environment_uuid = e.uuid GROUP BY 1",
    )
