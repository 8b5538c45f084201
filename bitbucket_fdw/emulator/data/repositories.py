"""Sample repositories: the document, who may use it, and its small collections."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from bitbucket_fdw.emulator.data.plan import FIRST_DAY, RepositoryPlan
from bitbucket_fdw.emulator.sample import make_uuid
from bitbucket_fdw.emulator.store import Repository, Store, Workspace
from bitbucket_fdw.emulator.times import offset_form


def add_repository(
    store: Store, workspace: Workspace, plan: RepositoryPlan, rng: Random
) -> Repository:
    """Add the repository that ``plan`` describes, still without history."""
    created = FIRST_DAY + timedelta(hours=rng.randrange(24 * 60), microseconds=rng.randrange(10**6))
    parent = workspace.repositories.get(plan.parent) if plan.parent else None
    documents = store.documents
    document = documents.repository(
        workspace.document,
        plan.slug,
        uuid=make_uuid(rng),
        name=plan.name,
        is_private=plan.private,
        parent=documents.repository_reference(parent.document) if parent else None,
        scm="git",
        description=plan.description,
        created_on=offset_form(created),
        updated_on=offset_form(created + timedelta(days=rng.randrange(900))),
        size=0 if plan.empty else rng.randrange(50_000, 90_000_000),
        language="" if plan.empty else plan.language,
        has_issues=plan.sizes.issues > 0,
        has_wiki=False,
        fork_policy="allow_forks" if not plan.private else "no_public_forks",
        project=documents.project_reference(workspace.projects[plan.project].document),
        mainbranch=None if plan.empty else {"type": "branch", "name": "main"},
        override_settings={
            "default_merge_strategy": plan.project == "WEB",
            "branching_model": plan.slug == "website",
        },
        website="https://www.acme.example/" if plan.slug == "website" else None,
    )
    repository = Repository(workspace, plan.slug, document)
    workspace.repositories[plan.slug] = repository
    return repository


def add_extras(store: Store, repository: Repository, rng: Random) -> None:
    """Downloads and webhooks."""
    documents, document = store.documents, repository.document
    for number in range(rng.randrange(4)):
        name = f"release {number}.0 (für alle).zip" if number == 1 else f"release-{number}.0.zip"
        repository.downloads[name] = documents.download(
            document,
            name,
            size=rng.randrange(1000, 10**7),
            downloads=rng.randrange(500),
            created_on=offset_form(FIRST_DAY + timedelta(days=300 + number)),
            user=store.users["ada"],
        )
    for number in range(rng.randrange(3)):
        uuid = make_uuid(rng)
        repository.hooks[uuid] = documents.hook(
            document,
            uuid,
            url=f"https://hooks.example/{number}",
            description=f"Hook {number}",
            active=number == 0,
            created_at=offset_form(FIRST_DAY + timedelta(days=200 + number)),
            events=["repo:push", "pullrequest:created"],
            secret_set=True,
        )
