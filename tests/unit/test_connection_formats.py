"""Connection settings in each form: what programs read is what was meant."""

import re
from dataclasses import replace
from urllib.parse import unquote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from bitbucket_fdw.command import connection_formats as formats
from bitbucket_fdw.command.connection_settings import (
    ON_ROLLBACK,
    WRITE_MODES,
    CannotWrite,
    Settings,
)
from bitbucket_fdw.command.ini_files import read_entry
from bitbucket_fdw.options import OPTIONS

PLAIN = Settings("bitbucket", "localhost", 5432, "base", "me")
SECRET = "hush ; } = # ' \" + % ä"
text = st.text(
    st.one_of(st.sampled_from(list(";}={#'\"+%\\ ,&?/@:[]äß😀")), st.characters(codec="utf-8")),
    min_size=1,
    max_size=20,
)
printable = text.filter(lambda t: not re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", t))


def pieces(options):
    """``options`` as PostgreSQL parts it (pg_split_opts)."""
    found = re.findall(r"(?:\\.|[^\s\\])+", options, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL) for piece in found]


def identifiers(value):
    found = re.findall(r'"((?:[^"]|"")+)"|([^,"]+)', value)
    return [quoted.replace('""', '"') or bare for quoted, bare in found]


def searched(options):
    """The schemas that ``options`` set."""
    [value] = [p.removeprefix("search_path=") for p in pieces(options) if p[:6] == "search"]
    return identifiers(value)


@given(printable, printable, printable, printable)
def test_sqlalchemy_reads_what_was_meant(user, password, database, schema):
    settings = replace(PLAIN, user=user, password=password, database=database, schemas=(schema,))
    url = make_url(formats.sqlalchemy_url(settings))
    _, connect = url.get_dialect()().create_connect_args(url)
    assert connect["user"] == user
    assert connect["password"] == password
    assert connect["dbname"] == database
    assert (connect["host"], connect["port"]) == ("localhost", 5432)
    assert searched(connect["options"]) == [schema]


@pytest.mark.parametrize("host", ["/var/run/postgresql", "::1", "db.example", "@abstract"])
def test_sqlalchemy_finds_every_kind_of_host(host):
    url = make_url(formats.sqlalchemy_url(replace(PLAIN, host=host)))
    _, connect = url.get_dialect()().create_connect_args(url)
    assert connect["host"] == host
    assert int(connect["port"]) == 5432


@given(printable, printable, printable, printable)
def test_jdbc_decodes_what_was_meant(user, password, database, schema):
    """By the rules of java.net.URLDecoder, which PostgreSQL's driver applies to each part."""
    settings = replace(PLAIN, user=user, password=password, database=database, schemas=(schema,))
    url = formats.jdbc_url(replace(settings, write_mode="commit"))
    place, _, query = url.partition("?")
    assert place.startswith("jdbc:postgresql://localhost:5432/")
    assert unquote_plus(place.rpartition("/")[2]) == database
    parts = (part.split("=") for part in query.split("&"))
    named = {key: unquote_plus(value) for key, value in parts}
    assert (named["user"], named["password"]) == (user, password)
    assert identifiers(named["currentSchema"]) == [schema]
    assert pieces(named["options"]) == ["-c", "bitbucket_fdw.write_mode=commit"]


def test_jdbc_connects_by_tcp_only():
    with pytest.raises(CannotWrite, match="socket"):
        formats.jdbc_url(replace(PLAIN, host="/var/run/postgresql"))
    assert "//[::1]:5432/" in formats.jdbc_url(replace(PLAIN, host="::1"))
    settings = replace(PLAIN, libpq=(("sslmode", "require"), ("gssencmode", "disable")))
    assert "sslmode=require" in formats.jdbc_url(settings)
    assert formats.not_in_jdbc(settings) == ["gssencmode"]


@given(printable)
def test_statements_of_odbc_survive_the_driver(schema):
    """It cuts them at each semicolon, and may read % and + as in an address."""
    value = formats.odbc_statements(replace(PLAIN, schemas=(schema, "b"), write_mode="commit"))
    assert value.isascii()
    assert not re.search("[%+]", value)
    path, mode = value.split("; ")
    assert mode == "SET bitbucket_fdw.write_mode TO commit"
    name = re.fullmatch(r'SET search_path TO (U&)?"(.*)", "b"', path)
    codes = re.sub(r"\\(....)", lambda found: chr(int(found[1], 16)), name[2])
    meant = codes.encode("utf-16", "surrogatepass").decode("utf-16")
    assert (meant if name[1] else name[2]) == schema


@given(printable, printable)
def test_an_entry_of_odbc_is_read_as_it_was_meant(user, password):
    assume(user == user.strip())
    entry = formats.odbc_entry(replace(PLAIN, user=user, password=password))
    read = read_entry("\n".join(formats.ini_lines("bitbucket", entry)), "bitbucket")
    assert read["username"] == user
    assert unquote_plus(read["password"]) == password


