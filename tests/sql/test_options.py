"""Options: a wrong one is an error that names the right ones, as early as the host allows.

At CREATE and ALTER the bundled host asks the wrapper; the extension's event trigger does it on any.
"""

from __future__ import annotations

import psycopg
import pytest

from bitbucket_fdw import options
from tests.sql.extension import raises
from tests.support.database import WRAPPER, Database

SERVER_OPTIONS = ", ".join(o.name for o in options.OPTIONS if options.SERVER in o.levels)


class Trial:
    """Statements of which the last one is at fault."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def error(self, *statements: str) -> psycopg.Error:
        """The error, which must come from the last statement."""
        for statement in statements[:-1]:
            self.db.execute(statement)
        with pytest.raises(psycopg.Error) as caught:
            self.db.execute(statements[-1])
        assert self.db.emulator.requests() == []
        return caught.value


@pytest.fixture
def trial(db: Database) -> Trial:
    db.emulator.clear()
    return Trial(db)


def text_of(error: psycopg.Error) -> str:
    return str(error).replace("\n", " ")


TABLE = (
    "CREATE FOREIGN TABLE t (id bigint, title text) SERVER {server} "
    "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
)


def server(options: str) -> str:
    """A server; without a base_url of its own one where nothing listens."""
    if "base_url" not in options:
        options = f"base_url 'http://127.0.0.1:9/2.0', {options}"
    return (
        f"CREATE SERVER other FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper '{WRAPPER}', "
        f"{options})"
    )


@pytest.mark.parametrize(
    ("options", "says", "hint"),
    [
        ("base_ulr 'https://x.example'", 'unknown option "base_ulr"', 'meant "base_url"'),
        ("token 'x'", '"token" belongs to the user mapping', SERVER_OPTIONS),
        ("workspace 'acme'", '"workspace" belongs to the foreign table', SERVER_OPTIONS),
        ("timeout '0'", 'invalid value "0" for option "timeout"', "Seconds to wait"),
        ("timeout 'soon'", 'invalid value "soon" for option "timeout"', "Seconds to wait"),
        ("timeout 'nan'", 'invalid value "nan" for option "timeout"', "Seconds to wait"),
        ("retry_limit '-1'", 'invalid value "-1" for option "retry_limit"', "How often"),
        ("retry_limit '1.5'", 'invalid value "1.5"', "How often"),
        ("concurrency '65'", "from 1 to 64", "under way"),
        ("concurrency '٣'", "from 1 to 64", "under way"),
        ("max_requests '0'", "from 1 to 1000000", "one scan"),
        ("base_url 'http://api.bitbucket.org/2.0'", "must start with https://", "loopback"),
        ("base_url 'ftp://x.example'", "starts with https://", "loopback"),
        ("base_url 'https://user:pass@x.example'", "without user", "loopback"),
        ("base_url 'https://x.example/?a=b'", "query", "loopback"),
        ("base_url ''", "https://", "loopback"),
    ],
)
def test_a_wrong_server_option(trial, options, says, hint):
    error = trial.error(server(options))
    assert says in text_of(error)
    assert hint in text_of(error)


@pytest.mark.parametrize(
    ("options", "says", "hint"),
    [
        ("tokn 'x'", 'unknown option "tokn" for the', 'meant "token"'),
        ("base_url 'https://x.example'", '"base_url" belongs to the server', "auth, email, token"),
        ("auth 'oauth'", 'invalid value "oauth" for option "auth"', "sign in"),
        ("auth 'api_token', token 'x'", 'auth "api_token" needs option "email"', "email, token"),
        ("auth 'access_token'", 'auth "access_token" needs option "token"', "token"),
        ("auth 'none', token 'x'", 'auth "none" takes no option "token"', "none"),
        ("email 'ada@acme.example'", "token", "USER MAPPING"),
    ],
)
def test_a_wrong_user_mapping_option(trial, options, says, hint):
    create = f"CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS ({options})"
    base_url = f"base_url '{trial.db.emulator.base_url}'"
    error = trial.error(server(base_url), create)
    assert says in text_of(error)
    assert hint in text_of(error)


@pytest.mark.parametrize(
    ("options", "says", "hint"),
    [
        ("tabel 'issues'", 'unknown option "tabel"', 'meant "table"'),
        ("table 'issues', timeout '3'", '"timeout" belongs to the server', "workspace"),
        ("table 'issue'", 'no Bitbucket table "issue"', 'meant "issues"'),
        ("table 'issues', workspace ''", 'invalid value "" for option "workspace"', "Slug"),
    ],
)
def test_a_wrong_table_option(trial, options, says, hint):
    error = trial.error(f"CREATE FOREIGN TABLE t (id bigint) SERVER bitbucket OPTIONS ({options})")
    assert says in text_of(error)
    assert hint in text_of(error)


@pytest.mark.parametrize(
    ("columns", "options", "says", "hint"),
    [
        ("id bigint", "workspace 'acme'", 'option "table" is missing', "pull_requests"),
        ("id bigint, titel text", "table 'issues'", 'issues has no column "titel"', '"title"'),
        ("nr bigint OPTIONS (column_name 'number')", "table 'issues'", 'no column "number"', ""),
    ],
)
def test_a_table_that_does_not_fit_its_declaration(trial, columns, options, says, hint):
    """Columns and missing options are seen when the table is whole: at first use on both hosts."""
    trial.db.execute(f"CREATE FOREIGN TABLE t ({columns}) SERVER bitbucket OPTIONS ({options})")
    with pytest.raises(psycopg.Error) as caught:
        trial.db.rows("SELECT * FROM t")
    assert says in text_of(caught.value)
    assert hint in text_of(caught.value)
    assert trial.db.emulator.requests() == []


def test_a_wrong_column_option(trial):
    error = trial.error(
        "CREATE FOREIGN TABLE t (id bigint OPTIONS (name 'id')) SERVER bitbucket "
        "OPTIONS (table 'issues')"
    )
    assert 'unknown option "name" for the column' in text_of(error)
    assert "column_name" in text_of(error)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public OPTIONS (name 'flat')",
            'unknown option "name"',
        ),
        (
            "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public OPTIONS (names 'x')",
            "snake, flat, cdata",
        ),
        (
            "IMPORT FOREIGN SCHEMA acme FROM SERVER bitbucket INTO public OPTIONS (names 'CData')",
            "snake, flat, cdata, in lower case",
        ),
        ('IMPORT FOREIGN SCHEMA "a/b/c" FROM SERVER bitbucket INTO public', "no remote schema"),
        ('IMPORT FOREIGN SCHEMA "/b" FROM SERVER bitbucket INTO public', "no remote schema"),
        ('IMPORT FOREIGN SCHEMA "acme/.." FROM SERVER bitbucket INTO public', "no remote schema"),
    ],
)
def test_a_wrong_import(trial, statement, says):
    with pytest.raises(psycopg.Error) as caught:
        trial.db.execute(statement)
    assert says in text_of(caught.value)
    assert trial.db.emulator.requests() == []


def test_an_import_of_what_is_not_there(trial):
    for schema in ("nowhere", "acme/nowhere"):
        with pytest.raises(psycopg.Error, match="404"):
            trial.db.execute(f'IMPORT FOREIGN SCHEMA "{schema}" FROM SERVER bitbucket INTO public')
    made = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert trial.db.rows(made) == []


def test_a_secret_is_in_no_error(trial):
    secret = "very-secret-value"
    options = f"auth 'none', token '{secret}'"
    create = f"CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS ({options})"
    base_url = f"base_url '{trial.db.emulator.base_url}'"
    error = trial.error(server(base_url), create)
    assert secret not in str(error)
    assert secret not in repr(error.diag.message_detail)


def test_changed_options_count_from_the_next_statement(db):
    db.execute(TABLE.format(server="bitbucket"))
    assert db.value("SELECT count(*) FROM t") > 0
    db.execute("ALTER FOREIGN TABLE t OPTIONS (SET repository 'mobile.app')")
    paths = {request.path for request in db.requests("SELECT id FROM t WHERE id > 0")}
    assert paths == {"/2.0/repositories/acme/mobile.app/issues"}
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD max_requests '1')")
    db.execute("ALTER FOREIGN TABLE t OPTIONS (SET repository 'website')")
    db.emulator.fault("*/issues", kind="status", status=503, count=1)
    assert db.rows("SELECT id FROM t WHERE id > 0 LIMIT 1")
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD retry_limit '0')")
    db.emulator.fault("*/issues", kind="status", status=503, count=1)
    with pytest.raises(psycopg.Error, match="503"):
        db.rows("SELECT id FROM t WHERE id > 0")


def test_a_changed_user_mapping_counts_from_the_next_statement(db, host):
    db.execute(TABLE.format(server="bitbucket"))
    assert db.rows("SELECT id FROM t LIMIT 1")
    db.execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS "
        "(SET token 'emulator-token-expired')"
    )
    if host == "multicorn2":
        db.close()  # Multicorn2 looks at the mapping once per session
    with pytest.raises(psycopg.Error, match="401"):
        db.rows("SELECT id FROM t LIMIT 1")


SOMEBODY_ELSE_S = "http://127.0.0.1:9/2.0"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE FOREIGN TABLE mine (slug text) SERVER bitbucket "
        f"OPTIONS (table 'repositories', workspace 'acme', base_url '{SOMEBODY_ELSE_S}')",
        f"ALTER FOREIGN TABLE t OPTIONS (ADD base_url '{SOMEBODY_ELSE_S}')",
        f"ALTER TABLE t OPTIONS (ADD proxy '{SOMEBODY_ELSE_S}')",
        "ALTER FOREIGN TABLE t OPTIONS (ADD ca_bundle '/etc/shadow')",
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket "
        f"OPTIONS (ADD base_url '{SOMEBODY_ELSE_S}')",
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket "
        f"OPTIONS (ADD oauth_url '{SOMEBODY_ELSE_S}')",
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS (ADD wrapper 'os.path.join')",
        "ALTER TABLE t ALTER COLUMN id OPTIONS (ADD base_url 'x')",
    ],
)
def test_only_the_server_says_where_a_credential_goes(db, statement):
    """Whoever may use a server with a mapping for PUBLIC must not have its token sent elsewhere."""
    role = f"{db.name}_user"
    db.execute(f"CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}")
    db.execute(f"GRANT USAGE ON FOREIGN SERVER bitbucket TO {role}")
    try:
        db.execute(f"SET ROLE {role}")
        db.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS (token 'x')")
        db.execute(TABLE.format(server="bitbucket"))
        with pytest.raises(psycopg.Error, match=r"belongs to the|unknown option|Cannot set"):
            db.execute(statement)
    finally:
        db.execute("RESET ROLE")
        db.execute(f"DROP OWNED BY {role}")
        db.execute(f"DROP ROLE {role}")


def test_a_user_mapping_s_secret_is_not_in_what_is_checked(db):
    db.execute("ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket OPTIONS (SET token 's3cr3t')")
    [mapping] = db.column("SELECT oid FROM pg_user_mapping")
    [(level, options)] = db.rows(
        "SELECT level, options "
        "FROM bitbucket_private.given_options('pg_user_mapping'::regclass, %s)",
        (mapping,),
    )
    assert (level, "s3cr3t" in options, '"token"' in options) == ("user_mapping", False, True)


@pytest.mark.parametrize("table", ["pullrequests", "pull_request", "PULL_REQUESTS"])
def test_a_table_that_there_is_not_is_refused_when_it_is_created(db, table):
    for statement in (
        f"CREATE FOREIGN TABLE x (id int) SERVER bitbucket OPTIONS (table '{table}')",
        "CREATE FOREIGN TABLE y (id int) SERVER bitbucket OPTIONS (table 'pull_requests'); "
        f"ALTER FOREIGN TABLE y OPTIONS (SET table '{table}')",
    ):
        with raises() as raised:
            db.execute(statement)
        assert f'there is no Bitbucket table "{table}"' in raised.message
        assert '"pull_requests"' in raised.hint


@pytest.mark.parametrize(
    ("given", "meant"),
    [("https://bitbucket.org/acme/website/", '"acme"'), ("Acme Inc", '"acme-inc"')],
)
def test_an_address_or_a_name_in_place_of_a_slug_is_told_with_the_slug(db, given, meant):
    for statement in (
        f"SELECT * FROM bitbucket.import_workspace('bitbucket', '{given}')",
        f"SELECT * FROM bitbucket.schemas('bitbucket', '{given}')",
        f'IMPORT FOREIGN SCHEMA "{given}" FROM SERVER bitbucket INTO public',
        f"CREATE FOREIGN TABLE x (slug text) SERVER bitbucket "
        f"OPTIONS (table 'repositories', workspace '{given}')",
    ):
        before = len(db.emulator.requests())
        with raises() as raised:
            db.execute(statement)
        assert meant.strip('"') in f"{raised.message} {raised.hint}", statement
        assert len(db.emulator.requests()) == before
