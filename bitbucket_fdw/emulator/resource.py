"""The language in which a resource of the API is declared.

A :class:`Resource` says where documents are kept and how they are listed. Its endpoints for GET
(the listing, the item, and the listing over all parents), its sample data and its rows in
``/_emulator/state`` follow from that. Endpoints with rules of their own are functions in
:mod:`reads` and :mod:`writes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import ApiError, Json, Reply, not_found
from bitbucket_fdw.emulator.levels import Level
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Store

# The kind of fault under which the pipelines service wants a slash at the end of a collection.
NEEDS_SLASH = "needs_slash"


@dataclass(frozen=True)
class Item:
    """How one document of a collection is addressed.

    :param member: the member of the document that stands in the address.
    :param missing: makes the error for a key that is not there.
    :param variable: the path variable; the member's name where none is given.
    :param path: what stands in the address between the collection and the key.
    :param number: what the error calls a document whose key has to be a number and is none; empty
        where keys are text.
    :param slashes: whether the key may have slashes in it.
    :param find: gives the document of a parent by its key, where that is not simply its key there.
    """

    member: str
    missing: Callable[[str], ApiError]
    variable: str = ""
    path: str = ""
    number: str = ""
    slashes: bool = False
    find: Callable[[Any, str], Json | None] | None = None

    @property
    def name(self) -> str:
        """The path variable."""
        return self.variable or self.member

    @property
    def template(self) -> str:
        """The address below that of the collection."""
        return f"{self.path}/{{{self.name}{':path' if self.slashes else ''}}}"


@dataclass(frozen=True)
class Single:
    """That a parent has at most one document, at the collection's own address.

    :param missing: makes the error where there is none, from the parent's key in the address.
    """

    missing: Callable[[str], ApiError]


@dataclass(frozen=True)
class Choice:
    """A query parameter that keeps the documents with one of its values.

    :param value: what a document has to compare with.
    :param read: reads the parameter; raises 400 for what is no such value.
    :param repeatable: whether it may be given more than once.
    """

    value: Callable[[Json], Any]
    read: Callable[[str], Any] = str
    repeatable: bool = False


@dataclass(frozen=True)
class Way:
    """Another form of a document, where it is not established which one is Bitbucket's.

    :param meaning: what is otherwise then, as a sentence.
    :param change: makes the other form.
    :param absent: makes the answer for a key of a parent that has no document, in place of an
        error.
    """

    meaning: str
    change: Callable[[Json], Json] = lambda document: document
    absent: Callable[[Any, str], Json] | None = None


@dataclass(frozen=True)
class Resource:
    """One collection of documents below a record.

    :param name: its name in ``/_emulator/state``.
    :param parent: what it hangs below.
    :param path: its address below the parent.
    :param over_all: an address one level higher that lists it over all parents.
    :param classic: the scopes it needs in the old vocabulary, separated by spaces.
    :param new: the scopes it needs in the new vocabulary.
    :param public: whether callers without a credential may ask.
    :param access_tokens: whether access tokens may ask.
    :param issue_tracker: whether it went away with the issue tracker.
    :param listing: how it pages, filters and sorts; None where it cannot be listed.
    :param item: how one document is addressed, or the level whose records it describes, or that
        there is only one; None where there is no address for one.
    :param kept: where a parent keeps the documents, or the records that they describe; by default
        below the collection's name.
    :param order: puts documents in the order of the listing; as they were added by default.
    :param visible: whether the caller may see a document.
    :param rows: gives the documents of the listing by hand, in place of ``kept`` and ``order``,
        where a request's parameters have rules of their own.
    :param redirect: answers the listing by a redirect, in place of its documents.
    :param choices: the query parameters that select documents.
    :param parameters: the other query parameters, which ``rows`` reads.
    :param repeatable: those of them that may be given more than once.
    :param shown: makes an item's answer from its document where it is something else.
    :param noted: what a row of the state says of a record besides its place and its document.
    :param sample: makes the sample documents of one parent.
    :param ways: other forms of its documents, each by the kind of fault that chooses it.
    :param slash_disputed: whether some say that the collection's address has to end in a slash.
    """

    name: str
    parent: Level
    path: str
    over_all: str = ""
    classic: str = ""
    new: str = ""
    public: bool = True
    access_tokens: bool = True
    issue_tracker: bool = False
    listing: Listing | None = field(default_factory=Listing)
    item: Item | Level | Single | None = None
    kept: Callable[[Any], Any] | None = None
    order: Callable[[list[Json]], Iterable[Json]] = list
    visible: Callable[[Call, Json], bool] = lambda call, document: True
    rows: Callable[[Call, Any], list[Json]] | None = None
    redirect: Callable[[Call, Any], Reply] | None = None
    choices: Mapping[str, Choice] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    repeatable: tuple[str, ...] = ()
    shown: Callable[[Call, Json], Any] = lambda call, document: document
    noted: Callable[[Any], Json] = lambda record: {}
    sample: Callable[[Sample, Any], Iterable[Json]] | None = None
    ways: Mapping[str, Way] = field(default_factory=dict)
    slash_disputed: bool = False

    # Documents

    def stored(self, record: Any) -> Any:
        """What one parent keeps: documents or records, by key or as a list."""
        return record.below[self.name] if self.kept is None else self.kept(record)

    def entries(self, record: Any) -> Iterable[Any]:
        """What one parent keeps, one by one."""
        found = self.stored(record)
        return found.values() if isinstance(found, dict) else found

    def documents(self, record: Any) -> list[Json]:
        """The documents of one parent, as they were added."""
        return [document_of(entry) for entry in self.entries(record)]

    def fill(self, store: Store, seed: int) -> None:
        """Add the sample data to every parent."""
        if self.sample is None:
            return
        for place, record in self.parent.walk(store):
            name = "/".join(map(str, (seed, *place.values(), self.name)))
            kept = self.stored(record)
            for document in self.sample(Sample(store, name), record):
                if not isinstance(kept, dict):
                    kept.append(document)
                elif isinstance(self.item, (Item, Level)):
                    kept[member_of(document, self.item.member)] = document
                else:
                    kept[document.get("id", len(kept))] = document

    def state(self, store: Store) -> Iterator[Json]:
        """The rows in ``/_emulator/state``: keys of the place, and the document in full."""
        for place, record in self.parent.walk(store):
            for entry in self.entries(record):
                yield {**place, **self.noted(entry), "document": document_of(entry)}

    # Addresses

    def declare(self, routes: Routes) -> None:
        """Add the endpoints."""
        parameters, repeatable = list(self.parameters), list(self.repeatable)
        for name, choice in self.choices.items():
            (repeatable if choice.repeatable else parameters).append(name)
        shared: dict[str, Any] = {"classic": self.classic, "new": self.new}
        shared.update(public=self.public, issue_tracker=self.issue_tracker)
        shared.update(access_tokens=self.access_tokens)
        lists: dict[str, Any] = {
            "listing": self.listing,
            "parameters": parameters,
            "repeatable": repeatable,
        }
        handlers = {"list": self._list, "over_all": self._list_over_all, "item": self._one}
        for kind, template in self.templates().items():
            more: dict[str, Any] = {} if kind == "item" else lists
            routes.add("GET", template, **shared, **more)(handlers[kind])

    def templates(self) -> dict[str, str]:
        """The addresses it has: ``list``, ``over_all`` and ``item``, as far as there are such."""
        found, collection = {}, f"{self.parent.template}{self.path}"
        if self.listing is not None:
            found["list"] = collection
        if self.over_all and self.parent.above:
            found["over_all"] = f"{self.parent.above.template}{self.over_all}"
        if isinstance(self.item, Level):
            found["item"] = self.item.template
        elif isinstance(self.item, Single):
            found["item"] = collection
        elif self.item is not None:
            found["item"] = collection + self.item.template
        return found

    def addresses(self, row: Json) -> dict[str, str]:
        """Sample addresses: those of :meth:`templates` that lead to a row of :meth:`state`."""
        found = self.templates()
        if "list" in found:
            found["list"] = f"{self.parent.address(row)}{self.path}"
        if "over_all" in found and self.parent.above:
            found["over_all"] = f"{self.parent.above.address(row)}{self.over_all}"
        if isinstance(self.item, Single):
            found["item"] = f"{self.parent.address(row)}{self.path}"
        elif self.item is not None:
            key = member_of(row["document"], self.item.member)
            if isinstance(self.item, Level):
                found["item"] = self.item.address({**row, self.item.place: key})
            else:
                path = f"{self.parent.address(row)}{self.path}{self.item.path}"
                found["item"] = f"{path}/{quote(str(key), safe='')}"
        return found

    # Answers

    def _list(self, call: Call) -> list[Json] | Reply:
        if self.slash_disputed and NEEDS_SLASH in call.flags and not call.url.endswith("/"):
            raise not_found("Resource not found", detail="There is no API hosted at this URL.")
        record = self.parent.find(call)
        if self.redirect is not None:
            return self.redirect(call, record)
        if self.rows is not None:
            return self._selected(call, self.rows(call, record))
        return self._selected(call, self.order(self.documents(record)))

    def _list_over_all(self, call: Call) -> list[Json]:
        assert self.parent.above is not None
        outer = self.parent.above.find(call)

        def make() -> list[Json]:
            parents = self.parent.records(outer)
            return list(self.order([d for record in parents for d in self.documents(record)]))

        key = (call.store.version, self.name, *call.path.items())
        return self._selected(call, call.listings.get(key, make))

    def _selected(self, call: Call, documents: Iterable[Json]) -> list[Json]:
        rows = [document for document in documents if self.visible(call, document)]
        for name, choice in self.choices.items():
            wanted = [choice.read(text) for text in call.every(name)]
            if wanted:
                rows = [document for document in rows if choice.value(document) in wanted]
        return [self._changed(call, document) for document in rows]

    def _one(self, call: Call) -> Any:
        if isinstance(self.item, Level):
            return self.shown(call, self._changed(call, self.item.find(call).document))
        assert self.item is not None
        record = self.parent.find(call)
        if isinstance(self.item, Single):
            key = call.path[self.parent.variable]
            found = next(iter(self.documents(record)), None)
        elif self.item.find is not None:
            key = call.path[self.item.name]
            found = self.item.find(record, key)
        else:
            key, number = call.path[self.item.name], self.item.number
            found = self.stored(record).get(call.number(self.item.name, number) if number else key)
        if found is None:
            for kind, way in self.ways.items():
                if kind in call.flags and way.absent is not None:
                    return way.absent(record, key)
        if found is None or not self.visible(call, found):
            raise self.item.missing(key)
        return self.shown(call, self._changed(call, found))

    def _changed(self, call: Call, document: Json) -> Json:
        for kind, way in self.ways.items():
            if kind in call.flags:
                document = way.change(document)
        return document


def member_of(document: Json, path: str) -> Any:
    """The member of a document at a dotted path."""
    found: Any = document
    for name in path.split("."):
        found = found[name]
    return found


def document_of(entry: Any) -> Json:
    """The document of what a parent keeps: itself, or that of a record."""
    document: Json = entry if isinstance(entry, dict) else entry.document
    return document
