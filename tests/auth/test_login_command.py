"""``bitbucket-fdw login`` and ``verify``, as a person runs them; once through a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from bitbucket_fdw.command import browser as logins
from tests.auth.conftest import Mapped
from tests.support import leaks

ROOT = Path(__file__).resolve().parents[2]
SLUGS = "SELECT count(*) FROM repositories"


def command(mapped: Mapped, *arguments: str, **environment: str) -> Sequence:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return (
        [
            sys.executable,
            "-m",
            "bitbucket_fdw.command",
            *arguments,
            "--dsn",
            mapped.database.conninfo(),
        ],
        {**kept, "PYTHONPATH": str(ROOT), **environment},
    )


def run(mapped: Mapped, *arguments: str, answer: str = "", **environment: str):
    line, env = command(mapped, *arguments, **environment)
    done = subprocess.run(
        line, env=env, input=answer, capture_output=True, text=True, timeout=120, check=False
    )
    assert not leaks.found(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr
    return done


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def unlogged(mapped: Mapped, authorization) -> Mapped:
    mapped.set(auth="oauth2_code", **authorization.client())
    return mapped


def test_login_through_a_real_browser(unlogged):
    assert shutil.which("chromium"), "chromium is needed: it is one of the packages of this layer"
    browser = f"{sys.executable} {ROOT / 'tests' / 'auth' / 'browser.py'} %s"
    done = run(
        unlogged,
        "login",
        "bitbucket",
        "--port",
        str(free_port()),
        "--timeout",
        "90",
        BROWSER=browser,
        BROWSER_USER="ben",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Logged in: the user mapping of postgres for server bitbucket" in done.stdout
    assert "renewed" in done.stdout
    assert 0 < unlogged.database.value(SLUGS) < 9


class Pasting:
    """``login --headless`` in one process, and a person who answers it."""

    def __init__(self, mapped: Mapped, *arguments: str) -> None:
        line, env = command(mapped, "login", "bitbucket", "--headless", *arguments)
        self._process = subprocess.Popen(
            line,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        while not re.search(r"^  (http\S+)\n", said, re.MULTILINE):
            line = self._process.stdout.readline()
            assert line, said
            said += line
        self.url = re.search(r"^  (http\S+)\n", said, re.MULTILINE)[1]

    def answer(self, pasted: str) -> tuple[int, str]:
        said, _ = self._process.communicate(pasted + "\n", timeout=60)
        return self._process.returncode, said


@pytest.mark.parametrize("form", ["code", "address", "query"])
def test_headless_login_takes_a_code_or_an_address(unlogged, authorization, form):
    pasting = Pasting(unlogged)
    back = authorization.visit(pasting.url)
    query = f"state={back['state']}&code={back['code']}"
    forms = {
        "code": back["code"],
        "address": f"http://localhost:33333/?{query}",
        "query": f"?{query}",
    }
    status, said = pasting.answer(forms[form])
    assert status == 0, said
    assert unlogged.database.value(SLUGS) == 9


def test_headless_login_by_oauth1(mapped, authorization):
    mapped.set(auth="oauth1", **authorization.consumer1())
    pasting = Pasting(mapped)
    back = authorization.visit(pasting.url, "ben")
    query = "&".join(f"{name}={value}" for name, value in back.items())
    status, said = pasting.answer(f"http://localhost:33333/?{query}")
    assert status == 0, said
    assert 0 < mapped.database.value(SLUGS) < 9


def test_a_wrong_state_ends_the_login(unlogged, authorization):
    authorization.settings(wrong_state=True)
    pasting = Pasting(unlogged)
    back = authorization.visit(pasting.url)
    status, said = pasting.answer(
        f"http://localhost:33333/?state={back['state']}&code={back['code']}"
    )
    assert status == 1
    assert "another login" in said
    assert authorization.count("authorization_code") == 0
    assert "login" not in unlogged.options()


def test_access_that_is_denied_ends_the_login(unlogged, authorization):
    pasting = Pasting(unlogged)
    back = authorization.visit(pasting.url, decision="cancel")
    status, said = pasting.answer(
        f"http://localhost:33333/?state={back['state']}&error={back['error']}"
    )
    assert status == 1
    assert "access_denied" in said


def test_another_callback_address_goes_along(unlogged, authorization):
    pasting = Pasting(unlogged, "--callback-url", "http://localhost:44444/back")
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A44444%2Fback" in pasting.url
    back = authorization.visit(pasting.url)
    status, said = pasting.answer(back["code"])
    assert status == 0, said


def test_a_port_that_is_taken_is_told(unlogged):
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = run(unlogged, "login", "bitbucket", "--port", str(server.getsockname()[1]))
    assert done.returncode == 1
    assert "--port" in done.stderr


def test_nobody_comes_back(unlogged):
    done = run(
        unlogged, "login", "bitbucket", "--port", str(free_port()), "--timeout", "1", BROWSER="true"
    )
    assert done.returncode == 1
    assert "nobody came back within 1 seconds" in done.stderr


def test_errors_of_the_database_come_with_their_hint(mapped):
    mapped.set(token="emulator-token-workspace")
    done = run(mapped, "login", "bitbucket", "--headless")
    assert done.returncode == 1
    assert "nobody logs in for auth" in done.stderr
    assert "HINT: " in done.stderr
    done = run(mapped, "login", "no-such-server", "--headless")
    assert 'server "no-such-server" does not exist' in done.stderr


def test_verify_prints_a_table_and_ends_with_0(mapped):
    done = run(mapped, "verify", "bitbucket", COLUMNS="150")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reachable" in done.stdout
    assert "repositories of acme" in done.stdout


def test_verify_breaks_no_line_for_a_program(mapped):
    mapped.set(token="emulator-token-revoked")
    done = run(mapped, "verify", "bitbucket")
    [(found,)] = mapped.database.rows(
        "SELECT found FROM bitbucket.verify('bitbucket') WHERE check_name = 'credential'"
    )
    assert len(found) > 80
    assert found in done.stdout


def test_verify_as_json_has_what_the_function_returns(mapped):
    columns = "SELECT to_jsonb(v) FROM bitbucket.verify('bitbucket') v"
    for token, status in (("emulator-token-ada-read", 0), ("emulator-token-revoked", 1)):
        mapped.set(email="ada@acme.example", token=token)
        done = run(mapped, "verify", "bitbucket", "--json")
        assert done.returncode == status, done.stderr
        assert json.loads(done.stdout) == [row for (row,) in mapped.database.rows(columns)]


def test_verify_ends_with_1_and_shows_curl(mapped):
    mapped.set(token="emulator-token-revoked")
    done = run(mapped, "verify", "bitbucket", "--curl", COLUMNS="150")
    assert done.returncode == 1
    assert "invalid_credentials" in done.stdout
    assert 'curl -sS -i -H "Authorization: Bearer $BITBUCKET_ACCESS_TOKEN" ' in done.stdout


# --- the listener ---


@pytest.fixture
def listener():
    with logins.Listener(0, "the-right-state") as made:
        yield made


def fetch(listener: logins.Listener, query: str, path: str = "") -> tuple[int, str]:
    address = f"{listener.callback_url.replace('localhost', '127.0.0.1')}{path}?{query}"
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def waiting(listener: logins.Listener, *requests: tuple[str, str]) -> tuple[object, list[int]]:
    """What ``wait`` gives while these requests come, and how they were answered."""
    statuses: list[int] = []

    def visit() -> None:
        for query, path in requests:
            statuses.append(fetch(listener, query, path)[0])

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        result: object = listener.wait(20)
    except logins.LoginFailed as error:
        result = error
    thread.join()
    return result, statuses


def test_the_listener_waits_for_the_right_state(listener):
    code, statuses = waiting(
        listener,
        ("code=forged&state=wrong", ""),
        ("code=forged", ""),
        ("", "favicon.ico"),
        ("code=real&state=the-right-state", ""),
    )
    assert code == "real"
    assert statuses == [400, 400, 404, 200]


def test_the_listener_takes_no_for_an_answer(listener):
    failed, statuses = waiting(
        listener, ("error=access_denied&error_description=No+thanks&state=the-right-state", "")
    )
    assert "No thanks" in str(failed)
    assert statuses == [200]


def test_what_comes_back_is_not_shown_on_the_page(listener):
    seen: list[str] = []
    thread = threading.Thread(
        target=lambda: seen.append(fetch(listener, "code=<b>real</b>&state=the-right-state")[1])
    )
    thread.start()
    listener.wait(20)
    thread.join()
    assert "real" not in seen[0]


def test_the_listener_is_for_this_machine_only(listener):
    assert listener._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "99999"), "65535"),
        (("--port", "-1"), "65535"),
        (("--timeout", "-1"), "86400"),
        (("--timeout", "99999999999999"), "86400"),
    ],
)
def test_numbers_out_of_range_are_refused(unlogged, arguments, says):
    done = run(unlogged, "login", "bitbucket", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_paste_that_is_no_address_is_said_to_be_none(unlogged):
    done = run(unlogged, "login", "bitbucket", "--headless", answer="http://[bad/?code=1&state=2\n")
    assert done.returncode == 1
    assert "not an address" in done.stderr
