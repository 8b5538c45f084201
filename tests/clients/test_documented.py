"""What docs/odbc.md shows runs as it is shown: the data source, the PHP program, isql."""

import configparser
import re

import pytest

from tests.clients.conftest import SCHEMA
from tests.docs.pages import DOCS, blocks
from tests.support.odbc import find_driver

PAGE = DOCS / "odbc.md"


SOURCE, *VARIANTS = (block.text for block in blocks(PAGE, "ini"))
"""The page's data source, and lines that take the place of its own."""

LABELLED = [lines for lines in VARIANTS if "label_columns" in lines]
ROLLING_BACK = [lines for lines in VARIANTS if lines not in LABELLED]


@pytest.fixture
def documented(site, request):
    """The page's data source in the place of the test's own, for the test's own database.

    A test's indirect parameter is lines that take the place of the data source's.
    """
    file = site.odbc.directory / "odbc.ini"
    own, asked = configparser.RawConfigParser(), configparser.RawConfigParser()
    own.optionxform = asked.optionxform = str  # type: ignore[assignment] # keeps capitals
    own.read_string(file.read_text())
    asked.read_string(SOURCE)
    variant = configparser.RawConfigParser()
    variant.optionxform = str  # type: ignore[assignment]
    variant.read_string(f"[bitbucket]\n{getattr(request, 'param', '')}")
    asked["bitbucket"].update(variant["bitbucket"])
    for name in ("Servername", "Port", "Database", "Username", "Password"):
        assert name in asked["bitbucket"]
        asked["bitbucket"][name] = own["bitbucket"][name]
    with file.open("w") as written:
        asked.write(written)
    return site


def test_the_php_program_prints_what_it_should(documented, issue, tmp_path):
    [shown] = blocks(PAGE, "php")
    program = tmp_path / "shown.php"
    program.write_text(shown.text)
    done = documented.run(["php", str(program)])
    assert done.status == 0, done.output
    assert done.output.startswith(issue(1)["title"] + "\n")
    open_ones = documented.db.value(
        f"SELECT count(*) FROM {SCHEMA}.pullrequests WHERE state = 'OPEN'"
    )
    assert done.output.count("<tr><td>") == open_ones


def test_isql_prints_what_it_should(documented):
    [line] = [b.text for b in blocks(PAGE, "sh") if "isql" in b.text]
    statement = re.search(r'echo "(.*?)"', line)[1]
    done = documented.run(["sh", "-c", line])
    assert done.status == 0
    for (title,) in documented.db.rows(
        statement.replace("Id, Title FROM ", f"Title FROM {SCHEMA}.")
    ):
        assert title in done.output


@pytest.mark.parametrize("documented", ROLLING_BACK, indirect=True)
def test_a_data_source_chooses_what_a_rollback_does(documented, request):
    lines = request.node.callspec.params["documented"]
    [(name, value)] = re.findall(r"SET (bitbucket_fdw\.\w+) TO (\w+)", lines)
    done = documented.run(
        ["isql", "-b", "-v", "bitbucket"], stdin=f"SELECT current_setting('{name}')\n"
    )
    assert done.status == 0, done.output
    assert value in done.output


@pytest.mark.parametrize("documented", LABELLED, indirect=True)
def test_a_data_source_asks_for_labels(documented):
    labels = "SELECT current_setting('multicorn.column_labels')\n"
    done = documented.run(["isql", "-b", "-v", "bitbucket"], stdin=labels)
    assert done.status == 0, done.output
    assert re.search(r"\|\s*(on|true)\s*\|", done.output), done.output


def test_every_setting_that_is_explained_is_one_of_the_drivers():
    driver = find_driver().read_bytes()
    text = PAGE.read_text(encoding="utf-8")
    explained = re.findall(
        r"`(\w+)(?: = \d+)?`", text[text.index("| setting") : text.index("## St")]
    )
    settings = {name for name in explained if name not in ("jsonb", "TimeZone")}
    assert len(settings) > 4
    for name in settings:
        assert name.lower().encode() in driver.lower(), name
