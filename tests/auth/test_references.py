"""User mappings that hold references to secrets, on a server that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from devkit.places import write_private

from bitbucket_fdw import options
from tests.auth.conftest import Mapped
from tests.auth.test_leaks import SCHEMES, STATEMENTS, heard, schemes
from tests.support import leaks
from tests.support.clusters import SECRETS

SLUGS = "SELECT count(*) FROM repositories"


@pytest.fixture
def secret(mapped: Mapped) -> Callable[[str, str], Path]:
    """``secret(name, text)``: a file of the server's directory of secrets."""

    def write(name: str, text: str) -> Path:
        cluster = mapped.database.cluster
        path = cluster.directory / SECRETS / name
        if not path.parent.exists():  # a role's
            path.parent.mkdir(mode=0o700)
            cluster.user.own(path.parent)
        path.unlink(missing_ok=True)
        write_private(path, text)
        cluster.user.own(path)
        return path

    return write


def test_a_token_from_a_file(mapped, secret):
    secret("api_token", "emulator-token-ben-write\n")
    mapped.set(email="ben@acme.example", token="file:api_token")
    assert 0 < mapped.database.value(SLUGS) < 9
    assert mapped.options()["token"] == "file:api_token"


def test_a_token_from_a_variable(mapped):
    mapped.set(email="ada@acme.example", token="env:BITBUCKET_TEST_TOKEN")
    assert mapped.database.value(SLUGS) == 9


def test_a_client_s_secret_from_a_file(mapped, secret, authorization):
    client = authorization.client()
    secret("client_secret", client["client_secret"])
    mapped.set(client_id=client["client_id"], client_secret="file:client_secret")
    mapped.log_in()
    assert mapped.database.value(SLUGS) == 9


# --- who may use which ---


def as_role(mapped: Mapped, role: str) -> int:
    """How many repositories a role sees, in a session of its own."""
    with mapped.database.connect(role) as session:
        [[number]] = session.execute(SLUGS).fetchall()
        return int(number)


def denied(mapped: Mapped, role: str) -> None:
    for statement in (SLUGS, "SELECT * FROM bitbucket.verify('bitbucket')"):
        with mapped.database.connect(role) as session, pytest.raises(psycopg.Error) as raised:
            session.execute(statement)
        assert "may not use" in str(raised.value)
        assert "shared_secrets" in raised.value.diag.message_hint


def test_a_role_s_own_secret(mapped, secret):
    """Another role's mapping may not name it, whoever wrote the mapping."""
    ada, ben = mapped.role("ada"), mapped.role("ben")
    secret(f"{ada}/token", "emulator-token-ada-read")
    for role in (ada, ben):
        mapped.set(role, email="ada@acme.example", token=f"file:{ada}/token")
    assert as_role(mapped, ada) == 9
    denied(mapped, ben)


@pytest.mark.parametrize("reference", ["file:api_token", "env:BITBUCKET_TEST_TOKEN"])
def test_a_role_may_not_use_a_shared_secret_by_a_mapping_of_its_own(mapped, secret, reference):
    """Whoever has USAGE writes that mapping, and would act at Bitbucket as the secret's owner."""
    secret("api_token", "emulator-token-ada-read")
    ada = mapped.role("ada")
    with mapped.database.connect(ada) as session:
        session.execute(
            "CREATE USER MAPPING FOR CURRENT_USER SERVER bitbucket "
            f"OPTIONS (email 'ada@acme.example', token '{reference}')"
        )
    denied(mapped, ada)
    mapped.database.execute(
        f"ALTER SERVER bitbucket OPTIONS (ADD shared_secrets 'file:other, {reference}')"
    )
    assert as_role(mapped, ada) == 9
    mapped.database.execute("ALTER SERVER bitbucket OPTIONS (SET shared_secrets 'file:other')")
    denied(mapped, ada)


def test_the_mapping_for_public_uses_shared_secrets(mapped, secret, host):
    """Only the server's owner can make it; Multicorn2 does not tell which mapping is in effect."""
    secret("api_token", "emulator-token-ada-read")
    ada = mapped.role("ada")
    mapped.set("PUBLIC", email="ada@acme.example", token="file:api_token")
    if host == "multicorn2":
        denied(mapped, ada)
        mapped.database.execute(
            "ALTER SERVER bitbucket OPTIONS (ADD shared_secrets 'file:api_token')"
        )
    assert as_role(mapped, ada) == 9


