"""Pipelines and their steps (the API's Pipelines group).

Where Pipelines are turned off, the endpoints answer 404 (seen live by users, 2026).

The listing ignores ``q``. Instead it has query parameters, some of which are undocumented but were
seen to work. Unknown values give no rows. The ``image`` of a step can contain the password of a
registry, so that requests ask for the image's name only.

Listings of this group were seen to answer 404 to an address without a slash at its end, and at
other times to answer both forms. The form with the slash is the safer one. If it is refused, the
other one is tried.
"""

from .columns import Column, column
from .commits import HASH, NO_COMMIT
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import account, html_link, repository_columns
from .table import Parent, Scopes, Table

_SCOPES = Scopes(("pipeline",), ("read:pipeline:bitbucket",))


class Pipelines(Table):
    name = "pipelines"
    family = "pipelines"
    description = "Pipeline runs of a repository"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/pipelines/", paging=Paging.OWN_NUMBERS
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/pipelines/{uuid}", key="uuid", parameter="uuid"
        ),
        Item(
            "/repositories/{workspace}/{repository}/pipelines/{uuid}",
            key="build_number",
            parameter="uuid",
        ),
    )
    parent = OF_REPOSITORY
    feature = "Pipelines"
    primary_key = ("workspace", "repository", "uuid")
    rows = 1000
    columns = (
        *repository_columns(),
        column("uuid", "uuid", "Pipeline UUID"),
        column("build_number", "bigint", "Number within the repository"),
        column("state.name", "text", "PENDING, IN_PROGRESS or COMPLETED"),
        column(
            "state.result.name",
            "text",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED or EXPIRED",
        ),
        column("state.stage.name", "text", "What it is at: RUNNING, PAUSED or HALTED"),
        column("target.type", "text", "What kind of thing it runs for"),
        column("target.ref_type", "text", "branch, tag or named_branch"),
        column("target.ref_name", "text", "Branch or tag it runs for", query="target.ref_name"),
        column("target.selector.type", "text", "Which section of the configuration it runs"),
        column("target.selector.pattern", "text", "Which entry of that section"),
        column(
            "target.commit.hash",
            "text",
            "Commit it runs for",
            query="target.commit.hash",
            pattern=HASH,
            sample=NO_COMMIT,
        ),
        *account("creator", "creator", "whoever started it"),
        column("trigger.name", "text", "What started it: PUSH, MANUAL, SCHEDULE"),
        column("build_seconds_used", "bigint", "Build time charged, seconds"),
        column("duration_in_seconds", "bigint", "Time it took, seconds"),
        column("created_on", "timestamptz", "When it was started", sort=True),
        column("completed_on", "timestamptz", "When it ended"),
        html_link(),
    )
    examples = (
        "SELECT build_number, state_result_name, duration_in_seconds FROM pipelines "
        "ORDER BY created_on DESC LIMIT 10",
        "SELECT * FROM pipelines WHERE build_number = 7",
    )


class PipelineSteps(Table):
    name = "pipeline_steps"
    family = "pipelines"
    description = "Steps of pipeline runs"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/pipelines/{pipeline_uuid}/steps/",
        paging=Paging.WHOLE,
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/pipelines/{pipeline_uuid}/steps/{uuid}",
            key="uuid",
            parameter="uuid",
        ),
    )
    parent = Parent(
        Pipelines,
        (("workspace", "workspace"), ("repository", "repository"), ("pipeline_uuid", "uuid")),
    )
    primary_key = ("workspace", "repository", "pipeline_uuid", "uuid")
    rows = 3
    columns = (
        *repository_columns(),
        Column("pipeline_uuid", "uuid", None, "UUID of the pipeline", param="pipeline_uuid"),
        column("uuid", "uuid", "Step UUID"),
        column("name", "text", "Name in the configuration"),
        column("state.name", "text", "PENDING, READY, IN_PROGRESS or COMPLETED"),
        column(
            "state.result.name",
            "text",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED, EXPIRED or NOT_RUN",
        ),
        column("image.name", "text", "Container image it ran in"),
        column("setup_commands", "jsonb", "Commands that prepared it"),
        column("script_commands", "jsonb", "Commands of the script"),
        column("duration_in_seconds", "bigint", "Time it took, seconds"),
        column("started_on", "timestamptz", "When it started"),
        column("completed_on", "timestamptz", "When it ended"),
    )
    examples = (
        "SELECT p.build_number, s.name, s.duration_in_seconds FROM pipelines p "
        "JOIN pipeline_steps s ON s.pipeline_uuid = p.uuid WHERE p.build_number = 7",
    )
