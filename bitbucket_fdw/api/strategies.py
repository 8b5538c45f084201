"""How a listing goes on from one page to the next. Pure: nothing here makes a request.

A strategy is given the page that was read and says where the next one is. Which listing takes
which is declared with the table. That a listing is at its end is believed only if nothing that the
answer says speaks against it.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import unquote

from .envelope import Envelope


class Contradiction(ValueError):
    """A page that says there is more and not where; its text is a sentence."""


class Progress(NamedTuple):
    """A page that was read, and what was read so far.

    :param number: of the page, counted from one.
    :param items: read so far, those of the page among them.
    :param size: items of the listing as last told.
    :param asked: the ``pagelen`` that was asked for.
    """

    page: Envelope
    number: int
    items: int
    size: int | None = None
    asked: int | None = None

    @property
    def short_of_size(self) -> bool:
        """Whether the listing's size says that there are more items than were read."""
        return self.size is not None and self.items < self.size

    @property
    def full(self) -> bool:
        """Whether the page holds as many items as a page can."""
        longest = self.page.pagelen or self.asked
        return bool(self.page.values) and (longest is None or len(self.page.values) >= longest)


class Link(NamedTuple):
    """The next page by the link that the answer gives."""

    address: str


class Number(NamedTuple):
    """The next page by its number, asked for as the first one was."""

    page: int


Following = Link | Number | None


class Strategy:
    """How one listing goes on."""

    def following(self, progress: Progress) -> Following:
        """The page after the one that was read; ``None`` at the end of the listing.

        Raises :class:`Contradiction` where there is more, and nothing says where.
        """
        raise NotImplementedError

    def ahead(self, first: Progress) -> range:
        """The numbers of the pages after the first one that can be asked for side by side.

        Empty if each page has to wait for the one before it. What the listing ends with is still
        for :meth:`following` to say.
        """
        return range(0)


class NextLinks(Strategy):
    """By ``next`` alone, for listings whose pages have no numbers or are not known to."""

    def following(self, progress: Progress) -> Following:
        """Raises :class:`Contradiction` for a full page without a link while there is more."""
        if progress.page.next is not None:
            return Link(progress.page.next)
        if progress.short_of_size and progress.full:
            return self._without_link(progress)
        return None

    def _without_link(self, progress: Progress) -> Following:
        raise Contradiction(
            f"It has no link to a next page, and {progress.items} of {progress.size} items "
            "were read."
        )


class Numbers(NextLinks):
    """By ``next``; where it is missing by number, if the page says its own."""

    def _without_link(self, progress: Progress) -> Following:
        if progress.page.page is None:
            return super()._without_link(progress)
        return Number(progress.page.page + 1)

    def ahead(self, first: Progress) -> range:
        """None where the link to the second page does not have its number.

        Seen live by users: some listings refuse a number, and their links have marks instead.
        """
        link = first.page.next
        numbered = link is None or page_in(link) == 2
        return _numbers_up_to_size(first) if first.page.page == 1 and numbered else range(0)


class OwnNumbers(Strategy):
    """By number, whatever ``next`` says, until the size is reached or a page is empty.

    For listings whose ``next`` is missing at times or does not keep what was asked for. That there
    is a link is still a sign that there is more.
    """

    def following(self, progress: Progress) -> Following:
        if not progress.page.values:
            return None
        # A size that is below what was read is that of something else.
        if progress.items == progress.size and progress.page.next is None:
            return None
        return Number(progress.number + 1)

    def ahead(self, first: Progress) -> range:
        return _numbers_up_to_size(first)


class Whole(OwnNumbers):
    """All at once as far as is known; by number if the answer says that there is more."""

    def following(self, progress: Progress) -> Following:
        page = progress.page
        cut_off = progress.size is None and page.pagelen is not None and progress.full
        if page.next is None and not progress.short_of_size and not cut_off:
            return None
        return super().following(progress)


def page_in(address: str) -> int | None:
    """The number of a page in its address; ``None`` if there is no number."""
    if not address.isprintable():
        return None  # some of its characters are left out when it is asked for
    query = address.partition("#")[0].partition("?")[2]
    parts = (part.partition("=") for part in query.split("&"))
    marks = [unquote(value) for name, _, value in parts if value and _is_page(name)]
    if len(marks) != 1 or len(marks[0]) > 9 or not (marks[0].isascii() and marks[0].isdigit()):
        return None
    return int(marks[0])


def _is_page(name: str) -> bool:
    return name == "page" or ("%" in name and unquote(name) == "page")


def _numbers_up_to_size(first: Progress) -> range:
    """The numbers of all other pages, by the listing's size and the length of its first page.

    None where these do not fit together: then it is safer to go on page by page.
    """
    length = first.page.pagelen or first.asked
    if first.number != 1 or first.size is None or not length or not first.short_of_size:
        return range(0)
    if len(first.page.values) != length:
        return range(0)
    return range(2, math.ceil(first.size / length) + 1)
