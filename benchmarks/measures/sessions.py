"""Many sessions that show one dashboard at the same time: the requests, cache off and on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devkit.cluster import Cluster

from .. import stage
from .ground import Ground

SESSIONS = 20


def measure(ground: Ground, quick: bool) -> dict[str, Any]:
    """Requests for so many sessions, of which each asks for the same addresses."""
    addresses = 12 if quick else 48
    found: dict[str, Any] = {"sessions": SESSIONS, "addresses": addresses}
    with stage.emulator(ground.directory, "tiny", numbered=True) as emulator:
        for name, options in (("off", {}), ("on", {"cache_ttl": "600"})):
            database = f"sessions_{name}"
            stage.create_database(ground.cluster, database, emulator, **options)
            emulator.delay(50)
            emulator.forget()
            seconds = _dashboards(ground.cluster, database, addresses)
            found[f"requests, cache {name}"] = emulator.counted()[0]
            found[f"seconds, cache {name}"] = seconds
            emulator.delay(0)
    return found


def _dashboards(cluster: Cluster, database: str, addresses: int) -> float:
    """Seconds until the last session has seen all."""
    ready = threading.Barrier(SESSIONS + 1)

    def show() -> None:
        with stage.connect(cluster, database) as connection:
            ready.wait()
            for key in range(1, addresses + 1):
                statement = f"SELECT title FROM website.pull_requests WHERE id = {key}"
                assert len(connection.execute(statement.encode()).fetchall()) == 1

    with ThreadPoolExecutor(SESSIONS) as pool:
        running = [pool.submit(show) for _ in range(SESSIONS)]
        ready.wait()
        began = time.perf_counter()
        for session in running:
            session.result()
        return time.perf_counter() - began
