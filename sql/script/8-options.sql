-- Options

CREATE FOREIGN TABLE bitbucket_private.option_checks (
    level text,
    options text,
    message text,
    hint text
) SERVER bitbucket_catalog OPTIONS (table 'option_checks');
COMMENT ON FOREIGN TABLE bitbucket_private.option_checks IS
    'What is wrong with the options, a JSON object, of a server, user_mapping, table or column';

CREATE VIEW bitbucket_private.servers AS
SELECT s.oid, s.srvoptions AS options
FROM pg_catalog.pg_foreign_server s
WHERE EXISTS (SELECT FROM unnest(s.srvoptions) o
              WHERE o LIKE 'wrapper=bitbucket\_fdw.%' AND o NOT LIKE '%.CatalogFdw');
COMMENT ON VIEW bitbucket_private.servers IS
    'Servers whose wrapper is of this package and signs in, under whichever of its names';

CREATE FUNCTION bitbucket_private.as_json(options text[], "values" boolean) RETURNS text
LANGUAGE sql STABLE
-- Options as a JSON object, with or without their values. Values of a user mapping may be secret
-- and could get into a log from here, so they are left out, except for the way to sign in and
-- references to secrets, which are not secret themselves.
RETURN (
    SELECT coalesce(jsonb_object_agg(option_name, CASE
        WHEN "values" OR option_name = 'auth' OR option_value ~ '^(file|env):'
        THEN option_value END), '{}')::text
    FROM pg_options_to_table(options));

CREATE FUNCTION bitbucket_private.given_options(catalog oid, object oid)
RETURNS TABLE (level text, options text, about text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- The options of an object, if it belongs to a server of this package.
BEGIN ATOMIC
    SELECT 'server', bitbucket_private.as_json(s.options, true),
           pg_describe_object(catalog, object, 0)
    FROM bitbucket_private.servers s
    WHERE catalog = 'pg_foreign_server'::regclass AND s.oid = object
    UNION ALL
    SELECT 'user_mapping', bitbucket_private.as_json(m.umoptions, false),
           pg_describe_object(catalog, object, 0)
    FROM pg_user_mapping m JOIN bitbucket_private.servers s ON s.oid = m.umserver
    WHERE catalog = 'pg_user_mapping'::regclass AND m.oid = object
    UNION ALL
    SELECT 'table', bitbucket_private.as_json(t.ftoptions, true),
           pg_describe_object(catalog, object, 0)
    FROM pg_foreign_table t JOIN bitbucket_private.servers s ON s.oid = t.ftserver
    WHERE catalog = 'pg_class'::regclass AND t.ftrelid = object
    UNION ALL
    SELECT 'column', bitbucket_private.as_json(a.attfdwoptions, true),
           pg_describe_object(catalog, object, a.attnum)
    FROM pg_attribute a
    JOIN pg_foreign_table t ON t.ftrelid = a.attrelid
    JOIN bitbucket_private.servers s ON s.oid = t.ftserver
    WHERE catalog = 'pg_class'::regclass AND a.attrelid = object AND a.attfdwoptions IS NOT NULL;
END;

CREATE FUNCTION bitbucket_private.dependent_options(server oid)
RETURNS TABLE (level text, options text, about text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- The options that the tables, columns and user mappings of a server have, if it is one of this
-- package, each with one of the objects as an example. Values are left out, so that the options of
-- many tables make few rows.
BEGIN ATOMIC
    SELECT d.level, d.options, min(d.about)
    FROM (
        SELECT 'user_mapping' AS level, bitbucket_private.as_json(m.umoptions, false) AS options,
               pg_describe_object('pg_user_mapping'::regclass, m.oid, 0) AS about
        FROM pg_user_mapping m
        WHERE m.umserver = server
        UNION ALL
        SELECT 'table', bitbucket_private.as_json(t.ftoptions, false),
               pg_describe_object('pg_class'::regclass, t.ftrelid, 0)
        FROM pg_foreign_table t
        WHERE t.ftserver = server
        UNION ALL
        SELECT 'column', bitbucket_private.as_json(a.attfdwoptions, false),
               pg_describe_object('pg_class'::regclass, a.attrelid, a.attnum)
        FROM pg_foreign_table t JOIN pg_attribute a ON a.attrelid = t.ftrelid
        WHERE t.ftserver = server AND a.attfdwoptions IS NOT NULL
    ) d
    WHERE server IN (SELECT s.oid FROM bitbucket_private.servers s)
    GROUP BY d.level, d.options;
END;

CREATE FUNCTION bitbucket_private.check_given(level text, options text, about text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error for options that are misspelt or belong to another kind of object.
DECLARE
    fault record;
BEGIN
    FOR fault IN
        SELECT message, hint FROM bitbucket_private.option_checks c
        WHERE c.level = check_given.level AND c.options = check_given.options
    LOOP
        RAISE EXCEPTION USING
            ERRCODE = 'fdw_invalid_option_name',
            MESSAGE = fault.message,
            DETAIL = format('It stands on %s.', about),
            HINT = coalesce(fault.hint, 'The page docs/options.md lists them.');
    END LOOP;
END
$$;

CREATE FUNCTION bitbucket_private.check_options() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
-- A host hands the options of table, server and user mapping to the wrapper as one set, and
-- Multicorn2 lets nobody check them before. Whoever may make a table or a user mapping could then
-- give it another base_url, to which the credential of others is sent. So this trigger runs with
-- the rights of the extension's owner, who sees all options. It also looks at the tables and user
-- mappings of a server that changes, because they may be older than its option "wrapper".
-- It does itself what check_given does: errors show a line of context for each function.
DECLARE
    given record;
    fault record;
BEGIN
    FOR given IN
        SELECT o.level, o.options, min(o.about) AS about
        FROM pg_event_trigger_ddl_commands() c
        CROSS JOIN LATERAL (
            SELECT * FROM bitbucket_private.given_options(c.classid, c.objid)
            UNION ALL
            SELECT * FROM bitbucket_private.dependent_options(c.objid)
            WHERE c.classid = 'pg_foreign_server'::regclass
        ) o
        GROUP BY o.level, o.options
    LOOP
        FOR fault IN
            SELECT c.message, c.hint FROM bitbucket_private.option_checks c
            WHERE c.level = given.level AND c.options = given.options
        LOOP
            RAISE EXCEPTION USING
                ERRCODE = 'fdw_invalid_option_name',
                MESSAGE = fault.message,
                DETAIL = format('It stands on %s.', given.about),
                HINT = coalesce(fault.hint, 'The page docs/options.md lists them.');
        END LOOP;
    END LOOP;
END
$$;

-- The event trigger does not see what was there before it.
DO $$ BEGIN
    PERFORM bitbucket_private.check_given(o.level, o.options, o.about)
    FROM bitbucket_private.servers s
    CROSS JOIN LATERAL (
        SELECT * FROM bitbucket_private.given_options('pg_foreign_server'::regclass, s.oid)
        UNION ALL
        SELECT * FROM bitbucket_private.dependent_options(s.oid)
    ) o;
END $$;

CREATE EVENT TRIGGER bitbucket_fdw_options ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING', 'ALTER USER MAPPING',
                 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'ALTER TABLE',
                 'IMPORT FOREIGN SCHEMA')
    EXECUTE FUNCTION bitbucket_private.check_options();
COMMENT ON EVENT TRIGGER bitbucket_fdw_options IS
    'Refuses options of bitbucket_fdw that are misspelt or misplaced';
