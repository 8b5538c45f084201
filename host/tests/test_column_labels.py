"""Beyond Multicorn2: result columns that a client gets are called by the option `label`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Session
from column_label_statements import CHANGES, KEPT, SELECTS
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

pytestmark = pytest.mark.beyond("result columns have the columns' names")

ROWS = "[{'id': n, 'title': 't%d' % n, 'kind': 'bug', 'note': 'x'} for n in range(3)]"
COLUMNS = "id int OPTIONS (label 'Id'), title text OPTIONS (label 'Title'), kind text"
NOTE = "note text OPTIONS (label '')"


@pytest.fixture
def names(session: Session) -> dict[str, str]:
    """Names of two tables with labels, of one without, and of a view; labels are on."""
    t = session.table(f"{COLUMNS}, {NOTE}", rows=ROWS, returns="{'id': 1, 'title': 'q'}")
    u = session.table(
        "id int OPTIONS (label 'Number'), heading text OPTIONS (label 'Heading')",
        rows="[{'id': n, 'heading': 'h'} for n in range(2)]",
    )
    session.execute("SET multicorn.column_labels TO on")
    session.execute(f"CREATE TEMP TABLE copy AS SELECT id, title FROM {t}")
    session.execute(f"CREATE TEMP VIEW seen AS SELECT id, title FROM {t}")
    return {"t": t, "u": u, "local": "copy", "view": "seen"}


def columns(result: PGresult) -> list[str]:
    assert result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK), result.error_message
    return [(result.fname(i) or b"").decode() for i in range(result.nfields)]


def simply(session: Session, sql: str) -> list[str]:
    return columns(session.connection.pgconn.exec_(sql.encode()))


def with_parameters(session: Session, sql: str) -> list[str]:
    return columns(session.connection.pgconn.exec_params(sql.encode(), []))


def prepared(session: Session, sql: str) -> list[str]:
    """What a prepared statement tells beforehand, which has to be what it gives."""
    pgconn = session.connection.pgconn
    columns(pgconn.prepare(b"s", sql.encode()))
    told = columns(pgconn.describe_prepared(b"s"))
    for _ in range(2):
        assert columns(pgconn.exec_prepared(b"s", [])) == told
    session.execute("DEALLOCATE s")
    return told


def by_cursor(session: Session, sql: str) -> list[str]:
    with session.connection.transaction():
        session.execute(f"DECLARE c CURSOR FOR {sql}")
        told = columns(session.connection.pgconn.describe_portal(b"c"))
        assert simply(session, "FETCH ALL FROM c") == told
        return told


def in_a_string_of_statements(session: Session, sql: str) -> list[str]:
    """The last of several, the first of which turns the labels on."""
    session.execute("RESET multicorn.column_labels")
    return simply(session, f"SET multicorn.column_labels TO on; {sql}")


WAYS = (simply, with_parameters, prepared, by_cursor, in_a_string_of_statements)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_client_selects(
    session: Session, names: dict[str, str], way: Callable[[Session, str], list[str]]
) -> None:
    expected = {sql: labels.split() for sql, labels in SELECTS.items()}
    assert {sql: way(session, sql.format(**names)) for sql in SELECTS} == expected


@pytest.mark.parametrize("way", [simply, with_parameters, prepared])
@pytest.mark.parametrize(("sql", "labels"), CHANGES.items())
def test_what_a_change_returns(
    session: Session,
    names: dict[str, str],
    way: Callable[[Session, str], list[str]],
    sql: str,
    labels: str,
) -> None:
    assert way(session, sql.format(**names)) == labels.split()


@pytest.mark.parametrize("way", WAYS[:-1])
def test_without_the_setting_nothing_is_renamed(
    session: Session, names: dict[str, str], way: Callable[[Session, str], list[str]]
) -> None:
    session.execute("RESET multicorn.column_labels")
    assert session.value("SHOW multicorn.column_labels") == "off"
    for sql in SELECTS:
        assert not {"Title", "Number", "Heading"} & set(way(session, sql.format(**names)))


@pytest.mark.parametrize("way", [simply, with_parameters])
@pytest.mark.parametrize(("sql", "query"), KEPT.items())
def test_what_is_made_of_a_query_has_the_columns_names(
    session: Session,
    names: dict[str, str],
    way: Callable[[Session, str], list[str]],
    sql: str,
    query: str,
) -> None:
    *first, last = sql.format(**names).split("; ") if "PREPARE" in sql else [sql.format(**names)]
    with session.connection.transaction(force_rollback=True):
        for statement in first:
            session.execute(statement)
        way(session, last)
        assert way(session, query) == (["made"] if "SELECT made()" in query else ["id", "title"])
    session.execute("DEALLOCATE ALL")


def test_a_trigger_at_commit_sees_the_columns_names(
    session: Session, names: dict[str, str]
) -> None:
    session.execute(
        "CREATE FUNCTION pg_temp.late() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r record;"
        f" BEGIN SELECT * INTO r FROM {names['t']} WHERE id = 1; NEW.title := r.title;"
        " RAISE NOTICE '%', r.title; RETURN NEW; END $$"
    )
    session.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON copy DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.late()"
    )
    session.execute("INSERT INTO copy VALUES (9, 'nine')")
    assert [notice.message for notice in session.notices] == ["t1"]


def test_names_within_the_statement_stay(session: Session, names: dict[str, str]) -> None:
    t = names["t"]
    assert session.value(f"SELECT row_to_json(s)::text FROM (SELECT id FROM {t} LIMIT 1) s") == (
        '{"id":0}'
    )
    assert session.rows(f"SELECT id FROM {t} ORDER BY id DESC LIMIT 1") == [(2,)]
    assert session.error(f'SELECT id FROM {t} ORDER BY "Id"').sqlstate == "42703"
    assert "Output: id, title" in session.plan(f"SELECT id, title FROM {t}", "verbose, costs off")


def test_copy_has_the_columns_names(session: Session, names: dict[str, str]) -> None:
    query = f"COPY (SELECT id, title FROM {names['t']}) TO STDOUT (FORMAT csv, HEADER)"
    with session.connection.cursor().copy(query) as copy:
        assert bytes(next(iter(copy))) == b"id,title\n"
        for _ in copy:
            pass


def test_a_parallel_query(session: Session, names: dict[str, str]) -> None:
    for setting in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        session.execute(f"SET {setting} = 0")
    session.execute("CREATE TABLE many AS SELECT g AS id FROM generate_series(1, 5000) g")
    session.execute("ANALYZE many")
    query = (
        f"SELECT x.title, s.n FROM {names['t']} x"
        " JOIN (SELECT count(*) AS n, id % 3 AS id FROM many GROUP BY 2) s USING (id)"
    )
    assert "Gather" in session.plan(query)
    assert simply(session, query) == ["Title", "n"]


@pytest.mark.parametrize("label", ["Ä" * 40, "with space", 'a"b', "x" * 100])
def test_any_text_is_a_label(session: Session, label: str) -> None:
    table = session.table(f"id int OPTIONS (label '{label}')", rows=ROWS)
    session.execute("SET multicorn.column_labels TO on")
    # As of other names, 63 bytes are kept, and of a character all or nothing.
    expected = label.encode()[:63].decode(errors="ignore")
    for way in (simply, with_parameters, prepared):
        assert way(session, f"SELECT id FROM {table}") == [expected]


def test_labels_follow_alter(session: Session, names: dict[str, str]) -> None:
    t = names["t"]
    session.execute(f"ALTER FOREIGN TABLE {t} ALTER title OPTIONS (SET label 'Heading')")
    assert simply(session, f"SELECT title FROM {t}") == ["Heading"]
    session.execute(f"ALTER FOREIGN TABLE {t} ALTER title OPTIONS (DROP label)")
    assert simply(session, f"SELECT title FROM {t}") == ["title"]
    session.execute(f"ALTER FOREIGN TABLE {t} RENAME id TO number")
    assert simply(session, f"SELECT * FROM {t}") == ["Id", "title", "kind", "note"]


def test_other_foreign_tables_have_no_labels(session: Session) -> None:
    if not session.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'file_fdw'"):
        pytest.skip("this PostgreSQL comes without file_fdw")
    session.execute("CREATE EXTENSION file_fdw")
    session.execute("CREATE FOREIGN DATA WRAPPER unchecked HANDLER file_fdw_handler")
    session.execute("CREATE SERVER files FOREIGN DATA WRAPPER unchecked")
    session.execute("SELECT multicorn_handler() IS NULL")
    session.execute("SET multicorn.column_labels TO on")
    columns_of = "id text OPTIONS (label 'Id')"
    table = session.table(columns_of, "files", filename="/dev/null", format="csv")
    assert simply(session, f"SELECT id FROM {table}") == ["id"]
    session.execute("DROP FOREIGN DATA WRAPPER unchecked CASCADE; DROP EXTENSION file_fdw")


def other(setting: str) -> str:
    return "off" if setting == "on" else "on"


class TestPreparedStatements:
    """A statement keeps the names it had when it was prepared, whatever changes meanwhile."""

    @pytest.fixture(params=["on", "off"])
    def setting(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def expected(self, setting: str) -> list[str]:
        return ["Id", "Title"] if setting == "on" else ["id", "title"]

    @pytest.fixture
    def change(self, session: Session, names: dict[str, str]) -> Callable[[str, str], None]:
        """Change a setting, without a statement that would replace the unnamed one."""
        pgconn = session.connection.pgconn
        columns(pgconn.prepare(b"set", b"SELECT set_config($1, $2, false)"))

        def change(setting: str, value: str) -> None:
            columns(pgconn.exec_prepared(b"set", [setting.encode(), value.encode()]))

        return change

    @pytest.mark.parametrize("name", [b"", b"named"])
    @pytest.mark.parametrize("where", ["", "WHERE id >= $1::int"])
    def test_a_changed_setting(
        self,
        session: Session,
        names: dict[str, str],
        change: Callable[[str, str], None],
        setting: str,
        expected: list[str],
        where: str,
        name: bytes,
    ) -> None:
        pgconn = session.connection.pgconn
        values = [b"0"] if where else []

        def tells_the_same() -> bool:
            told = columns(pgconn.describe_prepared(name))
            return columns(pgconn.exec_prepared(name, values)) == told == expected

        change("multicorn.column_labels", setting)
        columns(pgconn.prepare(name, f"SELECT id, title FROM {names['t']} {where}".encode()))
        assert tells_the_same()
        change("multicorn.column_labels", other(setting))
        assert tells_the_same()
        # These make PostgreSQL analyze the statement again, first when it is described, and then
        # when it is bound.
        change("search_path", "public, pg_catalog")
        assert tells_the_same()
        change("search_path", "public")
        assert columns(pgconn.exec_prepared(name, values)) == expected
        with session.cluster.connect(session.dbname) as apart:
            apart.execute(f"ALTER FOREIGN TABLE {names['t']} ALTER kind SET DEFAULT 'bug'")
        assert columns(pgconn.exec_prepared(name, values)) == expected
        # Prepared anew, it has what the setting says now.
        columns(pgconn.prepare(b"anew", f"SELECT id FROM {names['t']}".encode()))
        assert columns(pgconn.describe_prepared(b"anew")) == (["id"] if setting == "on" else ["Id"])

    @pytest.mark.parametrize("now", ["on", "off"])
    @pytest.mark.parametrize("by_protocol", [True, False])
    def test_prepared_in_one_way_and_executed_in_the_other(
        self,
        session: Session,
        names: dict[str, str],
        setting: str,
        expected: list[str],
        now: str,
        by_protocol: bool,
    ) -> None:
        sql = f"SELECT id, title FROM {names['t']}"
        pgconn = session.connection.pgconn
        session.execute(f"SET multicorn.column_labels TO {setting}")
        if by_protocol:
            columns(pgconn.prepare(b"p", sql.encode()))
        else:
            session.execute(f"PREPARE p AS {sql}")
            expected = ["id", "title"]
        session.execute(f"SET multicorn.column_labels TO {now}")
        for path in ("public", "public, pg_catalog", "public"):
            session.execute(f"SET search_path TO {path}")
            assert simply(session, "EXECUTE p") == expected
            session.execute("SET search_path TO pg_catalog, public")
            assert columns(pgconn.exec_prepared(b"p", [])) == expected

    def test_what_is_kept_about_statements_goes_with_them(
        self, session: Session, names: dict[str, str]
    ) -> None:
        sql = f"SELECT id, title FROM {names['t']}".encode()
        pgconn = session.connection.pgconn

        def size() -> int:
            return int(
                session.value(
                    "SELECT sum(total_bytes) FROM pg_backend_memory_contexts"
                    " WHERE name = 'multicorn prepared statements'"
                )
            )

        columns(pgconn.prepare(b"", sql))
        before = size()
        for n in range(3000):
            name = b"p%d" % (n % 7) if n % 2 else b""
            # Of different sizes, so that few are kept where one was before.
            columns(pgconn.prepare(name, sql + b" WHERE true" + n % 61 * b" AND id = 1"))
            assert pgconn.prepare(b"refused", b"SELECT nothing").error_message
            if name:
                session.execute(f"DEALLOCATE {name.decode()}")
        assert size() == before
        session.execute("DISCARD ALL")
        assert simply(session, sql.decode()) == ["id", "title"]


@pytest.fixture
def fresh(session: Session, names: dict[str, str]) -> Iterator[Callable[..., Session]]:
    """Make sessions that have not used a foreign table yet."""
    made: list[Session] = []

    def start(**options: str) -> Session:
        made.append(Session(session.cluster, session.dbname, options=options))
        return made[-1]

    yield start
    for each in made:
        each.close()


class TestLoading:
    """The setting can be there before the library is."""

    def test_the_first_statement_says_that_it_was_too_early(
        self, fresh: Callable[..., Session], names: dict[str, str]
    ) -> None:
        session = fresh()
        session.execute("SET multicorn.column_labels TO on")
        assert simply(session, f"SELECT id FROM {names['t']}") == ["id"]
        (notice,) = session.notices
        assert notice.severity == "WARNING"
        assert "session_preload_libraries" in (notice.hint or "")
        assert simply(session, f"SELECT id FROM {names['t']}") == ["Id"]

    @pytest.mark.parametrize("name", [b"", b"named"])
    @pytest.mark.parametrize("where", ["", "WHERE id >= $1::int"])
    def test_a_statement_that_was_prepared_before_keeps_its_names(
        self, fresh: Callable[..., Session], names: dict[str, str], name: bytes, where: str
    ) -> None:
        session = fresh(**{"multicorn.column_labels": "on"})
        pgconn = session.connection.pgconn
        values = [b"0"] if where else []
        sql = f"SELECT id FROM {names['t']} {where}".encode()
        columns(pgconn.prepare(b"set", b"SELECT set_config('search_path', $1, false)"))
        columns(pgconn.prepare(name, sql))
        for path in (b"public", b"public, pg_catalog", b"pg_catalog, public"):
            assert columns(pgconn.exec_prepared(name, values)) == ["id"]
            columns(pgconn.exec_prepared(b"set", [path]))
            assert columns(pgconn.exec_prepared(name, values)) == ["id"]
            assert columns(pgconn.describe_prepared(name)) == ["id"]
        columns(pgconn.prepare(b"anew", sql))
        assert columns(pgconn.exec_prepared(b"anew", values)) == ["Id"]

    def test_a_call_of_the_handler_loads_the_library(
        self, fresh: Callable[..., Session], names: dict[str, str]
    ) -> None:
        session = fresh()
        session.execute("SET multicorn.column_labels TO on; SELECT multicorn_handler() IS NULL")
        assert prepared(session, f"SELECT id FROM {names['t']}") == ["Id"]
        assert not session.notices

    def test_preloaded(self, fresh: Callable[..., Session], names: dict[str, str]) -> None:
        session = fresh(session_preload_libraries="multicorn", **{"multicorn.column_labels": "on"})
        assert simply(session, f"SELECT id FROM {names['t']}") == ["Id"]
        assert not session.notices

    def test_without_the_setting_there_is_no_warning(
        self, fresh: Callable[..., Session], names: dict[str, str]
    ) -> None:
        session = fresh()
        assert simply(session, f"SELECT id FROM {names['t']}") == ["id"]
        assert not session.notices

    def test_loading_starts_no_python(
        self, fresh: Callable[..., Session], names: dict[str, str]
    ) -> None:
        session = fresh(session_preload_libraries="multicorn")
        session.execute("SET multicorn.column_labels TO on; SELECT multicorn_handler() IS NULL")

        def loaded() -> list[bool]:
            files = Path(f"/proc/{session.pid}/maps").read_text()
            # The second is where the modules are that Python loads when it runs.
            return [part in files for part in ("/multicorn.so", "/lib-dynload/")]

        assert (
            columns(session.connection.pgconn.prepare(b"p", b"TABLE " + names["t"].encode())) == []
        )
        assert loaded() == [True, False]
        session.execute("EXECUTE p")
        assert loaded() == [True, True]

    def test_a_misspelt_setting_is_refused(self, session: Session, names: dict[str, str]) -> None:
        if session.connection.info.server_version < 150000:
            pytest.skip("PostgreSQL 14 refuses no setting of an extension")
        assert session.error("SET multicorn.column_label TO on").sqlstate == "42602"
