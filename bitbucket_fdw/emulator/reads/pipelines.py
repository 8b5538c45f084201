"""Reads of pipelines and their steps.

Seen live: ``q`` is ignored without a word; the parameters below are honoured, and a value that
matches nothing gives an empty list; oldest first unless sorted, and the link to the next page does
not repeat the sort; a build number works in place of
the UUID; steps ignore ``pagelen`` and come all at once. Errors are worded as that service does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bitbucket_fdw.emulator import filters, times
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request, pipelines_error
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.reads.repositories import REPOSITORY
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Pipeline

routes = Routes()

PIPELINES = f"{REPOSITORY}/pipelines"
PIPELINE = f"{PIPELINES}/{{pipeline_uuid}}"
READ: dict[str, Any] = {"classic": "pipeline", "new": "read:pipeline"}

_PIPELINES = Listing(
    PageRules(numbered=True, lost=frozenset({"sort"})),
    filters=None,
    sorts=filters.PIPELINE_SORTS,
    ignores_q=True,
)
_ALL_AT_ONCE = Listing(PageRules(unpaged=True))


def _dig(document: Json, *path: str) -> Any:
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _upper(document: Json, *path: str) -> str:
    return str(_dig(document, *path) or "").upper()


def status_of(document: Json) -> str:
    """The word by which the ``status`` parameter knows a pipeline's state."""
    state = document["state"]
    name = str(_dig(state, "result", "name") or _dig(state, "stage", "name") or state["name"])
    return {"SUCCESSFUL": "PASSED", "RUNNING": "BUILDING", "EXPIRED": "ERROR"}.get(name, name)


def _branch_of(document: Json) -> str | None:
    target = document["target"]
    return target.get("ref_name") if target.get("ref_type") == "branch" else None


_TRIGGERS = {"SCHEDULE": "SCHEDULED"}
_SELECTORS = {"BRANCHES": "BRANCH", "TAGS": "TAG", "PULL-REQUESTS": "PULLREQUESTS"}

_FILTERS: dict[str, Callable[[Json], Any]] = {
    "creator.uuid": lambda d: _dig(d, "creator", "uuid"),
    "target.ref_type": lambda d: _upper(d, "target", "ref_type"),
    "target.ref_name": lambda d: _dig(d, "target", "ref_name"),
    "target.branch": _branch_of,
    "target.commit.hash": lambda d: _dig(d, "target", "commit", "hash"),
    "target.selector.pattern": lambda d: _dig(d, "target", "selector", "pattern"),
    "target.selector.type": lambda d: _SELECTORS.get(
        _upper(d, "target", "selector", "type"), _upper(d, "target", "selector", "type")
    ),
    "trigger_type": lambda d: _TRIGGERS.get(d["trigger"]["name"], d["trigger"]["name"]),
}


@routes.add(
    "GET",
    PIPELINES,
    **READ,
    listing=_PIPELINES,
    parameters=(*_FILTERS, "created_on"),
    repeatable=("status",),
)
def pipelines(call: Call) -> list[Json]:
    """The pipelines that the parameters select, oldest first."""
    rows = [pipeline.document for pipeline in call.repository().pipelines.values()]
    for name, read in _FILTERS.items():
        wanted = call.one(name)
        if wanted is not None:
            rows = [row for row in rows if read(row) == wanted]
    created = call.one("created_on")
    if created is not None:
        try:
            moment = times.parse(created)
        except ValueError:
            raise bad_request("Invalid created_on") from None
        rows = [row for row in rows if times.parse(row["created_on"]) == moment]
    statuses = call.every("status")
    return [row for row in rows if status_of(row) in statuses] if statuses else rows


def pipeline_of(call: Call) -> Pipeline:
    """The pipeline in the path, by ``{uuid}`` or build number; 404 when there is none."""
    key, found = call.path["pipeline_uuid"], call.repository().pipelines
    if key in found:
        return found[key]
    if key.isascii() and key.isdigit():
        for pipeline in found.values():
            if pipeline.document["build_number"] == int(key):
                return pipeline
    raise pipelines_error(
        404, "Not found", f"No pipeline with id {key} exists", "result-service.pipeline.not-found"
    )


@routes.add("GET", PIPELINE, **READ)
def pipeline(call: Call) -> Json:
    """A pipeline."""
    return pipeline_of(call).document


@routes.add("GET", f"{PIPELINE}/steps", **READ, listing=_ALL_AT_ONCE)
def steps(call: Call) -> list[Json]:
    """The steps of a pipeline, all of them at once."""
    return list(pipeline_of(call).steps.values())


@routes.add("GET", f"{PIPELINE}/steps/{{step_uuid}}", **READ)
def step(call: Call) -> Json:
    """A step of a pipeline."""
    key = call.path["step_uuid"]
    found = pipeline_of(call).steps.get(key)
    if found is None:
        raise pipelines_error(
            404, "Not found", f"No step with id {key} exists", "result-service.step.not-found"
        )
    return found
