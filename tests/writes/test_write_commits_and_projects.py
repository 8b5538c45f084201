"""Branches, tags, build statuses, comments on commits, and projects."""

import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.writing.requests import verbs
from tests.writes.writing import R, document, documents, project


@pytest.fixture
def head(emulator):
    """The commit that ``main`` points at."""
    return document(emulator, "branches", "main")["target"]["hash"]


# --- refs ---


def test_a_branch(sql, emulator, head):
    done = sql.run(
        "INSERT INTO branches (name, target_commit_hash) VALUES ('feature/x', %s) "
        "RETURNING name, target_commit_hash, target_author_raw IS NOT NULL",
        (head,),
    )
    body = {"name": "feature/x", "target": {"hash": head}}
    assert done.sent == [("POST", f"{R}/refs/branches", body)]
    assert done.row == ("feature/x", head, True)
    gone = sql.run("DELETE FROM branches WHERE name = 'feature/x'")
    assert gone.sent == [("DELETE", f"{R}/refs/branches/feature/x", None)]
    assert document(emulator, "branches", "feature/x") is None


def test_a_shortened_hash_and_a_branch_name_are_targets_too(sql, head):
    insert = "INSERT INTO branches (name, target_commit_hash) VALUES (%s, %s) "
    done = sql.run(f"{insert} RETURNING target_commit_hash", ("a", head[:12]))
    assert done.row == (head,)
    assert sql.run(f"{insert} RETURNING target_commit_hash", ("b", "main")).row == (head,)


def test_a_tag_with_and_without_a_message(sql, emulator, head):
    done = sql.run(
        "INSERT INTO tags (name, target_commit_hash, message) VALUES ('v9', %s, 'nine') "
        "RETURNING message, tagger_user_uuid IS NOT NULL, date IS NOT NULL",
        (head,),
    )
    body = {"name": "v9", "target": {"hash": head}, "message": "nine"}
    assert done.sent == [("POST", f"{R}/refs/tags", body)]
    assert done.row == ("nine", True, True)
    done = sql.run(
        "INSERT INTO tags (name, target_commit_hash) VALUES ('v10', %s) RETURNING message", (head,)
    )
    assert done.row[0].startswith("Added tag v10")
    gone = sql.run("DELETE FROM tags WHERE name LIKE 'v%' AND name IN ('v9', 'v10')")
    assert sorted(gone.sent) == [
        ("DELETE", f"{R}/refs/tags/v10", None),
        ("DELETE", f"{R}/refs/tags/v9", None),
    ]


@pytest.mark.parametrize("table", ["branches", "tags"])
def test_refs_do_not_move(sql, table, head):
    with sql.failing("0A000", match=f"{table} takes no UPDATE") as failed:
        sql.run(f"UPDATE {table} SET target_commit_hash = '{head}'")
    assert failed.message == f"{table} takes no UPDATE"  # and not the table's name twice
    assert "delete it and make a new one" in failed.hint
    assert failed.done.sent == []


@pytest.mark.parametrize(
    ("statement", "sqlstate", "says"),
    [
        ("INSERT INTO branches (name) VALUES ('x')", "23502", "target_commit_hash must be given"),
        ("INSERT INTO tags (target_commit_hash) VALUES ('x')", "23502", "name must be given"),
        (
            "INSERT INTO branches (name, target_commit_hash, target_commit_message) "
            "VALUES ('x', 'main', 'm')",
            "0A000",
            "target_commit_message cannot be set",
        ),
    ],
)
def test_incomplete_refs_are_refused_here(sql, statement, sqlstate, says):
    with sql.failing(sqlstate, match=says) as failed:
        sql.run(statement)
    assert failed.done.sent == []


