"""The tour's file is read as it is written."""

import re
from pathlib import Path

import pytest
from devkit.tour import READS, WRITES, Stop, fill, read


def test_paragraphs_are_stops_and_comments_alone_are_not(tmp_path: Path) -> None:
    path = tmp_path / "tour.sql"
    path.write_text("-- About.\n\n-- One,\n-- two.\nSELECT 1\n-- inside\nFROM a;\n\n\nSELECT 2;\n")
    assert read(path) == [
        Stop("One, two.", "SELECT 1\n-- inside\nFROM a;"),
        Stop("", "SELECT 2;"),
    ]


def test_schemas_are_filled_in_and_quoted_where_needed() -> None:
    stop = Stop("t", "SELECT * FROM :workspace.a, :repository.b WHERE x::text = ':workspace'")
    filled = fill(stop, {"workspace": "acme", "repository": "My.Repo"})
    assert filled.statement == ("SELECT * FROM acme.a, \"My.Repo\".b WHERE x::text = ':workspace'")


@pytest.mark.parametrize("path", [READS, WRITES], ids=["reads", "writes"])
def test_every_stop_has_a_title_and_is_a_statement(path: Path) -> None:
    stops = read(path)
    assert len(stops) >= 5
    assert all(stop.title and stop.statement.endswith(";") for stop in stops)


def test_what_runs_on_a_workspace_of_one_s_own_only_reads() -> None:
    for stop in read(READS):
        assert stop.statement.split()[0] in {"SELECT", "EXPLAIN", "WITH"}, stop.statement
        assert not re.search(r"\b(INSERT|UPDATE|DELETE|MERGE|COPY)\b", stop.statement), (
            stop.statement
        )
