"""The statements that change rows: joins, COPY, triggers, long ones."""

import pytest
from devkit.tree import BUNDLED

from tests.writes.writing import R, account, document, documents

ISSUES = f"{R}/issues"


@pytest.fixture
def local(writes_db):
    """A local table ``public.todo`` with two issues' numbers, one of them twice."""
    writes_db.execute(
        "DROP TABLE IF EXISTS public.todo; CREATE TABLE public.todo (id bigint, title text); "
        "INSERT INTO public.todo VALUES (1, 'first'), (2, 'second'), (1, 'again')"
    )


# --- many rows ---


def test_insert_select_from_a_local_table(sql, emulator, local):
    done = sql.run("INSERT INTO issues (title) SELECT title FROM todo ORDER BY id, title")
    assert [body for _, _, body in done.sent] == [
        {"title": title} for title in ("again", "first", "second")
    ]


def test_insert_select_from_the_same_table_ends(sql, emulator):
    before = len(documents(emulator, "branches"))
    done = sql.run(
        "INSERT INTO branches (name, target_commit_hash) "
        "SELECT 'copy/' || name, target_commit_hash FROM branches"
    )
    assert len(done.sent) == before
    done = sql.run(
        "INSERT INTO issues (title) SELECT title FROM issues, generate_series(1, 4) RETURNING id"
    )
    # More than a page: what is inserted must not be read again.
    assert len(done.rows) == 180
    assert sql.value("SELECT count(*) FROM issues") == 225


def test_all_rows_of_several_pages_are_deleted(sql, emulator):
    sql.run("INSERT INTO issues (title) SELECT 'many' FROM generate_series(1, 250)")
    done = sql.run("DELETE FROM issues WHERE title = 'many'")
    assert len(done.sent) == 250
    assert {issue["title"] for issue in documents(emulator, "issues")} & {"many"} == set()


def test_all_rows_of_several_pages_are_updated_out_of_their_condition(sql, emulator):
    sql.run("INSERT INTO issues (title, state) SELECT 'x', 'open' FROM generate_series(1, 120)")
    expected = sql.value("SELECT count(*) FROM issues WHERE state = 'open'")
    done = sql.run("UPDATE issues SET state = 'closed' WHERE state = 'open'")
    assert len(done.sent) == expected
    assert not [i for i in documents(emulator, "issues") if i["state"] == "open"]


def test_rows_beyond_those_kept_whole_need_not_be_read_again(sql, emulator, writes_db):
    # A join that reads everything before the first change.
    sql.run("INSERT INTO issues (title) SELECT 'many' FROM generate_series(1, 2100)")
    sql.run("SET enable_nestloop = off; SET enable_mergejoin = off")
    done = sql.run(
        "UPDATE issues SET title = 'new' FROM (VALUES (50, 'a'), (2140, 'b')) v (id, t) "
        "WHERE issues.id = v.id AND issues.title = 'many'"
    )
    assert sorted(done.sent) == [
        ("PUT", f"{ISSUES}/2140", {"title": "new"}),
        ("PUT", f"{ISSUES}/50", {"title": "new"}),
    ]
    assert set(done.read) == {ISSUES}
    done = sql.run("DELETE FROM acme.issues WHERE repository = 'website' AND title = 'many'")
    assert len(done.sent) == 2098


# --- joins ---


def test_update_from_a_local_table(sql, emulator, local):
    done = sql.run(
        "UPDATE issues SET title = todo.title FROM todo "
        "WHERE todo.id = issues.id AND todo.title <> 'again' RETURNING issues.id, issues.title"
    )
    assert sorted(done.rows) == [(1, "first"), (2, "second")]
    assert sorted(done.sent) == [
        ("PUT", f"{ISSUES}/1", {"title": "first"}),
        ("PUT", f"{ISSUES}/2", {"title": "second"}),
    ]


