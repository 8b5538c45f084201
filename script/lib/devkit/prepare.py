"""Bringing a machine to where the demo or the tests can run."""

from __future__ import annotations

from devkit import packages, postgres, tree, venv
from devkit.packages import Need
from devkit.places import Places, open_places
from devkit.postgres import Installation
from devkit.run import say

# What the tests use beyond what the demo needs.
TEST_NEEDS = packages.CLIENTS


def server(
    places: Places, *, build_host: bool = True, extra: tuple[Need, ...] = ()
) -> Installation:
    """Install what PostgreSQL and the extensions need; the newest server.

    ``build_host``: whether the bundled host will be compiled.
    """
    needs = (*packages.VENV, *packages.SERVER, *(packages.COMPILER if build_host else ()), *extra)
    packages.ensure(places, needs)
    return postgres.newest()


def hosts(installation: Installation) -> list[str]:
    """The hosts that tests can run on here: the bundled one always, Multicorn2 where installed."""
    return [tree.BUNDLED] + ([tree.MULTICORN2] if installation.has_multicorn2 else [])


def everything() -> int:
    """Install all that the demo and the tests need, and stop there."""
    places = open_places()
    say(f"State directory: {places.home}")
    installation = server(places, extra=TEST_NEEDS)
    for purpose in ("demo", "test"):
        venv.ensure(places, purpose)
    for host in hosts(installation):
        tree.ensure(places, installation, host)
    say(f"Ready: {installation.version}, hosts {', '.join(hosts(installation))}.")
    return 0
