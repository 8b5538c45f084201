"""dbt: the documented sources and model, in a real project, against the imported schemas."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "dbt.md"


@pytest.fixture
def dbt(db, tmp_path):
    """Run dbt on a project made of what the documentation shows."""
    command = os.environ.get("BITBUCKET_FDW_DBT")
    if not command:
        pytest.skip("BITBUCKET_FDW_DBT names no dbt; script/test clients installs one")
    db.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    models = tmp_path / "models"
    models.mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: demo\nversion: '1.0'\nprofile: bitbucket\n")
    (models / "sources.yml").write_text((DOCS / "dbt" / "sources.yml").read_text())
    [model] = blocks(PAGE, "jinja")
    (models / "pull_requests.sql").write_text(model.text)
    [profile] = blocks(PAGE, "yaml")
    (tmp_path / "profiles.yml").write_text(
        profile.text.replace("host: localhost", "host: 127.0.0.1")
        .replace("port: 5432", f"port: {db.cluster.port}")
        .replace("your_user", "postgres")
        .replace("your_database", db.name)
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        "DBT_PASSWORD": db.cluster.password_file.read_text().strip(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        "HOME": str(tmp_path),
    }

    def run(*arguments):
        done = subprocess.run(
            [command, "--no-use-colors", *arguments, "--profiles-dir", str(tmp_path)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    return run


def test_the_documented_model_is_built_and_then_updated(dbt, db):
    dbt("run")
    source = (
        "SELECT repository, id, title, state, updated_on FROM acme.pull_requests "
        "WHERE repository IN ('website', 'design-system') ORDER BY 1, 2"
    )
    built = "SELECT repository, id, title, state, updated_on FROM analytics.pull_requests"
    assert db.rows(f"{built} ORDER BY 1, 2") == db.rows(source)
    whole = len(db.requests(source))

    db.execute(
        "UPDATE acme.pull_requests SET title = 'Another title' WHERE repository = 'website' "
        "AND id = (SELECT min(id) FROM acme.pull_requests "
        "          WHERE repository = 'website' AND state = 'OPEN')"
    )
    db.emulator.clear()
    dbt("run")
    updates = [request for request in db.emulator.requests() if "q=" in request.query]
    assert updates
    assert len(db.emulator.requests()) < whole
    assert db.rows(f"{built} ORDER BY 1, 2") == db.rows(source)


def test_every_documented_source_is_there_with_its_columns(dbt, db):
    # dbt's catalog is read from the database; what it does not find is not in it.
    listed = dbt("--quiet", "list", "--resource-type", "source").split()
    tables = {name.rpartition(".")[2] for name in listed}
    sources = (DOCS / "dbt" / "sources.yml").read_text(encoding="utf-8")
    described = re.findall(r"^          - name: (\w+)$", sources, re.MULTILINE)
    there = db.rows(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'acme' ORDER BY table_name, ordinal_position"
    )
    assert tables == {table for table, _ in there}
    assert sorted(described) == sorted(column for _, column in there)
    assert Path(os.environ["BITBUCKET_FDW_DBT"]).exists()
