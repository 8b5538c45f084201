-- The views by which users of CData's driver look around

-- They have the names and the columns of that driver's system tables. Names of tables and columns
-- are shown with that driver's capitals. They read PostgreSQL's catalog and the declarations, and
-- make no request. Each schema that was imported with names 'cdata' gets views of its own: a
-- connection of that driver sees the tables of its schema, too. These views filter the following by
-- their schema. It stands in them as an oid that follows when the schema is renamed.

CREATE VIEW bitbucket_private.sys_catalogs AS
SELECT current_database()::text AS catalogname;

CREATE VIEW bitbucket_private.sys_schemas AS
SELECT DISTINCT current_database()::text AS catalogname, t.schema::text AS schemaname
FROM bitbucket_private.shown_tables t
JOIN pg_catalog.pg_class c ON c.relnamespace = t.namespace
WHERE c.relname = 'sys_schemas' AND c.relkind = 'v';

-- The declarations are read once, whatever the plan: a host may hand over all of them at each scan.
CREATE VIEW bitbucket_private.labelled_tables AS
WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables)
SELECT t.namespace, t.relation, current_database()::text AS catalogname,
       t.schema::text AS schemaname,
       CASE WHEN t.name = k.flat_name THEN k.label ELSE t.name END AS tablename,
       t.name, t.table_name, k.primary_key, k.writes, t AS shown
FROM bitbucket_private.shown_tables t
JOIN known k ON k.name = t.table_name;

CREATE VIEW bitbucket_private.labelled_columns AS
WITH known AS MATERIALIZED (SELECT * FROM bitbucket.columns)
SELECT t.namespace, t.relation, t.catalogname, t.schemaname, t.tablename,
       CASE WHEN s.name = k.flat_name THEN k.label ELSE s.name END AS columnname,
       s.number, s.shown, k.type, k.nullable, k.writes, k.referenced_table, k.referenced_column,
       t.name, t.table_name, (t.shown).server, (t.shown).workspace,
       (t.shown).repository IS NULL AND (t.shown).project IS NULL AS spans,
       bitbucket_private.is_bound(s.shown, t.shown) AS bound,
       array_position(t.primary_key, s.shown) AS key_part
FROM bitbucket_private.labelled_tables t
JOIN bitbucket_private.shown_columns s ON s.relation = t.relation
JOIN known k ON k.table_name = t.table_name AND k.name = s.shown;

CREATE VIEW bitbucket_private.sys_tables AS
SELECT t.namespace, t.catalogname, t.schemaname, t.tablename, 'TABLE' AS tabletype,
       obj_description(t.relation, 'pg_class') AS description, t.writes <> '{}' AS isupdateable
FROM bitbucket_private.labelled_tables t;

-- Numbers of types are those of ODBC. What has no counterpart there comes as text.
CREATE VIEW bitbucket_private.sys_tablecolumns AS
SELECT c.namespace, c.catalogname, c.schemaname, c.tablename, c.columnname,
       coalesce(d.name, 'VARCHAR') AS datatypename, coalesce(d.number, 12) AS datatype,
       d.length, d.length AS numericprecision, d.scale AS numericscale, c.nullable AS isnullable,
       col_description(c.relation, c.number) AS description,
       row_number() OVER (PARTITION BY c.relation ORDER BY c.number)::integer AS ordinal,
       false AS isautoincrement, false AS isgeneratedcolumn, false AS ishidden,
       c.type LIKE '%[]' AS isarray, c.writes = '{}' AS isreadonly,
       c.key_part IS NOT NULL AND NOT c.bound AS iskey
FROM bitbucket_private.labelled_columns c
LEFT JOIN (VALUES ('bigint', 'BIGINT', -5, 19, 0), ('integer', 'INTEGER', 4, 10, 0),
                  ('boolean', 'BIT', -7, 1, NULL), ('timestamptz', 'TIMESTAMP', 93, 26, 6),
                  ('date', 'DATE', 91, 10, NULL), ('double precision', 'DOUBLE', 8, 15, NULL),
                  ('numeric', 'DECIMAL', 3, NULL, NULL))
          d (type, name, number, length, scale) ON d.type = c.type;

CREATE VIEW bitbucket_private.sys_columns AS SELECT * FROM bitbucket_private.sys_tablecolumns;

CREATE VIEW bitbucket_private.sys_procedures AS
SELECT current_database()::text AS catalogname, 'bitbucket' AS schemaname,
       p.proname::text AS procedurename, obj_description(p.oid, 'pg_proc') AS description,
       CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS proceduretype
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'bitbucket'::regnamespace;

-- The parts of a key that the table's options fix are the same in each row, and left out.
CREATE VIEW bitbucket_private.sys_primarykeys AS
SELECT c.namespace, c.catalogname, c.schemaname, c.tablename, c.columnname,
       row_number() OVER (PARTITION BY c.relation ORDER BY c.key_part)::integer AS keyseq,
       c.name || '_pkey' AS keyname
