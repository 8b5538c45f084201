"""Spark: what docs/spark.md shows runs as it is shown, and asks for no more than the page says."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from bitbucket_fdw.tables import TABLES
from tests.docs.pages import DOCS, blocks
from tests.support.database import drop_database

SESSION, ONE_REQUEST, ONE_REPOSITORY, PARTITIONS, SLUGS, PARQUET = (
    block.text for block in blocks(DOCS / "spark.md", "python")
)
PULLS = "/2.0/repositories/acme/website/pullrequests"
# Nothing of it leaves the machine, and it takes no more of it than it has to.
ARGUMENTS = (
    "--master local[2] --driver-memory 512m --conf spark.ui.enabled=false "
    "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.driver.host=127.0.0.1 "
    "--conf spark.sql.shuffle.partitions=2 --conf spark.local.dir={directory} pyspark-shell"
)


@pytest.fixture(scope="module")
def pyspark(tmp_path_factory):
    """PySpark, from where script/test has unpacked it; Spark is ended with the module."""
    root = os.environ.get("BITBUCKET_FDW_SPARK")
    if not root:
        pytest.skip(
            "BITBUCKET_FDW_SPARK names no PySpark; script/test clients fetches one where it finds "
            "Java 17 or later and PostgreSQL's JDBC driver, or apt to install them with"
        )
    directory = tmp_path_factory.mktemp("spark")
    [py4j] = Path(root, "lib").glob("py4j-*.zip")
    with pytest.MonkeyPatch.context() as patch:
        for path in (py4j, root):
            patch.syspath_prepend(str(path))
        for name, value in {
            "SPARK_HOME": str(Path(root, "deps")),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": ARGUMENTS.format(directory=directory),
        }.items():
            patch.setenv(name, value)
        patch.chdir(directory)
        module = importlib.import_module("pyspark")
        yield module
        gateway = module.SparkContext._gateway
        if gateway is not None:
            gateway.shutdown()
            gateway.proc.stdin.close()  # by which it learns that it is not needed any more
            gateway.proc.wait(timeout=60)


@pytest.fixture(scope="module")
def program(pyspark, db_factory):
    """The page's names, in a session on an imported workspace. ``db`` is the database."""
    db = db_factory()
    db.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    text = SESSION
    for placeholder, value in (
        ("localhost:5432/your_database", f"127.0.0.1:{db.cluster.port}/{db.name}"),
        ("your_user", "postgres"),
        ("your_password", db.cluster.password_file.read_text().strip()),
        ("/usr/share/java/postgresql.jar", os.environ["BITBUCKET_FDW_JDBC_DRIVER"]),
    ):
        assert placeholder in text
        text = text.replace(placeholder, value)
    names = {"__name__": "documented", "db": db}
    exec(text, names)
    yield names
    names["spark"].stop()
    drop_database(db)


@pytest.fixture
def ask(program, emulator):
    """The rows of a DataFrame as tuples, and the requests that reading it made."""

    def rows_and_requests(frame):
        emulator.clear()
        return [tuple(row) for row in frame.collect()], emulator.requests()

    return rows_and_requests


def test_what_takes_one_request_by_the_catalog_takes_all_pages_by_the_plain_reader(program, ask):
    db, spark = program["db"], program["spark"]
    db.emulator.clear()
    exec(ONE_REQUEST, program)
    assert db.emulator.requests() == []  # looking at columns asks for nothing
    table = "acme__website.pull_requests"
    for name, statement in (
        ("five", f"SELECT id, title FROM {table} LIMIT 5"),
        ("how_many", f"SELECT count(*) FROM {table}"),
        ("merged", f"SELECT count(*) FROM {table} WHERE state = 'MERGED'"),
        ("newest", f"SELECT id, title FROM {table} ORDER BY updated_on DESC LIMIT 5"),
    ):
        rows, requests = ask(program[name])
        assert rows == db.rows(statement), name
        assert [request.path for request in requests] == [PULLS], name

    plain = spark.read.jdbc(program["URL"], table, properties=program["LOGIN"])
    rows, requests = ask(plain.limit(5))
    assert len(rows) == 5
    assert len(requests) > 1


