"""Deployment environments, and the deployments that steps of pipelines made.

Seen live by users, 2026: page numbers with ``size``; ``q`` is ignored without a word and every
``sort`` of deployments is refused; a deployment's ``state.status`` is there once it is completed,
and only its release has a ``created_on``. Some answers gave of an environment its UUID only, and
older ones called the release ``deployable``. Nobody states an order, so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator

from bitbucket_fdw.emulator.documents import WEB
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import ApiError, Json, pipelines_error
from bitbucket_fdw.emulator.levels import WITH_PIPELINES
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Item, Resource, Way
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Repository

_NUMBERED = PageRules(numbered=True)


def _missing(what: str) -> Item:
    def error(key: str) -> ApiError:
        detail = f"No {what} with id {key} exists"
        return pipelines_error(404, "Not found", detail, f"{what}-service.not-found")

    return Item("uuid", error)


def _environments(sample: Sample, repository: Repository) -> Iterator[Json]:
    kind = "deployment_environment"
    for rank, name in enumerate(("Test", "Staging", "Production")):
        admin_only = {"admin_only": rank == 2}
        yield {
            "type": kind,
            "uuid": sample.uuid(),
            "name": name if rank < 2 else f"{name} (für alle)",
            "slug": name.lower(),
            "rank": rank,
            "hidden": False,
            "category": {"name": name},
            "environment_type": {"type": f"{kind}_type", "name": name, "rank": rank},
            "lock": {"type": f"{kind}_lock_open", "name": "OPEN"},
            "restrictions": {"type": "deployment_restrictions_configuration"} | admin_only,
            "environment_lock_enabled": True,
            "deployment_gate_enabled": False,
        }


ENVIRONMENTS = Resource(
    "environments",
    WITH_PIPELINES,
    "/environments",
    classic="pipeline",
    new="read:pipeline",
    listing=Listing(_NUMBERED),
    item=_missing("environment"),
    sample=_environments,
    slash_disputed=True,
)


_SHOWN = ("type", "uuid", "name", "environment_type")  # of the environment of a deployment


def _deployments(sample: Sample, repository: Repository) -> Iterator[Json]:
    environments = ENVIRONMENTS.documents(repository)
    for pipeline in repository.pipelines.values():
        run, number = pipeline.document, pipeline.document["build_number"]
        page = f"{WEB}/{repository.full_name}/pipelines/results/{number}"
        for step in list(pipeline.steps.values())[2:]:  # the third step, if any, deploys
            environment = sample.rng.choice(environments)
            release = {"type": "deployment_release", "name": f"#{number}", "url": page}
            yield {
                "type": "deployment",
                "uuid": sample.uuid(),
                "key": f"deployment_{number}",
                "version": sample.rng.randrange(1, 9),
                "state": {**_state(step, sample), "url": page},
                "step": {"type": "pipeline_step", "uuid": step["uuid"]},
                "environment": {name: environment[name] for name in _SHOWN},
                "release": {
                    **release,
                    "uuid": sample.uuid(),
                    "key": f"release_{number}",
                    "pipeline": {"type": "pipeline", "uuid": run["uuid"]},
                    "commit": run["target"]["commit"],
                    "created_on": run["created_on"],
                },
                "last_update_time": step["completed_on"] or run["created_on"],
            }


def _state(step: Json, sample: Sample) -> Json:
    """What a deployment's state is while the step that deploys is in a state of its own."""
    now, kind = step["state"], "deployment_state"
    if step["completed_on"] is None:
        if now.get("stage", {}).get("name") != "RUNNING":
            return {"type": f"{kind}_undeployed", "name": "UNDEPLOYED"}
        started = {"started_on": step["started_on"]}
        return {"type": f"{kind}_in_progress", "name": "IN_PROGRESS", **started}
    result = now["result"]["name"]
    status = result if result in ("SUCCESSFUL", "STOPPED") else "FAILED"
    times = {name: step[name] for name in ("started_on", "completed_on")}
    more = {"status": {"type": f"{kind}_completed_{status.lower()}", "name": status}, **times}
    return {"type": f"{kind}_completed", "name": "COMPLETED", "deployer": sample.person(), **more}


def _bare(deployment: Json) -> Json:
    return {**deployment, "environment": {"uuid": deployment["environment"]["uuid"]}}


def _old_names(deployment: Json) -> Json:
    """A deployment in the words of older answers."""
    old = {"release": "deployable", "started_on": "start_date", "completed_on": "completion_date"}
    state = {old.get(name, name): value for name, value in deployment["state"].items()}
    renamed = {old.get(name, name): value for name, value in deployment.items()}
    return {**renamed, "state": state}


DEPLOYMENTS = Resource(
    "deployments",
    WITH_PIPELINES,
    "/deployments",
    classic="pipeline",
    new="read:pipeline",
    listing=Listing(_NUMBERED, sorts={}, ignores_q=True),
    item=_missing("deployment"),
    order=lambda documents: sorted(documents, key=lambda document: document["uuid"]),
    sample=_deployments,
    slash_disputed=True,
    ways={
        "bare_environment": Way("Show of a deployment's environment its UUID only.", _bare),
        "old_deployment_names": Way("Call members by their older names.", _old_names),
    },
)

RESOURCES = (ENVIRONMENTS, DEPLOYMENTS)
