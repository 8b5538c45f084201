"""Processor time of the backend: of a request, of a row, and beside reading the JSON alone."""

from __future__ import annotations

import json
import time
from typing import Any

from ..http_api import Api
from ..sides import processor_time
from ..synthetic import workspace
from .ground import Connection, Ground

COLUMNS = (
    *("id", "title", "state", "draft", "comment_count", "created_on", "updated_on"),
    *("author_display_name", "author_uuid", "source_branch_name"),
)
# Every column is asked for, and PostgreSQL does next to nothing with it.
STATEMENT = f"SELECT {', '.join(f'count({column})' for column in COLUMNS)} FROM w.pull_requests"


def measure(ground: Ground, quick: bool) -> dict[str, Any]:
    """Milliseconds of a request, microseconds of a row, and the same of the JSON alone."""
    rows, seconds = (2000, 1.0) if quick else (10_000, 10.0)
    large, small = 50, 5
    with ground.session(workspace(1, rows, large)) as connection:
        of_large = _each(connection, seconds)
    with ground.session(workspace(1, rows, small)) as connection:
        of_small = _each(connection, seconds)
    parsing = _parsing(ground.url, workspace(1, rows, large), rows // large, seconds / 4)
    requests = rows // small - rows // large
    request = (of_small - of_large) / requests
    row = (of_large - request * (rows // large + 1)) / rows
    return {
        "ms of a request": request * 1000,
        "us of a row of ten columns": row * 1e6,
        "times json.loads of the same pages": of_large / parsing,
    }


def _each(connection: Connection, seconds: float) -> float:
    """Processor time of one statement, on average over so many seconds of it."""
    connection.execute(STATEMENT.encode())
    pid = connection.info.backend_pid
    began, times = processor_time(pid), 0
    while processor_time(pid) - began < seconds:
        connection.execute(STATEMENT.encode())
        times += 1
    return (processor_time(pid) - began) / times


def _parsing(url: str, name: str, pages: int, seconds: float) -> float:
    """Processor time of ``json.loads`` of all pages."""
    api = Api(url, "", numbered=True)
    path = f"/repositories/{name}/r-1/pullrequests"
    bodies = [
        api.body(api.url(path, {"pagelen": 50, "page": number})) for number in range(1, pages + 1)
    ]
    began, times = time.process_time(), 0
    while time.process_time() - began < seconds:
        for body in bodies:
            json.loads(body)
        times += 1
    return (time.process_time() - began) / times
