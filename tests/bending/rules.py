"""The rules: each bends the API in one way that was seen, reported or never ruled out.

Where it is not known which of two ways Bitbucket goes, both are here, one of them by the emulator
itself. A rule says what an error or a warning about it reads like, where rows cannot be right.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from bitbucket_fdw.tables import BY_NAME
from tests.bending.proxy import Answer, Asked, Bend, Change

PIPELINES_GROUP = re.compile(r"/(pipelines|deployments|environments|steps)/?$")
LONGEST_LINE = 4094  # bytes; what bitbucket.org once said that it takes
NOT_HOSTED = "There is no API hosted at this URL"


@dataclass(frozen=True)
class Rule:
    """How the API is bent.

    ``told``: what an error about it says, as a regular expression; without it there is to be none.
    ``warned``: what a warning says where rows are left out because of it.
    ``avoided``: the wrapper never asks for what the rule concerns, so that it has no effect.
    ``pending``: what the wrapper does not do yet.
    """

    name: str
    ask: Bend | None = None
    change: Change | None = None
    told: str = ""
    warned: str = ""
    avoided: bool = False
    pending: str = ""


def _listing(change: Callable[[Asked, dict[str, Any]], dict[str, Any]]) -> Change:
    """A change of every page of a listing; the same document where nothing is to change."""

    def changed(asked: Asked, answer: Answer) -> Answer:
        document = answer.document
        if answer.status != 200 or asked.method != "GET" or not _is_page(document):
            return answer
        told = change(asked, document)
        return answer if told is document else answer.saying(told)

    return changed


def _is_page(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("values"), list)


def _items(change: Callable[[Any], Any]) -> Change:
    """A change of every item of a listing, and of an item that is asked for by its own address."""

    def changed(asked: Asked, answer: Answer) -> Answer:
        document = answer.document
        if answer.status != 200 or not isinstance(document, dict):
            return answer
        if _is_page(document):
            return answer.saying({**document, "values": [change(v) for v in document["values"]]})
        return answer.saying(change(document))

    return changed


def _without(*names: str) -> Callable[[Asked, dict[str, Any]], dict[str, Any]]:
    def changed(_: Asked, page: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in page.items() if name not in names}
        return page if len(kept) == len(page) else kept

    return changed


# --- parameters that are ignored, refused, or answered by a failure ---


def _ignoring(name: str) -> tuple[Bend, Change]:
    """The parameter does nothing, and yet the links to following pages repeat it."""

    def ask(asked: Asked) -> Asked:
        # That pull requests are filtered was seen by several; without q some would be left out.
        if name == "q" and asked.path.endswith("/pullrequests"):
            return asked
        return asked.without(name) if asked.one(name) is not None else asked

    def put_back(asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
        value, link = asked.one(name), page.get("next")
        if value is None or not link or ask(asked) is asked:
            return page
        return {**page, "next": f"{link}&{urlencode({name: value}, quote_via=quote)}"}

    return ask, _listing(put_back)


def _failing(status: int, message: str, *names: str) -> Bend:
    def ask(asked: Asked) -> Asked | Answer:
        if asked.method == "GET" and any(asked.one(name) is not None for name in names):
            return _error(status, message)
        return asked

    return ask


def _error(status: int, message: str, detail: str | None = None) -> Answer:
    error = {"message": message} if detail is None else {"message": message, "detail": detail}
    return Answer.of({"type": "error", "error": error}, status)


def _sort_beside_states(asked: Asked) -> Asked | Answer:
    states = [value for name, value in asked.parameters if name == "state"]
    if len(states) > 1 and asked.one("sort"):
        return _error(500, "Something went wrong")
    return asked


def _shortest_pages(most: int) -> Bend:
    def ask(asked: Asked) -> Asked | Answer:
        length = asked.one("pagelen")
        if length is not None and int(length) > most:
            return _error(400, "Invalid pagelen")
        return asked

    return ask


def _short(asked: Asked) -> Asked:
    """Pages of the server's own length, so that most listings have several."""
    return asked.having("pagelen", "40") if asked.one("pagelen") else asked


def _shorter(asked: Asked) -> Asked:
    return asked.having("pagelen", "17") if asked.one("pagelen") else asked


