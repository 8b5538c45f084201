"""docs/architecture.md describes the house as it stands: every room, and no module that is gone."""

import re

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.unit.test_architecture import ANY, ARROWS, PACKAGE, is_pure

PAGE = DOCS / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROOMS = [name for name in ARROWS if name]
OUTSIDE_OF_IT = {"emulator", "command"}  # what the wrapper may not import either


def floors():
    """The rooms of the drawing, from above to below; those on one line share a floor."""
    drawing = re.search(r"<!-- floors -->\n```\n(.*?)```", TEXT, re.DOTALL)
    assert drawing is not None
    return [line.split() for line in drawing[1].splitlines()]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_row(room):
    shown = f"{room}/" if (PACKAGE / room).is_dir() else f"{room}.py"
    assert len(re.findall(rf"^\| `{re.escape(shown)}` \|", TEXT, re.MULTILINE)) == 1


def test_every_folder_and_module_that_is_named_exists():
    named = set(re.findall(r"`([\w./-]+(?:/|\.py|\.sql|\.md))`", TEXT))
    assert "bitbucket_fdw/pushdown/shippable.py" in named  # the pattern finds what is there
    places = (ROOT, PACKAGE)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_every_room_stands_above_those_it_imports():
    drawn = floors()
    assert sorted(name for floor in drawn for name in floor) == sorted(ROOMS)
    height = {name: -level for level, floor in enumerate(drawn) for name in floor}
    for room in ROOMS:
        arrows = ARROWS[room]
        below = {*ROOMS} - {room} - OUTSIDE_OF_IT if arrows == ANY else arrows
        assert [there for there in below if height[there] >= height[room]] == []


def test_the_rooms_that_are_called_pure_are():
    said = re.search(r"^- (`.*?) and parts of", TEXT, re.MULTILINE)
    assert said is not None
    rooms = re.findall(r"`(\w+)`", said[1])
    assert rooms
    assert all(is_pure(f"bitbucket_fdw.{room}") for room in rooms)
