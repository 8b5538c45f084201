"""Without the libraries of an extra, the command says what to install instead of a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A command that needs the libraries of the extra.
USES = {"emulator": ["emulator", "--port", "0"], "tools": ["dsn", "no_such", "--check"]}


def libraries():
    """The extras with their libraries, as the package declares them."""
    for line in requires("bitbucket_fdw") or ():
        found = re.match(r"(\w+).*extra == ['\"](\w+)['\"]", line)
        if found and found[2] in USES:
            yield found[2], found[1]


def run_without(library, directory, arguments):
    """Run the command where the library cannot be imported."""
    (directory / f"{library}.py").write_text(
        f"raise ModuleNotFoundError('No module named {library}', name='{library}')\n"
    )
    path = os.pathsep.join([str(directory), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "bitbucket_fdw.command", *arguments],
        env={**os.environ, "PYTHONPATH": path, "ODBCINI": str(directory / "odbc.ini")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_extra_of_the_command_is_tried():
    assert {extra for extra, _ in libraries()} == set(USES)


@pytest.mark.parametrize(("extra", "library"), list(libraries()))
def test_a_missing_library_is_named_with_what_to_install(tmp_path, extra, library):
    done = run_without(library, tmp_path, USES[extra])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"this needs {library}" in done.stderr
    hint = done.stderr.partition("HINT: ")[2]
    assert re.search(rf"pip install .*({library}|\[{extra}\])", hint)


def test_what_is_no_library_s_fault_is_not_hidden(tmp_path):
    (tmp_path / "lark.py").write_text("import bitbucket_fdw.no_such\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "bitbucket_fdw.command", "emulator", "--port", "0"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "No module named 'bitbucket_fdw.no_such'" in done.stderr
