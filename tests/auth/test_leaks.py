"""Secrets stay out of everything that can be read: messages, plans, catalogs of ours, logs, files.

Each scheme is used in ways that succeed and in ways that fail, and all that comes back is searched,
in every encoding. Besides, each test run searches the whole server log when it ends, see
``tests/support/leaks.py``.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import psycopg
import pytest

from bitbucket_fdw.api import Client, ScanContext, Settings
from bitbucket_fdw.api.credentials import redact
from bitbucket_fdw.errors import BitbucketError
from bitbucket_fdw.sign_in.schemes import SignIn
from tests.api.hostile import HEAD, HostileServer
from tests.api.scripted import Answer, ScriptedServer
from tests.auth.conftest import AuthorizationServer, Mapped
from tests.support import leaks

SECRET = "emulator-token-of/this+test="  # its encodings all differ


def schemes(authorization: AuthorizationServer) -> dict[str, dict[str, str]]:
    return {
        "api_token": {"email": "ada@acme.example", "token": SECRET},
        "access_token": {"token": SECRET},
        "basic": {"username": "ada", "password": SECRET},
        "oauth2_client": {"client_id": "key", "client_secret": SECRET},
        "oauth2_code": {
            **authorization.client(),
            "auth": "oauth2_code",
            "refresh_token": SECRET,
        },
        "oauth2_token": {"auth": "oauth2_token", "token": SECRET},
        "oauth1": {
            **authorization.consumer1(),
            "token": SECRET,
            "token_secret": SECRET,
        },
    }


SCHEMES = (
    "api_token",
    "access_token",
    "basic",
    "oauth2_client",
    "oauth2_code",
    "oauth2_token",
    "oauth1",
)


def heard(mapped: Mapped, *statements: str) -> Iterator[tuple[str, str]]:
    """Statements, and all that a client is told: rows, notices, every field of an error."""
    with mapped.database.connect() as session:
        said: list[str] = []
        session.add_notice_handler(lambda notice: said.append(_all(notice)))
        session.execute("SET client_min_messages = debug5; SET log_error_verbosity = verbose")
        for statement in statements:
            said.clear()
            try:
                cursor = session.execute(statement)
                if cursor.description:
                    said += [str(row) for row in cursor.fetchall()]
            except psycopg.Error as error:
                said += [str(error), _all(error.diag)]
            assert said
            yield statement, "\n".join(said)


def _all(diagnostic: psycopg.errors.Diagnostic) -> str:
    names = [name for name in dir(diagnostic) if not name.startswith("_")]
    return "\n".join(str(getattr(diagnostic, name)) for name in names)


STATEMENTS = (
    "SELECT * FROM repositories",
    "SELECT * FROM repositories WHERE slug = 'website'",
    "EXPLAIN (VERBOSE, ANALYZE) SELECT * FROM repositories",
    "EXPLAIN (VERBOSE) SELECT * FROM repositories",
    "SELECT * FROM bitbucket.verify('bitbucket')",
    "SELECT * FROM bitbucket.schemas('bitbucket', 'acme')",
    "SELECT * FROM bitbucket.oauth_refresh('bitbucket')",
    "SELECT bitbucket.oauth_authorization_url('bitbucket', 'http://localhost:33333/')",
    "SELECT * FROM bitbucket.oauth_access_token('bitbucket', 'emulator-code-1', 'http://a/', 'x')",
    "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public",
    "SELECT * FROM bitbucket.imported_tables",
    "SELECT * FROM bitbucket.requests",
)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_statements_tell_no_secret(mapped, authorization, scheme):
    mapped.set(**schemes(authorization)[scheme])
    for statement, text in heard(mapped, *STATEMENTS):
        assert not leaks.found(text.replace("emulator-code-1", ""), SECRET), statement


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "cut_json"},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 429, "retry_after": 3600},
        {"kind": "status", "status": 500, "form": "html"},
    ],
)
def test_faults_make_no_secret_be_told(mapped, authorization, fault):
    mapped.database.execute("ALTER SERVER bitbucket OPTIONS (ADD retry_limit '0')")
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    mapped.database.emulator.fault("*", count=None, **fault)
    for statement, text in heard(mapped, *STATEMENTS[:7]):
        assert not leaks.found(text), statement


@pytest.mark.parametrize(
    "options",
    [
        "token '{secret} with spaces'",
        "token '{secret}', passwort 'x'",
        "auth 'basic', token '{secret}'",
        "auth 'oauth1', token_secret '{secret}'",
        "email '{secret}', token 'x'",
        "email '{secret}:@example.com', token 'x'",
    ],
)
def test_a_mapping_that_is_refused_does_not_repeat_it(mapped, options):
    statement = (
        "DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket; "
        "CREATE USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS "
        f"({options.format(secret=SECRET)})"
    )
    for _, text in heard(mapped, statement, "SELECT * FROM repositories"):
        assert not leaks.found(text.replace(statement, ""), SECRET)


@pytest.fixture
def mirror() -> Iterator[ScriptedServer]:
    """A server that answers with an error that repeats the whole request, as proxies do."""
    server = ScriptedServer(lambda _: Answer({}))
    yield server
    server.close()


@pytest.mark.parametrize(
    "scheme", [s for s in SCHEMES if s not in ("oauth2_client", "oauth2_code")]
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 429, 500])
def test_an_error_that_repeats_the_request_is_cleaned(
    mirror, authorization, sign_in, scheme, status
):
    signs: SignIn = sign_in(**schemes(authorization)[scheme])
    client = Client(Settings(base_url=f"{mirror.url}/2.0", retry_limit=0), signs.credential())

    def repeat(_: str) -> Answer:
        sent = mirror.received[-1].headers
        error = {"message": f"refused: {sent}", "detail": {"headers": sent}, "fields": sent}
        return Answer(
            {"type": "error", "error": error},
            status,
            {"X-Accepted-OAuth-Scopes": sent["authorization"], "Location": "/2.0/elsewhere"},
            reason=f"No: {sent['authorization']}",
        )

    mirror.answer = repeat
    with pytest.raises(BitbucketError, match=f"was answered {status}") as raised:
        client.get(client.url("/user"), ScanContext(client.workers, 10))
    assert "authorization" in mirror.received[-1].headers
    error = raised.value
    for text in (error.message, error.detail, error.hint, str(error), repr(error)):
        assert not leaks.found(text or "", SECRET)


@pytest.mark.parametrize(
    "token", [SECRET + "\r\nX: y", SECRET + " ", "é" + SECRET, "\u20ac" + SECRET]
)
def test_a_token_that_fits_into_no_header_is_not_told(mapped, token):
    """The library that cannot write it quotes it, and a fault that nobody foresaw is shown."""
    body = json.dumps({"access_token": token, "refresh_token": {}, "expires_in": 3600}).encode()
    server = HostileServer(lambda: iter([HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body]))
    mapped.database.execute(
        f"ALTER SERVER bitbucket OPTIONS (SET oauth_url '{server.url}/o', ADD retry_limit '1')"
    )
    mapped.set(client_id="key", client_secret="emulator-client")
    try:
        for statement, text in heard(mapped, "SELECT * FROM repositories", *STATEMENTS[4:7]):
            assert not leaks.found(text, SECRET), statement
            assert "Error in python" not in text
    finally:
        server.close()


UNFORESEEN = """
from bitbucket_fdw.wrapper import *
from bitbucket_fdw import wrapper

