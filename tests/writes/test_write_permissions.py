"""Explicit permissions: what a change sends, what it takes back, and what it changes for others."""

import pytest

from bitbucket_fdw.tables import TABLES
from tests.support.documents import rows_of
from tests.writes.writing import account

EXPLICIT = [table for table in TABLES if table.nothing]
WEBSITE = "/repositories/acme/website/permissions-config"
WEB = "/workspaces/acme/projects/WEB/permissions-config"
MODES = ("acme", "acme_undone", "acme_queued")


def given(emulator, table, place):
    """The explicit permissions of a place, by the account's nickname or the group's slug."""
    found = {}
    for row in rows_of(emulator, table):
        if row["workspace"] == "acme" and place in (row.get("repository"), row.get("project_key")):
            document = row["document"]
            who = document["user"]["nickname"] if "user" in document else document["group"]["slug"]
            found[who] = document["permission"]
    return found


def effective(emulator, nickname, repository="website"):
    """What an account may do in a repository."""
    for row in rows_of(emulator, "repository_permissions"):
        document = row["document"]
        named = document.get("repository", {}).get("full_name") == f"acme/{repository}"
        if named and document["user"].get("nickname") == nickname:
            return document["permission"]
    return None


@pytest.fixture
def goro(emulator):
    return account(emulator, "goro")["uuid"]


@pytest.mark.parametrize("mode", MODES)
def test_a_permission_is_given_changed_and_taken_away(session_in, emulator, goro, mode):
    sql = session_in(mode)
    path = f"{WEBSITE}/users/{goro}"
    where = f"WHERE repository = 'website' AND user_uuid = '{goro}'"
    assert effective(emulator, "goro") == "write"  # of his group, by the project
    done = sql.run(
        "INSERT INTO repository_user_permissions (repository, user_uuid, permission) "
        f"VALUES ('website', '{goro}', 'admin')"
    )
    assert done.sent == [("PUT", path, {"permission": "admin"})]
    assert effective(emulator, "goro") == "admin"
    done = sql.run(f"UPDATE repository_user_permissions SET permission = 'read' {where}")
    assert done.sent == [("PUT", path, {"permission": "read"})]
    assert given(emulator, "repository_user_permissions", "website")["goro"] == "read"
    assert effective(emulator, "goro") == "write"  # the highest is shown
    done = sql.run(f"DELETE FROM repository_user_permissions {where}")
    assert done.sent == [("DELETE", path, None)]
    assert "goro" not in given(emulator, "repository_user_permissions", "website")


def test_groups_go_by_their_slug(session_in, emulator):
    sql = session_in("acme")
    done = sql.run(
        "INSERT INTO project_group_permissions (project_key, group_slug, permission) "
        "VALUES ('WEB', 'release-managers', 'create-repo') RETURNING group_name, group_full_slug"
    )
    assert done.sent == [("PUT", f"{WEB}/groups/release-managers", {"permission": "create-repo"})]
    if done.row[0] is not None:  # a host may return what was given only
        assert done.row == ("Release managers 🚀", "acme:release-managers")
    sql.run(
        "UPDATE project_group_permissions SET permission = 'admin' "
        "WHERE project_key = 'WEB' AND group_slug = 'release-managers'"
    )
    assert effective(emulator, "goro") == "admin"


