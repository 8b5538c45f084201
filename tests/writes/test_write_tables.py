"""Foreign tables of other shapes: spanning, flat, made by hand, read-only; and what is cached."""

import pytest

from tests.support.credentials import READ_WRITE, mapping_options
from tests.writes.writing import R, document, documents, project

ISSUES = f"{R}/issues"
OTHER = "/repositories/acme/mobile.app"


@pytest.fixture
def table(writes_db):
    """Make a foreign table ``public.by_hand`` with these columns and options."""

    def make(columns, server="bitbucket", **options):
        settings = {"table": "issues", "workspace": "acme", "repository": "website", **options}
        given = ", ".join(f"{name} '{value}'" for name, value in settings.items() if value)
        writes_db.execute("DROP FOREIGN TABLE IF EXISTS public.by_hand")
        writes_db.execute(
            f"CREATE FOREIGN TABLE public.by_hand ({columns}) SERVER {server} OPTIONS ({given})"
        )

    return make


# --- spanning the workspace ---


def test_a_spanning_table_writes_to_the_repository_it_is_told(sql):
    sql.use("acme")
    done = sql.run(
        "INSERT INTO issues (repository, title) VALUES ('mobile.app', 'a'), ('website', 'b') "
        "RETURNING workspace, repository, id"
    )
    assert done.sent == [
        ("POST", f"{OTHER}/issues", {"title": "a"}),
        ("POST", ISSUES, {"title": "b"}),
    ]
    assert done.rows == [("acme", "mobile.app", 13), ("acme", "website", 46)]


def test_a_spanning_table_needs_to_be_told_the_repository(sql):
    sql.use("acme")
    with sql.failing("23502", match="repository is missing") as failed:
        sql.run("INSERT INTO issues (title) VALUES ('a')")
    assert failed.done.sent == []


def test_rows_of_the_same_number_are_told_apart(sql, emulator):
    # Every repository has an issue 1.
    sql.use("acme")
    done = sql.run("UPDATE issues SET title = repository || '!' WHERE id = 1 RETURNING repository")
    assert sorted(done.sent) == [
        ("PUT", f"{OTHER}/issues/1", {"title": "mobile.app!"}),
        ("PUT", f"{ISSUES}/1", {"title": "website!"}),
    ]
    assert sorted(done.rows) == [("mobile.app",), ("website",)]
    done = sql.run("DELETE FROM issues WHERE id = 1 AND md5(repository) = md5('mobile.app')")
    assert done.sent == [("DELETE", f"{OTHER}/issues/1", None)]
    assert document(emulator, "issues", 1) is not None


def test_children_in_a_spanning_table(sql):
    sql.use("acme")
    done = sql.run(
        "INSERT INTO issue_comments (repository, issue_id, content_raw) "
        "VALUES ('mobile.app', 2, 'c') RETURNING id"
    )
    comments = f"{OTHER}/issues/2/comments"
    assert done.sent == [("POST", comments, {"content": {"raw": "c"}})]
    where = f"WHERE repository = 'mobile.app' AND issue_id = 2 AND id = {done.row[0]}"
    done = sql.run(f"UPDATE issue_comments SET content_raw = 'd' {where} RETURNING repository, id")
    path = f"{comments}/{done.row[1]}"
    assert done.sent == [("PUT", path, {"content": {"raw": "d"}})]
    assert sql.run(f"DELETE FROM issue_comments {where}").sent == [("DELETE", path, None)]


def test_an_update_of_everything_spans_repositories(sql, emulator):
    sql.use("acme")
    done = sql.run("UPDATE issues SET priority = 'blocker' WHERE kind = 'bug'")
    repositories = {path.split("/")[3] for _, path, _ in done.sent}
    assert repositories == {"website", "mobile.app"}


def test_branches_of_several_repositories(sql):
    sql.use("acme")
    done = sql.run(
        "INSERT INTO branches (repository, name, target_commit_hash) "
        "SELECT repository, 'all', target_commit_hash FROM branches WHERE name = 'main'"
    )
    assert len(done.sent) == 8
    assert len(sql.run("DELETE FROM branches WHERE name = 'all'").sent) == 8


