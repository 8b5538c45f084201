"""User mappings that hold references to secrets, on a server that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from devkit.places import write_private

from tests.auth.conftest import Mapped
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


def test_a_client_from_files(mapped, secret, authorization):
    client = authorization.client()
    secret("client_id", client["client_id"])
    secret("client_secret", client["client_secret"])
    mapped.set(client_id="file:client_id", client_secret="file:client_secret")
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


def test_a_secret_in_place_of_a_name_is_not_shown(mapped, secret):
    """A reference works for any option; what it stands for is a secret wherever it stands."""
    secret("email", "emulator-token-ada-read@example.com")
    mapped.set(email="file:email", token="file:email")
    rows = mapped.database.rows("SELECT * FROM bitbucket.verify('bitbucket')")
    assert rows[1][1] == "invalid_credentials"
    assert "emulator-token" not in str(rows)
    with pytest.raises(psycopg.Error) as raised:
        mapped.database.value(SLUGS)
    assert 'email "file:email"' in raised.value.diag.message_detail
    assert "emulator-token" not in str(raised.value)
