"""Endpoints that answer a text or a file, read in process; the store it lies in is another host."""

import pytest

from bitbucket_fdw.errors import BadResponse, Forbidden, NotFound, ServerFailure
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.tables.columns import Column, column
from bitbucket_fdw.tables.endpoints import Collection, Shape
from bitbucket_fdw.tables.repositories import OF_REPOSITORY
from bitbucket_fdw.tables.shared_columns import repository_columns
from bitbucket_fdw.tables.table import Parent, Scopes, Table
from tests.support.fake_api import FakeApi, Reply
from tests.support.reading import AT, WORKSPACE, Session

_AT = "/repositories/{workspace}/{repository}"
PATH, STORE = f"{AT}/notice", "https://store.example/kept/1"
OTHER = "/repositories/acme/other/notice"
LEADS = Reply(None, 307, {"Location": f"{STORE}?signature=abc%2Fdef"})


class Notice(Table):
    name = "notice"
    scopes = Scopes()
    collection = Collection(
        f"{_AT}/notice",
        None,
        size=False,
        shape=Shape.TEXT,
        accept="application/octet-stream",
        elsewhere=True,
    )
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository")
    always = "size"
    columns = (
        *repository_columns(),
        column("body", "text", "What it says", name="text"),
        column("content_length", "bigint", "Bytes", name="size"),
    )


class IssueNotes(Table):
    name = "issue_notes"
    scopes = Scopes()
    collection = Collection(
        f"{_AT}/issues/{{issue}}/note", None, size=False, shape=Shape.TEXT, accept="*/*"
    )
    parent = Parent(
        BY_NAME["issues"],
        (("workspace", "workspace"), ("repository", "repository"), ("issue", "id")),
    )
    primary_key = ("workspace", "repository", "issue")
    always = "size"
    columns = (
        *repository_columns(),
        Column("issue", "bigint", None, "Number of the issue", param="issue"),
        column("body", "text", "What it says", name="note"),
        column("content_length", "bigint", "Bytes", name="size"),
    )


@pytest.fixture
def api() -> FakeApi:
    return FakeApi.of_repositories("website", "other")


@pytest.fixture
def session(api, monkeypatch) -> Session:
    for table in (Notice, IssueNotes):
        monkeypatch.setitem(BY_NAME, table.name, table)
    return Session.of(api)


def only(session: Session) -> dict:
    (row,) = session.rows("notice", columns=("text", "size"))
    return row


# --- what it says ---


def test_a_text_is_one_row_and_asked_for_by_its_own_media_type(api, session):
    api.on(PATH, "line 1\nline 2\n")
    row = only(session)
    assert (row["text"], row["size"]) == ("line 1\nline 2\n", 14)
    (request,) = api.received
    assert request.query == ()
    assert request.headers["Accept"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", "text/plain", ""),
        ("Käse".encode(), None, "Käse"),
        ("Käse".encode(), "text/plain", "Käse"),
        ("Käse".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Käse"),
        ("Käse".encode("utf-16"), 'text/plain; charset="utf-16"', "Käse"),
        ("Käse".encode("latin-1"), "application/octet-stream", "K\ufffdse"),
        ("Käse".encode(), "text/plain; charset=nonsense", "Käse"),
        ("Käse".encode(), "text/plain; charset=hex", "Käse"),
        ("Käse".encode(), "text/plain; charset=undefined", "Käse"),
        ("Käse".encode(), "text/plain; charset", "Käse"),
        (b"a\x00b", "text/plain", "a\ufffdb"),
        (rb"\ud800", "text/plain; charset=unicode_escape", "\ufffd"),
        (b"\x1b[31mred\x1b[0m\r\n", "text/plain", "\x1b[31mred\x1b[0m\r\n"),
        (b'{"type": "error", "error": {}}', "application/json", '{"type": "error", "error": {}}'),
        (b"[1]", None, "[1]"),
    ],
)
def test_it_is_read_in_the_charset_that_the_answer_names(api, session, body, kind, text):
    api.on(PATH, lambda _: Reply(body, headers={"Content-Type": kind} if kind else {}))
    row = only(session)
    assert (row["text"], row["size"]) == (text, len(body))


def test_rows_of_a_text_are_counted(api, session):
    api.on(PATH, "x")
    assert len(session.count("notice")) == 1


def test_conditions_on_a_text_are_left_to_postgresql(api, session):
    api.on(PATH, "x")
    assert len(list(session.rows("notice", ("text", "=", "x")))) == 1
    assert api.received[0].query == ()


# --- how much of it is shown ---


@pytest.mark.parametrize(
    ("other", "told"),
    [("1234", f'text "{PATH}" is cut short'), ("12345", f'2 texts ("{PATH}", "{OTHER}") are cut')],
)
def test_texts_that_are_cut_short_are_told_of_once(api, session, other, told):
    session = Session.of(api, max_text_size=4)
    api.on(PATH, lambda _: Reply("12345", headers={"Content-Length": "5"}))
    api.on(OTHER, lambda _: Reply(other, headers={"Content-Length": str(len(other))}))
    rows = list(session.rows("notice", columns=("text", "size"), bound=WORKSPACE))
    assert sorted((row["text"], row["size"]) for row in rows) == [
        ("1234", size) for size in sorted((5, len(other)))
    ]
    (notice,) = session.notices()
    assert notice.message.startswith(f"notice: {told}")
    assert "first 4 bytes" in notice.detail
    assert "max_text_size" in notice.hint
    assert not notice.mild


