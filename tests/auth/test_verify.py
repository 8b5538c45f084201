"""bitbucket.verify: each status, what it says to do, scopes, curl; and that it hides secrets."""

from __future__ import annotations

import shlex
import subprocess
from typing import NamedTuple

import pytest

from bitbucket_fdw.sql_functions.verify import STATUSES
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.workspaces import Workspaces
from tests.auth.conftest import Mapped
from tests.support import leaks
from tests.support.credentials import mapping_options


class Check(NamedTuple):
    check_name: str
    status: str
    found: str
    what_to_do: str | None
    scopes: str | None
    missing_scope: str | None
    rate_limit: str | None
    curl: str | None


@pytest.fixture
def imported(mapped: Mapped) -> Mapped:
    """The mapped database with two repositories of acme imported."""
    mapped.database.execute(
        "SELECT bitbucket.import_workspace('bitbucket', 'acme', repositories => "
        "ARRAY['website', 'mobile-app'])"
    )
    mapped.database.emulator.clear()
    return mapped


def verify(mapped: Mapped, workspace: str | None = None) -> dict[str, Check]:
    rows = mapped.database.rows("SELECT * FROM bitbucket.verify('bitbucket', %s)", (workspace,))
    checks = {row[0]: Check(*row) for row in rows}
    assert len(checks) == len(rows)
    for check in checks.values():
        assert check.status in (*STATUSES, "invalid_definition")
        assert check.found
        assert check.status == "ok" or check.what_to_do, check
        assert not leaks.found(" ".join(filter(None, check)))
    return checks


def use(mapped: Mapped, name: str) -> None:
    mapped.set(**mapping_options(mapped.database.emulator, name))


def test_all_is_well(imported):
    checks = verify(imported)
    assert {check.status for check in checks.values()} == {"ok"}
    assert list(checks)[:4] == [
        "reachable",
        "credential",
        "workspace acme",
        "repositories of acme",
    ]
    tables = {
        f"table {table.name} in acme" if table.column_of("workspace") else f"table {table.name}"
        for table in TABLES
        if table is not Workspaces
    }
    assert {name for name in checks if name.startswith("table ")} == {
        "table workspaces",
        *tables,
    }
    assert "Ada Example" in checks["credential"].found
    assert "read:repository:bitbucket" in checks["credential"].scopes
    assert checks["repositories of acme"].found == "9 visible"


def test_one_request_for_a_kind_of_table_not_one_for_each_repository(imported):
    before = len(imported.database.emulator.requests())
    verify(imported)
    requests = imported.database.emulator.requests()[before:]
    # Beside those of the tables: without the credential, the workspace, and what it holds.
    assert len(requests) <= len({table.collection.path for table in TABLES}) + 3
    lines = [request.line for request in requests[1:]]
    assert len(set(lines)) == len(lines)


def test_each_table_that_cannot_be_read_is_told_without_a_request(imported):
    database = imported.database
    database.execute(
        'ALTER FOREIGN TABLE acme__website.issues RENAME title TO "Head Line"; '
        "ALTER FOREIGN TABLE acme__mobile_app.tags ADD gone text, ADD lost text; "
        "ALTER FOREIGN TABLE acme.issues RENAME title TO headline; "
        "ALTER FOREIGN TABLE acme.issues "
        "ALTER headline OPTIONS (ADD column_name 'title')"
    )
    # As after an update of the package that has lost a table; ALTER would refuse it.
    database.execute(
        "UPDATE pg_foreign_table SET ftoptions = array_replace(ftoptions, 'table=branches', "
        "'table=twigs') WHERE ftrelid = 'acme__mobile_app.branches'::regclass"
    )
    database.emulator.clear()
    checks = verify(imported)
    requests = len(database.emulator.requests())
    broken = {name: c for name, c in checks.items() if c.status == "invalid_definition"}
    assert list(broken) == [
        "table acme__mobile_app.branches",
        "table acme__mobile_app.tags",
        "table acme__website.issues",
    ]
    branches, tags, issues = broken.values()
    assert branches.found == 'there is no Bitbucket table "twigs"'
    assert tags.found == "tags has no column gone, lost"
    assert {c.status for c in checks.values()} == {"ok", "invalid_definition"}
    cure = issues.what_to_do[issues.what_to_do.index("ALTER") :].split(";")[0]
    assert "column_name 'title'" in cure
    database.execute(cure)
    assert database.rows('SELECT "Head Line" FROM acme__website.issues LIMIT 1')
    for table, check in (("branches", branches), ("tags", tags)):
        assert f"acme__mobile_app.{table}" in check.what_to_do
    database.emulator.clear()
    assert len(verify(imported)) == len(checks) - 1
    assert len(database.emulator.requests()) == requests
    assert not [name for name in verify(imported, "globex") if "acme__" in name]


