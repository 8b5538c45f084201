"""Changes by PHP programs through php-odbc and psqlODBC, with bound parameters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.writes.writing import R, document, documents, sent

PROGRAMS = Path(__file__).with_name("php")
ISSUES = f"{R}/issues"


# What docs/odbc.md has a data source choose.
CHOICES = {
    "waiting": "SET search_path TO website; SET bitbucket_fdw.write_mode TO commit",
    "taken_back": "SET search_path TO website; SET bitbucket_fdw.on_rollback TO undo",
}


@pytest.fixture
def odbc(writes_db, odbc_factory):
    """A data source for each schema, and for what a session can choose."""
    odbc = odbc_factory(writes_db)
    file = odbc.directory / "odbc.ini"
    section = file.read_text().strip()
    schemas = ("flat", "queued", "undone", "website")
    choices = {schema: f"SET search_path TO {schema}" for schema in schemas} | CHOICES
    for name, settings in choices.items():
        file.write_text(
            f"{file.read_text()}\n{section.replace(f'[{odbc.dsn}]', f'[{name}]')}\n"
            f"ConnSettings = {settings}\nUnknownsAsLongVarchar = 1\n"
        )
    return odbc


@pytest.fixture
def php(odbc, emulator):
    """Run a program in ``php/`` on a schema; its output and the writes it led to."""

    def run(program, *arguments):
        before = len(emulator.requests())
        done = subprocess.run(
            ["php", "-d", "error_reporting=-1", str(PROGRAMS / program), *map(str, arguments)],
            env=odbc.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        requests = emulator.requests()[before:]
        return json.loads(done.stdout), [sent(r) for r in requests if r.method != "GET"]

    return run


def test_an_insert(php, emulator):
    statement = "INSERT INTO Issues (Title, ContentRaw, Kind) VALUES (?, ?, ?)"
    done, requests = php("change.php", "flat", statement, 'Größe "x"', "a\nb'c", "task")
    assert done["changed"] == 1
    body = {"title": 'Größe "x"', "content": {"raw": "a\nb'c"}, "kind": "task"}
    assert requests == [("POST", ISSUES, body)]
    assert document(emulator, "issues", 46)["content"]["raw"] == "a\nb'c"


def test_an_insert_that_returns_its_number(php):
    statement = "INSERT INTO Issues (Title) VALUES (?) RETURNING Id, State"
    done, _ = php("change.php", "flat", statement, "t")
    assert done["rows"] == [{"id": "46", "state": "new"}]


def test_an_update(php):
    done, requests = php(
        "change.php",
        "flat",
        "UPDATE Issues SET Title = ?, Priority = ? WHERE Id = ?",
        "u",
        "major",
        3,
    )
    assert done["changed"] == 1
    assert [(method, path) for method, path, _ in requests] == [("PUT", f"{ISSUES}/3")]
    assert requests[0][2]["title"] == "u"


def test_a_delete(php, emulator):
    done, requests = php("change.php", "flat", "DELETE FROM Issues WHERE Id = ?", 3)
    assert done["changed"] == 1
    assert requests == [("DELETE", f"{ISSUES}/3", None)]
    assert document(emulator, "issues", 3) is None


def test_a_pull_request_is_opened_and_merged(php):
    php(
        "change.php",
        "flat",
        "INSERT INTO Branches (Name, TargetCommitHash) VALUES (?, ?)",
        "topic",
        "feature/login-23",
    )
    done, _ = php(
        "change.php",
        "flat",
        "INSERT INTO PullRequests (Title, SourceBranchName) VALUES (?, ?) RETURNING Id, State",
        "t",
        "topic",
    )
    assert done["rows"] == [{"id": "151", "state": "OPEN"}]
    done, requests = php(
        "change.php", "flat", "UPDATE PullRequests SET State = ? WHERE Id = ?", "MERGED", 151
    )
    body = {"merge_strategy": "merge_commit", "close_source_branch": False}
    assert requests == [("POST", f"{R}/pullrequests/151/merge", body)]


def test_an_error_reaches_the_program(php, host):
    done, requests = php(
        "change.php", "flat", "INSERT INTO Issues (Title, Kind) VALUES (?, ?)", "t", "epic"
    )
    assert requests == []
    assert "'epic' is no kind" in done["message"]
    if host == "bundled":
        assert done["error"] == "22023"


@pytest.mark.parametrize("schema", ["website", "undone", "queued"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_failing_statement_does_not_take_the_others_along(php, emulator, schema, end):
    done, _ = php("transaction.php", schema, end)
    assert done == [True, False, True, True]
    titles = {issue["title"] for issue in documents(emulator, "issues")}
    kept = end == "commit" or schema == "website"
    assert ({"one", "two"} <= titles) == kept
    assert "bad" not in titles


# --- autocommit off ---


@pytest.mark.parametrize("source", ["waiting", "queued", "taken_back", "undone"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("language", ["php", "pyodbc"])
def test_a_rollback_leaves_bitbucket_as_it_was(php, odbc, emulator, source, end, language):
    before = document(emulator, "issues", 1)["title"]
    if language == "php":
        done, requests = php("transaction_read.php", source, end)
        assert done == [1, "mine", True]
    else:
        requests = transaction_of_pyodbc(odbc, emulator, source, end)
    titles = [body["title"] for method, _, body in requests if method == "PUT"]
    sent_at_once = source in ("taken_back", "undone")
    taken_back = [before] if sent_at_once and end == "rollback" else []
    assert titles == (["mine"] if sent_at_once or end == "commit" else []) + taken_back
    assert document(emulator, "issues", 1)["title"] == ("mine" if end == "commit" else before)


PYODBC = """
import sys, pyodbc
source, end = sys.argv[1:]
connection = pyodbc.connect(f"DSN={source}", autocommit=False)
cursor = connection.cursor()
cursor.execute("UPDATE issues SET title = ? WHERE id = ?", "mine", 1)
assert cursor.rowcount == 1, cursor.rowcount
assert cursor.execute("SELECT title FROM issues WHERE id = ?", 1).fetchval() == "mine"
connection.commit() if end == "commit" else connection.rollback()
read = cursor.execute("SELECT title FROM issues WHERE id = ?", 1).fetchval()
assert (read == "mine") == (end == "commit"), read
connection.close()
"""


def transaction_of_pyodbc(odbc, emulator, source, end):
    """The same in Python, in a process of its own: ODBC reads its files once; the writes."""
    before = len(emulator.requests())
    subprocess.run(
        [sys.executable, "-c", PYODBC, source, end],
        env=odbc.env,
        check=True,
        timeout=120,
    )
    return [sent(r) for r in emulator.requests()[before:] if r.method != "GET"]
