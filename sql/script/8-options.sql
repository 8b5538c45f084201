-- Options

CREATE FOREIGN TABLE bitbucket._option_checks (
    level text,
    options text,
    message text,
    hint text
) SERVER bitbucket_catalog OPTIONS (table 'option_checks');
COMMENT ON FOREIGN TABLE bitbucket._option_checks IS
    'What is wrong with the options, a JSON object, of a server, user_mapping, table or column';

CREATE FUNCTION bitbucket._given_options(catalog oid, object oid)
RETURNS TABLE (level text, options text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- The options of an object, if it is one of a server of this package. Of a user mapping's values
-- only the way to sign in and references are here: the others may be secret, and could get into a
-- log from here. They are NULL.
BEGIN ATOMIC
    WITH servers AS (
        SELECT oid, srvoptions FROM pg_foreign_server
        WHERE srvoptions @> ARRAY['wrapper=bitbucket_fdw.wrapper.BitbucketFdw']
    ), given (level, options) AS (
        SELECT 'server', srvoptions FROM servers
        WHERE catalog = 'pg_foreign_server'::regclass AND oid = object
        UNION ALL
        SELECT 'user_mapping', umoptions
        FROM pg_user_mapping JOIN servers ON servers.oid = umserver
        WHERE catalog = 'pg_user_mapping'::regclass AND pg_user_mapping.oid = object
        UNION ALL
        SELECT 'table', ftoptions
        FROM pg_foreign_table JOIN servers ON servers.oid = ftserver
        WHERE catalog = 'pg_class'::regclass AND ftrelid = object
        UNION ALL
        SELECT 'column', attfdwoptions
        FROM pg_attribute
        JOIN pg_foreign_table ON ftrelid = attrelid
        JOIN servers ON servers.oid = ftserver
        WHERE catalog = 'pg_class'::regclass AND attrelid = object AND attfdwoptions IS NOT NULL
    )
    SELECT g.level, (
        SELECT coalesce(jsonb_object_agg(option_name, CASE
            WHEN g.level <> 'user_mapping' OR option_name = 'auth'
                OR option_value ~ '^(file|env):' THEN option_value END), '{}')::text
        FROM pg_options_to_table(g.options))
    FROM given g;
END;

CREATE FUNCTION bitbucket._check_options() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
-- Refuses options that are misspelt or stand in the wrong place. A host hands those of table, server
-- and user mapping to the wrapper as one; Multicorn2 does not have them checked before. Whoever may
-- make a table or a user mapping could then name another base_url, and get the credential of others
-- sent there. So this runs with the rights of the extension's owner, who sees all options.
DECLARE
    given record;
    fault record;
BEGIN
    FOR given IN
        SELECT DISTINCT o.level, o.options
        FROM pg_event_trigger_ddl_commands() c
        CROSS JOIN LATERAL bitbucket._given_options(c.classid, c.objid) o
    LOOP
        FOR fault IN
            SELECT message, hint FROM bitbucket._option_checks
            WHERE level = given.level AND options = given.options
        LOOP
            RAISE EXCEPTION USING
                ERRCODE = 'fdw_invalid_option_name',
                MESSAGE = fault.message,
                HINT = coalesce(fault.hint, 'The page docs/options.md lists them.');
        END LOOP;
    END LOOP;
END
$$;

CREATE EVENT TRIGGER bitbucket_fdw_options ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'ALTER TABLE',
                 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION bitbucket._check_options();
COMMENT ON EVENT TRIGGER bitbucket_fdw_options IS
    'Refuses options of bitbucket_fdw that are misspelt or misplaced';
