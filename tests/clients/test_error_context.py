"""A user's error trails at most one line of context."""

import psycopg
import pytest

STATEMENTS = (
    "SELECT * FROM acme__website.tags",
    "SELECT t.name FROM acme__website.branches b JOIN acme__website.tags t ON t.name = b.name",
    "UPDATE acme__website.branches SET name = 'x'",
    "INSERT INTO acme__website.issues (id, title) VALUES (1, 'x')",
    "CREATE FOREIGN TABLE t (x text) SERVER bitbucket OPTIONS (\"table\" 'nonsense')",
    "ALTER SERVER bitbucket OPTIONS (ADD nonsense 'x')",
    "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS (ADD nonsense 'x')",
    "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public OPTIONS (names 'x')",
)


def test_errors_of_statements_trail_one_line_of_context_at_most(db, host):
    db.execute(
        "SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme', repositories => '{website}')"
    )
    for statement in STATEMENTS:
        db.emulator.fault("*/refs/tags*", kind="status", status=403, count=2)
        with pytest.raises(psycopg.Error) as failed:
            db.query(statement)
        lines = (failed.value.diag.context or "").splitlines()
        # On Multicorn2 the extension's event trigger looks at options, and is named.
        trigger = host == "multicorn2" and "OPTIONS" in statement and "IMPORT" not in statement
        assert len(lines) == int(trigger), statement
