"""The program ``bitbucket-fdw``; also ``python -m bitbucket_fdw.command``."""

from __future__ import annotations

import sys

from .extras import is_ours, what_to_install


def main() -> None:
    """Run the command, or say what to install: the package is also there without this extra."""
    try:
        from .main import main as command
    except ImportError as error:
        if is_ours(error):
            raise
        sys.exit(f"Error: {what_to_install(error, 'tools')}")
    command()


if __name__ == "__main__":
    main()
