"""Pipelines and their steps.

Seen live: ``q`` is ignored without a word; the parameters below are honoured, and a value that
matches nothing gives an empty list; oldest first unless sorted, and the link to the next page does
not repeat the sort; a build number works in place of the UUID; steps ignore ``pagelen`` and come
all at once. Errors are worded as that service does.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request
from bitbucket_fdw.emulator.filters import fields
from bitbucket_fdw.emulator.items import of_pipelines
from bitbucket_fdw.emulator.levels import PIPELINE, WITH_PIPELINES
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Choice, Resource

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
    item=of_pipelines("step", "result-service.step", "step_uuid"),
    kept=lambda pipeline: pipeline.steps,
)

RESOURCES = (PIPELINES, STEPS)
