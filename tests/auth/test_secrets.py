"""References to secrets: ``file:NAME`` and ``env:NAME``, and that nothing else can be reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bitbucket_fdw import options
from bitbucket_fdw.errors import OptionError, SecretDenied
from bitbucket_fdw.options import references
from bitbucket_fdw.sign_in import secret_references
from bitbucket_fdw.sign_in.mapping_user import MappingUser

OWNER = MappingUser("owner", trusted=True)
ADA = MappingUser("ada")


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
    assert secret_references.resolve("token", "file:token", OWNER) == "from-a-file"
    assert secret_references.resolve("token", "env:BITBUCKET_TOKEN", OWNER) == "from-a-variable"
    assert secret_references.resolve("token", "a plain value", OWNER) == "a plain value"


@pytest.mark.parametrize(
    "reference",
    [
        "file:../outside",
        "file:/etc/passwd",
        "file:..",
        "file:.",
        "file:",
        "file:.hidden",
        "file:a/b/c",
        "file:../token",
        "file:./token",
        "file:/token",
        "file:a/",
        "file:a/..",
        "file:a/.hidden",
        "file:.a/b",
        "file:a\0/b",
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
        references.check_reference(reference)
    with pytest.raises(OptionError) as raised:
        secret_references.resolve("token", reference, OWNER)
    assert "not to be read" not in str(raised.value)


def test_a_link_out_of_the_directory_is_not_followed(directory):
    (directory / "escape").symlink_to(directory.parent / "outside")
    with pytest.raises(OptionError, match="leads out"):
        secret_references.resolve("token", "file:escape", OWNER)


def test_links_within_the_directory_are_followed(directory):
    (directory / "..data").mkdir()
    (directory / "..data" / "value").write_text("as Kubernetes has it")
    (directory / "linked").symlink_to("..data/value")
    assert secret_references.resolve("token", "file:linked", OWNER) == "as Kubernetes has it"


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"\n", "empty"), (b"x" * 70_000, "larger"), (b"\xff\xfe", "UTF-8")],
)
def test_a_file_that_holds_no_secret_is_an_error(directory, content, why):
    (directory / "odd").write_bytes(content)
    with pytest.raises(OptionError, match=why):
        secret_references.resolve("token", "file:odd", OWNER)


def test_a_fifo_does_not_hang_the_session(directory):
    os.mkfifo(directory / "fifo")
    with pytest.raises(OptionError, match="regular file"):
        secret_references.resolve("token", "file:fifo", OWNER)


def test_what_is_missing_is_named(directory, monkeypatch):
    with pytest.raises(OptionError, match="No such file"):
        secret_references.resolve("token", "file:absent", OWNER)
    with pytest.raises(OptionError, match="not in the server's environment"):
        secret_references.resolve("token", "env:BITBUCKET_ABSENT", OWNER)
    monkeypatch.delenv("BITBUCKET_FDW_SECRETS")
    with pytest.raises(OptionError, match="BITBUCKET_FDW_SECRETS is not"):
        secret_references.resolve("token", "file:token", OWNER)


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
        secret_references.referred("token", "file:token", OWNER)
    assert "two words" not in str(raised.value)


@pytest.mark.parametrize(
    "name", [o.name for o in options.OPTIONS if o.level == options.MAPPING and not o.secret]
)
@pytest.mark.parametrize("reference", ["file:token", "env:BITBUCKET_TOKEN"])
def test_an_option_that_is_shown_takes_no_reference(directory, name, reference):
    for use in (
        lambda: options.validate({name: reference}, "user_mapping"),
        lambda: options.parse({name: reference}, options.MAPPING),
        lambda: secret_references.referred(name, reference, OWNER),
    ):
        with pytest.raises(OptionError) as raised:
            use()
        assert "from-a-" not in str(raised.value)


# --- who may use which ---


@pytest.fixture
def roles(directory: Path) -> Path:
    """Secrets of two roles beside the shared ones."""
    for role in ("ada", "Ben's role"):
        (directory / role).mkdir()
        (directory / role / "token").write_text(f"of {role}")
    return directory


def test_a_role_uses_its_own_secrets_and_no_other_s(roles):
    assert secret_references.resolve("token", "file:ada/token", ADA) == "of ada"
    ben = MappingUser("Ben's role")
    assert secret_references.resolve("token", "file:Ben's role/token", ben) == "of Ben's role"
    for user in (ben, OWNER, MappingUser("ADA"), MappingUser()):
        with pytest.raises(SecretDenied, match="may not use"):
            secret_references.resolve("token", "file:ada/token", user)


@pytest.mark.parametrize("reference", ["file:token", "env:BITBUCKET_TOKEN"])
def test_shared_secrets_are_the_owner_s_to_give(roles, reference):
    assert secret_references.resolve("token", reference, OWNER)
    assert secret_references.resolve("token", reference, ADA, frozenset([reference]))
    for shared in (frozenset(), frozenset(["file:other", "file:ada/token", "token"])):
        with pytest.raises(SecretDenied, match="may not use") as raised:
            secret_references.resolve("token", reference, ADA, shared)
        assert "from-a-" not in str(raised.value)


def test_who_may_not_use_a_secret_is_not_told_whether_it_is_there(roles):
    said = set()
    for name in ("token", "absent"):
        with pytest.raises(SecretDenied) as raised:
            secret_references.resolve("token", f"file:{name}", ADA)
        said.add(str(raised.value).replace(f"file:{name}", ""))
    assert len(said) == 1


def test_a_role_s_folder_does_not_lead_out(roles):
    (roles / "eve").symlink_to(roles.parent)
    with pytest.raises(OptionError, match="leads out"):
        secret_references.resolve("token", "file:eve/outside", MappingUser("eve"))


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("file:a", True),
        ("file:a, env:BITBUCKET_B,file:c", True),
        ("", False),
        (",", False),
        ("a", False),
        ("file:ada/token", False),
        ("file:a, env:PATH", False),
    ],
)
def test_what_the_owner_shares_is_a_list_of_references(value, good):
    if good:
        options.validate({"shared_secrets": value}, "server")
    else:
        with pytest.raises(OptionError, match="references like"):
            options.validate({"shared_secrets": value}, "server")
