"""Sample people, workspaces and projects."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from uuid import UUID

from bitbucket_fdw.emulator.data.plan import FIRST_DAY
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.sample import make_uuid
from bitbucket_fdw.emulator.store import Project, Store, Workspace
from bitbucket_fdw.emulator.times import offset_form

# Nicknames and display names; "Example" marks them as made up.
PEOPLE = (
    ("ada", "Ada Example"),
    ("ben", "Ben Example"),
    ("chloe", "Chloë Beispiel"),
    ("dilip", "दिलीप उदाहरण"),
    ("emre", "Emre Örnek"),
    ("fatima", "فاطمة مثال"),
    ("goro", "例 五郎"),
    ("hana", "Hana 🌸 Example"),
)
# Access tokens and OAuth consumers that sign in for themselves act as users of their own.
ROBOTS = (
    ("acme-token", "acme workspace token"),
    ("website-token", "website repository token"),
    ("oauth-app", "Acme reports"),
)

ACME_PROJECTS = (
    ("WEB", "Web", "Everything that customers see", False),
    ("MOB", "Mobile", "", True),
    ("OPS", 'Operations & "plumbing"', "Build, deploy, watch\nand repeat", True),
    ("NEW", "Nothing here yet", "", True),
)


def add_people(store: Store, seed: int) -> None:
    """Fill ``store.users``."""
    rng = Random(f"{seed}/people")
    for nickname, display_name in (*PEOPLE, *ROBOTS):
        uuid = make_uuid(rng)
        account_id = f"712020:{UUID(int=rng.getrandbits(128), version=4)}"
        user = store.documents.user(nickname, display_name, uuid, account_id)
        if (nickname, display_name) in ROBOTS:
            user["type"] = "app_user"
        store.users[nickname] = user


def anybody(store: Store, rng: Random, chance: float) -> Json:
    """The account of a person, or now and then of an app, or of a workspace as a team.

    :param chance: a number from 0 to 1. The higher ones make it no person.
    """
    person = store.users[rng.choice(PEOPLE)[0]]
    if chance > 0.98:
        return store.documents.team_reference(store.workspaces["acme"].document)
    return store.users["oauth-app"] if chance > 0.93 else person


def add_workspaces(store: Store, seed: int) -> None:
    """Add ``acme``, where everyone is, and ``globex``, where two are."""
    rng = Random(f"{seed}/workspaces")
    everyone = [nickname for nickname, _ in PEOPLE]
    acme = _add_workspace(store, rng, "acme", "Acme Ltd. ☂", everyone, {"ada"})
    globex = _add_workspace(store, rng, "globex", "Globex", ["ada", "ben"], {"ben"})
    for key, name, description, private in ACME_PROJECTS:
        _add_project(store, rng, acme, key, name, description, private)
    _add_project(store, rng, globex, "CORE", "Core", "", True)


def _add_workspace(
    store: Store, rng: Random, slug: str, name: str, members: list[str], admins: set[str]
) -> Workspace:
    created = offset_form(FIRST_DAY + timedelta(microseconds=rng.randrange(10**9)))
    document = store.documents.workspace(slug, name, make_uuid(rng), created, False)
    workspace = Workspace(document, administrators=admins, users=store.users)
    workspace.project_creators = {"ben"} - admins
    for nickname in members:
        membership = store.documents.membership(
            document,
            {
                **store.users[nickname],
                "created_on": created,
                "account_status": "active",
                "has_2fa_enabled": nickname in admins,
            },
        )
        workspace.members[nickname] = membership
        workspace.emails[nickname] = f"{nickname}@{slug}.example"
    store.workspaces[slug] = workspace
    return workspace


def _add_project(
    store: Store,
    rng: Random,
    workspace: Workspace,
    key: str,
    name: str,
    description: str,
    private: bool,
) -> None:
    created = FIRST_DAY + timedelta(days=rng.randrange(30), microseconds=rng.randrange(10**9))
    document = store.documents.project(
        workspace.document,
        key,
        name,
        make_uuid(rng),
        description=description,
        is_private=private,
        created_on=offset_form(created),
        updated_on=offset_form(created + timedelta(days=rng.randrange(300))),
        has_publicly_visible_repos=key == "WEB",
    )
    workspace.projects[key] = Project(document)
