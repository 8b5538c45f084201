"""The extension as a package: its scripts and versions, and what dump and restore make of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from devkit.cluster import Cluster, client_environment, tool
from devkit.run import output_of

from tests.sql.extension import imported, shape
from tests.support.database import Database

SQL = Path(__file__).resolve().parents[2] / "sql"


def default_version() -> str:
    control = (SQL / "bitbucket_fdw.control").read_text()
    [version] = re.findall(r"^default_version = '(.+)'$", control, re.MULTILINE)
    return str(version)


def older_versions() -> list[str]:
    """The versions that make writes an update from."""
    [listed] = re.findall(r"^OLDER = (.+)$", (SQL / "Makefile").read_text(), re.MULTILINE)
    return str(listed).split()


def test_the_default_version_can_be_installed_and_updated_to(db: Database) -> None:
    offered = dict(
        db.rows(
            "SELECT version, installed FROM pg_available_extension_versions "
            "WHERE name = 'bitbucket_fdw'"
        )
    )

    assert set(offered) == {default_version()}  # an older one cannot be installed any more
    assert offered[default_version()] is True  # CREATE EXTENSION without a version took it
    paths = db.rows(
        "SELECT source, path FROM pg_extension_update_paths('bitbucket_fdw') WHERE target = %s",
        (default_version(),),
    )
    assert dict(paths) == {old: f"{old}--{default_version()}" for old in older_versions()}


def test_make_installs_the_parts_in_their_order_as_the_script_of_the_default_version(
    postgres: Cluster, tmp_path: Path
) -> None:
    copy, installed = tmp_path / "sql", tmp_path / "installed"
    shutil.copytree(SQL, copy)
    control = copy / "bitbucket_fdw.control"
    control.write_text(
        re.sub("default_version = .*", "default_version = '9.9'", control.read_text())
    )

    make = ["make", "-C", str(copy), f"PG_CONFIG={postgres.tree.pg_config}"]
    output_of([*make, "install", "OLDER=9.7 9.8", f"DESTDIR={installed}"])

    scripts = {path.name: path.read_text() for path in installed.rglob("*.sql")}
    parts = [part.read_text() for part in sorted((SQL / "script").glob("*.sql"))]
    removal = (SQL / "update" / "remove.sql").read_text()
    assert len(parts) > 2
    assert scripts == {
        "bitbucket_fdw--9.9.sql": "".join(parts),
        "bitbucket_fdw--9.7--9.9.sql": "".join([removal, *parts[1:]]),
        "bitbucket_fdw--9.8--9.9.sql": "".join([removal, *parts[1:]]),
    }
    output_of([*make, "clean", "OLDER=9.7 9.8"])
    assert not list(copy.glob("*.sql"))


def test_dropping_the_extension_leaves_nothing_of_it_and_all_that_was_imported(
    db: Database,
) -> None:
    imported(db, "'acme', repositories => '{website}'")

    db.execute("DROP EXTENSION bitbucket_fdw")

    assert db.value("SELECT to_regnamespace('bitbucket')") is None
    assert db.column("SELECT srvname FROM pg_foreign_server") == ["bitbucket"]
    assert db.value("SELECT count(*) FROM acme__website.pull_requests") == 150
    db.execute("CREATE EXTENSION bitbucket_fdw")
    assert imported(db, "'acme', repositories => '{website}'")["website"][2] == "unchanged"


def test_the_extension_does_not_take_over_a_schema(db: Database) -> None:
    db.execute("DROP EXTENSION bitbucket_fdw; CREATE SCHEMA bitbucket")

    with pytest.raises(Exception, match='schema "bitbucket" already exists'):
        db.execute("CREATE EXTENSION bitbucket_fdw")


def test_it_installs_without_a_schema_public(db: Database) -> None:
    db.execute("DROP EXTENSION multicorn CASCADE; DROP SCHEMA public; CREATE SCHEMA extensions")
    db.execute("CREATE EXTENSION multicorn SCHEMA extensions")

    db.execute("CREATE EXTENSION bitbucket_fdw")

    assert db.value("SELECT bitbucket.schema_name('acme')") == "acme"


def test_dump_and_restore(db: Database) -> None:
    imported(db, "'acme'")
    db.execute("ALTER SCHEMA acme__website RENAME TO site")
    db.execute("GRANT SELECT ON site.pull_requests TO PUBLIC")
    environment = client_environment()
    dump = output_of(
        [tool(db.cluster.tree, "pg_dump"), f"--dbname={db.conninfo()}"], env=environment
    )
    assert "CREATE SCHEMA bitbucket;" not in dump  # it comes with the extension
    assert "bitbucket.tables" not in dump

    copy = f"{db.name}_copy"
    db.execute(f"CREATE DATABASE {copy}")
    try:
        db.cluster.sql(dump, database=copy)
        restored = Database(db.cluster, db.emulator, copy)
        assert shape(restored, "site") == shape(db, "site")
        bookkeeping = "SELECT server, workspace, repository, schema, name FROM {} ORDER BY 4, 5"
        tables = bookkeeping.format("bitbucket.imported_tables")
        assert restored.rows(tables) == db.rows(tables)
        statuses = {status for *_, status in imported(restored, "'acme'").values()}
        assert statuses == {"unchanged"}
        assert restored.value("SELECT count(*) FROM site.pull_requests") == 150
        restored.close()
    finally:
        db.execute(f"DROP DATABASE {copy} WITH (FORCE)")