@pytest.mark.parametrize("schema", ["website", "undone", "queued", "acme", "acme_queued"])
def test_a_row_that_a_join_gives_twice_is_changed_once(session_in, emulator, local, schema, host):
    session = session_in(schema)
    only = "todo.id = issues.id AND issues.repository = 'website'"
    done = session.run(f"DELETE FROM issues USING public.todo WHERE {only}")
    assert sorted(done.sent) == [
        ("DELETE", f"{ISSUES}/1", None),
        ("DELETE", f"{ISSUES}/2", None),
    ]
    # Multicorn2 counts what the join gives.
    assert done.count == (2 if host == BUNDLED else 3)
    emulator.reset()
    done = session.run(f"UPDATE issues SET title = todo.title FROM public.todo WHERE {only}")
    assert sorted((method, path) for method, path, _ in done.sent) == [
        ("PUT", f"{ISSUES}/1"),
        ("PUT", f"{ISSUES}/2"),
    ]
    assert document(emulator, "issues", 2)["title"] == "second"
    assert document(emulator, "issues", 1)["title"] in ("first", "again")
    assert done.count == (2 if host == BUNDLED else 3)


def test_returning_of_a_row_that_a_join_gives_twice(sql, emulator, local, host):
    done = sql.run(
        "UPDATE issues SET title = todo.title FROM todo WHERE todo.id = issues.id "
        "RETURNING issues.id, issues.title"
    )
    stored = {(number, document(emulator, "issues", number)["title"]) for number in (1, 2)}
    assert set(done.rows) == stored
    assert len(done.rows) == (2 if host == BUNDLED else 3)
    done = sql.run("DELETE FROM issues USING todo WHERE todo.id = issues.id RETURNING issues.id")
    assert set(done.rows) == {(1,), (2,)}
    assert len(done.rows) == (2 if host == BUNDLED else 3)


def test_a_row_is_changed_once_by_all_of_a_with(sql, emulator):
    done = sql.run(
        "WITH named AS (UPDATE issues SET title = 'one' WHERE id < 3 RETURNING id) "
        "UPDATE issues SET title = 'two' FROM named WHERE issues.id IN (1, 2, 3)"
    )
    assert sorted(path for _, path, _ in done.sent) == [f"{ISSUES}/{n}" for n in (1, 2, 3)]


def test_each_statement_of_a_function_changes_a_row_anew(sql, emulator):
    done = sql.run(
        "DO $$ BEGIN FOR n IN 1..3 LOOP UPDATE website.issues SET title = 'title ' || n "
        "WHERE id = 1; END LOOP; END $$"
    )
    assert [body["title"] for _, _, body in done.sent] == ["title 1", "title 2", "title 3"]


@pytest.mark.parametrize("second", ["UPDATE issues SET kind = 'task'", "DELETE FROM issues"])
def test_two_changes_of_a_row_in_one_statement_are_one(sql, queued, local, second):
    for session in (sql, queued):
        session.emulator.reset()
        done = session.run(
            "WITH a AS (UPDATE issues SET title = 'a' WHERE id = 2 RETURNING issues.id), "
            f"b AS ({second} WHERE id = 2 RETURNING issues.id) "
            "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)"
            if session.exact
            else f"WITH a AS (UPDATE issues SET title = 'a' WHERE id = 2), "
            f"b AS ({second} WHERE id = 2) SELECT 1"
        )
        assert len(done.sent) == 1


def test_delete_with_a_subquery_on_another_foreign_table(sql, emulator):
    state = emulator.call("GET", "state?collection=issue_comments&repository=acme/website")
    commented = {row["issue_id"] for row in state["issue_comments"]}
    done = sql.run("DELETE FROM issues WHERE id IN (SELECT issue_id FROM issue_comments)")
    assert {path for _, path, _ in done.sent} == {f"{ISSUES}/{number}" for number in commented}


def test_a_comment_on_each_issue_of_a_listing(sql, emulator):
    # Commenting may change the order of the listing that leads to the comments.
    done = sql.run(
        "INSERT INTO issue_comments (issue_id, content_raw) "
        "SELECT id, 'seen' FROM issues WHERE state = 'new'"
    )
    new = {i["id"] for i in documents(emulator, "issues") if i["state"] == "new"}
    assert {path for _, path, _ in done.sent} == {f"{ISSUES}/{n}/comments" for n in new}


