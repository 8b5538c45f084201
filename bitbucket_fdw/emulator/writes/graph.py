"""Changes of a repository's commit graph: what merges and new refs do to it."""

from __future__ import annotations

from hashlib import sha1

from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import Commit, PullRequest, Repository, Store


def _ancestors(repository: Repository, digest: str) -> set[str]:
    seen: set[str] = set()
    frontier = [digest]
    while frontier:
        one = frontier.pop()
        if one not in seen and one in repository.commits:
            seen.add(one)
            frontier.extend(repository.commits[one].parents)
    return seen


def reaches(repository: Repository, head: str, digest: str) -> bool:
    """Whether ``digest`` is ``head`` or one of its ancestors."""
    return digest in _ancestors(repository, head)


def between(repository: Repository, head: str, base: str) -> list[str]:
    """The commits that ``head`` has and ``base`` has not, oldest first."""
    missing = _ancestors(repository, head) - _ancestors(repository, base)
    return [digest for digest in repository.commits if digest in missing]


def adopt(repository: Repository, source: Repository, head: Commit) -> None:
    """Bring a fork's commits into the repository that is asked to merge them."""
    if source is not repository:
        for digest in _ancestors(source, head.hash):
            repository.commits.setdefault(digest, source.commits[digest])


def point(store: Store, repository: Repository, branch: str, digest: str) -> None:
    """Let a branch point to a commit."""
    target = repository.commits[digest].document
    repository.branches[branch] = store.documents.branch(repository.document, branch, target)


def merge(
    store: Store,
    repository: Repository,
    branch: str,
    pull: PullRequest,
    *,
    strategy: str,
    message: str,
    author: Json,
) -> str:
    """Merge a pull request into ``branch``; returns the hash that it is known by afterwards.

    ``fast_forward`` moves the branch to the source commit where that is possible; the squashing
    and rebasing strategies make one commit with one parent; ``merge_commit`` one with two.
    """
    base = repository.branches[branch]["target"]["hash"]
    if strategy == "fast_forward" and reaches(repository, pull.source_hash, base):
        point(store, repository, branch, pull.source_hash)
        return pull.source_hash
    parents = [base, pull.source_hash] if strategy in ("merge_commit", "rebase_merge") else [base]
    now = store.now()
    digest = sha1(f"{parents}{message}{now}".encode(), usedforsecurity=False).hexdigest()
    raw = f"{author['display_name']} <{author.get('nickname', 'app')}@acme.example>"
    document = store.documents.commit(
        store.documents.repository_reference(repository.document),
        digest,
        now,
        store.documents.author(raw, author),
        message,
        parents,
    )
    files = sorted({name for one in pull.commits for name in repository.commits[one].files})
    repository.commits[digest] = Commit(document, tuple(files), repository)
    point(store, repository, branch, digest)
    return digest
