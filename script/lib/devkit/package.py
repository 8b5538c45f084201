"""script/package: a wheel, and Debian packages for versions of PostgreSQL."""

from __future__ import annotations

import argparse
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from devkit import deb, prebuilt, prepare, tree, venv
from devkit.places import CHECKOUT, Places, open_places, remove_tree
from devkit.postgres import Installation
from devkit.run import Failure, say

KINDS = ("wheel", "deb")
# What of the checkout the wheel carries for a PostgreSQL server, beside the Python package.
SERVER_PARTS = ("host", "sql")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    kinds = options.kind or KINDS
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise Failure(f"unknown package {unknown[0]!r}", hint=f"Packages: {', '.join(KINDS)}.")
    majors = prebuilt.majors_of(options.postgres) if options.postgres else []
    places = open_places()
    output = Path(options.output).absolute() if options.output else places.home / "packages"
    output.mkdir(parents=True, exist_ok=True)
    made = [wheel(places, output)]
    if "deb" in kinds:
        made += debian_packages(places, made[0], majors, output)
    if "wheel" not in kinds:
        made.pop(0).unlink()
    say("\nMade:")
    for file in made:
        say(f"  {file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/package",
        usage="script/package [--postgres MAJORS] [--output DIRECTORY] [wheel] [deb]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Make packages to install on other machines; both kinds unless one is named.",
        epilog="packages:\n"
        "  wheel   for pip: any PostgreSQL, Python and system; compiled where it is installed\n"
        "  deb     for dpkg: this release of Debian, and one file for each PostgreSQL",
    )
    parser.add_argument("kind", nargs="*", metavar="KIND", help="default: wheel deb")
    parser.add_argument(
        "--postgres",
        metavar="MAJORS",
        help="make the deb for these versions of PostgreSQL, such as 14,18 or all "
        f"({', '.join(map(str, prebuilt.VERSIONS))}); default: the newest on this machine",
    )
    parser.add_argument(
        "--output", metavar="DIRECTORY", help="where to put them (default: the state directory)"
    )
    return parser


def wheel(places: Places, output: Path) -> Path:
    """Build the wheel into ``output``; its path."""
    environment = venv.ensure_builder(places)
    say("  Building the wheel")
    source = venv.copy_source(places.build / "wheel")
    for part in SERVER_PARTS:
        products = shutil.ignore_patterns("*.o", "*.so", "*.bc", "__pycache__", *tree.NOT_BUILT)
        shutil.copytree(CHECKOUT / part, source / part, ignore=products)
    made = places.build / "wheels"
    remove_tree(made)
    options = ("--no-deps", "--no-build-isolation", f"--wheel-dir={made}")
    venv.pip(places, environment.python, "wheel", *options, str(source))
    [file] = made.glob("*.whl")
    _check_complete(source, file)
    return Path(shutil.copy(file, output / file.name))


def _check_complete(source: Path, file: Path) -> None:
    """Fail where the wheel lacks something that the server needs: setup.py names these files."""
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
    wanted = {
        f"bitbucket_fdw/server/{path.relative_to(source)}"
        for part in SERVER_PARTS
        for path in (source / part).rglob("*")
        if path.is_file()
    }
    missing = sorted(wanted - names)
    if missing:
        raise Failure(
            f"the wheel lacks {', '.join(missing)}", hint="Name them in SERVER in setup.py."
        )


def debian_packages(places: Places, built: Path, majors: Sequence[int], output: Path) -> list[Path]:
    """Build the common package and one for each version; the machine's own without ``majors``."""
    deb.require_debian()
    machine = prepare.server(places)
    environment = venv.ensure_builder(places)
    servers: list[tuple[int, Path]] = []
    for major in majors or [machine.major]:
        server: Installation = machine
        if major != machine.major:
            server = prebuilt.ensure(places, environment.python, major)
        servers.append((major, tree.pg_config_with_headers(places, server)))
    made = [deb.common(places, environment, built, output)]
    return made + [deb.extension(places, *server, output) for server in servers]