def test_that_a_text_is_cut_short_does_not_matter_where_it_is_not_shown(api, session):
    session = Session.of(api, max_text_size=4)
    api.on(PATH, "12345")
    assert session.values("size", "notice") == [None]
    assert session.notices() == []


# --- where it lies ---


def test_a_redirect_leads_to_a_store_with_its_own_parameters_alone(api, session):
    api.on(PATH, LEADS)
    api.on(STORE, "kept")
    assert only(session)["text"] == "kept"
    asked = api.received[-1]
    assert asked.query == (("signature", "abc/def"),)
    assert asked.headers["Accept"] == "application/octet-stream"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_any_redirect_and_several_lead_there(api, session, status):
    api.on(PATH, Reply(None, status, {"Location": "https://one.example/"}))
    api.on("https://one.example/", Reply(None, status, {"Location": STORE}))
    api.on(STORE, "kept")
    assert only(session)["text"] == "kept"


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429])
@pytest.mark.parametrize("body", [None, "<Error>signature=abc</Error>", {"error": "signature"}])
def test_a_store_that_refuses_is_an_error_and_not_no_row(api, session, status, body):
    api.on(PATH, LEADS)
    api.on(STORE, Reply(body, status))
    with pytest.raises(BadResponse, match=f"{PATH} leads to a store that answered") as caught:
        only(session)
    assert "signature" not in f"{caught.value.detail} {caught.value.hint}"


def test_a_store_that_fails_is_an_error_after_another_try_from_the_start(api, session):
    session = Session.of(api, retry_limit=1)
    api.on(PATH, LEADS)
    api.on(STORE, Reply(None, 503))
    with pytest.raises(ServerFailure, match="store that answered 503"):
        only(session)
    assert api.taken() == [f"GET {PATH}", f"GET {STORE}"] * 2


def test_a_text_whose_redirects_stay_within_the_api_is_not_looked_for_elsewhere(api, session):
    api.collection(f"{AT}/issues", [{"id": 1}])
    api.on(f"{AT}/issues/1/note", LEADS)
    with pytest.raises(BadResponse, match="leads away"):
        session.values("note", "issue_notes", ("issue", "=", 1))
    assert api.taken() == [f"GET {AT}/issues/1/note"]


@pytest.mark.parametrize(
    "location", ["http://store.example/", "https://me:word@store.example/", "ftp://store.example/"]
)
def test_a_store_without_tls_or_with_a_user_name_is_an_error(api, session, location):
    api.on(PATH, Reply(None, 302, {"Location": location}))
    with pytest.raises(BadResponse, match="leads away"):
        only(session)
    assert api.taken() == [f"GET {PATH}"]


# --- where there is none ---


def test_a_text_that_is_not_there_is_no_row_if_its_repository_is(api, session):
    assert session.values("text", "notice") == []
    assert session.notices() == []
    assert api.taken() == [f"GET {PATH}", f"GET {AT}"]


def test_a_text_of_a_repository_that_is_gone_is_an_error(session):
    with pytest.raises(NotFound):
        session.values("text", "notice", bound={"workspace": "acme", "repository": "nowhere"})


def test_a_text_that_refuses_is_an_error(api, session):
    api.fail(PATH, 403)
    with pytest.raises(Forbidden):
        session.values("text", "notice")


def test_a_text_below_a_parent_is_read_for_each_that_has_one(api, session):
    api.collection(f"{AT}/issues", [{"id": 1}, {"id": 2}, {"id": 3}])
    for number in (1, 3):
        api.on(f"{AT}/issues/{number}/note", f"of {number}")
    rows = session.rows("issue_notes", columns=("note",))
    assert [(row["issue"], row["note"]) for row in rows] == [(1, "of 1"), (3, "of 3")]
    asked = [f"GET {AT}/issues", *(f"GET {AT}/issues/{number}/note" for number in (1, 2, 3))]
    assert sorted(api.taken()) == sorted(asked), "that an issue is there need not be asked for"
    assert session.values("note", "issue_notes", ("issue", "=", 2)) == []


def test_of_several_repositories_some_have_it(api, session):
    api.on(OTHER, "x")
    rows = list(session.rows("notice", columns=("text", "repository"), bound=WORKSPACE))
    assert [(row["repository"], row["text"]) for row in rows] == [("other", "x")]


# --- declarations ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": Shape.TEXT},
        {"accept": "*/*"},
        {"shape": Shape.OBJECT, "accept": "*/*"},
        {"elsewhere": True},
        {"shape": Shape.TEXT, "accept": "*/*", "q": True},
    ],
)
def test_what_only_a_text_has_is_declared_for_texts_alone(wrong):
    with pytest.raises(ValueError, match="/x"):
        Collection("/x", **{"pagelen": None, "size": False, **wrong})
