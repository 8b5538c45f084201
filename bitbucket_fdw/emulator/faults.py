"""Faults on demand: what the network and Bitbucket do on their bad days.

A fault applies to requests whose method and path match. It lets ``after`` of them through, and then
strikes ``count`` times (for ever when null). Kinds:

``status``
    Answer ``status`` (429, 502, 555, …) in the body form ``form``: ``json`` (default), ``text``,
    ``html`` or ``empty``; or with any JSON ``body``. ``retry_after`` (seconds) adds the header.
``slow``
    Wait ``delay_ms`` before answering (any other kind waits too when ``delay_ms`` is given).
``reset``
    Break the connection without an answer.
``truncate``
    Break the connection in the middle of the body.
``cut_json``
    Send half of the body as if it were all of it.
``expire``
    Answer 401 as for a credential that has run out.
``merge_later``
    Answer a merge with 202 and an address to poll, as when it takes long (stated).
``put_replaces``
    Take a PUT of a pull request for all of it: a title is required, and a description or reviewers
    that are left out are emptied (disputed).
``put_keeps_lists``
    Keep the accounts and groups of a rule on branches that a PUT leaves out (disputed).
``changes_ignored``
    Answer 202 to a change of an environment, and never make it (not ruled out).
``second_refused``
    Refuse a verdict that the caller has given already with 409 (disputed).
``wrapped_reviewer``
    Answer the PUT of a project's default reviewer with the account wrapped, as in the listing
    (disputed).
``no_next``
    Leave ``next`` out of a list although there are more pages (reported: BCLOUD-20639).

To let a write time out after it was applied use ``slow`` with a long ``delay_ms``; to let it time
out before, ``reset`` with the same delay.

``when`` says whether the request is carried out: ``before`` (default: it is not) or ``after`` (it
is, but the caller never learns). ``slow``, ``truncate``, ``cut_json``, ``no_next`` and the ways
that are Bitbucket's own always carry it out.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from bitbucket_fdw.emulator.credentials import throttled
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, error, html, plain
from bitbucket_fdw.emulator.resources import WAYS as DECLARED

# The kinds that resources declare are described there.
__doc__ = f"{__doc__}\nKinds of single resources, all of them disputed:\n\n" + "\n".join(
    f"``{kind}``\n    {meaning}" for kind, meaning in DECLARED.items()
)

# Other ways of Bitbucket's, where it is not established which one it has.
WAYS = (
    "changes_ignored",
    *("merge_later", "put_keeps_lists", "put_replaces", "second_refused", "wrapped_reviewer"),
    *DECLARED,
)
KINDS = ("status", "slow", "reset", "truncate", "cut_json", "expire", "no_next", *WAYS)
CARRIED_OUT = ("slow", "truncate", "cut_json", "no_next", *WAYS)
FORMS = ("json", "text", "html", "empty")


@dataclass
class Fault:
    """One fault, as given to ``POST /_emulator/faults``.

    :param pattern: what the whole path has to match: with ``*`` and ``?``, or after ``re:`` a
        regular expression.
    :param kind: what happens; the kinds are listed at the top of this module.
    :param method: only requests of this method.
    :param status: the status of the answer of kind ``status``.
    :param form: the form of its body: ``json``, ``text``, ``html`` or ``empty``.
    :param count: how many requests it strikes; None for all.
    :param after: how many matching requests it lets through first.
    :param retry_after: the seconds in the header Retry-After.
    :param delay_ms: how long it waits before it answers.
    :param when: whether the request takes effect: ``before`` (it does not) or ``after`` (it does).
    :param query: what the query has to match.
    :param body: the JSON to answer with.
    :param id: its number.
    :param hits: how often it has struck.
    """

    pattern: str
    kind: str
    method: str | None = None
    status: int = 503
    form: str = "json"
    count: int | None = 1
    after: int = 0
    retry_after: int | None = None
    delay_ms: int = 0
    when: str = "before"
    query: str | None = None
    body: Any = None
    id: int = 0
    hits: int = 0

    @property
    def carries_out(self) -> bool:
        """Whether the request takes effect all the same."""
        return self.when == "after" or self.kind in CARRIED_OUT

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether a request is one of those the fault is for."""
        if self.method not in (None, method):
            return False
        if self.query is not None and not fnmatch.fnmatchcase(query, self.query):
            return False
        if self.pattern.startswith("re:"):
            return re.search(self.pattern[3:], path) is not None
        return fnmatch.fnmatchcase(path, self.pattern)

    def reply(self) -> Reply | None:
        """The answer in place of the real one; None where there is none or it stays."""
        if self.kind == "expire":
            return error(
                401, "Token is invalid, expired, or not supported for this endpoint."
            ).reply
        if self.kind != "status":
            return None
        reply = self._body()
        if self.retry_after is not None:
            reply.headers["Retry-After"] = str(self.retry_after)
        return reply

    def _body(self) -> Reply:
        if self.body is not None:
            return Reply(self.status, self.body)
        if self.form == "html":
            return html(self.status, "Something went wrong").reply
        if self.form == "empty":
            return plain(self.status, "").reply
        if self.status == 429:
            return throttled(None)
        if self.form == "text":
            return plain(self.status, "Something went wrong").reply
        return error(self.status, "Something went wrong").reply


def _checked(body: Any) -> Fault:
    """The fault that ``body`` describes; raises 400 for one that makes no sense."""
    names = {field.name for field in fields(Fault)} - {"id", "hits"}
    if not isinstance(body, dict) or not set(body) <= names:
        raise bad_request(f"A fault has the fields {', '.join(sorted(names))}")
    if not isinstance(body.get("pattern"), str) or body.get("kind") not in KINDS:
        raise bad_request(f"A fault needs a pattern and a kind: {', '.join(KINDS)}")
    for name in ("status", "count", "after", "retry_after", "delay_ms"):
        value = body.get(name)
        if value is not None and (not isinstance(value, int) or value < 0):
            raise bad_request(f"'{name}' must be a number")
    fault = Fault(**body)
    if fault.form not in FORMS or fault.when not in ("before", "after"):
        raise bad_request(f"form is one of {', '.join(FORMS)}; when is before or after")
    try:
        re.compile(fault.pattern.removeprefix("re:"))
    except re.error as problem:
        if fault.pattern.startswith("re:"):
            raise bad_request(f"Invalid pattern: {problem}") from None
    return fault


class Faults:
    """The faults in force, in the order they were set; the first that matches strikes."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, body: Any) -> Json:
        """Set a fault from its JSON form; raises 400 for one that makes no sense."""
        fault = _checked(body)
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return asdict(fault)

    def list(self) -> list[Json]:
        """The faults in force, with their hits."""
        return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        """Take all faults away."""
        self._faults.clear()

    def strike(self, method: str, path: str, query: str) -> Fault | None:
        """The fault that befalls this request, if any; counts it."""
        for fault in self._faults:
            if not fault.matches(method, path, query):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.count is not None:
                if fault.count <= 0:
                    continue
                fault.count -= 1
            fault.hits += 1
            return fault
        return None
