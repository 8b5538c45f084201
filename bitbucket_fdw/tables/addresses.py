"""Makes the path of a request from a path template and values, percent-encoded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import InvalidValue


def path_text(value: Any) -> str:
    """A value as Bitbucket has it in a path, before percent-encoding: UUIDs are in braces."""
    return f"{{{value}}}" if isinstance(value, uuid.UUID) else str(value)


def fill(template: str, values: Mapping[str, str]) -> str:
    """A path template with its values filled in, percent-encoded, including their slashes.

    Raises :class:`InvalidValue` if a value is empty, ``.`` or ``..``: even when encoded, such a
    segment would make the address that of something else.
    """
    for name, value in values.items():
        if value in ("", ".", ".."):
            raise InvalidValue(
                f'"{value}" is no {name}', hint="It would lead to another address of the API."
            )
    return template.format(**{name: quote(value, safe="") for name, value in values.items()})