@pytest.mark.parametrize(
    ("statement", "status", "detail"),
    [
        (
            "INSERT INTO branches (name, target_commit_hash) VALUES ('main', 'main')",
            409,
            'Branch "main" already exists.',
        ),
        (
            "INSERT INTO branches (name, target_commit_hash) VALUES ('a..b', 'main')",
            400,
            "name: Invalid value.",
        ),
        (
            "INSERT INTO branches (name, target_commit_hash) VALUES ('a', 'no such')",
            400,
            "target: unknown revision: no such",
        ),
        ("DELETE FROM branches WHERE name = 'main'", 400, "The main branch cannot be deleted."),
    ],
)
def test_refs_that_bitbucket_refuses(sql, statement, status, detail):
    with sql.failing("HV000", match=f"was answered {status}") as failed:
        sql.run(statement)
    assert detail in failed.detail


# --- commits ---


def test_a_build_status(sql, emulator, head):
    statuses = f"{R}/commit/{head}/statuses/build"
    done = sql.run(
        "INSERT INTO commit_statuses (commit_hash, key, state, url, name, refname) "
        "VALUES (%s, 'ci/linux x', 'INPROGRESS', 'https://ci.example/1', 'CI', 'main') "
        "RETURNING key, state, description, created_on IS NOT NULL",
        (head,),
    )
    body = {
        "key": "ci/linux x",
        "state": "INPROGRESS",
        "url": "https://ci.example/1",
        "name": "CI",
        "refname": "main",
    }
    assert done.sent == [("POST", statuses, body)]
    assert done.row == ("ci/linux x", "INPROGRESS", "", True)

    where = f"WHERE commit_hash = '{head}' AND key = 'ci/linux x'"
    done = sql.run(
        f"UPDATE commit_statuses SET state = 'SUCCESSFUL', description = 'ok' {where} "
        "RETURNING state, description, url"
    )
    body = {"key": "ci/linux x", "state": "SUCCESSFUL", "description": "ok"}
    assert done.sent == [("PUT", f"{statuses}/ci/linux x", body)]
    assert done.row == ("SUCCESSFUL", "ok", "https://ci.example/1")
    # Key and state go along, changed or not: the API's schema requires both.
    done = sql.run(f"UPDATE commit_statuses SET name = 'CI 2' {where}")
    body = {"key": "ci/linux x", "state": "SUCCESSFUL", "name": "CI 2"}
    assert done.sent == [("PUT", f"{statuses}/ci/linux x", body)]
    assert sql.run(f"UPDATE commit_statuses SET name = 'CI 2' {where}").sent == []
    with sql.failing("0A000", match="takes no DELETE") as failed:
        sql.run(f"DELETE FROM commit_statuses {where}")
    assert "UPDATE their state" in failed.hint


def test_a_build_status_of_the_same_key_is_not_overwritten(sql, emulator):
    [status, *_] = documents(emulator, "commit_statuses")
    digest = status["links"]["self"]["href"].split("/commit/")[1].split("/")[0]
    insert = (
        "INSERT INTO commit_statuses (commit_hash, key, state, url) "
        "VALUES (%s, %s, 'FAILED', 'https://ci.example/1')"
    )
    with sql.failing("23505", match=f"key '{status['key']}' exists already") as failed:
        sql.run(insert, (digest, status["key"]))
    assert failed.done.sent == []
    assert len(sql.run(insert, (digest, "another")).sent) == 1


@pytest.mark.parametrize(
    ("columns", "values", "sqlstate", "says"),
    [
        ("key, state, url", "'k', 'DONE', 'https://x'", "22023", "'DONE' is no state"),
        ("key, state", "'k', 'FAILED'", "23502", "url must be given"),
        ("state, url", "'FAILED', 'https://x'", "23502", "key must be given"),
    ],
)
def test_build_statuses_are_checked_here(sql, head, columns, values, sqlstate, says):
    with sql.failing(sqlstate, match=says) as failed:
        sql.run(f"INSERT INTO commit_statuses (commit_hash, {columns}) VALUES ('{head}', {values})")
    assert failed.done.sent == []


