"""Options and fixtures shared by all tests; they live in tests/support."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for directory in (ROOT / "script" / "lib", ROOT):
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))

from tests.support.fixtures import (  # noqa: E402, F401 - the path above comes first
    db,
    db_factory,
    emulator,
    emulator_factory,
    host,
    odbc,
    odbc_factory,
    places,
    postgres,
    pytest_addoption,
    pytest_report_header,
    shared_emulator,
)
