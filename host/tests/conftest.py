"""Runs every test on the bundled host, and on Multicorn2 where that is installed.

BITBUCKET_FDW_HOSTS=bundled or multicorn2 limits the run to one; see cluster.py for PG_CONFIG and
PYTHON.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from cluster import (
    HOSTS,
    Cluster,
    Session,
    Unusable,
    create_database,
    multicorn2_is_installed,
    running_cluster,
)


def wanted_hosts() -> list[str]:
    wanted = os.environ.get("BITBUCKET_FDW_HOSTS", ",".join(HOSTS)).replace(",", " ").split()
    unknown = set(wanted) - set(HOSTS)
    if unknown:
        raise pytest.UsageError(f"BITBUCKET_FDW_HOSTS: no such host: {', '.join(unknown)}")
    return [h for h in HOSTS if h in wanted and (h == "bundled" or multicorn2_is_installed())]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--beyond", action="store_true", help="run on Multicorn2 also what is beyond it"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "beyond(reason): on Multicorn2 this does not work, or crashes"
    )


def pytest_report_header() -> str:
    return f"hosts: {', '.join(wanted_hosts()) or 'none'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster" in metafunc.fixturenames:
        metafunc.parametrize("cluster", wanted_hosts(), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--beyond"):
        return
    for item in items:
        callspec = getattr(item, "callspec", None)
        marker = item.get_closest_marker("beyond")
        if callspec and callspec.params.get("cluster") == "multicorn2" and marker:
            item.add_marker(pytest.mark.skip(reason=f"beyond Multicorn2: {marker.args[0]}"))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(running_cluster(request.param))
        except Unusable as problem:
            # Once, and not for each of some hundred tests.
            pytest.exit(f"{request.param}: {problem}", returncode=1)
        yield cluster


@pytest.fixture(scope="module")
def database(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = request.module.__name__.rpartition(".")[2]
    create_database(cluster, name)
    return name


@pytest.fixture
def session(cluster: Cluster, database: str) -> Iterator[Session]:
    session = Session(cluster, database)
    session.journal()
    yield session
    session.close()


@pytest.fixture
def local(session: Session) -> str:
    """A local table of three rows, one of them NULL."""
    session.execute("CREATE TEMP TABLE local AS SELECT * FROM (VALUES (3), (4), (NULL)) v(id)")
    session.execute("ANALYZE local")
    return "local"


@pytest.fixture
def keyed(session: Session) -> str:
    """A table of many rows, of which one by its id is cheap."""
    return session.table(
        "id int, v int",
        rows="[{'id': n, 'v': 10 * n} for n in range(20)]",
        path_keys="[(('id',), 1)]",
        size="(10**6, 100)",
    )
