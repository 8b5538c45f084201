"""Random changes in random transactions leave Bitbucket as the mode promises."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.writes import model
from tests.writes.model import Model, Refused

SCHEMAS = {"warn": "website", "undo": "undone", "commit": "queued"}
SAVEPOINTS = ("a", "b")

# Few rows, so that changes meet: an update of what is deleted later, a name that is used again.
picks = st.integers(0, 2)
texts = st.sampled_from(["x", "y"])
names = st.sampled_from(["b1", "b2"])
keys = st.sampled_from(["P1", "P2"])
fields = st.fixed_dictionaries(
    {},
    optional={
        "title": texts,
        "kind": st.sampled_from(["bug", "task"]),
        "component": st.sampled_from(["UI", "API", None]),
    },
).filter(bool)


def steps(kind, *arguments):
    return st.tuples(st.just(kind), *arguments)


CHANGES = st.one_of(
    steps("insert issue", texts),
    steps("update issue", picks, fields),
    steps("delete issue", picks),
    steps("insert comment", picks, texts),
    steps("update comment", picks, texts),
    steps("delete comment", picks),
    steps("insert branch", names, st.integers(0, 1)),
    steps("delete branch", names),
    steps("insert project", keys, texts),
    steps("update project", keys, texts),
    steps("delete project", keys),
    steps("mistake"),
)


def weighted(*choices):
    """One of several strategies, each as likely as its number says."""
    return st.sampled_from([which for n, which in choices for _ in range(n)]).flatmap(lambda s: s)


def flat(parts):
    return [step for part in parts for step in part]


# A savepoint, what follows it, and what becomes of it; or one of the three by itself.
savepoints = st.sampled_from(SAVEPOINTS)
PARTS = st.tuples(
    savepoints,
    st.lists(CHANGES, min_size=1, max_size=4),
    st.sampled_from(["rollback to", "rollback to", "release", None]),
).map(lambda p: [("savepoint", p[0]), *p[1], *([(p[2], p[0])] if p[2] else [])])
CONTROL = st.tuples(st.sampled_from(["savepoint", "rollback to", "release"]), savepoints)
# One row, changed twice: neither change may take back the other's columns.
TWICE = st.tuples(picks, fields, fields).map(
    lambda p: [("update issue", p[0], p[1]), ("update issue", p[0], p[2])]
)
BODIES = st.lists(
    weighted(
        (5, CHANGES.map(lambda step: [step])),
        (2, TWICE),
        (3, PARTS),
        (1, CONTROL.map(lambda step: [step])),
    ),
    min_size=2,
    max_size=6,
).map(flat)
TRANSACTIONS = st.tuples(BODIES, st.sampled_from(["commit", "commit", "rollback"])).map(
    lambda parts: [("begin",), *parts[0], (parts[1],)]
)
PLAYS = st.lists(
    weighted((3, TRANSACTIONS), (1, CHANGES.map(lambda step: [step]))), min_size=1, max_size=2
).map(flat)


def observed(emulator):
    """The rows that Bitbucket holds."""

    def rows(collection):
        place = "" if collection == "projects" else "&repository=acme/website"
        found = emulator.call("GET", f"state?collection={collection}{place}")
        for row in found.get(collection, ()):
            if row["workspace"] == "acme":
                yield row, row["document"]

    return {
        "issues": {
            (doc["id"],): {
                "title": doc["title"],
                "kind": doc["kind"],
                "component": (doc["component"] or {}).get("name"),
            }
            for _, doc in rows("issues")
        },
        "issue_comments": {
            (row["issue_id"], doc["id"]): {"content_raw": doc["content"]["raw"]}
            for row, doc in rows("issue_comments")
        },
        "branches": {
            (doc["name"],): {"target_commit_hash": doc["target"]["hash"]}
            for _, doc in rows("branches")
        },
        "projects": {(doc["key"],): {"name": doc["name"]} for _, doc in rows("projects")},
    }


class Player:
    """Plays steps on a session and on the model, and compares after each."""

    def __init__(self, session, mode):
        self.session = session
        self.emulator = session.emulator
        self.emulator.reset()
        self.model = Model(mode, observed(self.emulator))
        self.commits = sorted(
            {row["target_commit_hash"] for row in self.model.state["branches"].values()}
        )[:2]
        self.fresh = 0

    # --- what a step is ---

    def play(self, step):
        kind, *arguments = step
        name = kind.replace(" ", "_")
        if kind in ("begin", "commit", "rollback", "savepoint", "rollback to", "release"):
            getattr(self, name)(*arguments)
        elif not self.model.failed:
            change = getattr(self, name)(*arguments)
            if change is not None:
                self.run(*change)
        self.compare()

    def visible(self, table):
        """Rows that a SELECT shows now, the few that the steps choose from."""
        keys = sorted(self.model.state[table])
        return [keys[0], *keys[-2:]]

    def pick(self, table, number):
        keys = self.visible(table)
        return keys[number % len(keys)]

    def new(self):
        """A key for a row whose real one is only known once it is there."""
        self.fresh += 1
        return -self.fresh

    def insert_issue(self, title):
        row = {"title": title, "kind": "bug", "component": None}
        statement = "INSERT INTO issues (title) VALUES (%s)"
        return statement, (title,), (model.insert, "issues", (self.new(),), row)

    def update_issue(self, number, values):
        key = self.pick("issues", number)
        assignments = ", ".join(f"{column} = %s" for column in values)
        statement = f"UPDATE issues SET {assignments} WHERE id = %s"
        return statement, (*values.values(), *key), (model.update, "issues", key, values)

    def delete_issue(self, number):
        key = self.pick("issues", number)
        return "DELETE FROM issues WHERE id = %s", key, (model.delete, "issues", key)

    def insert_comment(self, number, text):
        issue = self.pick("issues", number)
        statement = "INSERT INTO issue_comments (issue_id, content_raw) VALUES (%s, %s)"
        change = (model.insert, "issue_comments", (*issue, self.new()), {"content_raw": text})
        return statement, (*issue, text), change

    def update_comment(self, number, text):
        key = self.pick("issue_comments", number)
        statement = "UPDATE issue_comments SET content_raw = %s WHERE issue_id = %s AND id = %s"
        change = (model.update, "issue_comments", key, {"content_raw": text})
        return statement, (text, *key), change

    def delete_comment(self, number):
        key = self.pick("issue_comments", number)
        statement = "DELETE FROM issue_comments WHERE issue_id = %s AND id = %s"
        return statement, key, (model.delete, "issue_comments", key)

    def insert_branch(self, name, number):
        values = {"target_commit_hash": self.commits[number]}
        statement = "INSERT INTO branches (name, target_commit_hash) VALUES (%s, %s)"
        change = (model.insert, "branches", (name,), values)
        return statement, (name, self.commits[number]), change

    def delete_branch(self, name):
        if (name,) not in self.model.state["branches"]:
            return None
        return "DELETE FROM branches WHERE name = %s", (name,), (model.delete, "branches", (name,))

    def insert_project(self, key, name):
        statement = "INSERT INTO projects (key, name) VALUES (%s, %s)"
        return statement, (key, name), (model.insert, "projects", (key,), {"name": name})

    def update_project(self, key, name):
        if (key,) not in self.model.state["projects"]:
            return None
        statement = "UPDATE projects SET name = %s WHERE key = %s"
        return statement, (name, key), (model.update, "projects", (key,), {"name": name})

    def delete_project(self, key):
        if (key,) not in self.model.state["projects"]:
            return None
        return "DELETE FROM projects WHERE key = %s", (key,), (model.delete, "projects", (key,))

    def mistake(self):
        return "INSERT INTO issues (title, kind) VALUES ('t', 'epic')", (), None

    # --- playing it ---

    def run(self, statement, parameters, change):
        """One change, in a transaction of its own if none is open."""
        alone = not self.model.parts
        if alone:
            self.model.begin()
        refused = change is None
        if change is not None:
            try:
                self.model.change(*change)
            except Refused:
                refused = True
        if refused:
            self.model.fail()
        if alone:
            refused = not self.finish(self.model.commit) or refused
        self.execute(statement, parameters, refused=refused)

    def finish(self, end):
        try:
            end()
        except Refused:
            return False
        return True

    def execute(self, statement, parameters=(), *, refused=False):
        note(f"{statement} {parameters} {'refused' if refused else ''}")
        try:
            self.session.connection.execute(statement.encode(), parameters)
        except psycopg.Error:
            if not refused:
                raise
        else:
            assert not refused, "should have been refused"

    def begin(self):
        if not self.model.parts:
            self.model.begin()
            self.execute("BEGIN")

    def commit(self):
        if self.model.parts:
            self.execute("COMMIT", refused=not self.finish(self.model.commit))

    def rollback(self):
        if self.model.parts:
            self.model.rollback()
            self.execute("ROLLBACK")

    def savepoint(self, name):
        if self.model.parts and not self.model.failed:
            self.model.savepoint(name)
            self.execute(f"SAVEPOINT {name}")

    def rollback_to(self, name):
        if self.model.has_savepoint(name):
            self.model.rollback_to(name)
            self.execute(f"ROLLBACK TO {name}")

    def release(self, name):
        if self.model.has_savepoint(name) and not self.model.failed:
            self.model.release(name)
            self.execute(f"RELEASE {name}")

    # --- comparing ---

    def compare(self):
        found = observed(self.emulator)
        for table in model.TABLES:
            expected = self.model.state[table]
            known = {key: row for key, row in expected.items() if key[-1:] and not new(key)}
            assert {key: row for key, row in found[table].items() if key in known} == known, table
            rest = [row for key, row in found[table].items() if key not in known]
            assert sorted(map(repr, rest)) == sorted(
                repr(row) for key, row in expected.items() if new(key)
            ), table
        self.adopt(found)

    def adopt(self, found):
        """Give rows that are new their real keys, everywhere in the model."""
        renamed = {}
        for table in ("issues", "issue_comments"):
            unknown = [key for key in self.model.state[table] if new(key)]
            real = [key for key in found[table] if key not in self.model.state[table]]
            for key in unknown:
                row = self.model.state[table][key]
                match = next(k for k in real if found[table][k] == row and k[:-1] == key[:-1])
                real.remove(match)
                renamed[table, key] = match
        for state in (self.model.state, *(part.before for part in self.model.parts)):
            for (table, key), real_key in renamed.items():
                if key in state[table]:
                    state[table][real_key] = state[table].pop(key)


def new(key):
    return isinstance(key[-1], int) and key[-1] < 0


@pytest.mark.parametrize("mode", SCHEMAS)
def test_bitbucket_is_left_as_the_mode_promises(session_in, mode):
    session = session_in(f"{SCHEMAS[mode]}, acme{'' if mode == 'warn' else '_' + SCHEMAS[mode]}")

    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(PLAYS)
    def check(steps):
        player = Player(session, mode)
        try:
            for step in steps:
                player.play(step)
        finally:
            session.connection.execute("ROLLBACK")

    check()
