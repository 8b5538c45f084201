"""The rule that names schemas: typed without quotes, short enough, one for each repository."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql.extension import raises
from tests.support.database import Database, drop_database
from tests.support.fixtures import DatabaseFactory

SEVENTY = "a-repository-whose-name-says-everything-there-is-to-say-about-its-purpose"


@pytest.fixture(scope="module")
def names(db_factory: DatabaseFactory) -> Iterator[Database]:
    database = db_factory()
    yield database
    drop_database(database)


def name_of(db: Database, *arguments: str | None) -> str:
    listed = ", ".join(["%s"] * len(arguments))
    return str(db.value(f"SELECT bitbucket.schema_name({listed})", arguments))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["acme"], "acme"),
        (["acme", None], "acme"),
        (["acme", "website"], "acme__website"),
        (["acme", "mobile-app"], "acme__mobile_app"),
        (["acme", "data_pipeline"], "acme__data__pipeline"),
        (["acme-labs"], "acme_labs"),
        (["acme-labs", "web-site"], "acme_labs__web_site"),
        (["Acme", "WebSite"], "acme__website"),
        (["acme", "website", "bb"], "bb__website"),
        (["acme", "mobile-app", "My Schema"], "My Schema__mobile_app"),
    ],
)
def test_plain_slugs_are_read_off_the_name(
    names: Database, arguments: list[str | None], expected: str
) -> None:
    assert name_of(names, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["42crunch"], "_42crunch"),
        (["42crunch", "api"], "_42crunch__api"),
        (["user"], "_user"),
        (["user", "api"], "user__api"),
        (["pg-tools"], "_pg_tools"),
        (["pg", "api"], "_pg__api"),
        (["public"], "_public"),
        (["bitbucket"], "_bitbucket"),
        (["bitbucket-private"], "_bitbucket_private"),
        (["information-schema"], "_information_schema"),
    ],
)
def test_names_that_cannot_be_used_are_made_usable(
    names: Database, arguments: list[str], expected: str
) -> None:
    assert name_of(names, *arguments) == expected
    names.execute(f"CREATE SCHEMA {expected}; DROP SCHEMA {expected}")


@pytest.mark.parametrize(
    ("workspace", "repository", "beginning"),
    [
        ("acme", "mobile.app", "acme__mobile_app__"),
        ("acme", "mobile--app", "acme__mobile__app__"),
        ("acme", "-mobile-app", "acme__mobile_app__"),
        ("acme", "日本", "acme__"),
        ("ac_me", "website", "ac__me__website__"),
        ("acme", "0badcafe", "acme__0badcafe__"),
        ("acme", "app_0badcafe", "acme__app__0badcafe__"),
        ("acme", SEVENTY, "acme__a_repository_whose_name_says_everything_there_i__"),
        ("acme", f"{SEVENTY}-2", "acme__a_repository_whose_name_says_everything_there_i__"),
    ],
)
def test_other_slugs_end_in_a_hash(
    names: Database, workspace: str, repository: str, beginning: str
) -> None:
    name = name_of(names, workspace, repository)

    assert name.startswith(beginning)
    assert len(name.removeprefix(beginning)) == 8
    assert int(name[-8:], 16) >= 0
    assert name != name_of(names, workspace, repository + "-2")


def test_a_hash_depends_on_the_slugs_alone(names: Database) -> None:
    # Written out: these names must not change, databases in use are full of them.
    assert name_of(names, "acme", "mobile.app") == "acme__mobile_app__ec1d33df"
    assert name_of(names, "ACME", "Mobile.App") == "acme__mobile_app__ec1d33df"
    assert name_of(names, "acme", "mobile.app", "bb") == "bb__mobile_app__ec1d33df"


@pytest.mark.parametrize("arguments", [["acme/website"], ["acme", "a/b"], [""], ["acme", ""]])
def test_what_is_no_slug_is_refused(names: Database, arguments: list[str]) -> None:
    with raises() as error:
        name_of(names, *arguments)
    assert error.sqlstate == "22023"
    assert "schema_name('acme', 'website')" in error.hint


slugs = st.text(alphabet="ab0-_.Zé", min_size=1, max_size=12) | st.sampled_from(
    ["a" * 62, "a" * 63, "é" * 40, "a-" * 40, "select", "pg"]
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(slugs, st.none() | slugs), min_size=2, max_size=60))
def test_every_repository_has_a_name_of_its_own(
    names: Database, pairs: list[tuple[str, str | None]]
) -> None:
    made = names.rows(
        "SELECT bitbucket.schema_name(w, r), "
        'concat_ws(\'/\', lower(w COLLATE "C"), lower(r COLLATE "C")) '
        "FROM unnest(%s::text[], %s::text[]) u(w, r)",
        ([workspace for workspace, _ in pairs], [repository for _, repository in pairs]),
    )

    assert len({name for name, _ in made}) == len({slug for _, slug in made})
    for name, _ in made:
        assert names.value("SELECT quote_ident(%s)", (name,)) == name
        assert not name.startswith("pg_")
        assert len(name.encode()) <= 63
