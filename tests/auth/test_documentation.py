"""docs/authentication.md leads from each kind of credential to a first query: each section is run.

An ellipsis stands for the value of the option before it, which the emulator supplies.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from tests.auth.conftest import CALLBACK, AuthorizationServer, Mapped
from tests.support import leaks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "authentication.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
STATEMENT = re.compile(r"[^;]+;", re.DOTALL)
ADA = {"email": "ada@acme.example", "token": "emulator-token-ada-read"}

KINDS = {
    "API token": ADA,
    "Access token": {"token": "emulator-token-workspace"},
    "OAuth 2, client credentials": None,
    "OAuth 2, login": None,
    "OAuth 2, token": None,
    "OAuth 1": None,
    "Basic": {"username": ADA["email"], "password": ADA["token"]},
    "Nobody": {},
}


def values(kind: str, authorization: AuthorizationServer) -> dict[str, str]:
    known = KINDS[kind]
    if known is not None:
        return known
    consumer = {**authorization.client(), **authorization.consumer1()}
    if kind == "OAuth 2, token":
        answer = requests.post(
            f"{authorization.oauth_url}/access_token",
            data={"grant_type": "client_credentials"},
            auth=(consumer["client_id"], consumer["client_secret"]),
            timeout=10,
        )
        return {"token": answer.json()["access_token"]}
    return consumer


def statements(section: str) -> list[str]:
    """The SQL of a section, up to its first subsection."""
    blocks = re.findall(r"```sql\n(.*?)```", section.partition("\n### ")[0], re.DOTALL)
    return [statement.strip() for block in blocks for statement in STATEMENT.findall(block)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_section_leads_to_a_first_query(mapped: Mapped, authorization, kind):
    database = mapped.database
    database.execute("DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket")
    given = values(kind, authorization)
    ran = []
    for statement in statements(SECTIONS[kind]):
        filled = re.sub(r"(\w+) '…'", lambda found: f"{found[1]} '{given[found[1]]}'", statement)
        assert "…" not in filled
        ran.append((statement, database.query(filled)))
        if statement.startswith("CREATE USER MAPPING") and "oauth2_code" in statement:
            mapped.log_in()
    [query] = [result for statement, result in ran if "FROM acme.repositories" in statement]
    assert len(query.rows) == (5 if kind != "Nobody" else 2)
    assert not leaks.found(str([result.rows for _, result in ran]))


def test_a_view_is_shared_as_shown(mapped: Mapped, authorization, host):
    if host == "multicorn2":
        pytest.skip("there a view goes by the mapping of whoever asks, as the page says")
    database = mapped.database
    database.execute("DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket")
    try:
        for statement in statements(SECTIONS["Views and functions"]):
            filled = statement.replace("you@example.com", ADA["email"]).replace("…", ADA["token"])
            rows = database.query(filled).rows
        assert len(rows) == 5
    finally:
        database.execute("RESET ROLE; DROP OWNED BY team; DROP ROLE team")


def test_the_functions_for_web_applications_are_called_as_shown(mapped: Mapped, authorization):
    mapped.set(auth="oauth2_code", **authorization.client())
    part = SECTIONS["OAuth 2, login"].partition("\n### ")[2]
    first, second = re.findall(r"```sql\n(.*?)```", part, re.DOTALL)
    state = "the-state-of-the-session"
    first = first.replace("https://…/back", CALLBACK).replace("'…'", f"'{state}'")
    back = authorization.visit(mapped.database.value(first))
    assert back["state"] == state
    second = second.replace("https://…/back", CALLBACK)
    second = second.replace("'…'", f"'{back['code']}'", 1).replace("'…'", f"'{state}'", 1)
    result = mapped.database.query(second)
    shown = re.search(r"^\| (auth .*) \|$", part, re.MULTILINE)
    assert result.columns == [name.strip() for name in shown[1].split("|")]
    assert result.rows[0][0] == "oauth2_code"


def test_every_kind_of_credential_has_a_section():
    assert set(KINDS) <= set(SECTIONS)
    listed = re.findall(r"^\| .+ \| \[(.+?)\]\(#", TEXT, re.MULTILINE)
    assert listed == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_section_is_under_a_page(kind):
    assert len(SECTIONS[kind].partition("\n### ")[0].splitlines()) <= 55
