"""The fixtures. ``db`` and ``emulator`` are what most tests ask for.

======================  ========================================================================
fixture                 what it gives
======================  ========================================================================
``host``                ``'bundled'`` or ``'multicorn2'``: ``--host``, else BITBUCKET_FDW_HOST
``postgres``            a private cluster on that host, for the session
``emulator_factory``    ``emulator_factory(scale='tiny', seed=1, **options)``: a new emulator
``emulator``            the session's shared emulator (tiny), reset before each test
``db_factory``          ``db_factory(emulator=…, credentials=…, **server_options)``: a database
``db``                  a fresh database with server ``bitbucket`` and a read-write user mapping
``odbc_factory``        ``odbc_factory(database)``: DSN files for a database
``odbc``                the DSN of ``db``
======================  ========================================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devkit import emulator as emulators
from devkit.cluster import Cluster
from devkit.emulator import Control
from devkit.places import Places, open_places
from devkit.tree import BUNDLED, FLAVOURS

from tests.support import leaks
from tests.support.clusters import TEMPLATE, start_cluster
from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import Database, create_database, drop_database
from tests.support.odbc import Odbc, find_driver, write_odbc

ROOT = Path(__file__).resolve().parents[2]
EmulatorFactory = Callable[..., Control]
DatabaseFactory = Callable[..., Database]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--host",
        choices=FLAVOURS,
        default=os.environ.get("BITBUCKET_FDW_HOST", BUNDLED),
        help="the Multicorn that tests with a PostgreSQL run on",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"host: {config.getoption('--host')}"


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> str:
    """The Multicorn under test."""
    return str(request.config.getoption("--host"))


@pytest.fixture(scope="session")
def places() -> Places:
    """The state directory of this checkout."""
    return open_places()


@pytest.fixture(scope="session")
def postgres(places: Places, host: str) -> Iterator[Cluster]:
    """A private cluster on the chosen host."""
    cluster = start_cluster(places, host)
    yield cluster
    cluster.stop()
    log = cluster.log.read_bytes()
    cluster.remove()
    leaks.assert_clean(log)


@pytest.fixture(scope="session")
def emulator_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorFactory]:
    """Start emulators of the checkout; keyword arguments become options (``latency=50``)."""
    started = []

    def factory(**options: object) -> Control:
        settings = {"scale": "tiny", "seed": 1, **options}
        arguments = [
            part
            for name, value in settings.items()
            for part in (f"--{name.replace('_', '-')}", str(value))
        ]
        log = tmp_path_factory.mktemp("emulator") / "emulator.log"
        process, base_url = emulators.start(
            Path(sys.executable),
            log,
            options=arguments,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            tied=True,
        )
        started.append(process)
        return Control(base_url)

    yield factory
    for process in started:
        emulators.stop_process(process)


@pytest.fixture(scope="session")
def shared_emulator(emulator_factory: EmulatorFactory) -> Control:
    """The emulator of the session; use ``emulator``, which is reset for each test."""
    return emulator_factory()


@pytest.fixture
def emulator(shared_emulator: Control) -> Control:
    """The session's emulator with its initial data, no faults and an empty request log."""
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture(scope="session")
def db_factory(postgres: Cluster, shared_emulator: Control) -> Iterator[Callable[..., Database]]:
    """Make databases; ``credentials='name'`` picks one of the emulator's, ``None`` is anonymous.

    They are dropped at the end of the session: drop one earlier with ``drop_database``.
    """
    made: list[Database] = []

    def factory(
        *,
        emulator: Control | None = None,
        credentials: str | None = READ_WRITE,
        **server_options: str,
    ) -> Database:
        control = emulator or shared_emulator
        database = create_database(postgres, control, TEMPLATE)
        made.append(database)
        options = mapping_options(control, credentials) if credentials else None
        database.create_server(credentials=options, **server_options)
        return database

    yield factory
    for database in made:
        database.close()


@pytest.fixture
def db(emulator: Control, db_factory: DatabaseFactory) -> Iterator[Database]:
    """A fresh database bound to ``emulator`` with a credential that may read and write."""
    database = db_factory(emulator=emulator)
    yield database
    drop_database(database)


@pytest.fixture
def odbc_factory(tmp_path: Path) -> Callable[[Database], Odbc]:
    """Write DSN files for a database; skips where psqlODBC is not installed."""
    driver = find_driver()
    if driver is None:
        pytest.skip("psqlODBC (odbc-postgresql) is not installed")
    return lambda database: write_odbc(database, tmp_path, driver)


@pytest.fixture
def odbc(db: Database, odbc_factory: Callable[[Database], Odbc]) -> Odbc:
    """The DSN ``bitbucket`` for ``db``."""
    return odbc_factory(db)
