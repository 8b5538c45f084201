"""One request on its way through a handler, and how lists and items become answers."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bitbucket_fdw.emulator import bbql, fields, times
from bitbucket_fdw.emulator.credentials import Credential
from bitbucket_fdw.emulator.endpoints import Endpoint, Listing
from bitbucket_fdw.emulator.errors import (
    Json,
    Reply,
    bad_request,
    error,
    not_found,
    repository_not_found,
)
from bitbucket_fdw.emulator.file_store import FileStore
from bitbucket_fdw.emulator.paging import PageMarks, Pager
from bitbucket_fdw.emulator.store import ROLES, Commit, Repository, Store, Workspace

Parameters = list[tuple[str, str]]


@dataclass(frozen=True)
class Behaviour:
    """Settings for what is not established about Bitbucket, and for what was taken away.

    :param case_sensitive: whether ``=`` on text minds case.
    :param issues_removed: whether the issue tracker answers 410.
    :param page_numbers: whether plain page numbers work everywhere, not only the marks in ``next``.
    :param numbered_links: whether ``next`` has plain numbers then, where a listing tells its size.
    :param committers: whether commits say who committed them.
    """

    case_sensitive: bool = True
    issues_removed: bool = False
    page_numbers: bool = False
    numbered_links: bool = False
    committers: bool = False


class Listings:
    """Filtered and sorted lists, kept so that page after page does not filter again."""

    def __init__(self, size: int = 64) -> None:
        self._kept: OrderedDict[tuple[Any, ...], list[Json]] = OrderedDict()
        self._size = size

    def get(self, key: tuple[Any, ...], make: Callable[[], list[Json]]) -> list[Json]:
        """The list under ``key``, made when it is not there."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


