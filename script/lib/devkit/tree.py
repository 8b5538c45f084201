"""A relocated copy of the machine's PostgreSQL, to install extensions into.

PostgreSQL finds its lib/ and share/ relative to the program that was started. A copy of bin/
beside directories of links to lib/ and share/, at the same relative places, is therefore a server
of its own: what is installed there is unknown to the machine's PostgreSQL.
(PostgreSQL's manual, "Installation Directories", and src/port/path.c's relative lookup.)
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from devkit import packages
from devkit.places import CHECKOUT, Places, digest_of, remove_tree
from devkit.postgres import Installation, describe
from devkit.run import Failure, output_of, run_logged, say
from devkit.venv import system_python

BUNDLED = "bundled"
MULTICORN2 = "multicorn2"
FLAVOURS = (BUNDLED, MULTICORN2)
PLAIN = "plain"  # a tree that nothing of ours is installed into

# Files of these extensions are never linked into the tree of the bundled host.
OURS = ("multicorn", "bitbucket_fdw")
EXTENSION_OF = {"host": "multicorn", "sql": "bitbucket_fdw"}
# Entries of the checkout's host/ that do not go into what is installed.
NOT_BUILT = ("tests", "bench", "results", "README.md")


@dataclass(frozen=True)
class Tree:
    """A relocated server: ``flavour`` says which Multicorn is in it."""

    root: Path
    flavour: str
    installation: Installation

    def relocated(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    @property
    def bindir(self) -> Path:
        return self.relocated(self.installation.bindir)

    @property
    def pg_config(self) -> Path:
        return self.bindir / "pg_config"

    @property
    def sharedir(self) -> Path:
        return self.relocated(self.installation.sharedir)

    @property
    def pkglibdir(self) -> Path:
        return self.relocated(self.installation.pkglibdir)

    def extensions(self) -> set[str]:
        """The names of the extensions this tree offers."""
        return {file.stem for file in (self.sharedir / "extension").glob("*.control")}


def ensure(places: Places, installation: Installation, flavour: str) -> Tree:
    """The tree of ``flavour`` with the host and the SQL extension of this checkout installed."""
    if flavour not in FLAVOURS:
        raise Failure(f"unknown host {flavour!r}", hint=f"Hosts: {', '.join(FLAVOURS)}.")
    if flavour == MULTICORN2 and not installation.has_multicorn2:
        raise Failure(
            f"Multicorn2 is not installed for {installation.version}",
            hint=f"Its control file would be in {installation.sharedir / 'extension'}.",
        )
    tree = Tree(places.tree(flavour, installation.label), flavour, installation)
    with places.locked(f"tree-{flavour}"):
        _ensure_copy(places, tree)
        if flavour == BUNDLED:
            _ensure_built(places, tree, "host")
        _ensure_built(places, tree, "sql")
    return tree


def pg_config_with_headers(places: Places, installation: Installation) -> Path:
    """A pg_config to build against, with the machine's own extensions and none of ours.

    The machine's, or that of a tree which has the header files that the machine lacks.
    """
    if installation.has_headers:
        return installation.pg_config
    tree = Tree(places.tree(PLAIN, installation.label), PLAIN, installation)
    with places.locked(f"tree-{PLAIN}"):
        _ensure_copy(places, tree)
    return tree.pg_config


def _fingerprint(installation: Installation) -> str:
    """Changes when the machine's server is updated or extensions come and go."""
    parts = [installation.version, str(installation.has_headers)]
    for directory in (
        installation.bindir,
        installation.pkglibdir,
        installation.sharedir / "extension",
    ):
        parts += [
            f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}"
            for file in sorted(directory.iterdir())
            if file.is_file()
        ]
    return "\n".join(parts)


