-- Keys of imported tables, and views that look like tables

CREATE FUNCTION bitbucket.keys(schema name)
RETURNS TABLE (name name, key text[]) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Tables without a row here lack a column of their key, or have one row at most.
BEGIN
    RETURN QUERY
    WITH known AS MATERIALIZED (SELECT t.name, t.primary_key FROM bitbucket.tables t),
    part AS (
        SELECT t.name AS relname, cardinality(k.primary_key) AS number, p.i, s.name,
               bitbucket_private.is_bound(p.part, t) AS bound
        FROM bitbucket_private.shown_tables t
        JOIN known k ON k.name = t.table_name
        CROSS JOIN unnest(k.primary_key) WITH ORDINALITY p (part, i)
        JOIN bitbucket_private.shown_columns s ON s.relation = t.relation AND s.shown = p.part
        WHERE t.schema = keys.schema
    ), found AS (
        SELECT p.relname, array_agg(p.name::text ORDER BY p.i) FILTER (WHERE NOT p.bound) AS names
        FROM part p GROUP BY p.relname HAVING count(*) = min(p.number)
    )
    SELECT f.relname, f.names FROM found f WHERE f.names IS NOT NULL ORDER BY f.relname;
END
$$;
COMMENT ON FUNCTION bitbucket.keys IS
    'The columns that identify a row of each imported table of a schema, within that schema';

CREATE FUNCTION bitbucket.make_views(schema name, views name DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Programs that list tables and views, and no foreign tables, find the imported ones by these. A
-- view without conditions is no cost: PostgreSQL plans its table in its place.
DECLARE
    target CONSTANT text := coalesce(views::text, schema || '_views');
    -- Otherwise a view would ask Bitbucket with the credential of whoever made it.
    options CONSTANT text := CASE WHEN current_setting('server_version_num')::integer >= 150000
                                  THEN 'WITH (security_invoker = true)' ELSE '' END;
    imported record;
    described record;
    made bigint := 0;
BEGIN
    PERFORM bitbucket_private.require('schema', schema);
    IF octet_length(target) > 63 THEN
        RAISE name_too_long USING
            MESSAGE = format('the schema name "%s" is too long', target),
            HINT = format('Give the views'' schema a name: bitbucket.make_views(%L, ''...'').',
                          schema);
    ELSIF target = schema THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the views cannot be in the schema of their tables',
            HINT = 'Their names are the same. Name another schema.';
    END IF;
    FOR imported IN
        SELECT t.name, t.relation, format('%I.%I', target, t.name) AS view
        FROM bitbucket_private.shown_tables t WHERE t.schema = make_views.schema ORDER BY t.name
    LOOP
        IF made = 0 THEN
            EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', target);
        END IF;
        EXECUTE format('CREATE OR REPLACE VIEW %s %s AS SELECT * FROM %I.%I',
                       imported.view, options, schema, imported.name);
        FOR described IN
            SELECT CASE WHEN d.objsubid = 0 THEN 'VIEW ' || imported.view
                        ELSE format('COLUMN %s.%I', imported.view, a.attname) END AS object,
                   d.description
            FROM pg_description d
            LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
            WHERE d.classoid = 'pg_class'::regclass AND d.objoid = imported.relation
              AND (d.objsubid = 0 OR NOT a.attisdropped)
        LOOP
            EXECUTE format('COMMENT ON %s IS %L', described.object, described.description);
        END LOOP;
        made := made + 1;
    END LOOP;
    IF made = 0 THEN
        RAISE WARNING USING
            MESSAGE = format('schema "%s" has no imported tables', schema),
            HINT = 'bitbucket.imported_tables lists the schemas that have.';
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION bitbucket.make_views IS
    'Make a view of each imported table of a schema, for programs that do not list foreign tables; '
    'the number of views';
