"""pgbouncer between a program and the database: two programs take turns on one backend."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from devkit.cluster import SUPERUSER, free_port

DEADLINE = 30  # seconds until it listens

SETTINGS = """
[databases]
* = host={sockets} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 1
logfile = {log}
"""


@pytest.fixture(params=["session", "transaction"])
def mode(request):
    return request.param


@pytest.fixture
def pool(db, mode):
    """A pool with one connection to the database of the test; what a client connects with."""
    program = os.environ.get("BITBUCKET_FDW_PGBOUNCER")
    if not program:
        pytest.skip("BITBUCKET_FDW_PGBOUNCER names no pgbouncer; script/test clients fetches one")
    db.execute("CREATE SCHEMA website")
    db.execute('IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO website')
    cluster, listen = db.cluster, free_port()
    directory = cluster.directory / f"pgbouncer-{db.name}-{mode}"
    directory.mkdir(mode=0o700)
    password = cluster.password_file.read_text().strip()
    users, settings = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text(f'"{SUPERUSER}" "{password}"\n')
    settings.write_text(
        SETTINGS.format(
            sockets=cluster.sockets,
            port=cluster.port,
            user=SUPERUSER,
            listen=listen,
            users=users,
            mode=mode,
            log=directory / "log",
        )
    )
    for path in (directory, users, settings):
        cluster.user.own(path)
    libraries = [str(path) for path in Path(program).parents[1].glob("lib/*-linux-gnu")]
    process = subprocess.Popen(
        [program, "--quiet", str(settings)],
        cwd="/",
        env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)},
        stderr=subprocess.DEVNULL,
        **cluster.user.spawn_options(),
    )
    conninfo = psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=listen, dbname=db.name, user=SUPERUSER, password=password
    )
    until = time.monotonic() + DEADLINE
    while True:
        try:
            psycopg.connect(conninfo).close()
            break
        except psycopg.OperationalError:
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
    yield conninfo
    process.terminate()
    process.wait(timeout=30)


def connect(pool):
    # Statements that a client has prepared are on a backend that others have next.
    return psycopg.connect(pool, autocommit=True, prepare_threshold=None)


def test_programs_share_a_backend_and_find_the_same(pool, mode, db):
    statement = "SELECT pg_backend_pid(), id, title FROM website.issues WHERE id < %s ORDER BY id"
    expected = db.rows("SELECT id, title FROM website.issues WHERE id < 5 ORDER BY id")
    backends = set()
    for _ in range(2):
        clients = [connect(pool)]
        clients += [connect(pool)] if mode == "transaction" else []
        for client in clients * 2:
            rows = client.execute(statement, (5,)).fetchall()
            backends |= {row[0] for row in rows}
            assert [row[1:] for row in rows] == expected
        for client in clients:
            client.close()
    assert len(backends) == 1


def test_what_a_transaction_chooses_does_not_reach_the_next_one(pool, db):
    title = "UPDATE website.issues SET title = 'waits' WHERE id = 1"
    with connect(pool) as first:
        with first.transaction(force_rollback=True):
            first.execute("SET LOCAL bitbucket_fdw.write_mode = 'commit'")
            first.execute(title)
            assert [r for r in db.emulator.requests() if r.method != "GET"] == []
        with first.transaction():
            first.execute("SET LOCAL bitbucket_fdw.write_mode = 'commit'")
            first.execute(title)
    with connect(pool) as second:
        setting = "SELECT current_setting('bitbucket_fdw.write_mode', true)"
        assert not second.execute(setting).fetchone()[0]
        assert second.execute("SELECT title FROM website.issues WHERE id = 1").fetchall() == [
            ("waits",)
        ]
    assert [r.method for r in db.emulator.requests() if r.method != "GET"] == ["PUT"]


def test_a_program_that_leaves_within_a_transaction_takes_its_waiting_changes_along(pool, db):
    gone = connect(pool)
    gone.execute("BEGIN")
    gone.execute("SET LOCAL bitbucket_fdw.write_mode = 'commit'")
    gone.execute("UPDATE website.issues SET title = 'never sent' WHERE id = 1")
    gone.close()
    with connect(pool) as other:
        found = other.execute("SELECT title FROM website.issues WHERE id = 1").fetchone()
    assert found != ("never sent",)
    assert [r for r in db.emulator.requests() if r.method != "GET"] == []
