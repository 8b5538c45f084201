"""Looking for secrets where none may be: in logs, in messages, in answers, in any encoding.

All secrets of the emulator begin alike, those that it makes up while it runs among them. What the
encodings are is worked out here and not taken from the package, whose own list may have a gap.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

BEGINNINGS = (
    "emulator-token-",
    "emulator-access-",
    "emulator-refresh-",
    "emulator-code-",
    "emulator-consumer-secret",
    "emulator-reader-secret",
    "emulator-registry-password",
)


def found(text: str, *more: str) -> list[str]:
    """The secrets (or beginnings of secrets) that ``text`` holds in one form or another."""
    return [
        secret for secret in (*BEGINNINGS, *more) if any(form in text for form in forms(secret))
    ]


def forms(secret: str) -> Iterator[str]:
    """A text as it is, escaped, and as a part of something that was put into base64 or hex."""
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield "".join(f"%{byte:02X}" for byte in raw)
    yield raw.hex()
    yield secret[::-1]
    for shift in range(3):
        # Three bytes become four letters: what comes before shifts the text, and the letters at
        # either end depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = encoded[4 if shift else 0 : len(encoded) - 1]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def in_log(log: bytes, *more: str) -> list[str]:
    """Lines of a server log that hold a secret.

    PostgreSQL itself repeats the statement that failed, which is the user's own text: those lines
    are left out.
    """
    lines = []
    repeated = False
    for line in log.decode(errors="replace").splitlines():
        if not line.startswith("\t"):
            repeated = re.search(r"\b(STATEMENT|QUERY):  ", line) is not None
        if not repeated and found(line, *more):
            lines.append(line)
    return lines


def assert_clean(log: bytes) -> None:
    """Fail if a server log holds a secret."""
    lines = in_log(log)
    assert not lines, "the server log holds secrets:\n" + "\n".join(lines[:5])
