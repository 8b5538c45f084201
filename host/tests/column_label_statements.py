"""Statements, and what the columns of their results are called where columns have labels."""

from __future__ import annotations

# A query on the tables {t} and {u}, and what its result columns are called.
SELECTS = {
    "SELECT * FROM {t}": "Id Title kind note",
    "SELECT title, kind, ID FROM {t} WHERE id = 1": "Title kind Id",
    "SELECT x.* FROM {t} AS x": "Id Title kind note",
    "TABLE {t}": "Id Title kind note",
    # Another name, and the same name: the latter cannot be told from none.
    "SELECT id AS number, title AS title FROM {t}": "number Title",
    'SELECT id AS "ID", id AS "Id" FROM {t}': "ID Id",
    "SELECT kind AS title, title AS kind FROM {t}": "title kind",
    "SELECT a, title FROM {t} AS x(a)": "a Title",
    "SELECT title FROM {t} AS x(title, id)": "title",
    # Expressions have no label, but a cast keeps the column's name.
    "SELECT id + 1, upper(title), count(*) OVER () FROM {t}": "?column? upper count",
    "SELECT upper(title) AS title, coalesce(id) AS id FROM {t}": "title id",
    "SELECT id::text, title::varchar(3), id::bigint FROM {t}": "Id Title Id",
    'SELECT CAST(id AS text), title COLLATE "C", ARRAY[id] FROM {t}': "Id Title array",
    "SELECT (SELECT title FROM {u} LIMIT 1), id FROM {t}": "title Id",
    "SELECT x, x.tableoid, id FROM {t} x": "x tableoid Id",
    "SELECT DISTINCT title, id FROM {t} ORDER BY id, title DESC": "Title Id",
    "SELECT title, kind FROM {t} ORDER BY id LIMIT 1": "Title kind",
    "SELECT title, count(*) FROM {t} GROUP BY title ORDER BY title": "Title count",
    "SELECT title, count(*) FROM {t} GROUP BY ROLLUP (title) HAVING true": "Title count",
    "SELECT id, id, title FROM {t}": "Id Id Title",
    # Joins: both sides, USING, and a join with a name.
    "SELECT x.id, y.id FROM {t} x JOIN {u} y ON x.id = y.id": "Id Number",
    "SELECT * FROM {t} x JOIN {u} y USING (id)": "Id Title kind note Heading",
    "SELECT id FROM {t} RIGHT JOIN {u} USING (id)": "Number",
    "SELECT id, heading FROM {t} FULL JOIN {u} USING (id)": "id Heading",
    "SELECT j.title, j.heading FROM ({t} JOIN {u} USING (id)) AS j": "Title Heading",
    "SELECT j.title FROM ({t} x LEFT JOIN {u} y ON true) AS j(a, title)": "Title",
    "SELECT j.a FROM ({t} x LEFT JOIN {u} y ON true) AS j(a, title)": "a",
    "SELECT title, g FROM {t}, generate_series(1, 2) g": "Title g",
    "SELECT x.title, y.heading FROM {t} x, LATERAL (SELECT heading FROM {u} OFFSET 0) y": (
        "Title Heading"
    ),
    # Subqueries and WITH, all the way by the same name.
    "SELECT * FROM (SELECT id, title FROM {t} OFFSET 0) s": "Id Title",
    "SELECT * FROM (SELECT id, title FROM {t}) AS s(title, id)": "title id",
    "SELECT x AS title FROM (SELECT title AS x FROM {t}) s": "title",
    "SELECT title FROM (SELECT * FROM (SELECT * FROM {t}) a JOIN {u} b USING (id)) s": "Title",
    "WITH w AS (SELECT id, title FROM {t}) SELECT * FROM w": "Id Title",
    "WITH w AS MATERIALIZED (TABLE {t}) SELECT title FROM (SELECT * FROM w) s": "Title",
    "WITH w AS (SELECT id FROM {t}) SELECT * FROM (WITH v AS (TABLE w) TABLE v) s": "Id",
    "WITH w AS (SELECT id FROM {t}) SELECT * FROM (WITH w AS (SELECT 1 AS id) TABLE w) s": "id",
    "WITH RECURSIVE w AS (SELECT id FROM {t} UNION SELECT id + 1 FROM w WHERE id < 5) TABLE w": (
        "Id"
    ),
    # Names come from the first branch.
    "SELECT id, title FROM {t} UNION SELECT id, heading FROM {u}": "Id Title",
    "SELECT id FROM {u} UNION ALL SELECT id FROM {t} ORDER BY id": "Number",
    "SELECT id FROM {t} UNION SELECT 2.5": "Id",
    "SELECT 1 AS id UNION SELECT id FROM {t}": "id",
    "(SELECT id FROM {t} ORDER BY 1 LIMIT 1) EXCEPT (SELECT id FROM {u}) ORDER BY 1": "Id",
    "((TABLE {u}) INTERSECT (TABLE {u})) UNION SELECT id, title FROM {t}": "Number Heading",
    "SELECT * FROM (SELECT id FROM {t} UNION SELECT id FROM {u}) s": "Id",
    # What has no labels.
    "SELECT id, title FROM {local}": "id title",
    "SELECT title, id FROM {view}": "title id",
    "SELECT l.id, x.title FROM {local} l LEFT JOIN {t} x USING (id)": "id Title",
    "VALUES (1, 2)": "column1 column2",
    "SELECT id FROM {t} FOR UPDATE": "Id",
}
CHANGES = {
    "INSERT INTO {t} (id, title) VALUES (7, 'x') RETURNING id, title, id + 1": "Id Title ?column?",
    "INSERT INTO {t} SELECT 8, 'y' RETURNING *": "Id Title kind note",
    "UPDATE {t} SET title = 'z' WHERE id = 1 RETURNING title, id AS number": "Title number",
    "UPDATE {t} x SET title = heading FROM {u} y WHERE x.id = y.id RETURNING x.id, y.id": (
        "Id Number"
    ),
    "DELETE FROM {t} WHERE id = 1 RETURNING *": "Id Title kind note",
    "WITH w AS (DELETE FROM {t} WHERE id = 1 RETURNING title, id) SELECT * FROM w": "Title Id",
}

