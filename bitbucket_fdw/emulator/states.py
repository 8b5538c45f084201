"""States as the pipelines service writes them: of pipelines, of steps and of deployments."""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.reshaping import members_of

STAGES = ("RUNNING", "PAUSED", "HALTED")


def named(kind: str, name: str, **more: Any) -> Json:
    """A state, a result or the like.

    :param kind: the beginning of its ``type``, such as ``deployment_state``.
    :param name: its name in capitals, which is also the end of its ``type``.
    :param more: its other members.
    """
    return {"type": f"{kind}_{name.lower()}", "name": name, **more}


def state(owner: str, outcome: str) -> Json:
    """The state of a pipeline or a step.

    :param owner: ``pipeline`` or ``pipeline_step``.
    :param outcome: ``PENDING``, one of the :data:`STAGES`, or the result of what is completed.
    """
    prefix = f"{owner}_state"
    if outcome == "PENDING":
        return named(prefix, outcome)
    if outcome == "PAUSED" and owner == "pipeline_step":  # it waits for a person
        return named(prefix, "PENDING", stage=named(f"{prefix}_pending", outcome))
    if outcome in STAGES:
        return named(prefix, "IN_PROGRESS", stage=named(f"{prefix}_in_progress", outcome))
    result = named(f"{prefix}_completed", outcome)
    if outcome == "ERROR":
        error = {"type": f"{owner}_error", "key": "plan-service.parse", "message": "Invalid YAML"}
        result["error"] = error
    return named(prefix, "COMPLETED", result=result)


def deployment_state(step: Json, deployer: Json, **more: Any) -> Json:
    """The state of a deployment, which is that of the step that deploys in other words.

    :param deployer: who deployed, which is told once it is completed.
    :param more: its other members.
    """
    now, kind = step["state"], "deployment_state"
    if step["completed_on"] is not None:
        result = now["result"]["name"]
        status = result if result in ("SUCCESSFUL", "STOPPED") else "FAILED"
        more.update(status=named(f"{kind}_completed", status), deployer=deployer)
        return named(kind, "COMPLETED", **more, **members_of(step, "started_on", "completed_on"))
    if now.get("stage", {}).get("name") == "RUNNING":
        return named(kind, "IN_PROGRESS", **more, **members_of(step, "started_on"))
    return named(kind, "UNDEPLOYED", **more)
