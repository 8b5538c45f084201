"""How a client uses the answers that sessions share: at most one of them asks for each.

Without server option ``cache_ttl`` nothing is shared, and nothing waits.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..between_sessions.answers import AnswerCache, Kept, Place
from ..between_sessions.turns import Turn
from ..errors import CacheError, Cancelled
from .exchange import Answer, Settings
from .notes import Notes
from .scan import ScanContext

T = TypeVar("T")

_MOST_PARSED = 2**20
"""Bytes of answers, as they came, that a backend keeps parsed. Parsed they take about ten times as
much."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.004, 0.03  # seconds between two looks for another's answer


class ParsedAnswers:
    """Answers that this backend has parsed before, the latest used of them. Used by all threads.

    Whoever is given one must not change it.
    """

    def __init__(self, most: int = _MOST_PARSED) -> None:
        self._most = most
        self._bytes = 0
        self._answers: OrderedDict[Path, tuple[tuple[int, int], Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, place: Place, version: tuple[int, int]) -> Answer | None:
        """The answer that this version of a file holds."""
        with self._lock:
            kept = self._answers.get(place.file)
            if kept is None or kept[0] != version:
                return None
            self._answers.move_to_end(place.file)
            return kept[1]

    def keep(self, place: Place, version: tuple[int, int], answer: Answer) -> None:
        """Keep what a version of a file holds."""
        with self._lock:
            self._forget(place.file)
            self._answers[place.file] = (version, answer)
            self._bytes += answer.size
            while self._bytes > self._most:
                self._forget(next(iter(self._answers)))

    def _forget(self, file: Path) -> None:
        kept = self._answers.pop(file, None)
        if kept is not None:
            self._bytes -= kept[1].size


@dataclass
class Uses:
    """How often a session was given an answer that is shared (``hits``), how often it asked for one
    itself (``misses``), and how often it waited for another session's (``waits``), which is among
    the others. Good for showing; threads may lose a count now and then.
    """

    hits: int = 0
    misses: int = 0
    waits: int = 0


class Asking:
    """One request, from the look for an answer to its end.

    ``found`` is the answer that another request got; ``None`` if it has to be asked for. ``keep``
    is to be called with the answer that came of that.
    """

    def __init__(self, keep: Callable[[Answer], None] = lambda _: None) -> None:
        self.found: Answer | None = None
        self.keep = keep


class SharedAnswers:
    """The answers that the sessions of one credential share. Used by all threads.

    :param identity: the credential's digest.
    :param notes: where it is said that this session does without.
    """

    def __init__(
        self, settings: Settings, identity: str, notes: Notes, parsed: ParsedAnswers
    ) -> None:
        self.uses = Uses()
        self._notes = notes
        self._parsed = parsed
        self._patience = settings.timeout
        self._api = settings.base_url
        self._cache: AnswerCache | None = None
        self._keeps = settings.cache_ttl > 0
        self._is_used = False
        self._why: CacheError | None = None
        if settings.cache_ttl:
            try:
                directory = AnswerCache.default_directory()
            except CacheError as error:
                self._do_without(error)
                return
            cache = AnswerCache(directory, settings.base_url, identity, settings.cache_ttl)
            self._cache, self._is_used = cache, True
            self._tried(cache.prepare)

    def find(self, url: str) -> Answer | None:
        """The answer to an address, if it is kept."""
        place = self._place(url)
        found = None if place is None else self._found(place)
        self.uses.hits += found is not None
        return found

    @contextlib.contextmanager
    def asking(self, url: str, scan: ScanContext, fresh: bool) -> Iterator[Asking]:
        """Make a request for an address inside, unless its answer is found.

        Blocks while another session asks for it, but no longer than ``timeout``. An error is no
        answer: whoever waits asks for itself then. Raises :class:`Cancelled` once the scan ends.

        :param fresh: Bitbucket itself is to be asked.
        """
        place = self._place(url)
        if place is None:
            yield Asking()
            return
        asking = Asking(lambda answer: self._keep(place, answer, fresh))
        turn = Turn(place.lock)
        try:
            if not fresh:
                asking.found = self._found(place) or self._wait(turn, place, scan)
            self.uses.hits += asking.found is not None
            self.uses.misses += asking.found is None
            yield asking
        except BaseException:
            # What ends because nobody waits for it here says nothing: then the next one asks.
            turn.end(failed=not scan.stopped.is_set())
            raise
        finally:
            turn.end()

    def stats(self) -> dict[str, int]:
        """What is kept of this API's answers, and how often this session was given any.

        Raises :class:`CacheError` if they cannot be kept.
        """
        entries, size = self._done(AnswerCache.held) if self._keeps else (0, 0)
        uses = self.uses
        return {
            "entries": entries,
            "bytes": size,
            "hits": uses.hits,
            "misses": uses.misses,
            "waits": uses.waits,
        }

    def clear(self) -> int:
        """Remove the answers of this API, of all credentials; how many there were.

        Raises :class:`CacheError` if that is not possible.
        """
        if not self._keeps:
            return 0
        entries, _ = self._done(AnswerCache.held)
        self._done(AnswerCache.outdate)
        self._done(AnswerCache.prune)
        return entries

    def _done(self, action: Callable[[AnswerCache], T]) -> T:
        cache = self._cache
        if cache is None:
            raise self._why or CacheError("there is no cache of answers")
        try:
            return action(cache)
        except OSError as error:
            raise cache.failure(error) from None

    def outdate(self) -> None:
        """Make what is kept count as old, for all sessions."""
        # Also where this session does without: others may not.
        if self._cache is not None:
            self._tried(self._cache.outdate)
        elif not self._keeps:
            with contextlib.suppress(OSError, CacheError):
                directory = AnswerCache.default_directory()
                if directory.exists():
                    AnswerCache(directory, self._api, "", 0).outdate()

    def _place(self, url: str) -> Place | None:
        cache = self._cache
        if cache is None or not self._is_used:
            return None
        return self._tried(lambda: cache.place(url))

    def _wait(self, turn: Turn, place: Place, scan: ScanContext) -> Answer | None:
        """The answer that another one asks for; ``None`` if it has to be asked for here."""
        until, pause = scan.clock.now() + self._patience, _FIRST_PAUSE
        has_waited = False
        while self._tried(turn.take) is False:
            self.uses.waits += not has_waited
            has_waited = True
            found = self._found(place)
            if found is not None or turn.has_failed or scan.clock.now() >= until:
                return found
            if scan.clock.wait(scan.stopped, pause):
                raise Cancelled("the scan has ended")
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        # It may have come between the last look and the lock.
        return self._found(place)

    def _found(self, place: Place) -> Answer | None:
        cache = self._cache
        if cache is None or not self._is_used:
            return None
        version = self._tried(lambda: cache.version(place))
        if version is None:
            return None
        known = self._parsed.find(place, version)
        if known is not None:
            return known
        kept = self._tried(lambda: cache.find(place))
        return None if kept is None else self._read(place, kept)

    def _read(self, place: Place, kept: Kept) -> Answer | None:
        try:
            parsed = json.loads(kept.content)
        except (ValueError, RecursionError):  # what a crash of the machine has left
            return None
        answer = Answer(parsed, len(kept.content), cached=True, content=kept.content)
        self._parsed.keep(place, kept.version, answer)
        return answer

    def _keep(self, place: Place, answer: Answer, fresh: bool) -> None:
        cache = self._cache
        if cache is None or not self._is_used or answer.status != 200 or not answer.content:
            return
        version = self._tried(lambda: cache.keep(place, answer.content))
        # Whoever wants it fresh is about to change something, and may change what it was given.
        if version is not None and not fresh:
            self._parsed.keep(place, version, replace(answer, cached=True, headers={}))

    def _tried(self, action: Callable[[], T]) -> T | None:
        """What comes of an action; ``None`` if the cache cannot be used, which ends its use."""
        try:
            return action()
        except OSError as error:
            assert self._cache is not None
            self._do_without(self._cache.failure(error))
        except CacheError as error:
            self._do_without(error)
        return None

    def _do_without(self, error: CacheError) -> None:
        """Go on without the cache of answers, and say so once. No statement fails for it."""
        self._is_used = False
        if self._why is None:
            self._why = error
            self._notes.add(
                "this session does without the cache of answers",
                detail=f"{error.message}.",
                hint=f"{error.hint or 'Server option cache_ttl 0 does without.'} If this session "
                "changes anything, others may show for cache_ttl seconds what was there before.",
            )
