"""Logs of the steps of pipelines (the API's Pipelines group).

Seen live by users, 2026: a request that asks for JSON or plain text is refused with 406. The answer
is a redirect to a store at another host, which takes no credential. A step that has not begun has
no log, which is a 404. The text has the colours of a terminal.

One has to say of which pipeline the logs are wanted: nobody wants all of them by accident.
"""

from .columns import Column, column
from .endpoints import Collection, Shape
from .pipelines import PipelineSteps
from .shared_columns import repository_columns
from .table import Parent, Scopes, Table

_STEP = "/repositories/{workspace}/{repository}/pipelines/{pipeline_uuid}/steps/{step_uuid}"


class PipelineStepLogs(Table):
    name = "pipeline_step_logs"
    family = "pipelines"
    description = "What the steps of a pipeline printed"
    scopes = Scopes(("pipeline",), ("read:pipeline:bitbucket",))
    collection = Collection(
        f"{_STEP}/log", None, size=False, shape=Shape.TEXT, accept="*/*", elsewhere=True
    )
    parent = Parent(
        PipelineSteps,
        (
            ("workspace", "workspace"),
            ("repository", "repository"),
            ("pipeline_uuid", "pipeline_uuid"),
            ("step_uuid", "uuid"),
        ),
    )
    primary_key = ("workspace", "repository", "pipeline_uuid", "step_uuid")
    always = "bytes_total"
    rows = 1
    columns = (
        *repository_columns(),
        Column(
            "pipeline_uuid",
            "uuid",
            None,
            "UUID of the pipeline",
            param="pipeline_uuid",
            required=True,
        ),
        Column("step_uuid", "uuid", None, "UUID of the step", param="step_uuid"),
        column("body", "text", "The text, up to the server option max_text_size", name="log"),
        column(
            "content_length",
            "bigint",
            "Bytes of the whole log; NULL where it is cut short and its length is not told",
            name="bytes_total",
        ),
    )
    examples = (
        "SELECT l.step_uuid, l.bytes_total, right(l.log, 200) AS ends FROM pipeline_step_logs l "
        "WHERE l.pipeline_uuid = (SELECT uuid FROM pipelines WHERE build_number = 7)",
        "SELECT l.step_uuid, line "
        "FROM pipeline_step_logs l, string_to_table(l.log, E'\\n') AS line "
        "WHERE l.pipeline_uuid = ANY (ARRAY(SELECT uuid FROM pipelines "
        "WHERE state_result_name = 'FAILED' ORDER BY created_on DESC LIMIT 3)) "
        "AND line LIKE '% F %' LIMIT 5",
    )
