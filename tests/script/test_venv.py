"""The virtual environment of the scripts, begun and not finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from devkit import venv
from devkit.places import Places
from devkit.run import Failure


def test_what_a_run_without_a_network_left_is_taken_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step may be the last one that a run gets to; the next run does the rest."""
    places = Places(tmp_path)
    places.logs.mkdir(parents=True)
    places.build.mkdir(parents=True)
    installed: list[str] = []
    failing = True

    def pip(_: Places, __: venv.Venv, *arguments: str) -> None:
        if failing:
            raise Failure("no network")
        installed.append(arguments[-1].rpartition("/")[2])
        installed.extend(a for a in arguments if a.startswith("setuptools"))

    monkeypatch.setattr(venv, "_pip", pip)
    with pytest.raises(Failure, match="no network"):
        venv.ensure(places, "demo")

    failing = False
    venv.ensure(places, "demo")

    assert installed == ["wheel", "setuptools>=68", "python[emulator,tools]", "python"]
