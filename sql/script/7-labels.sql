-- Labels of result columns, which the bundled host has

CREATE FUNCTION bitbucket.label_columns(labels boolean DEFAULT true) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The host's library has to be there before a statement is analyzed. PostgreSQL loads it when it
-- plans the first query on a foreign table, which is too late for that query, or when the handler
-- is called.
DECLARE
    handler CONSTANT regproc := fdwhandler FROM pg_foreign_data_wrapper WHERE fdwname = 'multicorn';
BEGIN
    EXECUTE format('SELECT %s() IS NULL', handler);
    PERFORM set_config('multicorn.column_labels', labels::text, false);
    -- It lists the settings that a library knows, and not one that only has a value.
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'multicorn.column_labels') THEN
        RETURN labels;
    ELSIF labels THEN
        RAISE WARNING USING
            MESSAGE = 'result columns have no labels on Multicorn2',
            HINT = 'They are called by the names of the tables'' columns: write AS "Title" for another name.';
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION bitbucket.label_columns IS
    'Call result columns in this session by the labels of the tables'' columns; whether they are';
