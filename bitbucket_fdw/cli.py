"""``bitbucket-fdw``: the emulator, and what is easier outside SQL."""

from __future__ import annotations

import sys

import click

from . import __version__


@click.group()
@click.version_option(__version__, prog_name="bitbucket-fdw")
def main() -> None:
    """Bitbucket Cloud as PostgreSQL tables."""


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run an emulator of Bitbucket Cloud's REST API on this machine.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> None:
    """Run an emulator of Bitbucket Cloud's REST API; ``--help`` lists its options."""
    try:
        from .emulator.__main__ import main as run
    except ImportError as error:
        raise click.ClickException(
            f"the emulator needs {error.name}: pip install 'bitbucket_fdw[emulator]'"
        ) from error
    sys.exit(run(list(arguments)))


if __name__ == "__main__":
    main()