@pytest.mark.parametrize("field", ["name", "host", "database", "user", "password", "driver"])
@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\u2028b"])
def test_no_line_can_be_slipped_in(field, bad):
    with pytest.raises(CannotWrite) as refused:
        Settings(**{**vars(PLAIN), field: bad})
    assert bad not in str(refused.value)
    with pytest.raises(CannotWrite):
        replace(PLAIN, schemas=(bad,))


@pytest.mark.parametrize("field", ["database", "user"])
@pytest.mark.parametrize("form", [formats.odbc_entry, formats.service_entry])
def test_what_a_file_cannot_hold_is_refused(field, form):
    with pytest.raises(CannotWrite, match="blank"):
        form(Settings(**{**vars(PLAIN), field: " x"}))
    with pytest.raises(CannotWrite, match="too long"):
        form(replace(PLAIN, schemas=tuple(f"schema_{n}" for n in range(200))))


@pytest.mark.parametrize("name", ["", "a]b", "x" * 33, "ä" * 17, "a;b", "a=b", "a{b"])
def test_names_that_odbc_does_not_take_are_refused(name):
    with pytest.raises(CannotWrite, match="name of a data source"):
        formats.odbc_entry(replace(PLAIN, name=name))


def test_the_name_of_cdatas_examples_is_taken():
    name = "CData ODBC Bitbucket Source"
    lines = formats.ini_lines(name, formats.odbc_entry(replace(PLAIN, name=name)))
    assert lines[0] == f"[{name}]"


def test_a_password_stays_out_unless_it_is_given():
    for form in (formats.odbc_entry, formats.service_entry):
        assert "password" not in {key.lower() for key, _ in form(PLAIN)}
    for text_of in (formats.jdbc_url, formats.sqlalchemy_url, formats.powershell):
        assert "password" not in text_of(PLAIN).lower()


def test_powershell_s_quotes_are_doubled():
    shown = formats.powershell(replace(PLAIN, name="it's", database="a\u2019b"))
    assert "-Name 'it''s'" in shown
    assert "'Database=a\u2019\u2019b'" in shown


def test_encryption_is_never_less_than_asked_for():
    """psqlODBC's own default is none at all."""
    assert dict(formats.odbc_entry(PLAIN))["SSLmode"] == "prefer"
    strict = (("sslmode", "verify-full"), ("sslrootcert", "/a b/it's"))
    settings = replace(PLAIN, libpq=strict)
    entry = dict(formats.odbc_entry(settings))
    assert entry["SSLmode"] == "verify-full"
    assert conninfo_to_dict(entry["pqopt"]) == {"sslrootcert": "/a b/it's"}
    assert dict(formats.service_entry(settings))["sslrootcert"] == "/a b/it's"
    for url in (formats.jdbc_url(settings), formats.sqlalchemy_url(settings)):
        assert "sslmode=verify-full" in url


@pytest.mark.parametrize(
    ("chosen", "parameter", "value"),
    [
        ({"write_mode": "commit"}, "bitbucket_fdw.write_mode", "commit"),
        ({"on_rollback": "undo"}, "bitbucket_fdw.on_rollback", "undo"),
        ({"read_only": True}, "default_transaction_read_only", "on"),
        ({"parameters": (("TimeZone", "UTC"),)}, "TimeZone", "UTC"),
    ],
)
def test_every_form_sets_what_was_chosen(chosen, parameter, value):
    settings = replace(PLAIN, **chosen)
    entry = dict(formats.odbc_entry(settings))
    by_odbc = entry.get("ConnSettings", "") + entry.get("pqopt", "")
    assert re.search(rf"(SET {parameter} TO '?{value}'?|-c {parameter}={value}')$", by_odbc)
    assert f"-c {parameter}={value}" == dict(formats.service_entry(settings))["options"]
    for url in (formats.jdbc_url(settings), formats.sqlalchemy_url(settings)):
        assert f"options=-c%20{parameter}%3D{value}" in url


@pytest.mark.parametrize("read_only", [False, True])
def test_labels_take_a_statement_where_a_form_has_one(read_only):
    settings = replace(PLAIN, labels=True, read_only=read_only)
    assert formats.odbc_statements(settings).endswith("SELECT bitbucket.label_columns()")
    for url in (formats.jdbc_url(settings), formats.sqlalchemy_url(settings)):
        assert "-c%20multicorn.column_labels%3Don" in url


def test_a_driver_that_only_reads_gets_its_settings_from_libpq():
    """It refuses SET, and with it all of ConnSettings."""
    settings = replace(PLAIN, read_only=True, schemas=("a b", "website"))
    entry = dict(formats.odbc_entry(settings))
    assert entry["ReadOnly"] == "1"
    assert "ConnSettings" not in entry
    options = conninfo_to_dict(entry["pqopt"])["options"]
    assert searched(options) == ["a b", "website"]
    assert "default_transaction_read_only=on" in pieces(options)


def test_modes_are_those_of_the_options():
    """The lists in the command are what the wrapper's options take."""
    declared = {option.name: option for option in OPTIONS}
    for name, values in (("write_mode", WRITE_MODES), ("on_rollback", ON_ROLLBACK)):
        for value in values:
            assert declared[name].parse(value) == value
