-- What has been imported

-- This view reads the options of the foreign tables themselves. A separate record could become
-- wrong, be lost in a dump, or get in the way of ALTER, DROP and RENAME.

CREATE VIEW bitbucket_private.shown_tables AS
SELECT s.srvname AS server,
       lower(o.workspace COLLATE "C") AS workspace,
       lower(o.repository COLLATE "C") AS repository,
       o.project,
       n.oid AS namespace,
       n.nspname AS schema,
       c.relname AS name,
       o."table" AS table_name,
       CASE WHEN o."table" LIKE '%\_%' THEN
            CASE c.relname WHEN o."table" THEN 'snake'
                           WHEN replace(o."table", '_', '') THEN
                CASE WHEN EXISTS (
                         SELECT FROM pg_catalog.pg_attribute a
                         CROSS JOIN LATERAL pg_options_to_table(a.attfdwoptions) l
                         WHERE a.attrelid = c.oid AND l.option_name = 'label')
                     THEN 'cdata' ELSE 'flat' END END
       END AS names,
       t.ftrelid::regclass AS relation
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
CROSS JOIN LATERAL (
    SELECT max(option_value) FILTER (WHERE option_name = 'workspace') AS workspace,
           max(option_value) FILTER (WHERE option_name = 'repository') AS repository,
           max(option_value) FILTER (WHERE option_name = 'project') AS project,
           max(option_value) FILTER (WHERE option_name = 'table') AS "table"
    FROM pg_options_to_table(t.ftoptions)
) o
WHERE 'wrapper=bitbucket_fdw.wrapper.BitbucketFdw' = ANY (s.srvoptions)
  AND o."table" IS NOT NULL
  AND c.relpersistence <> 't';
COMMENT ON VIEW bitbucket_private.shown_tables IS
    'Foreign tables of this database that show something of Bitbucket';
GRANT SELECT ON bitbucket_private.shown_tables TO PUBLIC;

CREATE VIEW bitbucket.imported_tables AS
SELECT server, workspace, repository, schema, name, table_name, names, relation, project
FROM bitbucket_private.shown_tables
WHERE workspace IS NOT NULL;

COMMENT ON VIEW bitbucket.imported_tables IS
    'Foreign tables of this database that show a workspace or a repository';
COMMENT ON COLUMN bitbucket.imported_tables.server IS 'Foreign server';
COMMENT ON COLUMN bitbucket.imported_tables.workspace IS
    'Workspace slug, in lower case';
COMMENT ON COLUMN bitbucket.imported_tables.repository IS
    'Repository slug, in lower case; NULL where the table spans the workspace';
COMMENT ON COLUMN bitbucket.imported_tables.schema IS 'Schema the table is in';
COMMENT ON COLUMN bitbucket.imported_tables.name IS 'Name of the table';
COMMENT ON COLUMN bitbucket.imported_tables.table_name IS 'What it shows: see bitbucket.tables';
COMMENT ON COLUMN bitbucket.imported_tables.names IS
    'snake, flat or cdata; NULL where the name does not tell';
COMMENT ON COLUMN bitbucket.imported_tables.relation IS 'The table itself';
COMMENT ON COLUMN bitbucket.imported_tables.project IS
    'Key of the one project it is bound to, if it is bound to one';
GRANT SELECT ON bitbucket.imported_tables TO PUBLIC;

CREATE FUNCTION bitbucket_private.is_bound("column" text, shown bitbucket_private.shown_tables)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Whether the options of a table name the value of a column already.
RETURN CASE "column" WHEN 'workspace' THEN shown.workspace IS NOT NULL
                     WHEN 'repository' THEN shown.repository IS NOT NULL
                     WHEN 'project_key' THEN shown.project IS NOT NULL
                     ELSE false END;

CREATE VIEW bitbucket_private.shown_columns AS
SELECT t.relation, a.attnum AS number, a.attname AS name,
       coalesce((SELECT o.option_value FROM pg_options_to_table(a.attfdwoptions) o
                 WHERE o.option_name = 'column_name'), a.attname) AS shown
FROM bitbucket_private.shown_tables t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relation
WHERE a.attnum > 0 AND NOT a.attisdropped;
COMMENT ON VIEW bitbucket_private.shown_columns IS
    'Columns of imported tables, and which of bitbucket.columns each of them shows';
GRANT SELECT ON bitbucket_private.shown_columns TO PUBLIC;