@pytest.mark.parametrize("table", EXPLICIT, ids=lambda table: table.name)
@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
@pytest.mark.parametrize("mode", ["acme_undone", "acme_queued"])
def test_what_is_rolled_back_leaves_everything_as_it_was(session_in, emulator, table, end, mode):
    sql = session_in(mode)
    key = table.primary_key[-1]
    rows = rows_of(emulator, table.name)
    free = (
        "(SELECT user_uuid FROM workspace_members WHERE user_nickname = 'goro')"
        if key == "user_uuid"
        else "'release-managers'"
    )
    *_, place, _ = table.primary_key
    somewhere = "WEB" if place == "project_key" else "website"
    sql.run("BEGIN")
    sql.run(f"UPDATE {table.name} SET permission = 'write' WHERE permission = 'admin'")
    sql.run(
        f"INSERT INTO {table.name} ({place}, {key}, permission) "
        f"SELECT '{somewhere}', {free}, 'admin'"
    )
    sql.run(f"DELETE FROM {table.name} WHERE permission = 'read' AND {place} = '{somewhere}'")
    done = sql.run(end)
    assert done.warnings == []
    now = rows_of(emulator, table.name)
    if end == "ROLLBACK":
        assert sorted(map(str, now)) == sorted(map(str, rows))
    else:
        of_acme = [row for row in now if row["workspace"] == "acme"]
        assert [row["document"]["permission"] for row in of_acme].count("admin") == 1
        assert "read" not in given(emulator, table.name, somewhere).values()


@pytest.mark.parametrize("answer", ["404", "none"])
@pytest.mark.parametrize("again", [None, "admin"])
def test_a_rollback_overwrites_nothing(session_in, emulator, answer, again):
    """What was taken away is given back, unless somebody else has given something meanwhile."""
    sql, other = session_in("acme_undone"), session_in("acme")
    ben = account(emulator, "ben")["uuid"]
    if answer == "none":
        emulator.fault("*/permissions-config/*", kind="permission_none", count=None)
    before = given(emulator, "repository_user_permissions", "website")
    sql.run("BEGIN")
    sql.run(
        "DELETE FROM repository_user_permissions "
        f"WHERE repository = 'website' AND user_uuid = '{ben}'"
    )
    if again:
        other.run(
            "INSERT INTO repository_user_permissions (repository, user_uuid, permission) "
            f"VALUES ('website', '{ben}', '{again}')"
        )
    done = sql.run("ROLLBACK")
    assert bool(done.warnings) is bool(again)
    assert "exists already" in "".join(done.stays) or not again
    wanted = {**before, "ben": again or before["ben"]}
    assert given(emulator, "repository_user_permissions", "website") == wanted


@pytest.mark.parametrize("answer", ["404", "none"])
@pytest.mark.parametrize("mode", MODES)
def test_an_insert_overwrites_nothing(session_in, emulator, answer, mode):
    sql = session_in(mode)
    fatima, goro = (account(emulator, name)["uuid"] for name in ("fatima", "goro"))
    if answer == "none":
        emulator.fault("*/permissions-config/*", kind="permission_none", count=None)
    before = given(emulator, "repository_user_permissions", "website")
    statement = (
        "INSERT INTO repository_user_permissions (repository, user_uuid, permission) "
        "VALUES ('website', '{}', 'read')"
    )
    with sql.failing("23505", match="exists already") as failed:
        sql.run(statement.format(fatima))
    # Pasted, it means this row and no other: the account may have permissions elsewhere.
    assert failed.hint == (
        "UPDATE it: … WHERE workspace = 'acme' AND repository = 'website' "
        f"AND user_uuid = '{fatima.strip('{}')}'"
    )
    assert given(emulator, "repository_user_permissions", "website") == before
    sql.run(statement.format(goro))
    assert given(emulator, "repository_user_permissions", "website") == {**before, "goro": "read"}


@pytest.mark.parametrize("answer", ["404", "none"])
def test_an_update_gives_nothing_back_that_was_taken_away(session_in, emulator, goro, answer):
    """Somebody else takes the permission away between the read and the change."""
    sql = session_in("acme")
    hana = account(emulator, "hana")["uuid"]
    emulator.fault(
        "*/projects/WEB/permissions-config/users/*",
        kind="status",
        method="GET",
        after=0,
        count=None,
        status=404 if answer == "404" else 200,
        body={"type": "error", "error": {"message": "gone"}}
        if answer == "404"
        else {"permission": "none", "user": {"uuid": hana, "display_name": "Hana"}},
    )
    with sql.failing(match="not there any more"):
        sql.run("UPDATE project_user_permissions SET permission = 'read' WHERE project_key = 'WEB'")
    assert given(emulator, "project_user_permissions", "WEB") == {"hana": "admin"}


