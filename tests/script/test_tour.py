"""The tour's file is read as it is written."""

from pathlib import Path

from devkit.tour import Stop, fill, read


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


def test_the_tour_has_a_title_for_every_stop() -> None:
    stops = read()
    assert len(stops) >= 5
    assert all(stop.title and stop.statement.endswith(";") for stop in stops)
