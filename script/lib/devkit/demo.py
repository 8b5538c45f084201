"""script/demo: PostgreSQL over a Bitbucket workspace, from a bare machine, in one command."""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from devkit import connect, demo_database, emulator, postgres, prepare, tour, tree, venv
from devkit.cluster import Cluster, client_environment, free_port
from devkit.demo_database import Target
from devkit.emulator import Control, PidFile
from devkit.places import (
    CHECKOUT,
    Places,
    digest_of,
    open_places,
    remove_tree,
    state_directory,
    write_private,
)
from devkit.run import Failure, require_reachable, say, server_user
from devkit.venv import Venv

SAMPLE = Target(workspace="acme", database="demo", server={}, repository="website")
CLOUD = "https://api.bitbucket.org/2.0"
WORKSPACE_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")
CLIENTS = ("psql", "bitbucket-fdw")
# Variables of libpq that name files, and lead no client to another server.
FILES = ("PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE")
# What opens a server that the caller names himself. It says nothing about the demo's, so it must
# not come into what is written about that.
KEYS = ("PGPASSWORD", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLCRL", "PGSSLCRLDIR")
COMMANDS = ("start", *CLIENTS, "stop", "reset", "status")

DESCRIPTION = """\
From a bare machine to SQL over a Bitbucket workspace: installs what is missing, starts a private
PostgreSQL and a Bitbucket emulator with the sample workspace "acme", imports its tables, shows
some queries, and leaves both running. Run it again at any time: what is there is kept.

commands:
  (none)      set up, start and show the tour
  psql ...    psql on the demo's database; everything after the word goes to psql
  bitbucket-fdw ...
              likewise the command of the Python package: verify, login, dsn
  status      what is running, and where
  stop        stop PostgreSQL and the emulator
  reset       stop, and remove the demo's data; with --all also what was built and installed
"""
EPILOG = """\
your own workspace:
  With --workspace NAME the same tour runs on Bitbucket Cloud. The credentials come from the
  environment: BITBUCKET_EMAIL and BITBUCKET_API_TOKEN, or BITBUCKET_ACCESS_TOKEN. It gets a
  database of its own; "script/demo --workspace NAME psql" connects to it.

environment:
  BITBUCKET_FDW_HOME       the state directory (default: below /var/lib or ~/.local/state)
  BITBUCKET_FDW_PG_CONFIG  the pg_config of the PostgreSQL to use (default: the newest)
"""


@dataclass(frozen=True)
class Demo:
    """The demo of one checkout: its paths and its cluster."""

    places: Places

    @property
    def settings_file(self) -> Path:
        return self.places.demo / "demo.json"

    @property
    def emulator_pid(self) -> PidFile:
        return PidFile(self.places.demo / "emulator.pid")

    @property
    def emulator_file(self) -> Path:
        return self.places.demo / "emulator.json"

    @property
    def emulator_log(self) -> Path:
        return self.places.demo / "emulator.log"

    def cluster(self) -> Cluster | None:
        """The cluster as it was set up last; None before the first time."""
        if not self.settings_file.exists():
            return None
        settings = json.loads(self.settings_file.read_text())
        installation = postgres.from_json(settings["installation"])
        built = tree.Tree(Path(settings["tree"]), settings["host"], installation)
        return self.make_cluster(built, Path(settings["python_path"]))

    def make_cluster(self, built: tree.Tree, python_path: Path) -> Cluster:
        return Cluster(
            tree=built,
            directory=self.places.demo / "cluster",
            user=server_user(),
            python_path=[python_path],
            # Statements may hold a credential (CREATE USER MAPPING): none is ever logged.
            settings={"log_statement": "none", "log_min_error_statement": "panic"},
        )

    def remember(self, cluster: Cluster, python_path: Path) -> None:
        settings = {
            "installation": postgres.to_json(cluster.tree.installation),
            "tree": str(cluster.tree.root),
            "host": cluster.tree.flavour,
            "python_path": str(python_path),
        }
        self.settings_file.write_text(json.dumps(settings, indent=1))

    def password(self) -> str:
        """The demo role's password for TCP, made once."""
        path = self.places.demo / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(18) + "\n")
        return path.read_text().strip()

    def base_url(self) -> str | None:
        """Where the emulator listens, when it runs."""
        if self.emulator_pid.pid() is None or not self.emulator_file.exists():
            return None
        return str(json.loads(self.emulator_file.read_text())["base_url"])


