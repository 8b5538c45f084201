"""Checks a connection step by step, from the network to each imported table.

Each check makes one request and judges its answer. The address of a table below another one, such
as comments of pull requests, needs a row of that other table. Such a table is judged by the answer
for its parent and by the scopes that Bitbucket says the credential has.

The statuses are ``ok``, ``invalid_credentials`` (401), ``invalid_permissions`` (403),
``no_resources`` (404, or nothing is visible), ``removed`` (410), and ``unreachable`` (no answer, or
an answer that tells nothing). ``bitbucket.verify`` adds ``invalid_definition``, for tables whose
columns are not those of the declaration: it finds them in PostgreSQL's catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..api import Answer, Client, ScanContext
from ..errors import ConnectionFailure, RequestError, SignInError
from ..tables import BY_NAME, PLACES, TABLES, Table
from ..tables.addresses import fill
from ..tables.endpoints import SLUGS, path_parameters
from ..tables.json_values import column_value
from ..tables.table import Scopes
from .curl import Curl

OK = "ok"
INVALID_CREDENTIALS = "invalid_credentials"
INVALID_PERMISSIONS = "invalid_permissions"
NO_RESOURCES = "no_resources"
UNREACHABLE = "unreachable"
REMOVED = "removed"
STATUSES = (OK, INVALID_CREDENTIALS, INVALID_PERMISSIONS, NO_RESOURCES, UNREACHABLE, REMOVED)

_BY_CODE = {
    401: INVALID_CREDENTIALS,
    402: INVALID_PERMISSIONS,
    403: INVALID_PERMISSIONS,
    404: NO_RESOURCES,
    410: REMOVED,
}
Query = tuple[tuple[str, str], ...]

WORKSPACES, REPOSITORIES = PLACES
_USER = Scopes(("account",), ("read:user:bitbucket",))
_LISTED = 100  # repositories of a workspace that one request shows

# Classic scopes that include others. Scopes with new names never include one another. Source: the
# list of scopes in the API's introduction.
_IMPLIED = {
    "project": ("repository",),
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "issue:write": ("issue",),
    "account:write": ("account",),
    "pipeline:write": ("pipeline",),
    "pipeline:variable": ("pipeline",),
    "runner:write": ("runner",),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What an imported foreign table shows; ``repository`` is ``None`` if it spans a workspace."""

    table: str
    workspace: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check, as ``bitbucket.verify`` shows it.

    :param found: what was seen.
    :param what_to_do: ``None`` where all is well.
    :param scopes: those that the credential has according to Bitbucket; only where they matter.
    :param missing_scope: a scope that the credential lacks, by its classic and its new name.
    :param rate_limit: the limit as Bitbucket tells it, which it does to access tokens only.
    :param curl: a shell command that repeats the request, with variables in place of secrets.
    """

    check_name: str
    status: str
    found: str
    what_to_do: str | None = None
    scopes: str | None = None
    missing_scope: str | None = None
    rate_limit: str | None = None
    curl: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """An answer, or the error in its place, and its headers."""

    url: str
    outcome: Answer | RequestError
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return self.outcome.json if isinstance(self.outcome, Answer) else None

    @property
    def code(self) -> int | None:
        """The HTTP status of an answer that an API could give."""
        useless = isinstance(self.outcome, RequestError) and self.outcome.status == 200
        return None if useless else self.outcome.status


class Verification:
    """The checks of one server and credential. Blocks; to be run on a worker thread.

    :param anonymous: a client of the same server without a credential.
    :param imported: the foreign tables to look at; their workspaces are looked at, too.
    :param workspaces: further workspaces.
    """

    def __init__(
        self,
        client: Client,
        anonymous: Client,
        scan: ScanContext,
        curl: Curl,
        imported: Sequence[Imported],
        workspaces: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._anonymous = anonymous
        self._scan = scan
        self._curl = curl
        self._imported = imported
        named = [i.workspace.lower() for i in imported if i.workspace]
        self._workspaces = list(dict.fromkeys([*(w.lower() for w in workspaces), *named]))
        self._repositories: dict[str, list[dict[str, Any]]] = {}
        self._scopes: str | None = None
        self._asked: dict[str, _Seen] = {}

    def checks(self) -> Iterator[Check]:
        """The checks in order; they end where a failure makes the rest pointless."""
        reachable = self._reachable()
        yield reachable
        if reachable.status != OK:
            return
        credential = self._credential()
        yield credential
        if credential.status != OK:
            return
        if not self._workspaces:
            listing = self._workspace_list()
            yield listing
            if listing.status != OK:
                return
        for workspace in self._workspaces:
            yield self._workspace(workspace)
            yield self._repository_list(workspace)
        yield from self._tables()

    # --- server and credential ---

    def _reachable(self) -> Check:
        """Asks without the credential. Any answer that an API could give shows that it is there."""
        seen = self._ask(self._anonymous, "/user")
        name = "reachable"
        if seen.code in (200, 401, 403, 429):
            return self._check(
                name, seen, OK, f"{self._client.settings.base_url} answers", signed=False
            )
        error = seen.outcome
        found = (
            " ".join(filter(None, (str(error.message), error.detail)))
            if isinstance(error, RequestError)
            else "an unexpected answer"
        )
        todo = (
            "Check the server options base_url, proxy and ca_bundle, and the network between the "
            "PostgreSQL server and Bitbucket."
        )
        return self._check(name, seen, UNREACHABLE, found, todo, signed=False)

    def _credential(self) -> Check:
        name = "credential"
        scheme = self._client.credential.scheme
        if scheme == "none":
            todo = "Nothing, if public data are all you need. Else give the user mapping one."
            return Check(name, OK, "there is none: public data only", todo)
        path = "/user"
        query: Query = ()
        if scheme == "access_token" and self._workspaces:
            # GET /user refuses access tokens, because they do not belong to a user.
            path = fill(REPOSITORIES.collection.path, {"workspace": self._workspaces[0]})
            query = (("pagelen", "1"),)
        try:
            seen = self._ask(self._client, path, query)
        except SignInError as error:
            found = " ".join(filter(None, (f"{error.message}.", error.detail)))
            return Check(
                name, INVALID_CREDENTIALS, found, error.hint, curl=self._curl.token_request()
            )
        if not query:
            self._asked[path] = seen  # the table of that address is judged by it
        self._scopes = seen.headers.get("X-OAuth-Scopes") or self._scopes
        if seen.code == 401 and scheme == "access_token" and not self._workspaces:
            # A valid token gets the same answer as an invalid one here: "invalid, expired, or not
            # supported for this endpoint".
            found = "an access token shows whether it is good only where it belongs"
            todo = "Name its workspace: bitbucket.verify(server, workspace)."
            return self._check(name, seen, NO_RESOURCES, found, todo)
        if seen.code == 401:
            return self._failed(name, seen)
        if seen.code in (200, 403, 404):
            # 403 and 404 also show that the credential is valid: a wrong one would have got 401.
            return self._check(name, seen, OK, self._whose(seen))
        return self._failed(name, seen)

    def _whose(self, seen: _Seen) -> str:
        user = seen.json if isinstance(seen.json, dict) else {}
        label = self._client.credential.label
        if user.get("display_name"):
            return f"{label}: signed in as {user['display_name']}"
        kind = seen.headers.get("X-Credential-Type")
        return f"{label}: accepted" + (f" as {kind.replace('_', ' ')}" if kind else "")

    # --- workspaces and repositories ---

    def _workspace_list(self) -> Check:
        """Lists the workspaces. Used if neither imported tables nor the caller name one."""
        seen = self._ask(self._client, WORKSPACES.collection.path, (("pagelen", "100"),))
        name = "workspaces"
        if seen.code != 200:
            name_one = "Name a workspace: bitbucket.verify(server, workspace)."
            failed = self._failed(name, seen, WORKSPACES.scopes)
            return replace(failed, what_to_do=f"{failed.what_to_do or ''} {name_one}".strip())
        workspaces = [row.get("workspace") for row in _values(seen)]
        slugs = [slug for slug in map(_slug, workspaces) if slug]
        self._workspaces = slugs
        if not slugs:
            todo = "Ask for membership of a workspace, or check whose credential it is."
            return self._check(name, seen, NO_RESOURCES, "none is visible", todo)
        return self._check(name, seen, OK, ", ".join(slugs))

    def _workspace(self, workspace: str) -> Check:
        path = fill(WORKSPACES.items[0].path, {"workspace": workspace})
        seen = self._ask(self._client, path)
        name = f"workspace {workspace}"
        if seen.code == 200:
            shown = seen.json.get("name") if isinstance(seen.json, dict) else None
            return self._check(name, seen, OK, f"{shown or workspace} is visible")
        return self._failed(name, seen, WORKSPACES.scopes)

    def _repository_list(self, workspace: str) -> Check:
        path = fill(REPOSITORIES.collection.path, {"workspace": workspace})
        query = (
            ("pagelen", str(_LISTED)),
            ("fields", ",".join(("size", *(f"values.{path}" for path in _repository_paths())))),
        )
        seen = self._ask(self._client, path, query)
        name = f"repositories of {workspace}"
        if seen.code != 200:
            return self._failed(name, seen, REPOSITORIES.scopes)
        rows = self._repositories[workspace] = _values(seen)
        if not rows:
            todo = (
                "Give the account access to repositories of the workspace. Without a credential, "
                "only public ones show."
            )
            return self._check(name, seen, NO_RESOURCES, "none is visible", todo)
        size = seen.json.get("size", f"at least {len(rows)}")
        return self._check(name, seen, OK, f"{size} visible")

    # --- tables ---

    def _tables(self) -> Iterator[Check]:
        """One check per kind of table and workspace, not one for each repository."""
        wanted: dict[tuple[str, str | None], list[str]] = {}
        for imported in self._imported:
            if imported.table in BY_NAME:
                workspace = imported.workspace.lower() if imported.workspace else None
                bound = wanted.setdefault((imported.table, workspace), [])
                if imported.repository:
                    bound.append(imported.repository.lower())
        order = [table.name for table in TABLES]
        for name, workspace in sorted(wanted, key=lambda key: (key[1] or "", order.index(key[0]))):
            place = workspace or (self._workspaces[0] if self._workspaces else None)
            yield self._table(BY_NAME[name], place, wanted[name, workspace])

    def _table(self, table: type[Table], workspace: str | None, bound: Iterable[str]) -> Check:
        """The check of a table in a workspace, asked in a repository of ``bound`` if it has one."""
        parameters = set(path_parameters(table.collection.path))
        name = f"table {table.name}" + (f" in {workspace}" if workspace and parameters else "")
        if not parameters <= {*SLUGS}:
            return self._below(table, name, workspace, bound)
        repository = None
        if "repository" in parameters:
            repository = self._sample(table, workspace or "", bound)
            if repository is None:
                return self._without_repository(table, name)
        place = {"workspace": workspace or "", "repository": repository or ""}
        path = fill(table.collection.path, {name: place[name] for name in parameters})
        # Several tables may be read from one address, or stand below the same one.
        if path not in self._asked:
            query = (("pagelen", "1"),) if table.collection.pagelen else ()
            self._asked[path] = self._ask(self._client, path, query)
        return self._judged(name, table, self._asked[path])

    def _sample(self, table: type[Table], workspace: str, bound: Iterable[str]) -> str | None:
        """A visible repository to look at, with an issue tracker if the table is about one."""
        where = table.parent.where if table.parent else None
        rows = [
            row for row in self._repositories.get(workspace, []) if where is None or row.get(where)
        ]
        slugs = [slug for slug in map(_slug, rows) if slug]
        preferred = set(bound)
        slugs.sort(key=lambda slug: slug.lower() not in preferred)
        return slugs[0] if slugs else next(iter(preferred), None)

    def _without_repository(self, table: type[Table], name: str) -> Check:
        if table.removed:
            feature = _feature(table)
            found = f"no visible repository has {feature}. {table.removed}"
            return Check(name, NO_RESOURCES, found, _leave_out(table))
        return Check(name, NO_RESOURCES, "there is no repository to look at")

    def _judged(self, name: str, table: type[Table], seen: _Seen) -> Check:
        if seen.code == 200:
            return self._check(name, seen, OK, "readable")
        failed = self._failed(name, seen, table.scopes)
        if table.removed and seen.code in (404, 410):
            found = f"{failed.found}. {table.removed}"
            return replace(failed, status=REMOVED, found=found, what_to_do=_leave_out(table))
        return failed

    def _below(
        self, table: type[Table], name: str, workspace: str | None, bound: Iterable[str]
    ) -> Check:
        """A table whose address needs a row of another one: judged by that one and by scopes."""
        assert table.parent is not None
        parent = self._table(table.parent.table, workspace, bound)
        if parent.status != OK:
            return replace(parent, check_name=name)
        lacking = self._lacking(table.scopes)
        if lacking:
            return Check(
                name,
                INVALID_PERMISSIONS,
                "the credential lacks a scope",
                _add_scope(lacking),
                self._scopes,
                lacking,
                parent.rate_limit,
            )
        return replace(
            parent, check_name=name, found=f"as {table.parent.table.name}, by its scopes"
        )

    # --- asking and telling ---

    def _ask(self, client: Client, path: str, query: Query = ()) -> _Seen:
        url = client.url(path, query)
        outcome, headers = client.probe(url, self._scan)
        if isinstance(outcome, ConnectionFailure):  # once more: it may be a stale connection
            outcome, headers = client.probe(url, self._scan)
        return _Seen(url, outcome, headers)

    def _check(
        self,
        name: str,
        seen: _Seen,
        status: str,
        found: str,
        what_to_do: str | None = None,
        *,
        missing_scope: str | None = None,
        signed: bool = True,
    ) -> Check:
        # Scopes are shown beside the credential, and beside a check that lacks one.
        shown = name == "credential" or missing_scope
        return Check(
            name,
            status,
            found,
            what_to_do,
            (seen.headers.get("X-OAuth-Scopes") or self._scopes) if shown else None,
            missing_scope,
            _rate_limit(seen.headers),
            self._curl.request(seen.url, signed=signed),
        )

    def _failed(self, name: str, seen: _Seen, scopes: Scopes = _USER) -> Check:
        """The check for an answer that is an error; ``scopes``: what the request needs."""
        error = seen.outcome
        assert isinstance(error, RequestError)
        status = _BY_CODE.get(error.status or 0, UNREACHABLE)
        found = " ".join(filter(None, (error.message, error.detail and f"({error.detail})")))
        todo, missing = error.hint, None
        if status == INVALID_PERMISSIONS:
            missing = self._lacking(scopes, seen.headers)
            todo = (
                _add_scope(missing)
                if missing
                else (
                    "The scopes suffice: the account itself, or this kind of credential, is not "
                    "allowed here."
                )
            )
        return self._check(name, seen, status, found, todo, missing_scope=missing)

    def _lacking(self, scopes: Scopes, headers: Mapping[str, str] | None = None) -> str | None:
        """Scopes that are needed and missing, by both names; ``None`` if there are none, or if the
        credential's scopes are not known.
        """
        has = _split((headers or {}).get("X-OAuth-Scopes") or self._scopes)
        if not has:
            return None
        granular = any(scope.endswith(":bitbucket") for scope in has)
        wanted = scopes.granular if granular else scopes.classic
        held = has if granular else _with_implied(has)
        if all(scope in held for scope in wanted):
            return None
        return f"{', '.join(scopes.classic)} (new name: {', '.join(scopes.granular)})"


def _add_scope(missing: str) -> str:
    return (
        f"Make a credential with scope {missing}; scopes cannot be added to an existing token. "
        "An OAuth consumer's can: they hold from the next login on."
    )


def _values(seen: _Seen) -> list[dict[str, Any]]:
    values = seen.json.get("values") if isinstance(seen.json, dict) else None
    return [row for row in values or () if isinstance(row, dict)]


def _slug(row: Any) -> str | None:
    """The slug of a workspace or repository, of a full name its last part; ``None`` without one
    that can stand in an address.
    """
    key = REPOSITORIES.key_column()
    name = column_value(row, key.keys)
    if not name and key.within:
        name = str(column_value(row, (key.within,)) or "").rpartition("/")[2]
    return name if isinstance(name, str) and name.strip(".") else None


def _repository_paths() -> list[str]:
    """What is asked of repositories: their slugs, and which tables they can have rows of."""
    switches = (table.switch() for table in TABLES)
    columns = [of.column(name) for of, name in filter(None, switches) if of is REPOSITORIES]
    paths = (path for c in (REPOSITORIES.key_column(), *columns) for path in c.asked_paths)
    return list(dict.fromkeys(paths))


def _feature(table: type[Table]) -> str | None:
    """What a repository has to have turned on for the table, or for one above it."""
    while table.feature is None and table.parent is not None:
        table = table.parent.table
    return table.feature


def _leave_out(table: type[Table]) -> str:
    return f"Nothing, or leave these tables out: import with {table.imported_by} => 'never'."


def _split(scopes: str | None) -> frozenset[str]:
    return frozenset((scopes or "").replace(",", " ").split())


def _with_implied(scopes: Iterable[str]) -> frozenset[str]:
    held: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in held:
            held.add(scope)
            waiting += _IMPLIED.get(scope, ())
    return frozenset(held)


def _rate_limit(headers: Mapping[str, str]) -> str | None:
    limit = headers.get("X-RateLimit-Limit")
    if not limit:
        return None
    resource = headers.get("X-RateLimit-Resource")
    near = headers.get("X-RateLimit-NearLimit", "").lower() == "true"
    return (
        f"{limit} an hour"
        + (f" for {resource}" if resource else "")
        + (", nearly used up" if near else "")
    )