def test_changes_in_with_queries(sql, emulator):
    done = sql.run(
        "WITH made AS (INSERT INTO issues (title) VALUES ('t') RETURNING id), "
        "said AS (INSERT INTO issue_comments (issue_id, content_raw) "
        "SELECT id, 'c' FROM made RETURNING issue_id) "
        "DELETE FROM issues WHERE id IN (1, 2) AND EXISTS (SELECT FROM said)"
    )
    assert [method for method, _, _ in done.sent] == ["POST", "POST", "DELETE", "DELETE"]
    assert documents(emulator, "issue_comments", issue_id=46)


def test_a_loop_over_a_query_may_change_what_it_reads(sql, emulator):
    sql.run(
        """
        DO $$
        DECLARE found record; BEGIN
            FOR found IN SELECT id, title FROM issues LOOP
                UPDATE issues SET title = 'seen' WHERE id = found.id;
                INSERT INTO issues (title) VALUES ('made');
            END LOOP;
        END $$
        """
    )
    titles = [issue["title"] for issue in documents(emulator, "issues")]
    assert sorted(titles) == ["made"] * 45 + ["seen"] * 45


def test_a_cursor_goes_on_with_the_rows_as_they_were(sql, emulator):
    expected = sql.run("SELECT id FROM pull_requests").rows
    sql.run("BEGIN")
    sql.run("DECLARE c CURSOR FOR SELECT id FROM pull_requests")
    rows = sql.run("FETCH 5 FROM c").rows
    sql.run("UPDATE pull_requests SET title = 'x' WHERE state = 'OPEN' AND id IN (2, 6)")
    rows += sql.run("FETCH ALL FROM c").rows
    sql.run("COMMIT")
    assert rows == expected


def test_reading_ahead_that_fails_is_not_taken_for_the_end(sql, emulator):
    sql.run("BEGIN")
    sql.run("DECLARE c CURSOR FOR SELECT id FROM pull_requests")
    sql.run("FETCH 5 FROM c")
    sql.run("SAVEPOINT a")
    emulator.fault("*/pullrequests", method="GET", kind="status", status=403)
    with sql.failing("42501"):
        sql.run("UPDATE pull_requests SET title = 'x' WHERE id = 6")
    sql.run("ROLLBACK TO a")
    with sql.failing():
        sql.run("FETCH ALL FROM c")


# --- COPY ---


def needs_copy(host):
    if host != BUNDLED:
        pytest.skip("COPY FROM to a foreign table crashes the server on Multicorn2 3.2")


def copy(session, *rows):
    statement = "COPY issues (title, kind) FROM STDIN"
    with session.connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


def test_copy(sql, emulator, host):
    needs_copy(host)
    before = sql.mark()
    copy(sql, ("one", "bug"), ("two", None))
    done = sql.since(before)
    assert [body for _, _, body in done.sent] == [
        {"title": "one", "kind": "bug"},
        {"title": "two"},
    ]


def test_a_mistake_in_copy_says_which_row(sql, host):
    needs_copy(host)
    with sql.failing("22023", match="'epic' is no kind") as failed:
        copy(sql, ("one", "bug"), ("two", "epic"))
    assert "Row 2 of the statement." in failed.detail


# --- partitions ---


@pytest.fixture
def by_kind(writes_db):
    """A partitioned table: bugs are kept here, tasks are issues at Bitbucket."""
    writes_db.execute(
        """
        CREATE TABLE public.by_kind (id bigint, title text, kind text) PARTITION BY LIST (kind);
        CREATE TABLE public.bugs_here PARTITION OF public.by_kind FOR VALUES IN ('bug');
        CREATE FOREIGN TABLE public.tasks_there PARTITION OF public.by_kind FOR VALUES IN ('task')
            SERVER bitbucket
            OPTIONS ("table" 'issues', workspace 'acme', repository 'website');
        """
    )
    yield
    writes_db.execute("DROP TABLE public.by_kind")