def test_without_imported_tables_the_workspaces_are_looked_for(mapped):
    mapped.database.execute("DROP FOREIGN TABLE repositories")
    checks = verify(mapped)
    assert "acme" in checks["workspaces"].found
    assert checks["repositories of acme"].status == "ok"
    assert not [name for name in checks if name.startswith("table")]


def test_a_workspace_can_be_named(imported):
    checks = verify(imported, "Globex")
    assert checks["workspace globex"].status == "ok"
    assert not [name for name in checks if "acme" in name]


def test_an_access_token_without_a_workspace_is_not_called_a_bad_one(mapped):
    """Bitbucket answers 401 to tokens that are bad, and to good ones where they are of no use."""
    mapped.database.execute("DROP FOREIGN TABLE repositories")
    use(mapped, "workspace")
    mapped.database.emulator.fault("/2.0/user", kind="status", status=401, count=None)
    credential = verify(mapped)["credential"]
    assert credential.status == "no_resources"
    assert "Name its workspace" in credential.what_to_do
    assert verify(mapped, "acme")["credential"].status == "ok"


@pytest.mark.parametrize(
    ("name", "todo"), [("expired", "Make a new API token"), ("revoked", "Make a new access token")]
)
def test_a_credential_that_is_no_good(imported, name, todo):
    use(imported, name)
    checks = verify(imported)
    assert [check.status for check in checks.values()] == ["ok", "invalid_credentials"]
    assert todo in checks["credential"].what_to_do


def test_an_oauth_client_that_is_no_good(imported, authorization):
    imported.set(auth="oauth2_client", client_id="wrong", client_secret="wrong-secret")
    check = verify(imported)["credential"]
    assert check.status == "invalid_credentials"
    assert "client_secret" in check.what_to_do
    assert "grant_type=client_credentials" in check.curl
    assert "wrong-secret" not in str(check)


def test_a_login_that_has_not_been_made(imported, authorization):
    imported.set(auth="oauth2_code", **authorization.client())
    check = verify(imported)["credential"]
    assert check.status == "invalid_credentials"
    assert "bitbucket-fdw login" in check.what_to_do


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("no-pullrequest", "pullrequest (new name: read:pullrequest:bitbucket)"),
        ("ada-no-pullrequest", "pullrequest (new name: read:pullrequest:bitbucket)"),
    ],
)
def test_a_missing_scope_is_named_by_both_names(imported, name, missing):
    use(imported, name)
    checks = verify(imported)
    for table in ("pull_requests", "pull_request_comments", "pull_request_tasks"):
        check = checks[f"table {table} in acme"]
        assert check.status == "invalid_permissions"
        assert check.missing_scope == missing
        assert missing in check.what_to_do
        assert check.scopes
    assert checks["table branches in acme"].status == "ok"


def test_a_scope_that_another_implies_is_not_missed(imported):
    use(imported, "website")
    checks = verify(imported)
    assert checks["credential"].status == "ok"
    assert "repository access token" in checks["credential"].found
    assert checks["repositories of acme"].found == "1 visible"
    assert checks["table branches in acme"].status == "ok"
    assert checks["table pull_request_comments in acme"].status == "ok"
    assert checks["table issues in acme"].status == "invalid_permissions"
    assert checks["table issues in acme"].missing_scope.startswith("issue ")