def test_conditions_and_columns_travel(program, ask):
    exec(ONE_REPOSITORY, program)
    rows, requests = ask(program["open_ones"])
    assert sorted(rows) == program["db"].rows(
        "SELECT id, title, author_display_name FROM acme__website.pull_requests "
        "WHERE state = 'OPEN' ORDER BY id"
    )
    assert {request.path for request in requests} == {PULLS}
    assert all("OPEN" in request.query for request in requests)
    assert not any("description" in request.query for request in requests)


def test_a_partition_asks_for_its_own_repository_and_parquet_keeps_the_rows(program, ask, capsys):
    db, spark = program["db"], program["spark"]
    db.emulator.clear()
    exec(PARTITIONS, program)
    assert db.emulator.requests() == []
    wanted = program["repositories"]
    assert program["changes"].rdd.getNumPartitions() == len(wanted)
    exec(PARQUET, program)
    asked = [request.path for request in db.emulator.requests()]
    assert set(asked) == {f"/2.0/repositories/acme/{slug}/pullrequests" for slug in wanted}
    assert "MERGED" in capsys.readouterr().out

    columns = ("repository", "id", "title", "updated_on")
    kept, requests = ask(program["kept"].select(*columns))
    assert requests == []
    there = db.rows(f"SELECT {', '.join(columns)} FROM acme.pull_requests")
    assert {row[:3] for row in kept} == {row[:3] for row in there if row[0] in wanted}

    ranges = {"column": "id", "lowerBound": 1, "upperBound": 100, "numPartitions": 2}
    by_number = spark.read.jdbc(
        program["URL"], "acme.pull_requests", properties=program["LOGIN"], **ranges
    )
    _, requests = ask(by_number.select("id"))
    assert len({request.path for request in requests}) > len(wanted) + 1
    assert len(requests) > len(asked)


def test_every_repository_is_named_by_one_listing(program, ask):
    program["db"].emulator.clear()
    exec(SLUGS, program)
    assert sorted(program["slugs"]) == program["db"].column(
        'SELECT slug FROM acme.repositories ORDER BY slug COLLATE "C"'
    )


def fewest_with_all_types():
    """Tables of repositories that together have each type that a column can have."""
    of = {t: {c.type for c in t.columns} for t in TABLES if t.level == "repository"}
    lacking, chosen = set().union(*of.values()), []
    while lacking:
        chosen.append(max(of, key=lambda table: len(of[table] & lacking)))
        lacking -= of[chosen[-1]]
    return chosen


def test_every_type_of_column_is_read(program, ask):
    for table in fewest_with_all_types():
        frame = program["spark"].table(f"bitbucket.acme__website.{table.name}")
        assert frame.columns == [column.name for column in table.columns]
        rows, _ = ask(frame.limit(1))
        assert len(rows) == 1, table.name


def test_overwriting_and_dropping_a_table_is_refused(program, emulator):
    spark, db = program["spark"], program["db"]
    issues = spark.sql("SELECT id, title FROM bitbucket.acme__website.issues LIMIT 1")
    emulator.clear()
    for options in ({}, {"truncate": "true"}):
        with pytest.raises(Exception, match=r"foreign table|not a table"):
            issues.write.options(**options).jdbc(
                program["URL"],
                "acme__website.issues",
                mode="overwrite",
                properties=program["LOGIN"],
            )
    spark.sql("DROP TABLE bitbucket.acme__website.issues")  # Spark does not tell what came of it
    assert [request for request in emulator.requests() if request.method != "GET"] == []
    assert db.value("SELECT count(*) FROM acme__website.issues") > 1
