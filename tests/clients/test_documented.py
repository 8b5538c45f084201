"""What docs/odbc.md shows runs as it is shown: the data source, the PHP program, isql."""

import configparser
import re
import subprocess
import sys

import pytest
from devkit import connect, demo_database
from devkit.cluster import SUPERUSER

from tests.clients.conftest import SCHEMA
from tests.docs.pages import DOCS, ROOT, blocks
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


def by_the_command(site):
    """What the page's own command writes, for an import with the names that are the default."""
    site.db.value("SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', 'plain')")
    site.db.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    return ["bitbucket", "--workspace=acme", "--repository=website"]


def of_the_demo(site):
    """The demo's source for programs of CData's driver, on schemas that are made as the demo's."""
    site.db.value(
        "SELECT count(*) FROM bitbucket.import_workspace('bitbucket', 'acme', names => 'cdata', "
        f"schema => '{demo_database.CDATA_SCHEMA}', repositories => '{{website}}')"
    )
    schemas = (f"{demo_database.CDATA_SCHEMA}__website", demo_database.CDATA_SCHEMA)
    return [connect.CDATA_SOURCE, *(f"--schema={schema}" for schema in schemas)]


@pytest.fixture(params=[None, by_the_command, of_the_demo], ids=["ini", "command", "demo"])
def sourced(request, documented):
    """A site, and the name of a data source on which the page says that its examples run."""
    if request.param is None:
        return documented, "bitbucket"
    site, arguments = documented, request.param(documented)
    cluster = site.db.cluster
    where = f"host=127.0.0.1 port={cluster.port} user={SUPERUSER} dbname={site.db.name}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bitbucket_fdw.command", "dsn", *arguments),
            *(f"--dsn={where}", "--write", "--with-password"),
        ],
        env={
            **site.odbc.env,
            "PYTHONPATH": str(ROOT),
            "PGPASSWORD": cluster.password_file.read_text().strip(),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return site, arguments[0]


def new_issues(site):
    """The titles of what the examples ask for, from a schema of the test's own."""
    site.db.execute("CREATE SCHEMA own")
    site.db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (issues) FROM SERVER bitbucket INTO own'
    )
    return site.db.column("SELECT title FROM own.issues WHERE state = 'new'")


def test_the_php_program_prints_what_it_should(sourced, issue, tmp_path):
    site, source = sourced
    [shown] = blocks(PAGE, "php")
    program = tmp_path / "shown.php"
    program.write_text(shown.text.replace('"bitbucket"', f'"{source}"'))
    done = site.run(["php", "-d", "error_reporting=-1", str(program)])
    assert done.status == 0, done.output
    assert done.output.startswith(issue(1)["title"] + "\n")
    titles = new_issues(site)
    assert titles
    assert done.output.count("<tr><td>") == len(titles)


def test_isql_prints_what_it_should(sourced):
    site, source = sourced
    [line] = [b.text for b in blocks(PAGE, "sh") if "isql" in b.text]
    assert line.endswith(" bitbucket")
    line = line.removesuffix("bitbucket") + f'"{source}"'
    done = site.run(["sh", "-c", line])
    assert done.status == 0
    titles = new_issues(site)
    assert titles
    assert all(title in done.output for title in titles)


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
