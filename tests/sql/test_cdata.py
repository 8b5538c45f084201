"""Imports with ``names 'cdata'``: the schemas, names and system tables of CData's driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from devkit.emulator import Control
from hypothesis import HealthCheck, given, settings

from bitbucket_fdw.tables import BY_NAME, TABLES
from tests.sql.extension import counts, raises, shape, tables_in
from tests.sql.test_extension_names import slugs
from tests.support.database import Database, drop_database
from tests.support.fixtures import DatabaseFactory

# What that driver's documentation lists: its schemas' tables with their columns.
KNOWN = {
    "information": {
        "Workspaces": (),
        "Repositories": (),
        "Projects": (
            *("UUID", "Key", "Name", "Description", "IsPrivate", "CreatedOn", "UpdatedOn"),
            "HasPubliclyVisibleRepos",
        ),
        "Users": ("UUID", "DisplayName", "AccountId", "Nickname"),
        "ProjectUserPermissions": ("Permission", "UserUUID", "UserName"),
        "ProjectGroupPermissions": ("Permission", "GroupName", "GroupSlug", "GroupFullSlug"),
    },
    "project_web": {
        "ProjectUserPermissions": ("Permission", "UserUUID", "UserName"),
        "ProjectGroupPermissions": ("Permission", "GroupName", "GroupSlug", "GroupFullSlug"),
    },
    "website": {
        "Issues": ("Id", "Title", "ContentRaw"),
        "PullRequests": (
            *("Id", "Title", "SummaryRaw", "State", "AuthorUUID", "SourceRepositoryUUID"),
            *("SourceRepositoryName", "SourceBranchName", "SourceCommitHash"),
            *("DestinationRepositoryUUID", "DestinationRepositoryName", "DestinationBranchName"),
            *("DestinationCommitHash", "CloseSourceBranch", "CommentCount", "TaskCount"),
            *("ClosedByUUID", "Reason", "CreatedOn", "UpdatedOn"),
        ),
        "PullRequestComments": (
            *("Id", "ContentRaw", "PullRequestId", "ParentId", "UserUUID", "Deleted"),
            *("ResolutionPending", "CreatedOn", "UpdatedOn"),
        ),
        "CommitComments": (
            *("Id", "ContentRaw", "CommitHash", "ParentId", "UserUUID", "Deleted"),
            *("CreatedOn", "UpdatedOn"),
        ),
        "Branches": (
            *("Name", "DefaultMergeStrategy", "MergeStrategies", "TargetCommitHash"),
            *("TargetCommitMessage", "TargetRepositoryUUID", "TargetRepositoryName"),
            *("TargetAuthorRaw", "TargetAuthorUUID"),
        ),
        "Commits": (),
        "Tags": (),
    },
}
CALL = "SELECT schema, tables, status FROM bitbucket.import_workspace('bitbucket', "
VIEWS = {
    *("sys_catalogs", "sys_schemas", "sys_tables", "sys_columns", "sys_tablecolumns"),
    *("sys_procedures", "sys_primarykeys", "sys_keycolumns", "sys_foreignkeys"),
}


SOME = "workspace,code,permissions"


def imported(
    db: Database, arguments: str = "'acme'", families: str | None = SOME
) -> dict[str, tuple[int, str]]:
    """What ``import_workspace`` says, as ``{schema: (tables, status)}``."""
    wanted = f", families => '{{{families}}}'" if families else ""
    made = db.rows(f"{CALL}{arguments}, names => 'cdata'{wanted})")
    return {schema: (tables, status) for schema, tables, status in made}


def use(db: Database, schema: str) -> None:
    db.execute(f"SET search_path TO {schema}")


@pytest.fixture(scope="module")
def whole(shared_emulator: Control, db_factory: DatabaseFactory) -> Iterator[Database]:
    shared_emulator.reset()
    database = db_factory()
    imported(database, families=None)
    yield database
    drop_database(database)


@pytest.fixture
def cdata(emulator: Control, whole: Database) -> Database:
    """The sample workspace with all tables, imported once for tests that change nothing of it."""
    return whole


def test_the_schemas_are_those_of_that_driver(db: Database) -> None:
    result = db.query(f"{CALL}'acme', names => 'cdata')")

    assert [request.path for request in result.requests] == [
        "/2.0/repositories/acme",
        "/2.0/workspaces/acme/projects",
    ]
    made = {schema: (tables, status) for schema, tables, status in result.rows}
    assert tables_in(db, "project_web") >= VIEWS
    assert {"information", "website", "mobile_app", "project_web"} <= made.keys()
    below_projects = sum(table.column_of("project") is not None for table in TABLES)
    assert made["project_web"] == (below_projects, "created")
    every, of_repository, _ = counts(db)
    assert made["information"] == (every - of_repository, "created")
    assert made["website"] == (of_repository, "created")
    keys = db.column("SELECT Key FROM information.Projects")
    assert {schema for schema in made if schema.startswith("project_")} == {
        f"project_{key.lower()}" for key in keys
    }
    assert len(made) == 1 + len(keys) + len(db.rows("SELECT Slug FROM information.Repositories"))


def test_every_table_and_column_of_that_driver_is_found_by_its_name(cdata: Database) -> None:
    for schema, tables in KNOWN.items():
        use(cdata, schema)
        shown = set(cdata.column("SELECT TableName FROM sys_tables"))
        assert tables.keys() <= shown
        for table, columns in tables.items():
            cdata.rows(f"SELECT {', '.join(columns) or '*'} FROM {table} LIMIT 0")
            labels = dict(
                cdata.rows(
                    "SELECT attname, option_value FROM pg_attribute, "
                    "pg_options_to_table(attfdwoptions) "
                    "WHERE attrelid = %s::regclass AND option_name = 'label'",
                    (f"{schema}.{table}",),
                )
            )
            assert set(columns) <= set(labels.values())
            assert all(name == label.lower() for name, label in labels.items())
            listed = cdata.column(
                "SELECT ColumnName FROM sys_tablecolumns WHERE TableName = %s", (table,)
            )
            assert set(listed) == set(labels.values())


@pytest.mark.parametrize(
    ("schema", "statement"),
    [
        ("information", "SELECT * FROM Workspaces"),
        ("information", "SELECT * FROM Projects WHERE Key='WEB'"),
        ("information", "SELECT * FROM Users"),
        ("information", "SELECT * FROM sys_schemas"),
        ("project_web", "SELECT * FROM ProjectGroupPermissions WHERE Permission='write'"),
        ("website", "SELECT * FROM Issues WHERE Id = '1'"),
        ("website", "SELECT Title, ContentRaw FROM Issues WHERE Id = '1'"),
        ("website", "SELECT * FROM PullRequests WHERE Id = 2"),
        ("website", "SELECT * FROM PullRequests WHERE Id=6 AND State='OPEN'"),
        ("website", "SELECT * FROM Branches WHERE Name='main'"),
        ("website", "SELECT ColumnName, DataTypeName FROM sys_tablecolumns WHERE TableName='Tags'"),
        ("website", "SELECT ColumnName, PrimaryKeyName FROM SYS_KEYCOLUMNS WHERE IsKey='True'"),
        ("website", "SELECT ColumnName, KeyName FROM SYS_PRIMARYKEYS WHERE TableName='Branches'"),
        ("website", "SELECT * FROM sys_procedures"),
    ],
)
def test_statements_for_that_driver_run_as_printed(
    cdata: Database, schema: str, statement: str
) -> None:
    use(cdata, schema)
    assert cdata.rows(statement)


def test_changes_for_that_driver_run_as_printed(db: Database) -> None:
    imported(db, families=f"{SOME},pull_requests")
    use(db, "information")
    db.execute("INSERT INTO Projects (Key, Name) VALUES ('TEST', 'TestProj')")
    db.execute("UPDATE Projects SET IsPrivate=true WHERE Key='TEST'")
    assert db.rows("SELECT Name, IsPrivate FROM Projects WHERE Key='TEST'") == [("TestProj", True)]
    use(db, "website")
    number = db.value("SELECT max(Id) FROM PullRequests WHERE State = 'OPEN'")
    db.execute(f"UPDATE PullRequests SET Title='NewPR' WHERE Id={number}")
    db.execute(
        "INSERT INTO CommitComments (ContentRaw, CommitHash) "
        "SELECT 'Hello', TargetCommitHash FROM Branches WHERE Name='main'"
    )
    assert db.value(f"SELECT Title FROM PullRequests WHERE Id={number}") == "NewPR"

    made = imported(db)

    assert {schema for schema, (_, status) in made.items() if status == "created"} == {
        "project_test"
    }
    use(db, "information")
    db.execute("DELETE FROM Projects WHERE Key='TEST'")
    assert imported(db)["project_test"] == (0, "gone")


def test_the_table_of_workspaces_is_bound_to_none(cdata: Database) -> None:
    use(cdata, "information")

    result = cdata.query("SELECT Slug FROM Workspaces")

    assert sorted(result.rows) == [("acme",), ("globex",)]
    assert [request.path for request in result.requests] == ["/2.0/user/workspaces"]


def test_a_projects_tables_ask_for_that_project_alone(cdata: Database) -> None:
    everything = "SELECT UserName, Permission FROM information.ProjectUserPermissions"

    result = cdata.query("SELECT UserName, Permission FROM project_web.ProjectUserPermissions")

    assert [request.path for request in result.requests] == [
        "/2.0/workspaces/acme/projects/WEB/permissions-config/users"
    ]
    assert sorted(result.rows) == sorted(cdata.rows(f"{everything} WHERE ProjectKey = 'WEB'"))
    keys = "SELECT DISTINCT ProjectKey FROM project_web.ProjectUserPermissions"
    assert cdata.column(keys) == (["WEB"] if result.rows else [])


def test_a_project_that_is_not_there_and_a_table_that_is_below_none(cdata: Database) -> None:
    cdata.execute(
        "CREATE SCHEMA odd; "
        "CREATE FOREIGN TABLE odd.missing (permission text) SERVER bitbucket OPTIONS "
        "(table 'project_user_permissions', workspace 'acme', project 'NOPE')"
    )
    with raises() as error:
        cdata.rows("SELECT * FROM odd.missing")
    assert "/projects/NOPE/" in error.message
    assert "Check the workspace and project." in error.hint
    cdata.execute(
        "CREATE FOREIGN TABLE odd.wrong (id bigint) SERVER bitbucket OPTIONS "
        "(table 'issues', workspace 'acme', project 'WEB')"
    )
    with raises() as error:
        cdata.rows("SELECT * FROM odd.wrong")
    assert 'option "project" does not apply to issues' in error.message


def test_what_is_the_same_in_each_row_comes_last(cdata: Database) -> None:

    columns = cdata.query("SELECT * FROM website.PullRequests LIMIT 0").columns

    assert columns[:2] == ["id", "title"]
    assert columns[-2:] == ["workspace", "repository"]


def test_again_it_changes_nothing_and_adds_what_is_missing(db: Database) -> None:
    first = imported(db)
    before = {schema: shape(db, schema) for schema in first}
    assert imported(db) == dict.fromkeys(first, (0, "unchanged"))
    assert {schema: shape(db, schema) for schema in first} == before

    db.execute("DROP FOREIGN TABLE website.Tags, information.Workspaces")
    db.execute("ALTER FOREIGN TABLE website.Commits DROP Message")
    db.execute("DROP VIEW website.sys_tables")
    again = imported(db)

    assert again["website"] == (1, "extended")
    assert again["information"] == (1, "extended")
    assert tables_in(db, "website") >= VIEWS
    for schema in first:  # a column that is added comes last
        after = sorted(repr(row[:2] + row[3:]) for row in shape(db, schema))
        assert after == sorted(repr(row[:2] + row[3:]) for row in before[schema])


def test_schemas_and_tables_that_were_renamed_are_found_again(db: Database) -> None:
    imported(db)
    db.execute("ALTER SCHEMA website RENAME TO site; ALTER TABLE site.Tags RENAME TO labels")

    assert imported(db)["site"] == (0, "unchanged")
    use(db, "site")
    listed = db.rows("SELECT SchemaName, TableName FROM sys_tables WHERE TableName ILIKE 'l%'")
    assert listed == [("site", "labels")]
    assert "site" in db.column("SELECT SchemaName FROM sys_schemas")


def test_two_workspaces_do_not_meet(db: Database) -> None:
    imported(db)
    with raises() as error:
        imported(db, "'globex'")
    assert error.sqlstate == "42P06"
    assert error.message == 'schema "information" holds tables of acme (server bitbucket)'
    assert 'parameter "schema"' in error.hint

    made = imported(db, "'globex', schema => 'globex'")

    assert {"globex", "globex__website", "globex__reactor"} <= made.keys()
    assert {status for _, status in made.values()} == {"created"}
    assert imported(db, "'globex'") == dict.fromkeys(made, (0, "unchanged"))
    assert {status for _, status in imported(db).values()} == {"unchanged"}
    use(db, "globex__website")
    assert set(db.column("SELECT DISTINCT SchemaName FROM sys_tables")) == {"globex__website"}
    assert {"website", "globex__website"} <= set(db.column("SELECT SchemaName FROM sys_schemas"))


def test_the_other_spellings_are_left_alone(db: Database) -> None:
    call = f"{CALL}'acme', families => '{{{SOME}}}', names => "
    made = {names: db.rows(f"{call}'{names}')") for names in ("snake", "cdata")}
    for names, schemas in made.items():
        again = db.rows(f"{call}'{names}')")
        assert again == [(schema, 0, "unchanged") for schema, *_ in schemas]
    assert not VIEWS & tables_in(db, "acme__website")
    assert tables_in(db, "website") >= VIEWS


def test_one_repository_and_many_in_batches(db: Database) -> None:
    [one] = db.rows(
        "SELECT schema, status FROM bitbucket.import_repository("
        "'bitbucket', 'acme', 'website', names => 'cdata')"
    )
    assert one == ("website", "created")
    assert tables_in(db, "website") >= VIEWS

    db.execute(
        "CALL bitbucket.import_repositories('bitbucket', 'acme', names => 'cdata', "
        f"families => '{{{SOME}}}', batch => 2)"
    )

    assert {status for _, status in imported(db).values()} == {"unchanged"}


def test_some_families_need_no_list_of_projects(db: Database) -> None:
    call = f"{CALL}'acme', names => 'cdata', families => '{{code}}')"
    assert [request.path for request in db.requests(call)] == ["/2.0/repositories/acme"]
    assert "information" not in db.column("SELECT SchemaName FROM website.sys_schemas")
    assert "project_web" not in db.column("SELECT nspname FROM pg_namespace")


def test_without_permission_to_list_projects_the_rest_is_imported(db: Database) -> None:
    db.emulator.fault("*/acme/projects*", kind="status", status=403, count=None)

    made = imported(db)

    assert {"information", "website"} <= made.keys()
    assert not [schema for schema in made if schema.startswith("project_")]
    assert 'WARNING: projects of workspace "acme" left out' in db.notices


@pytest.mark.parametrize("key", ["WEBB", "web", "Website"])
def test_a_project_that_is_not_there_is_not_imported(cdata: Database, key: str) -> None:
    cdata.execute("DROP SCHEMA IF EXISTS mine CASCADE; CREATE SCHEMA mine")
    statement = (
        'IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO mine '
        f"OPTIONS (names 'cdata', project '{key}'%s)"
    )
    with raises() as error:
        cdata.execute(statement % "")
    assert f'"{key}"' in error.message
    assert "project" in error.hint
    # As with repositories: who says what to import has nothing looked up.
    assert cdata.query(statement % ", issues 'never'").requests == []


def test_a_credential_that_may_not_see_a_project_can_import_it(cdata: Database) -> None:
    cdata.execute("DROP SCHEMA IF EXISTS mine CASCADE; CREATE SCHEMA mine")
    cdata.emulator.fault("*/projects/WEB", kind="status", status=403)
    cdata.execute(
        'IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO mine '
        "OPTIONS (names 'cdata', project 'WEB')"
    )
    assert cdata.value("SELECT count(*) FROM bitbucket.imported_tables WHERE schema = 'mine'")


@pytest.mark.parametrize(
    ("remote", "options"), [("acme", ""), ("acme", ", project 'WEB'"), ("acme/website", "")]
)
def test_the_command_makes_the_same_tables(cdata: Database, remote: str, options: str) -> None:
    schema = "project_web" if options else {"acme": "information"}.get(remote, "website")
    cdata.execute("DROP SCHEMA IF EXISTS mine CASCADE; CREATE SCHEMA mine")

    result = cdata.query(
        f'IMPORT FOREIGN SCHEMA "{remote}" FROM SERVER bitbucket INTO mine '
        f"OPTIONS (names 'cdata'{options})"
    )

    assert shape(cdata, "mine") == shape(cdata, schema)
    # Whether there is an issue tracker, or such a project.
    assert len(result.requests) == (remote != "acme" or bool(options))
    assert cdata.value("SELECT bitbucket.show_system_views('mine')") == len(VIEWS)
    again = cdata.query("SELECT bitbucket.show_system_views('mine')")
    assert (again.rows, again.notices) == ([(0,)], [])
    own = "SELECT count(*) FROM {}.sys_tables"
    assert cdata.value(own.format("mine")) == cdata.value(own.format(schema))


def test_what_has_a_system_table_s_name_already_stays_and_is_told(cdata: Database) -> None:
    cdata.execute("DROP SCHEMA IF EXISTS mine CASCADE; CREATE SCHEMA mine")
    cdata.execute("CREATE VIEW mine.sys_tables AS SELECT 7 AS mine")
    shown = cdata.query("SELECT bitbucket.show_system_views('mine')")
    assert shown.rows == [(len(VIEWS) - 1,)]
    [notice] = shown.notices
    assert notice.startswith("NOTICE: mine.sys_tables is there already: it stays")
    assert cdata.column("SELECT mine FROM mine.sys_tables") == [7]


def test_the_system_tables_make_no_request(cdata: Database) -> None:
    for schema in KNOWN:
        for view in VIEWS:
            assert cdata.requests(f"SELECT * FROM {schema}.{view}") == []


def test_the_system_tables_tell_the_keys_of_the_declarations(cdata: Database) -> None:
    bound = {"information": {"workspace"}, "project_web": {"workspace", "project_key"}}
    for schema in KNOWN:
        fixed = bound.get(schema, {"workspace", "repository"})
        found: dict[str, list[str]] = {}
        for table, column in cdata.rows(
            f"SELECT TableName, ColumnName FROM {schema}.sys_primarykeys ORDER BY 1, KeySeq"
        ):
            found.setdefault(table, []).append(column)
        labels = set(cdata.column(f"SELECT TableName FROM {schema}.sys_tables"))
        for table in TABLES:
            if table.label() in labels:
                unbound = "workspace" not in table.parameters()
                expected = [
                    table.column(name).label
                    for name in table.primary_key
                    if unbound or name not in fixed
                ]
                assert found.get(table.label(), []) == expected, table.name


def test_the_system_tables_tell_which_table_a_row_belongs_to(cdata: Database) -> None:
    columns = "ColumnName, ReferencedSchemaName, ReferencedTableName, ReferencedColumnName"
    reference = f"SELECT {columns} FROM {{}}.sys_foreignkeys WHERE TableName = %s"

    comments = cdata.rows(reference.format("website"), ("PullRequestComments",))
    permissions = cdata.rows(reference.format("information"), ("ProjectUserPermissions",))
    users = cdata.rows(reference.format("information"), ("Users",))

    assert comments == [("PullRequestId", "website", "PullRequests", "Id")]
    assert permissions == [("ProjectKey", "information", "Projects", "Key")]
    assert users == []


def test_columns_that_can_be_set_and_types(cdata: Database) -> None:
    found = {
        name: rest
        for name, *rest in cdata.rows(
            "SELECT ColumnName, DataTypeName, DataType, IsNullable, IsReadOnly, IsKey "
            "FROM website.sys_columns WHERE TableName = 'PullRequests'"
        )
    }
    assert found["Id"] == ["BIGINT", -5, False, True, True]
    assert found["Title"] == ["VARCHAR", 12, True, False, False]
    assert found["CreatedOn"][:2] == ["TIMESTAMP", 93]
    assert found["CloseSourceBranch"][:2] == ["BIT", -7]
    assert len(found) == len(BY_NAME["pull_requests"].columns)


def test_odbc_keys_are_shown_for_these_names_too(cdata: Database) -> None:
    for schema in KNOWN:
        cdata.rows(f"SELECT bitbucket.show_odbc_keys('{schema}')")
    indexed = "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %s::regclass ORDER BY attnum"
    assert cdata.column(indexed, ("website.issues_pkey",)) == ["id"]
    assert cdata.column(indexed, ("information.workspaces_pkey",)) == ["slug"]
    assert cdata.column(indexed, ("project_web.projectuserpermissions_pkey",)) == ["useruuid"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(slugs, slugs)
def test_every_repository_and_project_has_a_name_of_its_own(
    cdata: Database, one: str, other: str
) -> None:
    written = ", ".join(
        f"bitbucket_private.cdata_schema_name('acme', {repository}, {project}, {prefix})"
        for prefix in ("NULL", "'bb'")
        for repository, project in (("NULL", "NULL"), ("%s", "NULL"), ("NULL", "%s"))
        for _ in range(1 if "%s" not in repository + project else 2)
    )
    names = cdata.rows(f"SELECT {written}", (one, other) * 4)[0]
    for made in (names[:5], names[5:]):
        assert len(set(made)) == (5 if one.lower() != other.lower() else 3)
        assert all(len(name.encode()) <= 63 for name in made)
    assert all(cdata.value("SELECT quote_ident(%s)", (name,)) == name for name in names)


@pytest.mark.parametrize(
    ("repository", "project", "expected"),
    [
        ("website", None, "website"),
        ("mobile-app", None, "mobile_app"),
        ("information", None, "_information"),
        ("public", None, "_public"),
        ("user", None, "_user"),
        ("2nd", None, "_2nd"),
        ("project-web", None, "_project_web"),
        (None, "WEB", "project_web"),
        (None, "WEB_2", "project_web__2"),
        (None, None, "information"),
    ],
)
def test_names_of_schemas(
    cdata: Database, repository: str | None, project: str | None, expected: str
) -> None:
    name = "SELECT bitbucket_private.cdata_schema_name('acme', %s, %s, %s)"
    assert cdata.value(name, (repository, project, None)) == expected
    prefixed = cdata.value(name, (repository, project, "bb"))
    kept = expected if expected == "_project_web" else expected.lstrip("_")
    assert prefixed in (
        ("bb",) if expected == "information" else (f"bb__{expected}", f"bb__{kept}")
    )
