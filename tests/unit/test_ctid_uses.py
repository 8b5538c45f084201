"""A ctid that is shown, and one that rows are found, joined or grouped by."""

import pytest

from bitbucket_fdw.postgres.ctid_uses import goes_by_ctid

SHOWN = [
    "SELECT 1",
    "SELECT id, title, ctid FROM t",
    'SELECT "id", "ctid" FROM "s"."t" WHERE id = 3 ORDER BY id LIMIT 5',
    "select t.ctid, CTID, s.t.ctid as place, ctid::text x from s.t t;",
    "SELECT ctid FROM t FOR UPDATE",
    'declare "SQL_CUR0x1" cursor with hold for select title, "ctid" from issues where id < 9',
    "DECLARE c1 CURSOR FOR SELECT id, ctid FROM public.issues FOR UPDATE",
    "EXPLAIN (VERBOSE, COSTS OFF) SELECT ctid FROM t",
    "PREPARE q (int) AS SELECT ctid FROM t WHERE id = $1",
    "WITH x AS (SELECT id FROM t) SELECT x.id, t.ctid FROM x JOIN t USING (id)",
    "UPDATE t SET title = 'x' WHERE id = 3 RETURNING ctid, id",
    "INSERT INTO t (title) VALUES ('ctid') RETURNING id, ctid",
    "DELETE FROM t WHERE id = 3 RETURNING t.ctid",
    "SELECT id FROM t WHERE title = 'ctid = 3'",
    "SELECT id FROM t WHERE title = $x$ctid = ctid$x$ -- ctid = 3",
    "SELECT id /* ctid */ FROM t WHERE title = E'\\'ctid'",
    'SELECT id FROM t WHERE "CTID" = 3 OR "my ctid" = 4',
    "SELECT id AS ctid FROM t",
    "SELECT ctid_of, x_ctid FROM t WHERE ctids = 3",
    "SELECT ctid FROM t WHERE id IN (SELECT id FROM u WHERE a = 'x;y')",
    "SELECT (t.title), ctid, lower(title) FROM t",
    "SET x = 1; SELECT ctid FROM t; SELECT 2",
]
USED = [
    "SELECT id FROM t WHERE ctid = '(1,1)'",
    'SELECT id FROM t WHERE t . "ctid" = $1',
    'select title, "ctid" from t where ctid in ($1,$2)',
    "UPDATE t SET a = 1 WHERE CTID='(1,1)' RETURNING ctid",
    "DELETE FROM t WHERE ctid IN (SELECT ctid FROM t LIMIT 1)",
    "DELETE FROM local WHERE id IN (SELECT id FROM t) AND ctid = '(0,1)'",
    "SELECT a.id FROM t a JOIN t b ON a.ctid = b.ctid",
    "SELECT a.id FROM t a JOIN (SELECT ctid c FROM t) b ON true",
    "SELECT DISTINCT ctid FROM t",
    "SELECT DISTINCT ON (ctid) id FROM t",
    "SELECT ctid, count(*) FROM t GROUP BY 1",
    "SELECT count(DISTINCT ctid) FROM t",
    "SELECT count(*) FROM t GROUP BY ctid",
    "SELECT ctid FROM t UNION SELECT ctid FROM t",
    "SELECT id FROM t ORDER BY ctid",
    "SELECT ctid = '(1,1)' FROM t",
    "SELECT row_number() OVER (PARTITION BY ctid) FROM t",
    "SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.ctid = t.ctid)",
    "WITH x AS (SELECT ctid FROM t LIMIT 1) DELETE FROM t USING x WHERE true",
    "INSERT INTO copy SELECT ctid FROM t",
    "CREATE TABLE copy AS SELECT ctid FROM t",
    "SELECT ctid INTO copy FROM t",
    "COPY (SELECT ctid FROM t) TO STDOUT",
    "PREPARE q (tid) AS DELETE FROM t WHERE ctid = $1",
    "EXPLAIN DELETE FROM t WHERE ctid = '(1,1)'",
    "SELECT 1; DELETE FROM t WHERE ctid = '(1,1)'",
    "DO $$ BEGIN DELETE FROM t WHERE ctid = '(1,1)'; END $$",
    "DECLARE c CURSOR FOR SELECT id FROM t WHERE ctid = '(1,1)'",
    "UPDATE t SET title = ctid::text",
    "SELECT id FROM t WHERE (id, ctid) = (1, '(1,1)')",
    "DELETE FROM t WHERE ctid = ANY (ARRAY[$1]::tid[])",
]


@pytest.mark.parametrize("statement", SHOWN)
def test_shown(statement):
    assert not goes_by_ctid(statement)


@pytest.mark.parametrize("statement", USED)
def test_used(statement):
    assert goes_by_ctid(statement)
    assert goes_by_ctid(statement.replace("ctid", "CtId").replace('"CtId"', '"ctid"'))
    assert goes_by_ctid(f"/* SELECT */ -- ctid\n{statement};")
