"""What is known of one table stands in its declaration: no other room names a table or a column."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import bitbucket_fdw
from bitbucket_fdw.errors import BadResponse
from bitbucket_fdw.foreign_tables import importing
from bitbucket_fdw.options import IMPORT, OPTIONS
from bitbucket_fdw.pushdown.conditions import Condition
from bitbucket_fdw.pushdown.path_values import contradiction
from bitbucket_fdw.pushdown.request import Request
from bitbucket_fdw.reading.items import Items
from bitbucket_fdw.tables import BY_NAME, PLACES, TABLES
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.endpoints import SLUGS
from bitbucket_fdw.tables.json_readers import BadValue
from bitbucket_fdw.tables.json_values import extractor
from bitbucket_fdw.tables.shared_columns import account

PACKAGE = Path(bitbucket_fdw.__file__).parent
TABLE_NAMES = {table.name for table in TABLES}
COLUMN_NAMES = {column.name for table in TABLES for column in table.columns}

# Modules of tables/ that declarations are made of; the others are declarations.
LANGUAGE = {
    *("addresses", "columns", "endpoints", "host_values", "json_readers", "json_values"),
    *("sameness", "table", "types", "writing"),
}

# What is spelled like a table or a column and is something else, or has to be named all the same:
# the module, and why.
ENVELOPE = "a member of a page of Bitbucket's"
ERROR = "a member of an error document of Bitbucket's"
OAUTH = "a parameter of OAuth's"
PLACE = "an option that names a place, or the path parameter of that name"
OWN = "a name in Python, PostgreSQL or this project's SQL"
ACCOUNT = "a member of the API's accounts"
OPTION = "an option of a user mapping"
ALLOWED: dict[tuple[str, str], str] = {
    ("api/envelope.py", "size"): ENVELOPE,
    ("api/envelope.py", "type"): ENVELOPE,
    ("api/exchange.py", "reason"): "the reason phrase of an HTTP answer",
    ("api/failures.py", "message"): ERROR,
    ("api/oauth1.py", "state"): OAUTH,
    ("api/oauth2.py", "state"): OAUTH,
    ("command/browser.py", "state"): OAUTH,
    ("command/connection_settings.py", "name"): "of a data source",
    ("command/data_source_checks.py", "username"): "a setting of psqlODBC",
    ("command/dsn.py", "name"): "an argument of the command",
    ("command/main.py", "workspace"): "an argument of the command",
    ("command/reports.py", "status"): "a heading",
    ("foreign_tables/importing.py", "repository"): PLACE,
    ("foreign_tables/importing.py", "workspace"): PLACE,
    ("options/declared.py", "issues"): "an import option",
    ("options/declared.py", "repository"): PLACE,
    ("options/declared.py", "username"): OPTION,
    ("options/declared.py", "workspace"): PLACE,
    ("options/references.py", "role"): OWN,
    ("options/values.py", "workspace"): "a part of a page's address",
    ("options/values.py", "workspaces"): "a part of a page's address",
    ("postgres/prepared.py", "name"): OWN,
    ("postgres/statement_text.py", "key"): OWN,
    ("postgres/statement_text.py", "name"): OWN,
    ("pushdown/query_strings.py", "size"): ENVELOPE,
    ("reading/counting.py", "size"): ENVELOPE,
    ("reading/scan_requests.py", "size"): ENVELOPE,
    ("reading/size_probes.py", "size"): ENVELOPE,
    ("reading/tallying.py", "size"): ENVELOPE,
    ("reading/omissions.py", "repositories"): "the plural of a path parameter, for a message",
    ("reading/omissions.py", "repository"): PLACE,
    ("reference/catalog.py", "description"): "a column of the catalog",
    ("reference/catalog.py", "message"): "a column of the catalog",
    ("reference/catalog.py", "name"): "a column of the catalog",
    ("reference/catalog.py", "type"): "a column of the catalog",
    ("reference/pages.py", "path"): "a part of a request",
    ("reference/pages.py", "repository"): "a level of schemas",
    ("sign_in/login_steps.py", "role"): OWN,
    ("sign_in/schemes.py", "username"): OPTION,
    ("sql_functions/dispatch.py", "state"): OAUTH,
    ("sql_functions/dispatch.py", "url"): "a column of an SQL function's result",
    ("sql_functions/dispatch.py", "workspaces"): "an argument of an SQL function",
    ("sql_functions/verify.py", "display_name"): ACCOUNT,
    ("sql_functions/verify.py", "name"): "how a workspace is called, for a message",
    ("sql_functions/verify.py", "repository"): PLACE,
    ("sql_functions/verify.py", "size"): ENVELOPE,
    ("sql_functions/verify.py", "workspace"): PLACE,
    ("sql_functions/verify.py", "workspaces"): "the name of a check",
    ("wrapper/reports.py", "name"): OWN,
    ("writing/journal.py", "id"): "how a row that was made is called, for a message",
    ("writing/journal.py", "name"): "how a row that was made is called, for a message",
    ("writing/own_rows.py", "uuid"): ACCOUNT,
    ("writing/bodies.py", "slug"): "a member of the API's groups",
    ("writing/bodies.py", "account_id"): ACCOUNT,
    ("writing/bodies.py", "uuid"): ACCOUNT,
    ("writing/change_sender.py", "account_id"): ACCOUNT,
    ("writing/change_sender.py", "uuid"): ACCOUNT,
    ("writing/uniqueness.py", "repository"): PLACE,
    ("writing/uniqueness.py", "workspace"): PLACE,
}


def generic_modules() -> Iterator[tuple[str, ast.AST]]:
    """Every module outside of the declarations and the emulator, by its path in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place.partition("/")[0] not in ("tables", "emulator"):
            yield place, ast.parse(path.read_text(encoding="utf-8"))


def strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_column_that_is_never_null_is_in_the_address_or_every_item_is_checked_for_it(table):
    for column in table.never_null():
        paths = column.asked_paths
        assert paths or column.param
        if paths:
            with pytest.raises(BadResponse, match="which is its key"):
                Items(table, "/path", [column]).single({"something": "else"})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_only_of_a_column_that_is_never_null_a_condition_says_so(table):
    """Other parts of a key may be absent, such as the UUID of an account that was deleted."""
    for column in table.columns:
        request = Request(table, {}, (Condition(column, "is null", None),))
        said = contradiction(request) == f"{column.name} is never NULL"
        assert said == (column in table.never_null()), column.name


def test_no_generic_room_names_a_table_or_a_column():
    named = {
        (place, text)
        for place, tree in generic_modules()
        for text in strings(tree)
        if text in TABLE_NAMES or text in COLUMN_NAMES
    }
    assert named - set(ALLOWED) == set(), "declare it, or say in ALLOWED what it is"
    assert set(ALLOWED) - named == set(), "an allowance that nobody uses"


def test_no_generic_room_speaks_of_a_feature():
    """Such as an issue tracker: in the middle of a text as well, but for an option's own help."""
    words = re.compile(r"issue|tracker", re.IGNORECASE)
    speaking = {
        (place, text)
        for place, tree in generic_modules()
        for text in strings(tree)
        if words.search(text) and not _is_docstring(tree, text)
    }
    assert {place for place, _ in speaking} <= {
        "options/declared.py",  # the option "issues"
        "reference/catalog.py",  # a column of the catalog
        "reference/coverage.py",  # operations of the API that have no table
        "sql_functions/verify.py",  # OAuth scopes
        "command/main.py",  # where to report a fault
    }


def _is_docstring(tree: ast.AST, text: str) -> bool:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    found = (ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, documented))
    return text in set(found)


def test_no_generic_room_imports_a_declaration():
    declarations = {
        path.stem for path in (PACKAGE / "tables").glob("*.py") if path.stem not in LANGUAGE
    } - {"__init__"}
    assert "repositories" in declarations
    for place, tree in generic_modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.rpartition("tables.")[2] not in declarations, place


# --- the facts that the declarations state ---


@pytest.mark.parametrize(
    "column",
    [c for t in TABLES for c in t.columns if c.pattern],
    ids=lambda column: column.name,
)
def test_a_sample_matches_its_pattern(column):
    assert re.fullmatch(column.pattern, column.sample)


def test_places_are_those_that_options_name():
    for table, slug in zip(PLACES, SLUGS, strict=True):
        assert table.key_column().param == slug
        assert table.level == "workspace"


def test_every_option_that_decides_about_tables_is_an_import_option():
    options = importing.deciding_options(importing.Place("acme"), "snake")
    assert options
    for option in options:
        assert any(o.name == option and IMPORT in o.levels for o in OPTIONS)
        assert importing.switches(option)
        decided = [table for table in TABLES if importing.is_decided_by(option, table.name)]
        assert decided
        assert all(importing.is_decided_by(option, table.flat_name()) for table in decided)
        assert all(table.switch() in importing.switches(option) for table in decided)


