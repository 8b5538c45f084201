"""The transport: HTTP/1.1 by aiohttp, faults of the network included."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from bitbucket_fdw.emulator.control import Entry, RequestLog
from bitbucket_fdw.emulator.emulator import API, Emulator, Settings
from bitbucket_fdw.emulator.errors import Reply, html
from bitbucket_fdw.emulator.faults import Fault
from bitbucket_fdw.emulator.incoming import Incoming
from bitbucket_fdw.emulator.sign_in.site import PREFIXES

_LARGEST_BODY = 8 * 1024 * 1024

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Respond = Callable[[Incoming, Entry, set[str]], Reply]


class Server:
    """Answers over HTTP with what an :class:`Emulator` says."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request: control, API, or an address outside both."""
        incoming = await _incoming(request)
        if incoming.path.startswith("/_emulator/"):
            return _respond(self._emulator.control(incoming))
        emulator = self._emulator
        if incoming.path.startswith(f"{API}/"):
            return await self._handle_logged(request, incoming, emulator.log, emulator.respond)
        if incoming.path.startswith(PREFIXES):
            return await self._handle_logged(
                request,
                incoming,
                emulator.site_log,
                lambda incoming, _entry, _flags: emulator.site.respond(incoming),
            )
        return _respond(html(404, "Resource not found").reply)

    async def handle_file(self, request: web.Request) -> web.StreamResponse:
        """A request to the store of texts."""
        return _respond(self._emulator.files.respond(await _incoming(request)))

    async def _handle_logged(
        self, request: web.Request, incoming: Incoming, log: RequestLog, respond: Respond
    ) -> web.StreamResponse:
        headers = sorted(name.lower() for name in request.headers)
        entry = log.begin(incoming.method, incoming.path, incoming.query, headers)
        started = time.perf_counter()
        try:
            return await self._answer(request, incoming, entry, respond)
        finally:
            entry.duration_ms = round((time.perf_counter() - started) * 1000, 3)
            log.end(entry)

    async def _answer(
        self, request: web.Request, incoming: Incoming, entry: Entry, respond: Respond
    ) -> web.StreamResponse:
        emulator = self._emulator
        fault = emulator.faults.strike(incoming.method, incoming.path, incoming.query)
        flags = {fault.kind} if fault else set()
        entry.fault = fault.kind if fault else None
        reply = Reply()
        if fault is None or fault.carries_out:
            reply = respond(incoming, entry, flags)
        if emulator.settings.latency_ms:
            await asyncio.sleep(emulator.settings.latency_ms / 1000)
        if fault is not None:
            if fault.delay_ms:
                await asyncio.sleep(fault.delay_ms / 1000)
            reply = fault.reply() or reply
        body = reply.encoded()
        if fault is not None and fault.kind in ("reset", "truncate", "cut_json"):
            return await _break(request, reply, body, fault, entry)
        entry.status, entry.response_bytes = reply.status, len(body)
        return _respond(reply, body)


async def _incoming(request: web.Request) -> Incoming:
    path, _, query = request.raw_path.partition("?")
    return Incoming(
        request.method,
        path,
        query,
        f"http://{request.host}",
        request.headers.get("Authorization"),
        "Content-Length" in request.headers,
        request.headers.get("Content-Type", ""),
        await request.read(),
        request.headers.get("Accept", "*/*"),
    )


def _respond(reply: Reply, body: bytes | None = None) -> web.Response:
    body = reply.encoded() if body is None else body
    headers = dict(reply.headers)
    if body:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=body or None, headers=headers)


async def _break(
    request: web.Request, reply: Reply, body: bytes, fault: Fault, entry: Entry
) -> web.StreamResponse:
    """Answer badly: no answer at all, half an answer, or half of a document."""
    half = body[: len(body) // 2]
    if fault.kind == "cut_json":
        entry.status, entry.response_bytes = reply.status, len(half)
        return _respond(reply, half)
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    if fault.kind == "truncate":
        response.headers["Content-Type"] = reply.content_type
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(half)
        entry.status, entry.response_bytes = reply.status, len(half)
        await asyncio.sleep(0.05)  # let the first half reach the client before the line breaks
    transport = request.transport
    if transport is not None:
        if fault.kind == "reset":
            _reset_on_close(transport.get_extra_info("socket"))
        transport.abort()
    return response


def _reset_on_close(connection: socket.socket | None) -> None:
    """Make closing send RST: lingering for zero seconds throws away what is unsent."""
    if connection is not None:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback address; port 0 takes a free one.

    Raises OSError when the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


async def _start(listener: socket.socket, handle: Handle) -> web.AppRunner:
    application = web.Application(client_max_size=_LARGEST_BODY)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


async def serve(listener: socket.socket, settings: Settings) -> None:
    """Serve on *listener* until SIGINT or SIGTERM; prints one line when ready."""
    files = listen(0)  # of another port, which makes it another server
    origin = _origin(listener)
    server = Server(Emulator(settings, origin, _origin(files)))
    runners = [
        await _start(listener, server.handle),
        await _start(files, server.handle_file),
    ]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    print(f"bitbucket emulator listening on {origin}{API}", flush=True)
    try:
        await stop.wait()
    finally:
        for runner in runners:
            await runner.cleanup()
        sys.stdout.flush()