def test_a_role_that_owns_the_server_uses_shared_secrets(mapped, secret, host):
    if host == "multicorn2":
        pytest.skip("Multicorn2 does not tell whose server it is")
    secret("api_token", "emulator-token-ada-read")
    ada = mapped.role("ada")
    mapped.set(ada, email="ada@acme.example", token="file:api_token")
    denied(mapped, ada)
    mapped.database.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO {ada}")
    mapped.database.execute(f"ALTER SERVER bitbucket OWNER TO {ada}")
    try:
        assert as_role(mapped, ada) == 9
    finally:
        mapped.database.execute("ALTER SERVER bitbucket OWNER TO CURRENT_USER")


def test_what_is_not_there_is_an_error_that_names_the_reference(mapped, secret):
    mapped.set(token="file:absent")
    with pytest.raises(psycopg.Error, match="file:absent") as raised:
        mapped.database.value(SLUGS)
    assert "BITBUCKET_FDW_SECRETS" in raised.value.diag.message_hint


@pytest.mark.parametrize("reference", ["env:PATH", "file:../owner.pid", "file:/etc/passwd"])
def test_other_files_and_variables_stay_out_of_reach(mapped, reference):
    def use() -> None:  # the bundled host tells at CREATE, Multicorn2 at the first use
        mapped.set(token=reference)
        mapped.database.value(SLUGS)

    with pytest.raises(psycopg.Error, match="must be a") as raised:
        use()
    assert "root:" not in str(raised.value)


# --- what refers to a secret shows it nowhere ---


@pytest.fixture
def unchecked(mapped: Mapped) -> Mapped:
    """A database in which CREATE takes any option: no event trigger, and a class of another server
    that has nothing against it, so that the use has to be the judge.
    """
    mapped.database.execute("ALTER EVENT TRIGGER bitbucket_fdw_options DISABLE")
    mapped.database.execute(
        "CREATE SERVER other FOREIGN DATA WRAPPER multicorn "
        "OPTIONS (wrapper 'multicorn.ForeignDataWrapper')"
    )
    return mapped


HELD = "emulator-token-held/in+a=file@x"  # good for each option, an e-mail address among them
REFERENCES = ("file:held", "env:BITBUCKET_TEST_HELD")
SHOWN = [o.name for o in options.OPTIONS if o.level == options.MAPPING and not o.secret]


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_option_of_a_mapping_shows_a_secret(unchecked, secret, authorization, scheme, reference):
    """One option after the other, and then all of them, refer to a secret."""
    secret("held", HELD)
    plain = schemes(authorization)[scheme]
    for names in (*((name,) for name in plain), tuple(plain)):
        unchecked.set(**(plain | dict.fromkeys(names, reference)))
        for statement, text in heard(unchecked, *STATEMENTS):
            assert not leaks.found(text.replace("emulator-code-1", ""), HELD), (names, statement)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("option", [o for o in options.OPTIONS if o.level != options.MAPPING])
def test_no_option_of_another_level_shows_a_secret(unchecked, secret, option, reference):
    secret("held", HELD)
    given = f"OPTIONS ({{}} {option.name} '{reference}')"
    statements = {
        options.SERVER: "ALTER SERVER bitbucket " + given.format(""),
        options.TABLE: "ALTER FOREIGN TABLE repositories " + given.format("ADD"),
        options.COLUMN: "ALTER FOREIGN TABLE repositories ALTER slug " + given.format("ADD"),
        options.IMPORT: "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public "
        + given.format(""),
    }
    for level in option.levels:
        for statement, text in heard(unchecked, statements[level], *STATEMENTS):
            assert not leaks.found(text.replace("emulator-code-1", ""), HELD), statement


@pytest.mark.parametrize("name", SHOWN)
def test_a_reference_in_an_option_that_is_shown_is_refused(mapped, secret, name):
    """Otherwise oauth_authorization_url() would show client_id, an error the e-mail address."""
    secret("held", HELD)
    with pytest.raises(psycopg.Error, match=r"only secret options refer|must be one of") as raised:
        mapped.set(**{"client_secret": "x", name: "file:held"})
    assert "held/in" not in str(raised.value)
