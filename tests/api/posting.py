"""A server that takes what is posted, and answers as the test wants."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Posted:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body).items()}


@dataclass
class Reply:
    """An answer; what is no text goes out as JSON."""

    body: Any = ""
    status: int = 200
    location: str | None = None
    reason: str | None = None


class Posting:
    """``answer(request)`` answers; all that came is in ``received``."""

    def __init__(self, answer: Callable[[Posted], Reply]) -> None:
        self.answer = answer
        self.received: list[Posted] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0))).decode()
                outer.received.append(Posted(self.command, self.path, headers, body))
                reply = outer.answer(outer.received[-1])
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.send_response(reply.status, reply.reason)
                self.send_header("Content-Length", str(len(text.encode())))
                if reply.location:
                    self.send_header("Location", reply.location)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_DELETE = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def posting(answer: Callable[[Posted], Reply]) -> Iterator[Posting]:
    """The server, while it is needed."""
    server = Posting(answer)
    try:
        yield server
    finally:
        server.close()
