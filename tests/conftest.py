"""Options and fixtures shared by all tests; they live in tests/support."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# A busy machine makes no test fail: how fast something is, benchmarks tell.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

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
