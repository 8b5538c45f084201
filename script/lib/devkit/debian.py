"""Other releases of Debian, each in a root directory of its own: ``script/test --debian``.

A release brings its own PostgreSQL, Python and compiler, and starts as bare as a new machine. It is
installed by debootstrap and entered by chroot in a mount namespace, so that what is mounted for it
goes when the tests end. Needs root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devkit import packages
from devkit.packages import Need
from devkit.places import CHECKOUT, Places, remove_tree
from devkit.run import Failure, output_of, run_logged, say

DEBOOTSTRAP = Need("debootstrap", program="debootstrap")
MIRROR = "http://deb.debian.org/debian"
# Where the copy of the checkout is, in the release's root directory.
INSIDE = Path("/srv/bitbucket_fdw")
# How this machine reaches the package archives: files and variables that a release is given, too.
FILES = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
VARIABLES = re.compile(r"(https?|no)_proxy|PIP_\w+|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", re.IGNORECASE)
# The lists of sid lapse within a week, which a mirror of this machine's choice may be behind.
APT_SETTINGS = re.compile(r"Acquire::(?:Check-Valid-Until|Check-Date|https?::Proxy) .*;")

# $1 is the root directory, the rest the command. What is mounted is of this namespace alone.
ENTER = """
set -eu
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"""

# $2 is an empty directory, and what is in $3 goes into the copy. Where a container lets nobody lay
# one directory over another, the whole is copied.
ENTER_COPY = f"""
set -eu
kept=$1 place=$2 given=$3
shift 3
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/whole"
mount -t overlay overlay "$place/whole" \\
    -o "lowerdir=$kept,upperdir=$place/upper,workdir=$place/work" 2>/dev/null ||
    cp -a "$kept/." "$place/whole/"
cp -r "$given/." "$place/whole/"
set -- "$place/whole" "$@"
{ENTER}"""


def releases_of(text: str) -> list[str]:
    """The releases that ``--debian`` names, such as ``trixie,sid``."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    bad = [name for name in names if not re.fullmatch(r"[a-z]+", name)]
    if bad or not names:
        raise Failure(
            f"{text!r} names no release of Debian", hint="Their names are such as trixie and sid."
        )
    return names


def run(places: Places, releases: Sequence[str], arguments: Sequence[str]) -> int:
    """Run ``script/test`` with these arguments on each release; 1 if it fails on any."""
    if os.geteuid() != 0:
        raise Failure("--debian needs root", hint="Run it as root: it installs whole releases.")
    packages.ensure(places, [DEBOOTSTRAP])
    ended = {}
    for release in releases:
        root = _ensure(places, release)
        _copy_checkout(root)
        say(f"\n==== Debian {release}")
        ended[release] = _enter(root, [str(INSIDE / "script" / "test"), *arguments])
    say()
    for release, status in ended.items():
        say(f"Debian {release}: {'passed' if status == 0 else f'FAILED (exit status {status})'}")
    return 1 if any(ended.values()) else 0


def _ensure(places: Places, release: str) -> Path:
    root = places.home / "debian" / release
    ensure_root(places, release, root)
    return root


def ensure_root(places: Places, release: str, root: Path) -> None:
    """Install a release below ``root`` where it is not there yet, and let it reach the archives."""
    installed = root / ".installed"
    if not installed.exists():
        say(f"  Installing Debian {release} below {root.parent}")
        remove_tree(root)
        root.mkdir(parents=True)
        options = ["--variant=minbase", "--include=ca-certificates"]
        run_logged(
            ["debootstrap", *options, release, str(root), MIRROR],
            places.logs / f"debootstrap-{release}.log",
            what=f"debootstrap {release}",
        )
        installed.touch()
    for name in FILES:
        if Path(name).exists():
            shutil.copyfile(name, root / name.lstrip("/"))
    settings = _apt_settings(output_of(["apt-config", "dump", "Acquire"]))
    (root / "etc/apt/apt.conf.d/90bitbucket-fdw").write_text(settings)


def _apt_settings(dumped: str) -> str:
    """What of this machine's configuration of apt decides whether its archives can be reached."""
    return "".join(f"{line}\n" for line in dumped.splitlines() if APT_SETTINGS.fullmatch(line))


def _copy_checkout(root: Path) -> None:
    """Copy what git knows of the checkout, and what it would take on, as it stands now."""
    target = root / INSIDE.relative_to("/")
    remove_tree(target)
    listed = output_of(["git", "-C", str(CHECKOUT), "ls-files", "-z", "-co", "--exclude-standard"])
    for name in filter(None, listed.split("\0")):
        source, copy = CHECKOUT / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in given.items() if VARIABLES.fullmatch(name)}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**kept, "PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}


def _enter(root: Path, command: Sequence[str]) -> int:
    """Run a command in a release's root directory; its exit status."""
    done = subprocess.run(entering(root, command), **_given(), check=False)
    return done.returncode


def entering(root: Path, command: Sequence[str], script: str = ENTER) -> list[str]:
    """The command that runs another one in a release's root directory."""
    namespace = ["unshare", "--mount", "--propagation=private"]
    return [*namespace, "sh", "-c", script, "sh", str(root), *command]


def output_in_copy(root: Path, given: Path, command: Sequence[str]) -> str:
    """What a command prints in a copy of a root directory, which has the files of ``given`` too.

    The copy is in memory and gone afterwards. Raises Failure with all output if the command fails.
    """
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            entering(root, [place, str(given), *command], ENTER_COPY),
            **_given(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        raise Failure(f"exit status {done.returncode} in a copy of {root}:\n{done.stdout}")
    return str(done.stdout)


def _given() -> dict[str, Any]:
    return {"env": _environment(os.environ), "stdin": subprocess.DEVNULL}
