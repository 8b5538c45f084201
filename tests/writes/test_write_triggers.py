"""Statements that change a table while another statement on it is under way."""

import pytest

from tests.writes.writing import R, document, documents, titles

ISSUES = f"{R}/issues"


@pytest.fixture
def trigger(writes_db):
    """Make a trigger ``nested`` on a table, of a function with that body."""
    made = []

    def make(table, when, body):
        writes_db.execute(
            f"CREATE OR REPLACE FUNCTION public.nested() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body} END $$; "
            f"CREATE TRIGGER nested {when} EXECUTE FUNCTION public.nested()"
        )
        made.append(table)

    yield make
    for table in made:
        writes_db.execute(f"DROP TRIGGER nested ON {table}")


@pytest.fixture
def first_issue(emulator):
    """An issue with at least two comments: its number and theirs."""
    comments = emulator.call("GET", "state?collection=issue_comments&repository=acme/website")
    by_issue = {}
    for row in comments["issue_comments"]:
        by_issue.setdefault(row["issue_id"], []).append(row["document"]["id"])
    return next((issue, found) for issue, found in by_issue.items() if len(found) > 1)


@pytest.mark.parametrize("schema", ["acme", "acme_undone"])
def test_a_trigger_may_write_the_table_whose_rows_are_deleted(
    sql, emulator, trigger, first_issue, schema
):
    issue, (one, *others) = first_issue
    table = f"{schema}.issue_comments"
    where = f"WHERE repository = 'website' AND issue_id = {issue}"
    trigger(
        table,
        f"BEFORE DELETE ON {table} FOR EACH ROW WHEN (OLD.id <> {one})",
        f"UPDATE {table} SET content_raw = 'x' {where} AND id = {one}; RETURN OLD;",
    )
    done = sql.run(f"DELETE FROM {table} {where} AND id <> {one}")
    comments = f"{R}/issues/{issue}/comments"
    assert [path for method, path, _ in done.sent if method == "DELETE"] == [
        f"{comments}/{other}" for other in others
    ]
    assert document(emulator, "issue_comments", one, issue_id=issue)["content"]["raw"] == "x"


@pytest.mark.parametrize("schema", ["website", "undone", "queued"])
def test_a_row_that_a_trigger_changes_too_gets_both_changes(session_in, emulator, trigger, schema):
    session, table = session_in(schema), f"{schema}.issues"
    trigger(
        table,
        f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN (NEW.title LIKE 'outer%')",
        f"UPDATE {table} SET kind = 'task', priority = 'blocker' WHERE id = NEW.id; RETURN NEW;",
    )
    done = session.run("UPDATE issues SET title = 'outer ' || id WHERE id IN (1, 2)")
    for number in (1, 2):
        assert [body for _, path, body in done.sent if path == f"{ISSUES}/{number}"] == [
            {"kind": "task", "priority": "blocker"},
            {"title": f"outer {number}"},
        ]


def test_a_statement_trigger_may_write_the_table_first(sql, emulator, trigger):
    trigger(
        "acme.issues",
        "BEFORE DELETE ON acme.issues FOR EACH STATEMENT",
        "INSERT INTO acme.issues (repository, title) VALUES ('website', 'noted'); RETURN NULL;",
    )
    done = sql.run("DELETE FROM acme.issues WHERE repository = 'website' AND id IN (1, 2)")
    first, *deleted = [(method, path) for method, path, _ in done.sent]
    assert first == ("POST", ISSUES)
    assert sorted(deleted) == [("DELETE", f"{ISSUES}/1"), ("DELETE", f"{ISSUES}/2")]


def test_a_trigger_whose_own_statement_fails(sql, emulator, trigger):
    trigger(
        "acme.issues",
        "BEFORE UPDATE ON acme.issues FOR EACH ROW WHEN (NEW.title LIKE 'outer%')",
        """
        BEGIN
            UPDATE acme.issues SET title = 'inner', component = 'no such'
            WHERE repository = 'website' AND id = NEW.id;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
        RETURN NEW;
        """,
    )
    sql.run("UPDATE acme.issues SET title = 'outer' WHERE repository = 'website' AND id IN (1, 2)")
    found = titles(emulator)
    assert (found[1], found[2]) == ("outer", "outer")


def test_several_changes_of_a_table_in_one_statement_of_a_trigger(sql, emulator, trigger):
    trigger(
        "acme.issues",
        "BEFORE DELETE ON acme.issues FOR EACH ROW WHEN (OLD.id IN (1, 2))",
        """
        WITH one AS (UPDATE acme.issues SET title = 'one'
                     WHERE repository = 'website' AND id = OLD.id + 10)
        DELETE FROM acme.issues WHERE repository = 'website' AND id = OLD.id + 20;
        RETURN OLD;
        """,
    )
    sql.run("DELETE FROM acme.issues WHERE repository = 'website' AND id IN (1, 2)")
    found = titles(emulator)
    assert (found[11], found[12]) == ("one", "one")
    assert not {1, 2, 21, 22} & set(found)


def test_a_function_may_write_the_table_that_calls_it(sql, writes_db, emulator):
    writes_db.execute(
        """
        CREATE OR REPLACE FUNCTION public.noted(number bigint) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE acme.issues SET title = 'noted' WHERE repository = 'website' AND id = 10;
            RETURN 'done ' || number;
        END $$
        """
    )
    sql.run(
        "UPDATE acme.issues SET title = public.noted(id) "
        "WHERE repository = 'website' AND id IN (1, 2)"
    )
    found = titles(emulator)
    assert (found[1], found[2], found[10]) == ("done 1", "done 2", "noted")


def test_nothing_is_remembered_once_the_statement_is_over(sql, emulator, trigger):
    # The comments of two issues may have one number in different repositories: what a statement
    # has read must not make the next one's rows ambiguous.
    trigger(
        "acme.issues",
        "AFTER UPDATE ON acme.issues FOR EACH ROW WHEN (NEW.id = 1)",
        "UPDATE acme.issues SET kind = 'task' WHERE repository = 'website' AND id = 2; "
        "RETURN NULL;",
    )
    sql.run("UPDATE acme.issues SET title = 'x' WHERE repository = 'website' AND id = 1")
    before = len(documents(emulator, "issues"))
    done = sql.run("DELETE FROM acme.issues WHERE repository = 'website' AND id IN (1, 2)")
    assert len(done.sent) == 2
    assert len(documents(emulator, "issues")) == before - 2
