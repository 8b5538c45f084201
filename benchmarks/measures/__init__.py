"""What is not a matter of one question. Each measure gives figures by what they are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import cold, growth, memory, processor, sessions
from .ground import Ground, ground

__all__ = ["MEASURES", "Ground", "Measure", "ground"]

Measure = Callable[[Ground, bool], dict[str, Any]]
MEASURES: dict[str, Measure] = {
    "processor": processor.measure,
    "memory": memory.measure,
    "cold": cold.measure,
    "sessions": sessions.measure,
    "growth": growth.measure,
}
"""By name; the second argument is whether less of everything will do."""
