\echo Use "CREATE EXTENSION bitbucket_fdw CASCADE" to load this file. \quit

-- Functions run with the rights of whoever calls them and under a fixed search path. What is for use
-- in these scripts only is in a schema of its own, so that \df bitbucket.* shows what is for users.
-- It may change with any version.

CREATE SCHEMA bitbucket;
COMMENT ON SCHEMA bitbucket IS 'Bitbucket Cloud: importing schemas, and what can be imported';
GRANT USAGE ON SCHEMA bitbucket TO PUBLIC;

CREATE SCHEMA bitbucket_private;
COMMENT ON SCHEMA bitbucket_private IS
    'What the functions of schema bitbucket are made of; may change with any version';
-- Those functions run with the rights of their callers.
GRANT USAGE ON SCHEMA bitbucket_private TO PUBLIC;


-- What can be imported

-- The rows come from the Python package at run time. If a new version of the package has more
-- tables, this extension need not change. No request is made, so that no user mapping is needed.

CREATE SERVER bitbucket_catalog FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'bitbucket_fdw.wrapper.CatalogFdw');
COMMENT ON SERVER bitbucket_catalog IS 'The table declarations of bitbucket_fdw; no connection';

CREATE FOREIGN TABLE bitbucket.tables (
    name text,
    flat_name text,
    level text,
    family text,
    description text,
    endpoint text,
    item_endpoints text[],
    classic_scopes text[],
    granular_scopes text[],
    primary_key text[],
    filter_columns text[],
    sort_columns text[],
    item_keys text[],
    writes text[],
    needs_issue_tracker boolean,
    removed text
) SERVER bitbucket_catalog OPTIONS (table 'tables');

COMMENT ON FOREIGN TABLE bitbucket.tables IS 'The foreign tables that can be imported';
COMMENT ON COLUMN bitbucket.tables.name IS 'Name, and value of the table option "table"';
COMMENT ON COLUMN bitbucket.tables.flat_name IS 'Name under names ''flat''';
COMMENT ON COLUMN bitbucket.tables.level IS
    'workspace: in schemas of workspaces only; repository: in those of repositories, too';
COMMENT ON COLUMN bitbucket.tables.family IS
    'What it is about: imports can be kept to some families';
COMMENT ON COLUMN bitbucket.tables.description IS 'What its rows are';
COMMENT ON COLUMN bitbucket.tables.endpoint IS 'Where its rows are listed';
COMMENT ON COLUMN bitbucket.tables.item_endpoints IS 'Where a single row is read';
COMMENT ON COLUMN bitbucket.tables.classic_scopes IS 'Scopes a credential needs, old names';
COMMENT ON COLUMN bitbucket.tables.granular_scopes IS 'Scopes a credential needs, new names';
COMMENT ON COLUMN bitbucket.tables.primary_key IS 'Columns that identify a row';
COMMENT ON COLUMN bitbucket.tables.filter_columns IS
    'Columns whose conditions Bitbucket applies; bitbucket.columns has the operators';
COMMENT ON COLUMN bitbucket.tables.sort_columns IS 'Columns by which Bitbucket can sort';
COMMENT ON COLUMN bitbucket.tables.item_keys IS
    'Columns that, with those of the endpoint''s path, read a single row';
COMMENT ON COLUMN bitbucket.tables.writes IS 'Statements that change rows, besides SELECT';
COMMENT ON COLUMN bitbucket.tables.needs_issue_tracker IS
    'Imported by default only where there is an issue tracker';
COMMENT ON COLUMN bitbucket.tables.removed IS 'What happened to an endpoint that was taken away';

CREATE FOREIGN TABLE bitbucket.columns (
    table_name text,
    position integer,
    name text,
    flat_name text,
    type text,
    description text,
    operators text[],
    sortable boolean,
    request_per_row boolean,
    required boolean,
    nullable boolean,
    writes text[]
) SERVER bitbucket_catalog OPTIONS (table 'columns');

COMMENT ON FOREIGN TABLE bitbucket.columns IS 'The columns of bitbucket.tables';
COMMENT ON COLUMN bitbucket.columns.table_name IS 'Name of the table, without names ''flat''';
COMMENT ON COLUMN bitbucket.columns.position IS 'Place in the table, from 1';
COMMENT ON COLUMN bitbucket.columns.name IS 'Name, and value of the column option "column_name"';
COMMENT ON COLUMN bitbucket.columns.flat_name IS 'Name under names ''flat''';
COMMENT ON COLUMN bitbucket.columns.type IS 'PostgreSQL type';
COMMENT ON COLUMN bitbucket.columns.description IS 'What it holds';
COMMENT ON COLUMN bitbucket.columns.operators IS 'Operators whose conditions Bitbucket applies';
COMMENT ON COLUMN bitbucket.columns.sortable IS 'Bitbucket can sort by it';
COMMENT ON COLUMN bitbucket.columns.request_per_row IS
    'Not in listings: reading it takes a request for each row';
COMMENT ON COLUMN bitbucket.columns.required IS
    'A query has to say which values it wants: =, IN or a join';
COMMENT ON COLUMN bitbucket.columns.nullable IS 'Rows may have no value of it';
COMMENT ON COLUMN bitbucket.columns.writes IS 'Statements that can set it: INSERT, UPDATE';


-- What the session has asked

-- It is read from the memory of the backend. Nobody sees the requests of another session.
CREATE FOREIGN TABLE bitbucket.requests (
    made_at timestamptz,
    table_name text,
    method text,
    path text,
    query text,
    status integer,
    bytes bigint,
    milliseconds bigint,
    cached boolean,
    retries integer,
    error text
) SERVER bitbucket_catalog OPTIONS (table 'requests');

COMMENT ON FOREIGN TABLE bitbucket.requests IS
    'The last requests that this session has made for the current user, the oldest first';