# Statements that take names from a query, and the query that then asks for them by their own.
KEPT = {
    "CREATE TEMP TABLE made AS SELECT * FROM {t}": "SELECT id, title FROM made",
    "SELECT * INTO TEMP made FROM {t}": "SELECT id, title FROM made",
    "CREATE TEMP VIEW made AS SELECT * FROM {t}": "SELECT id, title FROM made",
    "CREATE MATERIALIZED VIEW made AS SELECT * FROM {t}": "SELECT id, title FROM made",
    "PREPARE p AS SELECT * FROM {t}; CREATE TEMP TABLE made AS EXECUTE p": (
        "SELECT id, title FROM made"
    ),
    "CREATE FUNCTION made() RETURNS TABLE (id int, title text) STABLE LANGUAGE sql"
    " AS 'SELECT id, title FROM {t}'": "SELECT id, title FROM made()",
    "CREATE FUNCTION made() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN"
    " SELECT * INTO r FROM {t} LIMIT 1; RETURN r.title || r.id; END $$": "SELECT made()",
    # This one is run while the query is planned, when no portal is active.
    "CREATE FUNCTION made() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN"
    " SELECT * INTO r FROM {t} LIMIT 1; RETURN r.title || r.id; END $$": "SELECT made()",
    "CREATE FUNCTION made() RETURNS SETOF {t} LANGUAGE plpgsql AS $$ BEGIN"
    " RETURN QUERY EXECUTE 'SELECT * FROM {t}'; END $$": "SELECT id, title FROM made()",
}
