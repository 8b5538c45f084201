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
    SELECT (SELECT string_agg(DISTINCT format('%I text', n), ', ')
            FROM bitbucket.keys(schema) k CROSS JOIN unnest(k.key) n),
           (SELECT array_agg(format(
                'CREATE UNIQUE INDEX %I ON %s (%s)', k.name || '_pkey', helper,
                (SELECT string_agg(quote_ident(n), ', ' ORDER BY i)
                 FROM unnest(k.key) WITH ORDINALITY u (n, i))))
            FROM bitbucket.keys(schema) k)
    INTO parts, statements;
    IF parts IS NULL THEN
        RAISE WARNING USING
            MESSAGE = format('schema "%s" has no imported tables with a key', schema),
            HINT = 'bitbucket.imported_tables lists the schemas that have tables.';
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
