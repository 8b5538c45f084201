-- Signing in

CREATE FUNCTION bitbucket_private.call(server name, service text, argument jsonb)
RETURNS SETOF jsonb LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Runs a service of the Python package with the server's options and the current user's mapping. As
-- with listings, the foreign table for it is made for one statement. The argument is passed as a
-- condition, because an option of the table would be stored in the catalog.
BEGIN
    PERFORM bitbucket_private.check_server(server);
    PERFORM bitbucket_private.check_temporary(
        'run bitbucket.' || service,
        format('bitbucket.%s takes a temporary foreign table.', service));
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_service (argument text, result text) '
                   'SERVER %I OPTIONS (service %L)', server, service);
    RETURN QUERY EXECUTE
        'SELECT result::jsonb FROM pg_temp.bitbucket_service WHERE argument = $1'
        USING argument::text;
    DROP FOREIGN TABLE pg_temp.bitbucket_service;
END
$$;

CREATE FUNCTION bitbucket_private.unreadable_tables(server name, workspace text)
RETURNS TABLE (relation regclass, found text, what_to_do text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Imported tables that each query refuses, because of a column that Bitbucket's table does not have.
-- Makes no request.
BEGIN
    RETURN QUERY
        WITH known AS MATERIALIZED (SELECT c.table_name, c.name FROM bitbucket.columns c),
        shown AS (
            SELECT t.relation, t.table_name,
                   array_agg(quote_ident(c.name) ORDER BY c.number)
                       FILTER (WHERE k.name IS NULL) AS unknown,
                   array_agg(c.shown::text) AS shown
            FROM bitbucket.imported_tables t
            JOIN bitbucket_private.shown_columns c ON c.relation = t.relation
            LEFT JOIN known k ON k.table_name = t.table_name AND k.name = c.shown
            WHERE t.server = unreadable_tables.server
              AND t.workspace = coalesce(lower(unreadable_tables.workspace COLLATE "C"), t.workspace)
            GROUP BY t.relation, t.table_name
            HAVING bool_or(k.name IS NULL))
        SELECT s.relation,
               CASE WHEN k.all IS NULL THEN format('there is no Bitbucket table "%s"', s.table_name)
                    ELSE format('%s has no column %s', s.table_name,
                                array_to_string(s.unknown, ', ')) END,
               CASE WHEN k.all IS NULL THEN format('Drop it: DROP FOREIGN TABLE %s;', s.relation)
                    ELSE format(
                        'If it was renamed, tell what it shows: ALTER FOREIGN TABLE %s ALTER COLUMN '
                        '%s OPTIONS (ADD column_name %L); else drop it and import again: ALTER '
                        'FOREIGN TABLE %s DROP COLUMN %s;',
                        s.relation, s.unknown[1],
                        CASE WHEN cardinality(k.absent) = 1 THEN k.absent[1] ELSE '...' END,
                        s.relation, s.unknown[1]) END
        FROM shown s
        CROSS JOIN LATERAL (
            SELECT array_agg(k.name) AS all,
                   array_agg(k.name) FILTER (WHERE k.name <> ALL (s.shown)) AS absent
            FROM known k WHERE k.table_name = s.table_name) k
        ORDER BY s.relation::text COLLATE "C";
END
$$;

CREATE FUNCTION bitbucket.verify(server name, workspace text DEFAULT NULL)
RETURNS TABLE (check_name text, status text, found text, what_to_do text, scopes text,
               missing_scope text, rate_limit text, curl text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    RETURN QUERY
        SELECT c.* FROM bitbucket_private.call(server, 'verify', jsonb_build_object(
            'workspaces', to_jsonb(array_remove(ARRAY[verify.workspace], NULL)),
            'tables', coalesce((
                SELECT jsonb_agg(DISTINCT jsonb_build_object(
                    'table', t.table_name, 'workspace', t.workspace, 'repository', t.repository))
                FROM bitbucket.imported_tables t
                WHERE t.server = verify.server
                  AND t.workspace = coalesce(lower(verify.workspace COLLATE "C"), t.workspace)),
                '[]'))) result
        CROSS JOIN LATERAL jsonb_to_record(result) c (
            check_name text, status text, found text, what_to_do text, scopes text,
            missing_scope text, rate_limit text, curl text);
    RETURN QUERY
        SELECT 'table ' || u.relation, 'invalid_definition', u.found, u.what_to_do,
               NULL::text, NULL::text, NULL::text, NULL::text
        FROM bitbucket_private.unreadable_tables(verify.server, verify.workspace) u;
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
COMMENT ON FUNCTION bitbucket.verify IS
    'Check the connection, the credential, the workspaces and the imported tables';

CREATE FUNCTION bitbucket_private.mapping_for_login(
    server name, OUT whose text, OUT options text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The user mapping that a login of the current user changes. It is the one that applies to the
-- user, who has to be allowed to change it.
BEGIN
    PERFORM bitbucket_private.check_server(server);
    SELECT CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE 'CURRENT_USER' END, coalesce(m.umoptions, '{}')
    INTO whose, options
    FROM pg_user_mappings m
    WHERE m.srvname = server AND (m.umuser = 0 OR m.usename = current_user)
    ORDER BY m.umuser = 0
    LIMIT 1;
    IF whose = 'PUBLIC' AND NOT EXISTS (
        SELECT FROM pg_foreign_server s
        WHERE s.srvname = server AND pg_has_role(s.srvowner, 'USAGE'))
    THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('the user mapping in effect is the one for PUBLIC of server "%s"',
                             server),
            HINT = format('Make one of your own to log in by: CREATE USER MAPPING FOR CURRENT_USER '
                          'SERVER %I OPTIONS (auth ''oauth2_code'', client_id ''...'', '
                          'client_secret ''...'').', server);
    END IF;
END
$$;

CREATE FUNCTION bitbucket.oauth_authorization_url(
    server name, callback_url text, state text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    PERFORM bitbucket_private.mapping_for_login(server);
    RETURN (SELECT result ->> 'url'
            FROM bitbucket_private.call(server, 'oauth_authorization_url', jsonb_build_object(
                'callback_url', callback_url, 'state', state)) result);
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
COMMENT ON FUNCTION bitbucket.oauth_authorization_url IS
    'The page to send a person to who logs in; it leads back to callback_url with a code';

CREATE FUNCTION bitbucket.oauth_access_token(
    server name, code text, callback_url text, state text)
RETURNS TABLE (auth text, expires_in integer, scopes text, user_mapping text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The tokens are kept in the server's token store, which the session's user cannot read. The user
-- mapping gets the name by which the store knows them.
DECLARE
    mapping record;
    outcome jsonb;
    changes text;
    said bitbucket_private.error;
BEGIN
    mapping := bitbucket_private.mapping_for_login(server);
    IF code IS NULL OR callback_url IS NULL OR state IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'code, callback_url and state must not be NULL',
            HINT = 'They come from bitbucket.oauth_authorization_url and the way back from it. '
                   'For OAuth 1 the verifier is the code.';
    END IF;
    outcome := bitbucket_private.call(server, 'oauth_access_token', jsonb_build_object(
        'code', code, 'callback_url', callback_url, 'state', state));
    SELECT string_agg(change, ', ') INTO changes
    FROM (
        SELECT format('%s %I %L', CASE WHEN o.option_name IS NULL THEN 'ADD' ELSE 'SET' END,
                      w.name, w.value) AS change
        FROM (VALUES ('auth', outcome ->> 'auth'), ('login', outcome ->> 'login')) w (name, value)
        LEFT JOIN pg_options_to_table(mapping.options) o ON o.option_name = w.name
        UNION ALL
        SELECT format('DROP %I', o.option_name)
        FROM pg_options_to_table(mapping.options) o
        WHERE o.option_name IN ('refresh_token', 'token', 'token_secret')
    ) c;
    EXECUTE format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (%s)',
                   mapping.whose, server, changes);
    RETURN QUERY SELECT outcome ->> 'auth', (outcome ->> 'expires_in')::numeric::integer,
        outcome ->> 'scopes', CASE mapping.whose WHEN 'PUBLIC' THEN 'public'
                                                 ELSE current_user::text END;
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
COMMENT ON FUNCTION bitbucket.oauth_access_token IS
    'Exchange the code of a login for tokens, which the server keeps, and set the user mapping';

CREATE FUNCTION bitbucket.oauth_refresh(server name)
RETURNS TABLE (auth text, expires_in integer, scopes text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said bitbucket_private.error;
BEGIN
    RETURN QUERY
        SELECT result ->> 'auth', (result ->> 'expires_in')::numeric::integer, result ->> 'scopes'
        FROM bitbucket_private.call(server, 'oauth_refresh', '{}') result;
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
COMMENT ON FUNCTION bitbucket.oauth_refresh IS
    'Get a new OAuth 2 access token now; they are renewed by themselves when they run out';
