"""Which operations of Bitbucket's API the tables use, and why not the others: docs/coverage.md.

What tables use follows from their declarations. Why an operation has no table stands in
:data:`REASONS`, by patterns of paths. What is still to come is in :data:`PLANNED`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ..tables import TABLES
from ..tables.table import Table
from ..writing.requests import verbs

_FILE = Path(__file__).parent / "operations.txt"
_R = "/repositories/{workspace}/{repo_slug}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path of the API.

    :param mark: ``deprecated``, ``removed``, or empty.
    """

    method: str
    path: str
    mark: str = ""

    @property
    def is_read(self) -> bool:
        return self.method == "GET"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Use:
    """What a table uses an operation for: an SQL command, or taking one back."""

    table: str
    verb: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why operations have no table.

    :param operations: patterns as of file names, of the method and the path; ``*`` stands for
        slashes, too.
    """

    why: str
    operations: tuple[str, ...]

    def holds(self, operation: Operation) -> bool:
        return any(fnmatchcase(str(operation), _literal(p)) for p in self.operations)


REASONS = (
    Reason(
        "A file of any size, which lies at another host. It is no value of a row.",
        (f"GET {_R}/downloads/{{filename}}", f"GET {_R}/issues/{{issue_id}}/attachments/{{path}}"),
    ),
    Reason(
        "The answer is a secret, such as an address with a signature or a client's password.",
        (
            f"GET {_R}/pipelines-config/caches/{{cache_uuid}}/content-uri",
            "POST */pipelines-config/runners",
        ),
    ),
    Reason(
        "Documents for programs that check tokens. API tokens may not read them.",
        ("GET */pipelines-config/identity/oidc/*",),
    ),
    Reason(
        "It is asked while a merge is finished, and belongs to an UPDATE of `pull_requests`.",
        (f"GET {_R}/pullrequests/{{pull_request_id}}/merge/task-status/{{task_id}}",),
    ),
    Reason("For apps of the marketplace, which sign in by tokens of their own.", ("* /addon*",)),
    Reason(
        "It was never seen to succeed, or no body is documented.",
        (f"PUT {_R}/deploy-keys/{{key_id}}", "PUT */pipelines-config/runners/{runner_uuid}"),
    ),
    Reason("The same as with the workspace in the path.", ("POST /snippets",)),
    Reason(
        "The same as without a revision, for programs that must not overwrite one another.",
        ("PUT /snippets/*/{node_id}", "DELETE /snippets/*/{node_id}"),
    ),
    Reason(
        "The former owners of variables. They are answered 403. Workspaces have variables now.",
        ("* /teams/*/pipelines_config/*", "* /users/*/pipelines_config/*"),
    ),
    Reason(
        "Deprecated, without a replacement or with one that goes away, too.",
        ("* /snippets/*/watchers", "* */search/code", "* */properties/{app_key}/*"),
    ),
    Reason(
        "Removed on 2026-04-14. The same is listed by workspace.",
        ("GET /repositories", "GET /workspaces", "GET /snippets", "GET /user/permissions/*"),
    ),
    Reason(
        "A job for an administrator, removed with the issue tracker.",
        (f"* {_R}/issues/export*", f"* {_R}/issues/import"),
    ),
    Reason("An UPDATE of `issues` makes the change.", (f"POST {_R}/issues/{{issue_id}}/changes",)),
)

_OF_REPOSITORIES = (
    "branching-model commit commits components default-reviewers deploy-keys deployments_config "
    "diff diffstat downloads effective-branching-model effective-default-reviewers environments "
    "file-conflicts filehistory forks hooks issues merge-base milestones override-settings patch "
    "permissions-config pipelines pipelines-config pipelines_config pullrequests src versions "
    "watchers"
)
_OF_WORKSPACES = "hooks permissions pipelines-config projects pullrequests settings"

PLANNED = (
    *("* /hook_events*", "* /snippets*", "* /user", "* /user/*", "* /users/*", f"* {_R}"),
    *(f"* {_R}/{name}{end}" for name in _OF_REPOSITORIES.split() for end in ("", "/*")),
    *(f"* /workspaces/*/{name}{end}" for name in _OF_WORKSPACES.split() for end in ("", "/*")),
)
"""Operations that may get a table, or a command, in a later version."""

YET = "No table, or no such command of a table, yet."


def operations() -> list[Operation]:
    """All operations of the API, in the order of their paths."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return [Operation(*line.split()) for line in lines if line and not line.startswith("#")]


