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
