"""Running programs: logs on failure, retries, progress."""

import os
import pwd
from pathlib import Path

import pytest
from devkit import run
from devkit.run import (
    Failure,
    OsUser,
    Permanent,
    as_root,
    output_of,
    require_reachable,
    retried,
    run_logged,
)


def test_a_failed_step_shows_the_end_of_its_own_log_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("from an earlier step\n")
    with pytest.raises(Failure) as caught:
        run_logged(["sh", "-c", "echo the cause; exit 3"], log, what="the step")
    assert "the step failed (exit status 3)" in str(caught.value)
    assert "the cause" in str(caught.value)
    assert "earlier" not in str(caught.value)
    assert str(log) in str(caught.value.hint)


def test_a_successful_step_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    run_logged(["echo", "noise"], log, what="the step")
    assert capsys.readouterr().out == ""
    assert "noise" in log.read_text()


def test_a_long_step_says_that_it_is_going_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PROGRESS_EVERY", 0.1)
    run_logged(["sh", "-c", "echo unpacking; sleep 0.6"], tmp_path / "log", what="the step")
    assert "unpacking" in capsys.readouterr().out


def test_retried_tries_until_it_works() -> None:
    outcomes = iter([Failure("network"), Failure("network"), None])
    pauses: list[float] = []

    def action() -> None:
        outcome = next(outcomes)
        if outcome:
            raise outcome

    retried(action, what="fetching", pause=2, sleep=pauses.append)
    assert pauses == [2, 4]


def test_retried_raises_the_last_failure() -> None:
    failures = [Failure("first"), Failure("second")]

    def action() -> None:
        raise failures.pop(0)

    with pytest.raises(Failure, match="second"):
        retried(action, what="fetching", attempts=2, sleep=lambda _: None)
    assert failures == []


def test_what_no_other_attempt_would_mend_is_not_retried() -> None:
    pauses: list[float] = []

    def action() -> None:
        raise Permanent("this needs root: apt-get update")

    with pytest.raises(Permanent, match="needs root"):
        retried(action, what="fetching", sleep=pauses.append)
    assert pauses == []


@pytest.mark.parametrize(
    ("said", "permanent"),
    [
        ("sudo: a password is required", True),
        ("sudo: a terminal is required to read the password", True),
        ("ada is not in the sudoers file.", True),
        ("E: Could not open lock file /var/lib/dpkg/lock - open (13: Permission denied)", True),
        ("E: Unable to acquire the dpkg frontend lock, are you root?", True),
        ("write error: No space left on device", True),
        ("E: Failed to fetch: Temporary failure resolving the name", False),
        ("Read timed out.", False),
    ],
)
def test_a_step_tells_what_is_permanent(tmp_path: Path, said: str, permanent: bool) -> None:
    with pytest.raises(Failure) as caught:
        run_logged(["sh", "-c", 'echo "$1"; exit 100', "sh", said], tmp_path / "log", what="apt")
    assert isinstance(caught.value, Permanent) is permanent


def test_retried_does_not_hide_other_errors() -> None:
    def action() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        retried(action, what="fetching", sleep=lambda _: None)


def test_output_of_reports_stderr() -> None:
    with pytest.raises(Failure, match="no such thing"):
        output_of(["sh", "-c", "echo no such thing >&2; exit 1"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change users")
def test_an_unreachable_directory_is_named(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    user = OsUser("nobody", nobody.pw_uid, nobody.pw_gid)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    with pytest.raises(Failure, match="nobody cannot enter"):
        require_reachable(closed / "below", user)


def test_root_needs_no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert as_root(["true"]) == ["true"]


def test_without_sudo_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match="this needs root: apt-get update"):
        as_root(["apt-get", "update"])
