-- Looking around

CREATE TYPE bitbucket.schema_entry AS (
    workspace text,
    repository text,
    schema name,
    tables bigint,
    status text
);
COMMENT ON TYPE bitbucket.schema_entry IS 'A workspace or a repository, and where its tables are';
COMMENT ON COLUMN bitbucket.schema_entry.workspace IS 'Workspace slug';
COMMENT ON COLUMN bitbucket.schema_entry.repository IS
    'Repository slug; NULL for the workspace itself';
COMMENT ON COLUMN bitbucket.schema_entry.schema IS 'The schema; NULL if it was not imported';
COMMENT ON COLUMN bitbucket.schema_entry.tables IS 'Number of tables there';
COMMENT ON COLUMN bitbucket.schema_entry.status IS
    'imported, available (for import), or gone: imported, but no longer there or visible';

CREATE FUNCTION bitbucket.schemas(server name, workspace text DEFAULT NULL)
RETURNS SETOF bitbucket.schema_entry LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    workspaces text[] := ARRAY[lower(workspace COLLATE "C")];
    listing bitbucket_private.repository[] := '{}';
    said bitbucket_private.error;
BEGIN
    PERFORM bitbucket_private.check_server(server);
    IF workspace IS NULL THEN
        workspaces := ARRAY(SELECT bitbucket_private.workspaces(server));
    END IF;
    IF workspaces <> '{}' THEN
        listing := ARRAY(SELECT r FROM bitbucket_private.repositories(server, workspaces) r);
    END IF;
    IF workspace IS NOT NULL AND listing <> '{}' THEN
        workspaces := ARRAY[(listing[1]).workspace];  -- be it given as a UUID
    END IF;
    RETURN QUERY
        WITH visible AS (
            SELECT w AS workspace, NULL AS repository FROM unnest(workspaces) w
            UNION ALL
            SELECT l.workspace, l.slug FROM unnest(listing) l
        ), imported AS (
            SELECT t.workspace, t.repository, t.schema, count(*) AS tables
            FROM bitbucket.imported_tables t
            WHERE t.server = schemas.server
              AND ($2 IS NULL OR t.workspace = lower(workspaces[1]))
            GROUP BY t.workspace, t.repository, t.schema
        )
        SELECT coalesce(v.workspace, i.workspace), coalesce(v.repository, i.repository), i.schema,
               coalesce(i.tables, 0),
               CASE WHEN v.workspace IS NULL THEN 'gone'
                    WHEN i.schema IS NULL THEN 'available' ELSE 'imported' END
        FROM visible v
        FULL JOIN imported i ON lower(v.workspace) = i.workspace
            AND coalesce(lower(v.repository), '') = coalesce(i.repository, '')
        ORDER BY 1, 2 NULLS FIRST, 3;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said.state = RETURNED_SQLSTATE, said.message = MESSAGE_TEXT,
        said.detail = PG_EXCEPTION_DETAIL, said.hint = PG_EXCEPTION_HINT;
    IF said.hint = '' THEN
        RAISE;
    ELSIF said.detail = '' THEN
        RAISE USING ERRCODE = said.state, MESSAGE = said.message, HINT = said.hint;
    END IF;
    RAISE USING ERRCODE = said.state, MESSAGE = said.message, DETAIL = said.detail,
        HINT = said.hint;
END
$$;
COMMENT ON FUNCTION bitbucket.schemas IS
    'The workspaces and repositories that the credential sees, and the schemas they have here';