class BitbucketFdw(wrapper.BitbucketFdw):
    def _asked(self, *given):
        try:
            int(self.client.credential.secrets()[0])
        except ValueError as error:
            raise KeyError("no such thing") from error
"""


def test_a_fault_that_nobody_foresaw_tells_no_secret(mapped):
    """Nor does the log, which has all that led to it, see ``tests/support/leaks.py``."""
    module = mapped.database.cluster.directory / "python" / "quoting_wrapper.py"
    module.write_text(UNFORESEEN)
    module.chmod(0o644)
    mapped.database.execute(
        "ALTER SERVER bitbucket OPTIONS (SET wrapper 'quoting_wrapper.BitbucketFdw')"
    )
    mapped.set(token=SECRET)
    for statement, text in heard(mapped, *STATEMENTS[:4]):
        assert "KeyError" in text, statement
        assert not leaks.found(text, SECRET), statement
    assert not leaks.in_log(mapped.database.cluster.log.read_bytes())


HIDING = {  # how a secret can be said so that it is not found
    "an invisible character": lambda secret: secret[:9] + "\u200b" + secret[9:],
    "a soft hyphen": lambda secret: "\u00ad".join(secret),
    "an escape": lambda secret: secret[:4] + "\x1b" + secret[4:],
    "a cut": lambda secret: "x" * 485 + secret,
}


@pytest.mark.parametrize("hiding", HIDING)
def test_a_secret_that_is_said_in_disguise_is_found(mirror, sign_in, hiding):
    """What is taken out of a message must not make a secret whole, nor a cut leave a part of it."""
    signs = sign_in(token=SECRET)
    client = Client(Settings(base_url=f"{mirror.url}/2.0", retry_limit=0), signs.credential())
    said = HIDING[hiding](SECRET)
    mirror.answer = lambda _: Answer({"type": "error", "error": {"message": said}}, 400)
    with pytest.raises(BitbucketError) as raised:
        client.get(client.url("/user"), ScanContext(client.workers, 10))
    assert not leaks.found(raised.value.detail, SECRET, SECRET[:16])
    assert len(raised.value.detail) <= 500


TERMINAL = "\x1b]0;owned\x07\x1b[31m\u202e\u2066\u200f\x9b\x00\x7f\u2028"


@pytest.fixture
def mirrored(mapped: Mapped, mirror: ScriptedServer) -> Mapped:
    """A database whose server is the one that says whatever the test wants."""
    mapped.database.execute(
        f"ALTER SERVER bitbucket OPTIONS (SET base_url '{mirror.url}/2.0', ADD retry_limit '0')"
    )
    return mapped


def test_no_message_commands_a_terminal(mirrored, mirror):
    """Message, detail and hint of errors, and what functions return."""
    said = f"before{TERMINAL}after"
    mirror.answer = lambda _: Answer(
        {"type": "error", "error": {"message": said, "detail": said, "fields": {said: said}}},
        403,
        {"X-Accepted-OAuth-Scopes": said.encode().decode("latin-1").replace("\x00", "")},
        reason="not \x1b[31m you",
    )
    for statement, text in heard(mirrored, *STATEMENTS[:6]):
        assert not set(text) & (set(TERMINAL) - set("]0;owned[31m")), statement


def test_no_message_is_endless(mirrored, mirror):
    mirror.answer = lambda _: Answer({"error": {"message": "x" * 1_000_000}}, 400)
    for statement, text in heard(mirrored, *STATEMENTS[:6]):
        assert max(map(len, text.splitlines())) < 5000, statement


def test_what_functions_return_is_cleaned(mirrored, mirror):
    """A server that gives the credential back as a name, a scope, a limit, a kind of credential."""
    mirrored.set(token=SECRET)

    def repeat(_: str) -> Answer:
        sent = mirror.received[-1].headers.get("authorization", "")
        headers = dict.fromkeys(
            ("X-OAuth-Scopes", "X-Accepted-OAuth-Scopes", "X-Credential-Type", "X-RateLimit-Limit"),
            sent,
        )
        named = {"display_name": sent, "slug": sent, "full_name": f"acme/{sent}", "uuid": sent}
        return Answer({**named, "values": [named], "size": 1}, headers=headers)

    mirror.answer = repeat
    for call in ("verify('bitbucket')", "verify('bitbucket', 'acme')"):
        rows = mirrored.database.rows(f"SELECT * FROM bitbucket.{call}")
        assert len(rows) > 1
        assert not leaks.found(str(rows), SECRET)


@pytest.mark.parametrize("write", [quote, lambda text: "".join(f"%{b:02x}" for b in text.encode())])
@pytest.mark.parametrize("hiding", HIDING)
def test_a_link_that_repeats_a_secret_is_shown_without_it(mirrored, mirror, hiding, write):
    """A server chooses the address of the next page, and what an error says."""
    mirrored.set(token=SECRET)
    mirrored.database.execute("ALTER SERVER bitbucket OPTIONS (ADD log_requests 'all')")
    said = write(HIDING[hiding](SECRET))

    def lead_on(target: str) -> Answer:
        if "again" in target:
            return Answer({"type": "error", "error": {"message": said}}, 400)
        values = [{"slug": "website", "full_name": "acme/website"}]
        link = f"{mirror.url}/2.0/again/{said}?access_token={said}&page=2"
        return Answer({"values": values, "next": link})

    mirror.answer = lead_on
    read, shown = heard(mirrored, STATEMENTS[0], "SELECT * FROM bitbucket.requests")
    assert "again" in shown[1]
    for statement, text in (read, shown):
        assert not leaks.found(text, SECRET), statement
    log = mirrored.database.cluster.log.read_bytes()
    assert b"bitbucket_fdw: repositories: GET /again/" in log
    assert not leaks.in_log(log, SECRET)


def test_no_file_of_the_server_but_the_store_holds_a_token(mapped, authorization):
    mapped.database.execute("ALTER SERVER bitbucket OPTIONS (ADD cache_ttl '60')")
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    mapped.database.value("SELECT count(*) FROM repositories")
    mapped.database.execute("CHECKPOINT")
    data = mapped.database.cluster.data
    holding = set()
    for path in data.rglob("*"):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError):
                text = path.read_bytes().decode("latin-1")
                if "emulator-access-" in text or "emulator-refresh-" in text:
                    holding.add(path.relative_to(data).parts[:2])
    assert holding == {("bitbucket_fdw", "tokens")}


def test_the_request_log_has_no_secret_in_an_address(mapped, authorization, emulator):
    mapped.set(auth="oauth2_code", **authorization.client())
    mapped.log_in()
    mapped.database.rows("SELECT * FROM bitbucket.verify('bitbucket')")
    asked = json.dumps([request.raw for request in emulator.requests()])
    asked += json.dumps([(r["path"], r["query"]) for r in authorization.requests()])
    assert not leaks.found(asked)


AWKWARD = 'pass "word"/with+all ~of? it>>>???'  # which each encoding writes in another way
FORMS = {
    "as it is": lambda text: text,
    "in an address": lambda text: quote(text, safe=""),
    "in a form": lambda text: quote_plus(text),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "in base64, encoded before": lambda text: base64.b64encode(
        quote(text, safe="").encode()
    ).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_taken_out_in_each_form(form):
    """By one rule for all: none of them finds another one's text."""
    written = {name: write(AWKWARD).rstrip("=") for name, write in FORMS.items()}
    assert len(set(written.values())) == len(FORMS)
    told = redact(f"before {FORMS[form](AWKWARD)} after", [AWKWARD])
    assert written[form] not in told
    assert told.startswith("before ***")
    assert told.endswith(" after")


@pytest.mark.parametrize("shift", range(3))
def test_the_search_itself_finds_what_it_should(shift):
    around = "x" * shift
    raw = f"{around}:{SECRET}:y".encode()
    for text in (
        SECRET,
        quote(SECRET, safe=""),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
    ):
        assert leaks.found(f"before {text} after", SECRET), text
    assert not leaks.found("nothing of that kind", SECRET)


def test_the_search_of_a_log_skips_what_postgresql_repeats():
    log = (
        b"2026-01-01 ERROR:  no\n"
        b"2026-01-01 STATEMENT:  CREATE USER MAPPING ...\n"
        b"\ttoken 'emulator-token-x'\n"
        b"2026-01-01 ERROR:  emulator-token-x is refused\n"
    )
    assert leaks.in_log(log) == ["2026-01-01 ERROR:  emulator-token-x is refused"]
