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

CREATE FUNCTION bitbucket_private.is_view_of(view regclass, imported regclass, options text[])
RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Whether this is how bitbucket.make_views makes a view of a table: with these options, without
-- conditions, and with all columns that the table has, or had then. Later ones come last; a view
-- without these was made there if it was described, too. Some versions of PostgreSQL show the
-- table's name before each column.
WITH shown AS (
    SELECT string_agg(format('%s%I', p.prefix, a.attname), ', ' ORDER BY a.attnum) AS columns,
           count(*) = (SELECT count(*) FROM pg_attribute
                       WHERE attrelid = imported AND attnum > 0 AND NOT attisdropped) AS complete
    FROM (VALUES (''), ((SELECT quote_ident(relname) FROM pg_class WHERE oid = imported) || '.'))
         p (prefix)
    CROSS JOIN (SELECT attname, attnum FROM pg_attribute
                WHERE attrelid = imported AND attnum > 0 AND NOT attisdropped
                ORDER BY attnum
                LIMIT (SELECT count(*) FROM pg_attribute WHERE attrelid = view AND attnum > 0)) a
    GROUP BY p.prefix
)
SELECT EXISTS (
    SELECT FROM pg_class c CROSS JOIN shown s
    WHERE c.oid = view AND c.relkind = 'v' AND coalesce(c.reloptions, '{}') = options
      AND regexp_replace(pg_get_viewdef(c.oid), '\s+', ' ', 'g') = regexp_replace(
              format(' SELECT %s FROM %s;', s.columns, imported), '\s+', ' ', 'g')
      AND (s.complete OR obj_description(view, 'pg_class') IS NOT NULL
           OR obj_description(imported, 'pg_class') IS NULL))
$$;

CREATE FUNCTION bitbucket.make_views(schema name, views name DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Programs that list tables and views, and no foreign tables, find the imported ones by these. A
-- view without conditions is no cost: PostgreSQL plans its table in its place.
DECLARE
    target CONSTANT text := coalesce(views::text, schema || '_views');
    -- Otherwise a view would ask Bitbucket with the credential of whoever made it.
    options CONSTANT text[] := CASE WHEN current_setting('server_version_num')::integer >= 150000
                                    THEN '{security_invoker=true}' ELSE '{}' END;
    imported record;
    described record;
    made bigint := 0;
    others text[] := '{}';
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
        -- What somebody has under this name is left alone.
        IF to_regclass(imported.view) IS NOT NULL AND NOT bitbucket_private.is_view_of(
               to_regclass(imported.view), imported.relation, options)
        THEN
            others := others || imported.view;
            CONTINUE;
        ELSIF to_regnamespace(quote_ident(target)) IS NULL THEN
            EXECUTE format('CREATE SCHEMA %I', target);
        END IF;
        EXECUTE format('CREATE OR REPLACE VIEW %s %s AS SELECT * FROM %I.%I',
                       imported.view, 'WITH (' || nullif(array_to_string(options, ', '), '') || ')',
                       schema, imported.name);
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
    IF others <> '{}' THEN
        RAISE WARNING USING
            MESSAGE = 'left alone what was not made by make_views: '
                      || array_to_string(others, ', '),
            HINT = 'Rename or drop these, or name another schema for the views.';
    ELSIF made = 0 THEN
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