def main(arguments: list[str]) -> int:
    # Out of the environment first: no program started from here needs them.
    credentials = take_credentials()
    arguments, rest = _split_client(arguments)
    options = _parser().parse_args(arguments)
    # What only looks or removes makes no directory to look into.
    begins = options.command == "start"
    demo = Demo(open_places() if begins else Places(state_directory()))
    if options.workspace is not None and not WORKSPACE_ID.fullmatch(options.workspace):
        raise Failure(
            f"{options.workspace!r} is not a workspace ID",
            hint="It is the part after bitbucket.org/ in the workspace's address.",
        )
    target = (
        Target(options.workspace, f"workspace_{options.workspace}", {"base_url": options.base_url})
        if options.workspace
        else SAMPLE
    )
    if options.command in CLIENTS:
        return client(demo, target, options.command, rest)
    if options.command == "status":
        return status(demo)
    if options.command == "stop":
        return stop(demo)
    if options.command == "reset":
        return reset(demo, everything=options.all)
    if options.workspace and not credentials:
        raise Failure(
            "there are no credentials for Bitbucket Cloud in the environment",
            hint="Set BITBUCKET_EMAIL and BITBUCKET_API_TOKEN, or BITBUCKET_ACCESS_TOKEN.",
        )
    return start(demo, target, credentials if options.workspace else {}, show=options.tour)


def take_credentials() -> dict[str, str]:
    """The user mapping options that the environment holds, which are removed from it."""
    email = os.environ.pop("BITBUCKET_EMAIL", "")
    api_token = os.environ.pop("BITBUCKET_API_TOKEN", "")
    access_token = os.environ.pop("BITBUCKET_ACCESS_TOKEN", "")
    if email and api_token:
        return {"email": email, "token": api_token}
    if access_token:
        return {"token": access_token}
    return {}


