"""pgbouncer, which some tests connect by: the machine's own, or one from Debian's package.

The package is unpacked and not installed, because it would start a pool of its own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from devkit import packages
from devkit.places import Places, remove_tree
from devkit.run import run_logged, say

PACKAGES = ("pgbouncer", "libc-ares2", "libevent-2.1-7")
SBIN = "/usr/sbin"


def ensure(places: Places) -> Path | None:
    """The program; ``None`` where there is neither the program nor apt."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}{SBIN}")
    if found:
        return Path(found)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    root = places.home / "pgbouncer"
    program = root / "usr" / "sbin" / "pgbouncer"
    with places.locked("pgbouncer"):
        if not program.exists():
            say("  Unpacking pgbouncer")
            remove_tree(root)
            partial = root.with_suffix(".new")
            remove_tree(partial)
            for package in PACKAGES:
                archive = packages.download(places, package, None, places.build / "packages")
                run_logged(
                    ["dpkg-deb", "-x", str(archive), str(partial)],
                    places.logs / "apt.log",
                    what=f"unpacking {package}",
                )
            partial.rename(root)
    return program
