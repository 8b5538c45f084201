"""script/test is honest: what did not run or did not pass is a failure."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from devkit.places import CHECKOUT
from devkit.suite import LAYERS, Tally, _split, ended

SCRIPT = CHECKOUT / "script" / "test"


def _report(
    path: Path, *, tests: int, failures: int = 0, errors: int = 0, skipped: int = 0
) -> Path:
    path.write_text(
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" '
        f'skipped="{skipped}"/></testsuites>'
    )
    return path


def test_a_passing_run_is_counted(tmp_path: Path) -> None:
    tally = Tally()
    tally.add("unit", 0, _report(tmp_path / "r.xml", tests=7, skipped=2))
    assert (tally.passed, tally.failed, tally.skipped, tally.problems) == (5, 0, 2, [])


def test_failures_and_errors_are_counted_and_named(tmp_path: Path) -> None:
    tally = Tally()
    tally.add("sql", 1, _report(tmp_path / "r.xml", tests=7, failures=2, errors=1))
    assert (tally.passed, tally.failed) == (4, 3)
    assert tally.problems == ["sql: 3 failed (pytest's exit status 1)"]


def test_no_tests_is_a_failure(tmp_path: Path) -> None:
    tally = Tally()
    tally.add("docs", 5, _report(tmp_path / "r.xml", tests=0))
    assert tally.problems == ["docs: no tests were found"]


def test_a_run_that_broke_off_is_a_failure_without_a_report(tmp_path: Path) -> None:
    tally = Tally()
    tally.add("unit", 2, tmp_path / "missing.xml")
    assert tally.problems


def test_everything_after_two_dashes_goes_to_pytest() -> None:
    assert _split(["sql", "--", "-k", "x", "--", "y"]) == (["sql"], ["-k", "x", "--", "y"])
    assert _split(["sql"]) == (["sql"], [])


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_every_layer_has_tests(layer: object) -> None:
    path = CHECKOUT / layer.path  # type: ignore[attr-defined]
    assert list(path.glob("test_*.py")), path


def test_every_directory_of_tests_is_a_layer() -> None:
    found = {file.parent for file in (CHECKOUT / "tests").glob("*/test_*.py")}
    assert found <= {CHECKOUT / layer.path for layer in LAYERS}


def _script_test(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [str(SCRIPT), *arguments], capture_output=True, text=True, check=False, env=env
    )


def test_an_unknown_layer_is_refused_with_the_known_ones() -> None:
    done = _script_test("nonsense")
    assert done.returncode != 0
    assert "unit" in done.stderr
    assert "nonsense" in done.stderr


def test_nothing_selected_is_not_a_pass() -> None:
    done = _script_test("unit", "--", "-k", "no_test_has_this_name")
    assert done.returncode == 1
    assert "no tests were found" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 passed, 0 failed")


def test_a_host_that_does_not_compile_is_one_failure() -> None:
    """Not one for each of some hundred tests; and it says what the compiler said."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    env |= {"PYTHON": "/bin/false", "BITBUCKET_FDW_HOSTS": "bundled"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "host/tests"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=env, cwd=CHECKOUT
    )
    assert done.returncode == 1
    assert done.stdout.count("bundled: the host does not compile") == 1
    assert "Python.h" in done.stdout
    assert "error at setup" not in done.stdout.lower()


SLEEPER = """
import os
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def server():
    (HERE / "begun").write_text(str(os.getpid()))
    yield
    (HERE / "stopped").touch()


def test_that_sleeps(server):
    time.sleep(120)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("background", [False, True])
def test_what_ends_it_ends_its_pytest_runs(
    tmp_path: Path, number: signal.Signals, background: bool
) -> None:
    """They stop what they have started, also below a shell that has SIGINT ignored."""
    (tmp_path / "test_sleeper.py").write_text(SLEEPER)
    arguments = [str(tmp_path), "-k", "test_that_sleeps", "-c", str(CHECKOUT / "pyproject.toml")]
    command = [str(SCRIPT), "unit", "--", *arguments, f"--rootdir={CHECKOUT}"]
    if background:
        command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    given: dict[str, Any] = {"env": env, "text": True, "start_new_session": True, **pipes}
    # Else it would be ignored where these tests themselves were started so.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(command, **given) as process:
        signal.signal(signal.SIGHUP, before)
        try:
            _wait_for(tmp_path / "begun", process)
            process.send_signal(number)
            output, _ = process.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, output
    assert (tmp_path / "stopped").exists(), output
    assert not Path(f"/proc/{(tmp_path / 'begun').read_text()}").exists()


STUBBORN = "import signal, time; {}print(1, flush=True); time.sleep(120)"


@pytest.mark.parametrize(
    ("refuses", "number"),
    [
        ("", -signal.SIGINT),
        ("signal.signal(signal.SIGINT, signal.SIG_IGN); ", -signal.SIGKILL),
    ],
    ids=["interrupted", "killed"],
)
def test_a_run_without_an_end_is_ended(refuses: str, number: int) -> None:
    """As one of a fixture that hangs when its test has used up its own time already."""
    command = [sys.executable, "-c", STUBBORN.format(refuses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not ended(process, seconds=0.1, grace=1)
        assert process.returncode == number


def test_a_run_that_ends_is_not_disturbed() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        assert ended(process, seconds=60)
        assert process.returncode == 3


def _wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 120
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"{path} is not there"
        time.sleep(0.05)