COMMENT ON COLUMN bitbucket.requests.made_at IS 'When it began';
COMMENT ON COLUMN bitbucket.requests.table_name IS
    'What it was made for: see bitbucket.tables; or a function, or import';
COMMENT ON COLUMN bitbucket.requests.method IS 'GET, POST, PUT or DELETE';
COMMENT ON COLUMN bitbucket.requests.path IS 'Path below the server''s base_url';
COMMENT ON COLUMN bitbucket.requests.query IS 'Query as it was sent, encoded';
COMMENT ON COLUMN bitbucket.requests.status IS
    'HTTP status of the last answer; NULL if there was none';
COMMENT ON COLUMN bitbucket.requests.bytes IS 'Bytes of the answers, decoded';
COMMENT ON COLUMN bitbucket.requests.milliseconds IS
    'How long it took, with all repetitions and the pauses between them';
COMMENT ON COLUMN bitbucket.requests.cached IS
    'The answer is one that was kept by server option cache_ttl, and nothing was sent';
COMMENT ON COLUMN bitbucket.requests.retries IS 'How often it was made again';
COMMENT ON COLUMN bitbucket.requests.error IS 'Why there was no good answer in the end';


-- One row about the transaction that reads it. PostgreSQL has no SQL function that tells this.
CREATE FOREIGN TABLE bitbucket_private.transaction (in_block boolean)
    SERVER bitbucket_catalog OPTIONS (table 'transaction');
COMMENT ON FOREIGN TABLE bitbucket_private.transaction IS
    'Whether the client has begun a transaction block';

GRANT SELECT ON bitbucket.tables, bitbucket.columns, bitbucket.requests,
    bitbucket_private.transaction TO PUBLIC;
-- What has been imported

-- This view reads the options of the foreign tables themselves. A separate record could become
-- wrong, be lost in a dump, or get in the way of ALTER, DROP and RENAME.

CREATE VIEW bitbucket.imported_tables AS
SELECT s.srvname AS server,
       lower(o.workspace COLLATE "C") AS workspace,
       lower(o.repository COLLATE "C") AS repository,
       n.nspname AS schema,
       c.relname AS name,
       o."table" AS table_name,
       CASE WHEN o."table" LIKE '%\_%' THEN
            CASE c.relname WHEN o."table" THEN 'snake'
                           WHEN replace(o."table", '_', '') THEN 'flat' END
       END AS names,
       t.ftrelid::regclass AS relation
FROM pg_catalog.pg_foreign_table t
JOIN pg_catalog.pg_class c ON c.oid = t.ftrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
CROSS JOIN LATERAL (
    SELECT max(option_value) FILTER (WHERE option_name = 'workspace') AS workspace,
           max(option_value) FILTER (WHERE option_name = 'repository') AS repository,
           max(option_value) FILTER (WHERE option_name = 'table') AS "table"
    FROM pg_options_to_table(t.ftoptions)
) o
WHERE 'wrapper=bitbucket_fdw.wrapper.BitbucketFdw' = ANY (s.srvoptions)
  AND o.workspace IS NOT NULL
  AND c.relpersistence <> 't';

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
    'snake or flat; NULL where the name does not tell';
COMMENT ON COLUMN bitbucket.imported_tables.relation IS 'The table itself';
GRANT SELECT ON bitbucket.imported_tables TO PUBLIC;

CREATE VIEW bitbucket_private.shown_columns AS
SELECT t.relation, a.attnum AS number, a.attname AS name,
       coalesce((SELECT o.option_value FROM pg_options_to_table(a.attfdwoptions) o
                 WHERE o.option_name = 'column_name'), a.attname) AS shown
FROM bitbucket.imported_tables t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.relation
WHERE a.attnum > 0 AND NOT a.attisdropped;
COMMENT ON VIEW bitbucket_private.shown_columns IS
    'Columns of imported tables, and which of bitbucket.columns each of them shows';
GRANT SELECT ON bitbucket_private.shown_columns TO PUBLIC;
-- Names

CREATE FUNCTION bitbucket.schema_name(
    workspace text, repository text DEFAULT NULL, workspace_schema name DEFAULT NULL)
RETURNS name LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The rule is in docs/schemas.md. '-' becomes '_', '_' becomes '__', and '__' separates workspace
-- and repository. The slugs can be told from such a name only if each '-' and '_' stands between
-- letters or digits, and if there is no '_' in the workspace. All other names get a hash of the
-- slugs, so that no two repositories have the same name.
DECLARE
    -- Bitbucket does not tell upper from lower case in slugs. Collation "C" makes lower() the same
    -- in every database; it changes ASCII letters only.
    workspace_slug CONSTANT text COLLATE "C" := lower(workspace COLLATE "C");
    repository_slug CONSTANT text COLLATE "C" := lower(repository COLLATE "C");
    slugs CONSTANT text COLLATE "C" := concat_ws('/', workspace_slug, repository_slug);
    hash CONSTANT text := '__' || left(encode(sha256(convert_to(slugs, 'UTF8')), 'hex'), 8);
    plain boolean := workspace_schema IS NOT NULL OR workspace_slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$';
    made text COLLATE "C";