def _long_lines(asked: Asked) -> Asked | Answer:
    line = f"{asked.method} {asked.target} HTTP/1.1"
    if len(line) > LONGEST_LINE:
        body = f"<p>Request Line is too large ({len(line)} &gt; {LONGEST_LINE})</p>"
        return Answer(400, body.encode(), {"Content-Type": "text/html"})
    return asked


_MARK = "mark-"


def _refusing_numbers(asked: Asked) -> Asked | Answer:
    """Nothing but the marks that :func:`_marked` puts into links, and those of the emulator."""
    page = asked.one("page")
    if page is None or PIPELINES_GROUP.search(asked.path):
        return _short(asked)
    if page.isdigit():
        return _error(400, "Invalid page")
    return _short(asked.having("page", page.removeprefix(_MARK)))


def _marked(asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
    """Links with marks in place of numbers."""
    link = page.get("next")
    if not link or PIPELINES_GROUP.search(asked.path):
        return page
    return {**page, "next": re.sub(r"(?<=[?&])page=(?=\d+(&|$))", f"page={_MARK}", link)}


def _ignoring_selection(asked: Asked) -> Asked:
    """Pipelines are not selected by any parameter."""
    if not PIPELINES_GROUP.search(asked.path):
        return asked
    selecting = {column.query for column in BY_NAME["pipelines"].columns if column.query}
    named = [name for name, _ in asked.parameters if name in selecting]
    return asked.without(*named) if named else asked


# --- addresses ---


def _slash(needed: bool) -> Bend:
    """The pipelines group with a slash only, or without one only."""

    def ask(asked: Asked) -> Asked | Answer:
        if PIPELINES_GROUP.search(asked.path) and asked.path.endswith("/") is not needed:
            return _error(404, "Resource not found", NOT_HOSTED)
        return asked

    return ask


# --- the envelope ---


def _sizes(change: Callable[[int], Any], counts: bool = True) -> Change:
    """Another ``size``; ``counts``: also where little else is asked for."""

    def changed(asked: Asked, answer: Answer) -> Answer:
        page = answer.document
        if answer.status != 200 or asked.method != "GET" or not isinstance(page, dict):
            return answer
        # A count asks for the size, and perhaps for a look at a few values, but for no next page.
        counted = "next" not in (asked.one("fields") or "next").split(",")
        listing = _is_page(page) or set(page) <= {"size", "page", "pagelen"}
        if not listing or not isinstance(page.get("size"), int) or (counted and not counts):
            return answer
        return answer.saying({**page, "size": change(page["size"])})

    return changed


def _no_next(_: Asked, page: dict[str, Any]) -> dict[str, Any]:
    """Left out, where the number of items tells that there are more."""
    if "next" not in page or "size" not in page:
        return page
    return {name: value for name, value in page.items() if name != "next"}


def _empty_next(value: Any) -> Change:
    return _listing(lambda _, page: page if page.get("next") else {**page, "next": value})


def _pipelines(change: Callable[[Asked, dict[str, Any]], dict[str, Any]]) -> Change:
    def changed(asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
        return change(asked, page) if PIPELINES_GROUP.search(asked.path) else page

    return _listing(changed)


def _losing(*names: str) -> Callable[[Asked, dict[str, Any]], dict[str, Any]]:
    """The link to the next page does not repeat these parameters."""

    def changed(asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
        link = page.get("next")
        if not link:
            return page
        number = str(int(asked.one("page") or "1") + 1)
        parts = urlsplit(link)
        kept = [
            pair
            for pair in parse_qsl(parts.query)
            if pair[0] != "page" and not pair[0].startswith(names)
        ]
        query = urlencode([*kept, ("page", number)], quote_via=quote)
        return {**page, "next": parts._replace(query=query).geturl()}

    return changed


def _standing_still(asked: Asked) -> Asked:
    if PIPELINES_GROUP.search(asked.path) and asked.one("page") not in (None, "1"):
        return _short(asked).having("page", "1")
    return _short(asked)


def _paged_steps(asked: Asked, answer: Answer) -> Answer:
    """The steps of a pipeline two at a time, whatever length is asked for."""
    document = answer.document
    if not asked.path.rstrip("/").endswith("/steps") or not _is_page(document):
        return answer
    page, steps = int(asked.one("page") or "1"), document["values"]
    shown = steps[2 * page - 2 : 2 * page]
    return answer.saying({"page": page, "pagelen": 2, "size": len(steps), "values": shown})


# --- items and bodies ---


def _sparse(value: Any) -> Any:
    """Members that are null left out; not within lists, which columns show as they come."""
    if not isinstance(value, dict):
        return value
    return {name: _sparse(inner) for name, inner in value.items() if inner is not None}


def _reordered(item: Any) -> Any:
    """Members the other way round, behind one that nobody has heard of."""
    if not isinstance(item, dict):
        return item
    return {"a new member": {"of": ["another", 1.5, None]}, **dict(reversed(item.items()))}


def _without_members(*names: str) -> Callable[[Any], Any]:
    def change(item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        return {name: value for name, value in item.items() if name not in names}

    return change


def _only_in_listings(*names: str) -> Change:
    drop = _without_members(*names)
    return _listing(lambda _, page: {**page, "values": [drop(v) for v in page["values"]]})


def _one_item(value: Any) -> Change:
    """The last item of every page is something else."""
    return _listing(
        lambda _, page: (
            {**page, "values": [*page["values"][:-1], value]} if page["values"] else page
        )
    )


def _from_page_two_on(change: Change) -> Change:
    def changed(asked: Asked, answer: Answer) -> Answer:
        return change(asked, answer) if asked.one("page") else answer

    return changed


def _shuffled(asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
    """The order within a page that was not asked for: nobody promises one."""
    if asked.one("sort") is not None or len(page["values"]) < 2:
        return page
    values = list(page["values"])
    random.Random(asked.target).shuffle(values)
    return {**page, "values": values}


def _body(make: Callable[[bytes], bytes], headers: dict[str, str] | None = None) -> Change:
    """Other bytes in place of every successful answer's."""

    def changed(_: Asked, answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        return Answer(200, make(answer.body), {**answer.headers, **(headers or {})})

    return changed


def _padded(body: bytes) -> bytes:
    document = json.loads(body)
    if not isinstance(document, dict):
        return body
    return json.dumps({"padding": "x" * 1_000_000, **document}).encode()


def _dripping(asked: Asked, answer: Answer) -> Answer:
    return replace(answer, pause=0.002)


# --- repositories that are closed ---


def _closed(path: str, answer: Answer) -> Bend:
    def ask(asked: Asked) -> Asked | Answer:
        return answer if path in asked.path else asked

    return ask


UNEXPECTED = r"was answered with (an )?unexpected|is not JSON"
INCOMPLETE = r"\bsize\b|more than|\bnext\b|(unexpected|invalid) page"
GONE = _error(410, "Gone", "The issue tracker has been removed")


def _parameters() -> Iterator[Rule]:
    ignoring = {name: _ignoring(name) for name in ("q", "sort", "fields")}
    wrong = "Something went wrong"
    yield Rule("q ignored", *ignoring["q"])
    yield Rule("sort ignored", *ignoring["sort"])
    yield Rule("fields ignored", *ignoring["fields"])
    yield Rule("q fails", _failing(500, wrong, "q"), told=r"\b500\b")
    yield Rule("sort fails", _failing(500, wrong, "sort"), told=r"\b500\b")
    yield Rule("sort beside states fails", _sort_beside_states, avoided=True)
    yield Rule("q refused", _failing(400, "The field does not support filtering", "q"))
    yield Rule("sort refused", _failing(400, "Invalid sort attribute", "sort"))
    yield Rule("at most 20 a page", _shortest_pages(20))
    yield Rule("pages of its own length", _shorter)
    yield Rule("page numbers refused", _refusing_numbers, _listing(_marked))
    yield Rule("pipelines are not selected", _ignoring_selection)
    yield Rule("long request lines refused", _long_lines, avoided=True)
    # The pipelines group with a slash only, or without one only.
    yield Rule("slash needed", _slash(needed=True), avoided=True)
    yield Rule("slash forbidden", _slash(needed=False))


def _envelopes() -> Iterator[Rule]:
    yield Rule("no next", _short, _listing(_no_next), told=INCOMPLETE)
    yield Rule(
        "no next, and numbers refused",
        _refusing_numbers,
        _listing(_no_next),
        told=INCOMPLETE,
    )
    yield Rule("no page", _short, _listing(_without("page")))
    yield Rule("no size", _short, _listing(_without("size")))
    yield Rule("next alone", _short, _listing(_without("page", "size", "pagelen", "previous")))
    yield Rule("no next of pipelines", _short, _pipelines(_without("next")))
    yield Rule("no next nor page of pipelines", _short, _pipelines(_without("next", "page")))
    yield Rule("next of pipelines loses sort", _short, _pipelines(_losing("sort")))
    lost = ("fields", "target", "status", "creator", "trigger")
    yield Rule("next of pipelines loses all else", _short, _pipelines(_losing(*lost)))
    yield Rule("pipelines stand still", _standing_still, told=r"\bpages?\b")
    yield Rule("steps come in pages", change=_paged_steps)
    yield Rule("next is empty at the end", change=_empty_next(""))
    yield Rule("next is null at the end", change=_empty_next(None))
    yield Rule("size as text", _short, _sizes(str))
    yield Rule("size as a fraction", _short, _sizes(float))
    yield Rule("size is null", _short, _sizes(lambda _: None))
    yield Rule("size is negative", _short, _sizes(lambda _: -1), told="size")
    larger = _sizes(lambda size: size + 3, counts=False)
    yield Rule("size is too large", _short, larger, told=INCOMPLETE, warned="size")


def _contents() -> Iterator[Rule]:
    yield Rule("null is left out", change=_items(_sparse))
    yield Rule("members in another order", change=_items(_reordered))
    yield Rule("no order", change=_listing(_shuffled))
    lists = ("participants", "reviewers")
    yield Rule(
        "no participants listed",
        change=_only_in_listings(*lists),
        told="|".join(lists),
    )
    for what, item in (("null", None), ("text", "not on this plan"), ("empty", {})):
        change = _one_item(item)
        yield Rule(f"an item is {what}", change=change, told=UNEXPECTED)


def _bodies() -> Iterator[Rule]:
    error = Answer.of({"type": "error", "error": {"message": "Please try again"}})
    html = {"Content-Type": "text/html"}
    told = f"again|{UNEXPECTED}"
    yield Rule("an error later on", _short, _from_page_two_on(lambda *_: error), told=told)
    yield Rule("nothing but errors", change=lambda *_: error, told=told)
    yield Rule("empty bodies", change=_body(lambda _: b""), told=UNEXPECTED)
    empty = _body(lambda _: b"{}")
    yield Rule("empty documents", change=empty, told=UNEXPECTED)
    yield Rule("a page of HTML", change=_body(lambda _: b"<p>Sign in</p>", html), told=UNEXPECTED)
    yield Rule("large bodies", change=_body(_padded))
    yield Rule("compressed", change=_body(gzip.compress, {"Content-Encoding": "gzip"}))
    yield Rule("dripping", change=_dripping)


def _texts() -> Iterator[Rule]:
    def found_elsewhere(asked: Asked, answer: Answer) -> Answer:
        return replace(answer, status=302) if answer.status == 307 else answer

    yield Rule("texts are found elsewhere (302)", change=found_elsewhere)


def _closed_doors() -> Iterator[Rule]:
    # What spans repositories goes on without this one, and says so.
    left_out = "(skipped|no rows of repositories without).*mobile-app"
    for status in (403, 404):
        ask = _closed("/acme/mobile-app/", _error(status, "You may not read this"))
        yield Rule(f"one repository is closed ({status})", ask, warned=left_out)
    off = _error(404, "Not Found", "Pipelines is not enabled")
    ask = _closed("/acme/mobile-app/pipelines", off)
    yield Rule("one repository has no pipelines", ask, warned=left_out)
    ask = _closed("/issues", GONE)
    yield Rule(
        "no issue tracker", ask, told="issue tracker|Gone", warned="without an issue tracker"
    )
    nothing = Answer.of({"pagelen": 100, "values": []})
    yield Rule("no commits: an empty page", _closed("/acme/empty/commits", nothing))
    yield Rule("no commits: not found", _closed("/acme/empty/commits", _error(404, "Not found")))


RULES = (
    Rule("straight"),
    *_parameters(),
    *_envelopes(),
    *_contents(),
    *_bodies(),
    *_texts(),
    *_closed_doors(),
)
