"""One credential's connection to the API: reads and writes, repeated where that is safe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any
from urllib.parse import urljoin

from ..errors import (
    BadResponse,
    BitbucketError,
    Cancelled,
    ConnectionFailure,
    NotFound,
    OutcomeUnknown,
    RequestError,
    ServerFailure,
)
from .credentials import Credential
from .delivery import Delivery
from .endpoints import Endpoints
from .exchange import Answer, Exchange, Failed, Outgoing, Settings
from .flights import Flight
from .hour import Hour
from .kept import KeptAnswers, Key
from .made import Making, Tally
from .retry import HOUR, Attempts, Pause, worth_repeating
from .scan import Budget, PreviewBudget, ScanContext, Workers
from .shared import Shared
from .shared_answers import SharedAnswers
from .together import Together
from .transport import Transport
from .wanted import JSON, Wanted


class Client:
    """Makes requests on any thread; holds connections open between statements.

    :param shared: what it has in common with other clients of the backend.
    :param transport: how requests leave this machine; as the settings say if it is not given.
    """

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        shared: Shared | None = None,
        transport: Transport | None = None,
    ) -> None:
        shared = shared or Shared()
        self.settings = settings
        self.credential = credential
        self.endpoints = Endpoints()
        self.notice: Callable[[str], None] = lambda _: None  # where to tell of long pauses
        self.workers = Workers(settings.concurrency)
        self.clock = shared.clock
        self._writes = shared.writes
        self._renewals = shared.renewals
        self._watch, self._asker = shared.watch, shared.asker
        self.hour = Hour(settings, credential.identity, shared.notes)
        self._together = Together(settings, credential.identity, shared.notes)
        self._exchange = Exchange(settings, credential, self.hour.count, self.hour.hear, transport)
        # Answers that all sessions share, where server option cache_ttl has them kept.
        self.shared_answers = SharedAnswers(
            settings, credential.identity, shared.notes, shared.parsed
        )
        # Whose answers are whose: as in Clients.client_for().
        self._place = (settings, credential.identity)

    def scan(
        self,
        interrupted: Callable[[], bool] = lambda: False,
        budget: Budget | None = None,
        fresh: bool = False,
        kept: KeptAnswers | None = None,
        about: str = "",
        tally: Tally | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        asker: object = None,
        preview: PreviewBudget | None = None,
        ahead: bool = False,
    ) -> ScanContext:
        """What the requests of one scan by this client share: see :class:`ScanContext`.

        :param budget: shared with other scans; without it, ``max_requests`` for this one alone.
        :param asker: without it, who asks at the moment.
        """
        return ScanContext(
            self.workers,
            budget or self.settings.max_requests,
            interrupted,
            fresh=fresh,
            notice=self.notice,
            kept=kept,
            renewals=self._renewals,
            clock=self.clock,
            about=about,
            asker=self._asker() if asker is None else asker,
            tally=tally,
            meanwhile=meanwhile,
            preview=preview,
            ahead=ahead,
            settle=self._together.settle,
        )

    def await_hour(self, count: int, path: str, scan: ScanContext, read: int = 0) -> None:
        """Raise :class:`HourUsedUp` if the hour has not so many requests left, as far as is known.

        Under ``on_rate_limit 'wait'`` it waits until there are, an hour at most. To be called on
        the main thread. Where answers are kept, some may need no request, and nothing is refused.

        :param path: of one of them, below ``base_url``.
        :param read: answers that the scan has had already, which are none of these.
        """
        if self.settings.cache_ttl:
            return
        until = self.clock.now() + HOUR + 120  # a minute counts until its end
        if scan.kept is not None:  # each of its answers may spare a request
            count -= max(0, scan.kept.count() - read)
        if count <= 0:
            return
        while (lacking := self.hour.lacking(count, path)) is not None:
            if self.settings.on_rate_limit != "wait" or lacking.frees_at is None:
                raise lacking
            seconds = max(lacking.frees_at - time.time(), 1.0)
            if self.clock.now() + seconds > until:
                raise lacking
            scan.say(
                f"the hour has not enough requests left: waiting for {seconds:.0f} seconds", seconds
            )
            scan.pause(seconds)

    def url(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
        """The full address of a path below ``base_url``, its parameters encoded."""
        return self._exchange.root.address(path, parameters)

    def absolute(self, location: str) -> str:
        """A Location header as a full address."""
        return urljoin(f"{self.settings.base_url}/", location)

    def ask(
        self, url: str, scan: ScanContext, wanted: Wanted = JSON, *, anew: bool = False
    ) -> Future[Answer]:
        """GET an address on a worker thread, as :meth:`get` does; or give what the scan's execution
        or the sessions keep of it, which costs no request and no thread.

        :param anew: Bitbucket itself is to be asked, whatever was answered before.
        """
        kept, key = scan.kept, ((*self._place, wanted), url)
        found = None if kept is None or anew else kept.find(key)
        if found is not None:
            scan.tally.found()
            return _settled(lambda: _given(found))
        first = None if kept is None or anew else kept.under_way(key)
        if first is not None:
            scan.tally.found()
            return scan.submit(self._answer_after, first, key, scan, wanted)
        shared = None if anew or scan.fresh or wanted is not JSON else self.shared_answers.find(url)
        if shared is not None:
            return _settled(lambda: self._take_shared(shared, url, scan))
        asked = scan.submit(self.get, url, scan, wanted, anew)
        if kept is not None:
            kept.ask(key, asked)
        return asked

    def _take_shared(self, shared: Answer, url: str, scan: ScanContext) -> Answer:
        """Count an answer that sessions share as one to a request, and keep it for the execution:
        that shall see the same again when others do not any more.
        """
        writes = self._writes.value
        scan.spend()
        with self._told(Outgoing("GET", url), scan) as making:
            making.take(shared)
        if scan.kept:
            scan.kept.keep(((*self._place, JSON), url), shared, writes)
        return shared

    def _answer_after(
        self, first: Future[Answer], key: Key, scan: ScanContext, wanted: Wanted
    ) -> Answer:
        """What another scan of the execution has asked for and kept; else it is asked for again.

        It is not waited for in vain: it was handed to the same threads before.
        """
        with contextlib.suppress(BitbucketError, CancelledError):
            first.result()
        found = scan.kept.find(key) if scan.kept else None
        if isinstance(found, NotFound):
            raise found
        return found or self.get(key[1], scan, wanted)

    def get(self, url: str, scan: ScanContext, wanted: Wanted = JSON, anew: bool = False) -> Answer:
        """GET an address of this API, repeating it as far as ``retry_limit`` allows.

        Blocks; to be run on a worker thread. Raises a :class:`RequestError` naming method and
        path, :class:`TooManyRequests`, or :class:`Cancelled` once the scan is stopped.
        """
        outgoing = Outgoing("GET", url, wanted=wanted, redirected=scan.redirected)
        self._exchange.path(url)
        scan.spend()
        with self._told(outgoing, scan) as making:
            # What sessions share is JSON alone: the way to a text is an address with a permission.
            if wanted is not JSON:
                return self._get(outgoing, scan, making)
            fresh = scan.fresh or anew
            writes = self._writes.value
            with self.shared_answers.asking(url, scan, fresh) as asking:
                if asking.found is not None:
                    making.take(asking.found)
                    if scan.kept:
                        scan.kept.keep(((*self._place, wanted), url), asking.found, writes)
                    return asking.found
                answer = self._get(outgoing, scan, making)
                asking.keep(answer)
                return answer

    def _get(self, outgoing: Outgoing, scan: ScanContext, making: Making) -> Answer:
        attempts = Attempts(self.settings)
        writes, key = self._writes.value, ((*self._place, outgoing.wanted), outgoing.url)
        while True:
            if scan.stopped.is_set():
                raise Cancelled("the scan has ended")
            with self._together.request(scan), self._flight(scan) as flight:
                outcome = self._exchange.attempt(outgoing, flight)
            making.take(outcome)
            found = outcome if isinstance(outcome, Answer) else outcome.error
            if scan.kept and isinstance(found, (Answer, NotFound)):
                scan.kept.keep(key, found, writes)
            if isinstance(outcome, Answer):
                return outcome
            if not worth_repeating(outcome.error):
                raise outcome.error
            _pause(attempts.after(outgoing, outcome), scan)

    @contextlib.contextmanager
    def _told(self, outgoing: Outgoing, scan: ScanContext) -> Iterator[Making]:
        """A request that is made inside, with its repetitions, and told of once it is over."""
        path = self._exchange.path(outgoing.url)
        query = self._exchange.root.query(outgoing.url)
        making = Making(outgoing.method, path, query, self.clock.now)
        if not scan.stopped.is_set():
            scan.tally.begin()
        try:
            yield making
        except BaseException as error:
            making.fail(error)
            raise
        finally:
            if scan.stopped.is_set() and outgoing.method == "GET":
                making.leave()
            made = making.made(
                scan.about, scan.asker, self.settings.log_requests, self.credential.redact
            )
            if made is not None:
                scan.tally.add(made, making.is_page)
                self._watch(made)

    def _flight(
        self, scan: ScanContext, kept: bool = False
    ) -> contextlib.AbstractContextManager[Flight]:
        return scan.flight(self.settings.max_answer_time, kept)

    def send(
        self,
        method: str,
        url: str,
        body: Any,
        repeatable: bool,
        scan: ScanContext,
        delivery: Delivery,
    ) -> Answer:
        """Send a write; ``body`` is JSON, ``None`` for none.

        Blocks; to be run on a worker thread. What was certainly not applied (429, no connection)
        is sent again; of anything else only a ``repeatable`` request. Raises
        :class:`OutcomeUnknown` when it may have been applied, another :class:`RequestError` when
        it was not. ``delivery`` tells the same of an error of any other kind.
        """
        self._outdate_answers()
        try:
            return self._send(Outgoing(method, url, body, delivery=delivery), repeatable, scan)
        finally:
            # A read that began meanwhile may have been answered from before the write.
            self._outdate_answers()

    def _outdate_answers(self) -> None:
        self._writes.advance()
        self.shared_answers.outdate()

    def _send(self, outgoing: Outgoing, repeatable: bool, scan: ScanContext) -> Answer:
        scan.spend()
        with self._told(outgoing, scan) as making:
            return self._send_until_known(outgoing, repeatable, scan, making)

    def _send_until_known(
        self, outgoing: Outgoing, repeatable: bool, scan: ScanContext, making: Making
    ) -> Answer:
        attempts = Attempts(self.settings)
        in_doubt = False
        while True:
            outcome = self._attempt(outgoing, scan, in_doubt)
            making.take(outcome)
            if isinstance(outcome, Answer):
                return outcome
            error = outcome.error
            if outgoing.method == "DELETE" and error.status == 404 and in_doubt:
                return Answer(None, 0)  # an earlier attempt got through
            applied_perhaps = _in_doubt(error)
            in_doubt = in_doubt or applied_perhaps
            if outgoing.delivery is not None and not in_doubt:
                outgoing.delivery.nothing_came_of_it()
            if not worth_repeating(error) or (applied_perhaps and not repeatable):
                raise _unknown(error) if in_doubt else error
            try:
                _pause(attempts.after(outgoing, outcome), scan)
            except RequestError as last:
                raise _unknown(last) if in_doubt else last from None

    def _attempt(self, outgoing: Outgoing, scan: ScanContext, in_doubt: bool) -> Answer | Failed:
        """Send a write once.

        :param in_doubt: whether an earlier attempt may have been applied. Then any error is turned
            into :class:`OutcomeUnknown`, since nobody can say what Bitbucket has now.
        """
        try:
            with self._together.request(scan), self._flight(scan, kept=True) as flight:
                return self._exchange.attempt(outgoing, flight)
        except Cancelled:
            raise
        except BitbucketError as error:
            if not in_doubt:
                raise
            path = self._exchange.path(outgoing.url)
            failed = RequestError(error.message, method=outgoing.method, path=path)
            failed.detail = error.detail
            raise _unknown(failed) from None

    def probe(self, url: str, scan: ScanContext) -> tuple[Answer | RequestError, Mapping[str, str]]:
        """What an address of this API says when it is asked once, and the answer's headers.

        Blocks. :class:`SignInError` if there is no token to sign the request with.
        """
        scan.spend()
        outgoing = Outgoing("GET", url)
        with (
            self._told(outgoing, scan) as making,
            self._together.request(scan),
            self._flight(scan) as flight,
        ):
            outcome = self._exchange.attempt(outgoing, flight)
            making.take(outcome)
        if isinstance(outcome, Answer):
            return outcome, outcome.headers
        response = outcome.response
        return outcome.error, response.headers if response is not None else {}


def _settled(outcome: Callable[[], Answer]) -> Future[Answer]:
    """A future that is over from the beginning."""
    future: Future[Answer] = Future()
    try:
        future.set_result(outcome())
    except BitbucketError as error:
        future.set_exception(error)
    return future


def _given(found: Answer | NotFound) -> Answer:
    if isinstance(found, NotFound):
        raise found
    return found


def _pause(pause: Pause, scan: ScanContext) -> None:
    """Wait, but not beyond the scan's end."""
    if pause.notice is not None:
        scan.say(pause.notice, pause.seconds)
    if scan.clock.wait(scan.stopped, pause.seconds):
        raise Cancelled("the scan has ended")


def _in_doubt(error: RequestError) -> bool:
    """Whether a write that failed so may have been applied all the same."""
    return error.sent and isinstance(error, (ConnectionFailure, ServerFailure, BadResponse))


def _unknown(error: RequestError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is not known whether {error.method} {error.path} was applied",
        method=error.method,
        path=error.path,
        status=error.status,
        detail=" ".join(filter(None, (f"{error.message}.", error.detail))),
        hint="It was not sent again. Look at Bitbucket, or SELECT the row, before repeating it.",
    )
