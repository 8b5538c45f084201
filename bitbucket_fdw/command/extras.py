"""What to say where libraries of an extra of the package are not installed.

Nothing of an extra is imported here.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_PACKAGE = "bitbucket_fdw"


def invoked_as() -> str:
    """How a person calls the command here. A script that runs it for him sets the variable."""
    return os.environ.get("BITBUCKET_FDW_COMMAND") or "bitbucket-fdw"


def is_ours(error: ImportError) -> bool:
    """Whether a module of the package itself is missing, which no library would mend."""
    return (error.name or "").split(".")[0] == _PACKAGE


def what_to_install(error: ImportError, extra: str) -> str:
    """The message for a library that cannot be imported, with the command that installs it."""
    # psycopg without libpq says what it lacks, and names no module.
    missing = f"this needs {error.name or error}, which is not installed (extra {extra!r})"
    pip = Path(sys.prefix, "bin", "pip")
    needed = " ".join(map(shlex.quote, _requirements(extra)))
    if pip.exists() and needed:
        return f"{missing}\nHINT: {pip} install {needed}"
    # Such as the Debian package, whose directory belongs to dpkg.
    return (
        f"{missing}\nHINT: Install the wheel into a virtual environment of its own: "
        "python3 -m venv DIRECTORY, then "
        f"DIRECTORY/bin/pip install '/path/to/bitbucket_fdw-….whl[{extra}]' "
        "(script/package wheel makes the wheel)."
    )


def _requirements(extra: str) -> list[str]:
    """The libraries of an extra with their versions, as the installed package declares them."""
    try:
        declared = requires(_PACKAGE) or []
    except PackageNotFoundError:  # run from a checkout
        return []
    pairs = (line.partition(";") for line in declared)
    wanted = re.compile(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]")
    return [library.strip() for library, _, marker in pairs if wanted.search(marker)]