@pytest.mark.parametrize("table", EXPLICIT, ids=lambda table: table.name)
def test_null_is_refused_before_it_is_sent(session_in, table):
    sql = session_in("website, acme")
    with sql.failing("23502", match="permission cannot be set to NULL") as failed:
        sql.run(f"UPDATE {table.name} SET permission = NULL")
    assert "DELETE the row instead. It can be: read, write" in failed.hint
    assert failed.done.sent == []


@pytest.mark.parametrize("table", EXPLICIT, ids=lambda table: table.name)
def test_none_is_refused_before_it_is_sent(session_in, table):
    sql = session_in("acme")
    with sql.failing("22023", match="'none' is no permission") as failed:
        sql.run(f"UPDATE {table.name} SET permission = 'none' WHERE permission = 'admin'")
    assert failed.hint.startswith("DELETE the row instead.")
    assert failed.done.sent == []
    if table.level == "repository":
        with sql.failing("22023", match="'create-repo' is no permission"):
            sql.run(f"UPDATE {table.name} SET permission = 'create-repo'")


@pytest.mark.parametrize(
    ("who", "status", "hint"),
    [
        ("ada", 400, "The owner of the workspace"),
        ("oauth-app", 400, "others must be members"),
        (None, 404, "workspace_members has those of all members"),
    ],
)
def test_errors_say_who_cannot_be_given_a_permission(session_in, emulator, who, status, hint):
    sql = session_in("acme")
    everybody = {row["caller"]: row["document"] for row in emulator.state()["authenticated_user"]}
    key = everybody[who]["uuid"] if who else "{00000000-0000-4000-8000-00000000dead}"
    with sql.failing(match=f"was answered {status}") as failed:
        sql.run(
            "INSERT INTO repository_user_permissions (repository, user_uuid, permission) "
            f"VALUES ('website', '{key}', 'read')"
        )
    assert hint in failed.hint


def test_errors_say_how_groups_are_called(session_in):
    sql = session_in("acme")
    with sql.failing(match="was answered 404") as failed:
        sql.run(
            "INSERT INTO repository_group_permissions (repository, group_slug, permission) "
            "VALUES ('website', 'Release managers', 'read')"
        )
    assert "Groups go by their slug" in failed.hint


def test_a_full_plan_is_told_of(session_in, emulator, goro):
    sql = session_in("acme")
    emulator.fault("*/permissions-config/*", kind="status", status=402, method="PUT", count=None)
    with sql.failing(match="was answered 402") as failed:
        sql.run(
            "INSERT INTO repository_user_permissions (repository, user_uuid, permission) "
            f"VALUES ('website', '{goro}', 'read')"
        )
    assert "plan's number of users" in failed.hint


@pytest.mark.parametrize("table", EXPLICIT, ids=lambda table: table.name)
def test_an_access_token_cannot_write(session_in, table):
    if table.level == "workspace":
        pytest.skip("the sessions by token have a repository's schema")
    token = session_in("token")
    with token.failing("42501", match="403") as failed:
        token.run(f"DELETE FROM {table.name} WHERE {table.primary_key[-1]} IS NOT NULL")
    assert "Access tokens cannot read" in failed.hint
    assert failed.done.sent == []


def test_a_row_without_a_key_cannot_be_changed(session_in, emulator):
    """Of an account that is gone."""
    sql = session_in("acme")
    emulator.fault("*/permissions-config/*", kind="former_accounts", count=None)
    for statement in (
        "UPDATE repository_user_permissions SET permission = 'write' WHERE user_uuid IS NULL",
        "DELETE FROM repository_user_permissions WHERE user_uuid IS NULL",
    ):
        with sql.failing():
            sql.run(statement)
    emulator.clear_faults()
    assert given(emulator, "repository_user_permissions", "website")["chloe"] == "read"
