"""PL/Python and the host in one session, whichever comes first.

PL/Python comes from its package, unpacked into a private copy of the server: nothing is installed,
and the other tests run without it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cluster import Cluster, Session, create_database, pg_config, running_cluster

pytestmark = [
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="there PL/Python has to be first"),
]

TICKS = "counting_rows(int(self.options['rows_wanted']))"
FUNCTIONS = """
CREATE EXTENSION plpython3u;
CREATE FUNCTION plus(n int) RETURNS int LANGUAGE plpython3u AS 'return n + 1';
CREATE FUNCTION definer(n int) RETURNS int LANGUAGE plpython3u SECURITY DEFINER AS 'return n + 1';
CREATE FUNCTION numbers(n int) RETURNS SETOF int LANGUAGE plpython3u AS $$
for i in range(n):
    yield i
$$;
CREATE FUNCTION broken() RETURNS int LANGUAGE plpython3u AS 'return 1 // 0';
CREATE FUNCTION query(q text) RETURNS int LANGUAGE plpython3u AS
    'return plpy.execute(q)[0]["ticks"]';
CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpython3u AS 'plpy.notice(TD["new"]["id"])';
"""


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The unpacked package; None if PL/Python is installed."""
    if list(pg_config("pkglibdir").glob("plpython3.*")):
        return None
    directory = tmp_path_factory.mktemp("plpython")
    major = pg_config("pkglibdir").parent.name
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download"]
    try:
        subprocess.run(
            [*download, f"postgresql-plpython3-{major}"], check=True, cwd=directory, timeout=120
        )
        [file] = directory.glob("*.deb")
        subprocess.run(["dpkg", "-x", file, directory / "files"], check=True)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        pytest.skip(f"no package of PL/Python is to be had: {error}")
    return directory / "files"


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, package: Path | None) -> Iterator[Cluster]:
    with running_cluster(request.param, package) as cluster:
        create_database(cluster, "with_plpython")
        first = Session(cluster, "with_plpython")
        try:
            first.execute(FUNCTIONS)
        except psycopg.errors.UndefinedFile as error:
            pytest.skip(f"PL/Python is of another Python: {error}")
        first.close()
        yield cluster


@pytest.fixture
def session(cluster: Cluster) -> Iterator[Session]:
    session = Session(cluster, "with_plpython")
    yield session
    session.close()


@pytest.fixture
def ticks(session: Session) -> str:
    return session.table("ticks int", rows=TICKS, rows_wanted="20")


PLPYTHON = {
    "SELECT plus(1)": 2,
    "SELECT definer(1)": 2,
    "SELECT * FROM numbers(5) LIMIT 1": 0,
    "SELECT sum(n) FROM numbers(5) n": 10,
    "DO LANGUAGE plpython3u $$plpy.execute('SELECT 1')$$ | SELECT 7": 7,
    "CREATE OR REPLACE FUNCTION pg_temp.made() RETURNS int LANGUAGE plpython3u AS 'return 3'"
    " | SELECT pg_temp.made()": 3,
    "SELECT plus(count(*)::int) FROM {}": 21,
    "SELECT plus(query('SELECT ticks FROM {}') * 0)": 1,
}


@pytest.mark.parametrize("host_first", [True, False])
@pytest.mark.parametrize("statement", PLPYTHON)
def test_both_in_one_session(
    session: Session, ticks: str, statement: str, host_first: bool
) -> None:
    scan = f"SELECT count(*) FROM {ticks}"
    if host_first:
        assert session.value(scan) == 20
    *first, query = statement.format(ticks).split(" | ")
    for _ in range(3):
        for command in first:
            session.execute(command)
        assert session.value(query) == PLPYTHON[statement]
        assert session.value(scan) == 20
        assert session.error("SELECT broken()").message_primary.startswith("ZeroDivisionError")
    assert session.value(f"SELECT count(plus(ticks)) FROM {ticks}") == 20


def test_a_trigger_on_a_foreign_table(session: Session) -> None:
    table = session.table("id int, name text")
    session.execute(
        f"CREATE TRIGGER see AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION seen()"
    )
    session.execute(f"INSERT INTO {table} VALUES (4, 'x')")
    assert [notice.message for notice in session.notices] == ["4"]


def test_a_function_that_was_looked_up_before_the_host_began(session: Session, ticks: str) -> None:
    """The executor looks functions up first, and the foreign table is met while it runs."""
    session.execute(
        "CREATE FUNCTION pg_temp.scan() RETURNS int LANGUAGE plpgsql AS "
        f"$$DECLARE n int; BEGIN EXECUTE 'SELECT count(*) FROM {ticks}' INTO n; RETURN n; END$$"
    )
    assert session.value("SELECT plus(n) FROM (SELECT pg_temp.scan() AS n OFFSET 0) s") == 21


@pytest.mark.beyond("keeps the interpreter's lock")
def test_threads_run_between_rows_where_plpython_is_not_used(session: Session, ticks: str) -> None:
    query = f"SELECT ticks, pg_sleep(0.5) IS NULL FROM {ticks} LIMIT 2"
    (first, _), (second, _) = session.rows(query)
    assert second - first > 5


def test_sessions_end_and_fail_with_both(cluster: Cluster) -> None:
    for n in range(6):
        session = Session(cluster, "with_plpython")
        table = session.table("ticks int", rows=TICKS, rows_wanted="1000000")
        session.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT ticks, plus(1) FROM {table}")
        assert len(session.rows("FETCH 5 FROM c")) == 5
        assert len(session.rows("SELECT * FROM numbers(9) LIMIT 2")) == 2
        if n % 2:
            with pytest.raises(psycopg.Error):
                session.execute("SELECT broken()")
        session.close()
    # A crash of any backend would end this session too.
    session = Session(cluster, "with_plpython")
    assert session.value("SELECT plus(1)") == 2
    session.close()