def test_rows_are_routed_to_a_foreign_partition(sql, by_kind, host):
    if host != BUNDLED:
        pytest.skip("routing rows to a foreign partition crashes the server on Multicorn2 3.2")
    done = sql.run(
        "INSERT INTO public.by_kind (title, kind) VALUES ('here', 'bug'), ('there', 'task')"
    )
    assert done.sent == [("POST", ISSUES, {"title": "there", "kind": "task"})]
    # The foreign partition may be updated too, and with it the row that has just come there.
    with sql.failing("0A000", match="cannot route tuples into foreign table") as failed:
        sql.run("UPDATE public.by_kind SET kind = 'task' WHERE title = 'here'")
    assert failed.done.sent == []
    done = sql.run("UPDATE public.by_kind SET kind = 'task' WHERE title = 'here' AND kind = 'bug'")
    assert done.sent == [("POST", ISSUES, {"title": "here", "kind": "task"})]
    assert sql.run("SELECT * FROM public.bugs_here").rows == []


# --- ON CONFLICT ---


@pytest.mark.parametrize(
    "clause",
    [
        "ON CONFLICT DO NOTHING",
        "ON CONFLICT (name) DO NOTHING",
        "ON CONFLICT (name) DO UPDATE SET target_commit_hash = excluded.target_commit_hash",
    ],
)
def test_on_conflict_is_an_error(sql, clause):
    with sql.failing(match="ON CONFLICT") as failed:
        sql.run(f"INSERT INTO branches (name, target_commit_hash) VALUES ('b', 'main') {clause}")
    assert failed.done.sent == []


def test_the_way_around_on_conflict(sql):
    statement = (
        "INSERT INTO branches (name, target_commit_hash) SELECT %s, 'main' "
        "WHERE NOT EXISTS (SELECT FROM branches WHERE name = %s)"
    )
    assert len(sql.run(statement, ("new", "new")).sent) == 1
    assert sql.run(statement, ("new", "new")).sent == []


# --- triggers ---


def test_row_triggers(sql, writes_db, emulator):
    writes_db.execute(
        """
        DROP TABLE IF EXISTS public.audit;
        CREATE TABLE public.audit (op text, old_title text, new_title text, id bigint);
        CREATE OR REPLACE FUNCTION public.before_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.title = 'skip' THEN RETURN NULL; END IF;
            NEW.title := upper(NEW.title); RETURN NEW;
        END $$;
        CREATE OR REPLACE FUNCTION public.after_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.audit VALUES (TG_OP,
                CASE WHEN TG_OP <> 'INSERT' THEN OLD.title END,
                CASE WHEN TG_OP <> 'DELETE' THEN NEW.title END,
                CASE WHEN TG_OP <> 'DELETE' THEN NEW.id ELSE OLD.id END);
            RETURN NULL;
        END $$;
        CREATE TRIGGER before_change BEFORE INSERT OR UPDATE ON website.issues
            FOR EACH ROW EXECUTE FUNCTION public.before_change();
        CREATE TRIGGER after_change AFTER INSERT OR UPDATE OR DELETE ON website.issues
            FOR EACH ROW EXECUTE FUNCTION public.after_change();
        """
    )
    try:
        before = document(emulator, "issues", 1)["title"]
        sent = []
        for statement in (
            "INSERT INTO issues (title) VALUES ('one'), ('skip')",
            "UPDATE issues SET title = 'two' WHERE id = 1",
            "DELETE FROM issues WHERE id = 1",
        ):
            sent += sql.run(statement).sent
        assert sent == [
            ("POST", ISSUES, {"title": "ONE"}),
            ("PUT", f"{ISSUES}/1", {"title": "TWO"}),
            ("DELETE", f"{ISSUES}/1", None),
        ]
        assert sql.run("SELECT * FROM public.audit").rows == [
            ("INSERT", None, "ONE", 46),
            ("UPDATE", before, "TWO", 1),
            ("DELETE", "TWO", None, 1),
        ]
    finally:
        writes_db.execute(
            "DROP TRIGGER before_change ON website.issues; "
            "DROP TRIGGER after_change ON website.issues"
        )


