"""The virtual environment of the scripts, begun and not finished."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from devkit import venv
from devkit.places import CHECKOUT, Places
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

    stated = re.search(r'"(setuptools>=[^"]+)"', (CHECKOUT / "pyproject.toml").read_text())
    assert stated is not None
    assert installed == ["wheel", stated[1], "python[emulator,tools]", "python"]
