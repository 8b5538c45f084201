"""Pipelines and their steps (the API's Pipelines group).

The listing ignores ``q``; it takes query parameters instead, some of them undocumented but seen to
work. Unknown values give no rows. A step's ``image`` can hold a registry password, so that only
the image's name is ever asked for.
"""

from .base import (
    Collection,
    Column,
    Item,
    Parent,
    Scopes,
    Table,
    account,
    html_link,
    repository_columns,
)
from .repositories import Repositories

_SCOPES = Scopes(("pipeline",), ("read:pipeline:bitbucket",))


class Pipelines(Table):
    name = "pipelines"
    description = "Pipeline runs of a repository"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/pipelines", lossy_next=True)
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
    parent = Parent(Repositories, (("workspace", "workspace"), ("repository", "slug")))
    primary_key = ("workspace", "repository", "uuid")
    rows = 1000
    columns = (
        *repository_columns(),
        Column("uuid", "uuid", "uuid", "Pipeline UUID"),
        Column("build_number", "bigint", "build_number", "Number within the repository"),
        Column("state_name", "text", "state.name", "PENDING, IN_PROGRESS or COMPLETED"),
        Column(
            "state_result_name",
            "text",
            "state.result.name",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED or EXPIRED",
        ),
        Column(
            "state_stage_name",
            "text",
            "state.stage.name",
            "What it is at: RUNNING, PAUSED or HALTED",
        ),
        Column("target_type", "text", "target.type", "What kind of thing it runs for"),
        Column("target_ref_type", "text", "target.ref_type", "branch, tag or named_branch"),
        Column(
            "target_ref_name",
            "text",
            "target.ref_name",
            "Branch or tag it runs for",
            query="target.ref_name",
        ),
        Column(
            "target_selector_type",
            "text",
            "target.selector.type",
            "Which section of the configuration it runs",
        ),
        Column(
            "target_selector_pattern",
            "text",
            "target.selector.pattern",
            "Which entry of that section",
        ),
        Column(
            "target_commit_hash",
            "text",
            "target.commit.hash",
            "Commit it runs for",
            query="target.commit.hash",
            pattern="[0-9a-f]{40}",
        ),
        *account("creator", "creator", "whoever started it"),
        Column("trigger_name", "text", "trigger.name", "What started it: PUSH, MANUAL, SCHEDULE"),
        Column("build_seconds_used", "bigint", "build_seconds_used", "Build time charged, seconds"),
        Column("duration_in_seconds", "bigint", "duration_in_seconds", "Time it took, seconds"),
        Column("created_on", "timestamptz", "created_on", "When it was started", sort="created_on"),
        Column("completed_on", "timestamptz", "completed_on", "When it ended"),
        html_link(),
    )
    examples = (
        "SELECT build_number, state_result_name, duration_in_seconds FROM pipelines "
        "ORDER BY created_on DESC LIMIT 10",
        "SELECT * FROM pipelines WHERE build_number = 7",
    )


class PipelineSteps(Table):
    name = "pipeline_steps"
    description = "Steps of pipeline runs"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/pipelines/{pipeline_uuid}/steps", pagelen=None
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
        Column("uuid", "uuid", "uuid", "Step UUID"),
        Column("name", "text", "name", "Name in the configuration"),
        Column("state_name", "text", "state.name", "PENDING, READY, IN_PROGRESS or COMPLETED"),
        Column(
            "state_result_name",
            "text",
            "state.result.name",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED, EXPIRED or NOT_RUN",
        ),
        Column("image_name", "text", "image.name", "Container image it ran in"),
        Column("setup_commands", "jsonb", "setup_commands", "Commands that prepared it"),
        Column("script_commands", "jsonb", "script_commands", "Commands of the script"),
        Column("duration_in_seconds", "bigint", "duration_in_seconds", "Time it took, seconds"),
        Column("started_on", "timestamptz", "started_on", "When it started"),
        Column("completed_on", "timestamptz", "completed_on", "When it ended"),
    )
    examples = (
        "SELECT p.build_number, s.name, s.duration_in_seconds FROM pipelines p "
        "JOIN pipeline_steps s ON s.pipeline_uuid = p.uuid WHERE p.build_number = 7",
    )