def test_comments_on_commits(sql, emulator, head):
    comments = f"{R}/commit/{head}/comments"
    done = sql.run(
        "INSERT INTO commit_comments (commit_hash, content_raw, inline_path, inline_from) "
        "VALUES (%s, 'hm', 'README.md', 3) RETURNING id, commit_hash, inline_from, user_nickname",
        (head,),
    )
    number = done.row[0]
    body = {"content": {"raw": "hm"}, "inline": {"path": "README.md", "from": 3}}
    assert done.sent == [("POST", comments, body)]
    assert done.row[1:] == (head, 3, "ada")
    where = f"WHERE commit_hash = '{head}' AND id = {number}"
    done = sql.run(f"UPDATE commit_comments SET content_raw = 'x' {where} RETURNING content_html")
    assert done.sent == [("PUT", f"{comments}/{number}", {"content": {"raw": "x"}})]
    assert done.row == ("<p>x</p>",)
    assert sql.run(f"DELETE FROM commit_comments {where}").sent == [
        ("DELETE", f"{comments}/{number}", None)
    ]
    assert document(emulator, "commit_comments", number) is None


# --- projects ---


def test_a_project(sql, emulator):
    sql.use("acme")
    projects = "/workspaces/acme/projects"
    done = sql.run(
        "INSERT INTO projects (key, name, description, is_private) "
        "VALUES ('LAB', 'Lab', 'try', false) RETURNING workspace, uuid IS NOT NULL, is_private"
    )
    body = {"key": "LAB", "name": "Lab", "description": "try", "is_private": False}
    assert done.sent == [("POST", projects, body)]
    assert done.row == ("acme", True, False)
    done = sql.run(
        "UPDATE projects SET name = 'Labs', is_private = true, description = NULL "
        "WHERE key = 'LAB' RETURNING name, is_private, description"
    )
    body = {"name": "Labs", "is_private": True, "description": ""}
    assert done.sent == [("PUT", f"{projects}/LAB", body)]
    assert done.row == ("Labs", True, "")
    assert sql.run("DELETE FROM projects WHERE key = 'LAB'").sent == [
        ("DELETE", f"{projects}/LAB", None)
    ]
    assert project(emulator, "LAB") is None


def test_projects_that_bitbucket_refuses(sql):
    sql.use("acme")
    with sql.failing("HV000", match="was answered 409") as failed:
        sql.run("INSERT INTO projects (key, name) VALUES ('WEB', 'again')")
    assert "key: A project with this key already exists." in failed.detail
    with sql.failing("HV000", match="was answered 400") as failed:
        sql.run("INSERT INTO projects (key, name) VALUES ('lower', 'n')")
    assert "key: Invalid value." in failed.detail
    with sql.failing("42501", match="was answered 403") as failed:
        sql.run("DELETE FROM projects WHERE key = 'WEB'")
    assert "still contains repositories" in failed.detail


def test_a_project_keeps_its_key(sql):
    sql.use("acme")
    with sql.failing("HV000", match="cannot change its key"):
        sql.run("UPDATE projects SET key = 'NET' WHERE key = 'WEB'")


# --- what tables do not take ---

STATEMENTS = {
    "INSERT": "INSERT INTO {table} ({column}) SELECT {column} FROM {table} LIMIT 1",
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
}
REFUSED = [(t, v) for t in TABLES for v in STATEMENTS if v not in verbs(t)]


@pytest.mark.parametrize(("table", "verb"), REFUSED, ids=lambda one: getattr(one, "name", one))
def test_what_a_table_does_not_take_is_refused_before_anything_is_read(sql, table, verb):
    if table.level == "workspace":
        sql.use("acme")
    statement = STATEMENTS[verb].format(table=table.name, column=table.columns[-1].name)
    with sql.failing("0A000", match=f"{table.name} takes no {verb}") as failed:
        sql.run(statement)
    able = ", ".join(verbs(table))
    others = f"It takes: {able}." if able else "It can only be read."
    assert failed.hint == table.writes.refusal(verb) or failed.hint == others
    assert failed.done.requests == []
