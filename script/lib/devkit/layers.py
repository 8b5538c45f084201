"""The layers of tests that script/test knows."""

from __future__ import annotations

from dataclasses import dataclass

from devkit import packages
from devkit.packages import Need


@dataclass(frozen=True)
class Layer:
    """One set of tests. ``server``: needs PostgreSQL; ``per_host``: runs on each host.

    ``seconds``: about how long it takes, compared with the others; longer ones start first.
    ``preloaded``: the bundled host imports the package once for all sessions, of which there are
    thousands. On the versions of ``--postgres``, and in other layers, each session does.
    ``everywhere``: what of it runs on each PostgreSQL that ``--postgres`` names.
    """

    name: str
    path: str
    about: str
    seconds: int
    server: bool = False
    per_host: bool = False
    preloaded: bool = False
    needs: tuple[Need, ...] = ()
    everywhere: tuple[str, ...] = ()


LAYERS = (
    Layer("unit", "tests/unit", "planner, BBQL, options: no network, no database", seconds=30),
    Layer("api", "tests/api", "the HTTP client against the emulator", seconds=120),
    Layer("emulator", "tests/emulator", "the emulator itself", seconds=90),
    Layer(
        "docs",
        "tests/docs",
        "everything is documented, and every example runs",
        seconds=50,
        server=True,
        per_host=True,
    ),
    Layer(
        "script",
        "tests/script",
        "the set-up behind these scripts",
        seconds=380,
        server=True,
        needs=(Need("python3-yaml", file="/usr/lib/python3/dist-packages/yaml/__init__.py"),),
    ),
    Layer(
        "sql",
        "tests/sql",
        "SQL on a real PostgreSQL",
        seconds=1600,
        server=True,
        per_host=True,
        preloaded=True,
        # Where versions differ: plans, the text of EXPLAIN, what the import reads of the catalog.
        everywhere=tuple(
            f"tests/sql/test_{name}.py"
            for name in (
                "pushdown",
                "joins",
                "limits_and_counts",
                "prepared",
                "loose_comparisons",
                "cancel",
                "extension_import",
                "extension_update",
                "differential",
            )
        ),
    ),
    Layer(
        "bending",
        "tests/bending",
        "right rows or a clear error while a proxy bends the API",
        seconds=280,
        server=True,
        per_host=True,
    ),
    Layer(
        "writes",
        "tests/writes",
        "INSERT, UPDATE, DELETE and transactions",
        seconds=660,
        server=True,
        per_host=True,
        preloaded=True,
        needs=packages.CLIENTS,
        everywhere=tuple(
            f"tests/writes/test_write_{name}.py"
            for name in ("statements", "prepared", "triggers", "transactions")
        ),
    ),
    Layer(
        "auth",
        "tests/auth",
        "signing in, and what must never leak",
        seconds=360,
        server=True,
        per_host=True,
        needs=packages.SIGNING_IN,
    ),
    Layer(
        "clients",
        "tests/clients",
        "ODBC, PHP and other clients",
        seconds=350,
        server=True,
        per_host=True,
        needs=packages.CLIENTS,
    ),
    # host/tests goes through the hosts itself: it is one suite for both.
    Layer(
        "host",
        "host/tests",
        "the bundled Multicorn host",
        seconds=110,
        server=True,
        everywhere=("host/tests",),
    ),
)
