"""What a statement leaves out of its rows, gathered until it ends, to be said once.

Hosts do not say which scans make up a statement, nor when the last of them is read. They do say
when the executor ends its scans, which it does for all of them together. So everything that any
scan leaves out is kept here until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

NAMED = 10  # how many are named in one message
_LINE_ENDS = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


class Omission(NamedTuple):
    """One reason why rows are left out, or something else about the rows that the client must know.

    :param kind: ``missing``: a workspace or repository that the query names is not there;
        ``denied``: one that did not answer; ``off``: one without a feature; ``respelled``: a name
        that Bitbucket spells otherwise; ``unlisted``: a commit that no ref reaches; ``cut``: a
        text that is longer than what is shown of it; ``unlistable``: one that is there and whose
        listing refuses; ``malformed``: a value in a condition that no row can have.
    :param what: ``repository``, ``workspace`` or ``text``; the feature's name for ``off``; for
        ``unlistable`` what its like are, in the plural; a column's name for ``malformed``.
    :param name: the name of that one, such as ``acme/website``.
    :param why: what Bitbucket answered or did; Bitbucket's own spelling for ``respelled``.
    """

    kind: Literal[
        "missing", "denied", "off", "respelled", "unlisted", "cut", "unlistable", "malformed"
    ]
    what: str
    name: str
    why: str = ""


class Notice(NamedTuple):
    """One message for the client: a NOTICE if it is ``mild``, else a WARNING."""

    message: str
    detail: str | None = None
    hint: str | None = None
    mild: bool = False


class Omissions:
    """The omissions of a statement, each with the tables that were read for it."""

    def __init__(self) -> None:
        self._omitted: dict[Omission, dict[str, None]] = {}

    def add(self, table: str, omission: Omission) -> None:
        self._omitted.setdefault(omission, {})[table] = None

    def forget(self) -> None:
        """Forget all of them, because the statement has failed."""
        self._omitted.clear()

    def take(self, told: set[Omission]) -> list[Notice]:
        """The messages to send now.

        :param told: what the client was told before, which is not repeated. What these messages
            tell is added to it.
        """
        fresh = {
            omission: tables for omission, tables in self._omitted.items() if omission not in told
        }
        told.update(fresh)
        self._omitted.clear()
        groups: dict[tuple[str, str], list[Omission]] = {}
        for omission in fresh:
            groups.setdefault((omission.kind, omission.what), []).append(omission)
        return [
            _notice(omissions, _joined(fresh[omission] for omission in omissions))
            for omissions in groups.values()
        ]


def _notice(omissions: list[Omission], tables: str) -> Notice:
    kind, what = omissions[0].kind, omissions[0].what
    names = list(dict.fromkeys(omission.name for omission in omissions))
    if kind == "respelled":
        # A few are enough to see what is wrong.
        said = (f'"{_on_a_line(o.name)}" is spelled "{o.why}"' for o in omissions[:NAMED])
        return Notice(f"{tables}: no rows of a {what}: {', '.join(said)}", mild=True)
    if kind == "unlisted":
        reached = f"{_counted(what, names)}, which no branch or tag reaches"
        return Notice(f"{tables}: no rows of {reached}", mild=True)
    if kind == "malformed":
        return Notice(
            f"{tables}: no row can have {what} {_quoted(names)}", hint=omissions[0].why, mild=True
        )
    if kind == "missing":
        are = "is" if len(names) == 1 else "are"
        return Notice(
            f"{tables}: {_counted(what, names)} {are} not there, or not visible to the "
            "credential: no rows"
        )
    if kind == "cut":
        are = "is" if len(names) == 1 else "are"
        return Notice(
            f"{tables}: {_counted(what, names)} {are} cut short",
            f"{omissions[0].why} A condition on the text, too, sees no more than this.",
            "Server option max_text_size says how much of a text is shown, in KiB.",
        )
    whys = dict.fromkeys(omission.why for omission in omissions if omission.why)
    detail = "\n".join(list(whys)[:NAMED]) or None
    if kind == "off":
        return Notice(f"{tables}: no rows of repositories without {what}: {_quoted(names)}", detail)
    if kind == "unlistable":
        return Notice(f"{tables}: no rows of {what}: {_quoted(names)}", detail)
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
    return ", ".join(f'"{_on_a_line(name)}"' for name in names[:NAMED]) + more


def _on_a_line(name: str) -> str:
    """The name, which may be any text of a query's, with a space in place of line ends."""
    return _LINE_ENDS.sub(" ", name)


def _joined(lists: Iterable[Iterable[str]]) -> str:
    return ", ".join(dict.fromkeys(_chained(lists)))


def _chained(lists: Iterable[Iterable[str]]) -> Iterator[str]:
    for names in lists:
        yield from names
