"""Spark, which some tests read with: PySpark's archive, unpacked, beside the machine's Java.

pip would build a wheel of it first, which takes longer than to fetch it: the archive has Spark's
own programs, 400 MB of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devkit import packages, venv
from devkit.packages import Need
from devkit.places import CHECKOUT, Places, remove_tree
from devkit.run import Failure, run_logged, say
from devkit.venv import Venv

REQUIREMENTS = CHECKOUT / "docs" / "spark" / "requirements.txt"  # what the page says to install
OLDEST_JAVA = 17  # of Spark 4, by its documentation
DRIVER = Path("/usr/share/java/postgresql.jar")
NEEDS = (
    Need("default-jre-headless", program="java"),
    Need("libpostgresql-jdbc-java", file=str(DRIVER)),
)
LEFT_OUT = ("deps/examples", "deps/data", "deps/licenses", "pyspark.egg-info")


@dataclass(frozen=True)
class Spark:
    """Where PySpark was unpacked, and PostgreSQL's JDBC driver."""

    directory: Path
    driver: Path = DRIVER

    @property
    def environment(self) -> dict[str, str]:
        """By these the tests find it."""
        return {
            "BITBUCKET_FDW_SPARK": str(self.directory),
            "BITBUCKET_FDW_JDBC_DRIVER": str(self.driver),
        }


def ensure(places: Places, environment: Venv) -> Spark | None:
    """PySpark unpacked; ``None`` where it cannot be fetched, or where Java is too old for it."""
    if packages.missing(NEEDS) and shutil.which("apt-get") is None:
        return None
    try:
        packages.ensure(places, NEEDS)
        return _fetched(places, environment) if java_version() >= OLDEST_JAVA else None
    except Failure as failure:
        # So much for a few tests should not keep all others from running.
        say(f"  Spark is left out: {failure}")
        return None


def _fetched(places: Places, environment: Venv) -> Spark:
    [wanted] = REQUIREMENTS.read_text(encoding="utf-8").split()
    directory = places.home / "spark"
    stamp = directory / ".requirement"
    with places.locked("spark"):
        if not stamp.exists() or stamp.read_text() != wanted:
            say(f"  Fetching {wanted}")
            remove_tree(directory)
            _unpack(places, environment, wanted, directory)
            stamp.write_text(wanted)
    return Spark(directory)


def java_version() -> int:
    """The major version of the machine's Java; 0 where it does not run."""
    try:
        told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(found[1]) if found else 0


def _unpack(places: Places, environment: Venv, requirement: str, directory: Path) -> None:
    fetched = places.build / "spark"
    remove_tree(fetched)
    fetched.mkdir(parents=True)
    # Without build isolation, pip asks the environment's own setuptools what this package is.
    venv.pip(
        *(places, environment.python, "download", "--no-deps", "--no-build-isolation"),
        *("--no-binary", ":all:", "--dest", str(fetched), requirement),
    )
    [archive] = fetched.glob("pyspark-*.tar.gz")
    directory.mkdir(parents=True)
    run_logged(
        [
            *("tar", "-xzf", str(archive), "-C", str(directory), "--strip-components=1"),
            *("--no-same-owner", *(f"--exclude=*/{part}" for part in LEFT_OUT)),
        ],
        places.logs / "pip.log",
        what="unpacking PySpark",
    )
    remove_tree(fetched)
