"""Deployment environments, and the deployments that steps of pipelines made.

Seen live by users, 2026: page numbers with ``size``; ``q`` is ignored without a word and every
``sort`` of deployments is refused; ``state.status`` is there once a deployment is completed, and
only its release has a ``created_on``. Some answers gave of an environment its UUID only, and older
ones called the release ``deployable``. Nobody states an order, so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from bitbucket_fdw.emulator.documents import WEB
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.items import of_pipelines
from bitbucket_fdw.emulator.levels import WITH_PIPELINES
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.reshaping import members_of, narrowed, renamed
from bitbucket_fdw.emulator.resource import Resource, Way
from bitbucket_fdw.emulator.resources.pipelines import READ
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.states import deployment_state
from bitbucket_fdw.emulator.store import Repository
from bitbucket_fdw.emulator.templates import Template

_NUMBERED = PageRules(numbered=True)
_SHOWN = ("type", "uuid", "name", "environment_type")  # of a deployment's environment
_OLD = {"release": "deployable", "started_on": "start_date", "completed_on": "completion_date"}

TYPES = ("Test", "Staging", "Production")
ENVIRONMENT = Template(
    """{"type": "deployment_environment", "uuid": "$uuid", "name": "$name", "slug": "$slug",
    "rank": "$rank", "hidden": false, "category": {"name": "$kind"},
    "environment_type": {"type": "deployment_environment_type", "name": "$kind", "rank": "$rank"},
    "lock": {"type": "deployment_environment_lock_open", "name": "OPEN"},
    "restrictions": {"type": "deployment_restrictions_configuration", "admin_only": "$admin_only"},
    "environment_lock_enabled": true, "deployment_gate_enabled": false}"""
)


def _environments(sample: Sample, repository: Repository) -> Iterator[Json]:
    for rank, kind in enumerate(TYPES):
        last = kind == "Production"
        names = {"name": f"{kind} (für alle)" if last else kind, "slug": kind.lower(), "kind": kind}
        yield sample.document(ENVIRONMENT, **names, rank=rank, admin_only=last)


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
_DEPLOYMENT = Template(
    """{"type": "deployment", "uuid": "$uuid", "key": "deployment_$run.build_number",
    "version": "$run.run_number", "state": "$state", "environment": "$environment",
    "step": {"type": "pipeline_step", "uuid": "$step.uuid"}, "last_update_time": "$updated_on",
    "release": {"type": "deployment_release", "uuid": "$uuid", "name": "#$run.build_number",
      "key": "release_$run.build_number", "url": "$state.url", "commit": "$run.target.commit",
      "pipeline": {"type": "pipeline", "uuid": "$run.uuid"}, "created_on": "$run.created_on"}}"""
)


def _deployments(sample: Sample, repository: Repository) -> Iterator[Json]:
    environments = [members_of(each, *_SHOWN) for each in ENVIRONMENTS.documents(repository)]
    for pipeline in repository.pipelines.values():
        run, page = pipeline.document, f"{WEB}/{repository.full_name}/pipelines/results/"
        for step in list(pipeline.steps.values())[2:]:  # the third step, if any, deploys
            given = {"run": run, "step": step, "environment": sample.rng.choice(environments)}
            state = deployment_state(step, sample.person(), url=f"{page}{run['build_number']}")
            last = step["completed_on"] or run["created_on"]
            yield sample.document(_DEPLOYMENT, **given, state=state, updated_on=last)


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
            "Show of a deployment's environment its UUID only.",
            lambda found: narrowed(found, "environment", "uuid"),
        ),
        "old_deployment_names": Way(
            "Call members by their older names.", lambda found: renamed(found, _OLD)
        ),
    },
)
RESOURCES = (ENVIRONMENTS, DEPLOYMENTS)
