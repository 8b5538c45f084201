"""Logs of steps, which are texts and lie elsewhere.

Seen live by users, 2026: JSON and plain text are not acceptable, and a step that has not begun has
no log, which is a 404. The log has the colours of a terminal.
"""

from __future__ import annotations

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, error, pipelines_error, pipelines_not_found
from bitbucket_fdw.emulator.levels import PIPELINE, pipeline_of
from bitbucket_fdw.emulator.resources.pipelines import READ
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

_ACCEPTABLE = {"*/*", "application/*", "application/octet-stream"}


@routes.add("GET", f"{PIPELINE.template}/steps/{{step_uuid}}/log", **READ)
def log(call: Call) -> Reply:
    """The way to a step's log."""
    key = call.path["step_uuid"]
    step = pipeline_of(call).steps.get(key)
    if step is None:
        raise pipelines_not_found("step", key, "result-service.step")
    if not _ACCEPTABLE & {part.split(";")[0].strip() for part in call.accept.split(",")}:
        raise error(406, "Not acceptable")
    if step["started_on"] is None:
        detail = f"Log in step {key} does not exist."
        raise pipelines_error(404, "Not found", detail, "result-service.log.not-found")
    return Reply(307, None, {"Location": call.files.put(key, _text(step))})


def _text(step: Json) -> bytes:
    """What the step's commands would have printed, not all of it in characters."""
    commands = (*step["setup_commands"], *step["script_commands"])
    lines = [f"\x1b[32m+ {each['command']}\x1b[0m\n" for each in commands]
    return "".join((*lines, f"{step['name']}: ✓ ready\r\n")).encode() + b"\xff\x00\n"