def test_a_commit_spans_repositories(session_in, emulator):
    queued = session_in("acme_queued")
    queued.run("BEGIN")
    queued.run("UPDATE issues SET title = 'x' WHERE id = 1")
    queued.run("UPDATE queued.issues SET title = 'y' WHERE id = 1")
    done = queued.run("COMMIT")
    assert [body["title"] for _, path, body in done.sent if path == f"{ISSUES}/1"] == ["x", "y"]
    assert len(done.sent) == 3


# --- flat names ---


def test_flat_names(sql, emulator):
    sql.use("flat")
    done = sql.run(
        "INSERT INTO Issues (Title, ContentRaw) VALUES ('t', 'c') RETURNING Id, ReporterNickname"
    )
    assert done.sent == [("POST", ISSUES, {"title": "t", "content": {"raw": "c"}})]
    assert done.row == (46, "ada")
    done = sql.run("UPDATE PullRequests SET Title = 'x' WHERE Id = 6 RETURNING SourceBranchName")
    [(method, path, body)] = done.sent
    assert (method, path, body["title"]) == ("PUT", f"{R}/pullrequests/6", "x")
    assert sql.run("DELETE FROM Issues WHERE Id = 46").sent == [("DELETE", f"{ISSUES}/46", None)]
    with sql.failing("23502", match="source_branch_name must be given"):
        sql.run("INSERT INTO PullRequests (Title) VALUES ('t')")


# --- made by hand ---


def test_a_table_with_some_columns(sql, table, emulator):
    table("id bigint, title text")
    done = sql.run("INSERT INTO by_hand (title) VALUES ('t') RETURNING id")
    assert done.row == (46,)
    done = sql.run("UPDATE by_hand SET title = 'u' WHERE title = 't' RETURNING id, title")
    assert done.sent == [("PUT", f"{ISSUES}/46", {"title": "u"})]
    assert sql.run("DELETE FROM by_hand WHERE title = 'u'").sent == [
        ("DELETE", f"{ISSUES}/46", None)
    ]


def test_columns_under_other_names(sql, table):
    table("\"Nr.\" bigint OPTIONS (column_name 'id'), \"Was?\" text OPTIONS (column_name 'title')")
    done = sql.run("""INSERT INTO by_hand ("Was?") VALUES ('t') RETURNING "Nr." """)
    assert done.sent == [("POST", ISSUES, {"title": "t"})]
    assert done.row == (46,)
    done = sql.run("""UPDATE by_hand SET "Was?" = 'u' WHERE "Nr." = 46 RETURNING "Was?" """)
    assert done.row == ("u",)


def test_a_column_shown_twice_is_changed_by_either(sql, table):
    table("id bigint, title text, also text OPTIONS (column_name 'title')")
    with sql.failing("22023", match="title and also are the same one at Bitbucket, and differ"):
        sql.run("UPDATE by_hand SET also = 'x' WHERE id = 1")
    done = sql.run("UPDATE by_hand SET title = 'x', also = 'x' WHERE id = 1 RETURNING also")
    assert done.sent == [("PUT", f"{ISSUES}/1", {"title": "x"})]
    assert done.row == ("x",)
    assert sql.run("INSERT INTO by_hand (also) VALUES ('y') RETURNING title").row == ("y",)


def test_columns_of_other_types(sql, table, emulator):
    table(
        "id integer, title varchar(200), draft text, source_branch_name name, created_on date, "
        "updated_on timestamp, reviewers text, closed_by_uuid text",
        table="pull_requests",
    )
    sql.run("SET TimeZone = 'Asia/Tokyo'")
    done = sql.run("UPDATE by_hand SET title = 'x' WHERE id = 2 RETURNING id, title")
    present = document(emulator, "pull_requests", 2)
    always = {name: present[name] for name in ("title", "description")}
    assert done.sent == [("PUT", f"{R}/pullrequests/2", {**always, "title": "x"})]
    done = sql.run("UPDATE by_hand SET draft = 'true' WHERE id = 2 RETURNING draft")
    assert done.sent == [("PUT", f"{R}/pullrequests/2", {**always, "draft": True})]
    with sql.failing("22023", match="draft is of type boolean"):
        sql.run("UPDATE by_hand SET draft = 'perhaps' WHERE id = 2")
    with sql.failing("22023", match="reviewers is no JSON"):
        sql.run("UPDATE by_hand SET reviewers = 'ben' WHERE id = 2")