def test_what_may_have_no_rows_is_what_hangs_on_a_switch():
    for table in TABLES:
        assert (table.imported_by is None) is (table.switch() is None)
        if table.removed:
            assert table.removed_hint
            assert table.imported_by
    assert BY_NAME["issue_comments"].switch() == BY_NAME["issues"].switch()


def test_the_page_of_a_row_is_one_column_at_most():
    for table in TABLES:
        assert len([column for column in table.columns if column.page]) <= 1


def test_what_bitbucket_fills_in_is_a_column_of_the_parent():
    defaults = [(t, t.writes.unique.default) for t in TABLES if t.writes.unique]
    assert any(default for _, default in defaults)
    for table, default in defaults:
        if default is not None:
            assert default.column in table.writes.unique.columns
            assert table.parent.table.column(default.of_parent)


def test_an_account_is_shown_whole():
    """Its type above all, so that bots can be left out of a count."""
    parts = ("uuid", "account_id", "nickname", "display_name", "type")
    shown = 0
    for table in TABLES:
        names = {column.name for column in table.columns}
        for name in sorted(names):
            shown += name.endswith("nickname")
            if name.endswith(("nickname", "display_name")):
                prefix = name.removesuffix("nickname").removesuffix("display_name")
                missing = {f"{prefix}{part}" for part in parts}
                assert missing <= names, f"{table.name} shows a part of an account"
    assert shown > 15


PAGE = Column("page", "text", "n", "Its page", template="https://x.example/{workspace}/{}")


@pytest.mark.parametrize(
    ("item", "place", "address"),
    [
        ({"n": 7}, {"workspace": "a", "more": "b"}, "https://x.example/a/7"),
        ({"n": "ü/?"}, {"workspace": "{5}"}, "https://x.example/%7B5%7D/%C3%BC%2F%3F"),
        ({"n": 0}, {"workspace": "a"}, "https://x.example/a/0"),
        ({"n": None}, {"workspace": "a"}, None),
        ({}, {"workspace": "a"}, None),
        ({"n": 7}, {}, None),
    ],
)
def test_an_address_that_no_answer_has_is_made_of_a_template(item, place, address):
    assert extractor([PAGE], place=place)(item) == {"page": address}


@pytest.mark.parametrize("value", [[7], {"a": 7}, True])
def test_what_cannot_be_part_of_an_address_is_an_error(value):
    with pytest.raises(BadValue, match="page is"):
        extractor([PAGE], place={"workspace": "a"})({"n": value})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada@bitbucket.org/acme/x.git", "https://bitbucket.org/acme/x.git"),
        ("HTTPS://ada:s3cret@bitbucket.org/x", "HTTPS://bitbucket.org/x"),
        ("http://a@b:c@bitbucket.org:8080/x", "http://bitbucket.org:8080/x"),
        ("https://bitbucket.org/x@y", "https://bitbucket.org/x@y"),
        ("https://bitbucket.org?to=x@y", "https://bitbucket.org?to=x@y"),
        ("git@bitbucket.org:acme/x.git", "git@bitbucket.org:acme/x.git"),
        ("ssh://git@bitbucket.org/acme/x.git", "ssh://git@bitbucket.org/acme/x.git"),
    ],
)
def test_addresses_are_shown_without_the_name_of_a_user(address, shown):
    read = extractor([Column("c", "jsonb", "c", "Addresses", anonymous=True)])
    for around in (
        lambda a: a,
        lambda a: [{"name": "https", "href": a}],
        lambda a: {"a": {"b": a}},
    ):
        assert json.loads(read({"c": around(address)})["c"]) == around(shown)


def test_a_template_names_path_parameters_of_its_table():
    made = [(t, c) for t in TABLES for c in t.columns if c.template]
    assert made
    for table, column in made:
        named = set(re.findall(r"\{(\w+)\}", column.template))
        assert named <= {c.param for c in table.columns if c.param}
        assert "{}" in column.template
        assert column.path


@pytest.mark.parametrize("path", ["", "reviewers", "participants.user"])
def test_an_account_may_be_the_item_or_an_element_of_a_list(path):
    person = {"uuid": f"{{{UUID(int=5)}}}", "nickname": "eve", "type": "app_user"}
    item: dict[str, Any] = dict(person)
    for member in reversed(path.split(".") if path else ()):
        item = {member: item}
    columns = account("user", path, "somebody")
    assert extractor(columns)(item) == {
        "user_uuid": str(UUID(int=5)),
        "user_account_id": None,
        "user_nickname": "eve",
        "user_display_name": None,
        "user_type": "app_user",
    }
    assert all(column.asked_paths for column in columns)
