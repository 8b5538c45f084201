"""PHP programs through php-odbc and psqlODBC, with statements written for CData's driver."""

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

import pytest
from devkit.cluster import free_port

from tests.clients.conftest import PROGRAMS

ISSUES = "/2.0/repositories/acme/website/issues"


def text(document):
    """What an issue's text columns hold, by flat column name."""
    return {
        "id": str(document["id"]),
        "title": document["title"],
        "contentraw": document["content"]["raw"],
        "state": document["state"],
        "kind": document["kind"],
    }


def shown(row, document):
    return {name: row[name] for name in text(document)}


def test_a_prepared_statement_with_a_bound_parameter_reads_one_item(site, issue):
    done = site.php("prepared.php", "website", "2")
    [row] = done.json["2"].values()
    assert shown(row, issue(2)) == text(issue(2))
    assert row["workspace"] == "acme"
    assert row["repository"] == "website"
    assert done.paths == [f"{ISSUES}/2"]


def test_a_prepared_statement_goes_on_reading_items_once_its_plan_is_generic(site, issue):
    # After five executions PostgreSQL may keep a plan that knows no value.
    numbers = list(range(1, 9))
    done = site.php("prepared.php", "website", *map(str, numbers))
    assert [done.json[str(n)]["0"]["title"] for n in numbers] == [
        issue(n)["title"] for n in numbers
    ]
    assert done.paths == [f"{ISSUES}/{n}" for n in numbers]


def test_no_such_item_is_no_row(site):
    assert site.php("prepared.php", "website", "999999").json == {"999999": {}}


def test_a_statement_written_for_the_other_driver_runs_as_it_is(site, issue):
    done = site.php("query.php", "website", "SELECT Title, ContentRaw FROM Issues WHERE Id = '1'")
    document = issue(1)
    assert done.json == [{"title": document["title"], "contentraw": document["content"]["raw"]}]
    assert done.paths == [f"{ISSUES}/1"]


@pytest.mark.parametrize(
    ("statement", "value", "q"),
    [
        ("SELECT Id FROM PullRequests WHERE State = ?", "OPEN", 'state = "OPEN"'),
        ("SELECT Id FROM PullRequests WHERE Id > ?", "140", "id > 140"),
        ("SELECT Id FROM PullRequests WHERE Title LIKE ?", "%export%", 'title ~ "export"'),
        (
            # psqlODBC binds a time without its zone.
            "SELECT Id FROM PullRequests WHERE CreatedOn >= ?",
            "2023-06-01 00:00:00",
            {
                "bundled": "created_on >= 2023-05-31T23:59:59.999000+00:00",
                "multicorn2": "created_on >= 2023-05-24T23:59:58.999000+00:00",
            },
        ),
    ],
)
def test_bound_parameters_travel_to_bitbucket(site, host, statement, value, q):
    """A time is sent wider where the host does not tell which moment it is."""
    q = q[host] if isinstance(q, dict) else q
    done = site.php("query.php", "website", statement, value)
    expected = site.db.column(
        statement.replace("PullRequests", "website.PullRequests").replace("?", "%s"), (value,)
    )
    assert expected
    assert sorted(int(row["id"]) for row in done.json) == sorted(expected)
    sent = [urllib.parse.parse_qs(request.query).get("q") for request in done.requests]
    assert sent == [[q]] * len(sent)


