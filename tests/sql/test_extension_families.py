"""Imports that are kept to some families of tables."""

from __future__ import annotations

import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.table import FAMILIES
from tests.sql.extension import call_api, imported, raises
from tests.support.database import Database


def of(*families: str, level: str = "workspace") -> set[str]:
    """The tables of some families that a schema of this level can have."""
    return {
        table.name
        for table in TABLES
        if table.family in families and (level == "workspace" or table.level == level)
    }


def tables_in(db: Database, schema: str) -> set[str]:
    return set(db.column("SELECT name FROM bitbucket.imported_tables WHERE schema = %s", (schema,)))


def test_the_catalog_tells_the_family_of_each_table(db: Database) -> None:
    told = dict(db.rows("SELECT name, family FROM bitbucket.tables"))
    assert told == {table.name: table.family for table in TABLES}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_repository_gets_the_tables_of_a_family(db: Database, family: str) -> None:
    result = db.query(
        "SELECT schema, tables FROM bitbucket.import_repository('bitbucket', 'acme', 'website', "
        f"families => '{{{family}}}')"
    )

    expected = of(family, level="repository")
    assert tables_in(db, "acme__website") == expected
    if expected:
        assert result.rows == [("acme__website", len(expected))]
    else:  # no schema without a table in it
        assert result.rows == []
        assert db.value("SELECT to_regnamespace('acme__website')") is None
        said = f'NOTICE: nothing to import for "acme/website" of families {family}'
        assert result.notices == [said]


def test_a_workspace_gets_the_tables_of_two_families(db: Database) -> None:
    result = imported(db, "'acme', families => '{pipelines,workspace}'")

    assert tables_in(db, "acme") == of("pipelines", "workspace")
    assert tables_in(db, "acme__website") == of("pipelines", level="repository")
    assert result["website"][1] == len(of("pipelines", level="repository"))


def test_repositories_that_would_get_no_table_get_no_schema(db: Database) -> None:
    result = imported(db, "'acme', families => '{issues}', repositories => '{website,empty}'")

    assert set(result) == {None, "website"}  # "empty" has no issue tracker
    assert db.value("SELECT to_regnamespace('acme__empty')") is None
    status = "SELECT status FROM bitbucket.schemas('bitbucket', 'acme') WHERE repository = 'empty'"
    assert db.value(status) == "available"
    call_api(db.emulator, "PUT", "/repositories/acme/empty", {"has_issues": True})
    assert imported(db, "'acme', families => '{issues}', repositories => '{empty}'")["empty"] == (
        "acme__empty",
        len(of("issues", level="repository")),
        "created",
    )


def test_other_families_are_added_later_and_none_is_taken_away(db: Database) -> None:
    one = "'acme', repositories => '{website}', families => "
    imported(db, one + "'{code}'")
    assert imported(db, one + "'{code}'")["website"] == ("acme__website", 0, "unchanged")

    added = imported(db, one + "'{pull_requests}'")

    expected = of("pull_requests", level="repository")
    assert added["website"] == ("acme__website", len(expected), "extended")
    assert tables_in(db, "acme__website") == expected | of("code", level="repository")
    imported(db, "'acme', repositories => '{website}'")
    assert tables_in(db, "acme__website") == of(*FAMILIES, level="repository")


@pytest.mark.parametrize("families", ["{}", "{code,nonsense}", "{NULL}", "{Code}"])
@pytest.mark.parametrize(
    "call",
    [
        "SELECT bitbucket.import_workspace('bitbucket', 'acme', families => '{}')",
        "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', families => '{}')",
        "CALL bitbucket.import_repositories('bitbucket', 'acme', families => '{}')",
    ],
)
def test_an_unknown_family_is_refused_before_anything_is_asked(
    db: Database, call: str, families: str
) -> None:
    before = len(db.emulator.requests())
    with raises() as error:
        db.execute(call.replace("{}", families))

    assert error.sqlstate == "22023"
    assert error.message.startswith('invalid value for parameter "families"')
    assert error.hint == (f"It is a list of: {', '.join(FAMILIES)}. Leave it out for all of them.")
    assert len(db.emulator.requests()) == before


@pytest.mark.parametrize("written", ["code,pipelines", " code , pipelines ", "{code,pipelines}"])
@pytest.mark.parametrize(
    ("remote", "level"), [("acme", "workspace"), ("acme/website", "repository")]
)
def test_import_foreign_schema_takes_families(
    db: Database, remote: str, level: str, written: str
) -> None:
    db.execute("CREATE SCHEMA mine")

    db.execute(
        f'IMPORT FOREIGN SCHEMA "{remote}" FROM SERVER bitbucket INTO mine '
        f"OPTIONS (families '{written}')"
    )

    assert tables_in(db, "mine") == of("code", "pipelines", level=level)


def test_import_foreign_schema_keeps_to_families_and_to_its_own_lists(db: Database) -> None:
    db.execute("CREATE SCHEMA mine")

    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" EXCEPT (tags) FROM SERVER bitbucket INTO mine '
        "OPTIONS (families 'code')"
    )

    assert tables_in(db, "mine") == of("code", level="repository") - {"tags"}


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("cod", 'names "cod", which is no family', 'Perhaps you meant "code". There are: '),
        ("code,zzz", 'names "zzz", which is no family', "There are: "),
        ("", 'invalid value "" for option "families"', "Imports only tables of these families"),
        ("{}", 'invalid value "{}" for option "families"', "Imports only tables of these families"),
    ],
)
def test_import_foreign_schema_refuses_an_unknown_family(
    db: Database, written: str, message: str, hint: str
) -> None:
    with raises() as error:
        db.execute(
            'IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO public '
            f"OPTIONS (families '{written}')"
        )

    assert message in error.message
    assert error.hint.startswith(hint)
    if "There are" in hint:
        assert error.hint.endswith(f"There are: {', '.join(FAMILIES)}.")
