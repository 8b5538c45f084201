"""Every SQL example of the documentation runs, on the demo's workspace with little data.

A page's examples run in order in one psql session, with the demo's schemas imported and the search
path on its first repository. Those behind ``<!-- examples: empty database -->`` run where nothing
has been made yet, and their placeholders stand for the emulator's address and credentials. A block
with an ellipsis is a sketch and not run.
"""

import os
import re
import subprocess

import pytest
from devkit.demo_database import CDATA_SCHEMA

from bitbucket_fdw.tables import TABLES
from tests.docs.pages import ROOT, blocks, name, pages
from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import create_database, drop_database

EMPTY = "<!-- examples: empty database -->"
SEARCH_PATH = "SET search_path = acme__website, acme"


def examples(page, *, fresh):
    """The blocks before the mark, or those behind it."""
    lines = page.read_text(encoding="utf-8").splitlines()
    mark = lines.index(EMPTY) if EMPTY in lines else len(lines)
    found = (block for block in blocks(page, "sql") if "…" not in block.text)
    return [block for block in found if (block.line > mark) == fresh]


def script(chosen, replaced=()):
    """The examples, each on the lines where the page has it: psql's errors tell them."""
    lines = [""] * max(block.line + block.text.count("\n") + 1 for block in chosen)
    for block in chosen:
        for number, line in enumerate(block.text.splitlines(), block.line):
            lines[number - 1] = line
    text = "\n".join(lines) + "\n"
    for placeholder, value in replaced:
        assert placeholder in text or placeholder == "your_workspace", placeholder
        text = text.replace(placeholder, value)
    return text


def run(db, text, tmp_path, *before):
    file = tmp_path / "examples.sql"
    file.write_text(text, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-P", "pager=off", db.conninfo()]
    options = [part for statement in before for part in ("-c", statement)]
    done = subprocess.run(
        [*command, *options, "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SAMPLE = [page for page in pages() if examples(page, fresh=False)]
FRESH = [page for page in pages() if examples(page, fresh=True)]
TABLE_PAGES = [page for page in SAMPLE if page.parent.name == "tables"]


@pytest.fixture(scope="module")
def sample(db_factory):
    """One database for all pages: importing the workspace is what takes time."""
    database = db_factory()
    database.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    database.execute(
        "SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme', names => 'cdata', "
        f"schema => '{CDATA_SCHEMA}', repositories => '{{website}}')"
    )
    return database


def schemas(database):
    return set(database.column("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"))


@pytest.mark.parametrize("page", SAMPLE, ids=name)
def test_the_examples_of_a_page_run(page, sample, emulator, tmp_path):
    before = schemas(sample)
    output = run(sample, script(examples(page, fresh=False)), tmp_path, SEARCH_PATH)
    assert before - schemas(sample) == set(), "examples drop what they have made, and nothing else"
    refused = [request.line for request in emulator.requests() if request.status == 400]
    assert refused == []
    if page in TABLE_PAGES:  # an example that shows nothing teaches nothing
        counted = re.findall(r"^\((\d+) rows?\)$", output, re.MULTILINE)
        assert len(counted) == len(examples(page, fresh=False))
        assert all(int(count) for count in counted), output


@pytest.mark.parametrize("page", SAMPLE, ids=name)
def test_no_example_is_about_the_last_days(page):
    """The sample ends on a day of its own: such an example would show nothing some day."""
    recent = re.compile(r">=?\s*[(\s]*(?:date_trunc\([^)]*)?(?:now\(|current_)", re.IGNORECASE)
    found = [block.text for block in examples(page, fresh=False) if recent.search(block.text)]
    assert found == []


@pytest.mark.parametrize("page", FRESH, ids=name)
def test_the_examples_of_a_page_run_from_nothing(page, postgres, emulator, tmp_path):
    options = mapping_options(emulator, READ_WRITE)
    replaced = (
        ("you@example.com", options["email"]),
        ("your API token", options["token"]),
        ("your-workspace", "acme"),
        ("your_workspace", "acme"),
        ("BitbucketFdw')", f"BitbucketFdw', base_url '{emulator.base_url}')"),
    )
    database = create_database(postgres, emulator, "template1")
    try:
        run(database, script(examples(page, fresh=True), replaced), tmp_path)
        assert emulator.requests()
    finally:
        drop_database(database)


def test_there_are_examples():
    # The tests above would pass on nothing.
    assert ROOT / "README.md" in FRESH
    assert len(TABLE_PAGES) == len(TABLES)
