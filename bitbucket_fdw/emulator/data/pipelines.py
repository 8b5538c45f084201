"""Sample pipelines in every state, with their steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from bitbucket_fdw.emulator.data.accounts import PEOPLE
from bitbucket_fdw.emulator.data.plan import FIRST_DAY, LAST_DAY
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.sample import make_uuid
from bitbucket_fdw.emulator.states import STAGES, named, state
from bitbucket_fdw.emulator.store import Pipeline, PullRequest, Repository, Store
from bitbucket_fdw.emulator.times import parse, zulu_form

# A secret that a step's JSON really carries; whoever stores the JSON stores the secret.
REGISTRY_PASSWORD = "emulator-registry-password"  # noqa: S105 - sample data

# Outcome, weight: a result once completed, or a stage while in progress, or just pending.
_OUTCOMES = {
    "SUCCESSFUL": 60,
    "FAILED": 18,
    "ERROR": 4,
    "STOPPED": 6,
    "EXPIRED": 2,
    "RUNNING": 4,
    "PAUSED": 3,
    "HALTED": 1,
    "PENDING": 2,
}
_DIGITS = (3, 6, 6, 9)


def add_pipelines(store: Store, repository: Repository, rng: Random, total: int) -> None:
    """Add ``total`` pipelines, oldest first."""
    branches = sorted(repository.branches)
    commits = list(repository.commits)
    pulls = [p for p in repository.pull_requests.values() if p.document["source"]["commit"]]
    span = (LAST_DAY - FIRST_DAY).total_seconds()
    for number in range(1, total + 1):
        created = FIRST_DAY + timedelta(
            seconds=int(span * (number - rng.random()) / total), microseconds=rng.randrange(10**6)
        )
        outcome = rng.choices(tuple(_OUTCOMES), tuple(_OUTCOMES.values()))[0]
        target = _target(store, repository, rng, rng.choice(branches), rng.choice(commits))
        opened = [p for p in pulls if parse(p.document["created_on"]) < created]
        if number % 6 == 0 and opened:
            target = _pull_request_target(store, repository, opened[-1])
        _add(store, repository, rng, number, created, outcome, target)


def _add(
    store: Store,
    repository: Repository,
    rng: Random,
    number: int,
    created: datetime,
    outcome: str,
    target: Json,
) -> None:
    uuid, digits = make_uuid(rng), rng.choice(_DIGITS)
    running = outcome == "PENDING" or outcome in STAGES
    seconds = 0 if outcome == "PENDING" else rng.randrange(5, 4000)
    completed = None if running else zulu_form(created + timedelta(seconds=seconds), digits)
    reference = store.documents.repository_reference(repository.document)
    creator = store.users[rng.choice(PEOPLE)[0]] if rng.random() < 0.93 else None
    trigger, now = _trigger(rng), state("pipeline", outcome)
    if outcome == "STOPPED":
        now["result"]["terminator"] = creator
    document = store.documents.pipeline(
        reference,
        uuid,
        number,
        creator=creator if number % 15 else store.users["oauth-app"],
        target=target,
        trigger=trigger,
        state=now,
        created_on=zulu_form(created, digits),
        completed_on=completed,
        build_seconds_used=seconds,
        run_number=1 if number % 10 else 2,
        duration_in_seconds=seconds,
        first_successful=outcome == "SUCCESSFUL" and rng.random() < 0.1,
        expired=outcome == "EXPIRED",
        has_variables=False,  # even if it has some, none of which are shown
        labels={"batch": "nightly"} if number % 9 == 0 else {},
        configuration_sources=[
            {"source": f"{repository.full_name}", "uri": "https://bitbucket.org/example.yml"}
        ],
    )
    pipeline = Pipeline(document)
    repository.pipelines[uuid] = pipeline
    names = ("Build", "Test", "Deploy 'live'")[: rng.randint(1, 3)]
    for index, name in enumerate(names):
        result = outcome if index == len(names) - 1 else "SUCCESSFUL"
        step = _step(reference, rng, pipeline, name, result, created + timedelta(seconds=index))
        pipeline.steps[step["uuid"]] = step


def _target(store: Store, repository: Repository, rng: Random, branch: str, commit: str) -> Json:
    reference = store.documents.commit_reference(repository.full_name, commit)
    chance = rng.random()
    if chance < 0.08:
        selector = {"type": "custom", "pattern": "nightly"}
        return {"type": "pipeline_commit_target", "commit": reference, "selector": selector}
    if chance < 0.2 and repository.tags:
        tag = rng.choice(sorted(repository.tags))
        selector = {"type": "tags", "pattern": "v*"}
        kind, name = "tag", tag
    else:
        selector = {"type": "branches", "pattern": "**"}
        kind, name = "branch", branch
    return {
        "type": "pipeline_ref_target",
        "ref_type": kind,
        "ref_name": name,
        "commit": reference,
        "selector": selector,
    }


def _pull_request_target(store: Store, repository: Repository, pull: PullRequest) -> Json:
    """What a pipeline for a pull request runs for. Its branches are names, and it has no ref."""
    document, full_name = pull.document, repository.full_name
    return {
        "type": "pipeline_pullrequest_target",
        "source": document["source"]["branch"]["name"],
        "destination": document["destination"]["branch"]["name"],
        "destination_commit": document["destination"]["commit"],
        "commit": store.documents.commit_reference(full_name, pull.source_hash),
        "pullrequest": store.documents.pull_request_reference(document),
        "selector": {"type": "pull-requests", "pattern": "**"},
    }


def _trigger(rng: Random) -> Json:
    return named("pipeline_trigger", rng.choices(("PUSH", "MANUAL", "SCHEDULE"), (80, 12, 8))[0])


def _step(
    repository: Json, rng: Random, pipeline: Pipeline, name: str, outcome: str, moment: datetime
) -> Json:
    waits = outcome == "PAUSED"
    started = outcome != "PENDING" and not waits
    done = started and outcome not in STAGES
    seconds = rng.randrange(1, 900)
    image: Json = {"name": "registry.example/build:1"}
    if rng.random() < 0.5:
        image.update(username="builder", password=REGISTRY_PASSWORD, email="builder@acme.example")
    return {
        "type": "pipeline_step",
        "uuid": make_uuid(rng),
        "name": name,
        "started_on": zulu_form(moment, 9) if started else None,
        "completed_on": zulu_form(moment + timedelta(seconds=seconds), 9) if done else None,
        "duration_in_seconds": seconds if done else None,
        "build_seconds_used": seconds if done else 0,
        "run_number": pipeline.document["run_number"],
        "maxTime": 120,
        "state": state("pipeline_step", outcome),
        "image": image,
        "setup_commands": [{"name": "clone", "command": "git clone ."}],
        "script_commands": [{"name": "make", "command": 'make "all"'}],
        "teardown_commands": [{"name": "caches", "command": "store caches"}] if done else [],
        "pipeline": {"type": "pipeline", "uuid": pipeline.document["uuid"]},
        "repository": repository,
        "trigger": {"type": f"pipeline_step_trigger_{'manual' if waits else 'automatic'}"},
    }
