"""Other releases of Debian: what they are given of this machine, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest
from devkit import debian
from devkit.places import CHECKOUT
from devkit.run import Failure


@pytest.mark.parametrize("text", ["trixie,sid", " trixie , sid,"])
def test_releases_are_named(text: str) -> None:
    assert debian.releases_of(text) == ["trixie", "sid"]


@pytest.mark.parametrize("text", ["", ",", "../sid", "trixie;sid", "Trixie"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="names no release"):
        debian.releases_of(text)


def test_a_release_is_told_how_to_reach_packages_and_no_secret() -> None:
    given = {
        "https_proxy": "http://127.0.0.1:1",
        "NO_PROXY": "localhost",
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        "BITBUCKET_API_TOKEN": "secret",
        "HOME": "/home/somebody",
    }
    made = debian._environment(given)
    assert {"https_proxy", "NO_PROXY", "PIP_CERT"} <= set(made)
    assert "BITBUCKET_API_TOKEN" not in made
    assert made["HOME"] == "/root"


def test_a_release_reaches_the_archives_as_this_machine_s_apt_does() -> None:
    dumped = (
        'Acquire "";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::http::Proxy "http://127.0.0.1:1";\n'
        'Acquire::Languages "none";\n'
        'Acquire::cdrom::mount "/media/cdrom/";\n'
    )
    assert debian._apt_settings(dumped) == (
        'Acquire::Check-Valid-Until "false";\nAcquire::http::Proxy "http://127.0.0.1:1";\n'
    )


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is such a copy, without git")
def test_the_copy_is_what_git_would_take(tmp_path: Path) -> None:
    debian._copy_checkout(tmp_path)
    copy = tmp_path / debian.INSIDE.relative_to("/")
    assert (copy / "script" / "test").stat().st_mode & 0o100
    assert (copy / "bitbucket_fdw" / "wrapper").is_dir()
    assert not (copy / ".git").exists()
    assert not list(copy.rglob("__pycache__"))