FROM bitbucket_private.labelled_columns c
WHERE c.key_part IS NOT NULL AND NOT c.bound;

-- The table above is looked for in the same schema, and then in that of the workspace.
CREATE VIEW bitbucket_private.sys_foreignkeys AS
WITH known AS MATERIALIZED (SELECT * FROM bitbucket_private.labelled_columns)
SELECT DISTINCT ON (c.namespace, c.relation, c.number)
       c.namespace, c.catalogname, c.schemaname, c.tablename, c.columnname,
       a.name || '_pkey' AS primarykeyname, c.name || '_' || c.shown || '_fkey' AS foreignkeyname,
       a.catalogname AS referencedcatalogname, a.schemaname AS referencedschemaname,
       a.tablename AS referencedtablename, a.columnname AS referencedcolumnname,
       'IMPORT' AS foreignkeytype
FROM known c
JOIN known a ON a.table_name = c.referenced_table AND a.shown = c.referenced_column
    AND a.server = c.server
WHERE NOT c.bound AND (a.namespace = c.namespace OR a.spans AND a.workspace = c.workspace
    AND a.schemaname IN (SELECT s.schemaname FROM bitbucket_private.sys_schemas s))
ORDER BY c.namespace, c.relation, c.number, a.namespace <> c.namespace, a.relation;

CREATE VIEW bitbucket_private.sys_keycolumns AS
SELECT namespace, catalogname, schemaname, tablename, columnname, true AS iskey,
       false AS isforeignkey, keyname AS primarykeyname, NULL::text AS foreignkeyname,
       NULL::text AS referencedcatalogname, NULL::text AS referencedschemaname,
       NULL::text AS referencedtablename, NULL::text AS referencedcolumnname
FROM bitbucket_private.sys_primarykeys
UNION ALL
SELECT namespace, catalogname, schemaname, tablename, columnname, false, true, primarykeyname,
       foreignkeyname, referencedcatalogname, referencedschemaname, referencedtablename,
       referencedcolumnname
FROM bitbucket_private.sys_foreignkeys;

GRANT SELECT ON bitbucket_private.sys_catalogs, bitbucket_private.sys_schemas,
    bitbucket_private.labelled_tables, bitbucket_private.labelled_columns,
    bitbucket_private.sys_tables, bitbucket_private.sys_tablecolumns,
    bitbucket_private.sys_columns, bitbucket_private.sys_procedures,
    bitbucket_private.sys_primarykeys, bitbucket_private.sys_foreignkeys,
    bitbucket_private.sys_keycolumns TO PUBLIC;

CREATE FUNCTION bitbucket_private.system_views(names text) RETURNS integer
LANGUAGE sql STABLE
-- How many views a schema gets that is imported under such names.
RETURN CASE names WHEN 'cdata' THEN (
    SELECT count(*)::integer FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'bitbucket_private'::regnamespace AND c.relname ~ '^sys_')
    ELSE 0 END;

CREATE FUNCTION bitbucket.show_system_views(schema name) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    view record;
    present regclass;
    number bigint := 0;
BEGIN
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        RAISE invalid_schema_name USING
            MESSAGE = format('schema "%s" does not exist', schema),
            HINT = 'bitbucket.imported_tables lists the schemas that have tables.';
    END IF;
    FOR view IN
        SELECT c.oid AS system_table, c.relname AS name,
               string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                   FILTER (WHERE a.attname <> 'namespace') AS columns,
               bool_or(a.attname = 'namespace') AS of_schema
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'bitbucket_private'::regnamespace AND c.relname ~ '^sys_'
        GROUP BY c.oid, c.relname ORDER BY c.relname
    LOOP
        -- What somebody has under this name is left alone.
        present := to_regclass(format('%I.%I', schema, view.name));
        IF present IS NOT NULL THEN
            IF NOT EXISTS (SELECT FROM pg_rewrite r
                           JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                           WHERE r.ev_class = present AND d.refobjid = view.system_table) THEN
                RAISE NOTICE '%', format('%I.%I is there already: it stays, and the system table '
                                         'of that name is not shown', schema, view.name);
            END IF;
            CONTINUE;
        END IF;
        EXECUTE format('CREATE VIEW %I.%I AS SELECT %s FROM bitbucket_private.%I%s',
                       schema, view.name, view.columns, view.name,
                       CASE WHEN view.of_schema
                            THEN format(' WHERE namespace = %L::regnamespace', quote_ident(schema))
                            ELSE '' END);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, view.name,
                       'As the system table of CData''s driver; makes no request');
        number := number + 1;
    END LOOP;
    RETURN number;
END
$$;
COMMENT ON FUNCTION bitbucket.show_system_views IS
    'Give a schema the system tables of CData''s driver, as views; the number of views made';
