"""A scan does not keep its result: the backend's memory is bounded by pages, not by rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_fdw.tables import BY_NAME
from tests.sql.conftest import import_all
from tests.support.database import Database


def resident(pid: int) -> int:
    """Resident memory of a process at its highest so far, in bytes (proc(5), ``status``)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("no VmHWM")


def reset_peak(pid: int) -> None:
    """Have the kernel start the highest mark anew (proc(5), ``clear_refs``)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def large(large_emulator, db_factory) -> Database:
    database = db_factory(emulator=large_emulator)
    import_all(database)
    return database


def test_a_large_scan_keeps_no_more_than_pages(large, record_property):
    """Ten thousand pull requests are some 20 MB of JSON and several times that as objects."""
    large.execute("SET search_path = website")
    large.execute("SET jit = off")  # its compiler alone takes more than the bound
    large.rows("SELECT * FROM pull_requests LIMIT 60")  # libraries, connections, first pages
    pid = large.connection.info.backend_pid
    reset_peak(pid)
    before = resident(pid)
    large.emulator.clear()
    # Every column is made, and two numbers are all that the client gets.
    columns = ", ".join(column.name for column in BY_NAME["pull_requests"].columns)
    [(rows, _)] = large.rows(f"SELECT count(*), sum(length(concat({columns}))) FROM pull_requests")
    grown = resident(pid) - before
    brought = sum(request.response_bytes for request in large.emulator.requests())
    record_property("rows", rows)
    record_property("bytes brought", brought)
    record_property("bytes grown", grown)
    assert rows >= 10_000
    assert brought > 20_000_000, "too little to tell"
    assert grown < 15_000_000


def test_many_scans_leave_nothing_behind(large):
    large.execute("SET search_path = website")
    statement = "SELECT count(title) FROM pull_requests WHERE id < 100"
    for _ in range(20):
        large.rows(statement)
    pid = large.connection.info.backend_pid
    reset_peak(pid)
    before = resident(pid)
    for _ in range(200):
        large.rows(statement)
    assert resident(pid) - before < 8_000_000
