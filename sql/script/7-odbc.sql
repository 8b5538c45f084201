-- Keys, as psqlODBC finds them

CREATE FUNCTION bitbucket.show_odbc_keys(schema name) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- psqlODBC takes for the primary key of a table t what an index named t_pkey in the same schema
-- contains, whatever table this index is on. Foreign tables have no indexes, so that those of one
-- empty table stand in for all of them.
DECLARE
    name CONSTANT text := 'bitbucket_keys';
    helper CONSTANT text := format('%I.%I', schema, name);
    label CONSTANT text := 'Empty. Its indexes tell psqlODBC the keys of the foreign tables here';
    parts text;
    statements text[];
    statement text;
BEGIN
    IF obj_description(to_regclass(helper), 'pg_class') = label THEN
        EXECUTE 'DROP TABLE ' || helper;
    END IF;
    WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables),
    part AS (
        SELECT t.name AS relname, cardinality(k.primary_key) AS number, p.i, s.name,
               -- The options of the table name these parts already.
               p.part = 'workspace' OR p.part = 'repository' AND t.repository IS NOT NULL AS bound
        FROM bitbucket.imported_tables t
        JOIN known k ON k.name = t.table_name
        CROSS JOIN unnest(k.primary_key) WITH ORDINALITY p (part, i)
        JOIN bitbucket_private.shown_columns s ON s.relation = t.relation AND s.shown = p.part
        WHERE t.schema = show_odbc_keys.schema
    ), key AS (
        SELECT p.relname, array_agg(p.name ORDER BY p.i) FILTER (WHERE NOT p.bound) AS names
        FROM part p GROUP BY p.relname HAVING count(*) = min(p.number)
    )
    SELECT (SELECT string_agg(DISTINCT format('%I text', n), ', ')
            FROM key k CROSS JOIN unnest(k.names) n),
           (SELECT array_agg(format(
                'CREATE UNIQUE INDEX %I ON %s (%s)', k.relname || '_pkey', helper,
                (SELECT string_agg(quote_ident(n), ', ' ORDER BY i)
                 FROM unnest(k.names) WITH ORDINALITY u (n, i))))
            FROM key k WHERE k.names IS NOT NULL)
    INTO parts, statements;
    IF parts IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE %s (%s, CHECK (false))', helper, parts);
    EXECUTE format('COMMENT ON TABLE %s IS %L', helper, label);
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
    END LOOP;
    RETURN cardinality(statements);
END
$$;
COMMENT ON FUNCTION bitbucket.show_odbc_keys IS
    'Let psqlODBC find the keys of the foreign tables of a schema; the number of keys shown';