def test_an_access_token_is_told_its_rate_limit(imported):
    use(imported, "workspace")
    assert verify(imported)["repositories of acme"].rate_limit.startswith("1000 an hour for ")


def test_a_workspace_that_is_not_there(imported):
    checks = verify(imported, "no-such-workspace")
    assert checks["workspace no-such-workspace"].status == "no_resources"
    assert checks["repositories of no-such-workspace"].status == "no_resources"


def test_nothing_visible(imported):
    use(imported, "website")
    checks = verify(imported, "globex")
    assert checks["repositories of globex"].status == "no_resources"


def test_without_a_credential_public_data_show(imported):
    imported.set(auth="none")
    checks = verify(imported)
    assert checks["credential"].status == "ok"
    assert "public data only" in checks["credential"].found
    assert 0 < int(checks["repositories of acme"].found.split()[0]) < 9
    assert checks["table branches in acme"].status == "ok"


def test_nobody_there(imported):
    imported.database.execute(
        "ALTER SERVER bitbucket OPTIONS (SET base_url 'http://127.0.0.1:1/2.0')"
    )
    [check] = verify(imported).values()
    assert check.status == "unreachable"
    assert "base_url" in check.what_to_do


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 200, "form": "html"},
        {"kind": "cut_json"},
    ],
)
def test_somebody_else_there(imported, fault):
    imported.database.emulator.fault("/2.0/user", count=None, **fault)
    checks = verify(imported)
    assert "unreachable" in [check.status for check in checks.values()]
    assert len(checks) <= 2


def test_an_endpoint_that_was_removed(emulator_factory, db_factory):
    emulator = emulator_factory(issues="removed")
    database = db_factory(emulator=emulator)
    database.execute("SELECT bitbucket.import_workspace('bitbucket', 'acme', issues => 'always')")
    rows = database.rows("SELECT check_name, status, found FROM bitbucket.verify('bitbucket')")
    statuses = {name: status for name, status, _ in rows}
    assert statuses["table issues in acme"] == "removed"
    assert statuses["table issue_comments in acme"] == "removed"
    assert statuses["table pull_requests in acme"] == "ok"
    [found] = [found for name, _, found in rows if name == "table issues in acme"]
    assert "2026-08-20" in found


def test_a_failure_in_between_is_told_and_the_rest_goes_on(imported):
    imported.database.emulator.fault("*/pipelines*", kind="status", status=555, count=None)
    checks = verify(imported)
    assert checks["table pipelines in acme"].status == "unreachable"
    assert checks["table pipeline_steps in acme"].status == "unreachable"
    assert checks["table issues in acme"].status == "ok"


CURL = {
    "BITBUCKET_EMAIL": "ada@acme.example",
    "BITBUCKET_API_TOKEN": "emulator-token-ada-read",
    "BITBUCKET_ACCESS_TOKEN": "emulator-token-workspace",
}


@pytest.mark.parametrize("name", ["ada-read", "workspace"])
def test_the_curl_commands_repeat_the_checks(imported, name):
    use(imported, name)
    for check in verify(imported).values():
        if check.curl is None:
            continue
        assert not leaks.found(check.curl)
        done = subprocess.run(
            ["sh", "-c", check.curl],
            env={"PATH": "/usr/bin:/bin", **CURL},
            capture_output=True,
            text=True,
            check=True,
        )
        answered = done.stdout.split()[1]
        expected = {"ok": ("200", "401", "403"), "invalid_permissions": ("403",)}
        assert answered in expected[check.status], (check, done.stdout)


def test_the_curl_commands_quote_what_the_server_is_called(imported, authorization):
    imported.database.execute(
        "ALTER SERVER bitbucket OPTIONS (SET base_url 'http://127.0.0.1:1/2.0$(touch pwned)')"
    )
    [check] = verify(imported).values()
    assert shlex.split(check.curl)[-1] == "http://127.0.0.1:1/2.0$(touch%20pwned)/user"
    assert "'http://127.0.0.1:1/2.0$(touch%20pwned)/user'" in check.curl