def _ensure_copy(places: Places, tree: Tree) -> None:
    stamp = tree.root / ".fingerprint"
    wanted = _fingerprint(tree.installation)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"  Copying {tree.installation.version} into a private tree ({tree.flavour})")
    remove_tree(tree.root)
    tree.root.mkdir(parents=True)
    if not tree.installation.has_headers:
        _unpack_headers(places, tree)
    copy_server(tree)
    relocated = describe(tree.pg_config)
    for name, path in (("SHAREDIR", tree.sharedir), ("PKGLIBDIR", tree.pkglibdir)):
        if relocated.directories[name] != path:
            raise Failure(
                f"{tree.installation.version} cannot be relocated: its {name} is still "
                f"{relocated.directories[name]}"
            )
    # Where it cannot be loaded (a library is missing), the loader says so here and only here.
    output_of([str(tree.bindir / "postgres"), "--version"])
    stamp.write_text(wanted)


def copy_server(tree: Tree) -> None:
    """Make the copy of bin/ and the links to the rest."""
    source = tree.installation
    tree.bindir.mkdir(parents=True, exist_ok=True)
    for program in source.bindir.iterdir():
        if program.is_file():
            shutil.copy2(program, tree.bindir / program.name)
    # These get files of ours, so they are real directories down to the level written to.
    for directory in (
        source.pkglibdir,
        source.pkglibdir / "bitcode",
        source.sharedir,
        source.sharedir / "extension",
    ):
        if directory.is_dir():
            _link_entries(tree, directory)
    # Headers and libraries are only read: one link each, unless unpacked from a package.
    for name in ("INCLUDEDIR", "PKGINCLUDEDIR", "INCLUDEDIR-SERVER", "LIBDIR"):
        _link_whole(tree, source.directories[name])


def _link_entries(tree: Tree, directory: Path) -> None:
    target = tree.relocated(directory)
    if target.is_symlink():
        target.unlink()
    target.mkdir(parents=True, exist_ok=True)
    for entry in directory.iterdir():
        ours = tree.flavour == BUNDLED and entry.name.startswith(OURS)
        link = target / entry.name
        if not ours and not link.exists() and not link.is_symlink():
            link.symlink_to(entry)


def _link_whole(tree: Tree, directory: Path) -> None:
    target = tree.relocated(directory)
    inside_a_link = any(parent.is_symlink() for parent in target.parents)
    if directory.is_dir() and not target.exists() and not inside_a_link:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(directory)


def _unpack_headers(places: Places, tree: Tree) -> None:
    """Put the server's headers and PGXS into the tree from their package, without installing it.

    On Debian that package depends on clang and LLVM's development files, hundreds of megabytes
    which only bitcode for inlining needs; the host is built without it.
    """
    package = f"postgresql-server-dev-{tree.installation.major}"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Failure(
            f"the header files of {tree.installation.version} are missing",
            hint="Install this server's development package (postgresqlNN-devel or the like).",
        )
    say(f"  Fetching the header files ({package})")
    server = f"postgresql-{tree.installation.major}"
    version = output_of(["dpkg-query", "-W", "-f", "${Version}", server])
    archive = packages.download(places, package, version, places.build / "packages")
    run_logged(
        ["dpkg-deb", "-x", str(archive), str(tree.root)],
        places.logs / "build.log",
        what=f"unpacking {archive.name}",
    )


def _ensure_built(places: Places, tree: Tree, part: str) -> None:
    """``make install`` for host/ or sql/ into the tree, from a copy, where the source changed."""
    source = CHECKOUT / part
    stamp = tree.root / f".{part}"
    wanted = digest_of(source, skip=NOT_BUILT)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"  Building {part}/ for {tree.installation.version} ({tree.flavour})")
    stamp.unlink(missing_ok=True)
    copy = places.build / tree.flavour / part
    remove_tree(copy)
    # Scripts of a version that this one has replaced would be offered beside it.
    for script in (tree.sharedir / "extension").glob(f"{EXTENSION_OF[part]}--*.sql"):
        script.unlink()
    products = shutil.ignore_patterns("*.o", "*.so", "*.bc", "__pycache__", *NOT_BUILT)
    shutil.copytree(source, copy, ignore=products)
    run_logged(
        [
            "make",
            f"--jobs={os.cpu_count() or 1}",
            "-C",
            str(copy),
            "install",
            f"PG_CONFIG={tree.pg_config}",
            f"PYTHON={system_python()}",
            "with_llvm=no",
        ],
        places.logs / "build.log",
        what=f"building {part}/",
    )
    stamp.write_text(wanted)
