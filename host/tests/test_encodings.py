"""Text in databases of other encodings, both ways."""

from collections.abc import Iterator

import pytest
from cluster import Cluster, Session, create_database


@pytest.fixture(scope="module", params=["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def encoding(request: pytest.FixtureRequest, cluster: Cluster) -> str:
    create_database(
        cluster,
        f"encoded_{request.param.lower()}",
        f"ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    return request.param


@pytest.fixture
def encoded(cluster: Cluster, encoding: str) -> Iterator[Session]:
    session = Session(cluster, f"encoded_{encoding.lower()}")
    session.journal()
    yield session
    session.close()


pytestmark = pytest.mark.beyond("has Python's names for few encodings, and only ASCII in SQL_ASCII")


def test_round_trip(encoded: Session, encoding: str) -> None:
    if encoding == "SQL_ASCII":
        pytest.skip("has no conversions")
    text = "日本" if encoding == "EUC_JP" else "käse"
    encoded.execute("SET client_encoding = UTF8")
    table = encoded.table(f'"{text}" text', rows=f"[{{'{text}': '{text}'}}]")
    assert encoded.rows(f'SELECT * FROM {table} WHERE "{text}" = %s', [text]) == [(text,)]
    (call,) = encoded.calls("execute")
    assert call["quals"] == [[text, "=", text, "str"]]
    assert call["columns"] == [text]


def test_sql_ascii_keeps_any_bytes(encoded: Session, encoding: str) -> None:
    if encoding != "SQL_ASCII":
        pytest.skip("only for SQL_ASCII")
    table = encoded.table("v text", rows="[(quals[0].value,)]")
    for literal in ("E'\\xc3\\xa4'", "E'a\\xff\\xfe'"):
        query = f"SELECT encode(v::bytea, 'hex'), v = {literal} FROM {table} WHERE v = {literal}"
        expected = encoded.value(f"SELECT encode(convert_to({literal}, 'SQL_ASCII'), 'hex')")
        assert encoded.rows(query) == [(expected, True)]


def test_character_the_encoding_has_not(encoded: Session, encoding: str) -> None:
    if encoding == "SQL_ASCII":
        pytest.skip("SQL_ASCII has every byte")
    table = encoded.table("v text", rows="[('\\u20ac\\u0416\\u1234',)]")
    error = encoded.error(f"SELECT * FROM {table}")
    assert error.sqlstate == "22P05"
    assert error.context == f'column "v" of foreign table "{table}"'


def test_wrong_bytes(encoded: Session, encoding: str) -> None:
    if encoding != "EUC_JP":
        pytest.skip("single-byte encodings have few wrong bytes")
    table = encoded.table("v text", rows="[(b'\\xa4',)]")
    assert encoded.error(f"SELECT * FROM {table}").sqlstate == "22021"


def test_messages_have_escapes_for_what_the_encoding_lacks(encoded: Session, encoding: str) -> None:
    if encoding == "SQL_ASCII":
        pytest.skip("lacks nothing")
    cheese = r"'K\u00e4se \U0001f9c0'"
    failing = encoded.table("v text", fail="after_execute", exception=f"ValueError({cheese})")
    detail = encoded.error(f"SELECT * FROM {failing}").message_detail
    # In the middle of an abort nothing may be looked up in the catalogs.
    warning = encoded.table("v text", fail="rollback", exception=f"ValueError({cheese})")
    encoded.execute(f"BEGIN; SELECT * FROM {warning}; ROLLBACK")
    assert [detail] + [n.detail for n in encoded.notices] == [r"Käse \U0001f9c0"] * 2
