"""Test clusters: one per pytest session, removed with it or by the next one after a crash."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from devkit import postgres as postgresql
from devkit import tree as trees
from devkit.cluster import Cluster
from devkit.emulator import PidFile
from devkit.places import Places, remove_tree
from devkit.run import Failure, output_of, require_reachable, server_user
from devkit.venv import copy_package, system_python

TEMPLATE = "template_bitbucket"
OWNER = "owner.pid"
PRELOAD = "BITBUCKET_FDW_PRELOAD"  # set by script/test
PRELOADED = {
    "shared_preload_libraries": "multicorn",
    "multicorn.preload_modules": "bitbucket_fdw.wrapper",
}
SECRETS = "secrets"  # what options of the form file:NAME refer to


def embedded_site_packages() -> Path:
    """This environment's libraries, which the server's Python can load if of the same version."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    server = output_of([system_python(), "-c", code]).strip()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if server != here:
        raise Failure(f"tests run on Python {here}, PostgreSQL embeds {server}: use script/test")
    return Path(sysconfig.get_path("purelib"))


def start_cluster(places: Places, host: str, environment: dict[str, str] | None = None) -> Cluster:
    """A started cluster of the given host with this checkout's package, and a template database."""
    tree = trees.ensure(places, postgresql.newest(), host)
    name = tree.root.name
    _remove_abandoned(places, tree)
    directory = places.tests / f"{name}-{os.getpid()}"
    remove_tree(directory)
    directory.mkdir(parents=True)
    PidFile(directory / OWNER).write(os.getpid())
    library = directory / "python"
    library.mkdir()
    _compile(copy_package(library))
    site_packages = embedded_site_packages()
    user = server_user()
    require_reachable(site_packages, user)
    secrets = directory / SECRETS
    secrets.mkdir(mode=0o700)
    user.own(secrets)
    cluster = Cluster(
        tree=tree,
        directory=directory,
        user=user,
        python_path=[library, site_packages],
        settings={
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "timezone": "UTC",
            "max_prepared_transactions": "5",
            "log_min_messages": "warning",
            **(PRELOADED if host == trees.BUNDLED and os.environ.get(PRELOAD) else {}),
        },
        environment={
            "BITBUCKET_FDW_SECRETS": str(secrets),
            "BITBUCKET_TEST_TOKEN": "emulator-token-ada-read",
            "BITBUCKET_TEST_HELD": "emulator-token-held/in+a=file@x",
            **(environment or {}),
        },
    )
    cluster.create()
    cluster.start()
    cluster.sql(f"CREATE DATABASE {TEMPLATE}")
    cluster.sql("CREATE EXTENSION bitbucket_fdw CASCADE", database=TEMPLATE)
    return cluster


def _compile(package: Path) -> None:
    """Else each backend would do it: the account that PostgreSQL runs as cannot write there."""
    beside = {k: v for k, v in os.environ.items() if k != "PYTHONPYCACHEPREFIX"}
    subprocess.run([system_python(), "-m", "compileall", "-q", package], env=beside, check=True)


def _remove_abandoned(places: Places, tree: trees.Tree) -> None:
    """Stop and remove clusters of this tree whose test run was killed before it could."""
    if not places.tests.is_dir():
        return
    for directory in places.tests.glob(f"{tree.root.name}-*"):
        owner = PidFile(directory / OWNER)
        if not owner.path.exists() or owner.pid() is not None:
            continue
        Cluster(tree, directory, server_user(), python_path=()).remove()