def test_a_local_trigger_writes_to_bitbucket(sql, writes_db):
    writes_db.execute(
        """
        DROP TABLE IF EXISTS public.tickets;
        CREATE TABLE public.tickets (title text, number bigint);
        CREATE OR REPLACE FUNCTION public.report_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO website.issues (title) VALUES (NEW.title) RETURNING id INTO NEW.number;
            RETURN NEW;
        END $$;
        CREATE TRIGGER report BEFORE INSERT ON public.tickets
            FOR EACH ROW EXECUTE FUNCTION public.report_ticket();
        """
    )
    done = sql.run("INSERT INTO public.tickets VALUES ('a'), ('b') RETURNING number")
    assert done.rows == [(46,), (47,)]


def test_a_view_passes_changes_on(sql, writes_db):
    writes_db.execute(
        "CREATE OR REPLACE VIEW public.bugs AS "
        "SELECT id, title, kind FROM website.issues WHERE kind = 'bug' WITH CHECK OPTION"
    )
    done = sql.run("INSERT INTO public.bugs (title, kind) VALUES ('t', 'bug') RETURNING id")
    assert done.row == (46,)
    assert sql.run("UPDATE public.bugs SET title = 'u' WHERE id = 46").sent == [
        ("PUT", f"{ISSUES}/46", {"title": "u"})
    ]


# --- what is not done ---


def test_explain_sends_nothing_and_analyze_does(sql):
    assert sql.run("EXPLAIN UPDATE issues SET title = 'x' WHERE id = 1").requests == []
    done = sql.run("EXPLAIN ANALYZE UPDATE issues SET title = 'x' WHERE id = 1")
    assert done.sent == [("PUT", f"{ISSUES}/1", {"title": "x"})]


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE issues",
        "SELECT * FROM issues WHERE id = 1 FOR UPDATE",
        "UPDATE issues SET title = 'x' WHERE CURRENT OF c",
    ],
)
def test_statements_that_foreign_tables_do_not_take(sql, statement):
    sql.run("BEGIN")
    sql.run("DECLARE c CURSOR FOR SELECT * FROM issues")
    sql.run("FETCH 1 FROM c")
    if "FOR UPDATE" in statement:
        # Rows at Bitbucket cannot be locked: PostgreSQL reads them and locks nothing.
        assert sql.run(statement).sent == []
        return
    with sql.failing() as failed:
        sql.run(statement)
    assert failed.done.sent == []


def test_values_travel_whole(sql, emulator):
    for text in ("", " ", "'\"\\", "a\tb\r\nc", "😀 e\u0301 \u202eabc", "x" * 100_000, "$1 %s {}"):
        number = sql.value(
            "INSERT INTO issues (title, content_raw) VALUES ('t', %s) RETURNING id", (text,)
        )
        assert document(emulator, "issues", number)["content"]["raw"] == text
        done = sql.run("UPDATE issues SET content_raw = %s WHERE id = %s", (text, number))
        assert done.sent == []


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY", "ISO, YMD"])
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "UTC", "America/St_Johns"])
def test_times_in_any_style_are_neither_sent_nor_lost(sql, emulator, style, zone):
    sql.run(f"SET DateStyle = '{style}'; SET TimeZone = '{zone}'")
    done = sql.run(
        "UPDATE issues SET title = 'x' WHERE id = 3 RETURNING extract(epoch FROM created_on)::text"
    )
    assert done.sent == [("PUT", f"{ISSUES}/3", {"title": "x"})]
    sql.run("SET DateStyle = 'ISO'; SET TimeZone = 'UTC'")
    expected = sql.value(
        "SELECT extract(epoch FROM %s::timestamptz)::text",
        (document(emulator, "issues", 3)["created_on"],),
    )
    assert done.row == (expected,)


def test_who_wrote_it_is_the_mappings_account(sql, emulator):
    done = sql.run("INSERT INTO issues (title) VALUES ('t') RETURNING reporter_account_id")
    assert done.row == (account(emulator, "ada")["account_id"],)
