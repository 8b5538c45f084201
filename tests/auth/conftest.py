"""Fixtures of these tests: the authorization server, stores, user mappings that use it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from devkit.cluster import identifier, literal
from devkit.emulator import Control

from bitbucket_fdw import options
from bitbucket_fdw.api import Client, ScanContext, Settings, Shared
from bitbucket_fdw.sign_in.schemes import SignIn
from tests.support.database import Database

CALLBACK = "http://localhost:33333/"


class AuthorizationServer:
    """The emulator's, and a person in front of it."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self.oauth_url = f"{control.root}/site/oauth2"
        self.oauth1_url = f"{control.root}/api/1.0/oauth"

    @property
    def consumer(self) -> dict[str, str]:
        """An OAuth consumer: its key and secret."""
        return self._control.call("GET", "oauth")["consumers"][0]

    def client(self) -> dict[str, str]:
        """The consumer as options of OAuth 2."""
        return {"client_id": self.consumer["key"], "client_secret": self.consumer["secret"]}

    def consumer1(self) -> dict[str, str]:
        """The consumer as options of OAuth 1."""
        return {"consumer_key": self.consumer["key"], "consumer_secret": self.consumer["secret"]}

    def settings(self, **changes: object) -> None:
        """Change how it behaves; see the emulator's README."""
        self._control.call("POST", "oauth", changes)

    def expire(self) -> None:
        """Let every access token run out."""
        self._control.call("POST", "oauth/expire")

    def revoke(self) -> None:
        """End every grant."""
        self._control.call("POST", "oauth/revoke")

    def count(self, grant: str) -> int:
        """How often a grant was given; with `` refused`` after it: was refused."""
        return int(self._control.call("GET", "oauth")["counts"].get(grant, 0))

    def requests(self) -> list[dict[str, str]]:
        """What it was asked."""
        return list(self._control.call("GET", "oauth")["requests"])

    def visit(self, url: str, user: str = "ada", decision: str = "grant") -> dict[str, str]:
        """Open a consent page, answer it, and give the parameters of the way back."""
        assert url.startswith(self._control.root)
        page = requests.get(url, timeout=10).text
        request = re.search(r'name="request" value="([^"]+)"', page)
        assert request, page
        address = url.partition("?")[0]
        form = {"request": request[1], "user": user, "decision": decision}
        answer = requests.post(address, data=form, timeout=10, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def refresh_token(self, user: str = "ada") -> str:
        """The refresh token of a login that was made elsewhere."""
        consumer = self.consumer
        query = f"response_type=code&client_id={consumer['key']}&redirect_uri={CALLBACK}&state=x"
        back = self.visit(f"{self.oauth_url}/authorize?{query}", user)
        answer = requests.post(
            f"{self.oauth_url}/access_token",
            data={
                "grant_type": "authorization_code",
                "code": back["code"],
                "redirect_uri": CALLBACK,
            },
            auth=(consumer["key"], consumer["secret"]),
            timeout=10,
        )
        return str(answer.json()["refresh_token"])


@pytest.fixture
def authorization(emulator: Control) -> AuthorizationServer:
    """The authorization server of ``emulator``."""
    return AuthorizationServer(emulator)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of this process's token store."""
    directory = tmp_path / "tokens"
    monkeypatch.setenv("BITBUCKET_FDW_TOKENS", str(directory))
    return directory


SignInFactory = Callable[..., SignIn]


@pytest.fixture
def shared() -> Shared:
    """What all clients of the test have in common, as those of one backend."""
    return Shared()


@pytest.fixture
def sign_in(
    authorization: AuthorizationServer, emulator: Control, store: Path, shared: Shared
) -> SignInFactory:
    """``sign_in(client_id=…, …)``: what a user mapping with these options makes."""

    def factory(**mapping: str) -> SignIn:
        server = {
            "base_url": emulator.base_url,
            "oauth_url": authorization.oauth_url,
            "oauth1_url": authorization.oauth1_url,
        }
        values = options.parse({**server, **mapping}, options.SERVER, options.MAPPING)
        return SignIn.of(values, renewals=shared.renewals)

    return factory


@pytest.fixture
def connect(emulator: Control, shared: Shared) -> Callable[..., Client]:
    """``connect(sign_in, …)``: a new client of the emulator."""

    def factory(signs: SignIn, **settings: object) -> Client:
        given: dict[str, Any] = {"base_url": emulator.base_url, "retry_limit": 0, **settings}
        return Client(Settings(**given), signs.credential(), shared)

    return factory


def get(client: Client, path: str = "/user") -> Any:
    """GET a path; the answer's JSON."""
    return client.get(client.url(path), ScanContext(client.workers, 1000)).json


class Mapped:
    """A database whose server uses the authorization server, and its user mappings."""

    def __init__(self, database: Database, authorization: AuthorizationServer) -> None:
        self.database = database
        self.authorization = authorization
        urls = {
            "oauth_url": authorization.oauth_url,
            "oauth1_url": authorization.oauth1_url,
        }
        added = ", ".join(f"ADD {name} {literal(value)}" for name, value in urls.items())
        database.execute(f"ALTER SERVER bitbucket OPTIONS ({added})")
        database.execute(
            "CREATE FOREIGN TABLE repositories (workspace text, slug text) SERVER "
            "bitbucket OPTIONS (table 'repositories', workspace 'acme')"
        )

    def set(self, user: str = "CURRENT_USER", **mapping: str) -> None:
        """Give a user a mapping with these options."""
        listed = ", ".join(f"{name} {literal(value)}" for name, value in mapping.items())
        self.database.execute(f"DROP USER MAPPING IF EXISTS FOR {user} SERVER bitbucket")
        self.database.execute(
            f"CREATE USER MAPPING FOR {user} SERVER bitbucket"
            + (f" OPTIONS ({listed})" if listed else "")
        )

    def log_in(self, user: str = "ada") -> tuple[object, ...]:
        """Log in by the SQL functions; what the second one returned."""
        url = self.database.value(
            "SELECT bitbucket.oauth_authorization_url('bitbucket', %s)", (CALLBACK,)
        )
        back = self.authorization.visit(url, user)
        [row] = self.database.rows(
            "SELECT * FROM bitbucket.oauth_access_token('bitbucket', %s, %s, %s)",
            (back.get("code") or back["oauth_verifier"], CALLBACK, back["state"]),
        )
        return row

    def options(self, user: str | None = None) -> dict[str, str]:
        """The options of a user's mapping, as the catalog has them."""
        return dict(
            self.database.rows(
                "SELECT o.option_name, o.option_value FROM pg_user_mappings m, "
                "pg_options_to_table(m.umoptions) o WHERE m.usename = coalesce(%s, current_user)",
                (user,),
            )
        )

    def role(self, name: str) -> str:
        """A new role that may use the server and read the table; its name."""
        role = f"{name}_{self.database.name}"
        self.database.execute(f"CREATE ROLE {identifier(role)} LOGIN")
        self.database.execute(f"GRANT USAGE ON FOREIGN SERVER bitbucket TO {identifier(role)}")
        self.database.execute(f"GRANT SELECT ON repositories TO {identifier(role)}")
        return role

    @property
    def store(self) -> Path:
        """The server's token store."""
        return self.database.cluster.data / "bitbucket_fdw" / "tokens"


@pytest.fixture
def mapped(db: Database, authorization: AuthorizationServer) -> Iterator[Mapped]:
    """A database whose server ``bitbucket`` knows the emulator's authorization server."""
    made = Mapped(db, authorization)
    yield made
    roles = db.column("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"%\\_{db.name}",))
    for role in roles:
        db.execute(f"DROP OWNED BY {identifier(role)} CASCADE; DROP ROLE {identifier(role)}")


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds; fails if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
