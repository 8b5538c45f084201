"""Changes by PHP programs through php-odbc and psqlODBC, with bound parameters."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.writes.writing import R, document, documents, sent

PROGRAMS = Path(__file__).with_name("php")
ISSUES = f"{R}/issues"


@pytest.fixture
def php(writes_db, emulator, odbc_factory):
    """Run a program in ``php/`` on a schema; its output and the writes it led to."""
    odbc = odbc_factory(writes_db)
    file = odbc.directory / "odbc.ini"
    section = file.read_text().strip()
    for schema in ("flat", "queued", "undone", "website"):
        file.write_text(
            f"{file.read_text()}\n{section.replace(f'[{odbc.dsn}]', f'[{schema}]')}\n"
            f"ConnSettings = SET search_path TO {schema}\nUnknownsAsLongVarchar = 1\n"
        )

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
    assert requests == [("POST", f"{R}/pullrequests/151/merge", {})]


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