def _split_client(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What belongs to script/demo, and what follows the name of a client and belongs to that."""
    for at, argument in enumerate(arguments, start=1):
        if argument in CLIENTS:
            return arguments[:at], arguments[at:]
    return arguments, []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/demo",
        usage="script/demo [--workspace NAME [--base-url URL]] [--no-tour]\n"
        "                   [psql ... | bitbucket-fdw ... | status | stop | reset [--all]]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("--workspace", metavar="NAME", help="a workspace of Bitbucket Cloud")
    parser.add_argument(
        "--base-url", default=CLOUD, metavar="URL", help=f"where its API is (default: {CLOUD})"
    )
    parser.add_argument(
        "--no-tour", dest="tour", action="store_false", help="set up and start only"
    )
    parser.add_argument("--all", action="store_true", help="with reset: remove everything")
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="start", metavar="COMMAND")
    return parser


def start(demo: Demo, target: Target, credentials: dict[str, str], *, show: bool) -> int:
    """Install, start, import, tour."""
    begun = time.monotonic()
    say("Setting up")
    installation = prepare.server(demo.places)
    environment = venv.ensure(demo.places, "demo")
    built = tree.ensure(demo.places, installation, tree.BUNDLED)
    with demo.places.locked("demo"):
        demo.places.demo.mkdir(exist_ok=True)
        cluster = _start_cluster(demo, built, environment)
        control = None
        if target is SAMPLE:
            control = _start_emulator(demo, environment)
            target = replace(SAMPLE, server=_server_options(control.base_url))
            credentials = _sample_credentials(control)
        demo_database.ensure(cluster, target, credentials, demo.password(), demo.places.demo)
        connection = connect.write_files(demo.places, cluster, target, demo.password())
    say(f"  Ready after {time.monotonic() - begun:.1f} s")
    if show:
        tour.run(cluster, target, control)
    connect.show(connection, target)
    return 0


def _start_cluster(demo: Demo, built: tree.Tree, environment: Venv) -> Cluster:
    last = demo.cluster()
    cluster = demo.make_cluster(built, environment.site_packages)
    if last is not None and last.tree.root != built.root:
        last.stop()  # another host or server version than now
    if not cluster.running():
        say(f"  Starting {built.installation.version} with the {built.flavour} host")
    require_reachable(environment.site_packages, cluster.user)
    cluster.create()
    cluster.start()
    demo.remember(cluster, environment.site_packages)
    return cluster


def _start_emulator(demo: Demo, environment: Venv) -> Control:
    """The running emulator; started, or started anew when the checkout's has changed."""
    digest = digest_of(CHECKOUT / "bitbucket_fdw" / "emulator")
    known = json.loads(demo.emulator_file.read_text()) if demo.emulator_file.exists() else {}
    running = demo.base_url()
    if running and known.get("digest") == digest and Control(running).healthy():
        return Control(running)
    demo.emulator_pid.stop()
    say("  Starting the Bitbucket emulator")
    user = server_user()
    process, base_url = emulator.start(
        environment.python,
        demo.emulator_log,
        port=free_port(known.get("port")),
        options=["--scale", "small"],
        user=user,
        env=client_environment(),
    )
    demo.emulator_pid.write(process.pid)
    port = int(base_url.rsplit(":", 1)[1].split("/")[0])
    demo.emulator_file.write_text(
        json.dumps({"base_url": base_url, "port": port, "digest": digest})
    )
    return Control(base_url)


def _server_options(base_url: str) -> dict[str, str]:
    """The server's options for the emulator, which is also the authorization server."""
    root = base_url.removesuffix("/2.0")
    return {
        "base_url": base_url,
        "oauth_url": f"{root}/site/oauth2",
        "oauth1_url": f"{root}/api/1.0/oauth",
    }


def _sample_credentials(control: Control) -> dict[str, str]:
    [chosen] = [entry for entry in control.credentials() if entry["name"] == "ada-write"]
    return {"email": str(chosen["email"]), "token": str(chosen["secret"])}


def client(demo: Demo, target: Target, name: str, arguments: list[str]) -> int:
    """Become psql or bitbucket-fdw, connected to the demo's database."""
    cluster = demo.cluster()
    if cluster is None or not cluster.running():
        raise Failure("the demo is not running", hint="Start it: script/demo")
    if not demo_database.stamp(demo.places.demo, target).exists():
        raise Failure(
            f"workspace {target.workspace} has no database here yet",
            hint=f"Make it: script/demo --workspace {target.workspace}",
        )
    # Through the environment, so that the caller's own -U, -d or connection string win.
    env = {
        **client_environment(_passed_on(name, arguments)),
        "PGHOST": str(cluster.sockets),
        "PGPORT": str(cluster.port),
        "PGUSER": demo_database.ROLE,
        "PGDATABASE": target.database,
    }
    if name == "bitbucket-fdw":
        env.setdefault("ODBCINI", str(connect.odbc_file(demo.places, target.database)))
        env["BITBUCKET_FDW_COMMAND"] = f"script/demo {connect.option(target)}bitbucket-fdw"
    programs = {
        "psql": cluster.tree.bindir / "psql",
        "bitbucket-fdw": demo.places.venv / "bin" / "bitbucket-fdw",
    }
    if name == "psql":
        # The functions that an error came through say nothing to a person who typed a statement.
        arguments = ["--set=SHOW_CONTEXT=never", *arguments]
    # Python ignores SIGPIPE; psql would inherit that and complain when a pager ends first.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(programs[name], [name, *arguments], env)  # noqa: S606 - no shell is wanted


def _passed_on(name: str, arguments: list[str]) -> tuple[str, ...]:
    """The variables of libpq that a client gets from the caller."""
    options = {text.split("=")[0] for text in arguments}
    own_server = "--dsn" in options or ("--check" in options and "--write" not in options)
    return FILES + KEYS if name == "psql" or own_server else FILES


def status(demo: Demo) -> int:
    """Say what is there; exit status 3 when it is not running, as service scripts do."""
    say(f"State directory: {demo.places.home}")
    cluster = demo.cluster()
    if cluster is None:
        say("The demo has not been set up: script/demo")
        return 3
    running = cluster.running()
    version = cluster.tree.installation.version
    where = f"port {cluster.port}, sockets in {cluster.sockets}" if running else "stopped"
    say(f"{version} ({cluster.tree.flavour} host): {where}")
    base_url = demo.base_url()
    say(f"Emulator: {base_url or 'stopped'}")
    if running:
        for connection in connect.written(demo.places, cluster):
            connect.show_status(connection)
    return 0 if running else 3


def stop(demo: Demo) -> int:
    """Stop what runs."""
    emulating = demo.emulator_pid.stop()
    if emulating:
        say("Stopped the emulator.")
    cluster = demo.cluster()
    if cluster is not None and cluster.running():
        cluster.stop()
        say("Stopped PostgreSQL.")
    elif not emulating:
        say("Nothing is running.")
    return 0


def reset(demo: Demo, *, everything: bool) -> int:
    """Stop what runs and remove the demo's files."""
    stop(demo)
    cluster = demo.cluster()
    if cluster is not None:
        cluster.remove()
    remove_tree(demo.places.demo)
    if everything:
        remove_tree(demo.places.home)
        say(f"Removed {demo.places.home}.")
    else:
        say(f"Removed {demo.places.demo}; what was installed is kept in {demo.places.home}.")
    return 0
