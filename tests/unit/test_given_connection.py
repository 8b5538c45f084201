"""Nothing of the connection that is given to ``bitbucket-fdw dsn`` gets lost without a word."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import make_url

from bitbucket_fdw.command import connection_formats as formats
from bitbucket_fdw.command.connection_settings import Settings
from bitbucket_fdw.command.libpq_settings import (
    TAKEN_APART,
    BadConnectionString,
    resolve,
    secret_keywords,
)

# No server is there, and no network is needed to find that out.
BASE = {"host": "/nonexistent", "port": "5", "dbname": "base", "user": "me"}
# Where a keyword takes certain values only, one that is not libpq's default.
VALUES = {
    "application_name": "it's mine",
    "channel_binding": "require",
    "sslmode": "require",
    "sslnegotiation": "direct",
    "target_session_attrs": "read-write",
    "load_balance_hosts": "random",
    "hostaddr": "127.0.0.9",
}
KEYWORDS = [o.keyword.decode() for o in pq.Conninfo.get_defaults()]
OTHERS = [keyword for keyword in KEYWORDS if keyword not in TAKEN_APART]


def given(**parts):
    found = resolve(make_conninfo(**BASE, **parts))
    return Settings(
        *("one", found.host, found.port, found.database, found.user),
        libpq=found.others,
        secrets=found.secrets,
        options=found.options,
    )


def in_odbc(settings):
    entry = dict(formats.odbc_entry(settings))
    named = {"sslmode": entry["SSLmode"]}
    return {**named, **conninfo_to_dict(entry.get("pqopt", ""))}


def in_sqlalchemy(settings):
    url = make_url(formats.sqlalchemy_url(settings))
    _, connect = url.get_dialect()().create_connect_args(url)
    return connect


def in_jdbc(settings):
    """What it has by libpq's names."""
    _, _, query = formats.jdbc_url(replace(settings, host="localhost")).partition("?")
    names = {"ApplicationName": "application_name"}
    named = {names.get(k, k): v for k, v in parse_qsl(query)}
    left_out = formats.not_in_jdbc(settings)
    assert named.keys().isdisjoint(left_out)
    return {**named, **{k: v for k, v in settings.keywords if k in left_out}}


def in_service(settings):
    return dict(formats.service_entry(settings))


FORMS = (in_odbc, in_service, in_sqlalchemy, in_jdbc)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keyword", OTHERS)
def test_every_keyword_of_libpq_is_kept(keyword, form):
    value = VALUES.get(keyword, "7")
    assert form(given(**{keyword: value}))[keyword] == value


@pytest.mark.parametrize("keyword", [k for k in OTHERS if k not in VALUES])
def test_a_default_that_is_given_is_kept(keyword):
    """The environment of the program may say otherwise."""
    compiled = {o.keyword.decode(): o.compiled for o in pq.Conninfo.get_defaults()}[keyword]
    if compiled:
        assert in_service(given(**{keyword: compiled.decode()}))[keyword] == compiled.decode()


def test_nothing_is_written_that_was_not_given(monkeypatch):
    for option in pq.Conninfo.get_defaults():
        if option.envvar:
            monkeypatch.delenv(option.envvar.decode(), raising=False)
    settings = given()
    assert (settings.keywords, settings.options) == ((), "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("read_only", [False, True])
def test_options_are_kept_before_ours(form, read_only):
    theirs = r"-c default_transaction_read_only=on  --x.y=a\ b\\c -c search_path=theirs"
    settings = replace(given(options=theirs), schemas=("ours",), read_only=read_only)
    found = form(replace(settings, write_mode="commit"))["options"]
    kept, _, ours = found.partition("search_path=theirs")
    assert kept == r"-c default_transaction_read_only=on --x.y=a\ b\\c -c "
    if form is not in_odbc or read_only:
        assert "-c bitbucket_fdw.write_mode=commit" in ours
    if form in (in_service, in_sqlalchemy):
        assert ours.startswith(" -c search_path=ours")


def test_options_of_the_environment_are_kept(monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=5s")
    assert in_service(given())["options"] == "-c statement_timeout=5s"


def test_what_is_written_reads_the_same():
    """A backslash at the end must not join what comes behind it."""
    settings = replace(given(options="-c a.b=c\\"), schemas=("ours",))
    assert in_service(settings)["options"] == "-c a.b=c -c search_path=ours"


def test_secrets_are_those_that_libpq_marks():
    marked = {o.keyword.decode() for o in pq.Conninfo.get_defaults() if o.dispchar == b"*"}
    assert {"password", "sslpassword"} <= marked <= secret_keywords()
    for keyword in sorted(secret_keywords().intersection(OTHERS)):
        found = resolve(make_conninfo(**BASE, **{keyword: "hush"}))
        assert found.secrets == ((keyword, "hush"),)
        assert keyword not in dict(found.others)


def test_several_ports_are_refused_with_a_word():
    with pytest.raises(BadConnectionString, match="one port"):
        resolve("host=a,b port=1,2 dbname=x user=y")


def test_sections_of_the_driver_manager_are_no_data_sources():
    for name in ("ODBC", "odbc", "ODBC Data Sources", " odbc data sources "):
        with pytest.raises(formats.CannotWrite, match="driver manager"):
            formats.odbc_entry(replace(given(), name=name))
