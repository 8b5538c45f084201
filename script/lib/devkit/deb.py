"""Debian packages, made with nothing but dpkg-deb.

There are two kinds. ``bitbucket-fdw`` has the Python package, the libraries that Debian has no new
enough version of, and the command. ``postgresql-NN-bitbucket-fdw`` has the bundled host and the
extension for one version of PostgreSQL. A machine can have several of the latter.

The libraries are in a virtual environment that nobody else uses. Its ``pyvenv.cfg`` and the link to
the interpreter are all it takes; the bundled host is compiled to run this interpreter.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devkit import bundled, venv
from devkit.places import CHECKOUT, Places, remove_tree
from devkit.run import Failure, output_of, run_logged, say
from devkit.venv import Venv, system_python

COMMON = "bitbucket-fdw"
HOME = Path("/usr/lib/bitbucket-fdw")  # the virtual environment
SUMMARY = "Bitbucket Cloud as PostgreSQL tables"
# The command's own libraries, which Debian has; the server loads none of them.
COMMAND_NEEDS = ("python3-click", "python3-rich", "python3-psycopg")

COMMAND = f"""#!{HOME}/bin/python3 -I
from bitbucket_fdw.command.__main__ import main

main()
"""

# The server's OS user cannot write compiled modules beside the sources, and each session would
# compile them again. dpkg runs these after the files were put there, and before they are removed.
COMPILE = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    py3compile -p {package} {directory}
fi
"""
CLEAN = """#!/bin/sh
set -e
py3clean -p {package}
"""
# dpkg does not write over files of other packages, but over all others.
REFUSE_MULTICORN2 = """#!/bin/sh
set -e
control={share}/extension/multicorn.control
if [ -e "$control" ] && ! grep -q 'bundled host' "$control"; then
    echo "PostgreSQL {major} has another Multicorn: $control" >&2
    echo "This package has one of its own and would write over it. Remove the other first." >&2
    exit 1
fi
"""


@dataclass(frozen=True)
class Package:
    """A package's control fields, and the directory whose content it installs."""

    name: str
    architecture: str
    depends: tuple[str, ...]
    description: str
    root: Path
    fields: Mapping[str, str]
    scripts: Mapping[str, str]


def require_debian() -> None:
    """Fail on systems that have no dpkg."""
    missing = [name for name in ("dpkg", "dpkg-deb", "dpkg-query") if shutil.which(name) is None]
    if missing:
        raise Failure(
            f"a Debian package takes {', '.join(missing)}",
            hint="Make it on Debian, or make only the wheel: script/package wheel.",
        )


def package_version() -> str:
    """The version of this checkout, and the release it is made for: ``0.2.0-1+deb12``."""
    text = (CHECKOUT / "bitbucket_fdw" / "__init__.py").read_text()
    [version] = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    release = platform.freedesktop_os_release()
    name = {"debian": "deb"}.get(release["ID"], release["ID"])
    number = release.get("VERSION_ID") or release.get("VERSION_CODENAME", "")
    return f"{version}-1+{name}{number}"


def common(places: Places, environment: Venv, wheel: Path, output: Path) -> Path:
    """Make ``bitbucket-fdw`` with the Python package and its libraries; the .deb's path."""
    say(f"  Building {COMMON}")
    root = _new_root(places, COMMON)
    version = _python_version()
    home = root / HOME.relative_to("/")
    library = home / "lib" / f"python{version}" / "site-packages"
    library.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to("/usr/bin/python3")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {version}\n"
    )
    _install_libraries(places, environment, wheel, library)
    command = root / "usr" / "bin" / "bitbucket-fdw"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND)
    command.chmod(0o755)
    minor = int(version.split(".")[1])
    python = (f"python3 (>= {version})", f"python3 (<< 3.{minor + 1})")
    package = Package(
        COMMON,
        "all",
        (*python, *COMMAND_NEEDS),
        "The Python package and the command bitbucket-fdw. A package such as\n"
        "postgresql-15-bitbucket-fdw has the extension for a version of PostgreSQL.",
        root,
        {},
        {
            "postinst": COMPILE.format(package=COMMON, directory=HOME),
            "prerm": CLEAN.format(package=COMMON),
        },
    )
    return _build(places, package, bundled.licences(library), output)


def _install_libraries(places: Places, environment: Venv, wheel: Path, library: Path) -> None:
    """Unpack the wheel and what it requires below ``library``: wheels without compiled code only.

    So the package is for every architecture, and no compiler's traces are in it.
    """
    pure = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none")
    options = (*pure, f"--python-version={_python_version()}", "--no-compile", "--upgrade")
    target = f"--target={library}"
    venv.pip(places, environment.python, "install", *options, target, str(wheel))
    remove_tree(library / "bin")
    remove_tree(library / "bitbucket_fdw" / "server")  # the other package has them compiled
    for note in library.glob("*.dist-info/direct_url.json"):
        note.unlink()  # where the wheel was on this machine
    foreign = [str(file.relative_to(library)) for file in library.rglob("*.so")]
    if foreign:
        raise Failure(f"a library has compiled code: {', '.join(foreign)}")
    for file in library.rglob("*"):
        if file.is_file():
            file.chmod(0o644)


