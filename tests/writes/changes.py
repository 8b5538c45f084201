"""One statement for every change that any table takes, derived from the declarations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.endpoints import SLUGS
from bitbucket_fdw.tables.table import Table
from bitbucket_fdw.tables.writing import Field, Transition
from bitbucket_fdw.writing.requests import verbs, writable
from tests.writes.writing import Session

# Values of the sample for what cannot be made up.
VALUES: dict[str, Any] = {
    "target_commit_hash": "main",
    "source_branch_name": "topic",
    "url": "https://ci.example/1",
    "issue_id": 2,
    "pull_request_id": 44,
    "parent_id": None,
    "key": "K1",
    "kind": "force",
}
# What an INSERT needs besides what is always required.
HANA = "(SELECT user_uuid FROM acme.workspace_members WHERE user_nickname = 'hana')"
MORE = {
    "branch_restrictions": {"pattern": "'mine'"},
    "default_reviewers": {"user_uuid": HANA},
    "project_default_reviewers": {"project_key": "'WEB'", "user_uuid": HANA},
}
# Columns that stand in an INSERT's path, and what they hold.
KEYS = {
    "user_uuid": "(SELECT user_uuid FROM acme.workspace_members WHERE user_nickname = 'goro')",
    "group_slug": "'release-managers'",
    "project_key": "'WEB'",
}
# Rows that can be changed where not any row of the table can. Of other tables it is the first row.
ROWS = {
    "pull_requests": "id = 6",
    "pull_request_comments": "pull_request_id = 44 AND user_nickname = 'ada'",
    "pull_request_tasks": "pull_request_id = 44",
    "pull_request_participants": "pull_request_id = 44 AND user_nickname = 'ada'",
    "commit_statuses": "commit_hash = (SELECT target_commit_hash FROM branches "
    "WHERE name = 'main') AND key = 'mine'",
    "commit_comments": "commit_hash = (SELECT target_commit_hash FROM branches "
    "WHERE name = 'main')",
    "branches": "name = 'mine'",
    "tags": "name = 'mine'",
    "projects": "key = 'MINE'",
    "issues": "id = 3",
    "issue_comments": "issue_id = 2 AND user_nickname = 'ada'",
    **{table.name: "permission = 'admin'" for table in TABLES if table.nothing},
}
HEAD = "(SELECT target_commit_hash FROM branches WHERE name = 'main')"
# Rows that the sample does not have, made before.
MAKE = (
    "INSERT INTO branches (name, target_commit_hash) VALUES ('topic', 'feature/login-23')",
    "INSERT INTO branches (name, target_commit_hash) VALUES ('mine', 'main')",
    "INSERT INTO tags (name, target_commit_hash) VALUES ('mine', 'main')",
    "INSERT INTO pull_request_comments (pull_request_id, content_raw, inline_path, inline_to) "
    "VALUES (44, 'mine', 'README.md', 1)",
    "INSERT INTO pull_request_tasks (pull_request_id, content_raw) VALUES (44, 'mine')",
    f"INSERT INTO commit_comments (commit_hash, content_raw) SELECT {HEAD}, 'mine'",
    "INSERT INTO commit_statuses (commit_hash, key, state, url) "
    f"SELECT {HEAD}, 'mine', 'INPROGRESS', 'https://ci.example/0'",
    "INSERT INTO issue_comments (issue_id, content_raw) VALUES (2, 'mine')",
)
PROJECT = "INSERT INTO projects (key, name) VALUES ('MINE', 'mine')"
VERDICT = "INSERT INTO pull_request_participants (pull_request_id, state) VALUES (44, 'approved')"


@dataclass(frozen=True)
class Change:
    """A change of one table: the verb, and the change of state, if it is one."""

    table: type[Table]
    verb: str
    transition: Transition | None = None

    def __str__(self) -> str:
        to = f" {self.transition.value}" if self.transition else ""
        return f"{self.verb} {self.table.name}{to}"

    @property
    def method(self) -> str:
        writes = self.table.writes
        if self.verb == "DELETE":
            declared = writes.delete or writes.withdrawals[0].write
        elif self.transition is not None:
            declared = self.transition.write
        else:
            declared = (writes.insert if self.verb == "INSERT" else writes.update) or writes.insert
        assert declared is not None
        return declared.method

    def statement(self) -> str:
        name, rows = self.table.name, _rows(self.table)
        if self.verb == "DELETE":
            return f"DELETE FROM {name} WHERE {rows}"
        if self.verb == "INSERT":
            return self._insert()
        if self.transition is not None:
            return (
                f"UPDATE {name} SET {self.transition.column} = {_literal(self.transition.value)} "
                f"WHERE {rows}"
            )
        assert self.table.writes.update is not None
        field = self.table.writes.update.fields[0]
        return f"UPDATE {name} SET {field.column} = {_value(field, 'changed')} WHERE {rows}"

    def _insert(self) -> str:
        table, write = self.table, self.table.writes.insert
        given = {f.column: _value(f, "new") for f in write.fields if f.required} if write else {}
        given.update(MORE.get(table.name, {}))
        if self.transition is not None:
            given[self.transition.column] = _literal(self.transition.value)
        for column in table.columns:
            if column.name == "commit_hash" and column.param:
                given[column.name] = HEAD
            elif column.name in ("issue_id", "pull_request_id"):
                given[column.name] = str(VALUES[column.name])
            elif column.name in KEYS and column.name in writable(table, "INSERT"):
                given.setdefault(column.name, KEYS[column.name])
        return f"INSERT INTO {table.name} ({', '.join(given)}) SELECT {', '.join(given.values())}"

    def prepare(self, session: Session) -> None:
        """Make what the statement needs, which the sample does not have."""
        for statement in MAKE:
            session.run(statement)
        if self.table.name == "pull_request_participants":
            to = self.transition.value if self.transition else None
            if self.verb != "INSERT" and to != "approved":
                session.run(VERDICT)
            elif self.verb == "UPDATE":
                session.run(VERDICT.replace("approved", "changes_requested"))
        if self.table.name == "projects":
            session.run(PROJECT)
        if self.transition and self.transition.value is False:
            session.run(
                f"UPDATE {self.table.name} SET {self.transition.column} = true "
                f"WHERE {_rows(self.table)}"
            )


def every_change() -> list[Change]:
    """All changes of all tables."""
    found = []
    for table in TABLES:
        writes = table.writes
        for verb in verbs(table):
            plain = {"INSERT": writes.insert, "UPDATE": writes.update}
            if verb == "DELETE" or plain[verb] is not None:
                found.append(Change(table, verb))
            if verb == "UPDATE" or (verb == "INSERT" and writes.insert is None):
                found += [Change(table, verb, transition) for transition in writes.transitions]
    return found


def _rows(table: type[Table]) -> str:
    """A condition that holds for a row that can be changed."""
    if table.name in ROWS:
        return ROWS[table.name]
    key = ", ".join(column for column in table.primary_key if column not in SLUGS)
    first = f"({key}) = (SELECT {key} FROM {table.name} ORDER BY {key} LIMIT 1)"
    return first if key else "true"  # in a repository's schema there is the one row


def _value(field: Field, text: str) -> str:
    if field.values:
        return _literal(field.values[0])
    return _literal(VALUES.get(field.column, text))


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, (bool, int)) else f"'{value}'"
