"""Deployment environments, and the deployments that steps of pipelines made.

Seen live by users, 2026: page numbers with ``size``; ``q`` is ignored without a word and every
``sort`` of deployments is refused; a deployment's ``state.status`` is there once it is completed,
and only its release has a ``created_on``. Some answers gave of an environment its UUID only, and
older ones called the release ``deployable``. Nobody states an order, so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from bitbucket_fdw.emulator.documents import WEB
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.items import of_pipelines
from bitbucket_fdw.emulator.levels import WITH_PIPELINES
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.reshaping import members_of, named, renamed
from bitbucket_fdw.emulator.resource import Resource, Way
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Repository

READ: dict[str, Any] = {"classic": "pipeline", "new": "read:pipeline"}
_NUMBERED = PageRules(numbered=True)


TYPES = ("Test", "Staging", "Production")


def environment(uuid: str, name: str, type: str) -> Json:
    """An environment of one of the :data:`TYPES`, without restrictions."""
    kind, rank = "deployment_environment", TYPES.index(type)
    return {
        "type": kind,
        "uuid": uuid,
        "name": name,
        "slug": name.lower().replace(" ", "-"),
        "rank": rank,
        "hidden": False,
        "category": {"name": type},
        "environment_type": {"type": f"{kind}_type", "name": type, "rank": rank},
        "lock": named(f"{kind}_lock", "OPEN"),
        "restrictions": {"type": "deployment_restrictions_configuration", "admin_only": False},
        "environment_lock_enabled": True,
        "deployment_gate_enabled": False,
    }


def _environments(sample: Sample, repository: Repository) -> Iterator[Json]:
    for name in TYPES:
        made = environment(sample.uuid(), name, name)
        if name == "Production":
            made["name"] = f"{name} (für alle)"
            made["restrictions"]["admin_only"] = True
        yield made


ENVIRONMENTS = Resource(
    "environments",
    WITH_PIPELINES,
    "/environments",
    **READ,
    listing=Listing(_NUMBERED),
    item=of_pipelines("environment", "environment-service"),
    sample=_environments,
    slash_disputed=True,
)


def _deployments(sample: Sample, repository: Repository) -> Iterator[Json]:
    environments = ENVIRONMENTS.documents(repository)
    for pipeline in repository.pipelines.values():
        run, number = pipeline.document, pipeline.document["build_number"]
        page = f"{WEB}/{repository.full_name}/pipelines/results/{number}"
        for step in list(pipeline.steps.values())[2:]:  # the third step, if any, deploys
            environment = sample.rng.choice(environments)
            yield {
                "type": "deployment",
                "uuid": sample.uuid(),
                "key": f"deployment_{number}",
                "version": sample.rng.randrange(1, 9),
                "state": {**_state(step, sample), "url": page},
                "step": {"type": "pipeline_step", **members_of(step, "uuid")},
                "environment": members_of(environment, "type", "uuid", "name", "environment_type"),
                "release": {
                    "type": "deployment_release",
                    "name": f"#{number}",
                    "url": page,
                    "uuid": sample.uuid(),
                    "key": f"release_{number}",
                    "pipeline": {"type": "pipeline", **members_of(run, "uuid")},
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
            return named(kind, "UNDEPLOYED")
        return named(kind, "IN_PROGRESS", **members_of(step, "started_on"))
    result = now["result"]["name"]
    status = result if result in ("SUCCESSFUL", "STOPPED") else "FAILED"
    more = {"status": named(f"{kind}_completed", status), "deployer": sample.person()}
    return named(kind, "COMPLETED", **more, **members_of(step, "started_on", "completed_on"))


_OLD_NAMES = {
    "release": "deployable",
    "started_on": "start_date",
    "completed_on": "completion_date",
}


def _with_bare_environment(deployment: Json) -> Json:
    return {**deployment, "environment": members_of(deployment["environment"], "uuid")}


DEPLOYMENTS = Resource(
    "deployments",
    WITH_PIPELINES,
    "/deployments",
    **READ,
    listing=Listing(_NUMBERED, sorts={}, ignores_q=True),
    item=of_pipelines("deployment", "deployment-service"),
    order=lambda documents: sorted(documents, key=itemgetter("uuid")),
    sample=_deployments,
    slash_disputed=True,
    ways={
        "bare_environment": Way(
            "Show of a deployment's environment its UUID only.", _with_bare_environment
        ),
        "old_deployment_names": Way(
            "Call members by their older names.", lambda found: renamed(found, _OLD_NAMES)
        ),
    },
)

RESOURCES = (ENVIRONMENTS, DEPLOYMENTS)