def test_a_table_without_its_key_cannot_tell_its_rows(sql, table):
    table("title text")
    with sql.failing("HV000", match="neither column id nor links_html_href") as failed:
        sql.run("UPDATE by_hand SET title = 'x'")
    assert "ADD COLUMN" in failed.hint
    # An INSERT needs no row to be told.
    assert len(sql.run("INSERT INTO by_hand (title) VALUES ('t')").sent) == 1


def test_the_address_will_do_for_a_key_that_is_not_shown(sql, table):
    table("title text, links_html_href text")
    done = sql.run("UPDATE by_hand SET title = 'x' WHERE links_html_href LIKE '%/issues/3'")
    assert done.sent == [("PUT", f"{ISSUES}/3", {"title": "x"})]
    done = sql.run("DELETE FROM by_hand WHERE title = 'x'")
    assert done.sent == [("DELETE", f"{ISSUES}/3", None)]


def test_a_table_that_spans_workspaces(sql, table):
    table(
        "workspace text, repository text, id bigint, title text, links_html_href text",
        workspace="",
        repository="",
    )
    done = sql.run(
        "INSERT INTO by_hand (workspace, repository, title) VALUES ('acme', 'website', 't') "
        "RETURNING workspace, id"
    )
    assert done.row == ("acme", 46)
    with sql.failing("23502", match="workspace is missing"):
        sql.run("INSERT INTO by_hand (repository, title) VALUES ('website', 't')")
    done = sql.run(
        "UPDATE by_hand SET title = 'u' "
        "WHERE workspace = 'acme' AND repository = 'website' AND id = 46"
    )
    assert done.sent == [("PUT", f"{ISSUES}/46", {"title": "u"})]


def test_projects_of_a_table_that_spans_workspaces(sql, table, emulator):
    table("workspace text, key text, name text", table="projects", workspace="", repository="")
    done = sql.run("UPDATE by_hand SET name = 'x' WHERE workspace = 'acme' AND key = 'NEW'")
    assert done.sent == [("PUT", "/workspaces/acme/projects/NEW", {"name": "x"})]
    assert project(emulator, "NEW")["name"] == "x"


def test_a_slug_that_would_lead_elsewhere_is_refused(sql):
    sql.use("acme")
    for slug in ("..", ".", ""):
        with sql.failing("23502", match="repository is missing") as failed:
            sql.run("INSERT INTO issues (repository, title) VALUES (%s, 't')", (slug,))
        assert failed.done.sent == []
    with sql.failing(match="was answered 404"):
        sql.run("INSERT INTO issues (repository, title) VALUES ('a/b?c#d', 't')")


# --- updatable ---


def test_a_table_can_be_read_only(sql, table):
    table("id bigint, title text", updatable="false")
    for statement in (
        "INSERT INTO by_hand (title) VALUES ('t')",
        "UPDATE by_hand SET title = 't' WHERE id = 1",
        "DELETE FROM by_hand WHERE id = 1",
    ):
        with sql.failing("0A000", match="the foreign table is read-only") as failed:
            sql.run(statement)
        assert "updatable" in failed.hint
        assert failed.done.requests == []
    assert sql.run("SELECT id FROM by_hand WHERE id = 1").rows == [(1,)]
    sql.run("ALTER FOREIGN TABLE by_hand OPTIONS (DROP updatable)")
    assert len(sql.run("UPDATE by_hand SET title = 't' WHERE id = 1").sent) == 1


def test_a_server_can_be_read_only_with_all_its_tables(sql, table, writes_db, emulator):
    writes_db.execute("DROP SERVER IF EXISTS readonly CASCADE")
    writes_db.create_server(
        "readonly", credentials=mapping_options(emulator, READ_WRITE), updatable="false"
    )
    table("id bigint, title text", server="readonly")
    with sql.failing("0A000", match="read-only"):
        sql.run("UPDATE by_hand SET title = 't' WHERE id = 1")
    writes_db.execute("ALTER SERVER readonly OPTIONS (DROP updatable)")
    assert len(sql.run("UPDATE by_hand SET title = 't' WHERE id = 1").sent) == 1


