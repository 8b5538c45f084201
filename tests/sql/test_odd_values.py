"""Values and errors as some answers have them: the row comes, or it is said which one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.api.scripted import Answer, ScriptedServer
from tests.support.database import Database

Routes = dict[str, Answer]
UUID = "{00000000-0000-4000-8000-000000000001}"


@pytest.fixture
def answered(db: Database) -> Iterator[Callable[[Routes], tuple[Database, ScriptedServer]]]:
    """``answered(routes)``: tables of workspace ``w1`` in ``w``, of ``w1/r1`` in ``r``, and
    ``u.workspaces``, which is bound to nothing; paths below the API's are answered by ``routes``.
    """
    servers = []

    def start(routes: Routes) -> tuple[Database, ScriptedServer]:
        def answer(target: str) -> Answer:
            path = urlsplit(target).path.removeprefix("/2.0")
            return routes.get(path) or routes.get("*") or Answer({}, status=404)

        server = ScriptedServer(answer)
        servers.append(server)
        options = {"base_url": f"{server.url}/2.0", "retry_limit": "0"}
        db.create_server("odd", credentials={"auth": "none"}, **options)
        db.execute("CREATE SCHEMA w; CREATE SCHEMA r; CREATE SCHEMA u")
        wanted = "issues 'always'"
        db.execute(f'IMPORT FOREIGN SCHEMA "w1" FROM SERVER odd INTO w OPTIONS ({wanted})')
        db.execute(f'IMPORT FOREIGN SCHEMA "w1/r1" FROM SERVER odd INTO r OPTIONS ({wanted})')
        db.execute(
            "CREATE FOREIGN TABLE u.workspaces (slug text, name text) "
            "SERVER odd OPTIONS (table 'workspaces')"
        )
        server.received.clear()
        db.notices.clear()
        return db, server

    yield start
    for server in servers:
        server.close()


def page(*values: Any, **envelope: Any) -> Answer:
    return Answer({"values": list(values), **envelope})


def failing(db: Database, statement: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        db.rows(statement)
    return caught.value.diag


R1 = "/repositories/w1/r1"

# --- keys ---


def test_a_repository_without_a_slug_takes_it_from_its_full_name(answered):
    named = {"name": "Web Site", "full_name": "w1/web-site", "uuid": UUID}
    branch = {"name": "main", "target": {"hash": "a" * 40}}
    db, _ = answered(
        {
            "/repositories/w1": page(named),
            "/repositories/w1/web-site/refs/branches": page(branch),
        }
    )
    assert db.rows("SELECT slug, full_name FROM w.repositories") == [("web-site", "w1/web-site")]
    assert db.rows("SELECT repository, name FROM w.branches") == [("web-site", "main")]


@pytest.mark.parametrize("member", [{}, {"slug": None}, {"slug": ""}])
def test_a_workspace_without_a_slug_is_an_error(answered, member):
    db, server = answered({"/user/workspaces": page({"workspace": {"uuid": UUID, **member}})})
    said = failing(db, "SELECT slug, name FROM u.workspaces")
    assert "GET /user/workspaces" in said.message_primary
    assert "slug" in said.message_detail
    assert len(server.received) == 1, "nothing is asked for a workspace without a name"


def test_a_pipeline_that_comes_again_and_again(answered):
    """``page`` stands still; it took a thousand requests once."""
    again = page({"uuid": UUID, "build_number": 1}, page=1, pagelen=1, size=3)
    db, server = answered({f"{R1}/pipelines/": again})
    said = failing(db, "SELECT build_number FROM r.pipelines")
    assert "page 1 where page 2" in said.message_detail
    # The pages are asked for side by side, and the second one once more.
    assert len(server.received) <= 4


def test_an_empty_next_is_the_end(answered):
    db, _ = answered({f"{R1}/issues": page({"id": 1}, next="")})
    assert db.rows("SELECT id FROM r.issues") == [(1,)]


@pytest.mark.parametrize("size", ["2", 2.0, -1, None, "two"])
def test_a_count_whose_size_is_odd(answered, size):
    db, _ = answered({f"{R1}/issues": page({"id": 1}, {"id": 2}, size=size)})
    assert db.value("SELECT count(*) FROM r.issues") == 2


@pytest.mark.parametrize("member", [{}, {"has_issues": None}])
def test_a_repository_that_does_not_say_whether_it_has_issues_may_have_some(answered, member):
    db, _ = answered(
        {
            "/repositories/w1": page({"slug": "r1", "full_name": "w1/r1", **member}),
            f"{R1}/issues": page({"id": 1}),
        }
    )
    assert db.rows("SELECT repository, id FROM w.issues") == [("r1", 1)]


# --- values of another kind ---

GOOD = {"id": 1, "created_on": "2026-01-02T03:04:05.123456+00:00"}


def test_a_masked_uuid_is_null_with_a_warning(answered):
    """One account that is masked must not hide all rows."""
    masked = {**GOOD, "reporter": {"uuid": "{masked}", "display_name": "x"}}
    others = [{**GOOD, "id": 2}, {**masked, "id": 3}, {**GOOD, "id": 4, "reporter": {"uuid": UUID}}]
    db, _ = answered({f"{R1}/issues": page(masked, *others)})
    found = db.rows("SELECT id, reporter_uuid::text, reporter_display_name FROM r.issues")
    assert found == [(1, None, "x"), (2, None, None), (3, None, "x"), (4, UUID.strip("{}"), None)]
    [notice] = db.notices
    assert notice.startswith("WARNING: issues:")
    assert "reporter_uuid" in notice
    assert "id 1" in notice
    assert f"{R1}/issues" in notice


def test_a_masked_uuid_that_is_a_key_is_an_error(answered):
    db, _ = answered({f"{R1}/pipelines/": page({"uuid": "{masked}", "build_number": 1})})
    said = failing(db, "SELECT uuid FROM r.pipelines")
    assert f"pipelines: GET {R1}/pipelines" in said.message_primary
    assert "uuid" in said.message_detail
    assert "masked" in said.message_detail


def test_a_member_whose_uuid_is_masked_is_a_row_and_a_warning(answered):
    """Whose account is masked is a member all the same, and is no reason to hide the others."""
    known = "11111111-1111-4111-8111-111111111111"
    members = [{"user": {"uuid": f"{{{u}}}", "display_name": u}} for u in ("masked", known)]
    db, _ = answered({"/workspaces/w1/members": page(*members)})
    found = db.rows("SELECT user_uuid::text, user_display_name FROM w.workspace_members")
    assert found == [(None, "masked"), (known, known)]
    [notice] = db.notices
    assert notice.startswith("WARNING: workspace_members: ")
    assert "user_uuid" in notice


BAD = [
    ("votes", "votes", 12.5),
    ("votes", "votes", "many"),
    ("votes", "votes", True),
    ("votes", "votes", 2**63),
    ("votes", "votes", [1]),
    ("created_on", "created_on", "2026-02-30T00:00:00+00:00"),
    ("created_on", "created_on", "2026-01-02T24:00:01+00:00"),
    ("created_on", "created_on", "2026-01-02T23:60:00+00:00"),
    ("created_on", "created_on", "yesterday"),
    ("created_on", "created_on", 1767322800),
]


@pytest.mark.parametrize("order", ["", " ORDER BY created_on"])
@pytest.mark.parametrize(("member", "column", "value"), BAD)
def test_a_value_of_another_kind_is_an_error_that_names_the_row(
    answered, member, column, value, order
):
    items = [{**GOOD, "id": 7}, {**GOOD, "id": 8, member: value}]
    db, _ = answered({f"{R1}/issues": page(*items)})
    said = failing(db, f"SELECT id, {column} FROM r.issues{order}")
    assert said.message_primary.startswith(f"issues: GET {R1}/issues")
    assert "id 8" in said.message_detail
    assert column in said.message_detail
    assert said.message_hint
    assert db.rows("SELECT id FROM r.issues ORDER BY id") == [(7,), (8,)], "the rest is of use"


@pytest.mark.parametrize("order", ["", " ORDER BY created_on DESC"])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-02T24:00:00+00:00", "2026-01-03 00:00:00+00"),
        ("2026-01-02T23:59:60+00:00", "2026-01-03 00:00:00+00"),
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00"),
        ("2026-01-02T03:04:05.123456789+00:00", "2026-01-02 03:04:05.123457+00"),
        ("2026-01-02T03:04:05", "2026-01-02 03:04:05+00"),
        ("2026-01-02", "2026-01-02 00:00:00+00"),
    ],
)
def test_times_that_postgresql_takes(answered, written, read, order):
    db, _ = answered({f"{R1}/issues": page({"id": 1, "created_on": written})})
    db.execute("SET timezone = 'UTC'")
    assert db.value(f"SELECT created_on::text FROM r.issues{order}") == read


def test_values_that_are_what_they_should_be_in_other_words(answered):
    item = {"id": "1", "votes": 3.0, "created_on": GOOD["created_on"]}
    db, _ = answered({f"{R1}/issues": page(item)})
    assert db.rows("SELECT id, votes FROM r.issues") == [(1, 3)]
    assert db.rows("SELECT id, votes FROM r.issues ORDER BY id") == [(1, 3)]


def test_a_column_of_the_users_own_type_holds_what_comes(answered):
    item = {**GOOD, "votes": 12.5, "reporter": {"uuid": "{masked}"}, "updated_on": "soon"}
    db, _ = answered({f"{R1}/issues": page(item)})
    db.execute(
        "CREATE FOREIGN TABLE own (id bigint, votes numeric, reporter_uuid text, updated_on text) "
        "SERVER odd OPTIONS (table 'issues', workspace 'w1', repository 'r1')"
    )
    [(number, votes, reporter, updated)] = db.rows("SELECT * FROM own")
    assert (number, float(votes), reporter) == (1, 12.5, "masked")
    assert updated.startswith("soon")
    assert db.notices == []


# --- what errors say ---


def error(status: int, **said: Any) -> Answer:
    return Answer({"type": "error", "error": said}, status=status)


def test_scopes_that_are_lacking_are_told_apart(answered):
    detail = {"required": ["project"], "granted": ["runner:write", "account"]}
    db, _ = answered({"*": error(403, message="Your credentials lack scopes.", detail=detail)})
    said = failing(db, "SELECT id FROM r.pull_requests")
    assert said.message_detail == (
        "Your credentials lack scopes. required: project; granted: runner:write, account"
    )


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 418, 451])
def test_every_error_has_a_hint(answered, status):
    db, _ = answered({"*": error(status, message="No.")})
    said = failing(db, "SELECT id FROM r.pull_requests")
    assert str(status) in said.message_primary
    assert said.message_hint


def test_a_plan_that_is_too_small_is_said(answered):
    db, _ = answered({"*": error(402, message="A workspace on a Free plan does not support this.")})
    assert "plan" in failing(db, "SELECT id FROM r.pull_requests").message_hint


def test_issues_of_a_repository_without_access_are_about_access_first(answered):
    message = "You may not have access to this repository or it no longer exists."
    db, _ = answered({"*": error(404, message=message)})
    hint = failing(db, "SELECT id FROM r.issues").message_hint
    assert hint.startswith("Check the workspace and repository.")


def test_parts_of_an_error_do_not_run_together(answered):
    detail = "There is no API hosted at this URL.\n\nSee the documentation."
    db, _ = answered({"*": error(404, message="Resource not found", detail=detail)})
    said = failing(db, "SELECT id FROM r.pull_requests")
    assert said.message_detail.startswith("Resource not found. There is no API hosted at this URL.")


def test_an_error_with_the_status_of_success(answered):
    db, _ = answered({"*": error(200, message="Something said")})
    for statement in ("SELECT id FROM r.pull_requests", "SELECT count(*) FROM r.pull_requests"):
        assert failing(db, statement).message_detail == "Something said"
