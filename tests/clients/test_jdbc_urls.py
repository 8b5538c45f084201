"""URLs for JDBC, read by PostgreSQL's own driver: Java and the driver have to be there."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bitbucket_fdw.command.connection_formats import jdbc_url
from bitbucket_fdw.command.connection_settings import Settings

PROGRAM = Path(__file__).with_name("jdbc") / "Urls.java"
PARTS = [*";}{=#'\"+% ,&?/@:[]\\ä😀", "a b", "%41", "+", "-c x=y", "\\ \\\\", "a'b\"c"]


@pytest.fixture(scope="module")
def read():
    """What the driver makes of URLs: one list of texts for each."""
    jar = next(iter(sorted(Path("/usr/share/java").glob("postgresql*.jar"))), None)
    if jar is None or shutil.which("java") is None:
        pytest.skip("Java or PostgreSQL's JDBC driver (libpostgresql-jdbc-java) is not installed")
    modules = subprocess.run(
        ["java", "--list-modules"], capture_output=True, text=True, check=True
    ).stdout
    if "jdk.compiler" not in modules:
        pytest.skip("this Java compiles no programs")

    def run(urls, *queries):
        done = subprocess.run(
            ["java", "-Dfile.encoding=UTF-8", "-cp", str(jar), str(PROGRAM), *queries],
            input="\n".join(urls).encode(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        lines = done.stdout.decode().splitlines()
        return [[base64.b64decode(part[:-1]).decode() for part in ln.split(" ")] for ln in lines]

    return run


def test_the_driver_reads_what_was_meant(read):
    plain = Settings("x", "localhost", 5432, "base", "me", "secret", ("website",))
    meant = [
        replace(plain, database=part, user=part, password=part, schemas=(part, "b"))
        for part in PARTS
    ]
    meant += [replace(plain, write_mode="commit", parameters=(("TimeZone", p),)) for p in PARTS]
    for settings, found in zip(meant, read(map(jdbc_url, meant)), strict=True):
        database, user, password, schema, options = found
        assert (database, user, password) == (settings.database, settings.user, settings.password)
        assert schema == settings.search_path
        assert options.startswith("-c bitbucket_fdw.write_mode=commit") == bool(settings.write_mode)


def test_a_program_begins_in_the_schema(read, site):
    password = site.db.cluster.password_file.read_text().strip()
    settings = Settings(
        "x", "127.0.0.1", site.db.cluster.port, site.db.name, "postgres", password, ("website",)
    )
    settings = replace(settings, write_mode="commit", parameters=(("my.own", "a b\\c'd"),))
    [row] = read(
        [jdbc_url(settings)],
        "SELECT current_setting('search_path')",
        "SELECT current_setting('bitbucket_fdw.write_mode')",
        "SELECT current_setting('my.own')",
        "SELECT count(*) FROM issues WHERE id = 1",
    )
    assert row == ["website", "commit", "a b\\c'd", "1"]
