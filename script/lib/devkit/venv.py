"""The virtual environment that the server's Python and the tools read.

The package is installed as a copy, not linked to the checkout: the server's OS user must be able
to read it also when the checkout is below /root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devkit import packages
from devkit.places import CHECKOUT, Places, digest_of, remove_tree
from devkit.run import Failure, retried, run_logged, say

PYTHON_MINIMUM = (3, 10)
DBT = CHECKOUT / "docs" / "dbt" / "requirements.txt"  # what the page tells people to install
PEERS = CHECKOUT / "benchmarks" / "peers" / "requirements.txt"  # what the benchmark compares with
BUILD_TOOLS = ("setuptools>=77.0.3", "wheel")  # as pyproject.toml names them
EXTRAS = {"demo": ("emulator", "tools"), "test": ("test",)}


@dataclass(frozen=True)
class Venv:
    """A virtual environment of the Python that PostgreSQL embeds."""

    directory: Path

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    def path(self, path: str) -> str:
        """A PATH with this environment's programs, behind all others.

        In front, its python3 would be what the interpreter inside PostgreSQL takes itself for,
        and the distribution's own packages (Multicorn2's) would be out of its reach.
        """
        return f"{path}{os.pathsep}{self.directory / 'bin'}"

    @property
    def site_packages(self) -> Path:
        found = sorted(self.directory.glob("lib/python3.*/site-packages"))
        if not found:
            raise Failure(f"no site-packages in {self.directory}")
        return found[0]


def system_python() -> str:
    """The interpreter whose library PostgreSQL embeds: the distribution's, never a pyenv one."""
    return os.environ.get("BITBUCKET_FDW_PYTHON", "/usr/bin/python3")


def ensure(places: Places, purpose: str) -> Venv:
    """The virtual environment with this checkout's package and what ``purpose`` needs."""
    packages.ensure(places, packages.VENV)
    venv = Venv(places.venv)
    with places.locked("venv"):
        if not _usable(venv):
            _create(places, venv)
        _install_requirements(places, venv, purpose)
        _install_package(places, venv)
    return venv


def ensure_dbt(places: Places) -> Path:
    """dbt with its PostgreSQL adapter, in an environment of its own; the path of its command.

    It brings some sixty packages, with bounds on what the tests use too.
    """
    return _ensure_apart(places, "dbt", DBT).directory / "bin" / "dbt"


def ensure_peers(places: Places) -> Path:
    """The libraries that the benchmark compares with, in an environment of their own; its Python.

    :class:`Failure` if they cannot be had.
    """
    return _ensure_apart(places, "peers", PEERS).python


def _ensure_apart(places: Places, name: str, requirements: Path) -> Venv:
    """An environment with what a requirements file names, and nothing of ours."""
    packages.ensure(places, packages.VENV)
    venv = Venv(places.home / name)
    stamp = venv.directory / ".requirements"
    wanted = digest_of(requirements)
    with places.locked(name):
        if not stamp.exists() or stamp.read_text() != wanted:
            say(f"  Installing {name}")
            remove_tree(venv.directory)
            run_logged(
                [system_python(), "-m", "venv", str(venv.directory)],
                places.logs / "pip.log",
                what=f"creating the environment of {name}",
            )
            # Wheels only: drivers of PostgreSQL would otherwise be built from source.
            _pip(places, venv, "--only-binary", ":all:", "--requirement", str(requirements))
            stamp.write_text(wanted)
    return venv


def ensure_builder(places: Places) -> Venv:
    """An environment that builds packages, apart from the one that tests and demo run in."""
    packages.ensure(places, packages.VENV)
    venv = Venv(places.home / "builder")
    stamp = venv.directory / ".complete"
    with places.locked("builder"):
        if not stamp.exists() or not _usable(venv):
            _create(places, venv)
            _pip(places, venv, *BUILD_TOOLS)
            stamp.touch()
    return venv


def _usable(venv: Venv) -> bool:
    if not venv.python.exists():
        return False
    code = "import importlib.util as u; assert u.find_spec('pip') and u.find_spec('setuptools')"
    check = subprocess.run([str(venv.python), "-c", code], capture_output=True, check=False)
    return check.returncode == 0 and _version(str(venv.python)) == _version(system_python())


def _version(python: str) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{python} does not run: {done.stderr.strip()}")
    major, minor = done.stdout.split()
    return int(major), int(minor)


def _create(places: Places, venv: Venv) -> None:
    version = _version(system_python())
    if version < PYTHON_MINIMUM:
        raise Failure(
            f"{system_python()} is Python {version[0]}.{version[1]}; 3.10 or newer is needed",
            hint="Name another one in BITBUCKET_FDW_PYTHON; it must be the one PostgreSQL embeds.",
        )
    say("  Creating the virtual environment")
    remove_tree(venv.directory)
    log = places.logs / "pip.log"
    run_logged(
        [system_python(), "-m", "venv", str(venv.directory)], log, what="creating the environment"
    )


def _install_requirements(places: Places, venv: Venv, purpose: str) -> None:
    stamp = venv.directory / f".requirements-{purpose}"
    wanted = digest_of(CHECKOUT / "pyproject.toml")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"  Installing Python packages ({purpose})")
    source = _copy_source(places)
    # The package is built without build isolation, so its build back end has to be there. It is not
    # installed when the environment is made: a run that was ended in between would have left an
    # environment without it, which the next run goes on with.
    _pip(places, venv, *BUILD_TOOLS)
    extras = ",".join(EXTRAS[purpose])
    _pip(places, venv, "--no-build-isolation", f"{source}[{extras}]")
    stamp.write_text(wanted)


def _install_package(places: Places, venv: Venv) -> None:
    stamp = venv.directory / ".package"
    wanted = digest_of(CHECKOUT / "pyproject.toml", CHECKOUT / "bitbucket_fdw")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("  Installing bitbucket_fdw into the virtual environment")
    source = _copy_source(places)
    _pip(places, venv, "--no-build-isolation", "--no-deps", "--force-reinstall", str(source))
    stamp.write_text(wanted)


def _copy_source(places: Places) -> Path:
    return copy_source(places.build / "python")


def copy_source(target: Path) -> Path:
    """A copy to build from: setuptools writes beside its input, and the checkout stays clean."""
    remove_tree(target)
    target.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, target / name)
    copy_package(target)
    return target


def copy_package(target: Path) -> Path:
    """Copy the Python package's source into ``target``; returns the copy."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    return Path(
        shutil.copytree(CHECKOUT / "bitbucket_fdw", target / "bitbucket_fdw", ignore=ignore)
    )


def _pip(places: Places, venv: Venv, *arguments: str) -> None:
    pip(places, venv.python, "install", *arguments)


def pip(places: Places, python: Path, command: str, *arguments: str) -> None:
    """Run one of pip's commands that fetch, again where the network fails."""
    called = [
        str(python),
        "-m",
        "pip",
        command,
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "5",
        "--timeout",
        "60",
        *arguments,
    ]
    retried(
        lambda: run_logged(called, places.logs / "pip.log", what=f"pip {command}", cwd=places.home),
        what=f"pip {command}",
    )
