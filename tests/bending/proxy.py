"""A proxy on the loopback address that bends what Bitbucket's stand-in says, by one rule at a time.

It runs on a thread of its own between the wrapper and an emulator. A rule may change a request
before it is passed on, answer it itself, and change the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

Parameters = tuple[tuple[str, str], ...]
CHUNK = 4096  # bytes, of an answer that is sent in parts


@dataclass(frozen=True)
class Asked:
    """A request. ``path`` is as it was sent, with its percent signs."""

    method: str
    path: str
    parameters: Parameters
    headers: dict[str, str]
    body: bytes = b""

    def one(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.parameters if key == name), None)

    def without(self, *names: str) -> Asked:
        """The same without some query parameters."""
        kept = tuple(pair for pair in self.parameters if pair[0] not in names)
        return replace(self, parameters=kept)

    def having(self, name: str, value: str) -> Asked:
        """The same with a query parameter of this value."""
        rest = self.without(name)
        return replace(rest, parameters=(*rest.parameters, (name, value)))

    @property
    def target(self) -> str:
        """Path and query, as they are sent."""
        query = urlencode(self.parameters, quote_via=quote)
        return f"{self.path}?{query}" if query else self.path


@dataclass(frozen=True)
class Answer:
    """An answer; ``pause`` are the seconds between its parts, where it comes in several."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    pause: float | None = None

    @classmethod
    def of(cls, document: Any, status: int = 200) -> Answer:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(document).encode(), headers)

    @property
    def document(self) -> Any:
        """The body's JSON; None where it has none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def saying(self, document: Any) -> Answer:
        """The same answer with another document."""
        return replace(self, body=json.dumps(document).encode())


Bend = Callable[[Asked], "Asked | Answer"]
Change = Callable[[Asked, Answer], Answer]


class Proxy:
    """Passes requests on to ``upstream`` (an address that ends in ``/2.0``)."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream.removesuffix("/2.0")
        self._ask: Bend = lambda asked: asked
        self._change: Change = lambda _, answer: answer
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.struck = 0
        self.base_url = ""

    def bend(self, ask: Bend | None = None, change: Change | None = None) -> None:
        """Take up a rule, or none; counts in ``struck`` from now on what it did."""
        self._ask = ask or (lambda asked: asked)
        self._change = change or (lambda _, answer: answer)
        self.struck = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Listen on a free port until the end of the block."""
        self._thread.start()
        assert self._started.wait(10), "the proxy did not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/2.0"
        async with aiohttp.ClientSession(auto_decompress=False) as self._client:
            self._started.set()
            await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        asked = Asked(
            request.method,
            path,
            tuple(parse_qsl(query, keep_blank_values=True)),
            dict(request.headers),
            await request.read(),
        )
        passed = self._ask(asked)
        if isinstance(passed, Answer):
            self.struck += 1
            return await _send(request, passed)
        answer = await self._pass_on(passed)
        changed = self._change(asked, answer)
        self.struck += changed is not answer or passed is not asked
        return await _send(request, changed)

    async def _pass_on(self, asked: Asked) -> Answer:
        # The client's own Host goes along, so that the links of an answer lead here again.
        async with self._client.request(
            asked.method,
            URL(self._upstream + asked.target, encoded=True),
            headers=asked.headers,
            data=asked.body or None,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
        ) as response:
            headers = {
                name: value
                for name, value in response.headers.items()
                if name not in ("Content-Length", "Transfer-Encoding", "Connection", "Date")
            }
            return Answer(response.status, await response.read(), headers)


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    if answer.pause is None:
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    for start in range(0, len(answer.body), CHUNK):
        await response.write(answer.body[start : start + CHUNK])
        await asyncio.sleep(answer.pause)
    return response