def shape(path: str) -> str:
    """A path without the names of its variables, and without a slash at its end."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


@cache
def uses() -> dict[tuple[str, str], list[Use]]:
    """What tables use, by method and shape of the path."""
    found: dict[tuple[str, str], list[Use]] = {}
    for table in TABLES:
        for method, path, verb in _of(table):
            known = found.setdefault((method, shape(path)), [])
            use = Use(table.name, verb)
            if use not in known:
                known.append(use)
    return found


def _of(table: type[Table]) -> Iterator[tuple[str, str, str]]:
    """Method, path and purpose of every request that a table's declaration names."""
    for path in (
        table.collection.path,
        *(item.path for item in (*table.items, *table.narrower)),
        *((table.reached.refs, table.reached.log) if table.reached else ()),
    ):
        yield "GET", path, "SELECT"
    writes = table.writes
    steps = [step.write for step in writes.transitions]
    for verb, found in (
        ("INSERT", [writes.insert]),
        ("UPDATE", [writes.update]),
        ("DELETE", [writes.delete, *(step.write for step in writes.withdrawals)]),
        ("INSERT", steps if "INSERT" in verbs(table) and writes.insert is None else []),
        ("UPDATE", steps),
        ("ROLLBACK", [writes.withdraw]),
    ):
        for write in filter(None, found):
            yield write.method, write.path, verb
            for asked in write.asked:
                yield "GET", asked.elsewhere, verb


def used_by(operation: Operation) -> list[Use]:
    """The tables that use an operation, with the commands."""
    return uses().get((operation.method, shape(operation.path)), [])


def reason(operation: Operation) -> str | None:
    """Why an operation has no table, or that it has none yet; ``None`` if nothing says that."""
    for known in REASONS:
        if known.holds(operation):
            return known.why
    planned = any(fnmatchcase(str(operation), _literal(pattern)) for pattern in PLANNED)
    return YET if planned else None


def unknown() -> list[tuple[str, str]]:
    """What declarations name and the API does not have, as method and shape of a path."""
    known = {(operation.method, shape(operation.path)) for operation in operations()}
    return sorted(uses().keys() - known)


def _literal(pattern: str) -> str:
    """A pattern in which brackets mean themselves."""
    return pattern.replace("[", "[[]")


# --- the page ---


def page(notice: str) -> str:
    """The text of docs/coverage.md."""
    every = operations()
    lines = [
        "# Coverage",
        "",
        notice,
        "",
        "Every operation of Bitbucket Cloud's REST API 2.0, with the tables that use it, or with",
        "the reason why none does. The list of operations is that of the API's own description.",
        "",
        "| operations | all | used by a table | not used |",
        "|---|---|---|---|",
    ]
    for name, some in _kinds(every):
        used = [operation for operation in some if used_by(operation)]
        lines.append(f"| {name} | {len(some)} | {len(used)} | {len(some) - len(used)} |")
    lines += ["", "## Used", "", "| operation | tables |", "|---|---|"]
    for operation in every:
        if used_by(operation):
            lines.append(f"| {_shown(operation)} | {_tables(used_by(operation))} |")
    lines += ["", "## Not used"]
    rest = [operation for operation in every if not used_by(operation)]
    for why in dict.fromkeys((*(known.why for known in REASONS), YET)):
        some = [operation for operation in rest if reason(operation) == why]
        if some:
            lines += ["", why, "", *(f"- {_shown(operation)}" for operation in some)]
    return "\n".join(lines) + "\n"


def _kinds(every: list[Operation]) -> Iterator[tuple[str, list[Operation]]]:
    for mark, name in (("", "in force"), ("deprecated", "deprecated"), ("removed", "removed")):
        for is_read, what in ((True, "reading"), (False, "writing")):
            yield (
                f"{what}, {name}",
                [o for o in every if (o.mark, o.is_read) == (mark, is_read)],
            )
    yield "all", every


def _shown(operation: Operation) -> str:
    return f"`{operation}`" + (f" ({operation.mark})" if operation.mark else "")


def _tables(found: Iterable[Use]) -> str:
    """The tables, each with the commands that use the operation."""
    commands: dict[str, list[str]] = {}
    for use in found:
        commands.setdefault(use.table, []).append(use.verb)
    return ", ".join(
        f"[{table}](tables/{table}.md) {', '.join(names)}" for table, names in commands.items()
    )
