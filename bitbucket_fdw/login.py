"""The part of a login that happens where the person is: a browser, and the way back from it.

PostgreSQL does the rest: it makes the address to go to and exchanges the code, so that no client
secret and no token ever reaches the machine of the person who logs in.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PORT = 33333


class LoginFailed(Exception):
    """The person came back without a code, with another login's, or not at all."""


def new_state() -> str:
    """What goes to Bitbucket and has to come back, so that a forged way back shows."""
    return secrets.token_urlsafe(24)


def code_from(answer: str, state: str) -> str:
    """The code in what a person pasted: the address they were led back to, or the code itself."""
    answer = answer.strip()
    if "://" not in answer and "?" not in answer:
        if not answer:
            raise LoginFailed("nothing was pasted")
        return answer  # its state is not there to see; PostgreSQL goes by its own
    return code_of(_parameters(answer), state)


def code_of(parameters: Mapping[str, str], state: str) -> str:
    """The code (OAuth 1: the verifier) among the parameters of the way back."""
    if not _same(parameters.get("state", ""), state):
        raise LoginFailed("the answer belongs to another login: its state is not the one sent")
    code = parameters.get("code") or parameters.get("oauth_verifier")
    if not code:
        reason = parameters.get("error_description") or parameters.get("error") or "no code came"
        raise LoginFailed(f"Bitbucket did not let this client in: {reason}")
    return code


class Listener:
    """Waits on a loopback port for the browser to come back.

    :class:`OSError` if the port is taken.
    """

    def __init__(self, port: int, state: str) -> None:
        self._server = _Server(port, state)

    @property
    def callback_url(self) -> str:
        """``localhost``, as consumers have it at Bitbucket."""
        return f"http://localhost:{self._server.server_port}/"

    def wait(self, timeout: float) -> str:
        """The code; :class:`LoginFailed` if it is refused, or has not come in time.

        Whatever comes with another state is answered and forgotten: any page that the person has
        open could send it.
        """
        end = time.monotonic() + timeout
        while self._server.arrived is None:
            if time.monotonic() > end:
                raise LoginFailed(f"nobody came back within {timeout:.0f} seconds")
            self._server.handle_request()
        return code_of(self._server.arrived, self._server.state)

    def close(self) -> None:
        """Stop listening."""
        self._server.server_close()


class _Server(HTTPServer):
    timeout = 0.2  # seconds between two looks at the clock

    def __init__(self, port: int, state: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.arrived: dict[str, str] | None = None


class _Handler(BaseHTTPRequestHandler):
    """Takes the parameters of the way back."""

    server: _Server
    timeout = 5  # seconds: a connection that sends nothing must not keep the next one waiting

    def do_GET(self) -> None:
        parameters = _parameters(self.path)
        if urlsplit(self.path).path != "/":
            self._answer(404, "There is nothing here.")
        elif not _same(parameters.get("state", ""), self.server.state):
            self._answer(400, "This is not the answer to the login that was begun.")
        else:
            self.server.arrived = parameters
            self._answer(200, "You can close this window. The terminal tells how it went.")

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
        """Nothing: the lines would show the code."""


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _parameters(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