BEGIN
    IF workspace IS NULL OR '' IN (workspace, repository) OR workspace LIKE '%/%'
        OR repository LIKE '%/%'
    THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('no slugs of a workspace and a repository: %L, %L',
                             workspace, repository),
            HINT = 'Give them apart: bitbucket.schema_name(''acme'', ''website'').';
    END IF;
    made := coalesce(workspace_schema::text, bitbucket_private.identifier_part(workspace_slug));
    IF repository IS NOT NULL THEN
        plain := plain AND repository_slug ~ '^[a-z0-9]+([-_][a-z0-9]+)*$';
        made := made || '__' || bitbucket_private.identifier_part(repository_slug);
    END IF;
    -- A name that can be typed without quotes does not start with a digit and is no key word.
    -- PostgreSQL reserves names with pg_, and there are schemas with the four names already.
    IF workspace_schema IS NULL AND (made ~ '^pg_' OR quote_ident(made) <> made
        OR made IN ('bitbucket', 'bitbucket_private', 'information_schema', 'public'))
    THEN
        made := '_' || made;
    END IF;
    -- A name that ends as if it had a hash gets one, or it could be that of another repository.
    IF NOT plain OR octet_length(made) > 63 OR made ~ '__[0-9a-f]{8}$' THEN
        made := rtrim(bitbucket_private.cut(made, 63 - length(hash)), '_') || hash;
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION bitbucket.schema_name IS
    'The schema that a workspace or a repository is imported as';

