"""A request as it comes in, before its endpoint is known."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass
class Incoming:
    """A request as the transport hands it over.

    :param path: the raw path, still encoded.
    :param query: the raw query.
    :param origin: the scheme, the host and the port that it was sent to.
    :param content_length: whether it said how long its body is.
    :param accept: the media types that it takes.
    """

    method: str
    path: str
    query: str
    origin: str
    authorization: str | None = None
    content_length: bool = True
    content_type: str = ""
    body: bytes = b""
    accept: str = "*/*"

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query parameters; ``+`` is a space."""
        return parse_qsl(self.query, keep_blank_values=True)
