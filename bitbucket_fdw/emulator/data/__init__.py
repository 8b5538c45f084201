"""The sample data, the same for the same seed and scale.

:func:`build` fills a store: workspace ``acme`` with the repositories that :mod:`plan` lists, and a
small workspace ``globex``. Each family draws from random numbers of its own, so that a change in
one does not shuffle the others.
"""

from __future__ import annotations

import gc
from random import Random

from bitbucket_fdw.emulator.data import accounts, repositories, text
from bitbucket_fdw.emulator.data.history import History
from bitbucket_fdw.emulator.data.issues import add_issues
from bitbucket_fdw.emulator.data.pipelines import add_pipelines
from bitbucket_fdw.emulator.data.plan import RepositoryPlan, Scale, globex_repositories
from bitbucket_fdw.emulator.data.plan import repositories as acme_repositories
from bitbucket_fdw.emulator.data.pull_requests import PullRequests
from bitbucket_fdw.emulator.documents import Documents
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.permissions import add_groups
from bitbucket_fdw.emulator.resources import RESOURCES
from bitbucket_fdw.emulator.store import Commit, Repository, Store, Workspace

# Ids of comments and tasks are unique over all repositories, as they are on Bitbucket.
_ID_BLOCK = 100_000


def build(api: str, seed: int, scale: Scale, committers: bool = False) -> Store:
    """Make the store of a fresh emulator.

    :param api: the address of its API, which ends in ``/2.0``.
    :param seed: decides all data.
    :param scale: how much data there is.
    :param committers: whether commits say who committed them.
    """
    collecting = gc.isenabled()
    gc.disable()  # nothing made here is garbage; tracking it would double the time
    try:
        store = Store(Documents(api, committers))
        accounts.add_people(store, seed)
        accounts.add_workspaces(store, seed)
        add_groups(store)
        block = 1
        for slug, plans in (("acme", acme_repositories(scale)), ("globex", globex_repositories())):
            workspace = store.workspaces[slug]
            made = []
            for plan in plans:
                rng = Random(f"{seed}/{slug}/{plan.slug}/repository")
                made.append((repositories.add_repository(store, workspace, plan, rng), plan))
            for repository, plan in made:
                _fill(store, workspace, repository, plan, seed, block * _ID_BLOCK)
                block += 1
        for resource in RESOURCES:
            resource.fill(store, seed)
        return store
    finally:
        if collecting:
            gc.enable()


def _fill(
    store: Store,
    workspace: Workspace,
    repository: Repository,
    plan: RepositoryPlan,
    seed: int,
    first_id: int,
) -> None:
    def rng(family: str) -> Random:
        return Random(f"{seed}/{workspace.slug}/{plan.slug}/{family}")

    repositories.add_extras(store, repository, rng("extras"))
    if plan.empty:
        return
    history = History(store, repository, plan.sizes, rng("history"))
    history.grow()
    PullRequests(store, repository, rng("pull requests"), first_id).add(history)
    _comment_on_commits(store, repository, rng("commit comments"), first_id + _ID_BLOCK // 2)
    if plan.sizes.issues:
        add_issues(store, repository, rng("issues"), plan.sizes.issues, first_id + 60_000)
    add_pipelines(store, repository, rng("pipelines"), plan.sizes.pipelines)
    repository.document["updated_on"] = history_end(repository)


def history_end(repository: Repository) -> str:
    """When the main branch last moved."""
    text: str = repository.branches["main"]["target"]["date"]
    return text


def _comment_on_commits(store: Store, repository: Repository, rng: Random, first_id: int) -> None:
    """Add comments on some commits, and to the first of them a reply."""
    hashes = list(repository.commits)
    made: list[tuple[Commit, Json]] = []
    for number in range(1, 1 + min(12, len(hashes))):
        commit = repository.commits[rng.choice(hashes)]
        place = {"inline": {"from": None, "to": 3, "path": "README.md"}} if number % 3 == 0 else {}
        made.append((commit, _comment_on(store, repository, commit, rng, first_id + number, place)))
    commit, first = made[0]
    parent = {"parent": {"id": first["id"], "links": first["links"]}}
    _comment_on(store, repository, commit, rng, first_id + len(made) + 1, parent)


def _comment_on(
    store: Store, repository: Repository, commit: Commit, rng: Random, number: int, more: Json
) -> Json:
    path = f"/repositories/{repository.full_name}/commit/{commit.hash}"
    commit.comments[number] = store.documents.comment(
        "commit_comment",
        path,
        number,
        text.remark(rng),
        created_on=commit.document["date"],
        updated_on=commit.document["date"],
        user=rng.choice([None, *store.users.values()]),
        deleted=False,
        commit=store.documents.commit_reference(repository.full_name, commit.hash),
        **more,
    )
    return commit.comments[number]
