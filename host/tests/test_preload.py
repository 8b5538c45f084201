"""Python in the postmaster: multicorn.preload_modules. Clusters of their own, on the bundled host.

What a session does with it is what it does without: the same wrapper runs on both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest
from cluster import Cluster, Session, create_database, running_cluster

MODULES = "contract, asyncio,email.message,no_such_module , xml.dom.minidom"
SETTINGS = f"shared_preload_libraries = 'multicorn'\nmulticorn.preload_modules = '{MODULES}'"
WITHOUT = "plpython3.*"


def run(settings: str) -> Iterator[Cluster]:
    if "bundled" not in os.environ.get("BITBUCKET_FDW_HOSTS", "bundled"):
        pytest.skip("only the bundled host has it")
    with running_cluster("bundled", settings=settings, without=WITHOUT) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def preloading() -> Iterator[Cluster]:
    for cluster in run(SETTINGS):
        create_database(cluster, "preloaded")
        yield cluster


@pytest.fixture
def session(preloading: Cluster) -> Iterator[Session]:
    session = Session(preloading, "preloaded")
    yield session
    session.close()


def told(session: Session, *expressions: str) -> tuple[str, ...]:
    """What Python expressions are in a session."""
    columns = ", ".join(f"c{n} text" for n in range(len(expressions)))
    values = "".join(f"str({expression})," for expression in expressions)
    return session.rows(f"SELECT * FROM {session.table(columns, rows=f'[({values})]')}")[0]


def test_what_cannot_be_imported_is_in_the_log_and_keeps_nobody_out(session: Session) -> None:
    log = session.cluster.log.read_text()
    assert 'could not preload the Python module "no_such_module"' in log
    assert "ModuleNotFoundError: No module named 'no_such_module'" in log
    assert log.count("could not preload") == 1
    assert session.value("SHOW multicorn.preload_modules") == MODULES
    assert session.error("SET multicorn.preload_modules TO ''").sqlstate == "55P02"


def test_modules_are_there_before_the_session_begins(session: Session) -> None:
    there, own, frozen = told(
        session,
        "'xml.dom.minidom' in __import__('sys').modules",
        "os.getpid()",
        "gc.get_freeze_count()",
    )
    assert there == "True"
    assert int(own) == session.pid
    assert int(frozen) > 10_000


def test_the_first_statement_takes_less(preloading: Cluster) -> None:
    """Than one that imports the same; in the time of the session's own processor."""
    spent = []
    for cluster in (preloading, None):
        for other in [cluster] if cluster else run(""):
            if cluster is None:
                create_database(other, "preloaded")
            taken = []
            first = Session(other, "preloaded")
            name = first.table(
                "s float8", rows="[(__import__('xml.dom.minidom') and __import__('asyncio') and "
                "__import__('email.message') and time.process_time(),)]",
            )  # fmt: skip
            for _ in range(5):
                session = Session(other, "preloaded")
                taken.append(session.value(f"SELECT s FROM {name}"))
                session.close()
            spent.append(min(taken))
            first.close()
    assert spent[0] < 0.6 * spent[1], spent


def test_no_two_sessions_draw_the_same(preloading: Cluster) -> None:
    drawn = set()
    for _ in range(5):
        session = Session(preloading, "preloaded")
        drawn |= set(
            told(
                session,
                "__import__('random').random()",
                "__import__('random').getrandbits(64)",
                "__import__('secrets').token_hex()",
                "__import__('ssl').RAND_bytes(16)",
                "uuid.uuid4()",
                "uuid.uuid1()",
                "next(__import__('tempfile')._get_candidate_names())",
            )
        )
        session.close()
    assert len(drawn) == 5 * 7


def test_threads_and_cancels(session: Session) -> None:
    rows = "counting_rows(int(self.options['rows_wanted']))"
    ticks = session.table("ticks int", rows=rows, rows_wanted="2")
    query = f"SELECT ticks, pg_sleep(0.5) IS NULL FROM {ticks}"
    (first, _), (second, _) = session.rows(query)
    assert second - first > 5
    hangs = session.table("id int", rows="[wait_for_cancel()]")
    session.execute("SET statement_timeout = '200ms'")
    for _ in range(2):
        assert session.error(f"SELECT * FROM {hangs}").sqlstate == "57014"


def test_a_session_that_crashes_leaves_the_next_ones_well(preloading: Cluster) -> None:
    for _ in range(2):
        victim = Session(preloading, "preloaded")
        assert told(victim, "1 + 1") == ("2",)
        os.kill(victim.pid, signal.SIGKILL)
        for _ in range(200):
            # PostgreSQL starts itself anew, and ends the sessions that have come before it does.
            with contextlib.suppress(psycopg.OperationalError):
                session = Session(preloading, "preloaded")
                answer = told(session, "os.getpid()", "1 + 1")
                session.close()
                break
            time.sleep(0.1)
        assert answer == (str(session.pid), "2")


def test_settings_that_are_read_again_change_nothing(preloading: Cluster) -> None:
    session = Session(preloading, "preloaded")
    assert session.value("SELECT pg_reload_conf()") is True
    assert told(session, "1 + 1") == ("2",)
    session.close()


def test_errors_are_in_the_databases_encoding(preloading: Cluster) -> None:
    create_database(preloading, "latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' "
                    "TEMPLATE template0")  # fmt: skip
    session = Session(preloading, "latin")
    failing = session.table("id int", rows="[int(chr(0x20ac) + chr(0xe9))]")
    message = session.error(f"SELECT * FROM {failing}").message_detail
    assert message is not None
    assert "'\\u20ac\u00e9'" in message
    session.close()


def test_a_thread_in_the_postmaster_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    from cluster import Unusable

    settings = SETTINGS.replace(MODULES, "starts_thread")
    with pytest.raises(Unusable, match="has started a thread"):
        for _ in run(settings):
            pass


def test_nothing_is_preloaded_where_plpython_is_installed() -> None:
    for cluster in run("shared_preload_libraries = 'multicorn'"):
        create_database(cluster, "preloaded")
        # As if it were installed: the library is looked for, and not loaded.
        (cluster.inside("pkglibdir") / "plpython3.so").touch()
        with (cluster.data / "postgresql.conf").open("a") as conf:
            conf.write("multicorn.preload_modules = 'contract'\n")
        cluster.run("pg_ctl", "-w", "-l", str(cluster.log), "-m", "fast", "restart")
        session = Session(cluster, "preloaded")
        assert "because PL/Python is installed" in cluster.log.read_text()
        assert told(session, "'contract' in __import__('sys').modules") == ("True",)
        session.close()
