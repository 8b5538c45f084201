"""dbt: the documented sources, models and tests, in a real project, on the imported schemas."""

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass

import pytest

from bitbucket_fdw.reference.dbt import in_one_listing, unique_column
from bitbucket_fdw.tables import TABLES
from tests.docs.pages import DOCS, blocks
from tests.support.database import Database

PAGE = DOCS / "dbt.md"
SOURCES = (DOCS / "dbt" / "sources.yml").read_text(encoding="utf-8")
FILE = re.compile(r"^(?:#|--) ((?:models/)?\w+\.(?:yml|sql))\n")
WITH_A_FILTER = "      - name: pull_requests\n"
COLUMNS = "repository, id, title, state, updated_on"
R = "/2.0/repositories/acme"


def documented() -> dict[str, str]:
    """What the page shows, by the file that it says it belongs into."""
    shown = [block for kind in ("yaml", "jinja") for block in blocks(PAGE, kind)]
    return {found[1]: block.text for block in shown if (found := FILE.match(block.text))}


@dataclass
class Project:
    """A dbt project made of what the documentation shows."""

    command: str
    directory: str
    environment: dict[str, str]
    db: Database

    def run(self, *arguments: str, repositories: tuple[str, ...] = ()) -> str:
        """dbt's output; the request log then has what it has asked. It must not fail."""
        chosen = ["--vars", json.dumps({"repositories": repositories})] if repositories else []
        self.db.emulator.clear()
        done = subprocess.run(
            [self.command, "--no-use-colors", *arguments, *chosen, "--profiles-dir", "."],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    @property
    def asked(self) -> list[str]:
        """The paths of the requests of the last run."""
        return [request.path for request in self.db.emulator.requests()]

    def agrees(self, *repositories: str) -> bool:
        """Whether the model of pull requests has the rows that Bitbucket has."""
        source = f"SELECT {COLUMNS} FROM acme.pull_requests WHERE repository = ANY (%s)"
        built = self.db.rows(f"SELECT {COLUMNS} FROM analytics.pull_requests ORDER BY 1, 2")
        return bool(built == self.db.rows(f"{source} ORDER BY 1, 2", (list(repositories),)))


@pytest.fixture
def dbt(db, tmp_path):
    command = os.environ.get("BITBUCKET_FDW_DBT")
    if not command:
        pytest.skip("BITBUCKET_FDW_DBT names no dbt; script/test clients installs one")
    db.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    (tmp_path / "models").mkdir()
    shown = documented()
    assert set(shown) == {
        *("profiles.yml", "dbt_project.yml", "models/sources.yml", "models/models.yml"),
        *("models/pull_requests.sql", "models/merges.sql"),
    }
    for name, text in shown.items():
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "models" / "sources.yml").write_text(SOURCES)
    profile = shown["profiles.yml"].replace("host: localhost", "host: 127.0.0.1")
    (tmp_path / "profiles.yml").write_text(
        profile.replace("port: 5432", f"port: {db.cluster.port}")
        .replace("your_user", "postgres")
        .replace("your_database", db.name)
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment = {
        **kept,
        "DBT_PASSWORD": db.cluster.password_file.read_text().strip(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        "HOME": str(tmp_path),
    }
    return Project(command, str(tmp_path), environment, db)


def test_the_documented_models_are_built_updated_and_tested(dbt, db):
    dbt.run("run")
    assert dbt.agrees("website", "design-system")
    assert {path.split("/")[4] for path in dbt.asked} == {"website", "design-system"}
    whole = len(dbt.asked)

    merged = 6
    db.execute(f"UPDATE acme__website.pull_requests SET state = 'MERGED' WHERE id = {merged}")
    dbt.run("run")
    updates = [request for request in db.emulator.requests() if "q=" in request.query]
    assert updates
    activity = [path for path in dbt.asked if path.endswith("/activity")]
    assert activity == [f"{R}/website/pullrequests/{merged}/activity"]
    assert len(dbt.asked) < whole
    assert dbt.agrees("website", "design-system")
    times = (
        "SELECT p.id, min(a.occurred_on) - p.created_on FROM acme__website.pull_requests p "
        "LEFT JOIN acme__website.pull_request_activity a ON a.pull_request_id = p.id "
        "AND a.state = 'MERGED' WHERE p.state = 'MERGED' GROUP BY p.id, p.created_on ORDER BY 1"
    )
    assert db.rows(times) == db.rows(
        "SELECT id, time_to_merge FROM analytics.merges WHERE repository = 'website' ORDER BY 1"
    )
    dbt.run("test", "--exclude", "source:*")
    assert dbt.asked == []


def test_a_repository_that_is_added_later_is_read_whole(dbt):
    # What changed last in website is newer than anything in the other one.
    dbt.run("run", "--select", "pull_requests", repositories=("website",))
    both = ("website", "mobile-app")
    dbt.run("run", "--select", "pull_requests", repositories=both)
    assert dbt.agrees(*both)


def test_a_first_run_without_rows_is_followed_by_one_with_all(dbt, db):
    for pattern in ("orphan-fork", "design-system"):
        db.emulator.fault(
            f"{R}/{pattern}/pullrequests", kind="status", status=200, body={"values": []}
        )
    places = ("orphan-fork", "design-system")
    dbt.run("run", "--select", "pull_requests", repositories=places)
    assert db.value("SELECT count(*) FROM analytics.pull_requests") == 0
    dbt.run("run", "--select", "pull_requests", repositories=places)
    assert dbt.agrees(*places)


def test_an_edit_during_a_run_is_in_the_next_one(dbt, db):
    """One pull request changes after its page was read, another before its own is read."""
    pages = f"{R}/website/pullrequests"
    edit = "UPDATE acme__website.pull_requests SET title = %s WHERE id = %s"
    ends = "SELECT max(id), min(id) FROM acme__website.pull_requests WHERE state = 'OPEN'"
    first, last = db.rows(ends)[0]
    editor, edited = db.connect(), []
    db.emulator.fault(pages, kind="slow", delay_ms=5000, after=1)

    def edit_meanwhile():
        until = time.monotonic() + 120
        while [r.path for r in db.emulator.requests()].count(pages) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        for title, number in (("edited first", first), ("edited last", last)):
            edited.append(editor.execute(edit, (title, number)).rowcount)

    other = threading.Thread(target=edit_meanwhile)
    db.emulator.clear()
    other.start()
    dbt.run("run", "--select", "pull_requests", repositories=("website",))
    other.join()
    assert edited == [1, 1]
    titles = "SELECT title FROM analytics.pull_requests WHERE id IN (%s, %s) ORDER BY id DESC"
    before = db.column(titles, (first, last))
    assert before[0] != "edited first", "the edit came before its page was read"
    assert before[1] == "edited last", "the edit came after its page was read"
    dbt.run("run", "--select", "pull_requests", repositories=("website",))
    assert dbt.agrees("website")


def test_tests_and_freshness_of_the_sources_take_one_listing_each(dbt):
    dbt.run("test", "--select", "source:*")
    unique = [table for table in TABLES if unique_column(table)]
    assert len(unique) <= len(dbt.asked) <= 2 * len(unique) < len(TABLES)
    dbt.run("source", "freshness")
    fresh = [table.name for table in TABLES if table.changed() and in_one_listing(table)]
    assert "repositories" in fresh
    assert len(dbt.asked) == len(fresh)


def test_freshness_of_a_filtered_source_takes_a_request_per_repository(dbt, tmp_path):
    shown = documented()["models/sources.yml"].split("\n", 1)[1]
    head, tail = SOURCES.split(WITH_A_FILTER)
    rest = tail.split("        columns:\n", 1)
    described = tail.split("\n", 1)[0]
    text = f"{head}{shown}\n{described}\n        columns:\n{rest[1]}"
    (tmp_path / "models" / "sources.yml").write_text(text)
    dbt.run("source", "freshness", "--select", "source:bitbucket.pull_requests")
    assert sorted(dbt.asked) == [
        f"{R}/design-system/pullrequests",
        f"{R}/website/pullrequests",
    ]


def test_every_documented_source_is_there_with_its_columns(dbt, db):
    # dbt's catalog is read from the database; what it does not find is not in it.
    listed = dbt.run("--quiet", "list", "--resource-type", "source").split()
    tables = {name.rpartition(".")[2] for name in listed}
    described = re.findall(r"^          - name: (\w+)$", SOURCES, re.MULTILINE)
    there = db.rows(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'acme' ORDER BY table_name, ordinal_position"
    )
    assert tables == {table for table, _ in there}
    assert sorted(described) == sorted(column for _, column in there)
    assert dbt.asked == []
