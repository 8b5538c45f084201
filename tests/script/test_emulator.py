"""The emulator as a background process: found again, ended, never taken for another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from devkit import emulator as emulators
from devkit.emulator import Control, PidFile
from devkit.places import CHECKOUT
from devkit.run import Failure

from tests.support.waiting import wait_until


def test_requests_are_logged_and_cleared(emulator: Control) -> None:
    assert emulator.healthy()
    emulator.clear()
    assert emulator.requests() == []


def test_a_control_call_that_is_refused_says_why(emulator: Control) -> None:
    with pytest.raises(Failure, match=r"emulator: GET no-such gave 404"):
        emulator.call("GET", "no-such")


def test_an_emulator_that_cannot_start_shows_its_error(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="scale"):
        emulators.start(
            Path(sys.executable),
            tmp_path / "log",
            options=["--scale", "enormous"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )


def test_one_that_is_tied_ends_with_a_killed_starter(tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from devkit import emulator\n"
        "process, url = emulator.start(Path(sys.executable), Path(sys.argv[1]), tied=True,"
        " options=['--scale', 'tiny'], cwd=Path.cwd())\n"
        "print(url, flush=True); time.sleep(600)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log"), *sys.path],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert starter.stdout is not None
    control = Control(starter.stdout.readline().strip())
    assert control.healthy()
    starter.kill()
    starter.wait()
    wait_until(lambda: not control.healthy(), 30)


def test_a_pid_file_finds_and_ends_its_process(tmp_path: Path) -> None:
    file = PidFile(tmp_path / "pid")
    assert file.pid() is None
    process = subprocess.Popen(["sleep", "600"])
    file.write(process.pid)
    assert file.pid() == process.pid
    assert file.stop()
    assert process.wait(timeout=10) != 0
    assert not file.path.exists()
    assert not file.stop()


def test_a_pid_that_another_process_has_now_is_left_alone(tmp_path: Path) -> None:
    file = PidFile(tmp_path / "pid")
    other = subprocess.Popen(["sleep", "600"])
    try:
        # The file of a process of that pid which was born at another time.
        file.path.write_text(f"{other.pid} 1\n")
        assert file.pid() is None
        assert not file.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
