"""CData's articles on PHP and DBArtisan, run as printed: source, login, statements, capitals."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from devkit.tree import BUNDLED

from tests.clients.conftest import PROGRAMS, Site, add_dsn
from tests.clients.test_php import Table
from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import SERVER, Database
from tests.support.odbc import Odbc

Issue = Callable[[int], dict[str, Any]]

SOURCE = "CData ODBC Bitbucket Source"
SCHEMAS = ("website", "information")
PHP = PROGRAMS / "article.php"
EDITOR = PROGRAMS.with_name("odbc") / "editor.py"
SETPOS = PROGRAMS.with_name("odbc") / "setpos.py"
# The function is deprecated since PHP 8.1, and is what the article uses: E_ALL without that.
QUIET = ["error_reporting=24575"]


def import_acme(db: Database) -> None:
    """The repository and its workspace with that driver's schemas, names and capitals."""
    db.execute(
        f"SELECT FROM bitbucket.import_workspace('{SERVER}', 'acme', names => 'cdata',"
        " repositories => '{website}')"
    )


@contextlib.contextmanager
def role(db: Database) -> Iterator[None]:
    """The user of the articles, with a user mapping and all privileges on the tables."""
    credential = mapping_options(db.emulator, READ_WRITE).items()
    options = ", ".join(f"{name} '{value}'" for name, value in credential)
    db.execute("CREATE ROLE \"user\" LOGIN PASSWORD 'password'")
    try:
        db.execute(f'CREATE USER MAPPING FOR "user" SERVER {SERVER} OPTIONS ({options})')
        for schema in SCHEMAS:
            db.execute(f'GRANT USAGE ON SCHEMA {schema} TO "user"')
            db.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO "user"')
        yield
    finally:
        db.execute(f'DROP USER MAPPING IF EXISTS FOR "user" SERVER {SERVER}')
        db.execute('DROP OWNED BY "user"; DROP ROLE "user"')


@pytest.fixture
def article(db: Database, odbc: Odbc) -> Iterator[Site]:
    """The articles' data source with their user and password, who may do everything here."""
    bundled = db.cluster.tree.flavour == BUNDLED
    import_acme(db)
    db.value(f"SELECT bitbucket.show_odbc_keys('{SCHEMAS[0]}')")
    path = f"SET search_path TO {', '.join(SCHEMAS)}"
    settings = {
        "UnknownsAsLongVarchar": "1",
        "BoolsAsChar": "0",
        "UseDeclareFetch": "1",
        "Fetch": "100",
        "UpdatableCursors": "1" if bundled else "0",
        "RowVersioning": "0",
        "ExtraSysTablePrefixes": "bitbucket_keys",
    }
    labels = "; SELECT bitbucket.label_columns()" if bundled else ""
    add_dsn(odbc, SOURCE, ConnSettings=path + labels, **settings)
    add_dsn(odbc, "plain", ConnSettings=path, **settings)
    with role(db):
        yield Site(db, odbc)


@pytest.fixture
def issue(article: Site) -> Issue:
    """An issue of the repository by its number, as Bitbucket has it."""
    state = article.db.emulator.call("GET", "state?collection=issues&repository=acme/website")
    documents = (row["document"] for row in state["issues"])
    return {document["id"]: document for document in documents}.__getitem__


def called(host: str, name: str) -> str:
    """What a result column is called: Multicorn2 has no labels, PostgreSQL no capitals."""
    return name if host == BUNDLED else name.lower()


@pytest.mark.parametrize("connect", ["odbc_connect", "odbc_pconnect"])
@pytest.mark.parametrize("step", ["prepare", "exec"])
def test_php_echoes_a_title(
    article: Site, issue: Issue, host: str, connect: str, step: str
) -> None:
    done = article.run(["php", "-d", "error_reporting=-1", str(PHP), connect, step])
    assert done.paths == ["/2.0/repositories/acme/website/issues/1"]
    if host == BUNDLED:
        assert (done.output, done.errors) == (issue(1)["title"] + "\n", "")
    else:
        # What the page says to change there: $row["title"].
        assert 'Undefined array key "Title"' in done.output + done.errors


def test_php_prints_all_results(article: Site, issue: Issue, host: str) -> None:
    table = Table(article.php("article.php", "odbc_connect", "result_all", settings=QUIET).output)
    # PHP opens two cells for a long text.
    header, row = ([cell.strip() for cell in row] for row in table.rows)
    for name in ("Id", "Title", "State"):
        assert called(host, name) in header
        assert str(issue(1)[name.lower()]) in row


def test_php_lists_schemas_without_a_request(article: Site) -> None:
    done = article.php("article.php", "odbc_pconnect", "SELECT * FROM sys_schemas")
    assert done.requests == []
    assert set(SCHEMAS) <= {value for row in done.json for value in row.values()}


def test_php_lists_workspaces(article: Site, host: str) -> None:
    rows = article.php("article.php", "odbc_connect", "SELECT * FROM Workspaces").json
    slugs = article.db.column("SELECT slug FROM information.workspaces")
    assert [row[called(host, "Slug")] for row in rows] == slugs


@pytest.mark.parametrize("source", [SOURCE, "plain"])
def test_an_editor_shows_and_edits_a_table(
    article: Site, issue: Issue, host: str, source: str
) -> None:
    before = article.db.column("SELECT title FROM website.issues ORDER BY id")
    document = issue(1)
    arguments = [source, "user", "password", "website", "issues"]
    done = article.run([sys.executable, str(EDITOR), *arguments])
    assert (done.status, done.errors) == (0, "")
    found = done.json
    assert found["registered"]
    tree = found["tree"]
    assert set(SCHEMAS) <= set(tree["schemas"])
    assert "FOREIGN TABLE" in tree["types"]
    assert "issues" in tree["tables"]
    assert "bitbucket_keys" not in tree["tables"]
    assert ["id", "int8", 0] in tree["columns"]
    assert tree["key"] == ["id"]
    assert tree["foreign keys"] == tree["row id"] == tree["indexes"] == []
    assert "import_workspace" in tree["procedures"]
    names = ["Title", "ContentRaw"]
    plain = source != SOURCE
    shown = [name.lower() if plain else called(host, name) for name in names]
    assert found["window"]["columns"] == shown
    assert found["window"]["rows"] == [[document["title"], document["content"]["raw"]]]
    assert found["counts"] == [1, 1, 1]
    assert found["before"] == before
    assert found["added"] == "Added in a grid"
    assert found["after"] == ["Edited in a grid", *before[1:]]
    writes = [(r.method, r.path.rpartition("/issues")[2]) for r in done.requests]
    assert [w for w in writes if w[0] != "GET"][:2] == [("PUT", "/1"), ("POST", "")]


def test_a_grid_changes_rows_where_its_cursor_stands(article: Site, host: str) -> None:
    """By SQLSetPos, for which the driver takes the columns' names from the catalog."""
    if host != BUNDLED:
        pytest.skip("Multicorn2 hands over no system columns")
    login = f"DSN={SOURCE};UID=user;PWD=password"
    query = "SELECT Id, Title FROM Issues WHERE Id < 9 ORDER BY Id"
    steps = ("update 2 new title", "delete 3", "add fresh")
    done = article.run([sys.executable, str(SETPOS), login, query, *steps])
    assert (done.status, done.errors) == (0, "")
    assert [result for result, _, _ in done.json["said"]] == [0, 0, 0]
    writes = [(r.method, r.path.rpartition("/issues")[2]) for r in done.requests]
    assert [w for w in writes if w[0] != "GET"] == [("PUT", "/2"), ("DELETE", "/3"), ("POST", "")]
