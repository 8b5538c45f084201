"""What the emulator holds, read from its state and not through the package under test."""

from __future__ import annotations

from typing import Any

from devkit.emulator import Control

Document = dict[str, Any]

CALLER = "ada"
"""The nickname of the account that tests ask as."""


def rows_of(emulator: Control, collection: str) -> list[dict[str, Any]]:
    """The rows of a collection as ``{"workspace", "repository", parent ids, "document"}``.

    Of what the API tells each caller of himself, only what it tells the account that tests ask as.
    Of commits, and of what hangs on them, only what a listing leads to: the ones that some branch
    or tag reaches.
    """
    state = emulator.state()
    found = [row for row in state[collection] if row.get("caller", CALLER) == CALLER]
    if not collection.startswith("commit"):
        return found
    heads = [*state["branches"], *state["tags"]]
    reached = {(_place(row), digest) for row, digest in _reached(heads, state["commits"])}
    return [
        row
        for row in found
        if (_place(row), row.get("commit_hash") or row["document"]["hash"]) in reached
    ]


def documents(
    emulator: Control, collection: str, repository: str = "website", workspace: str = "acme"
) -> list[Document]:
    """The documents of one repository's collection."""
    return [
        row["document"]
        for row in rows_of(emulator, collection)
        if _place(row) == (workspace, repository)
    ]


def default_branch_commits(emulator: Control) -> list[dict[str, Any]]:
    """The rows of ``commits`` that the main branch of their repository reaches."""
    state = emulator.state()
    main = {
        _place(row): (row["document"]["mainbranch"] or {}).get("name")
        for row in state["repositories"]
    }
    heads = [row for row in state["branches"] if row["document"]["name"] == main[_place(row)]]
    reached = {(_place(row), digest) for row, digest in _reached(heads, state["commits"])}
    return [row for row in state["commits"] if (_place(row), row["document"]["hash"]) in reached]


def _place(row: dict[str, Any]) -> tuple[str, str]:
    return row["workspace"], row["repository"]


def _reached(
    heads: list[dict[str, Any]], commits: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], str]]:
    """Rows and hashes of the commits that the refs lead to, parents before or after."""
    parents = {
        (_place(row), row["document"]["hash"]): [p["hash"] for p in row["document"]["parents"]]
        for row in commits
    }
    found = []
    seen = set()
    frontier = [(row, row["document"]["target"]["hash"]) for row in heads]
    while frontier:
        row, digest = frontier.pop()
        if (_place(row), digest) in seen:
            continue
        seen.add((_place(row), digest))
        found.append((row, digest))
        frontier += [(row, parent) for parent in parents[_place(row), digest]]
    return found
