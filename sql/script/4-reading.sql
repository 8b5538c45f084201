-- Reading the API

-- What an error says. The functions for users hand errors on as their own, so that there is one line
-- of context, and not one for each function within. An error without a hint is none that users are
-- expected to meet: it keeps its context.
CREATE TYPE bitbucket_private.error AS (state text, message text, detail text, hint text);

CREATE FUNCTION bitbucket_private.require(parameter text, given anyelement) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF given IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = format('parameter "%s" must not be null', parameter),
            HINT = 'bitbucket.schemas(server) lists the workspaces and repositories that can be named.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.check_server(server name) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error that says what to do, unless the current user can read through this server.
DECLARE
    wrapper CONSTANT text := 'bitbucket_fdw.wrapper.BitbucketFdw';
    options text[];
BEGIN
    PERFORM bitbucket_private.require('server', server);
    SELECT coalesce(s.srvoptions, '{}') INTO options
    FROM pg_foreign_server s WHERE s.srvname = check_server.server;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('server "%s" does not exist', server),
            HINT = format('Create it: CREATE SERVER %I FOREIGN DATA WRAPPER multicorn '
                          'OPTIONS (wrapper %L).', server, wrapper);
    ELSIF 'wrapper=' || wrapper <> ALL (options) THEN
        RAISE wrong_object_type USING
            MESSAGE = format('server "%s" is not one of Bitbucket', server),
            HINT = format('Its foreign data wrapper has to be multicorn, its option "wrapper" %L.',
                          wrapper);
    ELSIF NOT has_server_privilege(server, 'USAGE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied for foreign server %s', server),
            HINT = format('Its owner can GRANT USAGE ON FOREIGN SERVER %I TO %I.', server,
                          current_user);
    ELSIF NOT EXISTS (
        SELECT FROM pg_user_mappings m
        WHERE m.srvname = check_server.server AND m.usename IN ('public', current_user))
    THEN
        RAISE undefined_object USING
            MESSAGE = format('user "%s" has no user mapping for server "%s"', current_user, server),
            HINT = format('Create it: CREATE USER MAPPING FOR %I SERVER %I OPTIONS (email ''...'', '
                          'token ''...''); with auth ''none'' instead it reads what is public.',
                          current_user, server);
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.check_temporary(purpose text, hint text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- These functions read from Bitbucket through a foreign table in pg_temp, which is made for one
-- query and dropped after it. A lasting table would need an owner, a schema, privileges for
-- everybody else, and care in dumps and upgrades. The price is that the transaction has to be one
-- that may write.
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE read_only_sql_transaction USING
            MESSAGE = format('cannot %s in a read-only transaction', purpose), HINT = hint;
    ELSIF NOT has_database_privilege(current_database(), 'TEMP') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create temporary tables in database "%s"',
                             current_database()),
            HINT = hint;
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.check_listing() RETURNS void
LANGUAGE sql STABLE
RETURN bitbucket_private.check_temporary('list repositories',
    'Workspaces and repositories are listed through a temporary foreign table. Without one, query '
    'the table "repositories" of an imported schema.');

CREATE FUNCTION bitbucket_private.workspaces(server name) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The slugs of all workspaces that the credential can list.
DECLARE
    said bitbucket_private.error;
BEGIN
    PERFORM bitbucket_private.check_listing();
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing (slug text) '
                   'SERVER %I OPTIONS (table ''workspaces'')', server);
    BEGIN
        RETURN QUERY EXECUTE 'SELECT slug FROM pg_temp.bitbucket_listing';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS said.state = RETURNED_SQLSTATE, said.message = MESSAGE_TEXT,
            said.detail = PG_EXCEPTION_DETAIL, said.hint = PG_EXCEPTION_HINT;
        RAISE USING ERRCODE = said.state, MESSAGE = said.message, DETAIL = said.detail,
            HINT = concat_ws(' ', nullif(said.hint, ''), format(
                'A credential that cannot list workspaces can still list one that is named: '
                'bitbucket.schemas(%L, ''acme'').', server));
    END;
    DROP FOREIGN TABLE pg_temp.bitbucket_listing;
END
$$;

CREATE TYPE bitbucket_private.repository AS (workspace text, slug text, has_issues boolean);

CREATE FUNCTION bitbucket_private.repositories(
    server name, workspaces text[], repository text DEFAULT NULL)
RETURNS SETOF bitbucket_private.repository LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- All repositories of some workspaces, or only the one that is named. It can be named in capitals,
-- although slugs are in lower case. Each workspace is a table option and not a condition, because a
-- workspace that is not there is then an error. A slug that cannot be part of an address is left
-- out with a warning. A repository that comes twice, because the listing changed while it was read,
-- is returned once.
DECLARE
    workspace text;
    listed record;
    slugs text[];
    entry bitbucket_private.repository;
    left_out text[];
BEGIN
    PERFORM bitbucket_private.check_listing();
    FOR workspace IN SELECT DISTINCT unnest(workspaces) LOOP
        slugs := '{}';
        left_out := '{}';
        EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing '
                       '(slug text, full_name text, has_issues boolean) '
                       'SERVER %I OPTIONS (table ''repositories'', workspace %L)',
                       server, workspace);
        FOR listed IN EXECUTE
            'SELECT full_name, has_issues FROM pg_temp.bitbucket_listing'
            || CASE WHEN repository IS NULL THEN '' ELSE ' WHERE slug = $1' END
            USING lower(repository COLLATE "C")
        LOOP
            entry := (split_part(listed.full_name, '/', 1),
                      substr(listed.full_name, strpos(listed.full_name, '/') + 1),
                      coalesce(listed.has_issues, false));
            -- What the options "workspace" and "repository" refuse, so that the import goes on.
            IF entry.slug IS NULL OR entry.slug IN ('', '.', '..') OR entry.slug ~ '[/\s]' THEN
                left_out := left_out || coalesce(format('"%s"', listed.full_name), 'without a name');
            ELSIF lower(entry.slug) <> ALL (slugs) THEN
                slugs := slugs || lower(entry.slug);
                RETURN NEXT entry;
            END IF;
        END LOOP;
        DROP FOREIGN TABLE pg_temp.bitbucket_listing;
        IF left_out <> '{}' THEN
            RAISE WARNING USING
                MESSAGE = format('%s of workspace "%s" left out', CASE cardinality(left_out)
                    WHEN 1 THEN 'a repository' ELSE cardinality(left_out) || ' repositories' END,
                    workspace),
                DETAIL = format('A slug cannot stand in an address: %s.',
                                array_to_string(left_out[1:10], ', '));
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION bitbucket_private.projects(server name, workspace text) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The keys of a workspace's projects, in order; NULL, with a WARNING, if they cannot be listed. A
-- credential for repositories need not have the scope for it, and can import these all the same.
DECLARE
    keys text[];
    message text;
BEGIN
    PERFORM bitbucket_private.check_listing();
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing (key text) '
                   'SERVER %I OPTIONS (table ''projects'', workspace %L)', server, workspace);
    EXECUTE 'SELECT coalesce(array_agg(DISTINCT key COLLATE "C"), ''{}'') '
            'FROM pg_temp.bitbucket_listing'
        INTO keys;
    DROP FOREIGN TABLE pg_temp.bitbucket_listing;
    RETURN keys;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
    RAISE WARNING USING
        MESSAGE = format('projects of workspace "%s" left out', workspace),
        DETAIL = message,
        HINT = 'Their tables are in the workspace''s own schema, too. Import again with a credential '
               'that may list projects to have a schema for each.';
    RETURN NULL;
END
$$;