def test_true_is_no_value_for_updatable(sql, table, writes_db, emulator):
    # On a server it would win over a table's false, which hosts do not let see.
    with sql.failing(match='option "updatable": it must be false; leave it out') as failed:
        table("id bigint, title text", updatable="true")
        sql.run("SELECT * FROM by_hand")
    assert failed.done.requests == []


def test_options_that_change_take_effect_in_the_session(sql, table, writes_db, emulator):
    writes_db.execute("DROP SERVER IF EXISTS turning CASCADE")
    writes_db.create_server("turning", credentials=mapping_options(emulator, READ_WRITE))
    table("id bigint, title text", server="turning")
    sql.run("UPDATE by_hand SET title = 'a' WHERE id = 1")
    writes_db.execute("ALTER SERVER turning OPTIONS (ADD write_mode 'commit')")
    sql.run("BEGIN")
    assert sql.run("UPDATE by_hand SET title = 'b' WHERE id = 1").sent == []
    assert len(sql.run("COMMIT").sent) == 1


def test_rights_of_the_database_come_first(sql, writes_db):
    sql.run("BEGIN")
    sql.run("CREATE ROLE reader_of_issues")
    sql.run("GRANT USAGE ON SCHEMA website TO reader_of_issues")
    sql.run("GRANT SELECT ON website.issues TO reader_of_issues")
    # Without a mapping the table could not be planned for the role, whatever its rights.
    sql.run("CREATE USER MAPPING FOR reader_of_issues SERVER bitbucket OPTIONS (auth 'none')")
    sql.run("SET ROLE reader_of_issues")
    with sql.failing("42501", match="permission denied for foreign table issues") as failed:
        sql.run("UPDATE issues SET title = 't' WHERE id = 1")
    assert failed.done.requests == []
    sql.run("ROLLBACK")


# --- what has been read ---


def test_a_change_is_seen_by_the_next_statement_of_any_session(session_in, emulator):
    one, two = session_in("website"), session_in("website")
    for session in (one, two):
        assert session.value("SELECT title FROM issues WHERE id = 1") != "new"
    one.run("UPDATE issues SET title = 'new' WHERE id = 1")
    for session in (one, two):
        assert session.value("SELECT title FROM issues WHERE id = 1") == "new"
        assert session.value("SELECT count(*) FROM issues") == len(documents(emulator, "issues"))


def test_answers_that_were_kept_are_dropped_by_a_change(writes_db, session_in, table, emulator):
    writes_db.execute("DROP SERVER IF EXISTS keeping CASCADE")
    writes_db.create_server(
        "keeping", credentials=mapping_options(emulator, READ_WRITE), cache_ttl="600"
    )
    table("id bigint, title text", server="keeping")
    one, two = session_in("public"), session_in("public")
    read = "SELECT title FROM by_hand WHERE id = 1"
    before = one.value(read)
    for session in (one, two):
        assert session.run(read).requests == []
    one.run("UPDATE by_hand SET title = 'new' WHERE id = 1")
    assert before != "new"
    for session in (one, two):
        assert session.value(read) == "new"


def test_an_update_compares_with_what_bitbucket_has_not_with_what_was_kept(
    writes_db, session_in, table, emulator, sql
):
    writes_db.execute("DROP SERVER IF EXISTS keeping CASCADE")
    writes_db.create_server(
        "keeping", credentials=mapping_options(emulator, READ_WRITE), cache_ttl="600"
    )
    table("id bigint, title text", server="keeping")
    one = session_in("public")
    before = one.value("SELECT title FROM by_hand WHERE id = 1")
    sql.run("UPDATE issues SET title = 'other' WHERE id = 1")  # by way of another server
    done = one.run("UPDATE by_hand SET title = %s WHERE id = 1", (before,))
    assert done.sent == [("PUT", f"{ISSUES}/1", {"title": before})]