class Table(HTMLParser):
    """The rows of an HTML table as lists of texts."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_result_all_prints_a_table(site, issue):
    statement = "SELECT Id, Title FROM Issues WHERE Id IN (1, 2) ORDER BY Id"
    # The function is deprecated since PHP 8.1, and still what many pages use: E_ALL without that.
    quiet = ["error_reporting=24575"]
    table = Table(site.php("result_all.php", "website", statement, settings=quiet).output)
    header, *rows = ([cell.strip() for cell in row] for row in table.rows)
    assert header == ["id", "title"]
    assert rows == [[str(n), issue(n)["title"]] for n in (1, 2)]


def test_null_and_other_types_arrive_as_php_values(site):
    statement = (
        "SELECT Id, Draft, Reason, CreatedOn, AuthorUUID, Reviewers FROM PullRequests WHERE Id = 1"
    )
    [row] = site.php("query.php", "website", statement).json
    [expected] = site.db.rows(
        "SELECT id::text, draft::int::text, reason, "
        "(createdon AT TIME ZONE current_setting('TimeZone'))::text, upper(authoruuid::text), "
        "reviewers::text FROM website.pullrequests WHERE id = 1"
    )
    assert tuple(row.values()) == expected


@pytest.mark.parametrize(
    ("column", "table"), [("repeat(Title, 500)", "Issues"), ("Participants", "PullRequests")]
)
def test_long_texts_are_cut_only_by_phps_own_setting(site, column, table):
    # 8190 is what psqlODBC declares a text's length to be, 255 that of a type it does not know.
    statement = f"SELECT {column} AS text FROM {table} ORDER BY length({column}::text) DESC LIMIT 1"
    whole = site.db.value(
        f"SELECT {column}::text FROM website.{table} ORDER BY length({column}::text) DESC LIMIT 1"
    )
    assert len(whole) > (8190 if table == "Issues" else 255)
    [row] = site.php("query.php", "website", statement, settings=["odbc.defaultlrl=1000000"]).json
    assert row == {"text": whole}


def test_a_cursor_reads_no_more_pages_than_the_program_fetches(site):
    statement = "SELECT Id FROM PullRequests"
    done = site.php("first_rows.php", "cursors", statement, "5")
    assert len(set(done.json)) == 5
    assert len(done.requests) == 1
    assert len(site.php("first_rows.php", "website", statement, "5").requests) > 1


def test_errors_reach_the_program_with_what_failed_and_why(site):
    site.db.emulator.fault("*/refs/tags*", kind="status", status=403, count=1)
    site.db.emulator.fault("*/pullrequests/7*", kind="status", status=404, count=1)
    forbidden, unknown, after = site.php(
        "errors.php",
        "website",
        "SELECT * FROM Tags",
        "SELECT Nothing FROM Tags",
        "SELECT * FROM Issues WHERE Id = 1",
    ).json
    assert "tags: GET /repositories/acme/website/refs/tags was answered 403" in forbidden["message"]
    assert "DETAIL" in forbidden["message"]
    assert unknown["state"] == "42703"
    assert after == {"rows": 1}


def test_transactions(site):
    seen = site.php("transaction.php", "website").json
    assert seen == {
        "inside": 3,
        "rolled_back": 0,
        "committed": 3,
        "failed": True,
        "after": site.db.value("SELECT count(*) FROM website.issues"),
    }


@contextlib.contextmanager
def served(site, dsn):
    """PHP's own web server with the pages in ``php/web``; their address."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["php", "-S", address, "-t", str(PROGRAMS / "web")],
        env={**site.odbc.env, "APPLICATION_DSN": dsn},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def get(address):
    """A page's JSON, once the server listens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 20
    while True:
        try:
            with opener.open(address, timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_persistent_connection_serves_page_after_page(site, issue):
    with served(site, "website") as address:
        pages = [get(f"{address}/issue.php?id={n}") for n in (1, 2, 3)]
    assert [page["title"] for page in pages] == [issue(n)["title"] for n in (1, 2, 3)]
    assert len({page["backend"] for page in pages}) == 1


def test_statements_with_parameters_write(site):
    done = site.php("write.php", "website")
    made = int(done.json["made"]["id"])
    assert done.json["made"]["state"] == "new"
    assert done.json["changed"] == 1
    deleted, count = done.json["deleted"]
    assert count == 1
    assert "votes" in done.json["refused"]
    state = site.db.emulator.call("GET", "state?collection=issues&repository=acme/website")
    issues = {row["document"]["id"]: row["document"] for row in state["issues"]}
    assert int(deleted) not in issues
    written = issues[made]
    assert written["title"] == "Grüße aus PHP 🌸"
    assert written["kind"] == "proposal"
    assert written["state"] == "resolved"
    assert written["priority"] == "minor"
    assert not written["content"]["raw"]
    sent = [(r.method, r.path, r.raw["body"]) for r in done.requests if r.method != "GET"]
    assert [(method, path) for method, path, _ in sent] == [
        ("POST", ISSUES),
        ("PUT", f"{ISSUES}/{made}"),
        ("POST", ISSUES),
        ("DELETE", f"{ISSUES}/{deleted}"),
    ]
    assert sent[0][2]["content"]["raw"] == 'It\'s "quoted" \\ and\nbroken'
    assert set(sent[1][2]) == {"state", "priority", "content"}
