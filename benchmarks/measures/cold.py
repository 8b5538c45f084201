"""The first statement of a session, with and without modules that the postmaster has loaded."""

from __future__ import annotations

import statistics
import time
from typing import Any

from devkit.cluster import Cluster

from .. import stage
from ..sides import processor_time
from ..synthetic import workspace
from .ground import Ground

_STATEMENT = b"SELECT id FROM w.pull_requests LIMIT 1"
_SETTING = "multicorn.preload_modules"
_MODULES = "bitbucket_fdw.wrapper"


def measure(ground: Ground, quick: bool) -> dict[str, Any]:
    """Milliseconds until the first row, and of processor time; without preload and with it."""
    times = 5 if quick else 15
    cluster, database = ground.database(workspace(1, 50, 50))
    found = _figures(cluster, database, times, "")
    settings = {"shared_preload_libraries": "multicorn", _SETTING: _MODULES}
    with stage.cluster(ground.places, ground.environment, "preloaded", settings) as other:
        _, database = ground.database(workspace(1, 50, 50), other)
        return {**found, **_figures(other, database, times, "preloaded, ")}


def _figures(cluster: Cluster, database: str, times: int, how: str) -> dict[str, float]:
    seconds, used = [], []
    for _ in range(times):
        with stage.connect(cluster, database) as connection:
            pid = connection.info.backend_pid
            before, began = processor_time(pid), time.perf_counter()
            connection.execute(_STATEMENT)
            seconds.append(time.perf_counter() - began)
            used.append(processor_time(pid) - before)
    return {
        f"{how}ms until the first row": statistics.median(seconds) * 1000,
        f"{how}ms of processor time": statistics.fmean(used) * 1000,
    }
