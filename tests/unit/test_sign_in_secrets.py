"""Secrets that a mapping refers to: the right ones, for the right role, and told to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_fdw import options
from bitbucket_fdw.errors import OptionError, SecretDenied
from bitbucket_fdw.sign_in import secret_references
from bitbucket_fdw.sign_in.mapping_user import MappingUser
from bitbucket_fdw.sign_in.schemes import SCHEMES, SignIn

UNKNOWN = MappingUser()
ADA = MappingUser("ada")
OWNER = MappingUser("owner", trusted=True)

REFERRED = "what-a-file-holds"
PLAIN = {"email": "ada@example.com", "username": "ada"}
# For each scheme the options it needs, and then one after the other those it takes.
COMBINATIONS = [
    (name, (*scheme.needs, *more))
    for name, scheme in SCHEMES.items()
    for more in (
        (),
        *(
            ("token", "token_secret") if option in ("token", "token_secret") else (option,)
            for option in scheme.takes
        ),
    )
]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of secrets: one for everybody, one of Ada's, and something beside it."""
    inside = tmp_path / "secrets"
    (inside / "ada").mkdir(parents=True)
    (inside / "shared").write_text(REFERRED)
    (inside / "ada" / "own").write_text(REFERRED)
    beside = tmp_path / "secrets-of-others"
    beside.mkdir()
    (beside / "token").write_text("not to be read")
    monkeypatch.setenv("BITBUCKET_FDW_SECRETS", str(inside))
    monkeypatch.setenv("BITBUCKET_FDW_TOKENS", str(tmp_path / "tokens"))
    return inside


def sign_in(user: MappingUser, mapping: dict[str, str], **server: str) -> SignIn:
    values = options.parse({**server, **mapping}, options.SERVER, options.MAPPING)
    return SignIn.of(values, user)


def test_of_whom_nothing_is_known_may_use_none(directory):
    """The role of a shared secret is none, and so is that of a user who is not known."""
    for reference in ("file:shared", "file:ada/own"):
        with pytest.raises(SecretDenied):
            secret_references.resolve("token", reference, UNKNOWN)


def test_what_the_owner_shares_opens_no_role_s_folder(directory):
    for reference in ("file:ada/own", "file:shared"):
        with pytest.raises(SecretDenied):
            secret_references.resolve(
                "token", "file:ada/own", MappingUser("ben"), frozenset([reference])
            )


def test_a_directory_whose_name_begins_alike_is_another(directory):
    (directory / "escape").symlink_to(directory.parent / "secrets-of-others" / "token")
    with pytest.raises(OptionError, match="leads out"):
        secret_references.resolve("token", "file:escape", OWNER)


@pytest.mark.parametrize(
    "content", ["held\0by a file ", "held by a file é\x80 " * 9000, "held\xff"]
)
def test_a_file_that_does_not_do_is_not_shown(directory, content):
    (directory / "odd").write_bytes(content.encode("latin-1"))
    with pytest.raises(OptionError) as raised:
        secret_references.referred("token", "file:odd", OWNER)
    assert "held" not in f"{raised.value} {raised.value.detail} {raised.value.hint}"


def given_for(names: tuple[str, ...], reference: str) -> dict[str, str]:
    """Options of these names; those that are secret refer to one."""
    return {
        name: reference if options.is_secret(name) else PLAIN.get(name, "key") for name in names
    }


@pytest.mark.parametrize(("scheme", "names"), COMBINATIONS)
def test_each_secret_option_of_each_scheme_is_followed_for_its_user(directory, scheme, names):
    mapping = {"auth": scheme, **given_for(names, "file:ada/own")}
    read = sign_in(ADA, mapping)
    for name in names:
        expected = REFERRED if options.is_secret(name) else mapping[name]
        assert read.values[name] == expected, name
    if any(options.is_secret(name) for name in names):
        for other in (OWNER, UNKNOWN, MappingUser("ben", trusted=True)):
            with pytest.raises(SecretDenied):
                sign_in(other, mapping)


@pytest.mark.parametrize(("scheme", "names"), [c for c in COMBINATIONS if c[1]])
def test_shared_secrets_are_for_those_whom_the_owner_lets(directory, scheme, names):
    mapping = {"auth": scheme, **given_for(names, "file:shared")}
    assert REFERRED in sign_in(OWNER, mapping).values.values()
    assert REFERRED in sign_in(ADA, mapping, shared_secrets="file:shared").values.values()
    for shared in ({}, {"shared_secrets": "file:other"}):
        with pytest.raises(SecretDenied):
            sign_in(ADA, mapping, **shared)


@pytest.mark.parametrize(("scheme", "names"), COMBINATIONS)
def test_every_secret_of_a_mapping_is_known_to_be_hidden(directory, scheme, names):
    """As it is written, and as it was found where it refers to."""
    for reference in ("written-in-the-mapping", "file:ada/own"):
        credential = sign_in(ADA, {"auth": scheme, **given_for(names, reference)}).credential()
        hidden = REFERRED if reference.startswith("file:") else reference
        secret = any(options.is_secret(name) for name in names)
        assert (hidden in credential.secrets()) is secret
        assert hidden not in credential.label
        assert hidden not in repr(credential)
        assert hidden not in credential.redact(f"they said {hidden}.") or not secret