@dataclass
class Call:
    """A request after routing: who calls what, with which parameters and body.

    :param store: the data.
    :param endpoint: what is declared of the endpoint.
    :param credential: who calls.
    :param behaviour: the settings for what is not established.
    :param marks: makes and reads the marks of pages.
    :param listings: keeps lists from one page to the next.
    :param files: keeps texts, at addresses of another host.
    :param url: the whole address without its query.
    :param path: the values of the path variables.
    :param parameters: the query parameters in their order.
    :param body: the JSON that was sent; None where there is none.
    :param flags: the kinds of the faults that strike this request.
    """

    store: Store
    endpoint: Endpoint
    credential: Credential
    behaviour: Behaviour
    marks: PageMarks
    listings: Listings
    files: FileStore
    url: str
    path: dict[str, str]
    parameters: Parameters
    body: Any = None
    flags: set[str] = field(default_factory=set)
    accept: str = "*/*"

    # Parameters

    def one(self, name: str) -> str | None:
        """The value of a parameter; None when it is absent."""
        return next((value for key, value in self.parameters if key == name), None)

    def every(self, name: str) -> list[str]:
        """All the values of a repeatable parameter."""
        return [value for key, value in self.parameters if key == name]

    def check_parameters(self) -> None:
        """Raise 400 for parameters that the endpoint does not know, or that come twice."""
        known, seen = self.endpoint.known_parameters(), set()
        for name, _ in self.parameters:
            if name not in known:
                raise bad_request(f"Unknown query parameter '{name}'")
            if name in seen and name not in self.endpoint.repeatable:
                raise bad_request(f"Query parameter '{name}' is given more than once")
            seen.add(name)

    # What the path names

    @property
    def actor(self) -> Json | None:
        """The user document that the caller acts as."""
        return self.store.users.get(self.credential.user or "")

    def workspace(self) -> Workspace:
        """The workspace in the path; 404 when there is none."""
        found = self.store.find_workspace(self.path["workspace"])
        if found is None:
            raise not_found(f"No workspace with identifier '{self.path['workspace']}'.")
        return found

    def role_in(self, repository: Repository) -> str | None:
        """The caller's role in a repository: admin, write, read, or None when it is hidden."""
        only = self.credential.repository
        if only is not None:
            return "write" if repository.full_name == only else None
        if self.credential.workspace is not None:
            inside = repository.workspace == self.credential.workspace
            return "admin" if inside else repository.role_of(None)
        return repository.role_of(self.credential.user)

    def repository(self, role: str = "read") -> Repository:
        """The repository in the path; 404 when absent or hidden, 403 when ``role`` is not held."""
        workspace = self.store.find_workspace(self.path["workspace"])
        found = workspace and self.store.find_repository(workspace, self.path["repo_slug"])
        held = self.role_in(found) if found else None
        if not found or held is None:
            raise repository_not_found()
        if ROLES.index(held) < ROLES.index(role):
            raise error(403, "Your credentials do not allow changes to this repository.")
        return found

    def visible(self, repositories: Sequence[Repository]) -> list[Repository]:
        """Those of ``repositories`` that the caller may see."""
        return [repository for repository in repositories if self.role_in(repository)]

    def commit(self, repository: Repository, revision: str) -> Commit:
        """The commit that ``revision`` names; 404 when there is none."""
        found = repository.commit_by(revision)
        if found is None:
            raise not_found("Commit not found", data={"shas": [revision]})
        return found

    def number(self, name: str, what: str) -> int:
        """A path variable that is a number; 404 when it is none."""
        text = self.path[name]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise not_found(f"{what} not found")
        return int(text)

    # Answers

    def answer(self, result: Any) -> Reply:
        """Turn what a handler returned into a reply: a Reply, a list of documents, or one."""
        if isinstance(result, Reply):
            if isinstance(result.body, dict):
                result.body = self._partial(result.body, result.body)
            return result
        if isinstance(result, list) and self.endpoint.listing is not None:
            return Reply(200, self._page(result, self.endpoint.listing))
        return Reply(200, self._partial(result, result))

    def _partial(self, default: Json, full: Json) -> Json:
        spec = self.one("fields")
        return default if spec is None else fields.select(default, full, spec, self.expand)

    def expand(self, condensed: Json) -> Json:
        """The full form of a nested document, as far as there is one."""
        kind = condensed.get("type")
        if kind == "repository":
            for repository in self.store.repositories():
                if repository.document["uuid"] == condensed["uuid"]:
                    return repository.document if self.role_in(repository) else condensed
        if kind == "project":
            for workspace in self.store.workspaces.values():
                for project in workspace.projects.values():
                    if project.document["uuid"] == condensed["uuid"]:
                        return project.document
        if kind == "commit" and "repo_slug" in self.path:
            commit = self.repository().commit_by(condensed["hash"])
            return commit.document if commit else condensed
        return condensed

    def _page(self, documents: list[Json], listing: Listing) -> Json:
        rules, behaviour = listing.pages, self.behaviour
        if behaviour.numbered_links and rules.has_size and not rules.iterator:
            rules = replace(rules, numbered=rules.mark == "page")
        pager = Pager(self.marks, self.url, self.parameters, rules, behaviour.page_numbers)
        selected = self._select(documents, listing)
        start, length = pager.window.offset, pager.window.length
        rows = selected if listing.pages.unpaged else selected[start : start + length]
        hidden = listing.hidden
        shown = rows
        if hidden:
            shown = [{k: v for k, v in row.items() if k not in hidden} for row in rows]
        if listing.shown:
            shown = [{k: v for k, v in row.items() if k in listing.shown} for row in rows]
        default = pager.envelope(len(selected), shown)
        if "no_next" in self.flags:
            default.pop("next", None)
        return self._partial(default, {**default, "values": rows})

    def _select(self, documents: list[Json], listing: Listing) -> list[Json]:
        """The documents that ``q`` asks for, in the order that ``sort`` asks for."""
        q = self.one("q") if not listing.ignores_q else None
        sort = self.one("sort") if not listing.ignores_sort else None
        if q is None and sort is None:
            return documents
        predicate = None
        if q is not None and listing.filters is not None:
            dialect = bbql.Dialect(self.behaviour.case_sensitive)
            predicate = bbql.compile_query(q, listing.filters, dialect)

        def make() -> list[Json]:
            rows = [d for d in documents if predicate(d)] if predicate else list(documents)
            return rows if sort is None else _sorted(rows, sort, listing)

        path = self.url.split("://", 1)[-1]
        rest = tuple(
            p for p in self.parameters if p[0] not in (listing.pages.mark, "pagelen", "fields")
        )
        return self.listings.get((self.store.version, self.credential.name, path, rest), make)


def _sorted(rows: list[Json], sort: str, listing: Listing) -> list[Json]:
    """Sorted on one field. Assumed: absent values last going up and first going down, text
    without regard to case; equal rows stay in the endpoint's own order."""
    descending = sort.startswith("-")
    name = sort.removeprefix("-")
    field_ = (listing.sorts or {}).get(name)
    if field_ is None or not field_.sortable:
        raise bad_request("Invalid sort attribute")
    natural = name in listing.natural

    def key(document: Json) -> tuple[bool, Any]:
        value = field_.first(document)
        if value is None:
            return True, 0
        if field_.kind == "datetime":
            return False, times.parse(value)
        if field_.kind == "rank":
            return False, field_.ranks.index(value)
        if field_.kind == "named":
            return False, value["name"].casefold()
        if natural:
            return False, natural_key(value)
        return False, value.casefold() if isinstance(value, str) else value

    return sorted(rows, key=key, reverse=descending)


def natural_key(text: str) -> list[tuple[int, Any]]:
    """Sorts digits as numbers (stated for refs): branch2 before branch10."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]