def extension(places: Places, major: int, pg_config: Path, output: Path) -> Path:
    """Make ``postgresql-NN-bitbucket-fdw``, built with the headers of ``pg_config``."""
    name = f"postgresql-{major}-bitbucket-fdw"
    say(f"  Building {name}")
    root = _new_root(places, name)
    library = Path(f"/usr/lib/postgresql/{major}/lib")
    share = Path(f"/usr/share/postgresql/{major}")
    for part in ("host", "sql"):
        _make(places, part, root, pg_config, library, share)
    host = root / library.relative_to("/") / "multicorn.so"
    output_of(["strip", "--strip-unneeded", "--remove-section=.comment", str(host)])
    host.chmod(0o644)
    for cache in root.rglob("__pycache__"):
        remove_tree(cache)
    others = [f"postgresql-{major}-{other}" for other in ("multicorn", "python3-multicorn")]
    package = Package(
        name,
        output_of(["dpkg", "--print-architecture"]).strip(),
        (f"{COMMON} (= {package_version()})", f"postgresql-{major}", *_libraries(host)),
        f"The extensions bitbucket_fdw and multicorn (its bundled host) for PostgreSQL {major}.",
        root,
        {"Conflicts": ", ".join(others), "Enhances": f"postgresql-{major}"},
        {
            "preinst": REFUSE_MULTICORN2.format(share=share, major=major),
            "postinst": COMPILE.format(package=name, directory=library / "multicorn"),
            "prerm": CLEAN.format(package=name),
        },
    )
    return _build(places, package, "", output)


def _make(
    places: Places, part: str, root: Path, pg_config: Path, library: Path, share: Path
) -> None:
    copy = places.build / "deb" / part
    remove_tree(copy)
    shutil.copytree(CHECKOUT / part, copy, ignore=shutil.ignore_patterns("*.o", "*.so"))
    command = ["make", f"--jobs={os.cpu_count() or 1}", "-C", str(copy), "install"]
    command += [f"PG_CONFIG={pg_config}", f"DESTDIR={root}", f"PYTHON={system_python()}"]
    command += [f"pkglibdir={library}", f"datadir={share}", "with_llvm=no"]
    # Another server's makefiles may name the places where it was built itself.
    command += [f"py_executable={HOME}/bin/python3", "rpath="]
    run_logged(command, places.logs / "build.log", what=f"building {part}/")


def _libraries(file: Path) -> list[str]:
    """The packages of the shared libraries that a file needs, not older than those here."""
    packages = set()
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", output_of(["readelf", "-d", str(file)]))
    places = dict(re.findall(r"^\s*(\S+) => (/\S+)", output_of(["ldd", str(file)]), re.MULTILINE))
    for name in needed:
        path = Path(places[name])
        # Where /lib is a link to /usr/lib, dpkg may know a file by either.
        told = [path, path.resolve(), Path("/", *path.resolve().parts[2:])]
        owner = next(filter(None, map(_owner, told)), None)
        if owner is None:
            raise Failure(
                f"{path} belongs to no package of this system",
                hint="The package can be made with the distribution's own Python only.",
            )
        version = output_of(["dpkg-query", "-W", "-f", "${Version}", owner])
        upstream = re.sub(r"^(?:\d+:)?(.+?)(?:-[^-]*)?$", r"\1", version)
        packages.add(f"{owner.split(':')[0]} (>= {upstream})")
    return sorted(packages)


def _owner(path: Path) -> str | None:
    done = subprocess.run(
        ["dpkg-query", "-S", str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout.split(": ")[0] if done.returncode == 0 else None


def _python_version() -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return output_of([system_python(), "-c", code]).strip()


def _new_root(places: Places, name: str) -> Path:
    root = places.build / "deb" / name
    remove_tree(root)
    root.mkdir(parents=True)
    return root


def _build(places: Places, package: Package, licences: str, output: Path) -> Path:
    """Add what every package has, and pack it."""
    _document(package, licences)
    files = sorted(path for path in package.root.rglob("*") if path.is_file())
    files = [path for path in files if not path.is_symlink()]
    for directory in (package.root, *filter(Path.is_dir, package.root.rglob("*"))):
        if not directory.is_symlink():
            directory.chmod(0o755)
    control = package.root / "DEBIAN"
    control.mkdir()
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    (control / "control").write_text(_control(package, size))
    sums = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(package.root)}\n"  # noqa: S324
        for path in files
    ]
    (control / "md5sums").write_text("".join(sums))
    for name, script in package.scripts.items():
        (control / name).write_text(script)
        (control / name).chmod(0o755)
    target = output / f"{package.name}_{package_version()}_{package.architecture}.deb"
    command = ["dpkg-deb", "--root-owner-group", "--build", str(package.root), str(target)]
    run_logged(command, places.logs / "build.log", what=f"packing {package.name}")
    return target


def _control(package: Package, size: int) -> str:
    fields = {
        "Package": package.name,
        "Version": package_version(),
        "Architecture": package.architecture,
        "Maintainer": _maintainer(),
        "Installed-Size": str(size),
        "Section": "database",
        "Priority": "optional",
        "Depends": ", ".join(package.depends),
        **package.fields,
        "Description": "\n ".join([SUMMARY, *package.description.splitlines()]),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _document(package: Package, licences: str) -> None:
    directory = package.root / "usr" / "share" / "doc" / package.name
    directory.mkdir(parents=True)
    own = (CHECKOUT / "LICENSE").read_text()
    (directory / "copyright").write_text(f"bitbucket_fdw\n\n{own.rstrip()}\n{licences}")
    when = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    debian = (
        f"{package.name} ({package_version()}) unstable; urgency=medium\n\n"
        "  * changelog.gz lists what is new.\n\n"
        f" -- {_maintainer()}  {time.strftime('%a, %d %b %Y %H:%M:%S +0000', when)}\n"
    )
    changes = (CHECKOUT / "CHANGELOG.md").read_text()
    for name, text in (("changelog.gz", changes), ("changelog.Debian.gz", debian)):
        (directory / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _maintainer() -> str:
    """Who makes the package, as Debian's own tools are told."""
    name = os.environ.get("DEBFULLNAME", "bitbucket_fdw")
    return f"{name} <{os.environ.get('DEBEMAIL', 'bitbucket_fdw@localhost')}>"
