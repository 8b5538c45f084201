"""References to secrets: ``file:NAME`` and ``env:NAME``, and that nothing else can be reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bitbucket_fdw import options, secrets
from bitbucket_fdw.errors import OptionError


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of secrets, with files inside and beside it."""
    inside = tmp_path / "secrets"
    inside.mkdir()
    (inside / "token").write_text("from-a-file\n")
    (tmp_path / "outside").write_text("not to be read")
    monkeypatch.setenv("BITBUCKET_FDW_SECRETS", str(inside))
    monkeypatch.setenv("BITBUCKET_TOKEN", "from-a-variable")
    monkeypatch.setenv("PGPASSWORD", "not to be read")
    return inside


def test_a_reference_stands_for_a_file_or_a_variable(directory):
    assert secrets.resolve("token", "file:token") == "from-a-file"
    assert secrets.resolve("token", "env:BITBUCKET_TOKEN") == "from-a-variable"
    assert secrets.resolve("token", "a plain value") == "a plain value"


@pytest.mark.parametrize(
    "reference",
    [
        "file:../outside",
        "file:/etc/passwd",
        "file:..",
        "file:.",
        "file:",
        "file:.hidden",
        "file:a/b",
        "file:token\0",
        "file:token\n",
        "env:PGPASSWORD",
        "env:",
        "env:BITBUCKET_",
        "env:bitbucket_token",
        "env:BITBUCKET_TOKEN=",
        "env:PATH",
    ],
)
def test_nothing_else_can_be_named(directory, reference):
    with pytest.raises(ValueError, match="must be a"):
        secrets.check(reference)
    with pytest.raises(OptionError) as raised:
        secrets.resolve("token", reference)
    assert "not to be read" not in str(raised.value)


def test_a_link_out_of_the_directory_is_not_followed(directory):
    (directory / "escape").symlink_to(directory.parent / "outside")
    with pytest.raises(OptionError, match="leads out"):
        secrets.resolve("token", "file:escape")


def test_links_within_the_directory_are_followed(directory):
    (directory / "..data").mkdir()
    (directory / "..data" / "value").write_text("as Kubernetes has it")
    (directory / "linked").symlink_to("..data/value")
    assert secrets.resolve("token", "file:linked") == "as Kubernetes has it"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"\n", "empty"), (b"x" * 70_000, "larger"), (b"\xff\xfe", "UTF-8")],
)
def test_a_file_that_holds_no_secret_is_an_error(directory, content, why):
    (directory / "odd").write_bytes(content)
    with pytest.raises(OptionError, match=why):
        secrets.resolve("token", "file:odd")


def test_a_fifo_does_not_hang_the_session(directory):
    os.mkfifo(directory / "fifo")
    with pytest.raises(OptionError, match="regular file"):
        secrets.resolve("token", "file:fifo")


def test_what_is_missing_is_named(directory, monkeypatch):
    with pytest.raises(OptionError, match="No such file"):
        secrets.resolve("token", "file:absent")
    with pytest.raises(OptionError, match="not in the server's environment"):
        secrets.resolve("token", "env:BITBUCKET_ABSENT")
    monkeypatch.delenv("BITBUCKET_FDW_SECRETS")
    with pytest.raises(OptionError, match="BITBUCKET_FDW_SECRETS is not"):
        secrets.resolve("token", "file:token")


def test_references_are_for_user_mappings_only(directory):
    with pytest.raises(OptionError):
        options.validate({"base_url": "env:BITBUCKET_TOKEN"}, "server")
    with pytest.raises(OptionError):
        options.validate({"ca_bundle": "file:token"}, "server")
    options.validate({"token": "env:BITBUCKET_TOKEN"}, "user_mapping")


def test_a_reference_is_checked_when_the_mapping_is_made_and_not_followed(directory):
    options.validate({"token": "file:not-there-yet"}, "user_mapping")
    with pytest.raises(OptionError, match="plain file name"):
        options.validate({"token": "file:../outside"}, "user_mapping")


def test_what_a_reference_stands_for_is_checked_like_a_value_but_never_shown(directory):
    (directory / "token").write_text("two words")
    with pytest.raises(OptionError, match="without spaces") as raised:
        options.referred("token", "file:token")
    assert "two words" not in str(raised.value)


@pytest.mark.parametrize(
    "name", [o.name for o in options.OPTIONS if o.level == options.MAPPING and not o.secret]
)
@pytest.mark.parametrize("reference", ["file:token", "env:BITBUCKET_TOKEN"])
def test_an_option_that_is_shown_takes_no_reference(directory, name, reference):
    for use in (
        lambda: options.validate({name: reference}, "user_mapping"),
        lambda: options.parse({name: reference}, options.MAPPING),
        lambda: options.referred(name, reference),
    ):
        with pytest.raises(OptionError) as raised:
            use()
        assert "from-a-" not in str(raised.value)
