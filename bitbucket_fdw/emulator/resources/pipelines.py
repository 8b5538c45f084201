"""Pipelines, their steps, and the logs of these.

Seen live: ``q`` is ignored without a word; the parameters below are honoured, and a value that
matches nothing gives an empty list; oldest first unless sorted, and the link to the next page does
not repeat the sort; a build number works in place of the UUID; steps ignore ``pagelen`` and come
all at once. Errors are worded as that service does.

A log is a text that lies in a store, to which the API redirects (307; 302 was seen too). Neither
JSON nor plain text is acceptable for it. A step that has not begun has none, which is a 404. It has
the colours of a terminal.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import (
    ApiError,
    Json,
    Reply,
    bad_request,
    error,
    pipelines_error,
)
from bitbucket_fdw.emulator.filters import fields
from bitbucket_fdw.emulator.levels import PIPELINE, STEP, WITH_PIPELINES
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Choice, Resource, Single
from bitbucket_fdw.emulator.store import Step

READ: dict[str, Any] = {"classic": "pipeline", "new": "read:pipeline"}

_TRIGGERS = {"SCHEDULE": "SCHEDULED"}
_SELECTORS = {"BRANCHES": "BRANCH", "TAGS": "TAG", "PULL-REQUESTS": "PULLREQUESTS"}
_WORDS = {"SUCCESSFUL": "PASSED", "RUNNING": "BUILDING", "EXPIRED": "ERROR"}


def _dig(document: Json, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _upper(document: Json, path: str) -> str:
    return str(_dig(document, path) or "").upper()


def _status(document: Json) -> str:
    """The word by which the ``status`` parameter knows a pipeline's state."""
    state = document["state"]
    name = str(_dig(state, "result.name") or _dig(state, "stage.name") or state["name"])
    return _WORDS.get(name, name)


def _branch(document: Json) -> str | None:
    target = document["target"]
    return target.get("ref_name") if target.get("ref_type") == "branch" else None


def _selector(document: Json) -> str:
    kind = _upper(document, "target.selector.type")
    return _SELECTORS.get(kind, kind)


def _moment(text: str) -> Any:
    try:
        return times.parse(text)
    except ValueError:
        raise bad_request("Invalid created_on") from None


def _same(path: str) -> Choice:
    return Choice(lambda document: _dig(document, path))


PIPELINES = Resource(
    "pipelines",
    WITH_PIPELINES,
    "/pipelines",
    **READ,
    listing=Listing(
        PageRules(numbered=True, lost=frozenset({"sort"})),
        sorts={**fields("datetime", "created_on"), **fields("text", "creator.uuid")},
        ignores_q=True,
    ),
    item=PIPELINE,
    kept=lambda repository: repository.pipelines,
    choices={
        **{path: _same(path) for path in ("creator.uuid", "target.ref_name")},
        **{path: _same(path) for path in ("target.commit.hash", "target.selector.pattern")},
        "target.ref_type": Choice(lambda document: _upper(document, "target.ref_type")),
        "target.branch": Choice(_branch),
        "target.selector.type": Choice(_selector),
        "trigger_type": Choice(lambda d: _TRIGGERS.get(d["trigger"]["name"], d["trigger"]["name"])),
        "created_on": Choice(lambda document: times.parse(document["created_on"]), _moment),
        "status": Choice(_status, repeatable=True),
    },
)


STEPS = Resource(
    "pipeline_steps",
    PIPELINE,
    "/steps",
    **READ,
    listing=Listing(PageRules(unpaged=True)),
    item=STEP,
    kept=lambda pipeline: pipeline.steps,
)


_ACCEPTABLE = {"*/*", "application/*", "application/octet-stream"}


def _log(step: Step) -> list[Json]:
    """What the step's commands would have printed; nothing while it has not begun."""
    document = step.document
    if document["started_on"] is None:
        return []
    commands = (*document["setup_commands"], *document["script_commands"])
    lines = [f"\x1b[32m+ {each['command']}\x1b[0m\n" for each in commands]
    if document["state"].get("result", {}).get("name") == "FAILED":
        lines += [f"tests/test_{number}.py F ✗\n" for number in range(100)]
    text = "".join((*lines, f"{document['name']}: ✓ ready\r\n")).encode()
    # Not all of it is characters.
    return [{"base64": b64encode(text + b"\xff\x00\n").decode()}]


def _no_log(key: str) -> ApiError:
    detail = f"Log in step {key} does not exist."
    return pipelines_error(404, "Not found", detail, "result-service.log.not-found")


def _in_a_store(call: Call, log: Json) -> Reply:
    """The way to the bytes of a log."""
    if not _ACCEPTABLE & {part.split(";")[0].strip() for part in call.accept.split(",")}:
        raise error(406, "Not acceptable")
    there = call.files.put(call.path["step_uuid"], b64decode(log["base64"]))
    return Reply(307, None, {"Location": there})


STEP_LOGS = Resource(
    "pipeline_step_logs",
    STEP,
    "/log",
    **READ,
    listing=None,
    item=Single(_no_log),
    kept=_log,
    shown=_in_a_store,
)

RESOURCES = (PIPELINES, STEPS, STEP_LOGS)
