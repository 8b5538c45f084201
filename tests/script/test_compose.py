"""docker-compose.yml: accepted by compose where that is installed, and right in its structure."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from devkit.cluster import Cluster, free_port
from devkit.emulator import Control
from devkit.places import CHECKOUT, remove_tree
from devkit.postgres import describe

from tests.support.waiting import wait_until

FILE = CHECKOUT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file's content, read by the distribution's PyYAML."""
    code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code, str(FILE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"python3-yaml is needed: {done.stderr}"
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def _compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"], ["podman-compose"]):
        if shutil.which(command[0]):
            answer = subprocess.run([*command, "version"], capture_output=True, check=False)
            if answer.returncode == 0:
                return command
    return None


def test_compose_accepts_the_file() -> None:
    command = _compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine")
    done = subprocess.run(
        [*command, "--file", str(FILE), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_only_known_keys_are_used(compose: dict[str, Any]) -> None:
    # The Compose specification's names; a misspelt one would be an error at "up".
    assert set(compose) == {"services", "volumes"}
    known = {
        "build",
        "command",
        "depends_on",
        "entrypoint",
        "environment",
        "healthcheck",
        "image",
        "network_mode",
        "ports",
        "restart",
        "volumes",
    }
    for name, service in compose["services"].items():
        assert set(service) <= known, name
        assert set(service["healthcheck"]) <= {
            "test",
            "interval",
            "timeout",
            "retries",
            "start_period",
        }


def test_postgres_and_the_emulator_are_services_with_healthchecks(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "emulator"}
    for service in compose["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert all(isinstance(word, str) for word in service["healthcheck"]["test"])


def test_the_emulator_lives_in_postgres_s_network(compose: dict[str, Any]) -> None:
    """The other way round, PostgreSQL would be cut off when the emulator restarts."""
    postgres, emulator = compose["services"]["postgres"], compose["services"]["emulator"]
    assert emulator["network_mode"] == "service:postgres"
    assert set(emulator["depends_on"]) == {"postgres"}
    # With another service's network, ports must be published there.
    assert "ports" not in emulator
    assert not {"network_mode", "depends_on"} & set(postgres)
    # It ends by itself when PostgreSQL's network is another one, and is started again.
    assert emulator["entrypoint"] == ["emulator.sh"]
    assert emulator["restart"] == "unless-stopped"


def test_ports_are_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:")


def test_everything_that_is_built_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        build = service["build"]
        context = CHECKOUT / build["context"]
        dockerfile = (context / build["dockerfile"]).read_text()
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, flags=re.M):
            sources = [word for word in line.split() if not word.startswith("--")][:-1]
            for source in sources:
                assert list(context.glob(source.rstrip("/"))), source


DOCKERFILE = CHECKOUT / "docker" / "Dockerfile"


def test_the_image_is_the_official_one_with_the_bundled_host() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE.read_text(), flags=re.M)[1:]
    assert len(stages) == 2
    for stage in stages:
        assert stage.startswith("postgres:${PG_MAJOR}-")
    assert "make -C /source/host install" in stages[0]
    # What compiles stays in the stage that is thrown away.
    for tool in ("gcc", "make ", "-dev", "git clone"):
        assert tool not in stages[1], tool


def test_what_the_image_builds_lies_where_postgres_looks(postgres: Cluster, tmp_path: Path) -> None:
    """The build's own commands, on copies of what it copies."""
    tree = postgres.tree
    if tree.flavour != "bundled":
        pytest.skip("the image has the bundled host")
    source, out = tmp_path / "source", tmp_path / "out"
    built = shutil.ignore_patterns("*.o", "*.so")
    for name in ("host", "sql"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=built)
    python = subprocess.check_output(["sh", "-c", "command -v python3"], text=True).strip()
    commands = re.findall(r"make -C \S+ install[^\n&\\\\]*", DOCKERFILE.read_text())
    assert len(commands) == 2
    machine = tree.installation
    pg_config = machine.pg_config if machine.has_headers else tree.pg_config
    for command in commands:
        words = command.replace("/source", str(source)).replace("/out", str(out))
        words = words.replace("/opt/bitbucket_fdw/bin/python3", python)
        subprocess.run([*words.split(), f"PG_CONFIG={pg_config}"], check=True, capture_output=True)
    installation = describe(pg_config)
    library = out / installation.pkglibdir.relative_to("/")
    share = out / installation.sharedir.relative_to("/") / "extension"
    assert (library / "multicorn.so").exists()
    assert (library / "multicorn/python/multicorn/__init__.py").exists()
    assert {"multicorn.control", "bitbucket_fdw.control"} <= {f.name for f in share.iterdir()}


def test_what_is_copied_is_not_ignored(compose: dict[str, Any]) -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE.read_text(), flags=re.M):
        words = line.split()
        if any(word.startswith("--from") for word in words):
            continue
        for source in [word for word in words if not word.startswith("--")][:-1]:
            assert f"!{source.partition('/')[0]}" in ignored, source


def test_the_emulator_s_port_is_the_one_the_server_uses(compose: dict[str, Any]) -> None:
    assert compose["services"]["emulator"]["entrypoint"] == ["emulator.sh"]
    command = compose["services"]["emulator"]["command"]
    port = command[command.index("--port") + 1]
    base_url = compose["services"]["postgres"]["environment"]["BITBUCKET_BASE_URL"]
    assert base_url == f"http://127.0.0.1:{port}/2.0"


def test_the_entry_point_s_variables_are_given(compose: dict[str, Any]) -> None:
    given = compose["services"]["postgres"]["environment"]
    used = re.findall(r"\\getenv \w+ (\w+)", (CHECKOUT / "docker" / "init.sql").read_text())
    assert used
    assert set(used) <= set(given)


def test_the_sample_credential_is_the_emulator_s() -> None:
    from bitbucket_fdw.emulator.credentials import SAMPLES

    text = (CHECKOUT / "docker" / "init.sql").read_text()
    [email, token] = re.findall(r"email '([^']+)', token '([^']+)'", text)[0]
    assert (email, token) in {(sample.email, sample.secret) for sample in SAMPLES}


class EntryPoint:
    """docker/entrypoint.sh with the session's server in the place of the image's."""

    def __init__(self, postgres: Cluster, directory: Path, base_url: str) -> None:
        self.postgres = postgres
        self.directory = directory
        self.log = directory / "log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("entrypoint.sh", "init.sql"):
            shutil.copy(CHECKOUT / "docker" / name, directory / name)
        for name in ("run", "data"):
            (directory / name).mkdir(mode=0o700)
            postgres.user.own(directory / name)
        postgres.user.own(directory)
        self.env = {
            "PATH": f"{postgres.tree.bindir}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PGDATA": str(directory / "data"),
            "PGPORT": str(self.port),
            "PYTHONPATH": os.pathsep.join(map(str, postgres.python_path)),
            "SOCKET_DIRECTORY": str(directory / "run"),
            "INIT_SQL": str(directory / "init.sql"),
            "DEMO_PASSWORD": "it's \\ secret",
            "BITBUCKET_BASE_URL": base_url,
            "BITBUCKET_WAIT": "2",
        }

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.directory / "entrypoint.sh"), "postgres"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self.env,
                **self.postgres.user.spawn_options(),
            )
        wait_until(self.answers, 120, lambda: self.log.read_text())

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, user: str = "demo") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            dbname="demo",
            password=self.env["DEMO_PASSWORD"],
            autocommit=True,
        )

    def stop(self) -> None:
        # The image's STOPSIGNAL.
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)


