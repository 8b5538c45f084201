"""The command line: ready line, free port, loopback, and an orderly end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import requests

COMMAND = [sys.executable, "-m", "bitbucket_fdw.emulator"]


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--scale", "tiny"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(
                r"bitbucket emulator listening on (http://127\.0\.0\.1:(\d+)/2\.0)\n", line
            )
            assert match
            health = f"http://127.0.0.1:{match.group(2)}/_emulator/health"
            assert requests.get(health, timeout=5).json()["api"] == match.group(1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
    assert result.returncode == 1
    assert f"cannot listen on port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_and_mistakes_need_no_server() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0
    for option in ("--port", "--seed", "--scale", "--latency", "--text-equality", "--issues"):
        assert option in shown.stdout
    wrong = subprocess.run([*COMMAND, "--scale", "huge"], capture_output=True, timeout=30)
    assert wrong.returncode == 2
