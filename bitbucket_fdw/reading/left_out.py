"""What a statement leaves out of its rows, gathered until it ends, to be said once.

Hosts do not say which scans make up a statement, nor when the last of them is read. They do say
when the executor ends its scans, which it does for all of them together. So everything that any
scan leaves out is kept here until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

NAMED = 10  # how many are named in one message


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that rows are left out for.

    :param kind: ``missing``: a workspace or repository that the query names is not there;
        ``denied``: one that did not answer; ``off``: one without a feature; ``respelled``: a name
        that Bitbucket spells otherwise; ``unlisted``: a commit that no ref reaches.
    :param what: ``repository`` or ``workspace``; the feature's name for ``off``.
    :param name: which, such as ``acme/website``.
    :param why: what Bitbucket answered or did; its own spelling for ``respelled``.
    """

    kind: Literal["missing", "denied", "off", "respelled", "unlisted"]
    what: str
    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for the client; ``mild`` ones are no warnings."""

    message: str
    detail: str | None = None
    hint: str | None = None
    mild: bool = False


class LeftOut:
    """The facts of a statement, each with the tables that were read for it."""

    def __init__(self) -> None:
        self._facts: dict[Fact, dict[str, None]] = {}

    def add(self, table: str, fact: Fact) -> None:
        self._facts.setdefault(fact, {})[table] = None

    def forget(self) -> None:
        """Leave it unsaid: the statement has failed."""
        self._facts.clear()

    def take(self, told: set[Fact]) -> list[Notice]:
        """What is to be said now, but for what was told; all of it counts as told afterwards."""
        fresh = {fact: tables for fact, tables in self._facts.items() if fact not in told}
        told.update(fresh)
        self._facts.clear()
        groups: dict[tuple[str, str], list[Fact]] = {}
        for fact in fresh:
            groups.setdefault((fact.kind, fact.what), []).append(fact)
        return [_notice(facts, _joined(fresh[fact] for fact in facts)) for facts in groups.values()]


def _notice(facts: list[Fact], tables: str) -> Notice:
    kind, what = facts[0].kind, facts[0].what
    names = list(dict.fromkeys(fact.name for fact in facts))
    if kind == "respelled":
        # A few are enough to see what is wrong.
        said = (f'"{fact.name}" is spelled "{fact.why}"' for fact in facts[:NAMED])
        return Notice(f"{tables}: no rows of a {what}: {', '.join(said)}", mild=True)
    if kind == "unlisted":
        reached = f"{_counted(what, names)}, which no branch or tag reaches"
        return Notice(f"{tables}: no rows of {reached}", mild=True)
    if kind == "missing":
        are = "is" if len(names) == 1 else "are"
        return Notice(
            f"{tables}: {_counted(what, names)} {are} not there, or not visible to the "
            "credential: no rows"
        )
    whys = dict.fromkeys(fact.why for fact in facts if fact.why)
    detail = "\n".join(list(whys)[:NAMED]) or None
    if kind == "off":
        return Notice(f"{tables}: no rows of repositories without {what}: {_quoted(names)}", detail)
    return Notice(
        f"{tables}: skipped {_counted(what, names)}, whose rows could not be had",
        detail,
        "Leave them out by a condition, or have this be an error: server and table option "
        "on_denied 'error'.",
    )


def _counted(what: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{what} {_quoted(names)}"
    plural = "repositories" if what == "repository" else f"{what}s"
    return f"{len(names)} {plural} ({_quoted(names)})"


def _quoted(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(f'"{name}"' for name in names[:NAMED]) + more


def _joined(lists: Iterable[Iterable[str]]) -> str:
    return ", ".join(dict.fromkeys(_chained(lists)))


def _chained(lists: Iterable[Iterable[str]]) -> Iterator[str]:
    for names in lists:
        yield from names