@pytest.fixture
def entry_point(postgres: Cluster, emulator: Control) -> Iterator[EntryPoint]:
    if postgres.tree.installation.major < 15:
        pytest.skip("the image has psql 15 or newer, for \\getenv")
    directory = postgres.directory / "entry"
    directory.mkdir()
    entry = EntryPoint(postgres, directory, emulator.base_url)
    yield entry
    entry.stop()
    remove_tree(directory)


def test_the_entry_point_makes_the_sample_database_once(entry_point: EntryPoint) -> None:
    entry_point.start()
    with entry_point.connect() as connection:
        [count] = connection.execute("SELECT count(*) FROM acme.repositories").fetchone() or [0]
        assert count > 5
        connection.execute("CREATE TABLE mine AS SELECT 7 AS x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        entry_point.connect("postgres")
    entry_point.stop()
    entry_point.start()
    with entry_point.connect() as connection:
        assert connection.execute("SELECT x FROM mine").fetchone() == (7,)


def test_an_interrupted_first_start_is_begun_anew(entry_point: EntryPoint) -> None:
    good = entry_point.env["BITBUCKET_BASE_URL"]
    entry_point.env["BITBUCKET_BASE_URL"] = "not an address"
    with pytest.raises(AssertionError, match="ERROR"):
        entry_point.start()
    assert (entry_point.directory / "data.incomplete").exists()
    data = entry_point.directory / "data"
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    wait_until(lambda: not (data / "postmaster.pid").exists(), 60, entry_point.log.read_text)
    entry_point.env["BITBUCKET_BASE_URL"] = good
    entry_point.start()
    assert not (entry_point.directory / "data.incomplete").exists()


@pytest.fixture
def follower() -> Iterator[subprocess.Popen[bytes]]:
    """docker/emulator.sh, beside a PostgreSQL that is a listening socket: ``postgres`` on it."""
    postgres = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        [str(CHECKOUT / "docker" / "emulator.sh"), "--port", "0", "--scale", "tiny"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=CHECKOUT,
        start_new_session=True,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PGPORT": str(postgres.getsockname()[1]),
            "PAUSE": "0.1",
            "LOOKS": "3",
        },
    )
    process.postgres = postgres  # type: ignore[attr-defined]
    yield process
    postgres.close()
    # The whole group: an emulator that outlives the script keeps the pipe open.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def children(process: subprocess.Popen[bytes]) -> list[str]:
    """The ids of the emulators among its processes. Its own forks are named as the script is."""
    found = []
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if "bitbucket_fdw.emulator" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


def test_the_emulator_ends_when_postgres_is_gone(follower: Any) -> None:
    wait_until(lambda: bool(children(follower)), 30, str)
    [emulator] = children(follower)
    connection, _ = follower.postgres.accept()
    connection.close()
    with pytest.raises(subprocess.TimeoutExpired):
        follower.wait(timeout=1)
    follower.postgres.close()
    assert follower.wait(timeout=30) == 1
    assert b"PostgreSQL is gone" in follower.stderr.read()
    wait_until(lambda: not Path(f"/proc/{emulator}").exists(), 10, str)


def test_the_emulator_stops_when_it_is_told_to(follower: Any) -> None:
    wait_until(lambda: bool(children(follower)), 30, str)
    [emulator] = children(follower)
    follower.terminate()
    assert follower.wait(timeout=10) == 143
    wait_until(lambda: not Path(f"/proc/{emulator}").exists(), 10, str)
