"""Pipelines and their steps (the API's Pipelines group).

Where Pipelines are turned off, the endpoints answer 404 (seen live by users, 2026).

The listing ignores ``q``. Instead it has query parameters, some of which are undocumented but were
seen to work. Unknown values give no rows. The parameter ``status`` was seen to be ignored, and is
not used. A run for a pull request has no ``ref_name``, but the names of both branches. The
variables of a run never come back. No answer links to the page of a run, whose address has a known
form. That of a step's page has the number of its run, which is not in the JSON of a step. The
``image`` of a step can contain the password of a registry, so that requests ask for the image's
name only.

Listings of this group were seen to answer 404 to an address without a slash at its end, and at
other times to answer both forms. The form with the slash is the safer one. If it is refused, the
other one is tried.
"""

from .columns import Column, column
from .commits import FULL_HASH, HASH, NO_COMMIT
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import WEB_SITE, account, repository_columns
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
        column("run_number", "bigint", "How often it was run, reruns of its steps among them"),
        column("state.name", "text", "PARSING, PENDING, IN_PROGRESS or COMPLETED"),
        column(
            "state.result.name",
            "text",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED or EXPIRED",
        ),
        column("state.stage.name", "text", "What it is at: PENDING, RUNNING, PAUSED or HALTED"),
        column("state.result.error.key", "text", "What kind of error ended it"),
        column("state.result.error.message", "text", "What that error says"),
        *account("terminator", "state.result.terminator", "whoever stopped it"),
        column(
            "target.type",
            "text",
            "What it runs for: pipeline_ref_target, pipeline_commit_target or "
            "pipeline_pullrequest_target",
        ),
        column("target.ref_type", "text", "branch, tag or named_branch"),
        column(
            "target.ref_name",
            "text",
            "Branch or tag it runs for; NULL if it runs for a pull request",
            query="target.ref_name",
            distinct=50,
        ),
        column("target.pullrequest.id", "bigint", "Number of the pull request it runs for"),
        column("target.pullrequest.title", "text", "Title of that pull request"),
        column("target.source", "text", "Source branch of that pull request"),
        column("target.destination", "text", "Destination branch of that pull request"),
        column(
            "target.destination_commit.hash",
            "text",
            "Commit of the destination branch, perhaps the first 12 digits of its hash",
        ),
        column("target.selector.type", "text", "Which section of the configuration it runs"),
        column("target.selector.pattern", "text", "Which entry of that section"),
        column(
            "target.commit.hash",
            "text",
            "Commit it runs for",
            query="target.commit.hash",
            distinct=500,
            pattern=HASH,
            form=FULL_HASH,
            sample=NO_COMMIT,
        ),
        *account("creator", "creator", "whoever started it", query="creator.uuid"),
        column("trigger.name", "text", "What started it: PUSH, MANUAL, SCHEDULE"),
        column("trigger.type", "text", "The same in the API's words: pipeline_trigger_push …"),
        column("first_successful", "boolean", "The first one that succeeded"),
        column("expired", "boolean", "It waited for too long"),
        column("labels", "jsonb", "Labels"),
        column("configuration_sources", "jsonb", "Files that its configuration came from"),
        column("build_seconds_used", "bigint", "Build time charged, seconds"),
        column("duration_in_seconds", "bigint", "Time it took, seconds"),
        column("created_on", "timestamptz", "When it was started", sort=True),
        column("completed_on", "timestamptz", "When it ended"),
        Column(
            "links_html_href",
            "text",
            "build_number",
            "Address of its page",
            page=True,
            template=WEB_SITE + "/{workspace}/{repository}/pipelines/results/{}",
        ),
    )
    examples = (
        "SELECT build_number, state_result_name, duration_in_seconds FROM pipelines "
        "ORDER BY created_on DESC LIMIT 10",
        "SELECT * FROM pipelines WHERE build_number = 7",
        "SELECT p.id, p.title, r.state_result_name, r.links_html_href FROM pull_requests p "
        "JOIN pipelines r ON r.target_pullrequest_id = p.id",
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
        column("run_number", "bigint", "Which run of the step it is"),
        column("trigger.type", "text", "pipeline_step_trigger_automatic or …_manual"),
        column("state.name", "text", "PENDING, READY, IN_PROGRESS or COMPLETED"),
        column(
            "state.stage.name", "text", "What it is at: RUNNING, or PAUSED if it waits for a person"
        ),
        column(
            "state.result.name",
            "text",
            "How it ended: SUCCESSFUL, FAILED, ERROR, STOPPED, EXPIRED or NOT_RUN",
        ),
        column("state.result.error.message", "text", "What the error says that ended it"),
        column("image.name", "text", "Container image it ran in"),
        column("setup_commands", "jsonb", "Commands that prepared it"),
        column("script_commands", "jsonb", "Commands of the script"),
        column("teardown_commands", "jsonb", "Commands that ended it"),
        column("maxTime", "bigint", "Minutes it may take", name="max_time"),
        column("build_seconds_used", "bigint", "Build time charged, seconds"),
        column("duration_in_seconds", "bigint", "Time it took, seconds"),
        column("started_on", "timestamptz", "When it started"),
        column("completed_on", "timestamptz", "When it ended"),
    )
    examples = (
        "SELECT p.build_number, s.name, s.duration_in_seconds FROM pipelines p "
        "JOIN pipeline_steps s ON s.pipeline_uuid = p.uuid WHERE p.build_number = 7",
        "SELECT p.build_number, s.name, s.build_seconds_used FROM pipelines p "
        "JOIN pipeline_steps s ON s.pipeline_uuid = p.uuid "
        "WHERE p.build_number = 7 AND s.trigger_type = 'pipeline_step_trigger_automatic'",
    )
