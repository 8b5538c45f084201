"""What a session loads before its first statement can be answered."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bitbucket_fdw import tables

ROOT = Path(__file__).resolve().parents[2]
LATER = (
    *(
        "bitbucket_fdw.wrapper.catalog",
        "bitbucket_fdw.wrapper.importing",
        "bitbucket_fdw.reference",
    ),
    *("bitbucket_fdw.wrapper.sql_functions", "bitbucket_fdw.sql_functions"),
    "bitbucket_fdw.foreign_tables.importing",
)
OAUTH = {"oauthlib", "requests_oauthlib", "filelock"}


def loaded_by(program: str) -> set[str]:
    """The modules that a new Python has loaded after a program."""
    return {*printed_by(f"{program}\nimport sys; print(*sys.modules)").split()}


def printed_by(program: str) -> str:
    """What a program prints in a new Python."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "host" / "python")))
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@functools.cache
def scan_loads() -> set[str]:
    return loaded_by("import bitbucket_fdw.wrapper")


def test_what_only_oauth_needs_is_not_loaded_for_a_scan() -> None:
    """It takes a tenth of a session's first statement, and most sessions sign in otherwise."""
    assert "bitbucket_fdw.sign_in.schemes" in scan_loads()
    assert not OAUTH & scan_loads()


def test_what_shows_and_imports_tables_is_not_loaded_for_a_scan() -> None:
    assert "bitbucket_fdw.wrapper.foreign_table" in scan_loads()
    assert not [name for name in scan_loads() if name.startswith(LATER)]


def test_few_dataclasses_are_made_for_a_scan() -> None:
    """Each takes a third of a millisecond or more; a NamedTuple takes a sixth of that."""
    program = """
import dataclasses, sys
import bitbucket_fdw.wrapper
made = {
    value.__qualname__
    for name, module in sys.modules.items() if name.startswith("bitbucket_fdw")
    for value in vars(module).values()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}
print(*made)
"""
    made = printed_by(program).split()
    assert "Plan" in made
    assert len(made) <= 36


@pytest.mark.parametrize(
    ("name", "module"),
    [("CatalogFdw", "catalog"), ("ServiceFdw", "sql_functions"), ("BitbucketFdw", "foreign_table")],
)
def test_every_class_is_found_by_the_name_that_servers_hold(name: str, module: str) -> None:
    loaded = loaded_by(f"import bitbucket_fdw.wrapper as w; assert w.{name}.__name__ == {name!r}")
    assert f"bitbucket_fdw.wrapper.{module}" in loaded


def test_the_postmaster_loads_all_for_the_sessions() -> None:
    loaded = loaded_by("import bitbucket_fdw.wrapper as w; w.load_everything()")
    assert {name for name in loaded if name.startswith(LATER)}
    assert loaded_by("import bitbucket_fdw.tables as t; t.TABLES") <= loaded


def test_a_table_is_loaded_without_the_others() -> None:
    loaded = loaded_by("import bitbucket_fdw.tables as t; t.find('issues')")
    assert "bitbucket_fdw.tables.issues" in loaded
    assert "bitbucket_fdw.tables.pipelines" not in loaded


def test_every_table_is_found_by_its_name() -> None:
    assert {name: tables.find(name) for name in tables.BY_NAME} == tables.BY_NAME
    assert [table.name for table in tables.TABLES] == [*tables.BY_NAME]


@pytest.mark.parametrize("name", ["", "table", "types", "no_such", "os.path", "..api", "Issues"])
def test_what_is_no_table_is_not_found(name: str) -> None:
    assert tables.find(name) is None
