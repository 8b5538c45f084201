"""Memory of the backend while it reads more rows than fit: it is to stay what it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..synthetic import workspace
from .ground import Ground


def measure(ground: Ground, quick: bool) -> dict[str, Any]:
    """MiB beyond what a tenth of the rows took."""
    rows = 50_000 if quick else 1_000_000
    with ground.session(workspace(1, rows, 50)) as connection:
        pid = connection.info.backend_pid
        connection.execute(b"SELECT count(id), count(title) FROM w.pull_requests WHERE id < 0")
        highest = [_highest(pid)]
        for part in (rows // 10, rows):
            connection.execute(
                f"SELECT count(id), count(title) FROM (SELECT id, title FROM w.pull_requests "
                f"LIMIT {part}) x".encode()
            )
            highest.append(_highest(pid))
    return {
        "rows": rows,
        "MiB at most, for a tenth of the rows": highest[1],
        "MiB at most, for all": highest[2],
        "MiB more for ten times the rows": highest[2] - highest[1],
    }


def _highest(pid: int) -> float:
    """MiB that a process has had at most (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
