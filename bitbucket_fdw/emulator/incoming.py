"""A request as it comes in, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass
class Incoming:
    """A request as the transport hands it over; *path* is raw (still encoded)."""

    method: str
    path: str
    query: str
    origin: str
    authorization: str | None = None
    content_length: bool = True
    content_type: str = ""
    body: bytes = b""

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query parameters; ``+`` is a space."""
        return parse_qsl(self.query, keep_blank_values=True)
