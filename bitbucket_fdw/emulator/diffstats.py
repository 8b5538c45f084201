"""Which files some commits change, and how, as a diffstat tells it.

Seen live by users, 2026: an item has the number of lines, a status, and the file's old and new name
as objects, one of which is null if the file was added or removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from bitbucket_fdw.emulator.documents import segment
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.store import Repository

_STATUSES = (*("modified",) * 6, "added", "removed", "renamed", "merge conflict")


def diffstat(repository: Repository, digests: Iterable[str]) -> list[Json]:
    """The files that commits change together; the same for the same commits."""
    commits = list(digests)
    names = {name for digest in commits for name in repository.commits[digest].files}
    return [_change(name, f"{name} {min(commits)}") for name in sorted(names)]


def _change(name: str, seed: str) -> Json:
    chance = crc32(seed.encode())
    status = _STATUSES[chance % len(_STATUSES)]
    former = f"old/{name}" if status == "renamed" else name
    return {
        "type": "diffstat",
        "status": status,
        "lines_added": 0 if status == "removed" else 1 + chance % 97,
        "lines_removed": 0 if status == "added" else chance % 31,
        "old": None if status == "added" else _file(former),
        "new": None if status == "removed" else _file(name),
    }


def _file(name: str) -> Json:
    return {"type": "commit_file", "path": name, "escaped_path": segment(name)}
