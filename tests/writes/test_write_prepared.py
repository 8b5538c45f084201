"""Prepared statements that change rows, and statements sent without waiting for answers."""

from tests.writes.writing import R, documents

ISSUES = f"{R}/issues"


def test_prepared_statements_with_parameters(sql):
    for number in range(1, 9):  # from the sixth on PostgreSQL may keep a plan without values
        title = f"t{number}"
        with sql.connection.cursor() as cursor:
            before = sql.mark()
            cursor.execute(
                "UPDATE issues SET title = %s WHERE id = %s RETURNING title",
                (title, number),
                prepare=True,
            )
            assert cursor.fetchall() == [(title,)]
        done = sql.since(before)
        assert done.sent == [("PUT", f"{ISSUES}/{number}", {"title": title})]
        assert done.read == [f"{ISSUES}/{number}"]


def test_prepared_inserts_and_deletes(sql, emulator):
    numbers = []
    with sql.connection.cursor() as cursor:
        for number in range(8):
            cursor.execute(
                "INSERT INTO issues (title, kind) VALUES (%s, %s) RETURNING id",
                (f"t{number}", "task"),
                prepare=True,
            )
            numbers += [row[0] for row in cursor.fetchall()]
        for number in numbers:
            cursor.execute("DELETE FROM issues WHERE id = %s", (number,), prepare=True)
    assert numbers == list(range(46, 54))
    assert len(documents(emulator, "issues")) == 45


def test_sql_level_prepare(sql):
    sql.run("PREPARE new (text) AS INSERT INTO issues (title) VALUES ($1) RETURNING id")
    assert sql.run("EXECUTE new('a')").row == (46,)
    sql.run("DEALLOCATE new")


def test_pipelined_and_repeated_statements(sql):
    before = sql.mark()
    with sql.connection.pipeline(), sql.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO issues (title) VALUES (%s)", [("a",), ("b",), ("c",)])
    assert [body["title"] for _, _, body in sql.since(before).sent] == ["a", "b", "c"]
