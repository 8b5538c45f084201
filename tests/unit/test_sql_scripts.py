"""The extensions' scripts can be read in every encoding that a database may have."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((*(ROOT / "sql").rglob("*.sql"), *(ROOT / "host" / "sql").rglob("*.sql")))


def test_there_are_scripts() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_ascii(script: Path) -> None:
    """PostgreSQL reads it in the database's encoding, which may lack any other character."""
    assert script.read_bytes().decode("utf-8").isascii()
