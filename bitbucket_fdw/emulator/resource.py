"""A resource of the API by declaration: where its documents are, and how they are listed.

From one :class:`Resource` follow its endpoints for GET (the listing, the item, and the listing over
all parents), its sample data, and its rows in ``/_emulator/state``. What has rules of its own is
written by hand, in :mod:`reads` and :mod:`writes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import ApiError, Json, not_found
from bitbucket_fdw.emulator.levels import Level
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Store

# A fault of this kind makes Bitbucket's pipelines service want a slash at the end of a collection.
NEEDS_SLASH = "needs_slash"


@dataclass(frozen=True)
class Item:
    """How one document of a collection is addressed.

    :param member: the member of the document that stands in the address
    :param missing: makes the error for a key that is not there
    """

    member: str
    missing: Callable[[str], ApiError]


@dataclass(frozen=True)
class Resource:
    """One collection of documents below a record.

    :param name: its name in ``/_emulator/state``
    :param parent: what it hangs below
    :param path: its address below the parent
    :param over_all: an address one level higher that lists it over all parents
    :param classic: the scopes it needs in the old vocabulary, separated by spaces
    :param new: the scopes it needs in the new vocabulary
    :param listing: how it pages, filters and sorts
    :param item: how one document is addressed; None where that is not possible
    :param kept: where a parent keeps the documents; by default below the collection's name
    :param order: puts documents in the order of the listing; as they were added by default
    :param visible: whether the caller may see a document
    :param sample: makes the sample documents of one parent
    :param ways: faults under which a document looks otherwise, where it is not established which
        way is Bitbucket's: the kind of fault, and what makes the other form
    :param slash_disputed: whether some say that the collection's address has to end in a slash
    """

    name: str
    parent: Level
    path: str
    over_all: str = ""
    classic: str = ""
    new: str = ""
    listing: Listing = field(default_factory=Listing)
    item: Item | None = None
    kept: Callable[[Any], Any] | None = None
    order: Callable[[list[Json]], Iterable[Json]] = list
    visible: Callable[[Call, Json], bool] = lambda call, document: True
    sample: Callable[[Sample, Any], Iterable[Json]] | None = None
    ways: Mapping[str, Callable[[Json], Json]] = field(default_factory=dict)
    slash_disputed: bool = False

    # Documents

    def stored(self, record: Any) -> Any:
        """The documents of one parent, as they are kept: by key, or a list."""
        return record.below[self.name] if self.kept is None else self.kept(record)

    def documents(self, record: Any) -> list[Json]:
        """The documents of one parent, in no particular order."""
        found = self.stored(record)
        return list(found.values() if isinstance(found, dict) else found)

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
                elif self.item:
                    kept[document[self.item.member]] = document
                else:
                    kept[document.get("id", len(kept))] = document

    def state(self, store: Store) -> Iterator[Json]:
        """The rows in ``/_emulator/state``: keys of the place, and the document in full."""
        for place, record in self.parent.walk(store):
            for document in self.documents(record):
                yield {**place, "document": document}

    # Addresses

    def declare(self, routes: Routes) -> None:
        """Add the endpoints."""
        collection = f"{self.parent.template}{self.path}"
        shared: Any = {"classic": self.classic, "new": self.new}
        routes.add("GET", collection, **shared, listing=self.listing)(self._list)
        if self.over_all and self.parent.above:
            wide = f"{self.parent.above.template}{self.over_all}"
            routes.add("GET", wide, **shared, listing=self.listing)(self._list_over_all)
        if self.item:
            routes.add("GET", f"{collection}/{{{self.item.member}}}", **shared)(self._one)

    def addresses(self, row: Json) -> list[str]:
        """Sample addresses: those that lead to a row of :meth:`state`, collections first."""
        path = f"{self.parent.address(row)}{self.path}"
        found = [path]
        if self.over_all and self.parent.above:
            found.append(f"{self.parent.above.address(row)}{self.over_all}")
        if self.item:
            found.append(f"{path}/{quote(str(row['document'][self.item.member]), safe='')}")
        return found

    # Answers

    def _list(self, call: Call) -> list[Json]:
        return self._shown(call, self.order(self.documents(self._parent_of(call))))

    def _list_over_all(self, call: Call) -> list[Json]:
        assert self.parent.above is not None
        outer = self.parent.above.find(call)

        def make() -> list[Json]:
            parents = self.parent.records(outer)
            return list(self.order([d for record in parents for d in self.documents(record)]))

        key = (call.store.version, self.name, *call.path.items())
        return self._shown(call, call.listings.get(key, make))

    def _one(self, call: Call) -> Json:
        assert self.item is not None
        key = call.path[self.item.member]
        found = self.stored(self.parent.find(call)).get(key)
        if found is None or not self.visible(call, found):
            raise self.item.missing(key)
        return self._changed(call, found)

    def _parent_of(self, call: Call) -> Any:
        if self.slash_disputed and NEEDS_SLASH in call.flags and not call.url.endswith("/"):
            raise not_found("Resource not found", detail="There is no API hosted at this URL.")
        return self.parent.find(call)

    def _shown(self, call: Call, documents: Iterable[Json]) -> list[Json]:
        seen = (document for document in documents if self.visible(call, document))
        return [self._changed(call, document) for document in seen]

    def _changed(self, call: Call, document: Json) -> Json:
        for way, change in self.ways.items():
            if way in call.flags:
                document = change(document)
        return document
