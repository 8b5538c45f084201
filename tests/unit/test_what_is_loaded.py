"""What a session loads before its first statement can be answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OAUTH = {"oauthlib", "requests_oauthlib", "filelock"}


def test_what_only_oauth_needs_is_not_loaded_for_a_scan() -> None:
    """It takes a tenth of a session's first statement, and most sessions sign in otherwise."""
    program = "import sys, bitbucket_fdw.wrapper; print(*sys.modules)"
    path = os.pathsep.join((str(ROOT), str(ROOT / "host" / "python")))
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "bitbucket_fdw.sign_in.schemes" in loaded
    assert not OAUTH & {*loaded}
