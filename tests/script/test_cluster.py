"""The private server: it leaves the machine's own alone, and lets in only who it should."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from devkit import postgres as postgresql
from devkit.cluster import SUPERUSER, Cluster, free_port, identifier, literal
from devkit.postgres import describe
from devkit.run import Failure, server_user


@pytest.fixture
def cluster(postgres: Cluster) -> Iterator[Cluster]:
    """One more cluster from the session's tree, not created yet."""
    own = Cluster(
        tree=postgres.tree,
        directory=postgres.directory / "own",
        user=server_user(),
        python_path=postgres.python_path,
        settings={"fsync": "off"},
    )
    yield own
    own.remove()


def test_the_tree_has_our_extensions_and_the_machine_does_not(postgres: Cluster) -> None:
    assert {"multicorn", "bitbucket_fdw", "plpgsql"} <= postgres.tree.extensions()
    machine = postgres.tree.installation.sharedir / "extension"
    assert not list(machine.glob("bitbucket_fdw*"))


def test_pg_config_of_the_tree_points_into_the_tree(postgres: Cluster) -> None:
    relocated = describe(postgres.tree.pg_config)
    for name in ("BINDIR", "PKGLIBDIR", "SHAREDIR", "PGXS", "INCLUDEDIR-SERVER"):
        assert relocated.directories[name].is_relative_to(postgres.tree.root), name
        assert relocated.directories[name].exists(), name


def test_the_machine_s_extensions_work_in_the_tree(postgres: Cluster) -> None:
    names = postgres.sql("SELECT name FROM pg_available_extensions").split()
    machine = {
        f.stem for f in (postgres.tree.installation.sharedir / "extension").glob("*.control")
    }
    assert machine - {"multicorn"} <= set(names)


def test_sockets_and_data_are_closed_to_others(cluster: Cluster) -> None:
    cluster.create()
    cluster.start()
    for path in (cluster.data, cluster.sockets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.stat().st_uid == cluster.user.uid
    for path in (cluster.password_file, cluster.log):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tcp_wants_the_password_and_loopback(cluster: Cluster) -> None:
    cluster.create()
    cluster.start()
    where: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": cluster.port,
        "user": SUPERUSER,
        "dbname": "postgres",
    }
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**where, password="wrong")
    password = cluster.password_file.read_text().strip()
    with psycopg.connect(**where, password=password) as connection:
        [addresses] = connection.execute("SHOW listen_addresses").fetchone() or ("",)
    assert addresses == "127.0.0.1"


def test_the_port_is_kept_across_restarts(cluster: Cluster) -> None:
    cluster.create()
    cluster.start()
    port = cluster.port
    cluster.restart()
    assert cluster.port == port
    cluster.start()
    assert cluster.port == port


def test_a_taken_port_is_replaced(cluster: Cluster) -> None:
    cluster.create()
    cluster.start()
    cluster.stop()
    taken = cluster.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        cluster.start()
        assert cluster.port != taken
    assert cluster.sql("SELECT 1").strip() == "1"


def test_free_port_prefers_the_one_asked_for() -> None:
    port = free_port()
    assert free_port(port) == port


def test_the_server_s_environment_is_its_own(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITBUCKET_API_TOKEN", "must-not-arrive")
    cluster.create()
    cluster.start()
    pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PYTHONPATH=" in environ
    assert b"must-not-arrive" not in environ
    assert b"BITBUCKET_API_TOKEN" not in environ


def test_another_major_version_s_data_is_refused(cluster: Cluster) -> None:
    cluster.create()
    version = cluster.data / "PG_VERSION"
    version.write_text("9.6\n")
    with pytest.raises(Failure, match=r"was made by PostgreSQL 9\.6"):
        cluster.create()


def test_remove_leaves_nothing(cluster: Cluster) -> None:
    cluster.create()
    cluster.start()
    sockets = cluster.sockets
    cluster.remove()
    assert not cluster.directory.exists()
    assert not sockets.exists()
    assert not cluster.running()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE USER MAPPING FOR nobody SERVER nothing OPTIONS (token 'hush-hush')",
        "CREATE USER MAPPING FOR USER OPTIONS (token 'hush-hush') SERVER x",
        "ALTER ROLE nobody PASSWORD 'hush-hush' NO_SUCH_WORD",
    ],
)
def test_an_error_does_not_repeat_a_secret_statement(postgres: Cluster, statement: str) -> None:
    with pytest.raises(Failure, match="ERROR") as caught:
        postgres.sql(statement, secret=True)
    assert "hush-hush" not in str(caught.value)


def test_other_errors_come_with_detail_and_hint(postgres: Cluster) -> None:
    with pytest.raises(Failure, match=r"(?s)HINT:.*explicit type casts"):
        postgres.sql("SELECT no_such_function(1)")


@pytest.mark.parametrize("text", ["plain", "it's", 'a "quote"', "back\\slash", "''", "\\'", "é☃"])
def test_literals_and_identifiers_survive(postgres: Cluster, text: str) -> None:
    got = postgres.sql(f"SELECT{literal(text)}; SELECT 1 AS {identifier(text)}").splitlines()
    assert got[0] == text
    assert got[1] == "1"


def test_the_newest_server_is_chosen_unless_named(postgres: Cluster) -> None:
    chosen = postgresql.newest({"BITBUCKET_FDW_PG_CONFIG": str(postgres.tree.pg_config)})
    assert chosen.pkglibdir == postgres.tree.pkglibdir


def test_no_server_is_a_clear_failure(tmp_path: Path) -> None:
    fake = tmp_path / "pg_config"
    fake.write_text(f"#!/bin/sh\nprintf 'BINDIR = {tmp_path}\\nVERSION = PostgreSQL 13.4\\n'\n")
    fake.chmod(0o755)
    (tmp_path / "initdb").touch()
    with pytest.raises(Failure, match=r"no PostgreSQL server of version 14 .*13\.4"):
        postgresql.newest({"BITBUCKET_FDW_PG_CONFIG": str(fake)})
