"""The part of a login on the person's machine: opening a browser and taking the code.

PostgreSQL does the rest. It makes the address to go to and exchanges the code for tokens, so that
no client secret and no token ever reaches the machine of the person who logs in.
"""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PORT = 33333


class LoginFailed(Exception):
    """The person came back without a code, with another login's, or not at all."""


def new_state() -> str:
    """A random text that goes to Bitbucket and has to come back. A forged redirect lacks it."""
    return secrets.token_urlsafe(24)


def code_from(answer: str, state: str) -> str:
    """The code in what a person pasted: the address they were led back to, or the code itself."""
    answer = answer.strip()
    if "://" not in answer and "?" not in answer:
        if not answer:
            raise LoginFailed("nothing was pasted")
        return answer  # there is no state in it to compare; PostgreSQL compares its own
    try:
        parameters = _parameters(answer)
    except ValueError:
        raise LoginFailed("what was pasted is not an address") from None
    return code_of(parameters, state)


def code_of(parameters: Mapping[str, str], state: str) -> str:
    """The code (with OAuth 1: the verifier) from the parameters of the redirect."""
    if not _same(parameters.get("state", ""), state):
        raise LoginFailed("the answer belongs to another login: its state is not the one sent")
    code = parameters.get("code") or parameters.get("oauth_verifier")
    if not code:
        reason = parameters.get("error_description") or parameters.get("error") or "no code came"
        raise LoginFailed(f"Bitbucket did not let this client in: {reason}")
    return code


class Listener:
    """Listens on a loopback port for the browser to come back; :class:`OSError` if it is taken.

    It answers from a thread of its own, because some browsers block the program that opens them.
    """

    def __init__(self, port: int, state: str) -> None:
        self._server = _Server(port, state)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def callback_url(self) -> str:
        """The address to come back to, with ``localhost`` as in the consumer's callback URL."""
        return f"http://localhost:{self._server.server_port}/"

    def wait(self, timeout: float) -> str:
        """The code; :class:`LoginFailed` if it is refused, or has not come in time.

        A request with another state is answered and otherwise ignored, because any page that the
        person has open could send one.
        """
        try:
            return code_of(self._server.arrived.get(timeout=timeout), self._server.state)
        except queue.Empty:
            raise LoginFailed(f"nobody came back within {timeout:.0f} seconds") from None


class _Server(HTTPServer):
    def __init__(self, port: int, state: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.arrived: queue.Queue[dict[str, str]] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    """Takes the parameters of the redirect."""

    server: _Server
    timeout = 5  # seconds: a connection that sends nothing must not keep the next one waiting

    def do_GET(self) -> None:
        parameters = _parameters(self.path)
        if urlsplit(self.path).path != "/":
            self._answer(404, "There is nothing here.")
        elif not _same(parameters.get("state", ""), self.server.state):
            self._answer(400, "This is not the answer to the login that was begun.")
        else:
            self._answer(200, "You can close this window. The terminal tells how it went.")
            self.server.arrived.put(parameters)

    def _answer(self, status: int, text: str) -> None:
        body = f"<!DOCTYPE html><title>bitbucket-fdw</title><p>{text}</p>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # The address holds the code: it must not go on to another page.
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Logs nothing, because the lines would contain the code."""


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _parameters(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
