"""script/demo from the outside: set up, query, own workspace, stop, reset, and no secret shown.

One demo, in a state directory of its own that borrows the virtual environment and the server
trees; the tests go through its life in order.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from devkit import venv
from devkit.cluster import Cluster
from devkit.connect import CDATA_SOURCE
from devkit.emulator import Control
from devkit.places import CHECKOUT, Places, remove_tree

from bitbucket_fdw.command.ini_files import read_entry
from tests.support.odbc import find_driver

SCRIPT = CHECKOUT / "script" / "demo"


@dataclass
class Run:
    """A finished run of the script, and the command lines that other users could see meanwhile."""

    status: int
    output: str
    command_lines: set[str] = field(default_factory=set)


class Demo:
    """Runs script/demo with a state directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, **variables: str) -> Run:
        env = {**os.environ, "BITBUCKET_FDW_HOME": str(self.home), **variables}
        process = subprocess.Popen(
            [str(SCRIPT), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            cwd="/",
        )
        seen: set[str] = set()
        done = threading.Event()
        watcher = threading.Thread(target=_watch_command_lines, args=(seen, done))
        watcher.start()
        output, _ = process.communicate(timeout=300)
        done.set()
        watcher.join()
        return Run(process.returncode, output, seen)

    def files(self) -> Iterator[Path]:
        """The demo's own files: logs, settings, the cluster's data."""
        for path in (self.home / "demo", self.home / "log"):
            yield from (file for file in path.rglob("*") if file.is_file())


def _watch_command_lines(seen: set[str], done: threading.Event) -> None:
    while not done.wait(0.005):
        for process in Path("/proc").glob("[0-9]*"):
            try:
                seen.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (OSError, UnicodeDecodeError):
                continue


@pytest.fixture(scope="module")
def demo(postgres: Cluster, places: Places) -> Iterator[Demo]:
    """A demo apart from the checkout's own, stopped and removed in the end."""
    venv.ensure(places, "demo")
    home = postgres.directory / "demo"
    remove_tree(home)
    home.mkdir()
    locks = [file.name for file in places.home.glob("*.lock") if file.name != "demo.lock"]
    for shared in ("venv", "trees", "build", *locks):
        (home / shared).symlink_to(places.home / shared)
    own = Demo(home)
    yield own
    own.run("reset")
    remove_tree(home)


@pytest.fixture(scope="module")
def started(demo: Demo) -> Run:
    """The first run."""
    return demo.run()


def test_psql_before_the_start_says_what_to_do(demo: Demo) -> None:
    done = demo.run("psql", "-c", "select 1")
    assert done.status == 1
    assert "script/demo" in done.output
    assert demo.run("status").status == 3


def test_the_first_run_shows_the_tour_and_how_to_connect(started: Run) -> None:
    assert started.status == 0, started.output
    assert "SELECT count(*) FROM acme.repositories;" in started.output
    assert re.search(r"→ \d+ ms, 1 request\n\s+GET /2\.0/repositories/acme", started.output)
    assert re.search(r"POST /2\.0/repositories/acme/website/pullrequests/\d+/merge", started.output)
    assert "postgresql://demo@127.0.0.1:" in started.output
    assert "ERROR" not in started.output


def test_psql_counts_what_the_emulator_has(demo: Demo, started: Run) -> None:
    done = demo.run("psql", "-Atc", "select count(*) from acme.repositories")
    assert done.status == 0, done.output
    count = demo.run("psql", "-Atc", "select slug from acme.repositories").output.split()
    assert int(done.output) == len(count) > 5
    assert "website" in count


def test_psql_s_own_options_win(demo: Demo, started: Run) -> None:
    done = demo.run("psql", "-U", "postgres", "-d", "postgres", "-Atc", "select current_user")
    assert done.output.strip() == "postgres"
    done = demo.run("psql", "-v", "ON_ERROR_STOP=1", "-c", "select 1/0", "-c", "select 2")
    assert done.status == 1


def test_a_workspace_that_was_not_set_up_says_what_to_do(demo: Demo, started: Run) -> None:
    done = demo.run("--workspace", "globex", "psql", "-c", "select 1")
    assert done.status == 1
    assert "script/demo --workspace globex" in done.output


def test_bitbucket_fdw_is_at_hand(demo: Demo, started: Run) -> None:
    done = demo.run("bitbucket-fdw", "verify", "bitbucket", "acme")
    assert done.status == 0, done.output
    assert "repositories of acme" in done.output


def test_a_login_can_be_tried_and_the_next_run_takes_it_back(demo: Demo, started: Run) -> None:
    page = (CHECKOUT / "docs" / "commands.md").read_text()
    [statement] = re.findall(r'script/demo psql -c "(ALTER USER MAPPING[^"]+)"', page)
    assert demo.run("psql", "-c", statement).output.strip() == "ALTER USER MAPPING"

    # Without a terminal to paste the code into, it ends there.
    done = demo.run("bitbucket-fdw", "login", "bitbucket", "--headless")
    assert re.search(r"http://127\.0\.0\.1:\d+/site/oauth2/authorize\?", done.output), done.output

    assert demo.run("--no-tour").status == 0
    assert demo.run("bitbucket-fdw", "verify", "bitbucket", "acme").status == 0


def test_a_second_run_keeps_what_is_there(demo: Demo, started: Run) -> None:
    made = demo.run("psql", "-c", "create table mine as select 7 as x")
    assert made.status == 0, made.output
    again = demo.run("--no-tour")
    assert again.status == 0, again.output
    assert "Installing" not in again.output
    assert "Starting" not in again.output
    assert demo.run("psql", "-Atc", "select x from mine").output.strip() == "7"


def test_status_tells_what_runs(demo: Demo, started: Run) -> None:
    done = demo.run("status")
    assert done.status == 0
    assert "PostgreSQL" in done.output
    assert "http://127.0.0.1:" in done.output


def test_status_tells_how_to_connect(demo: Demo, started: Run) -> None:
    said = demo.run("status").output
    [uri] = re.findall(r"URI +(postgresql://\S+)", said)
    assert uri in started.output
    [dsn] = re.findall(r"DSN bitbucket in (\S+)", said)
    assert "[bitbucket]" in Path(dsn).read_text()
    [line] = re.findall(r"psql +(PGPASSFILE=.*)", said)
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    command = ["bash", "-c", f"{line} -w -Atc 'select current_user'"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "demo", done.stderr


def test_status_names_the_data_source_of_cdata_s_examples(demo: Demo, started: Run) -> None:
    for said in (started.output, demo.run("status").output):
        assert f'DSN "{CDATA_SOURCE}"' in said
    [file] = re.findall(r"DSN bitbucket in (\S+)", demo.run("status").output)
    entry = read_entry(Path(file).read_text(), CDATA_SOURCE)
    assert entry is not None
    assert entry["updatablecursors"] == "1"
    assert entry["connsettings"].startswith("SET search_path TO ")


@pytest.mark.skipif(find_driver() is None, reason="psqlODBC (odbc-postgresql) is not installed")
def test_statements_of_cdata_s_examples_run_on_its_data_source(demo: Demo, started: Run) -> None:
    [file] = re.findall(r"DSN bitbucket in (\S+)", demo.run("status").output)
    for source in ("bitbucket", CDATA_SOURCE):
        done = demo.run("bitbucket-fdw", "dsn", source, "--check", "--json", ODBCINI=file)
        assert done.status == 0, done.output
    statements = {
        "SELECT Id, Title FROM Issues WHERE Id = '1'": "Id\tTitle",
        "SELECT Slug FROM Workspaces": "Slug",
        "SELECT SchemaName FROM sys_schemas": "schemaname",
    }
    for statement, columns in statements.items():
        shown = subprocess.run(
            ["isql", "-b", "-v", "-c", "-x0x09", CDATA_SOURCE],
            input=f"{statement}\n",
            env={**os.environ, "ODBCINI": file},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert shown.returncode == 0, shown.stdout + shown.stderr
        names, *rows = shown.stdout.splitlines()
        assert names == columns
        assert rows


def test_variables_that_name_files_get_through_and_others_do_not(
    demo: Demo, started: Run, tmp_path: Path
) -> None:
    services = tmp_path / "services"
    services.write_text("[mine]\napplication_name=of a service\n")
    elsewhere = {"PGHOST": "nowhere.invalid", "PGDATABASE": "other", "PGUSER": "nobody"}
    variables = {**elsewhere, "PGSERVICE": "none", "PGSERVICEFILE": str(services)}
    shown = demo.run("psql", "-At", "service=mine", "-c", "SHOW application_name", **variables)
    assert shown.output == "of a service\n"
    written = demo.run("bitbucket-fdw", "dsn", "--as", "service", "--write", **variables)
    assert written.status == 0, written.output
    assert "[bitbucket]" in services.read_text()
    assert "nowhere" not in services.read_text()
    shown = demo.run("psql", "-At", "service=bitbucket", "-c", "SELECT current_user", **variables)
    assert shown.output == "demo\n"


def test_a_password_is_that_of_a_server_which_is_named(demo: Demo, started: Run) -> None:
    command = ("bitbucket-fdw", "dsn", "--as", "jdbc", "--schema", "acme", "--with-password")
    # The demo's own server needs none on its socket, and this one is another's.
    assert "hush-hush" not in demo.run(*command, PGPASSWORD="hush-hush").output
    other = demo.run(*command, "--dsn=host=127.0.0.1 port=1", PGPASSWORD="hush-hush")
    assert "password=hush-hush" in other.output


def test_the_command_knows_the_demo_s_data_sources(demo: Demo, started: Run) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ODBCINI", raising=False)
        found = demo.run("bitbucket-fdw", "dsn", "--check", "--json")
        missing = demo.run("bitbucket-fdw", "dsn", "nope", "--check")
        made = demo.run("bitbucket-fdw", "dsn", "nope", "--schema", "acme", "--write")
    assert f"[bitbucket] in {demo.home / 'demo' / 'odbc-demo.ini'}" in found.output
    assert "script/demo bitbucket-fdw dsn 'nope' --write" in missing.output
    assert made.status == 0, made.output
    assert demo.run("--no-tour").status == 0
    text = (demo.home / "demo" / "odbc-demo.ini").read_text()
    assert text.count("[nope]") == text.count("[bitbucket]") == 1


def test_psql_shows_no_context_of_an_error(demo: Demo, started: Run) -> None:
    done = demo.run("psql", "-c", "SELECT * FROM bitbucket.schemas('nowhere')")
    assert 'server "nowhere" does not exist' in done.output
    assert "CONTEXT" not in done.output


def test_clients_get_in_with_the_password_file_and_not_without(demo: Demo, started: Run) -> None:
    uri = re.search(r"postgresql://\S+", started.output)
    assert uri is not None
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    command = ["psql", "-w", uri[0], "-Atc", "select current_user"]
    pgpass = demo.home / "demo" / "pgpass"
    allowed = subprocess.run(
        command, env={**env, "PGPASSFILE": str(pgpass)}, capture_output=True, text=True, check=False
    )
    assert allowed.stdout.strip() == "demo", allowed.stderr
    refused = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode != 0


def test_files_with_passwords_are_private(demo: Demo, started: Run) -> None:
    for name in ("password", "pgpass", "odbc-demo.ini"):
        assert (demo.home / "demo" / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize(
    ("workspace", "secret", "email", "works"),
    [
        ("globex", "emulator-token-ada-write", "ada@acme.example", True),
        ("acme", "emulator-token-workspace", None, True),
        # A token that is refused, so that every step that can fail with it does.
        ("acme", "emulator-token-that-is-wrong", None, False),
        # One that would end a badly quoted statement.
        ("acme", "hush'); \\echo hush", None, False),
    ],
)
def test_own_workspace_shows_no_secret(
    demo: Demo,
    started: Run,
    emulator: Control,
    workspace: str,
    secret: str,
    email: str | None,
    works: bool,
) -> None:
    variables = (
        {"BITBUCKET_EMAIL": email, "BITBUCKET_API_TOKEN": secret}
        if email
        else {"BITBUCKET_ACCESS_TOKEN": secret}
    )
    done = demo.run("--workspace", workspace, "--base-url", emulator.base_url, **variables)
    assert (done.status == 0) is works, done.output
    assert secret not in done.output
    assert not [line for line in done.command_lines if secret in line]
    for file in demo.files():
        # The catalog holds user mappings, as everywhere in PostgreSQL; only the server's OS user
        # can read its files.
        if (demo.home / "demo" / "cluster" / "data") not in file.parents:
            assert secret.encode() not in file.read_bytes(), file


def test_own_workspace_without_credentials_is_refused(demo: Demo) -> None:
    done = demo.run("--workspace", "globex")
    assert done.status == 1
    assert "BITBUCKET_API_TOKEN" in done.output


@pytest.mark.parametrize("name", ["acme/website", "", "a b", "x" * 60, "a;b"])
def test_what_is_no_workspace_id_is_refused(demo: Demo, name: str) -> None:
    done = demo.run(f"--workspace={name}", BITBUCKET_ACCESS_TOKEN="x")
    assert done.status == 1
    assert "workspace" in done.output


def test_stop_ends_both_and_start_brings_them_back(demo: Demo, started: Run) -> None:
    assert demo.run("stop").status == 0
    assert demo.run("status").status == 3
    again = demo.run("stop")
    assert (again.status, again.output) == (0, "Nothing is running.\n")
    back = demo.run("--no-tour")
    assert back.status == 0, back.output
    assert demo.run("psql", "-Atc", "select x from mine").output.strip() == "7"


def test_reset_removes_the_demo_and_nothing_else(demo: Demo, started: Run) -> None:
    assert demo.run("reset").status == 0
    assert not (demo.home / "demo").exists()
    assert (demo.home / "venv").exists()
    left = [line for line in _command_lines() if str(demo.home / "demo") in line]
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("status",), 3), (("stop",), 0), (("reset", "--all"), 0), (("psql",), 1)],
)
def test_what_looks_or_removes_makes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], status: int
) -> None:
    absent = Demo(tmp_path / "state")
    assert absent.run(*arguments).status == status
    assert not absent.home.exists()


def _command_lines() -> set[str]:
    seen: set[str] = set()
    done = threading.Event()
    watcher = threading.Thread(target=_watch_command_lines, args=(seen, done))
    watcher.start()
    done.wait(0.05)
    done.set()
    watcher.join()
    return seen


def test_help_names_every_command(demo: Demo) -> None:
    done = demo.run("--help")
    assert done.status == 0
    for word in ("psql", "stop", "reset", "status", "--workspace", "BITBUCKET_API_TOKEN", "dsn"):
        assert word in done.output


@pytest.mark.parametrize("arguments", [("status",), ("--help",), ("nonsense",)])
def test_it_ends_quietly_where_nobody_reads(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [str(SCRIPT), *arguments],
        env={**os.environ, "BITBUCKET_FDW_HOME": str(tmp_path / "state")},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    if arguments == ("nonsense",):  # says so elsewhere, and nothing is amiss with the output
        assert done.returncode == 2
        assert "nonsense" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