CREATE FUNCTION bitbucket_private.identifier_part(slug text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(regexp_replace(replace(replace(slug, '_', '__'), '-', '_'), '[^a-z0-9_]+', '_', 'g'),
             '_');

CREATE FUNCTION bitbucket_private.cut(value text, bytes integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
-- The longest beginning that has at most so many bytes and ends between two characters.
BEGIN
    WHILE octet_length(value) > bytes LOOP
        value := left(value, -1);
    END LOOP;
    RETURN value;
END
$$;
-- Reading the API

CREATE FUNCTION bitbucket_private.require(parameter text, given anyelement) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF given IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = format('parameter "%s" must not be null', parameter);
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
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM bitbucket_private.check_listing();
    EXECUTE format('CREATE FOREIGN TABLE pg_temp.bitbucket_listing (slug text) '
                   'SERVER %I OPTIONS (table ''workspaces'')', server);
    BEGIN
        RETURN QUERY EXECUTE 'SELECT slug FROM pg_temp.bitbucket_listing';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RAISE USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = concat_ws(' ',
            nullif(hint, ''),
            format('A credential that cannot list workspaces can still list one that is named: '
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
-- Importing

CREATE TYPE bitbucket.import_result AS (
    workspace text,
    repository text,
    schema name,
    tables integer,
    status text
);
COMMENT ON TYPE bitbucket.import_result IS 'What importing did with one schema';
COMMENT ON COLUMN bitbucket.import_result.workspace IS 'Workspace slug';
COMMENT ON COLUMN bitbucket.import_result.repository IS
    'Repository slug; NULL for the schema of the workspace';
COMMENT ON COLUMN bitbucket.import_result.schema IS 'The schema';
COMMENT ON COLUMN bitbucket.import_result.tables IS 'Number of tables made now';
COMMENT ON COLUMN bitbucket.import_result.status IS
    'created, extended (by tables or columns), unchanged, or gone: no longer there or visible';

-- A wish is a schema to make or to complete. If repository is NULL it is the workspace's own
-- schema. If named is NULL the name follows from the rule. tracker says whether the issue tables
-- are wanted. A target is a wish whose schema is known, and missing are the tables that a target
-- does not have.
CREATE TYPE bitbucket_private.wish AS (repository text, named name, tracker boolean);
CREATE TYPE bitbucket_private.target AS
    (repository text, schema name, named boolean, tracker boolean);
CREATE TYPE bitbucket_private.missing AS (target integer, tables text[]);

CREATE FUNCTION bitbucket.import_workspace(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL, families text[] DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listing bitbucket_private.repository[];
    slug text := lower(workspace COLLATE "C");
BEGIN
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.check_options(names, issues, families);
    PERFORM bitbucket_private.lock(server, slug);
    -- One listing tells which repositories there are, and which of them have an issue tracker.
    listing := ARRAY(SELECT r FROM bitbucket_private.repositories(server, ARRAY[workspace]) r);
    slug := coalesce((listing[1]).workspace, slug);
    RETURN QUERY SELECT i.* FROM bitbucket_private.import(server, slug, names, families,
        bitbucket_private.wishes(server, slug, listing, issues, repositories, schema)) i;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.note_nothing(slug, families);
    END IF;
    RETURN QUERY
        SELECT DISTINCT t.workspace, t.repository, t.schema, 0, 'gone'
        FROM bitbucket.imported_tables t
        WHERE t.server = import_workspace.server AND t.workspace = lower(slug)
          AND t.repository NOT IN (SELECT lower(l.slug) FROM unnest(listing) l)
        ORDER BY 2, 3;
END
$$;
COMMENT ON FUNCTION bitbucket.import_workspace IS
    'Make a schema for a workspace and for each of its repositories, or add what is new';

CREATE FUNCTION bitbucket.import_repository(
    server name, workspace text, repository text, schema name DEFAULT NULL,
    names text DEFAULT 'snake', issues text DEFAULT 'auto', families text[] DEFAULT NULL)
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listed bitbucket_private.repository;
BEGIN
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.require('repository', repository),
            bitbucket_private.check_options(names, issues, families);
    PERFORM bitbucket_private.lock(server, lower(workspace COLLATE "C"));
    SELECT r.* INTO listed
    FROM bitbucket_private.repositories(server, ARRAY[workspace], repository) r;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.no_repository(server, workspace, repository);
    END IF;
    RETURN QUERY SELECT i.* FROM bitbucket_private.import(
        server, listed.workspace, names, families, ARRAY[
        (listed.slug, schema, coalesce(nullif(issues, 'auto') = 'always', listed.has_issues))
            ::bitbucket_private.wish]) i;
    IF NOT FOUND THEN
        PERFORM bitbucket_private.note_nothing(
            concat_ws('/', listed.workspace, listed.slug), families);
    END IF;
END
$$;
COMMENT ON FUNCTION bitbucket.import_repository IS
    'Make a schema for a repository, or add what is new to it';

CREATE FUNCTION bitbucket_private.wishes(
    server name, workspace text, listing bitbucket_private.repository[], issues text,
    repositories text[], schema name)
RETURNS bitbucket_private.wish[] LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- The workspace's own schema first, then those of its repositories, or of the ones that are named.
DECLARE
    wanted text[] COLLATE "C" := ARRAY(SELECT lower(r COLLATE "C") FROM unnest(repositories) r);
BEGIN
    IF repositories IS NULL THEN
        wanted := ARRAY(SELECT lower(l.slug) FROM unnest(listing) l);
    END IF;
    PERFORM bitbucket_private.require('repositories', w) FROM unnest(wanted) w;
    PERFORM bitbucket_private.no_repository(server, workspace, w)
    FROM unnest(wanted) w WHERE w NOT IN (SELECT lower(l.slug) FROM unnest(listing) l);
    RETURN ARRAY(
        SELECT (w.repository, w.named, coalesce(nullif(issues, 'auto') = 'always', w.tracker))
            ::bitbucket_private.wish
        FROM (
            SELECT NULL AS repository, schema AS named, coalesce(bool_or(l.has_issues), false)
                       AS tracker
            FROM unnest(listing) l
            UNION ALL
            SELECT l.slug, CASE WHEN schema IS NOT NULL
                           THEN bitbucket.schema_name(l.workspace, l.slug, schema) END,
                   l.has_issues
            FROM unnest(listing) l WHERE lower(l.slug) = ANY (wanted)
        ) w
        ORDER BY w.repository COLLATE "C" NULLS FIRST);
END
$$;

CREATE FUNCTION bitbucket_private.check_options(names text, issues text, families text[])
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known text[];
BEGIN
    IF names IS NULL OR names NOT IN ('snake', 'flat') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "names": %L', names),
            HINT = 'It is one of: snake, flat.';
    ELSIF issues IS NULL OR issues NOT IN ('auto', 'always', 'never') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "issues": %L', issues),
            HINT = 'It is one of: auto, always, never.';
    ELSIF families IS NOT NULL THEN
        known := ARRAY(
            SELECT f.family
            FROM (SELECT t.family, row_number() OVER () AS i FROM bitbucket.tables t) f
            GROUP BY f.family ORDER BY min(f.i));
        IF families = '{}' OR NOT families <@ known THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('invalid value for parameter "families": %L', families),
                HINT = format('It is a list of: %s. Leave it out for all of them.',
                              array_to_string(known, ', '));
        END IF;
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.note_nothing(place text, families text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- With all families there is always something to import.
BEGIN
    RAISE NOTICE USING
        MESSAGE = format('nothing to import for "%s" of families %s', place,
                         array_to_string(families, ', ')),
        HINT = 'bitbucket.tables has the family of each table, and whether it stands in schemas of '
               'repositories.';
END
$$;

CREATE FUNCTION bitbucket_private.no_repository(server name, workspace text, repository text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE no_data_found USING
        MESSAGE = format('workspace "%s" has no repository "%s"', workspace, repository),
        HINT = format('See bitbucket.schemas(%L, %L). Bitbucket leaves out what the credential may '
                      'not see.', server, workspace);
END
$$;

CREATE FUNCTION bitbucket_private.lock(server name, workspace text) RETURNS void
LANGUAGE sql
-- Sessions that import the same workspace wait for each other, until the end of the transaction.
RETURN pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'bitbucket_fdw', server, workspace), 0));

CREATE FUNCTION bitbucket_private.label(workspace text, repository text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- The comment on a schema that an import made. A later import finds the schema by it.
RETURN CASE WHEN repository IS NULL THEN format('Bitbucket workspace %s', workspace)
            ELSE format('Bitbucket repository %s/%s', workspace, repository) END;

-- The following functions work on all schemas of a call at once. If each schema took a pass over
-- all foreign tables, the time would grow with the square of the number of repositories.

CREATE FUNCTION bitbucket_private.import(
    server name, workspace text, names text, families text[], wishes bitbucket_private.wish[])
RETURNS SETOF bitbucket.import_result LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    targets CONSTANT bitbucket_private.target[] :=
        bitbucket_private.targets(server, workspace, names, wishes);
    lacking CONSTANT bitbucket_private.missing[] :=
        bitbucket_private.missing_tables(names, families, targets);
    results bitbucket.import_result[];
    missing bitbucket_private.missing;
    step record;
BEGIN
    PERFORM bitbucket_private.check_targets(server, workspace, names, targets);
    PERFORM bitbucket_private.check_locks(sum(cardinality(l.tables))) FROM unnest(lacking) l;
    -- A schema that would have no table of the chosen families is not made. Its status is NULL.
    results := ARRAY(
        SELECT (workspace, t.repository, t.schema, 0,
                CASE WHEN n.oid IS NOT NULL THEN 'unchanged'
                     WHEN l.target IS NOT NULL THEN 'created' END)
            ::bitbucket.import_result
        FROM unnest(targets) WITH ORDINALITY t (repository, schema, named, tracker, i)
        LEFT JOIN pg_namespace n ON n.nspname = t.schema
        LEFT JOIN unnest(lacking) l ON l.target = t.i
        ORDER BY t.i);
    PERFORM bitbucket_private.create_schema(r.schema)
    FROM unnest(results) r WHERE r.status = 'created';

    FOREACH missing IN ARRAY lacking LOOP
        PERFORM bitbucket_private.create_tables(
            server, workspace, targets[missing.target], names, missing.tables);
        results[missing.target].tables := cardinality(missing.tables);
    END LOOP;
    FOR step IN SELECT * FROM bitbucket_private.missing_columns(names, targets) LOOP
        EXECUTE step.statement;
        IF results[step.i].status = 'unchanged' THEN
            results[step.i].status := 'extended';
        END IF;
    END LOOP;
    PERFORM bitbucket_private.describe(ARRAY(SELECT t.schema FROM unnest(targets) t), false);

    -- The comment by which a schema is found again. A comment that is there already is left alone.
    FOR step IN
        SELECT format('COMMENT ON SCHEMA %I IS %L', t.schema,
                      bitbucket_private.label(workspace, t.repository)) AS statement
        FROM unnest(targets) t JOIN pg_namespace n ON n.nspname = t.schema
        WHERE obj_description(n.oid, 'pg_namespace') IS NULL AND pg_has_role(n.nspowner, 'USAGE')
    LOOP
        EXECUTE step.statement;
    END LOOP;
    RETURN QUERY
        SELECT r.workspace, r.repository, r.schema, r.tables,
               CASE WHEN r.status = 'unchanged' AND r.tables > 0 THEN 'extended' ELSE r.status END
        FROM unnest(results) r WHERE r.status IS NOT NULL;
END
$$;

CREATE FUNCTION bitbucket_private.targets(
    server name, workspace text, names text, wishes bitbucket_private.wish[])
RETURNS bitbucket_private.target[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The schema for each wish. It is the one that the caller named. Otherwise it is the one that an
-- earlier import made, which may have been renamed. Otherwise it is the one of the rule. The
-- comment tells a schema that an import made from one in which somebody put a foreign table of
-- their own.
BEGIN
    RETURN ARRAY(
        WITH made AS (
            SELECT t.repository, t.schema, n.oid
            FROM bitbucket.imported_tables t JOIN pg_namespace n ON n.nspname = t.schema
            -- Schemas of other roles do not count: somebody could make one to be found here.
            WHERE t.server = targets.server AND t.workspace = lower(targets.workspace)
              AND pg_has_role(n.nspowner, 'USAGE')
            GROUP BY t.repository, t.schema, n.oid
            HAVING bool_and(t.names = targets.names) IS NOT FALSE
        ), best AS (
            SELECT DISTINCT ON (m.repository) m.repository, m.schema
            FROM made m
            WHERE lower(obj_description(m.oid, 'pg_namespace'))
                = lower(bitbucket_private.label(targets.workspace, m.repository))
            ORDER BY m.repository, m.schema <> bitbucket.schema_name(workspace, m.repository),
                     m.oid
        )
        SELECT (w.repository,
                coalesce(w.named, b.schema, bitbucket.schema_name(workspace, w.repository)),
                w.named IS NOT NULL, w.tracker)::bitbucket_private.target
        FROM unnest(wishes) WITH ORDINALITY w (repository, named, tracker, i)
        LEFT JOIN best b ON lower(w.repository) IS NOT DISTINCT FROM b.repository
        ORDER BY w.i);
END
$$;

CREATE FUNCTION bitbucket_private.check_targets(
    server name, workspace text, names text, targets bitbucket_private.target[])
RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Raises an error if an existing schema must not get the tables. This is so if it has tables of
-- another repository, or tables whose names are spelled in the other way. Unless the caller named
-- the schema, it is also so if it has other objects, or belongs to another role, which could later
-- replace a table by a view of its own.
DECLARE
    hint CONSTANT text := 'Give another name as parameter "schema".';
    asking CONSTANT text := hint || ' To have these in it all the same, give its own.';
    place record;
BEGIN
    FOR place IN
        SELECT x.schema, x.named, n.oid, n.nspowner AS owner, count(t.relation) AS tables,
               string_agg(DISTINCT concat_ws('/', t.workspace, t.repository)
                                   || format(' (server %s)', t.server), ', ')
                   FILTER (WHERE t.relation IS NOT NULL
                       AND (t.server, t.workspace, t.repository) IS DISTINCT FROM
                           (check_targets.server, lower(check_targets.workspace),
                            lower(x.repository))) AS others,
               max(t.names) FILTER (WHERE t.names <> check_targets.names) AS names
        FROM unnest(targets) x
        JOIN pg_namespace n ON n.nspname = x.schema
        LEFT JOIN bitbucket.imported_tables t ON t.schema = x.schema
        GROUP BY x.schema, x.named, x.repository, n.oid, n.nspowner
    LOOP
        IF place.others IS NOT NULL THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" holds tables of %s', place.schema, place.others),
                HINT = hint;
        ELSIF place.names IS NOT NULL THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" was imported with names %L', place.schema,
                                 place.names),
                HINT = hint;
        ELSIF NOT place.named AND NOT pg_has_role(place.owner, 'USAGE') THEN
            RAISE insufficient_privilege USING
                MESSAGE = format('schema "%s" belongs to role "%s"', place.schema,
                                 pg_get_userbyid(place.owner)),
                HINT = asking;
        ELSIF NOT place.named AND place.tables = 0
            AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = place.oid)
        THEN
            RAISE duplicate_schema USING
                MESSAGE = format('schema "%s" exists, and holds other tables', place.schema),
                HINT = asking;
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION bitbucket_private.create_schema(schema name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_database_privilege(current_database(), 'CREATE') THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied to create schema "%s"', schema),
            HINT = format('The owner of database %1$I can GRANT CREATE ON DATABASE %1$I TO %2$I, '
                          'or create the schema for you.', current_database(), current_user);
    END IF;
    EXECUTE format('CREATE SCHEMA %I', schema);
END
$$;

CREATE FUNCTION bitbucket_private.missing_tables(
    names text, families text[], targets bitbucket_private.target[])
RETURNS bitbucket_private.missing[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- The names of the tables to make for each target that lacks some. Targets are told by their place
-- in the list.
BEGIN
    RETURN ARRAY(
        WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables)  -- read once, whatever the plan
        SELECT (x.i, array_agg(
                CASE missing_tables.names WHEN 'flat' THEN k.flat_name ELSE k.name END))
            ::bitbucket_private.missing
        FROM unnest(targets) WITH ORDINALITY x (repository, schema, named, tracker, i)
        CROSS JOIN known k
        LEFT JOIN bitbucket.imported_tables t ON t.schema = x.schema AND t.table_name = k.name
        WHERE (x.repository IS NULL OR k.level = 'repository')
          AND (x.tracker OR NOT k.needs_issue_tracker)
          AND (families IS NULL OR k.family = ANY (families))
          AND t.relation IS NULL
        GROUP BY x.i);
END
$$;

CREATE FUNCTION bitbucket_private.locks() RETURNS bigint
LANGUAGE sql STABLE
-- How many locks all sessions have between them: see PostgreSQL's max_locks_per_transaction.
RETURN current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint
       + current_setting('max_prepared_transactions')::bigint);

CREATE FUNCTION bitbucket_private.check_locks(tables bigint) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Each new table takes a lock until the end of the transaction. If there are not enough locks, this
-- says so at once; otherwise PostgreSQL would run out of them after a minute.
BEGIN
    IF tables > 0.9 * bitbucket_private.locks() THEN
        RAISE program_limit_exceeded USING
            MESSAGE = format('%s tables are too many for one transaction', tables),
            DETAIL = format('Each takes one of %s locks that all sessions share.',
                            bitbucket_private.locks()),
            HINT = 'CALL bitbucket.import_repositories with the same parameters: it commits after '
                   'some repositories at a time. Or import fewer (parameters "repositories" and '
                   '"families"), or have the setting max_locks_per_transaction raised.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.create_tables(
    server name, workspace text, target bitbucket_private.target, names text, tables text[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    remote text := concat_ws('/', workspace, target.repository);
    too_long CONSTANT boolean := octet_length(remote) > 63;
BEGIN
    -- The parser cuts identifiers at 63 bytes, and so the name of a remote schema. If the name is
    -- longer, the tables are imported from a made-up one and then bound to the right one. The
    -- import makes no request for it: the tables are listed, and with 'always' nobody asks whether
    -- there is an issue tracker.
    IF too_long THEN
        remote := CASE WHEN target.repository IS NULL THEN 'workspace'
                       ELSE 'workspace/repository' END;
    END IF;
    EXECUTE format(
        'IMPORT FOREIGN SCHEMA %I LIMIT TO (%s) FROM SERVER %I INTO %I '
        'OPTIONS (names %L, issues ''always'')',
        remote, (SELECT string_agg(quote_ident(t), ', ') FROM unnest(tables) t), server,
        target.schema, names);
    IF too_long THEN
        EXECUTE (
            SELECT string_agg(format(
                'ALTER FOREIGN TABLE %I.%I OPTIONS (SET workspace %L%s)',
                target.schema, t, workspace,
                CASE WHEN target.repository IS NULL THEN ''
                     ELSE format(', SET repository %L', target.repository) END), ';')
            FROM unnest(tables) t);
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.missing_columns(names text, targets bitbucket_private.target[])
RETURNS TABLE (i integer, statement text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- Statements that add missing columns, such as those that a new version of the package has.
BEGIN
    RETURN QUERY
        WITH known AS MATERIALIZED (SELECT * FROM bitbucket.columns),
        lacking AS (
            SELECT x.i, t.relation, k.position, k.type, k.nullable, k.name,
                   CASE missing_columns.names WHEN 'flat' THEN k.flat_name ELSE k.name END
                       AS spelled
            FROM unnest(targets) WITH ORDINALITY x (repository, schema, named, tracker, i)
            JOIN bitbucket.imported_tables t ON t.schema = x.schema
            JOIN known k ON k.table_name = t.table_name
            LEFT JOIN bitbucket_private.shown_columns s
                ON s.relation = t.relation AND s.shown = k.name
            WHERE s.relation IS NULL
        )
        SELECT l.i::integer, format('ALTER FOREIGN TABLE %s %s', l.relation, string_agg(
            format('ADD COLUMN %I %s', l.spelled, l.type) || CASE WHEN l.spelled <> l.name
                THEN format(' OPTIONS (column_name %L)', l.name) ELSE '' END
                || CASE WHEN l.nullable THEN '' ELSE ' NOT NULL' END,
            ', ' ORDER BY l.position))
        FROM lacking l GROUP BY l.i, l.relation;
END
$$;

CREATE FUNCTION bitbucket_private.describe(schemas name[], overwrite boolean) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Describes tables and columns that have no comment, or all of them. Returns the number of
-- comments.
DECLARE
    statement text;
    number bigint := 0;
BEGIN
    FOR statement IN
        WITH known_tables AS MATERIALIZED (SELECT * FROM bitbucket.tables),
        known_columns AS MATERIALIZED (SELECT * FROM bitbucket.columns),
        mine AS MATERIALIZED (
            SELECT t.relation, t.table_name
            FROM bitbucket.imported_tables t JOIN pg_class c ON c.oid = t.relation
            WHERE t.schema = ANY (schemas) AND pg_has_role(c.relowner, 'USAGE')
        )
        -- PostgreSQL has no keys on foreign tables, so that the comment has to name them.
        SELECT format('COMMENT ON FOREIGN TABLE %s IS %L', m.relation, k.description || coalesce((
            SELECT '. Key: ' || string_agg(s.name, ', ' ORDER BY p.i)
            FROM unnest(k.primary_key) WITH ORDINALITY p (part, i)
            JOIN bitbucket_private.shown_columns s ON s.relation = m.relation AND s.shown = p.part),
            ''))
        FROM mine m JOIN known_tables k ON k.name = m.table_name
        WHERE overwrite OR obj_description(m.relation, 'pg_class') IS NULL
        UNION ALL
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', m.relation, s.name, k.description)
        FROM mine m JOIN bitbucket_private.shown_columns s ON s.relation = m.relation
        JOIN known_columns k ON k.table_name = m.table_name AND k.name = s.shown
        WHERE overwrite OR col_description(m.relation, s.number) IS NULL
    LOOP
        EXECUTE statement;
        number := number + 1;
    END LOOP;
    RETURN number;
END
$$;

CREATE FUNCTION bitbucket.comment_on(schema name, overwrite boolean DEFAULT false)
RETURNS bigint LANGUAGE sql
RETURN bitbucket_private.describe(ARRAY[schema], overwrite);
COMMENT ON FUNCTION bitbucket.comment_on IS
    'Describe the foreign tables of a schema and their columns; the number of comments made';
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
END
$$;
COMMENT ON FUNCTION bitbucket.schemas IS
    'The workspaces and repositories that the credential sees, and the schemas they have here';
-- Keys, as psqlODBC finds them

CREATE FUNCTION bitbucket.show_odbc_keys(schema name) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- psqlODBC takes for the primary key of a table t what an index named t_pkey in the same schema
-- contains, whatever table this index is on. Foreign tables have no indexes, so that those of one
-- empty table stand in for all of them.
DECLARE
    name CONSTANT text := 'bitbucket_keys';
    helper CONSTANT text := format('%I.%I', schema, name);
    label CONSTANT text := 'Empty. Its indexes tell psqlODBC the keys of the foreign tables here';
    parts text;
    statements text[];
    statement text;
BEGIN
    IF obj_description(to_regclass(helper), 'pg_class') = label THEN
        EXECUTE 'DROP TABLE ' || helper;
    END IF;
    WITH known AS MATERIALIZED (SELECT * FROM bitbucket.tables),
    part AS (
        SELECT t.name AS relname, cardinality(k.primary_key) AS number, p.i, s.name,
               -- The options of the table name these parts already.
               p.part = 'workspace' OR p.part = 'repository' AND t.repository IS NOT NULL AS bound
        FROM bitbucket.imported_tables t
        JOIN known k ON k.name = t.table_name
        CROSS JOIN unnest(k.primary_key) WITH ORDINALITY p (part, i)
        JOIN bitbucket_private.shown_columns s ON s.relation = t.relation AND s.shown = p.part
        WHERE t.schema = show_odbc_keys.schema
    ), key AS (
        SELECT p.relname, array_agg(p.name ORDER BY p.i) FILTER (WHERE NOT p.bound) AS names
        FROM part p GROUP BY p.relname HAVING count(*) = min(p.number)
    )
    SELECT (SELECT string_agg(DISTINCT format('%I text', n), ', ')
            FROM key k CROSS JOIN unnest(k.names) n),
           (SELECT array_agg(format(
                'CREATE UNIQUE INDEX %I ON %s (%s)', k.relname || '_pkey', helper,
                (SELECT string_agg(quote_ident(n), ', ' ORDER BY i)
                 FROM unnest(k.names) WITH ORDINALITY u (n, i))))
            FROM key k WHERE k.names IS NOT NULL)
    INTO parts, statements;
    IF parts IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('CREATE TABLE %s (%s, CHECK (false))', helper, parts);
    EXECUTE format('COMMENT ON TABLE %s IS %L', helper, label);
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
    END LOOP;
    RETURN cardinality(statements);
END
$$;
COMMENT ON FUNCTION bitbucket.show_odbc_keys IS
    'Let psqlODBC find the keys of the foreign tables of a schema; the number of keys shown';
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

CREATE FUNCTION bitbucket.verify(server name, workspace text DEFAULT NULL)
RETURNS TABLE (check_name text, status text, found text, what_to_do text, scopes text,
               missing_scope text, rate_limit text, curl text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
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
END
$$;
COMMENT ON FUNCTION bitbucket.verify IS
    'Check the connection, the credential, the workspaces and each imported table';

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
BEGIN
    PERFORM bitbucket_private.mapping_for_login(server);
    RETURN (SELECT result ->> 'url'
            FROM bitbucket_private.call(server, 'oauth_authorization_url', jsonb_build_object(
                'callback_url', callback_url, 'state', state)) result);
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
    mapping CONSTANT record := bitbucket_private.mapping_for_login(server);
    outcome jsonb;
    changes text;
BEGIN
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
END
$$;
COMMENT ON FUNCTION bitbucket.oauth_access_token IS
    'Exchange the code of a login for tokens, which the server keeps, and set the user mapping';

CREATE FUNCTION bitbucket.oauth_refresh(server name)
RETURNS TABLE (auth text, expires_in integer, scopes text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT result ->> 'auth', (result ->> 'expires_in')::numeric::integer, result ->> 'scopes'
        FROM bitbucket_private.call(server, 'oauth_refresh', '{}') result;
END
$$;
COMMENT ON FUNCTION bitbucket.oauth_refresh IS
    'Get a new OAuth 2 access token now; they are renewed by themselves when they run out';
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
BEGIN
    PERFORM bitbucket_private.check_given(o.level, o.options, min(o.about))
    FROM pg_event_trigger_ddl_commands() c
    CROSS JOIN LATERAL (
        SELECT * FROM bitbucket_private.given_options(c.classid, c.objid)
        UNION ALL
        SELECT * FROM bitbucket_private.dependent_options(c.objid)
        WHERE c.classid = 'pg_foreign_server'::regclass
    ) o
    GROUP BY o.level, o.options;
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
-- Importing many repositories

CREATE PROCEDURE bitbucket.import_repositories(
    server name, workspace text, names text DEFAULT 'snake', issues text DEFAULT 'auto',
    repositories text[] DEFAULT NULL, schema name DEFAULT NULL, families text[] DEFAULT NULL,
    batch integer DEFAULT NULL)
LANGUAGE plpgsql AS $$
-- The same as import_workspace, with a COMMIT after each batch of repositories, because a
-- transaction holds a lock on each table that it makes. What is there already is left alone.
-- Therefore a run that was ended goes on where it stopped when the procedure is called again.
--
-- A procedure with SET in its head cannot COMMIT. So the search path is set in the body, and again
-- after each COMMIT, which resets it. Before that, all names are written with their schemas.
--
-- In READ COMMITTED it sees, once it has the lock, what the session that had the lock before has
-- made. With another default_transaction_isolation it would try to make that again, and fail.
DECLARE
    listing bitbucket_private.repository[];
    wishes bitbucket_private.wish[];
    part bitbucket_private.wish[];
    slug pg_catalog.text;
    number pg_catalog.int4;
    refused pg_catalog.int4;
    done pg_catalog.int4 := 0;
    in_a_row pg_catalog.int4 := 0;
BEGIN
    PERFORM bitbucket_private.fix_search_path();
    PERFORM bitbucket_private.check_no_block('import_repositories', 'bitbucket.import_workspace');
    -- A function that calls this procedure does not allow a COMMIT either. This one shows it before
    -- anything is done.
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM bitbucket_private.fix_search_path();
    PERFORM bitbucket_private.check_server(server),
            bitbucket_private.require('workspace', workspace),
            bitbucket_private.check_options(names, issues, families),
            bitbucket_private.check_batch(batch);
    listing := ARRAY(SELECT r FROM bitbucket_private.repositories(server, ARRAY[workspace]) r);
    slug := coalesce((listing[1]).workspace, lower(workspace COLLATE "C"));
    wishes := bitbucket_private.wishes(server, slug, listing, issues, repositories, schema);

    -- This is outside of the loop, so that its errors end the procedure. They would probably be
    -- those of all repositories.
    PERFORM bitbucket_private.lock(server, slug);
    PERFORM bitbucket_private.import(server, slug, names, families, wishes[1:1]);
    wishes := wishes[2:];
    number := cardinality(wishes);
    batch := least(coalesce(batch, bitbucket_private.batch_size(families)), greatest(number, 1));
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM bitbucket_private.fix_search_path();
    WHILE done < number LOOP
        part := wishes[done + 1 : done + batch];
        PERFORM bitbucket_private.lock(server, slug);
        refused := bitbucket_private.import_part(server, slug, names, families, part);
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM bitbucket_private.fix_search_path();
        done := done + cardinality(part);
        in_a_row := CASE WHEN refused = cardinality(part) THEN in_a_row + refused ELSE 0 END;
        RAISE NOTICE '% of % repositories of workspace "%"', done, number, slug;
        IF in_a_row >= 20 OR in_a_row = number THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('the last %s repositories could not be imported', in_a_row),
                DETAIL = 'A WARNING for each of them says why.',
                HINT = 'What was imported before stays. Call it again when the cause is mended.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE bitbucket.import_repositories IS
    'As import_workspace, for many repositories: commits after some of them at a time';

CREATE FUNCTION bitbucket_private.fix_search_path() RETURNS void
LANGUAGE sql
-- It lasts until the end of the transaction.
RETURN set_config('search_path', 'pg_catalog, pg_temp', true);

CREATE FUNCTION bitbucket_private.check_no_block(procedure text, instead text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT t.in_block FROM bitbucket_private.transaction t) THEN
        RAISE active_sql_transaction USING
            MESSAGE = format('%s cannot run inside a transaction block', procedure),
            DETAIL = 'It commits after each batch.',
            HINT = format('CALL it by itself, with the client''s autocommit on. Inside of a '
                          'transaction there is %s.', instead);
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.check_batch(batch integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF batch < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for parameter "batch": %s', batch),
            HINT = 'It is a number of repositories, 1 or more. Leave it out to have as many as the '
                   'server''s locks allow.';
    END IF;
END
$$;

CREATE FUNCTION bitbucket_private.batch_size(families text[]) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
-- As many repositories as can be imported with a quarter of the server's locks, because other
-- sessions need locks, too. It is at most 200, so that little has to be done again if a run is
-- ended.
DECLARE
    each CONSTANT bigint := (
        SELECT count(*) FROM bitbucket.tables t
        WHERE t.level = 'repository' AND (families IS NULL OR t.family = ANY (families)));
BEGIN
    RETURN least(200, greatest(1, bitbucket_private.locks() / 4 / greatest(1, each)));
END
$$;

CREATE FUNCTION bitbucket_private.import_part(
    server name, workspace text, names text, families text[], wishes bitbucket_private.wish[])
RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Imports all of them together, or if that fails one by one. Returns how many could not be
-- imported.
BEGIN
    PERFORM bitbucket_private.import(server, workspace, names, families, wishes);
    RETURN 0;
EXCEPTION WHEN OTHERS THEN
    RETURN (SELECT count(*) FROM unnest(wishes) w
            WHERE NOT bitbucket_private.import_or_warn(server, workspace, names, families, w));
END
$$;

CREATE FUNCTION bitbucket_private.import_or_warn(
    server name, workspace text, names text, families text[], wish bitbucket_private.wish)
RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
-- Returns whether the repository could be imported. If not, a WARNING says why.
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM bitbucket_private.import(server, workspace, names, families, ARRAY[wish]);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RAISE WARNING USING
        MESSAGE = format('repository "%s/%s" was not imported: %s', workspace, wish.repository,
                         message),
        DETAIL = coalesce(nullif(detail, ''), 'The other repositories are imported all the same.'),
        HINT = coalesce(nullif(hint, ''), 'Import it again once the cause is mended.');
    RETURN false;
END
$$;
