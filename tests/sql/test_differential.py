"""Random statements give the same rows on foreign tables as on plain tables of the same data.

By default a fixed set of examples; BITBUCKET_FDW_EXAMPLES=2000 draws that many new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.sql import reference
from tests.sql.comparison import Comparison
from tests.sql.conftest import import_all, malformed
from tests.sql.statements import statements
from tests.support.database import drop_database

EXAMPLES = int(os.environ.get("BITBUCKET_FDW_EXAMPLES", "0"))


@pytest.fixture(
    scope="module",
    params=[
        {"text_equality": "sensitive", "committers": "absent"},
        {"text_equality": "insensitive", "committers": "present"},
    ],
    ids=lambda options: "-".join(options.values()),
)
def comparison(
    request: pytest.FixtureRequest, emulator_factory: Any, db_factory: Any
) -> Iterator[Comparison]:
    """Both answers to what is not established: whether ``=`` minds letter case, and so on."""
    emulator = emulator_factory(**request.param)
    database = db_factory(emulator=emulator)
    import_all(database)
    reference.load(database, emulator)
    yield Comparison(database)
    drop_database(database)


@settings(
    max_examples=EXAMPLES or 200,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=bool(EXAMPLES),
)
@given(data=st.data())
def test_foreign_tables_give_the_rows_of_plain_ones(comparison: Comparison, data: Any) -> None:
    statement = data.draw(statements(comparison.values), label="statement")
    try:
        comparison.check(statement)
    except psycopg.Error as error:
        # Asked for by name, a repository without an issue tracker is an error, and meant to be.
        assume("has no issue tracker" not in str(error))
        pytest.fail(f"{type(error).__name__}: {error}")


def test_no_statement_led_to_a_request_that_bitbucket_would_refuse(comparison: Comparison) -> None:
    requests = comparison.emulator.requests()
    assert requests
    assert malformed(requests) == []
