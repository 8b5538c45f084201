"""The fixture of the emulator's own tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.client import Client


@pytest.fixture
def api(emulator: Any) -> Client:
    """A client of the session's emulator, which is as new."""
    return Client(emulator)
